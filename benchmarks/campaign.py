"""A campaign of 10,000 trials by two agents on 32 simulated workers: repeats, waiting, cost, size.

The space has the shape of the one that the 10,000-experiment orchestrator searched (arXiv
2603.15916): 108,000 cells of architecture x loss x training x data, where the architecture explains
most of the variance. A run takes 10 virtual seconds, and an answer of an agent 5, for a batch of
16. What the engine and the agents themselves cost is real.

    python benchmarks/campaign.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from trialwright import Budget, Objective, Space, Task
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.space import Choice, Ordinal
from trialwright.study import Study
from trialwright.task import RunnerPlan, Schedule

WORKERS, BATCH = 32, 16
RUN_S, ANSWER_S = 10.0, 5.0
TARGETS = {
    "repeats": 0,
    "utilisation": 0.98,
    "wall_s": 600.0,
    "rss_mb": 1024.0,
    "open_s": 2.0,
}
SPACE = Space(
    (
        Choice("encoder", ("zipformer", "conformer", "retnet", "mamba", "gru", "hybrid")),
        Choice("features", ("vjepa", "dino", "clip", "raw", "flow")),
        Choice("loss", ("focal", "bce", "asymmetric", "poly")),
        Ordinal("learning_rate", (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), default=1e-3),
        Ordinal("width", (128, 192, 256, 384, 512), default=256),
        Ordinal("dropout", (0.0, 0.1, 0.2, 0.3, 0.5), default=0.1),
        Ordinal("frames", (16, 32, 64), default=32),
        Choice("augmentation", ("none", "mixup")),
    )
)
ARCHITECTURE = ("encoder", "features")
SHARE = 0.94
"""Of the variance, that the architecture explains."""


def metric(configuration: Mapping[str, Scalar], seed: int = 0) -> float:
    """A landscape over all cells: an effect per architecture, small ones of tuning, and noise."""
    tuning = [
        _effect(name, configuration[name]) for name in SPACE.names if name not in ARCHITECTURE
    ]
    joint = _effect("joint", *(configuration[name] for name in ("learning_rate", "width")))
    inner = (sum(tuning) + joint) / (len(tuning) + 1) ** 0.5
    noise = _effect(str(seed), *configuration.values()) * 0.2
    outer = _effect("architecture", *(configuration[name] for name in ARCHITECTURE))
    return 0.8 + 0.05 * (SHARE**0.5 * outer + (1 - SHARE) ** 0.5 * (inner + noise))


def _effect(*parts: object) -> float:
    """A number that is normal over what it is for, and always the same."""
    key = zlib.crc32("|".join(map(str, parts)).encode())
    return float(np.random.default_rng(key).normal())


def run(folder: Path, trials: int) -> tuple[History, float, float]:
    """Run the campaign; return it, the share of the workers' time in runs, and the wall seconds."""
    task = Task(
        name="campaign",
        objective=Objective(metric="ap"),
        space=SPACE,
        command=("true",),
        team=("expert", "tree"),
        budget=Budget(trials=trials),
        runner=RunnerPlan(workers=WORKERS),
        schedule=Schedule(ahead=WORKERS, batch=BATCH),
    )
    began = time.perf_counter()
    with SimulatedRunner(
        metric,
        slots=WORKERS,
        seconds=lambda _: RUN_S,
        stepped=True,
        thinking=lambda _: ANSWER_S,
    ) as runner:
        history = Study(task, folder, runner=runner).run(_progress)
        utilisation = trials * RUN_S / (WORKERS * runner.clock_s)
    return history, utilisation, time.perf_counter() - began


def _progress(history: History, event: object) -> None:
    done = len(history.trials)
    if event is not None and done % 500 == 0 and sys.stderr.isatty():
        print(f"\r{done} trials", end="", file=sys.stderr, flush=True)


def open_seconds(folder: Path) -> float:
    """Return the seconds to read the study in a fresh process, imports left out."""
    code = (
        "import sys, time\nfrom trialwright.history import read\nbegan = time.perf_counter()\n"
        "read(sys.argv[1])\nprint(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Run the campaign, print what it showed, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="500 trials")
    trials = 500 if parser.parse_args().quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        history, utilisation, wall_s = run(Path(folder) / "study", trials)
        figures = {
            "trials": len(history.done()),
            "repeats": trials - len({SPACE.key(t.configuration) for t in history.trials}),
            "utilisation": round(utilisation, 4),
            "wall_s": round(wall_s, 1),
            "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "open_s": round(open_seconds(Path(folder) / "study"), 2),
        }
    by = Counter(trial.proposal.by for trial in history.trials)
    best, seen = history.best(), np.random.default_rng(0)
    chance = [metric(SPACE.sample(seen)) for _ in range(5000)]
    assert best is not None
    print(f"{trials} trials of {SPACE.size} cells: {dict(by)}, {len(history.refusals)} refused")
    beaten = np.mean(np.array(chance) < (best.value or 0.0))
    print(f"best {best.value:.4f} in trial {best.number}; better than {beaten:.2%} of the cells")
    for name, value in figures.items():
        print(f"{name:<12}{value:>10}")
    ok = figures["trials"] == trials and figures["repeats"] == 0
    ok = ok and figures["utilisation"] >= (0.9 if trials < 1000 else TARGETS["utilisation"])
    ok = ok and all(figures[name] <= TARGETS[name] for name in ("wall_s", "rss_mb", "open_s"))
    print(json.dumps({**figures, "targets": TARGETS, "ok": bool(ok)}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
