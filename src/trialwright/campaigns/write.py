"""Writes `results.tsv` in autoresearch's format: a campaign's rows, or a study's as it goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.campaigns.cells import reading
from trialwright.campaigns.vocabulary import MEMORY, ROLES, normal
from trialwright.errors import CampaignError
from trialwright.history import History, Trial

SHORT = 7
"""Characters of a commit's id."""

Field = Literal["commit", "metric", "memory", "status", "description"]
FIELDS: tuple[Field, ...] = ("commit", "metric", "memory", "status", "description")


def results_tsv(campaign: Campaign) -> str:
    r"""Return a campaign in the autoresearch format: five columns, tabs, one row per experiment.

    What the format has no column for is left out. Line ends and tabs in descriptions become blanks.

    >>> from trialwright.campaigns.read import parse
    >>> text = "commit,val_bpb,status,notes\na1b2c3d,0.9979,keep,baseline\n"
    >>> print(results_tsv(parse(text)).expandtabs(10), end="")
    commit    val_bpb   memory_gb status    description
    a1b2c3d   0.997900  0.0       keep      baseline
    """
    rows = [_line(_fields(one)) for one in campaign.experiments]
    return "".join([_header(campaign.metric), *rows])


def history_tsv(history: History, commits: Mapping[int, str] | None = None) -> str:
    """Return a study in that format: a row per trial that has ended, in the order of their numbers.

    `commits` has the commit of each trial; one that has none is called by its number.
    """
    rows = [_line(fields) for fields in _trials(history, commits or {})]
    return "".join([_header(history.task.objective.metric), *rows])


def keep_up(
    path: Path, history: History, commits: Mapping[int, str] | None = None, *, earlier: str = ""
) -> bool:
    """Bring a `results.tsv` up to date with a study; say whether anything was written.

    Rows of others stay as they are, in front of the study's own, which are known by their commits.
    Another order of columns, and further ones, are kept. A reader sees the old file or the new one.
    `earlier` is the text of a `results.tsv` from before the study: a file that is not there yet
    begins with its rows.

    Raises:
        CampaignError: the file can't be read or written, or its first line names other columns.
    """
    ours = list(_trials(history, commits or {}))
    metric = history.task.objective.metric
    try:
        before = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        base = before if before.strip() else earlier.removeprefix("\ufeff")
        text = _updated(base if base.strip() else _header(metric), ours, metric, path)
        if text == before:
            return False
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(text.encode())
        temporary.replace(path)
    except UnicodeDecodeError:
        raise CampaignError(f"{path} is not in UTF-8: it is left as it is") from None
    except OSError as error:
        raise CampaignError(f"{path} can't be kept up: {error.strerror}") from None
    return True


def _updated(before: str, ours: list[dict[Field, str]], metric: str, path: Path) -> str:
    """The text with the study's rows behind those of others, under the columns that it has."""
    first, *rest = [line.rstrip("\r") for line in before.split("\n")]
    header = first.split("\t")
    places = _places(header, metric)
    if len(places) < len(FIELDS):
        missing = [name for name in FIELDS if name not in places]
        raise CampaignError(
            f"{path} is no results.tsv of {metric}: its first line has no column for"
            f" {', '.join(missing)}. Give the study another file, or move this one away"
        )
    known = {fields["commit"] for fields in ours}
    at = places["commit"]
    others = [
        line for line in rest if line.strip() and (line.split("\t") + [""] * at)[at] not in known
    ]
    lines = [first, *others]
    for fields in ours:
        cells = [""] * len(header)
        for name, place in places.items():
            cells[place] = fields[name]
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def _places(header: list[str], metric: str) -> dict[Field, int]:
    found: dict[Field, int] = {}
    for place, cell in enumerate(header):
        name = normal(cell)
        if name == normal(metric):
            found.setdefault("metric", place)
        elif MEMORY.fullmatch(name):
            found.setdefault("memory", place)
        elif name in ROLES["commit"]:
            found.setdefault("commit", place)
        elif name in ROLES["status"]:
            found.setdefault("status", place)
        elif name in ROLES["description"]:
            found.setdefault("description", place)
    return found


def _header(metric: str) -> str:
    return f"commit\t{_clean(metric)}\tmemory_gb\tstatus\tdescription\n"


def _line(fields: Mapping[Field, str]) -> str:
    return "\t".join(fields[name] for name in FIELDS) + "\n"


def _fields(one: Experiment) -> dict[Field, str]:
    word = one.word if one.status == "other" else one.status
    return {
        "commit": _clean(one.commit) or "none",
        "metric": _metric(one.metric, crashed=one.status == "crash"),
        "memory": _memory(one.memory_gb),
        "status": _clean(word),
        "description": _clean(one.description),
    }


def _trials(history: History, commits: Mapping[int, str]) -> list[dict[Field, str]]:
    found: list[dict[Field, str]] = []
    for trial in history.trials:
        status = _status(trial)
        if status is None:
            continue
        memory = trial.measures.get("memory_gb")
        if "peak_vram_mb" in trial.measures:
            memory = trial.measures["peak_vram_mb"] / 1024
        value = None if status == "crash" else trial.value
        rationale = trial.proposal.rationale.strip().splitlines()
        found.append(
            {
                "commit": commits.get(trial.number, "")[:SHORT] or f"trial-{trial.number}",
                "metric": _metric(value, crashed=status == "crash"),
                "memory": _memory(round(memory, 1) if memory is not None else None),
                "status": status,
                "description": _clean(rationale[0]) if rationale else "",
            }
        )
    return found


def _status(trial: Trial) -> str | None:
    """The format's word for what became of a trial; None while it is open."""
    match trial.state:
        case "failed":
            return "crash"
        case "pruned":
            return "discard"
        case "done" if trial.verdict is not None:
            return "keep" if trial.verdict.status == "kept" else "discard"
    return None


def _metric(value: float | None, *, crashed: bool) -> str:
    """With six decimals, as the format has it, unless that would lose something.

    A zero that was measured is told apart from the zeros of crashes by having no decimals.
    """
    if value is None or not math.isfinite(value):
        return "0.000000" if crashed else ""
    if value == 0:
        return "0"
    return _exact(value, 6)


def _memory(value: float | None) -> str:
    return _exact(value, 1) if value is not None and math.isfinite(value) and value > 0 else "0.0"


def _exact(value: float, decimals: int) -> str:
    short = f"{value:.{decimals}f}"
    return short if float(short) == value and reading(short) else repr(value)


def _clean(text: str) -> str:
    """The text in one line, without what separates cells; quoted if it begins and ends with quotes.

    Who reads the file takes such quotes for a spreadsheet's.
    """
    text = " ".join(text.replace("\0", "").split())
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return '"' + text.replace('"', '""') + '"' if quoted else text
