"""Research without a language model: does changing the code beat tuning its constants?

    python benchmarks/research.py [--quick] [--hours 1] [--work runs/research]

Works on a copy of examples/research, committed to a repository of its own, with two workers:

a. the start, and 20 random configurations of its constants, one seed each: is it a decent start?
b. research by the editor, for so many hours;
c. tuning of the constants alone by the expert, over the editor's own domains, for as long;
d. the start and both winners on eight fresh seeds: held-out bits per symbol, seed by seed;
e. the code at the head of the study's branch, cloned and run again on the seeds that chose it.

With `--work` studies and runs are kept, and a second call goes on where the first was. Ok if the
start is within 10 % of the best of (a), the 95 % intervals of both gains in (d) lie above 0, and
(e) repeats what the study says within noise. `--quick` is a form of a few minutes, ok if every part
gives its values.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trialwright.code.literals import literals, tunable
from trialwright.execute.order import run_seed
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.process.sandbox import available
from trialwright.space import Space
from trialwright.study import Study
from trialwright.studyfile.read import load
from trialwright.task import FRESH, Budget, Task

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "research"
FILES = ("corpus.py", "evaluate.py", "train.py", "study.yaml", "program.md", "README.md")
WORKERS = 2
LARGEST_LAG = 1.1
"""Of the start, beside the best of the random configurations."""
IDENTITY = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org")
BITS = re.compile(r"^(val|test)_bits: (\S+)$", re.MULTILINE)

Configuration = Mapping[str, Scalar]


@dataclass(frozen=True)
class Plan:
    """How large the benchmark is."""

    hours: float
    """Of each study, at most."""
    trials: int | None
    """At most so many, of one seed each; None: what the hours hold, seeds as the study says."""
    random: int
    fresh: int
    cpu_seconds: float

    @property
    def length(self) -> str:
        """How long a study is, in words."""
        hours = "an hour" if self.hours == 1 else f"{self.hours:g} hours"
        return hours if self.trials is None else f"{self.trials} trials"


@dataclass(frozen=True)
class Bits:
    """What one run of a script printed at its end."""

    validation: float
    test: float


@dataclass(frozen=True)
class Gain:
    """Mean of paired differences, positive for the better, with its 95 % interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, before: Sequence[float], after: Sequence[float]) -> Gain:
        """Compare bits per symbol seed by seed."""
        apart = [one - other for one, other in zip(before, after, strict=True)]
        centre = statistics.fmean(apart)
        quantile = float(stdtrit(len(apart) - 1, 0.975))
        half = quantile * statistics.stdev(apart) / math.sqrt(len(apart))
        return cls(centre, centre - half, centre + half)

    @property
    def interval(self) -> list[float]:
        """Both ends, for the summary."""
        return [round(self.low, 5), round(self.high, 5)]

    def __str__(self) -> str:
        """In words."""
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


class Runs:
    """Runs scripts in processes of their own, and remembers what came of it."""

    def __init__(self, record: Path, *, cpu_seconds: float) -> None:
        self._record = record
        self._environ = {**os.environ, "CPU_SECONDS": f"{cpu_seconds:g}"}
        lines = record.read_text().splitlines() if record.exists() else []
        self._known: dict[str, dict[str, float]] = {}
        self._known |= {line["key"]: line["bits"] for line in map(json.loads, lines)}

    def all(
        self, folder: Path, seeds: Sequence[int], *, name: str, constants: Configuration
    ) -> list[Bits]:
        """Run a folder's script on each seed, two at a time; `name` says what it is."""
        with ThreadPoolExecutor(WORKERS) as pool:
            run = pool.map(lambda s: self.one(folder, s, name=name, constants=constants), seeds)
            return list(run)

    def one(self, folder: Path, seed: int, *, name: str, constants: Configuration) -> Bits:
        """Run a folder's script on one seed, with other values for its constants.

        Raises:
            RuntimeError: the run failed.
        """
        key = json.dumps([name, dict(constants), seed], sort_keys=True)
        if key not in self._known:
            found = self._train(folder, seed, constants)
            self._known[key] = found
            with self._record.open("a") as record:
                record.write(json.dumps({"key": key, "bits": found}) + "\n")
        return Bits(self._known[key]["val"], self._known[key]["test"])

    def _train(self, folder: Path, seed: int, constants: Configuration) -> dict[str, float]:
        words = [sys.executable, "train.py", f"--seed={seed}"]
        if constants:
            given = [f"{name}={value}" for name, value in constants.items()]
            words = [sys.executable, "-m", "trialwright.execute.constants", "train.py", *given]
            words += ["--", f"--seed={seed}"]
        answer = subprocess.run(
            words, cwd=folder, env=self._environ, capture_output=True, text=True, check=False
        )
        found = {part: float(value) for part, value in BITS.findall(answer.stdout)}
        if answer.returncode or set(found) != {"val", "test"}:
            raise RuntimeError(f"{' '.join(words)} failed: {answer.stderr.strip()[-500:]}")
        return found


