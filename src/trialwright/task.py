"""What is to be improved: the objective, what runs, within which limits, by whom.

Pure data, as the study file states it and as the ledger keeps it. It does not read files (that is
`studyfile`) and runs nothing (that is `execute`).
"""

from __future__ import annotations

import difflib
import fnmatch
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter

from trialwright.editable import CodingAgent, Research
from trialwright.errors import ExpressionError
from trialwright.expression import Scalar, evaluate, names
from trialwright.robust import Robust
from trialwright.space import NAME, Choice, Configuration, Float, Int, Ordinal, Space
from trialwright.tracker import Tracker
from trialwright.webhook import Webhook

Direction = Literal["maximize", "minimize"]
Reduce = Literal["last", "best", "mean_last"]
Member = Literal["expert", "tree", "random", "tpe", "gp", "cmaes", "inquirer", "editor"]
"""Proposers that a team may name."""

Role = Literal["explorer", "exploiter", "skeptic"]
"""What a member may make its business: what is unknown, what is best, what may be wrong."""

Effort = Literal["minimal", "low", "medium", "high", "xhigh", "max"]
"""How hard a model that can think is to think."""

FRESH = 1000
"""Index of the first fresh seed: those below are for selection, and a trial has no more of them."""

RESERVED = ("config", "args", "seed", "trial", "folder")
"""Placeholders in a command that are no parameters."""

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(" + NAME.pattern + r")\}")
"""What is replaced in a command: `{name}`, and doubled braces, which stand for single ones.

Other single braces are text, so that JSON can stand in an argument.
"""

_SEED = re.compile(r"-{0,2}[\w.-]*seed", re.IGNORECASE)
_FIXED = re.compile(rf"{_SEED.pattern}=(?P<seed>\d+)", re.IGNORECASE)

SWITCH = re.compile(r"\{(?P<name>" + NAME.pattern + r")\?(?P<yes>.*?)(?::(?P<no>.*))?\}", re.DOTALL)
"""An argument that depends on a parameter: `{nesterov?--nesterov}`, `{bias?--bias:--no-bias}`.

The first part unless the value is false or None, or there is none; then the second. An empty part
is no argument at all, so `{clip?--clip={clip}}` leaves an option out where it is None.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The metric that decides, which way is better, and how a curve becomes one number.

    `mean_last` averages the last `window` points.

    >>> Objective(metric="loss", direction="minimize", reduce="best").value([3.0, 1.0, 2.0])
    1.0
    """

    metric: str
    direction: Direction = "maximize"
    reduce: Reduce = "last"
    window: int = 5

    @property
    def sign(self) -> int:
        """+1 if larger is better, -1 if smaller is."""
        return 1 if self.direction == "maximize" else -1

    def value(self, series: Sequence[float]) -> float | None:
        """Reduce a metric's curve to one number; None if it has no finite point to give.

        `last` is strict: a curve that ends in NaN has no value.
        """
        if not series:
            return None
        finite = [point for point in series if math.isfinite(point)]
        match self.reduce:
            case "last":
                return series[-1] if math.isfinite(series[-1]) else None
            case "best":
                return self.sign * max(self.sign * point for point in finite) if finite else None
            case "mean_last":
                tail = [point for point in series[-self.window :] if math.isfinite(point)]
                return sum(tail) / len(tail) if tail else None

    def better(self, left: float, right: float) -> bool:
        """Say whether `left` is strictly better than `right`."""
        return self.sign * (left - right) > 0


MEASURED = ("seconds", "memory_gb")
"""What is known of every run besides the metrics that it reports: wall time, peak memory in GB."""


