"""What a model is worth, and what its training may cost. Frozen: `train.py` may only call it.

A model is called with contexts, whole numbers `(n, CONTEXT)`, and answers with a score for each
symbol that might come next, `(n, SYMBOLS)`. What does come next it is never shown, so no model can
look ahead. Its worth is in bits per symbol: lower is better.

Training may take `CPU_SECONDS` of processor time, not of the clock on the wall, so that a slow
model pays for itself. A core that shares its caches with busy neighbours does less in a second: so
a small fixed computation is timed along the way, and a second counts for as much as the core does
in it. Loading PyTorch, making the text and evaluating are free; what child processes take is not.
"""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable
from functools import cache

import corpus
import torch
import torch._dynamo  # the first optimizer that is made would load it

CONTEXT = 64
"""Symbols that a model may look at."""

SYMBOLS = len(corpus.SYMBOLS)

CPU_SECONDS = float(os.environ.get("CPU_SECONDS", "20"))
"""What training may take. Less of it is for tests."""

_GRACE = 1.1
_POINTS = {"validation": 8000, "test": 8000}
_BATCH = 500
_LOADING = 10.0
"""Loading PyTorch takes less, and nothing else has been done before it."""

_USUAL_S = 0.0018
"""What the fixed computation takes on a quiet core of the machine on which this was written."""
_EVERY_S = 0.25


class OverBudgetError(Exception):
    """Training took more processor time than it may."""


class _Meter:
    """Counts processor time by what it is worth."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self._left = torch.randn(128, 512, generator=draw)
        self._right = torch.randn(512, 256, generator=draw)
        self._long = torch.randn(200_000, generator=draw)
        self._spent = max(0.0, time.process_time() - _LOADING)
        self._pace = self._measured()
        self._paced = self._read = _processor()

    def spent(self) -> float:
        """What was used so far, at the usual pace."""
        now = _processor()
        self._spent += (now - self._read) * self._pace
        self._read = now
        if now - self._paced > _EVERY_S:
            self._pace = self._measured()
            self._paced = self._read = _processor()
        return self._spent

    def skip(self) -> None:
        """Leave out what was used since the last look."""
        self._read = _processor()

    def _measured(self) -> float:
        """How much the core does in a second, beside what it usually does."""
        took = []
        for _ in range(3):
            began = time.thread_time()
            torch.relu(self._left @ self._right)
            (self._long * 0.9 + 0.1).sqrt()
            took.append(time.thread_time() - began)
        return _USUAL_S / min(took)


@cache
def encoded(part: str) -> torch.Tensor:
    """Return a text as whole numbers `(length,)`: `train`, or one of the others."""
    _METER.spent()
    numbers = {symbol: number for number, symbol in enumerate(corpus.SYMBOLS)}
    data = torch.tensor([numbers[symbol] for symbol in corpus.text(part)])
    _METER.skip()
    return data


def spent() -> float:
    """Return the processor seconds that training has taken so far."""
    return _METER.spent()


def bits(model: Callable[[torch.Tensor], torch.Tensor], part: str, *, points: int = 0) -> float:
    """Return the bits per symbol of a model on `validation` or `test`, over evenly spaced points.

    `points` is how many of them, for a look along the way; 0: all that count.
    """
    _METER.spent()
    data = encoded(part)
    count = points or _POINTS[part]
    places = torch.linspace(CONTEXT, len(data) - 1, count).long()
    windows = data.unfold(0, CONTEXT, 1)
    total = 0.0
    with torch.no_grad():
        for chunk in places.split(_BATCH):
            scores = model(windows[chunk - CONTEXT])
            assert scores.shape == (len(chunk), SYMBOLS), f"scores of shape {tuple(scores.shape)}"
            loss = torch.nn.functional.cross_entropy(scores.double(), data[chunk], reduction="sum")
            total += float(loss)
    _METER.skip()
    return total / count / math.log(2)


def report(model: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Print what a trained model is worth.

    Raises:
        OverBudgetError: its training took more processor time than it may.
    """
    took = spent()
    if took > _GRACE * CPU_SECONDS:
        raise OverBudgetError(f"training took {took:.1f} of {CPU_SECONDS:g} processor seconds")
    print(f"val_bits: {bits(model, 'validation'):.5f}")
    print(f"test_bits: {bits(model, 'test'):.5f}")


def _processor() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


torch.set_num_threads(1)
_METER = _Meter()
