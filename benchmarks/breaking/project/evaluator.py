"""Judges an answer, and keeps a book of it. Standard library only: it is started very often."""

import json
import os
import sys
import time

BEST = (0.005, 120, 0.1, 2.0)


def book(event: str, value: float) -> None:
    """Append a line to the book, in one write."""
    trial = int(os.environ["TRIALWRIGHT_TRIAL"])
    run = os.environ["TRIALWRIGHT_RUN"].rpartition("#")[2]
    line = json.dumps([event, trial, run, repr(value), os.getpid()])
    descriptor = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, (line + "\n").encode())
    os.close(descriptor)


def judge(answer: tuple[float, ...]) -> None:
    """Report how far an answer is from the best."""
    value = sum((1 - given / best) ** 2 for given, best in zip(answer, BEST, strict=True))
    book("start", value)
    for step in range(1, 4):
        print(f'@trialwright {{"step": {step}, "loss": {value + 1 / step!r}}}', flush=True)
        time.sleep(float(os.environ["PACE"]))
    print(f'@trialwright {{"step": 4, "loss": {value!r}, "final": true}}', flush=True)
    book("end", value)
    sys.stdout.flush()
    os._exit(0)