def unmet(require: Sequence[str], measures: Mapping[str, float]) -> str:
    """Say which requirement metrics don't meet, the first of them; '' if they meet all.

    What can't be told, for want of a metric, is not met.

    >>> unmet(("memory_gb <= 4", "gap < 0.1"), {"memory_gb": 3.2, "gap": 0.25})
    'gap < 0.1 is not met (gap = 0.25)'
    """
    for text in require:
        mentioned = sorted(names(text))
        missing = [name for name in mentioned if name not in measures]
        if missing:
            return f"{text} can't be told: no {missing[0]} was reported"
        told = ", ".join(f"{name} = {measures[name]:.6g}" for name in mentioned)
        try:
            if not evaluate(text, measures):
                return f"{text} is not met ({told})"
        except ExpressionError:
            return f"{text} can't be computed ({told})"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """What a member of a team keeps to: parameters that it may move, or a condition that holds.

    >>> print(Area(parameters=("optimizer.*", "lr")))
    optimizer.*, lr
    """

    parameters: tuple[str, ...] = ()
    """Names, or patterns of names with `*`; (): all."""
    where: str = ""
    """Of every configuration that it proposes; '': any will do."""

    def __str__(self) -> str:
        return self.where or ", ".join(self.parameters)

    def names(self, space: Space) -> tuple[str, ...]:
        """Return the parameters that may be moved."""
        if not self.parameters:
            return space.names
        return tuple(
            name
            for name in space.names
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in self.parameters)
        )

    def strays(
        self, configuration: Configuration, parent: Configuration, space: Space
    ) -> tuple[str, ...]:
        """Return the parameters outside of the area that differ from the parent's.

        What a parameter of the area switches on or off is no stray.
        """
        inside = self.names(space)
        return tuple(
            name
            for name, value in configuration.items()
            if name not in inside and name in parent and parent[name] != value
        )

    def holds(self, configuration: Configuration) -> bool:
        """Say whether the condition is met; what names an inactive parameter is not."""
        try:
            return not self.where or bool(evaluate(self.where, configuration))
        except ExpressionError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """A proposer without a model that has a role in the team, or an area of its own."""

    member: Member
    """Who thinks."""
    name: str
    """What stands in `Proposal.by`."""
    role: Role | None = None
    area: Area | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A language model in the team: a provider's (`model`), or behind a program (`cli`).

    Keys come from the environment alone.
    """

    name: str
    """What stands in `Proposal.by`."""
    model: str = ""
    """`provider:name`, such as `anthropic:claude-sonnet-4-5`."""
    cli: tuple[str, ...] = ()
    """A program that reads a prompt from its standard input and prints JSON."""
    base_url: str | None = None
    """Of an endpoint that speaks the provider's language: vLLM, Ollama, LM Studio."""
    key: str | None = None
    """The variable that holds the key; None: the provider's usual one, or none with `base_url`."""
    temperature: float | None = None
    effort: Effort | None = None
    role: str = ""
    """A `Role`, or words on how this member is to behave; put into its instructions."""
    area: Area | None = None
    """What it is to keep to; None: the whole space."""
    price: tuple[float, float] | None = None
    """US dollars per million tokens, read and written, where the model is in no list of prices."""
    timeout_s: float = 120.0
    """Seconds that one answer may take."""
    output_tokens: int = 4000
    """The most that one answer may take."""


