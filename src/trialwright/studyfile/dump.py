"""A `Task` to the text of a study file, which `parse` reads back to an equal task."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trialwright.editable import CodingAgent, Research
from trialwright.expression import Scalar
from trialwright.space import Choice, Float, Int, Ordinal, Parameter
from trialwright.studyfile.fields import octets, seconds
from trialwright.studyfile.trackers import plain as tracked
from trialwright.studyfile.tree import Place, Tree, Unreadable, read
from trialwright.task import (
    Agent,
    Area,
    Delegate,
    Delivery,
    Keep,
    LedgerPlan,
    Limits,
    MetricRoute,
    Objective,
    RunnerPlan,
    Seeds,
    Someone,
    Task,
    Ucb,
)
from trialwright.webhook import Webhook

_BLOCK = re.compile(r"(?:\w[!-~ ]*[!-~]\n)+", re.ASCII)
"""Lines that read back as they are behind a `|`."""

_PLAIN = re.compile(r"[A-Za-z0-9_./][\w./+*-]*(?: [\w./+*-]+)*", re.ASCII)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))

Plain = Scalar | Sequence["Plain"] | Mapping[str, "Plain"]
"""What YAML can say."""


def dump(task: Task) -> str:
    """Write a task as a study file; what has its usual value is left out.

    A task with a Python function has no command to write: its text says so, and is for people.

    >>> from trialwright.space import Float, Space
    >>> print(dump(Task(name="t", objective=Objective(metric="y"), folder="/t", command=("true",),
    ...                 space=Space((Float("lr", 1e-4, 0.1, log=True),)))))
    name: t
    goal: maximize y
    folder: /t
    command: ["true"]
    space:
      lr: {float: [0.0001, 0.1], log: true}
    budget: {trials: 10}
    team: [expert]
    <BLANKLINE>
    """
    lines = ["# Runs a Python function: pass it as Task(function=...)."] if task.function else []
    for key, value in _fields(task):
        if key == "space" and isinstance(value, Mapping):
            lines.append("space:")
            lines += [f"  {_text(name)}: {_flow(item)}" for name, item in value.items()]
        elif isinstance(value, str) and _BLOCK.fullmatch(value):
            lines += [f"{key}: |", *(f"  {line}" for line in value.splitlines())]
        elif key == "budget" or value not in (None, (), {}):  # an empty budget has no bound
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _fields(task: Task) -> Iterator[tuple[str, Plain]]:
    """Every key with its value; None, and nothing at all, are left out by `dump`."""
    objective, environment = task.objective, task.environment
    yield "name", task.name
    yield "goal", f"{objective.direction} {objective.metric}"
    yield "reduce", _reduce(objective)
    yield "also", tuple(f"{one.direction} {one.metric}" for one in task.also)
    yield "require", task.require
    yield "heldout", task.heldout
    yield "description", task.description or None
    yield "model", task.model
    yield "facts", dict(task.facts)
    yield "folder", str(Path(task.folder).absolute())
    yield "command", None if task.function else task.command
    yield "workdir", _unless("task", task.workdir)
    yield from _delivery(task.delivery)
    yield "environment", _given({"pass": environment.passed, "set": environment.set})
    yield "metrics", _metrics(task.metrics)
    yield "space", {parameter.name: _parameter(parameter) for parameter in task.space.parameters}
    yield "constraints", task.space.constraints
    yield "start", task.start
    yield "grid", task.grid
    yield from _course(task)


def _course(task: Task) -> Iterator[tuple[str, Plain]]:
    """What bounds and steers the study."""
    budget, seeds, runner, prune = task.budget, task.seeds, task.runner, task.prune
    yield "limits", _limits(task.limits)
    yield "budget", _given({
        "trials": budget.trials, "runs": budget.runs, "time": _duration(budget.time_s),
        "usd": budget.usd, "tokens": budget.tokens, "model_time": _duration(budget.model_time_s),
    })  # fmt: skip
    yield "seeds", _seeds(seeds, sign=task.objective.sign)
    yield "prune", None if prune is None else _given({
        "rule": prune.rule, "first": prune.first, "factor": prune.factor,
        "warmup": prune.warmup, "last": prune.last,
    })  # fmt: skip
    yield "keep", _given({
        "files": task.keep.files, "trials": _unless(Keep().trials, task.keep.trials),
        "runs": task.keep.runs,
    })  # fmt: skip
    yield "code", task.code
    yield "team", [_member(member) for member in task.team]
    yield "tree", _given({
        "c": _unless(Ucb().c, task.tree.c), "rule": _unless(Ucb().rule, task.tree.rule),
        "mutate": _unless(Ucb().mutate, task.tree.mutate),
    })  # fmt: skip
    yield "block", task.block
    yield "instructions", task.instructions
    yield "research", None if task.research is None else _research(task.research)
    if runner != RunnerPlan():
        yield "runner", _given({
            "kind": runner.kind, "workers": runner.workers or "auto", "cpus": runner.cpus,
            "gpus": runner.gpus, "memory": _size(runner.memory_bytes),
            "disk_floor": _size(runner.disk_floor_bytes),
            "address": runner.address, "resources": dict(runner.resources),
            "runtime_env": _given({
                "working_dir": runner.runtime_env.working_dir,
                "excludes": runner.runtime_env.excludes, "pip": runner.runtime_env.pip,
            }),
        })  # fmt: skip
    yield "schedule", _given({
        "first": _unless("proposed", task.schedule.first), "cost": task.schedule.cost or None,
        "ahead": task.schedule.ahead, "batch": _unless(1, task.schedule.batch),
    })  # fmt: skip
    yield "heal", None if task.heal else False
    yield "ledger", _ledger(task.ledger)
    yield "notify", tuple(_webhook(webhook) for webhook in task.notify)
    yield "trackers", tuple(tracked(tracker) for tracker in task.trackers)
    yield "confidence", _unless(0.95, task.confidence)


def _research(plan: Research) -> Plain:
    plain = Research(editable=())
    same = (
        "base", "sandbox", "network", "processes", "lines", "pivot", "repairs", "price", "plateau",
    )  # fmt: skip
    given: dict[str, Plain] = {
        "editable": plan.editable, "frozen": plan.frozen, "program": plan.program,
        "readable": plan.readable, "writable": plan.writable, "links": plan.links,
        "results": plan.results,
    }  # fmt: skip
    given |= {key: _unless(getattr(plain, key), getattr(plan, key)) for key in same}
    if plan.ablate != plain.ablate:
        given["ablate"] = plan.ablate or 0
    if plan.smoke or plan.smoke_s is not None:
        seconds = None if plan.smoke_s is None else _duration(plan.smoke_s)
        given["smoke"] = _given({"time": seconds, "command": plan.smoke})
    if plan.disk_bytes != plain.disk_bytes:
        given["disk"] = _size(plan.disk_bytes)
    return _given(given)


def _ledger(plan: LedgerPlan) -> Plain:
    if plan.lease_s == LedgerPlan().lease_s:
        return plan.url or None
    return _given({"url": plan.url, "lease": _duration(plan.lease_s)}) if plan.url else None


def _webhook(webhook: Webhook) -> Plain:
    plain = Webhook(url=webhook.url)
    if webhook == plain:
        return webhook.url
    return _given({
        "url": webhook.url,
        "on": None if webhook.on == plain.on else webhook.on,
        "format": _unless(plain.format, webhook.format),
    })  # fmt: skip


def _seeds(seeds: Seeds, *, sign: int) -> Plain:
    return _given({
        "screen": _unless(1, seeds.screen), "confirm": seeds.confirm, "max": seeds.most,
        "fresh": _unless(0, seeds.fresh),
        "objective": _unless("mean", seeds.objective.text(sign=sign)), "failure": seeds.failure,
        "study": _unless(0, seeds.study),
    })  # fmt: skip


def _member(member: Someone) -> Plain:
    if isinstance(member, str):
        return member
    if isinstance(member, Delegate):
        return _given({
            "member": member.member, "name": member.name, "role": member.role,
            "area": _area(member.area),
        })  # fmt: skip
    if isinstance(member, CodingAgent):
        usual = CodingAgent(name=member.name, command=())
        return _given({
            "coder": member.command, "name": member.name,
            "time": None if member.time_s == usual.time_s else _duration(member.time_s),
            "network": _unless(usual.network, member.network), "pass": member.passed,
            "writable": member.writable, "role": member.role or None,
        })  # fmt: skip
    plain = Agent(name=member.name, model=member.model)
    if member == plain and member.name == member.model:
        return member.model
    return _given({
        "name": member.name, "model": member.model or None, "cli": member.cli or None,
        "base_url": member.base_url, "key": member.key, "temperature": member.temperature,
        "effort": member.effort, "role": member.role or None,
        "area": _area(member.area), "price": member.price,
        "timeout": _duration(None if member.timeout_s == plain.timeout_s else member.timeout_s),
        "output_tokens": _unless(plain.output_tokens, member.output_tokens),
    })  # fmt: skip


def _area(area: Area | None) -> Plain:
    if area is None:
        return None
    return area.where or area.parameters


def _unless(usual: Scalar, value: Scalar) -> Scalar:
    return None if value == usual else value


def _reduce(objective: Objective) -> str | None:
    if objective.reduce == "mean_last":
        return f"mean_last_{objective.window}"
    return None if objective.reduce == "last" else objective.reduce


def _delivery(delivery: Delivery) -> Iterator[tuple[str, Plain]]:
    plain = Delivery()
    yield "base", delivery.base
    yield "format", _unless(plain.format, delivery.format)
    yield "argument", _unless(plain.argument, delivery.argument)


def _metrics(route: MetricRoute) -> Plain:
    return _given({
        "regex": route.patterns, "file": route.file, "tensorboard": route.tensorboard,
        "rename": route.rename,
    })  # fmt: skip


def _limits(limits: Limits) -> Plain:
    plain = Limits()
    return _given({
        "run": _duration(limits.run_s),
        "budget": _duration(limits.budget_s),
        "budget_from": _unless(plain.budget_from, limits.budget_from),
        "memory": _size(limits.memory_bytes),
        "stall": _duration(limits.stall_s),
        "grace": _unless(plain.grace_s, limits.grace_s),
        "log": None if limits.log_bytes == plain.log_bytes else _size(limits.log_bytes),
    })  # fmt: skip


def _parameter(parameter: Parameter) -> Plain:
    match parameter:
        case Float(low=low, high=high, step=step):
            shape: dict[str, Plain] = {"float": [low, high]}
            shape |= {"log": True} if parameter.log else {}
            shape |= {"step": step} if step is not None else {}
        case Int(low=low, high=high, step=step):
            shape = {"int": [low, high]}
            shape |= {"log": True} if parameter.log else {}
            shape |= {"step": step} if step != 1 else {}
        case Choice(options=options):
            shape = {"choice": options}
        case Ordinal(levels=levels):
            shape = {"ordinal": levels}
    shape |= {"default": parameter.default} if parameter.default is not None else {}
    shape |= {"when": parameter.when} if parameter.when is not None else {}
    return shape | ({"description": parameter.description} if parameter.description else {})


def _given(values: Mapping[str, Plain]) -> dict[str, Plain]:
    return {key: value for key, value in values.items() if value not in (None, (), {})}


def _duration(given: float | None) -> Plain:
    """The largest unit that says the same number of seconds exactly."""
    for unit_s, unit in _UNITS:
        if given and given >= unit_s and given % unit_s == 0:
            words = f"{int(given / unit_s)}{unit}"
            return words if seconds(Tree(words, Place(1, 1))) == given else given
    return given


def _size(given: int | None) -> Plain:
    for unit, name in _SIZES:
        if given and given % unit == 0:
            words = f"{given // unit}{name}"
            return words if octets(Tree(words, Place(1, 1))) == given else given
    return given


def _flow(value: Plain) -> str:
    match value:
        case str():
            return _text(value)
        case float():
            return _float(value)
        case None | bool() | int():
            return json.dumps(value)
        case Mapping():
            return "{" + ", ".join(f"{_text(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(map(_flow, value)) + "]"


def _float(value: float) -> str:
    if not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    return repr(value)


def _text(text: str) -> str:
    """The text as it is where YAML reads it back, else in double quotes."""
    if _PLAIN.fullmatch(text):
        try:
            if read(text).value == text:
                return text
        except Unreadable:
            pass
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if char.isprintable() else f"\\U{ord(char):08x}"
