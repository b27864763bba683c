"""`import` of campaigns, and `export` as one: what they hold, what can't be read, the best."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import typer

from trialwright.app.documents import Document, dumps, plain
from trialwright.app.lineage import committed
from trialwright.app.place import to_read
from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.campaigns.categories import agreement, category_of
from trialwright.campaigns.given import given
from trialwright.campaigns.read import read
from trialwright.campaigns.sheet import spans
from trialwright.campaigns.write import history_tsv, results_tsv
from trialwright.errors import CampaignError
from trialwright.report.words import number

_STORAGE = b"SQLite format 3\0"
WIDEST = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    files: tuple[str, ...]
    to: Path | None = None
    """The `results.tsv` to write; None: only tell."""
    name: str | None = None
    map: tuple[str, ...] = ()
    """`column=what` pairs."""
    json: bool = False


def is_storage(source: str) -> bool:
    """Say whether a source is a storage of Optuna's: a database's URL, a database, a journal."""
    if "://" in source:
        return True
    try:
        with Path(source).open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    return head.startswith(_STORAGE) or (b'"op_code"' in head and b'"worker_id"' in head)


def import_campaigns(wishes: Wishes) -> None:
    """Read campaigns and tell what they hold; write one again, if that is wished.

    Raises:
        CampaignError: a file can't be read, or the one to write is there already.
    """
    if wishes.to is not None and len(wishes.files) > 1:
        raise CampaignError(f"--to {wishes.to} takes one campaign, not {len(wishes.files)}")
    if wishes.to is not None and wishes.to.exists():
        raise CampaignError(f"{wishes.to} is there already: name another file with --to")
    said = given(wishes.map)
    campaigns = [read(Path(file), said) for file in wishes.files]
    if wishes.name:
        campaigns = [replace(campaign, name=wishes.name) for campaign in campaigns]
    if wishes.to is not None:
        _write(wishes.to, results_tsv(campaigns[0]))
    if wishes.json:
        documents = [document(campaign) for campaign in campaigns]
        typer.echo(dumps({"campaigns": list(documents)}))
        return
    typer.echo("\n\n".join("\n".join(summary(campaign)) for campaign in campaigns))
    if wishes.to is not None:
        typer.echo(f"wrote {len(campaigns[0].experiments)} experiments to {wishes.to}")


def export_results(study: Path | None, to: Path, *, force: bool, json: bool) -> None:
    """Write a study's trials into a `results.tsv`, with the commits of those that changed code.

    Raises:
        CampaignError: the file is there already, or can't be written.
        StudyError: there is no such study.
    """
    history = to_read(study).history()
    if to.exists() and not force:
        raise CampaignError(f"{to} is there already: replace it with --force, or name another file")
    text = history_tsv(history, committed(history))
    _write(to, text, mode="w" if force else "x")
    rows = text.count("\n") - 1
    if json:
        typer.echo(dumps({"file": str(to), "trials": rows}))
    else:
        typer.echo(f"wrote {rows} trial{'s' * (rows != 1)} to {to}")


def _write(path: Path, text: str, *, mode: Literal["x", "w"] = "x") -> None:
    try:
        with path.open(mode, encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise CampaignError(f"{path} can't be written: {error.strerror}") from None


def summary(campaign: Campaign) -> Iterator[str]:
    """Yield the lines that tell what a campaign holds."""
    count = len(campaign.experiments)
    way = f"{campaign.direction} {campaign.metric}" if campaign.direction else campaign.metric
    known = f" ({campaign.direction_from})" if campaign.direction_from else ""
    yield f"{campaign.name}: {count} experiment{'s' * (count != 1)}, {way}{known}"
    yield f"  read as {campaign.dialect}: {'; '.join(campaign.why)}"
    yield f"  {_counts(campaign)}"
    yield from _trouble(
        "malformed, left out", [(m.why, m.line, m.text) for m in campaign.malformed]
    )
    repaired = [(why, e.line, e.description) for e in campaign.repaired for why in e.repaired]
    yield from _trouble("repaired", repaired)
    for note in campaign.notes:
        yield f"  note: {note}"
    compared = agreement(campaign.experiments)
    if compared.compared:
        yield f"  categories inferred as declared: {compared.same} of {compared.compared}"
    best = campaign.best
    if best is not None and best.metric is not None:
        what = f": {_short(best.description)}" if best.description else ""
        yield f"  best so far: {number(best.metric)}, {_who(best)}{what}"


def _counts(campaign: Campaign) -> str:
    parts = [f"kept {len(campaign.having('keep'))}", f"discarded {len(campaign.having('discard'))}"]
    parts.append(f"crashed {len(campaign.having('crash'))}")
    if campaign.words:
        words = ", ".join(f"{word} {times}" for word, times in campaign.words.most_common(8))
        parts.append(f"other {campaign.words.total()} ({words})")
    return ", ".join(parts)


def _trouble(title: str, found: Sequence[tuple[str, int, str]]) -> Iterator[str]:
    """Every line number by reason, with the first line of each."""
    if not found:
        return
    by_why: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for why, line, text in found:
        by_why[why].append((line, text))
    lines = len({line for _, line, _ in found})
    yield f"  {title}: {lines} row{'s' * (lines != 1)}"
    for why, places in sorted(by_why.items(), key=lambda item: item[1][0][0]):
        where = spans(sorted({line for line, _ in places}))
        yield f"    {why}: line{'s' * (len(places) != 1)} {where}"
        yield f"      {_short(places[0][1].expandtabs(2))}"


def _who(best: Experiment) -> str:
    commit = f", commit {best.commit}" if best.commit else ""
    label = f" (its own name: {best.label})" if best.label not in ("", str(best.number)) else ""
    return f"experiment {best.number}{label}{commit}, {best.word}"


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[:WIDEST]}..."


def document(campaign: Campaign) -> Document:
    """Return a campaign as one JSON document, with the inferred category of each experiment."""
    best = campaign.best
    experiments = []
    for one in campaign.experiments:
        entry = plain(one)
        assert isinstance(entry, dict)
        experiments.append({**entry, "inferred": category_of(one.description)})
    statuses = Counter(one.status for one in campaign.experiments)
    return {
        "name": campaign.name,
        "metric": campaign.metric,
        "direction": campaign.direction,
        "direction_from": campaign.direction_from,
        "dialect": campaign.dialect,
        "why": list(campaign.why),
        "counts": {
            "experiments": len(campaign.experiments),
            **{status: statuses[status] for status in ("keep", "discard", "crash", "other")},
            "malformed": len(campaign.malformed),
            "repaired": len(campaign.repaired),
        },
        "best": best.number if best else None,
        "categories": plain(agreement(campaign.experiments)),
        "notes": list(campaign.notes),
        "malformed": [plain(one) for one in campaign.malformed],
        "experiments": list(experiments),
    }
