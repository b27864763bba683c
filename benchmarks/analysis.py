"""Analyse a made campaign of 10,469 trials: every measure, all pictures; time and memory.

    python benchmarks/analysis.py [--quick]

The campaign has what campaigns of that size have: three agents with habits of their own, kinds of
change, architectures and settings with known effects, two versions of the code, seeds, crashes,
parents, durations, predictions, curves. It is read from its log (JSON lines), measured by all of
`insight.measures`, and drawn twice, for screens (Plotly's JSON) and papers (Matplotlib's SVG), in a
process of its own: `seconds` has its start and its imports in it, `rss_mb` is its peak, the
campaign's curves included. Ok under 10 s and 1024 MB.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

TRIALS, FEW = 10_469, 1_500
"""As many as the largest campaign that was published; of `--quick`."""
MOST_SECONDS, MOST_MB = 10.0, 1024.0
CURVE = 20
"""Points of each curve."""
NAME = "made.jsonl"

AGENTS = ("broad", "steady", "late")
BACKBONES = ("cnn", "gru", "transformer", "zipformer", "mamba", "mlp")
GAINS = (0.0, 0.012, 0.03, 0.055, 0.04, -0.05)
"""What each backbone adds to the score."""
LOSSES = ("bce", "focal", "asymmetric")
KINDS = ("architecture", "optimizer", "schedule", "regularization", "hyperparameter", "data")
MIXES = ((1, 1, 1, 1, 1, 1), (0, 1, 1, 1, 8, 0), (6, 1, 0, 1, 1, 2))
"""How often each agent changes what."""
EPOCH = 0.35
"""The share of the trials after which a fault in the code was mended."""


def made(trials: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return the rows of a campaign, the same for the same seed."""
    rng = np.random.default_rng(seed)
    best, leader = -math.inf, 0
    rows: list[dict[str, Any]] = []
    for number in range(1, trials + 1):
        agent = int(rng.choice(len(AGENTS), p=(0.5, 0.3, 0.2)))
        mix = np.array(MIXES[agent], dtype=float)
        kind = KINDS[int(rng.choice(len(KINDS), p=mix / mix.sum()))]
        again = bool(rows) and bool(rng.random() < 0.04)
        # A replicate is of a trial that was the best at its time.
        configuration = rows[leader - 1]["config"] if again and leader else _configuration(rng)
        mended = number > EPOCH * trials
        score = _score(configuration, mended=mended) + 0.004 * float(rng.normal())
        crashed = bool(rng.random() < 0.07)
        kept = not crashed and score > best
        expected = score + 0.01 * float(rng.normal())
        rows.append(
            {
                "experiment_num": number,
                "agent": AGENTS[agent],
                "category": "baseline" if again else kind,
                "description": f"{kind}: {configuration['backbone']} lr {configuration['lr']:.2g}",
                "status": "crash" if crashed else "keep" if kept else "discard",
                "metric": None if crashed else score,
                "config": configuration,
                "seconds": float(rng.gamma(4.0, 40.0)),
                "seed": int(rng.integers(3)),
                "epoch": "after" if mended else "before",
                "parent": str(leader) if leader else "",
                "predicted_low": expected - 0.02,
                "predicted_high": expected + 0.02,
            }
        )
        if kept:
            best, leader = score, number
    return rows


def _configuration(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "backbone": BACKBONES[int(rng.integers(len(BACKBONES)))],
        "loss": LOSSES[int(rng.integers(len(LOSSES)))],
        "lr": float(f"{10 ** rng.uniform(-5, -1):.3g}"),
        "dropout": round(float(rng.choice(np.arange(0, 0.55, 0.05))), 2),
        "layers": int(rng.integers(2, 13)),
        "batch_size": int(rng.choice([16, 32, 64, 128])),
        "weight_decay": float(f"{10 ** rng.uniform(-6, -1):.3g}"),
        "augment": bool(rng.random() < 0.5),
    }


