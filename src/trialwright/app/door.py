"""Appends a record to the ledger of a study beside whoever runs it."""

from __future__ import annotations

from contextlib import closing

from trialwright.errors import StaleSequence
from trialwright.records import Record
from trialwright.store import Store


def append(store: Store, record: Record, *, after: int = 0, at: float | None = None) -> int:
    """Append `record`, and return its sequence.

    `after` is a sequence that the ledger is known to have: from there on it is read. `at` is the
    record's time; None: now.

    Raises:
        LedgerError: the ledger is not there, or can't be written.
    """
    with closing(store.open()) as ledger:
        while True:
            entries = ledger.read(after)
            last = entries[-1].sequence if entries else after
            try:
                return ledger.append([record], last, at=at)[0].sequence
            except StaleSequence:
                # Nothing was there to be read: the ledger is shorter than it was said to be.
                after = last if entries else 0
