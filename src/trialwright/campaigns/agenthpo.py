"""The log of AgentHPO: `append.log`, in which its Executor notes configurations and results.

The format is that of the log which its authors released (github.com/ssui-liu/AgentHPO, in
`environments/gcn/node_classification`): a heading per experiment, a block per run of the script.
A script that broke leaves a block with the error, and the next block is its repair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from trialwright.campaigns.campaign import Malformed
from trialwright.campaigns.sheet import Refused, Row, Sheet, malformed
from trialwright.campaigns.tracked import scalar
from trialwright.expression import Scalar

_HEADING = re.compile(r"\*{3,}\s*Experiment\s+(\d+)\s*\*{3,}", re.IGNORECASE)
_BLOCK = re.compile(r"Configurations?:\s*", re.IGNORECASE)
_SETTING = re.compile(r"[\t ]+([^:\s][^:]*):\s*(.*)")
_ERROR = re.compile(r"Error occurred:\s*(.*)", re.IGNORECASE)
_TIME = re.compile(r"Total Training Time:\s*([\d.eE+-]+)\s*s?", re.IGNORECASE)
_NUMBER = re.compile(r"(Final\s+[^:]+|Test [^:]+|Best [^:]+):\s*(\S+)", re.IGNORECASE)
_CURVE = re.compile(r"(Epoch|(?:Train|Val|Valid|Test)[\w ]*):\s*(\[.*\])", re.IGNORECASE)
_END = re.compile(r"Finished Training\s*", re.IGNORECASE)


@dataclass(slots=True)
class _Block:
    """What the script logged in one run."""

    line: int
    experiment: str
    description: str
    configuration: dict[str, Scalar] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    seconds: str = ""
    error: str = ""
    lines: list[str] = field(default_factory=list)


def is_agenthpo(text: str) -> bool:
    """Say whether a text has a line that opens a block of AgentHPO's, with settings under it."""
    lines = text.split("\n")
    return any(
        _BLOCK.fullmatch(line) and _SETTING.fullmatch(lines[place + 1].rstrip())
        for place, line in enumerate(lines[:-1])
    )


def agenthpo(text: str) -> Sheet:
    """Take a log of AgentHPO's apart: a row per run of the script, also of those that broke.

    Raises:
        Refused: no run in it came to an end.
    """
    found = Sheet("AgentHPO", ())
    blocks = list(_blocks(text, found.malformed))
    for block in blocks:
        row = _row(block)
        if isinstance(row, Malformed):
            found.malformed.append(row)
        else:
            found.rows.append(row)
    if not found.rows:
        raise Refused(f"{len(blocks)} blocks of settings, none with a result or an error")
    headings = len(_HEADING.findall(text))
    found.why = [f"{headings} headings and {len(blocks)} blocks of settings, as its scripts log"]
    found.columns = tuple(dict.fromkeys(column for row in found.rows for column in row.cells))
    found.roles = {"status": "status", "number": "experiment", "description": "description"}
    if any("seconds" in row.cells for row in found.rows):
        found.roles = {**found.roles, "seconds": "seconds"}
    if any(value.endswith("%") for row in found.rows for value in row.cells.values()):
        found.notes.append("results have a % behind them: the numbers are taken as they stand")
    found.words = {"finished": "other"}
    return found


def _blocks(text: str, broken: list[Malformed]) -> Iterator[_Block]:
    """Every block in order; headings without one are broken."""
    experiment, said, heading = "", list[str](), 0
    block: _Block | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if headed := _HEADING.fullmatch(line.strip()):
            if block is not None:
                yield block
            elif heading:
                broken.append(_empty(heading, experiment))
            experiment, said, heading, block = headed[1], [], number, None
        elif _BLOCK.fullmatch(line):
            if block is not None:
                yield block
            block = _Block(number, experiment, " ".join(" ".join(said).split()))
            block.lines.append(line)
        elif block is None:
            said.append(line)
        else:
            _take(block, line)
    if block is not None:
        yield block
    elif heading:
        broken.append(_empty(heading, experiment))


def _empty(line: int, experiment: str) -> Malformed:
    return malformed(line, f"Experiment {experiment}", "an experiment without settings")


def _take(block: _Block, line: str) -> None:
    block.lines.append(line)
    if error := _ERROR.fullmatch(line.strip()):
        block.error = block.error or error[1] or "it does not say which"
    elif block.error or _END.fullmatch(line):
        return
    elif time := _TIME.fullmatch(line.strip()):
        block.seconds = time[1]
    elif curve := _CURVE.fullmatch(line.strip()):
        block.results[f"trajectory.{curve[1].strip()}"] = curve[2]
    elif result := _NUMBER.fullmatch(line.strip()):
        block.results[result[1].strip()] = result[2]
    elif (setting := _SETTING.fullmatch(line)) and not block.results and not block.seconds:
        block.configuration[setting[1].strip()] = scalar(setting[2])


def _row(block: _Block) -> Row | Malformed:
    text = " ".join(" ".join(block.lines).split())
    measured = [name for name in block.results if not name.startswith("trajectory.")]
    if not block.error and not measured:
        return malformed(block.line, text, "settings with neither a result nor an error")
    cells = {"experiment": block.experiment, "status": "crash" if block.error else "finished"}
    cells["description"] = block.description
    if block.error:
        cells["failure"] = block.error
    if block.seconds:
        cells["seconds"] = block.seconds
    cells |= block.results
    return Row(block.line, text, cells, block.configuration)