Someone = Member | Delegate | Agent | CodingAgent
"""A member of a team."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use. None is no limit. A breach is a failure with a cause."""

    run_s: float | None = None
    """Wall seconds."""
    budget_s: float | None = None
    """Wall seconds after which a run is ended and is worth what it has reported until then: no
    breach, but what every run is given."""
    budget_from: Literal["start", "first_metric"] = "start"
    """From when `budget_s` counts."""
    memory_bytes: int | None = None
    """Memory of the whole process tree, shared pages counted once."""
    stall_s: float | None = None
    """Seconds without a new line of output."""
    grace_s: float = 5.0
    """Seconds between SIGTERM and SIGKILL."""
    log_bytes: int = 64 * 2**20
    """Log kept on disk per run: the head and the tail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the study may use, over all its sessions; whichever ends first. None is no bound."""

    trials: int | None = None
    runs: int | None = None
    time_s: float | None = None
    usd: float | None = None
    """US dollars for language models; without them the study goes on."""
    tokens: int | None = None
    """Tokens for language models, read and written."""
    model_time_s: float | None = None
    """Seconds of waiting for language models, conversation by conversation; not the study's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Early stopping of runs that fall behind, judged on the objective's metric while it streams.

    `median`: below the median of earlier trials at the same step. `asha`: outside the best
    1/`factor` at rungs `first * factor^k`. `hyperband`: Optuna's, over the same rungs.
    """

    rule: Literal["median", "asha", "hyperband"]
    first: int = 1
    """No run is judged before this step."""
    factor: int = 3
    warmup: int = 4
    """`median` judges nobody before so many trials have finished."""
    last: int | None = None
    """The last step of a full run, which `hyperband` needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRoute:
    """Where metrics come from besides tagged lines, with no change to the script.

    `patterns`: regular expressions with named groups, matched against each line of output; a group
    named `step` or `epoch` is the step. `file`: a CSV or JSON-lines file. `tensorboard`: a folder
    of event files. Both paths may hold placeholders such as `{folder}`, and are else relative to
    the run's working directory. `rename` maps names in the source to metric names.
    """

    patterns: tuple[str, ...] = ()
    file: str | None = None
    tensorboard: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a configuration reaches the script."""

    base: str | None = None
    """A YAML or JSON file whose keys the configuration overrides, dots meaning nesting."""
    format: Literal["yaml", "json"] = "yaml"
    """Format of the file behind `{config}`."""
    argument: str = "--{name}={value}"
    """What `{args}` repeats per parameter; a space separates arguments: `--{name} {value}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Environment variables of a run, besides those it inherits.

    Inherited are all but those whose names look like secrets (keys, tokens, passwords).
    """

    passed: tuple[str, ...] = ()
    """Names handed through although they look like secrets; a missing one is an error at start."""
    set: Mapping[str, str] = field(default_factory=dict)
    """Values, in which `{learning_rate}`, `{seed}`, ... stand for the run's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Large files that a run leaves: kept for the best `trials`, removed from the others."""

    files: tuple[str, ...] = ()
    """Glob patterns within the run's folder."""
    trials: int = 1
    runs: int | None = None
    """Folders of runs that stay, and as many of failed ones; None: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """How many seeds a trial is run with, and what counts of them. More come by `replicate`."""

    screen: int = 1
    """At first."""
    confirm: int | None = None
    """That a contender is promoted to; None: nobody is promoted."""
    most: int | None = None
    """Up to which seeds are added one by one while the decision is open; None: no more."""
    fresh: int = 0
    """That no selection saw, for the winner and the first trial at the end."""
    objective: Robust = field(default_factory=Robust)
    """How a trial's seeds become one number."""
    failure: float | None = None
    """The metric's value beyond which a seed counts as failed; None: only one without a value."""
    study: int = 0
    """The study's own seed: fixes run seeds and every draw of a proposer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ucb:
    """How the search tree weighs what is good against what was rarely tried.

    A trial's score is its reward plus `c * sqrt(ln N / n)` (`documented`) or
    `c * sqrt(N) / (1 + n)` (`variant`), N being all trials, n those from it on downwards.
    """

    c: float = 1.414
    rule: Literal["documented", "variant"] = "documented"
    mutate: int = 1
    """Parameters that one mutation changes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeEnv:
    """What Ray brings to a node before runs go on there; empty: all of it is there already."""

    working_dir: str | None = None
    """A folder that is sent to the nodes, where runs then work."""
    excludes: tuple[str, ...] = ()
    """What of it stays, as in a `.gitignore`."""
    pip: tuple[str, ...] = ()
    """Packages to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerPlan:
    """Where runs go, and what each takes."""

    kind: Literal["local", "ray"] = "local"
    workers: int | None = None
    """Runs at a time; None: as many as cores and GPUs allow."""
    cpus: float | str = 1.0
    """Per run, fractions allowed; a text is an expression over the run's configuration."""
    gpus: float | str | None = None
    """As `cpus`; None: 1 where the machine has a GPU, else 0."""
    memory_bytes: int | None = None
    """Set aside per run: no more go on at a time than the machine's memory holds."""
    disk_floor_bytes: int | None = None
    """Nothing is launched while less than this is free where the study's folder is."""
    address: str | None = None
    """Of a Ray cluster: `auto`, `host:port`, `ray://host:port`; None: `RAY_ADDRESS`, or one that is
    started on this machine."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """What else a run takes of its node, by the names that the Ray cluster has for it."""
    runtime_env: RuntimeEnv = field(default_factory=RuntimeEnv)

    @property
    def varied(self) -> bool:
        """Whether runs may need different shares of the machine."""
        return isinstance(self.cpus, str) or isinstance(self.gpus, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which of several runs that are due goes first."""

    first: Literal["proposed", "cheap"] = "proposed"
    """`cheap`: who costs least, among those that are due for the same reason."""
    cost: str = ""
    """An expression over the configuration; '': the seconds that like runs took."""
    ahead: int | None = None
    """Trials that are kept ready beyond those that fit, members being asked side by side while runs
    go on; None: the team is asked when a slot is free, and waited for."""
    batch: int = 1
    """Trials that are asked for at a time, where `ahead` says how many are kept ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPlan:
    """Where a study's records are kept."""

    url: str = ""
    """A PostgreSQL database, without a password; `$NAME`: what that variable holds; '': a file in
    the study's folder."""
    lease_s: float = 15.0
    """Seconds of silence after which another coordinator may take the study over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be improved. Either a `command` or a Python `function`, never both.

    `function(configuration, seed)` returns the metric, or a mapping of metrics, or None when it
    emits them itself.

    >>> from trialwright.space import Float
    >>> Task(name="parabola", objective=Objective(metric="y"), space=Space((Float("x", -1, 1),)),
    ...      function=lambda configuration, seed: -configuration["x"] ** 2).name
    'parabola'
    """

    name: str
    objective: Objective
    space: Space
    also: tuple[Objective, ...] = ()
    """Further objectives: they decide nothing, and span the Pareto front with the first."""
    require: tuple[str, ...] = ()
    """What a trial's metrics must meet for it to be the best: expressions over their means."""
    heldout: str | None = None
    """A metric that nobody is shown before the study is over."""
    description: str = ""
    command: tuple[str, ...] = ()
    function: Annotated[Callable[..., Any] | None, Field(exclude=True)] = None
    folder: str = "."
    """Where the command's files are; absolute once loaded from a study file."""
    workdir: Literal["task", "run"] = "task"
    """Working directory of a run: `folder`, or the run's own."""
    research: Research | None = None
    """What of the code may be edited; None: nothing, and runs use the files in `folder`."""
    delivery: Delivery = field(default_factory=Delivery)
    environment: Environment = field(default_factory=Environment)
    metrics: MetricRoute = field(default_factory=MetricRoute)
    start: tuple[Mapping[str, Scalar], ...] = ()
    """Configurations to run first, completed from the defaults."""
    grid: int | Mapping[str, tuple[Scalar, ...]] | None = None
    """A grid to run after `start`; see `Space.grid`."""
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=lambda: Budget(trials=10))
    seeds: Seeds = field(default_factory=Seeds)
    prune: Prune | None = None
    keep: Keep = field(default_factory=Keep)
    code: tuple[str, ...] = ()
    """Glob patterns of the files whose change opens a new code version; () finds them."""
    team: tuple[Someone, ...] = ("expert",)
    tree: Ucb = field(default_factory=Ucb)
    """For the member `tree`, and for how the tree of trials is scored."""
    runner: RunnerPlan = field(default_factory=RunnerPlan)
    schedule: Schedule = field(default_factory=Schedule)
    heal: bool = True
    """Whether failures with a known remedy are answered by a child trial, or by fewer at once."""
    ledger: LedgerPlan = field(default_factory=LedgerPlan)
    model: str | None = None
    """Kind of model, for the expert's knowledge base (`xgboost`, `gcn`, ...); None: guessed."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """What is known of data and model beforehand: rows, features, classes; `knowledge.FACTS`."""
    confidence: float = 0.95
    """Probability that a gain is real from which on a trial is kept."""
    block: int | None = None
    """Trials of a block, after each of which the notebook is written; None: no notebook."""
    instructions: str | None = None
    """A text file in `folder`, for every proposer that can read."""
    notify: tuple[Webhook, ...] = ()
    """Who is told how the study goes."""
    trackers: tuple[Tracker, ...] = ()
    """Where each run is copied to."""

    @property
    def goals(self) -> tuple[Objective, ...]:
        """All objectives, the one that decides first."""
        return (self.objective, *self.also)

    @property
    def member_names(self) -> tuple[str, ...]:
        """The names of the team's members, as they stand in `Proposal.by`."""
        return tuple(one if isinstance(one, str) else one.name for one in self.team)

    @property
    def delegates(self) -> Mapping[str, Delegate]:
        """Members without a model that have a role or an area, by name."""
        return {one.name: one for one in self.team if isinstance(one, Delegate)}

    @property
    def roles(self) -> Mapping[str, Role]:
        """Who of the team has which role; whoever has none, or one in words, is left out."""
        known: dict[str, Role] = {role: role for role in get_args(Role)}
        given = {one.name: one.role or "" for one in self.team if not isinstance(one, str)}
        return {name: known[role] for name, role in given.items() if role in known}

    @property
    def areas(self) -> Mapping[str, Area]:
        """Who of the team is to keep to which area; whoever has none is left out."""
        given = [one for one in self.team if isinstance(one, Delegate | Agent)]
        return {one.name: one.area for one in given if one.area is not None}


