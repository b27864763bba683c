"""A killed study: the short form of `benchmarks/kill9.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.thoroughness import repeats

ROUNDS = repeats(5, 12)
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "kill9.py"


@pytest.mark.slow
def test_killed_at_random_moments() -> None:
    """`kill -9` of `trialwright run` loses nothing, repeats nothing and leaves no process."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--rounds", str(ROUNDS), "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["rounds"] == ROUNDS
    assert counts["finished"] >= 30
    assert counts["ok"], done.stdout