def _score(one: dict[str, Any], *, mended: bool) -> float:
    """Mean average precision: mostly the backbone's, a little the settings'."""
    lr = math.log10(one["lr"]) + 3
    return (
        0.82
        + GAINS[BACKBONES.index(one["backbone"])]
        + (0.004 if one["loss"] == "focal" else 0.0)
        - 0.004 * lr * lr
        - 0.02 * (one["dropout"] - 0.2) ** 2
        + (0.02 if mended else 0.0)
    )


def curves_of(
    numbers: Sequence[int], values: Sequence[float]
) -> dict[int, list[tuple[float, float]]]:
    """Return a curve for each experiment, which ends at its value."""
    steps = np.arange(1, CURVE + 1) * 100.0
    shape = 1 - 0.4 * np.exp(-steps / 500)
    return {
        number: list(zip(steps.tolist(), (value * shape).tolist(), strict=True))
        for number, value in zip(numbers, values, strict=True)
    }


def analyse(log: Path) -> dict[str, Any]:
    """Read a log, measure and draw all; return what each part took, in seconds of the processor."""
    took: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        took[name] = time.process_time() - start
        return result

    started = time.process_time()
    read, measures, pictures = _imports()
    took["imports"] = time.process_time() - started
    campaign = timed("read", lambda: read(log))
    found = [timed(name, lambda m=m: m(campaign)) for name, m in measures.SINGLE.items()]
    found += [timed(name, lambda m=m: m([campaign])) for name, m in measures.SEVERAL.items()]
    done = [one for one in campaign.experiments if one.metric is not None]
    curves = curves_of([one.number for one in done], [one.metric or 0.0 for one in done])
    drawn = timed("pictures", lambda: pictures(campaign, found, curves))
    sizes = {}
    for picture in drawn:
        spec = timed(f"{picture.name} (screen)", picture.spec)
        svg = timed(f"{picture.name} (paper)", picture.svg)
        sizes[picture.name] = (len(spec), len(svg))
    return {
        "took": took,
        "trials": len(campaign.experiments),
        "measures": len(found),
        "refused": {one.name: one.sentence for one in found if one.refused},
        "pictures": {name: {"screen": a, "paper": b} for name, (a, b) in sizes.items()},
    }


def _imports() -> tuple[Any, Any, Any]:
    """The parts of the product under measurement, loaded while the clock runs."""
    from trialwright.campaigns.read import read
    from trialwright.insight import measures
    from trialwright.report.pictures.album import album
    from trialwright.report.pictures.trials import Runs

    def pictures(campaign: Any, found: Any, curves: Any) -> Any:
        return album(campaign, found, runs=Runs(curves=curves))

    return read, measures, pictures


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help=f"{FEW} trials")
    parser.add_argument("--analyse", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.analyse:
        print(json.dumps(analyse(options.analyse)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / NAME
        rows = made(FEW if options.quick else TRIALS)
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        started = time.perf_counter()
        child = subprocess.run(
            [sys.executable, __file__, "--analyse", str(log)],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    if child.returncode:
        print(child.stderr, file=sys.stderr)
        return 1
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    return told(json.loads(child.stdout), Used(seconds, cpu, usage.ru_maxrss / 1024))


@dataclass(frozen=True, slots=True)
class Used:
    """What the process took."""

    seconds: float
    cpu_seconds: float
    rss_mb: float


def told(found: dict[str, Any], used: Used) -> int:
    """Print what was measured, and return the exit status."""
    took = sorted(found["took"].items(), key=lambda item: -item[1])
    print(f"{'part':<36}{'cpu s':>9}")
    for name, part in took:
        print(f"{name:<36}{part:>9.3f}")
    for name, why in found["refused"].items():
        print(f"refused: {name}: {why}")
    figures = {
        "trials": found["trials"],
        "seconds": round(used.seconds, 2),
        "cpu_seconds": round(used.cpu_seconds, 2),
        "rss_mb": round(used.rss_mb, 1),
        "measures": found["measures"],
        "pictures": len(found["pictures"]),
        "targets": {"seconds": MOST_SECONDS, "rss_mb": MOST_MB},
    }
    ok = used.seconds < MOST_SECONDS and used.rss_mb < MOST_MB
    print(json.dumps({**figures, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