EMPTY = "the space has no parameters: give at least one"
"""What is wrong with a task that has nothing to vary, unless its code may be."""

TASK = TypeAdapter(Task)
"""Reads and writes a task as JSON; a function is left out."""


def placeholders(text: str) -> tuple[str, ...]:
    """Return the names that `text` has placeholders for, in order.

    >>> placeholders("--lr={learning_rate} {{literal}} {folder}")
    ('learning_rate', 'folder')
    >>> placeholders("{nesterov?--nesterov}")
    ('nesterov',)
    """
    switch = SWITCH.fullmatch(text)
    named = tuple(found[1] for found in PLACEHOLDER.finditer(text) if found[1])
    return (switch["name"], *named) if switch else named


def fixed_seed(task: Task) -> str:
    """Say where a command has a number for a seed; '' where it has none, or a place for one."""
    if any("seed" in placeholders(place) for place in task.command):
        return ""
    for before, word in pairwise(("", *task.command)):
        joined = _FIXED.fullmatch(word)
        if joined:
            return f"the {joined['seed']} in {word}"
        if word.isdigit() and _SEED.fullmatch(before):
            return f"the {word} after {before}"
    return ""


def placeholder_problems(task: Task) -> tuple[str, ...]:
    """Say what is wrong with the placeholders of a task's command, environment and metric paths.

    Unknown names, `{args}` within a larger argument or outside the command, and parameters that
    may be inactive and then have no value to stand in the place. A parameter that is never
    mentioned is no problem: every run has the configuration's file in `TRIALWRIGHT_CONFIG`.
    """
    places = [
        *(("command", part) for part in task.command),
        *((f"environment {name}", value) for name, value in task.environment.set.items()),
        ("metrics file", task.metrics.file or ""),
        ("metrics tensorboard", task.metrics.tensorboard or ""),
    ]
    return tuple(
        f"{place}: {problem}"
        for place, text in places
        for name in placeholders(text)
        if (problem := _placeholder_problem(name, text, task=task, place=place))
    )