def repository(work: Path) -> Path:
    """Copy the example and commit it; one that is there already is left as it is."""
    folder = work / "repository"
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copy2(EXAMPLE / name, folder / name)
        for words in (["init", "-q"], ["add", "-A"], [*IDENTITY, "commit", "-qm", "Begin"]):
            subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def research_task(folder: Path, plan: Plan) -> Task:
    """The study of the example, for as long as the plan says."""
    task = load(folder / "study.yaml")
    assert task.research is not None
    why = available()
    if why:
        print(f"edited code runs without a sandbox: {why}", file=sys.stderr)
        task = replace(task, research=replace(task.research, sandbox="none"))
    return _sized(task, plan)


def constants_task(folder: Path, plan: Plan) -> Task:
    """A study of the script's constants alone, over the domains that the editor has for them."""
    task = load(folder / "study.yaml")
    found = tunable(literals((folder / "train.py").read_text(), "train.py", family=task.model))
    domains = []
    for literal in found:
        assert literal.kind == "constant", f"{literal.name} is none of the script's constants"
        assert literal.domain is not None
        domains.append(replace(literal.domain, name=literal.name.partition(":")[2]))
    names = [domain.name for domain in domains]
    given = [f"{name}={{{name}}}" for name in names]
    program = ("python", "-m", "trialwright.execute.constants", "train.py")
    return replace(
        _sized(task, plan),
        name="constants",
        space=Space(tuple(domains)),
        command=(*program, *given, "--", "--seed={seed}"),
        research=None,
        team=("expert",),
    )


def _sized(task: Task, plan: Plan) -> Task:
    """With the plan's budget; fresh seeds are the benchmark's own."""
    budget = Budget(time_s=3600 * plan.hours, trials=plan.trials)
    seeds = replace(task.seeds, fresh=0)
    if plan.trials is not None:
        seeds = replace(seeds, confirm=None, most=None)
    return replace(task, budget=budget, seeds=seeds)


def searched(task: Task, folder: Path, *, cpu_seconds: float) -> History:
    """Run a study, or go on with it."""
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environ = {**os.environ, "PATH": here, "CPU_SECONDS": f"{cpu_seconds:g}"}
    history = Study(task, folder, environ=environ).run()
    best = history.best()
    assert best is not None, f"no trial of {task.name} has a value; see {folder}"
    print(f"  {len(history.trials)} trials, best {best.number}: {best.value:.4f}", flush=True)
    return history


def cloned(folder: Path, into: Path) -> Path:
    """Clone the study's branch, as its user would."""
    if into.exists():
        shutil.rmtree(into)
    words = ["git", "clone", "-q", "--branch", "trialwright/bits", str(folder), str(into)]
    subprocess.run(words, check=True)
    return into


def within_noise(ours: Sequence[float], theirs: Sequence[float], *, deviation: float) -> bool:
    """Whether the same code, run twice on the same seeds, gave the same but for the machine."""
    apart = statistics.fmean(ours) - statistics.fmean(theirs)
    return abs(apart) <= 2 * deviation * math.sqrt(2 / len(ours))


@dataclass(frozen=True)
class Findings:
    """All that was measured."""

    first: float
    best_of_random: float
    random: int
    start: Sequence[float]
    research: Sequence[float]
    constants: Sequence[float]
    rerun: tuple[Sequence[float], Sequence[float]]
    repeated: bool
    kept: int
    trials: tuple[int, int]

    @property
    def gain(self) -> Gain:
        """Of research over the start."""
        return Gain.of(self.start, self.research)

    @property
    def gain_over_constants(self) -> Gain:
        """Of research over tuning the constants."""
        return Gain.of(self.constants, self.research)

    @property
    def decent(self) -> bool:
        """Whether the start is near the best of the random configurations."""
        return self.first <= LARGEST_LAG * self.best_of_random

    @property
    def ok(self) -> bool:
        """Whether all targets are met."""
        gains = self.gain.low > 0 and self.gain_over_constants.low > 0
        return self.decent and gains and self.repeated


