"""Reads a log in whichever dialect it is, and says why it took it for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from trialwright.campaigns.agenthpo import agenthpo, is_agenthpo
from trialwright.campaigns.assemble import assemble
from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.curves import with_histories
from trialwright.campaigns.given import Given
from trialwright.campaigns.jsonl import json_document, json_lines
from trialwright.campaigns.mlflow import is_mlflow_table, mlflow_table
from trialwright.campaigns.sheet import Refused, Sheet
from trialwright.campaigns.table import SEPARATORS, sheet
from trialwright.campaigns.vocabulary import normal
from trialwright.campaigns.wandb import (
    WANDB,
    is_wandb_json,
    is_wandb_table,
    wandb_json,
    wandb_table,
)
from trialwright.errors import CampaignError

COMMON = ("results", "experiments", "log", "append", "refresh")
"""What log files are called that tell nothing of their campaign."""

LARGEST = 256 * 1024 * 1024
"""Bytes of a log; more is something else."""


def read(path: Path, given: Given | None = None) -> Campaign:
    """Read a campaign's log from a file.

    Raises:
        CampaignError: there is none, or it is in no known dialect: the message lists those tried.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise CampaignError(f"{path} has more than {LARGEST >> 20} MiB: no log of experiments")
        raw = path.read_bytes()
    except OSError as error:
        raise CampaignError(f"{path} can't be read: {error.strerror}") from None
    try:
        text, note = _decoded(raw)
        campaign = parse(text, name=_name(path), given=given)
    except CampaignError as error:
        raise CampaignError(f"{path}: {error}") from None
    if campaign.dialect == WANDB:
        campaign = with_histories(campaign, path)
    return replace(campaign, notes=(*campaign.notes, note)) if note else campaign


def parse(text: str, *, name: str = "campaign", given: Given | None = None) -> Campaign:
    r"""Read a campaign's log from its text.

    >>> c = parse("commit\tval_bpb\tstatus\tdescription\na1b2c3d\t0.9979\tkeep\tbaseline\n")
    >>> c.dialect, c.metric, c.direction, c.best.description
    ('tabs', 'val_bpb', 'minimize', 'baseline')

    Raises:
        CampaignError: it is in no dialect that is known; the message lists what was tried.
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise CampaignError("it is empty")
    found: list[Campaign] = []
    tried: list[str] = []
    given = given or Given()
    for dialect, take in _dialects(text, given):
        try:
            found.append(assemble(take(), name=name, given=given))
        except Refused as reason:
            tried.append(f"{dialect}: {reason}")
        if found and _clear(found[-1]):
            break
    if not found:
        listed = "".join(f"\n  {one}" for one in tried)
        raise CampaignError(f"it is in no dialect that is known. Tried:{listed}")
    best = max(found, key=lambda one: len(one.experiments) - len(one.repaired) / 2)
    if len(found) > 1:
        others = [f"{one.dialect} ({len(one.experiments)})" for one in found if one is not best]
        why = f"reads {len(best.experiments)} rows so; otherwise: {', '.join(others)}"
        best = replace(best, why=(*best.why, why))
    return best


def _clear(campaign: Campaign) -> bool:
    """Whether nearly all rows could be read as they are: no other dialect has to be tried."""
    whole = len(campaign.experiments) - len(campaign.repaired)
    return whole >= 9 * (len(campaign.malformed) + len(campaign.repaired))


def _dialects(text: str, given: Given) -> Iterator[tuple[str, Callable[[], Sheet]]]:
    """Every dialect with its name, the surest first."""
    if is_agenthpo(text):
        yield "AgentHPO's log", partial(agenthpo, text)
    if is_wandb_table(text):
        yield "a table of W&B's", partial(wandb_table, text)
    if is_mlflow_table(text):
        yield "a table of MLflow's", partial(mlflow_table, text)
    if text.lstrip()[0] in "{[":
        if is_wandb_json(text):
            yield "runs of W&B's in JSON", partial(wandb_json, text)
        yield "a JSON list", partial(json_document, text)
        yield "JSON lines", partial(json_lines, text)
    named = frozenset(normal(name) for name in given.columns.values() if not name.isdecimal())
    for separator in SEPARATORS:
        yield separator.name, partial(sheet, text, separator, named)


def _decoded(raw: bytes) -> tuple[str, str]:
    """The text of a file, and what is to be noted of it.

    Raises:
        CampaignError: it is no text.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _lines(raw.decode("utf-16", "replace")), "the file is in UTF-16"
    if b"\0" in raw:
        raise CampaignError("it is no text")
    try:
        return _lines(raw.decode("utf-8-sig")), ""
    except UnicodeDecodeError:
        return _lines(raw.decode("latin-1")), "the file is not in UTF-8: read as Latin-1"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _name(path: Path) -> str:
    """A campaign's name: the file's, or its folder's where the file is called as all are."""
    folder = path.absolute().parent.name
    return folder if path.stem in COMMON and folder else path.stem
