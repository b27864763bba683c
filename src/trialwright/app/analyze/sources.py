"""From what a search left to campaigns: studies of ours, storages, trackers' folders, logs.

What a source is, is told by looking at it; what it can't be, by a message with all that was tried.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from trialwright.app.place import FILE, RUNS, to_read
from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.dataset import DESCRIPTION, read_dataset
from trialwright.campaigns.given import Given
from trialwright.campaigns.kept import with_kept
from trialwright.campaigns.mlflow import is_mlflow_folder, mlflow_database, mlflow_folder
from trialwright.campaigns.read import read
from trialwright.errors import CampaignError, StudyError, TrialwrightError
from trialwright.history import History
from trialwright.history import read as read_history
from trialwright.insight.ours import campaign_of
from trialwright.store import LEDGER, Store, begun, url_fault
from trialwright.task import LedgerPlan

SQLITE = b"SQLite format 3\0"
LOGS = (
    "results.tsv",
    "results.jsonl",
    "results.csv",
    "experiments.jsonl",
    "experiments.tsv",
    "append.log",
)
"""What a log is called that is read where only its folder is named."""
STUDY_FILES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How sources are to be read."""

    given: Given = field(default_factory=Given)
    """What columns and words of logs are."""
    name: str | None = None
    """Which study of a storage, or experiment of a tracker; None: all of them."""
    ledger: str | None = None
    """The server that has the studies, which sources then name; '': none."""


def campaigns_in(source: str | Path, wish: Wish | None = None) -> list[Campaign]:
    """Return the campaigns that a source holds; more than one of a storage, or a folder of studies.

    Raises:
        TrialwrightError: it can't be read: what was tried, and what spoke against each.
    """
    wish = wish or Wish()
    found = [with_kept(one) for one in _campaigns(str(source), wish)]
    if wish.name is None:
        return found
    named = [one for one in found if one.name == wish.name]
    if not named:
        there = ", ".join(sorted({one.name for one in found}))
        raise CampaignError(f"{source} has no {wish.name!r}, but {there}")
    return named


def _campaigns(source: str, wish: Wish) -> list[Campaign]:
    if wish.ledger:
        return [of_study(_on_server(source, wish.ledger))]
    if "://" in source:
        return _stored(source, wish)
    path = Path(source)
    if not path.exists():
        raise CampaignError(
            f"{source} is neither a file, nor a folder, nor the URL of a storage, such as"
            " sqlite:///study.db"
        )
    return _in_folder(path, wish) if path.is_dir() else _in_file(path, wish)


def _in_file(path: Path, wish: Wish) -> list[Campaign]:
    if path.suffix in STUDY_FILES:
        return [of_study(to_read(path).history())]
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(SQLITE):
        return _in_database(path, wish)
    if b'"op_code"' in head and b'"worker_id"' in head:
        return _stored(str(path), wish)
    return [read(path, wish.given)]


def _stored(url: str, wish: Wish) -> list[Campaign]:
    if url.startswith(("http://", "https://")):
        raise CampaignError(
            f"{url} is a server: export what it has, or name its folder or database"
        )
    from trialwright.app.analyze.storages import campaigns_stored

    return campaigns_stored(url, wish.name)


def of_study(history: History) -> Campaign:
    """Return a study of ours as a campaign, with a note on trials that were not judged yet.

    Raises:
        LedgerError: it was never run.
    """
    campaign = campaign_of(history)
    open_ = len(history.trials) - len(campaign.experiments)
    if not open_:
        return campaign
    note = f"{open_} of {len(history.trials)} trials are not judged yet, and left out"
    return replace(campaign, notes=(*campaign.notes, note))


def _on_server(source: str, url: str) -> History:
    """A study whose ledger is on a server: by its name there, or its study file."""
    fault = url_fault(url)
    if fault:
        raise StudyError(f"--{fault}")
    name = source
    path = Path(source)
    if path.is_file() and path.suffix in STUDY_FILES:
        from trialwright.studyfile import whereabouts

        name = whereabouts(path)[0] or source
    return read_history(Store(Path(), LedgerPlan(url=url), name))


def _in_folder(folder: Path, wish: Wish) -> list[Campaign]:
    if begun(folder):
        return [of_study(to_read(folder).history())]
    if (folder / DESCRIPTION).is_file():
        return [read_dataset(folder)]
    if is_mlflow_folder(folder):
        return mlflow_folder(folder, wish.given)
    if (folder / FILE).is_file():
        return [of_study(to_read(folder).history())]
    logs = [folder / name for name in LOGS if (folder / name).is_file()]
    if logs:
        return [read(path, wish.given) for path in logs]
    studies = sorted(path for path in _below(folder) if begun(path))
    if studies:
        return [of_study(to_read(path).history()) for path in studies]
    raise CampaignError(
        f"nothing in {folder} can be analysed. Looked for:"
        f"\n  a study: no {LEDGER}, no {FILE}, and no folder with one below it"
        f"\n  a data set that `export --dataset` wrote: no {DESCRIPTION}"
        "\n  MLflow: no experiment's meta.yaml, here or in mlruns"
        f"\n  a log: none of {', '.join(LOGS)}"
        "\nName the file itself, if it is called otherwise."
    )


def _below(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / RUNS):
        if place.is_dir():
            yield from (path for path in place.iterdir() if path.is_dir())


def _in_database(path: Path, wish: Wish) -> list[Campaign]:
    """What a SQLite database holds is told by its tables."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {str(name) for (name,) in rows}
    except sqlite3.Error as error:
        raise CampaignError(f"{path} is a SQLite database that can't be read: {error}") from None
    if "record" in tables:
        return [of_study(read_history(Store(_ledger_folder(path))))]
    if "studies" in tables and "trials" in tables:
        return _stored(f"sqlite:///{path}", wish)
    if {"experiments", "runs", "latest_metrics"} <= tables:
        return mlflow_database(path, wish.given)
    listed = ", ".join(sorted(tables)[:12]) or "none"
    raise CampaignError(
        f"{path} is a SQLite database, but neither a ledger of ours, nor a storage of Optuna's, nor"
        f" a database of MLflow's; its tables: {listed}"
    )


def _ledger_folder(path: Path) -> Path:
    if path.name != LEDGER:
        raise CampaignError(f"{path} is a study's ledger: it has to be called {LEDGER}")
    return path.parent


@dataclass(frozen=True, slots=True)
class Sources:
    """Several sources, read as far as they can be."""

    campaigns: tuple[Campaign, ...]
    unread: tuple[tuple[str, str], ...] = ()
    """Sources that can't be read, with the reason."""


def opened(sources: list[str], wish: Wish) -> Sources:
    """Read several sources; one that can't be read does not keep the others from it.

    Raises:
        TrialwrightError: none can be read.
    """
    found: list[Campaign] = []
    unread: list[tuple[str, str]] = []
    for source in sources:
        try:
            found += campaigns_in(source, wish)
        except TrialwrightError as error:
            if len(sources) == 1:
                raise
            unread.append((source, str(error)))
    if not found:
        raise CampaignError("\n".join(why for _, why in unread))
    return Sources(_distinct(found), tuple(unread))


def _distinct(campaigns: list[Campaign]) -> tuple[Campaign, ...]:
    """Campaigns with names of their own: of equal ones, the second has a 2 behind it."""
    seen: dict[str, int] = {}
    named = []
    for one in campaigns:
        seen[one.name] = times = seen.get(one.name, 0) + 1
        named.append(one if times == 1 else replace(one, name=f"{one.name} ({times})"))
    return tuple(named)