def measured(work: Path, plan: Plan) -> Findings:
    """Do all parts, each going on where it was."""
    folder = repository(work)
    runs = Runs(work / "runs.jsonl", cpu_seconds=plan.cpu_seconds)
    task, tuning = research_task(folder, plan), constants_task(folder, plan)

    print(f"a. the start and {plan.random} random configurations", flush=True)
    seed = run_seed(task.seeds.study, 0)
    first = runs.one(folder, seed, name="start", constants={})
    drawn = _random(tuning.space, plan.random)
    with ThreadPoolExecutor(WORKERS) as pool:
        tried = list(pool.map(lambda c: runs.one(folder, seed, name="start", constants=c), drawn))
    print(f"b. research by the editor, {plan.length}", flush=True)
    history = searched(task, work / "research", cpu_seconds=plan.cpu_seconds)
    print(f"c. tuning of the constants alone, {plan.length}", flush=True)
    tuned = searched(tuning, work / "constants", cpu_seconds=plan.cpu_seconds)

    print(f"d. and e. {plan.fresh} fresh seeds of each, and the branch again", flush=True)
    fresh = [run_seed(task.seeds.study, FRESH + index) for index in range(plan.fresh)]
    winner, constants = history.best(), tuned.best()
    assert winner is not None
    assert constants is not None
    code = cloned(folder, work / "clone")
    # The same commit is the same code, whenever a second call goes on.
    name = f"research {winner.tree or 'start'}"
    start = runs.all(folder, fresh, name="start", constants={})
    researched = runs.all(code, fresh, name=name, constants={})
    only = runs.all(folder, fresh, name="start", constants=constants.configuration)
    seeds = sorted(winner.values)
    told = [winner.values[index] for index in seeds]
    again = runs.all(
        code, [run_seed(task.seeds.study, index) for index in seeds], name=name, constants={}
    )
    repeat = [bits.validation for bits in again]
    noise = statistics.stdev(bits.validation for bits in researched)
    return Findings(
        first=first.validation,
        best_of_random=min(bits.validation for bits in tried),
        random=len(drawn),
        start=[bits.test for bits in start],
        research=[bits.test for bits in researched],
        constants=[bits.test for bits in only],
        rerun=(told, repeat),
        repeated=within_noise(told, repeat, deviation=noise),
        kept=sum(t.verdict is not None and t.verdict.status == "kept" for t in history.trials[1:]),
        trials=(len(history.trials), len(tuned.trials)),
    )


def _random(space: Space, count: int) -> list[Configuration]:
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(count)]


def table(found: Findings) -> None:
    """Print what was measured."""
    ratio = found.first / found.best_of_random
    print(f"\n  start {found.first:.4f} on validation, best of {found.random} random"
          f" {found.best_of_random:.4f}: {100 * (ratio - 1):+.1f} %")  # fmt: skip
    print("\n  test bits per symbol     mean      sd   fresh seeds")
    rows = {"start": found.start, "constants": found.constants, "research": found.research}
    for name, values in rows.items():
        spread = statistics.stdev(values)
        print(f"  {name:<22} {statistics.fmean(values):.4f}  {spread:.4f}   {len(values)}")
    print(f"\n  research beside the start      {found.gain}")
    print(f"  research beside the constants  {found.gain_over_constants}")
    told, again = (statistics.fmean(values) for values in found.rerun)
    print(f"  the branch again: {again:.4f} on validation, the study says {told:.4f}")
    print(f"  trials: {found.trials[0]} of research, {found.kept} kept; {found.trials[1]} of"
          " constants")  # fmt: skip


def summary(found: Findings, *, ok: bool) -> str:
    """The last line: one JSON object."""
    return json.dumps(
        {
            "start": round(statistics.fmean(found.start), 5),
            "research": round(statistics.fmean(found.research), 5),
            "constants": round(statistics.fmean(found.constants), 5),
            "gain_interval": found.gain.interval,
            "gain_over_constants_interval": found.gain_over_constants.interval,
            "start_within_best_of_20": round(found.first / found.best_of_random, 4),
            "rerun_within_noise": found.repeated,
            "kept": found.kept,
            "trials": list(found.trials),
            "targets": {
                "gain_interval": "above 0",
                "gain_over_constants_interval": "above 0",
                "start_within_best_of_20": LARGEST_LAG,
                "rerun_within_noise": True,
            },
            "ok": ok,
        }
    )


def main() -> int:
    """Run, print the table and the summary; exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--hours", type=float, default=1.0, help="of each study; default 1")
    parser.add_argument("--work", type=Path, default=None, help="where studies and runs are kept")
    args = parser.parse_args()
    if find_spec("torch") is None:
        print("PyTorch is not installed: `make torch` adds it", file=sys.stderr)
        return 2
    plan = Plan(hours=args.hours, trials=None, random=20, fresh=8, cpu_seconds=20.0)
    if args.quick:
        plan = Plan(hours=args.hours, trials=5, random=3, fresh=2, cpu_seconds=0.5)
    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        found = measured(work, plan)
    table(found)
    # So short a form has no time to gain anything; every value is there, or it had raised.
    ok = args.quick or found.ok
    print(summary(found, ok=ok))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
