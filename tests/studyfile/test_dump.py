"""A task written as a study file is read back the same."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spaces import WORDS, spaces
from trialwright.errors import SpaceError
from trialwright.robust import Robust
from trialwright.space import Float, Space
from trialwright.studyfile import dump, load, parse
from trialwright.task import (
    Agent,
    Area,
    Budget,
    Delegate,
    Delivery,
    Environment,
    Keep,
    LedgerPlan,
    Limits,
    Member,
    MetricRoute,
    Objective,
    Prune,
    RunnerPlan,
    Schedule,
    Seeds,
    Task,
    Ucb,
)

MEMBER_NAMES: tuple[Member, ...] = get_args(Member)


def doubled(text: str) -> str:
    """The text with its braces as text, where placeholders are looked for."""
    return text.replace("{", "{{").replace("}", "}}")


TEXTS = st.text(max_size=40).filter(lambda text: "\0" not in text)
SHORT = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=20)


def name_of(member: Member | Agent) -> str:
    """What a member is called."""
    return member.name if isinstance(member, Agent) else member


SECONDS = st.one_of(st.integers(1, 10**6).map(float), st.floats(1e-3, 1e6))
COMMON = {
    "name": SHORT.filter(lambda name: name not in (*MEMBER_NAMES, "user", "grid", "rerun")),
    "temperature": st.none() | st.floats(0, 2),
    "role": TEXTS,
    "price": st.none() | st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)),
    "timeout_s": SECONDS,
    "output_tokens": st.integers(200, 10**6),
}
MODELS = st.builds(
    Agent,
    model=st.sampled_from(["openai:a", "openai:qwen3:32b", "anthropic:null", "google:1e5"]),
    base_url=st.sampled_from([None, "http://127.0.0.1:1/v1", "https://a.example"]),
    key=st.sampled_from([None, "MY_KEY"]),
    effort=st.sampled_from([None, "low"]),
    **COMMON,  # type: ignore[arg-type]
)
PROGRAMS = st.builds(
    Agent,
    cli=st.lists(st.sampled_from(["claude", "-p", "a b", "null", "{}", ""]), max_size=3).map(
        lambda more: ("agent", *more)
    ),
    **COMMON,  # type: ignore[arg-type]
)
BARE = st.sampled_from(["openai:gpt-5", "google:g"]).map(lambda name: Agent(name=name, model=name))
MEMBERS = st.one_of(st.sampled_from(MEMBER_NAMES), MODELS, PROGRAMS, BARE)
TASKS = st.builds(
    Task,
    name=st.sampled_from(["t", "water-2", "2024", "null", "1e5"]),
    objective=st.one_of(
        st.builds(
            Objective,
            metric=st.sampled_from(["f1", "loss/val", "a: b", "#1", "no"]),
            direction=st.sampled_from(["maximize", "minimize"]),
            reduce=st.sampled_from(["last", "best"]),
        ),
        st.builds(Objective, metric=st.just("y"), reduce=st.just("mean_last"), window=st.just(3)),
    ),
    space=spaces(),
    description=st.one_of(TEXTS, st.just("Two\nlines: of {text}\n"), WORDS),
    command=st.lists(
        st.sampled_from(["-c", "a b", "{config}", "{{x}}", "*", "1", "é", "", "null", '"', "a\tb"]),
    ).map(lambda parts: ("python3", *parts)),
    workdir=st.sampled_from(["task", "run"]),
    delivery=st.builds(
        Delivery,
        format=st.sampled_from(["yaml", "json"]),
        argument=st.sampled_from(["--{name}={value}", "{name} {value}"]),
    ),
    environment=st.builds(
        Environment,
        passed=st.sampled_from([(), ("API_KEY",)]),
        set=st.dictionaries(st.sampled_from(["A", "B_1"]), TEXTS.map(doubled)),
    ),
    metrics=st.builds(
        MetricRoute,
        patterns=st.sampled_from([(), (r"loss: (?P<loss>[\d.]+)", "(?P<f1>.*)")]),
        file=st.sampled_from([None, "m.csv", "{folder}/m.jsonl"]),
        rename=st.dictionaries(st.sampled_from(["a", "x y"]), st.sampled_from(["b", "1"])),
    ),
    limits=st.builds(
        Limits,
        run_s=st.none() | SECONDS,
        memory_bytes=st.none() | st.integers(1, 2**50),
        grace_s=st.just(0.0) | SECONDS,
        log_bytes=st.integers(1, 2**40),
    ),
    budget=st.builds(
        Budget, trials=st.none() | st.integers(1, 10**6), time_s=st.none() | SECONDS,
        usd=st.none() | st.floats(0.001, 1e6), tokens=st.none() | st.integers(1, 10**12),
        model_time_s=st.none() | SECONDS,
    ),
    seeds=st.builds(
        Seeds,
        screen=st.integers(2, 9),
        confirm=st.just(9),
        most=st.none() | st.integers(9, 99),
        fresh=st.integers(0, 50),
        objective=st.sampled_from(
            [Robust(), Robust(kind="worst"), Robust(kind="quantile", amount=0.25)]
        ),
        failure=st.none() | st.floats(-1e9, 1e9),
        study=st.integers(0, 2**70),
    ),
    prune=st.none() | st.builds(Prune, rule=st.sampled_from(["median", "asha"]),
                                first=st.integers(1, 5), last=st.none() | st.integers(5, 9)),
    keep=st.builds(Keep, files=st.sampled_from([(), ("*.pt", "a/**")]), trials=st.integers(0, 3),
                   runs=st.none() | st.integers(1, 500)),
    code=st.sampled_from([(), ("*.py",)]),
    team=st.lists(MEMBERS, min_size=1, max_size=3, unique_by=name_of).map(tuple),
    tree=st.builds(Ucb, c=st.floats(0, 9), rule=st.sampled_from(["documented", "variant"]),
                   mutate=st.integers(1, 9)),
    runner=st.builds(RunnerPlan, workers=st.none() | st.integers(1, 64),
                     gpus=st.none() | st.floats(0, 8) | st.just("1 if 2 > 1 else 0.5"),
                     memory_bytes=st.none() | st.integers(1, 2**50),
                     disk_floor_bytes=st.none() | st.integers(1, 2**50)),
    schedule=st.sampled_from([Schedule(), Schedule(first="cheap"),
                              Schedule(first="cheap", cost="1 + 2")]),
    heal=st.booleans(),
    ledger=st.just(LedgerPlan()) | st.builds(
        LedgerPlan,
        url=st.sampled_from(["$LAB", "postgresql://me@db.example:5433/lab?sslmode=require"]),
        lease_s=st.sampled_from([1.0, 15.0, 60.0, 90.5]),
    ),
    model=st.none() | st.just("xgboost"),
    confidence=st.floats(0.5, 0.999),
    block=st.none() | st.integers(1, 99),
    grid=st.none() | st.integers(1, 1000),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(task=TASKS, data=st.data())
def test_parse_reads_back_what_dump_wrote(task: Task, data: st.DataObject) -> None:
    """Every field of every task survives, whatever its texts hold."""
    import numpy as np

    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    try:
        drawn = task.space.sample(rng)
    except SpaceError:
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = replace(task, folder=folder, start=(drawn,) if data.draw(st.booleans()) else ())
        assert parse(dump(whole), path=Path(folder) / "other" / "x.yaml") == whole


def test_a_dumped_file_reads_like_one_that_a_person_wrote() -> None:
    """Units, plain words and block texts are used where they say exactly the same."""
    task = Task(
        name="t",
        objective=Objective(metric="f1"),
        description="One line\nand another\n",
        space=Space((Float("lr", 1e-4, 0.1, log=True, default=0.01),)),
        folder="/tmp",
        command=("python", "train.py", "{config}"),
        limits=Limits(run_s=5400.0, memory_bytes=4 * 2**30),
        budget=Budget(time_s=7200.0),
    )
    assert dump(task).splitlines()[2:] == [
        "description: |",
        "  One line",
        "  and another",
        "folder: /tmp",
        'command: [python, train.py, "{config}"]',
        "space:",
        "  lr: {float: [0.0001, 0.1], log: true, default: 0.01}",
        "limits: {run: 90m, memory: 4GiB}",
        "budget: {time: 2h}",
        "team: [expert]",
    ]


def test_a_task_with_a_function_says_so() -> None:
    """There is no command to write, so the text tells a person where the function goes."""
    task = Task(
        name="t",
        objective=Objective(metric="y"),
        space=Space((Float("x", 0, 1),)),
        function=lambda configuration, seed: 1.0,
    )
    assert dump(task).startswith("# Runs a Python function: pass it as Task(function=...).")
    assert "command:" not in dump(task)


def test_roles_and_areas_are_kept(tmp_path: Path) -> None:
    """Members with a role or an area read back as they were, whatever form the area has."""
    team: tuple[Member | Delegate | Agent, ...] = (
        "expert",
        Delegate(member="tpe", name="scout", role="explorer", area=Area(parameters=("o.*", "lr"))),
        Delegate(member="tree", name="tree-skeptic", role="skeptic"),
        Delegate(member="tpe", name="tpe", area=Area(where="lr < 0.1")),
        Agent(name="m", model="openai:a", role="exploiter", area=Area(parameters=("lr",))),
    )
    task = Task(
        name="t",
        objective=Objective(metric="y"),
        space=Space((Float("lr", 0.0, 1.0), Float("o.beta", 0.0, 1.0))),
        command=("python3",),
        folder=str(tmp_path),
        team=team,
    )
    (tmp_path / "study.yaml").write_text(dump(task))
    assert load(tmp_path / "study.yaml").team == team