def nearest(given: str, known: Iterable[str]) -> str:
    """Return ", did you mean ...?" for the known word most like `given`, or ""."""
    found = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


def _placeholder_problem(name: str, text: str, *, task: Task, place: str) -> str | None:
    known = (*RESERVED, *task.space.names)
    if name not in known:
        return (
            f"{{{name}}} in {text!r} is neither a parameter nor one of"
            f" {', '.join(f'{{{word}}}' for word in RESERVED)}{nearest(name, known)}"
            " (double the braces for braces as text)"
        )
    if name == "args" and (place != "command" or text != "{args}"):
        return f"{{args}} in {text!r} becomes several arguments: let it stand alone in the command"
    if name in RESERVED:
        return None
    switch = SWITCH.fullmatch(text)
    if switch and switch["name"] == name:
        return None
    if task.space[name].when is not None and name not in task.space.given_defaults:
        return (
            f"{{{name}}} in {text!r} has no value when {name} is inactive: give {name} a default,"
            " or use {args} or {config}"
        )
    return None


def worked_out(given: str, task: Task, configuration: Mapping[str, Scalar]) -> float:
    """Compute what an expression gives for a configuration; what is inactive is at its default.

    Raises:
        ExpressionError: it gives no finite number.
    """
    space = task.space
    values = dict.fromkeys(space.names) | space.given_defaults | dict(configuration)
    found = evaluate(given, values)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ExpressionError(f"{given!r} is {found!r} for {dict(configuration)}, and no number")
    return float(found)


def expression_problems(task: Task) -> tuple[tuple[str, str], ...]:
    """Say what is wrong with expressions over configurations: (key in the study file, problem).

    They are held to every parameter's ends and options.
    """
    given = {
        "runner.cpus": task.runner.cpus,
        "runner.gpus": task.runner.gpus,
        "schedule.cost": task.schedule.cost or None,
    }
    return tuple(
        (key, f"{key}: {problem}")
        for key, text in given.items()
        if isinstance(text, str) and (problem := _expression_problem(key, text, task))
    )


def _expression_problem(key: str, text: str, task: Task) -> str:
    try:
        for name in sorted(names(text)):
            if name not in task.space:
                return f"{name!r} in {text!r} is no parameter{nearest(name, task.space.names)}"
        for configuration in _ends(task.space):
            found = worked_out(text, task, configuration)
            wrong = _out_of_range(key, found)
            if wrong:
                return f"{text!r} is {found:g} for {configuration}: {wrong}"
    except ExpressionError as error:
        return str(error)
    return ""


def _out_of_range(key: str, found: float) -> str:
    match key:
        case "runner.cpus":
            return "" if found > 0 else "a run takes more than 0 cores"
        case "runner.gpus":
            fits = 0 <= found <= 1 or (found > 1 and found == int(found))
            return "" if fits else "give a whole number, or a fraction below 1"
    return ""


def _ends(space: Space) -> Iterator[dict[str, Scalar]]:
    """The defaults, and from them each parameter at its ends, or at each of its options."""
    yield space.complete({})
    for parameter in space.parameters:
        match parameter:
            case Float(low=low, high=high) | Int(low=low, high=high):
                ends: tuple[Scalar, ...] = (low, high)
            case Choice(options=values) | Ordinal(levels=values):
                ends = values
        for end in ends:
            yield space.complete({parameter.name: end})
