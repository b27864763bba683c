"""Everything a ledger holds, in the order in which it comes about. Frozen; nothing here decides.

    Opened -> Admission -> Launch -> Observation -> Diagnosis -> Verdict -> Closed

A trial is one `Admission` with its runs; a run is one `Launch` with its `Observation`.
`ledger.History` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from trialwright.expression import Scalar
from trialwright.task import Task

SCHEMA = 4
"""Version of these records: raised when an older reader could misread them, or not read them.

2: exchanges with models, analyses, and requests that offer, tell and note.
3: metrics held out, promotions, blocks, instructions, claims, and requests that steer or claim.
4: edits of code, without which trials of one configuration look like repeats.
"""

UNKNOWN_SEED = -1
"""In a launch: the seed that the run got was never recorded."""

Category = Literal[
    "hyperparameter",
    "architecture",
    "optimizer",
    "schedule",
    "data",
    "regularization",
    "systems",
    "baseline",
    "multi",
]
Outcome = Literal["done", "failed", "pruned", "cancelled"]
Cause = Literal[
    "out_of_memory_host",
    "out_of_memory_gpu",
    "diverged",
    "timed_out",
    "stalled",
    "killed",
    "import_error",
    "syntax_error",
    "bad_argument",
    "missing_file",
    "command_not_found",
    "tampered",
    "no_metric",
    "transient",
    "other",
]
Finding = Literal[
    "healthy",
    "overfitting",
    "underfitting",
    "diverged",
    "late_collapse",
    "plateaued",
    "still_improving",
    "noisy",
    "unstable",
    "no_curve",
    "failed",
    "pruned",
]
Status = Literal["kept", "discarded", "unconfirmed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A range that should hold the metric with probability `level`."""

    low: float
    high: float
    level: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A claim that the trial's own result can contradict.

    It says how the objective of this trial will compare with that of trial `against`.
    """

    claim: str
    expects: Literal["better", "worse", "no_worse", "same"]
    against: int | None = None
    parameter: str | None = None
    """The parameter that the claim is about, if it is about one."""


FAILURE = "failure"
"""Stands in a claim for a metric: 1 for a seed that failed, 0 for one that did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Values of one parameter: from `low` to `high`, both included, or one of `values`."""

    parameter: str
    low: float | None = None
    """None: from the lowest."""
    high: float | None = None
    """None: to the highest."""
    values: tuple[Scalar, ...] = ()
    """Single values, instead of a range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something general that somebody holds to be true of the task, and that trials can contradict.

    `direction`: larger values of the parameter move the metric the way `sense`. `region`: so do
    values within `region`, against the others. `interaction`: so do two extents together, beyond
    what each does alone. `rate`: of the seeds within `region`, more (or fewer) than a share of
    `threshold` fail. `no_effect`: the parameter moves the metric by less than `threshold`.
    """

    kind: Literal["claim"] = "claim"
    by: str
    text: str
    """In words; what is tested is what stands in the other fields."""
    what: Literal["direction", "region", "interaction", "rate", "no_effect"]
    region: tuple[Extent, ...]
    """One extent per parameter that the claim is about; of `direction` and `no_effect`, bare."""
    contrast: tuple[Extent, ...] = ()
    """The values that a region is held against; (): all others."""
    metric: str = ""
    """'': the objective's. `FAILURE`: the share of seeds that fail."""
    sense: Literal["higher", "lower"] = "higher"
    threshold: float | None = None
    """In the metric's unit; for `rate` and `FAILURE` a share. None: any difference."""
    where: str = ""
    """Condition on a configuration: trials that don't meet it say nothing of the claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of the parent's code: `research.workshop` makes and checks it."""

    patch: str
    """As git writes it, from the parent's tree."""
    tree: str
    """Id of the git tree that results; what says whether two trials have the same code."""
    files: tuple[str, ...]
    """The paths that it changes."""
    added: int = 0
    removed: int = 0
    """Lines."""
    nodes: int = 0
    """Nodes that the syntax trees of its Python files gain; negative where they lose some."""
    inferred: Category = "multi"
    """The category that the change itself shows, beside the one that was declared."""
    summary: str = ""
    """What changes, in a line: `train.py: LR 0.04 -> 0.06`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration that a proposer hands in, or an edit, with reasons. Not yet checked."""

    configuration: Mapping[str, Scalar]
    by: str
    rationale: str = ""
    """Why this configuration, in words that a person can follow."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why this value, per changed parameter."""
    hypothesis: Hypothesis | None = None
    predicted: Interval | None = None
    parent: int | None = None
    """The trial that this one changes, and whose code it has but for `edit`."""
    edit: Edit | None = None
    """The change of code; None: the parent's, or without a parent the code as it was found."""
    without: int | None = None
    """The trial whose change is taken back, to see whether it is still needed; the study alone
    says so."""
    category: Category = "hyperparameter"
    claims: tuple[Claim, ...] = ()
    """What the proposer claims besides; on admission each becomes a record of its own."""
    tests: int | None = None
    """The claim that the trial is made to test, by its number from 0."""
    fault: str = ""
    """Why it can't be used, where who made it knows: it stands for a turn that was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A coordinator took the study up: for the first time, or again."""

    kind: Literal["opened"] = "opened"
    task: Task
    seed: int
    version: str
    """Of Trialwright."""
    schema_version: int = SCHEMA
    changes: tuple[str, ...] = ()
    """What differs from the task as recorded before, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeVersion:
    """The task's files as they were. Trials of different versions are never pooled silently."""

    kind: Literal["code"] = "code"
    id: str
    """Digest of the files' contents."""
    commit: str | None = None
    """Of the repository that holds them, if any."""
    dirty: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where runs happen: host, interpreter and packages."""

    kind: Literal["machine"] = "machine"
    id: str
    host: str
    platform: str
    python: str
    cores: int
    gpus: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed distributions of the command's interpreter, where it is a Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A proposal that did not become a trial, and every reason why."""

    kind: Literal["refusal"] = "refusal"
    proposal: Proposal
    faults: tuple[str, ...]
    request: int | None = None
    """Sequence of the request that offered it; None: a member of the team did."""
    cause: Cause | None = None
    """Why its code failed when it was run for a moment; None: it was refused unseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A conversation with a language model: what for, and what it cost."""

    kind: Literal["exchange"] = "exchange"
    by: str
    """The member of the team that asked."""
    purpose: Literal["propose", "diagnose", "analyse", "describe"]
    model: str
    requests: int = 0
    """Calls of the model's interface, tools and repairs included."""
    input_tokens: int = 0
    """Read by the model, those from a cache included."""
    cached_tokens: int = 0
    """Of the input, what the provider had in its cache."""
    output_tokens: int = 0
    estimated: bool = False
    """Whether tokens are characters divided by four, for want of a count."""
    usd: float | None = None
    """None if nobody knows the model's price."""
    seconds: float = 0.0
    repairs: tuple[str, ...] = ()
    """Why the model was asked again: `outside`, `repeat`, `format`, ..., in their order."""
    outcome: Literal["answered", "failed"] = "answered"
    detail: str = ""
    """Why there is no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A proposal became trial `number`: legal, no repeat."""

    kind: Literal["admission"] = "admission"
    number: int
    """From 0, without gaps."""
    proposal: Proposal
    code: str
    """Id of the code version."""
    request: int | None = None
    """Sequence of the request that offered it; None: a member of the team did."""


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which run: seed `seed` (an index) of trial `trial`, attempt `attempt`, all from 0.

    >>> str(RunKey(7, 0, 1))
    '0007/0.1'
    """

    trial: int
    seed: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.trial:04d}/{self.seed}.{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A run was started. Without an `Observation` it is going on, or was interrupted."""

    kind: Literal["launch"] = "launch"
    run: RunKey
    seed: int
    """The seed itself, as the script gets it; `UNKNOWN_SEED` of an imported run."""
    command: tuple[str, ...]
    machine: str
    """Id of the machine record."""
    code: str | None = None
    """Id of the code version; None: the admission's."""
    by: str = ""
    """The outside agent that the run was handed out to, and that tells how it went; '': us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Metrics over steps, thinned. `series[name][i]` belongs to `steps[i]`; None where absent."""

    steps: tuple[float, ...] = ()
    series: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def points(self, metric: str) -> list[tuple[float, float]]:
        """Return (step, value) of one metric, absent points left out; values may be NaN."""
        values = self.series.get(metric, ())
        return [(s, v) for s, v in zip(self.steps, values, strict=False) if v is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a run showed."""

    kind: Literal["observation"] = "observation"
    run: RunKey
    outcome: Outcome
    value: float | None = None
    """The objective, reduced from the curve; None unless `done`."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The last value of each metric, but for the one that is held out."""
    withheld: float | None = None
    """The metric that nobody is shown before the study is over; a history gives it out then."""
    curve: Curve = field(default_factory=Curve)
    seconds: float = 0.0
    """Wall time."""
    peak_memory_bytes: int | None = None
    exit_status: int | None = None
    """As the shell counts: 128 + n after signal n."""
    given_s: float | None = None
    """Seconds after which it was ended because every run is given so many; None: it was not."""
    cause: Cause | None = None
    detail: str = ""
    """One line: what happened, and what to do about it."""
    log_tail: str = ""
    """The last lines of a failed run's log."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """What a done run's log tells of data and model at its beginning (`knowledge.FACTS`)."""
    warnings: tuple[str, ...] = ()

    @property
    def measures(self) -> dict[str, float]:
        """The metrics, with `seconds` and `memory_gb` where the script reports none of the name."""
        peak = self.peak_memory_bytes
        memory = {} if peak is None else {"memory_gb": peak / 1e9}
        return {"seconds": self.seconds, **memory, **self.metrics}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The Executor's reading of a run: findings, numbers and one sentence."""

    kind: Literal["diagnosis"] = "diagnosis"
    run: RunKey
    findings: tuple[Finding, ...]
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    by: str = ""
    """The model that wrote the sentence; '': code did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Decided by code: is the trial better than the incumbent? A later one replaces an earlier."""

    kind: Literal["verdict"] = "verdict"
    trial: int
    status: Status
    sentence: str
    against: int | None = None
    """The incumbent that the trial was compared with."""
    probability: float | None = None
    """That the gain, less the price of its code, is real; None without an estimate of the noise."""
    seeds_needed: int | None = None
    """More seeds per side after which a gain of this size could be told from noise."""
    simpler: bool = False
    """Kept because it is as good as `against` with less code, and the best in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A trial is to have more seeds: decided by code, from what the seeds so far tell."""

    kind: Literal["promotion"] = "promotion"
    trial: int
    seeds: int
    """That it is to have in all; of `fresh` ones, so many of those."""
    fresh: bool = False
    """Whether they are seeds that no selection sees, to say what the winner is worth."""
    reason: str
    by: str = ""
    """The skeptic whose turn it was; '': the study's own rules gave them."""
    doubts: int | None = None
    """The best trial, which the skeptic holds to be a freak until further seeds say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that the user should know: a knob not connected, a changed script, a lost turn."""

    kind: Literal["notice"] = "notice"
    level: Literal["info", "warning", "error"]
    topic: str
    text: str
    trial: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a model wrote about the study, its numbers held against the record."""

    kind: Literal["analysis"] = "analysis"
    by: str
    text: str
    struck: tuple[str, ...] = ()
    """Numbers and words that the record did not bear out, taken out of the text."""
    trials: int = 0
    """That there were when it was written."""
    block: int | None = None
    """The block that it sums up; None: the whole study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of trials has ended, and its notebook is due."""

    kind: Literal["block"] = "block"
    number: int
    """From 1, without gaps."""
    first: int
    last: int
    """The trials that it covers, by number, both included."""
    best: int | None = None
    """The best trial when the block ended."""
    value: float | None = None
    """Of that trial, then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """What the user's own text says to whoever proposes; a later one replaces an earlier."""

    kind: Literal["instructions"] = "instructions"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a door asks of the study; the study alone acts on it.

    `replicate`: `seeds` more seeds for trial `trial`. `rerun`: trial `trial` once more. `stop`: end
    the session, after the running runs unless `now`. `prune`: end the runs of trial `trial` that go
    on; they count as pruned. `propose`: admit `proposal`, if it is legal and no repeat. `tell`:
    take in `observation` of a run that was handed out. `note`: keep `text`, about trial `trial` if
    it is about one. `steer`: keep the wish `text` of a person for whoever proposes; one of the form
    `try x=0.1` is offered as a trial. `claim`: take `claim` up.
    """

    kind: Literal["request"] = "request"
    what: Literal[
        "replicate", "rerun", "stop", "prune", "propose", "tell", "note", "steer", "claim"
    ]
    trial: int | None = None
    seeds: int = 0
    now: bool = False
    by: str = ""
    """Who asks, where that matters."""
    proposal: Proposal | None = None
    observation: Observation | None = None
    claim: Claim | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A session of the study ended."""

    kind: Literal["closed"] = "closed"
    reason: Literal["budget", "exhausted", "stopped", "failed"]
    sentence: str


Record = (
    Opened
    | CodeVersion
    | Machine
    | Refusal
    | Exchange
    | Claim
    | Admission
    | Launch
    | Observation
    | Diagnosis
    | Verdict
    | Promotion
    | Notice
    | Analysis
    | Block
    | Instructions
    | Request
    | Closed
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in its place in a ledger."""

    sequence: int
    """From 1, without gaps."""
    at: float
    """Seconds since the epoch, UTC."""
    record: Record


RECORD: TypeAdapter[Record] = TypeAdapter(
    Annotated[Record, Field(discriminator="kind")],
    # NaN and infinities are legal in curves; JSON has no word for them.
    config=ConfigDict(ser_json_inf_nan="strings"),
)
"""Reads and writes any record as JSON."""
