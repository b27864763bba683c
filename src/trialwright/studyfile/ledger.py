"""The `ledger` of a study file: which server keeps the records, where it is not the folder."""

from __future__ import annotations

from collections.abc import Mapping

from trialwright.store import url_fault
from trialwright.studyfile.fields import Fields, Problems
from trialwright.task import LedgerPlan

LEDGER_KEYS = ("url", "lease")


def read_ledger(fields: Fields, problems: Problems) -> LedgerPlan:
    """Return where the records are to be kept: a URL, or `url:` with `lease:`."""
    tree = fields.tree("ledger")
    if tree is None:
        return LedgerPlan()
    section, key = fields, "ledger"
    if isinstance(tree.value, Mapping):
        section, key = Fields(tree, "ledger", problems, known=LEDGER_KEYS), "url"
        if "url" not in section:
            section.fault(tree, "ledger needs a url, such as url: postgresql://USER@HOST/DATABASE")
    url = section.text(key)
    at = section.tree(key)
    fault = url_fault(url) if url is not None else ""
    if fault and at is not None:
        section.fault(at, fault)
    lease_s = section.duration("lease") if section is not fields else None
    if lease_s is not None and not 1 <= lease_s <= 3600:
        section.fault(section.tree("lease") or tree, "ledger.lease must be from 1s to 1h")
    return LedgerPlan(url=url or "", lease_s=lease_s or LedgerPlan().lease_s)
