"""A study file's text to a `Task`, or every problem in it at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePath

from trialwright.errors import StudyFileError
from trialwright.knowledge import FACTS, fact_fault
from trialwright.studyfile.command import outside, read_base, read_command
from trialwright.studyfile.fields import Fields, Problems, choose
from trialwright.studyfile.goals import GOAL, read_also, read_heldout, read_require
from trialwright.studyfile.instructions import read_instructions
from trialwright.studyfile.ledger import read_ledger
from trialwright.studyfile.notify import read_notify
from trialwright.studyfile.research import read_research
from trialwright.studyfile.runner import RUNNER_KEYS, read_runner
from trialwright.studyfile.seeds import SEED_KEYS, read_seeds
from trialwright.studyfile.space import read_grid, read_space, read_start
from trialwright.studyfile.team import read_team
from trialwright.studyfile.trackers import read_trackers
from trialwright.studyfile.tree import LARGEST_FILE, Place, Tree, Unreadable, read
from trialwright.task import (
    Budget,
    Delivery,
    Environment,
    Keep,
    LedgerPlan,
    Limits,
    MetricRoute,
    Objective,
    Prune,
    Schedule,
    Task,
    Ucb,
    expression_problems,
    placeholder_problems,
    placeholders,
)

KEYS = (
    "name", "goal", "reduce", "also", "require", "heldout", "description", "model", "facts",
    "folder",
    "command", "workdir", "base", "format", "argument", "environment", "metrics", "space",
    "constraints", "start", "grid", "limits", "budget", "seeds", "prune", "keep", "code", "team",
    "tree", "block", "instructions", "research", "runner", "schedule", "heal", "ledger", "notify",
    "trackers", "confidence",
)  # fmt: skip
"""Every key of a study file, in the order in which one is written."""

LATER = ("held_out", "objectives", "files")
"""Keys that the architecture names, for versions to come."""

FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
"""A study's name: safe as the name of a folder."""

_REDUCE = re.compile(r"mean_last_([1-9]\d{0,5})")
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def load(path: Path | str) -> Task:
    """Read a study file.

    Raises:
        StudyFileError: with every problem, each as `file:line:column: what, and what to do`.
    """
    path = Path(path)
    return parse(_text(path), path=path)


def parse(text: str, *, path: Path) -> Task:
    """Read a study file's text; `path` is where it lies, or would.

    Paths in it are relative to its folder. That its command and files are there is checked.

    Raises:
        StudyFileError: with every problem.
    """
    problems = Problems(path)
    try:
        tree = read(text)
    except Unreadable as error:
        problems.add(error.place, error.text)
        raise StudyFileError(problems.lines()) from None
    if not isinstance(tree.value, Mapping):
        problems.add(
            tree.place,
            f"a study file must be a mapping such as 'goal: maximize accuracy', not {tree.shown}",
        )
        raise StudyFileError(problems.lines())
    fields = Fields(tree, "the study file", problems, known=KEYS, later=LATER)
    task = _task(fields, problems, path.absolute())
    if task is not None and not problems.found:
        command = fields.keys.get("command", fields.place)
        for problem in placeholder_problems(task):
            problems.add(_place_of(problem, fields) or command, problem)
        for key, problem in expression_problems(task):
            section, _, name = key.partition(".")
            problems.add(fields.within(section, name), problem)
    if task is None or problems.found:
        raise StudyFileError(problems.lines())
    return task


def whereabouts(path: Path) -> tuple[str, LedgerPlan]:
    """Return the name and the ledger that a study file states, whatever else is wrong with it.

    A machine that only looks at a study has neither its script nor its data. A name of '' is one
    that can't be told.
    """
    problems = Problems(path)
    try:
        tree = read(_text(path))
    except (Unreadable, StudyFileError):
        return "", LedgerPlan()
    fields = Fields(tree, "the study file", problems, known=KEYS, later=LATER)
    wrong = len(problems.found)
    name, plan = _name(fields, path.absolute()), read_ledger(fields, problems)
    return ("", LedgerPlan()) if len(problems.found) > wrong else (name, plan)


def _text(path: Path) -> str:
    problems = Problems(path)
    start = Place(1, 1)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except IsADirectoryError:
        problems.add(start, "is a folder: name the study file in it, such as study.yaml")
    except FileNotFoundError:
        problems.add(start, "does not exist: check the path, or make one with trialwright init")
    except OSError as error:
        problems.add(start, f"can't be read: {error.strerror}")
    else:
        if len(content) > LARGEST_FILE:
            problems.add(
                start, f"is larger than {LARGEST_FILE} bytes: is it a study file, or the data?"
            )
        elif b"\0" in content:
            problems.add(start, "is binary: a study file is YAML text")
        else:
            return _decoded(content, problems)
    raise StudyFileError(problems.lines())


def _decoded(content: bytes, problems: Problems) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        problems.add(
            Place(line, column),
            f"byte {content[error.start]:#04x} is not UTF-8: save the file as UTF-8",
        )
        raise StudyFileError(problems.lines()) from None


def _task(fields: Fields, problems: Problems, path: Path) -> Task | None:
    """The task, or None; a task made while problems were found is not to be used."""
    folder = _folder(fields, path)
    space = read_space(fields, problems)
    objective = _objective(fields)
    also, require = read_also(fields, objective), read_require(fields)
    command = read_command(fields, folder)
    parts = {
        "also": also,
        "require": require,
        "heldout": read_heldout(fields, objective, also=also, require=require),
        "delivery": _delivery(fields, folder),
        "environment": _environment(fields, problems),
        "metrics": _metrics(_section(fields, "metrics", problems)),
        "start": read_start(fields, space),
        "grid": read_grid(fields, space),
        "limits": _limits(_section(fields, "limits", problems)),
        "budget": _budget(fields, problems),
        "seeds": read_seeds(
            _section(fields, "seeds", problems), sign=objective.sign if objective else 0
        ),
        "prune": _prune(fields, problems),
        "keep": _keep(_section(fields, "keep", problems)),
        "runner": read_runner(_section(fields, "runner", problems), problems, folder=folder),
        "schedule": _schedule(_section(fields, "schedule", problems)),
        "heal": "heal" not in fields or fields.flag("heal"),
        "ledger": read_ledger(fields, problems),
        "notify": read_notify(fields, problems),
        "trackers": read_trackers(fields, problems),
        "team": read_team(fields, problems, space),
        "tree": _tree(_section(fields, "tree", problems)),
        "block": fields.whole("block", least=1),
        "instructions": read_instructions(fields, folder),
        "research": read_research(fields, problems, folder=folder),
        "code": _globs(fields, "code"),
        "workdir": fields.word("workdir", ("task", "run")) or "task",
        "description": fields.text("description") or "",
        "model": fields.text("model"),
        "facts": _facts(fields, problems),
        "confidence": _confidence(fields),
    }
    name = _name(fields, path)
    if space is None or objective is None:
        return None
    return Task(
        name=name, objective=objective, space=space, command=command, folder=str(folder),
        **parts,  # type: ignore[arg-type]  # each made by a function of the right type
    )  # fmt: skip


_KNOWN = {
    "metrics": ("regex", "file", "tensorboard", "rename"),
    "limits": ("run", "budget", "budget_from", "memory", "stall", "grace", "log"),
    "budget": ("trials", "runs", "time", "usd", "tokens", "model_time"),
    "seeds": SEED_KEYS,
    "prune": ("rule", "first", "factor", "warmup", "last"),
    "keep": ("files", "trials", "runs"),
    "tree": ("c", "rule", "mutate"),
    "runner": RUNNER_KEYS,
    "schedule": ("first", "cost", "ahead", "batch"),
    "environment": ("pass", "set"),
}


def _section(fields: Fields, key: str, problems: Problems) -> Fields:
    tree = fields.tree(key) or Tree(None, fields.keys.get(key, fields.place))
    return Fields(tree, key, problems, known=_KNOWN[key])


def _folder(fields: Fields, path: Path) -> Path:
    text, tree = fields.text("folder"), fields.tree("folder")
    if text is None or tree is None:
        return path.parent
    folder = path.parent / text
    if not folder.is_dir():
        fields.fault(tree, f"folder: there is no folder {folder}")
    return folder


def _name(fields: Fields, path: Path) -> str:
    name, tree = fields.text("name"), fields.tree("name")
    if name is None or tree is None:
        stem = path.parent.name if path.stem in ("study", "") else path.stem
        return _safe(stem) or "study"
    if not FILE_NAME.fullmatch(name):
        fields.fault(
            tree,
            f"name: {name!r} becomes a folder's name: letters, digits, _ . -, at most 100;"
            f" write, e.g., {_safe(name) or 'study'}",
        )
    return name


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-._")[:100]


def _objective(fields: Fields) -> Objective | None:
    goal, tree = fields.text("goal"), fields.tree("goal")
    if tree is None:
        fields.fault(
            fields.keys.get("goal", fields.place),
            "goal is missing; add the metric and its direction, e.g., goal: maximize val_accuracy",
        )
    reduce, window = _reduce(fields)
    if goal is None or tree is None:
        return None
    found = GOAL.fullmatch(goal.strip())
    if found is None:
        fields.fault(
            tree,
            f"goal: {goal!r} must be 'maximize METRIC' or 'minimize METRIC', e.g.,"
            f" maximize {(goal.split() or ['val_accuracy'])[-1]}",
        )
        return None
    direction = "maximize" if found[1] == "maximize" else "minimize"
    return Objective(
        metric=found[2], direction=direction, reduce=reduce, window=window  # type: ignore[arg-type]
    )  # fmt: skip


def _reduce(fields: Fields) -> tuple[str, int]:
    text = fields.text("reduce") or "last"
    mean = _REDUCE.fullmatch(text)
    if mean:
        return "mean_last", int(mean[1])
    if text not in ("last", "best"):
        tree = fields.tree("reduce")
        assert tree is not None
        fields.fault(
            tree, f"reduce: {text!r} is unknown; write last, best, or mean_last_5 (any number)"
        )
        return "last", 5
    return text, 5


def _delivery(fields: Fields, folder: Path) -> Delivery:
    plain = Delivery()
    argument, tree = fields.text("argument"), fields.tree("argument")
    if argument is not None and tree is not None:
        unknown = set(placeholders(argument)) - {"name", "value"}
        if "value" not in placeholders(argument) or unknown:
            fields.fault(
                tree,
                f"argument: {argument!r} must hold {{value}}, may hold {{name}}, and no other"
                " placeholder, such as '--{name} {value}'",
            )
    form = fields.word("format", ("yaml", "json")) or plain.format
    return Delivery(
        base=read_base(fields, folder),
        format="json" if form == "json" else "yaml",
        argument=argument or plain.argument,
    )


def _facts(fields: Fields, problems: Problems) -> dict[str, float]:
    section = Fields(
        fields.tree("facts") or Tree(None, fields.place), "facts", problems, known=tuple(FACTS)
    )
    found = {name: value for name in FACTS if (value := section.number(name)) is not None}
    for name, value in found.items():
        fault = fact_fault(name, value)
        if fault:
            section.fault(section.tree(name) or section.place, fault)
    return found


def _environment(fields: Fields, problems: Problems) -> Environment:
    tree = fields.tree("environment")
    if tree is not None and isinstance(tree.value, tuple | str):
        passed = fields.texts("environment")
        section, values = fields, dict[str, str]()
    else:
        section = _section(fields, "environment", problems)
        passed, values = section.texts("pass"), section.words("set")
    for name in (*passed, *values):
        if not _VARIABLE.fullmatch(name) or name.startswith("TRIALWRIGHT_"):
            section.fault(
                tree or section.place,
                f"environment: {name!r} can't be used; names are letters, digits and _, and those"
                " that start with TRIALWRIGHT_ are set for every run",
            )
    return Environment(passed=passed, set=values)


def _metrics(fields: Fields) -> MetricRoute:
    patterns = fields.texts("regex")
    tree = fields.tree("regex")
    places = tree.value if tree and isinstance(tree.value, tuple) else (tree,) * len(patterns)
    for pattern, place in zip(patterns, places, strict=False):
        _check_pattern(pattern, place or fields.place, fields)
    for key in ("file", "tensorboard"):
        path, at = fields.text(key), fields.tree(key)
        bare = (path or "").removeprefix("{folder}/")
        if at and (
            PurePath(bare).is_absolute() or ".." in PurePath(bare).parts or not bare.strip()
        ):
            fields.fault(
                at,
                f"metrics.{key}: {path!r} must lie in the run's own folder or working directory:"
                " write a relative path, or {folder}/...",
            )
    return MetricRoute(
        patterns=patterns,
        file=fields.text("file"),
        tensorboard=fields.text("tensorboard"),
        rename=fields.words("rename"),
    )


def _check_pattern(pattern: str, at: Tree | Place, fields: Fields) -> None:
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        fields.fault(at, f"metrics.regex: {pattern!r} is not a regular expression: {error}")
        return
    if not set(groups) - {"step", "epoch"}:
        fields.fault(
            at,
            f"metrics.regex: {pattern!r} needs a named group per metric, such as"
            r" 'loss: (?P<val_loss>[-+.\deE]+)'",
        )


def _limits(fields: Fields) -> Limits:
    plain = Limits()
    grace = fields.duration("grace", zero=True)
    begins = fields.word("budget_from", ("start", "first_metric"))
    return Limits(
        run_s=fields.duration("run"),
        budget_s=fields.duration("budget"),
        budget_from="first_metric" if begins == "first_metric" else "start",
        memory_bytes=fields.size("memory"),
        stall_s=fields.duration("stall"),
        grace_s=plain.grace_s if grace is None else grace,
        log_bytes=fields.size("log") or plain.log_bytes,
    )


def _budget(fields: Fields, problems: Problems) -> Budget:
    if "budget" not in fields:
        return Budget(trials=10)
    section = _section(fields, "budget", problems)
    return Budget(
        trials=section.whole("trials", least=1),
        runs=section.whole("runs", least=1),
        time_s=section.duration("time"),
        usd=section.number("usd", above=0),
        tokens=section.whole("tokens", least=1),
        model_time_s=section.duration("model_time"),
    )


def _prune(fields: Fields, problems: Problems) -> Prune | None:
    tree = fields.tree("prune")
    rules = ("median", "asha", "hyperband")
    if tree is None:
        return None
    short = isinstance(tree.value, str)
    section = fields if short else _section(fields, "prune", problems)
    rule = section.word("prune" if short else "rule", rules)
    if rule is None:
        if not short and isinstance(tree.value, Mapping) and "rule" not in section:
            section.fault(tree, f"prune needs a rule; {choose('', rules)}")
        return None
    numbers = {} if short else {
        "first": section.whole("first", least=1),
        "factor": section.whole("factor", least=2),
        "warmup": section.whole("warmup", least=0),
        "last": section.whole("last", least=1),
    }  # fmt: skip
    given = {key: number for key, number in numbers.items() if number is not None}
    prune = Prune(rule=rule, **given)  # type: ignore[arg-type]  # one of the rules, as checked
    if rule == "hyperband" and prune.last is None:
        fields.fault(tree, "prune: hyperband needs the last step of a full run, such as last: 100")
    if prune.last is not None and prune.last < prune.first:
        fields.fault(tree, f"prune: last {prune.last} lies before first {prune.first}")
    return prune


def _keep(fields: Fields) -> Keep:
    trials = fields.whole("trials", least=0)
    return Keep(
        files=_globs(fields, "files"),
        trials=Keep().trials if trials is None else trials,
        runs=fields.whole("runs", least=1),
    )


def _tree(fields: Fields) -> Ucb:
    plain = Ucb()
    c, rule = fields.number("c", least=0), fields.word("rule", ("documented", "variant"))
    return Ucb(
        c=plain.c if c is None else c,
        rule="variant" if rule == "variant" else plain.rule,
        mutate=fields.whole("mutate", least=1) or plain.mutate,
    )


def _schedule(fields: Fields) -> Schedule:
    first, cost = fields.word("first", ("proposed", "cheap")), fields.text("cost")
    if cost is not None and first != "cheap":
        fields.fault(fields.tree("cost") or fields.place, "schedule.cost needs `first: cheap`")
    ahead, batch = fields.whole("ahead", least=0), fields.whole("batch", least=1)
    if batch is not None and ahead is None:
        fields.fault(fields.tree("batch") or fields.place, "schedule.batch needs `ahead`")
    return Schedule(
        first="cheap" if first == "cheap" else "proposed",
        cost=cost or "",
        ahead=ahead,
        batch=batch or 1,
    )


def _globs(fields: Fields, key: str) -> tuple[str, ...]:
    patterns = fields.texts(key)
    tree = fields.tree(key)
    for pattern in patterns:
        if not pattern.strip() or outside(pattern, Path("/there")):
            fields.fault(
                tree or fields.place,
                f"{fields.path(key)}: {pattern!r} must stay within its folder: no absolute path,"
                " no ..",
            )
    return patterns


def _confidence(fields: Fields) -> float:
    given = fields.number("confidence", above=0, below=1)
    return 0.95 if given is None else given


def _place_of(problem: str, fields: Fields) -> Place | None:
    """Where the value stands that a placeholder problem is about."""
    where = re.split(r"[: ]", problem, maxsplit=1)[0]
    tree = fields.tree(where)
    if tree is None:
        return None
    quoted = [leaf for leaf in _leaves(tree) if repr(leaf.value) in problem]
    return quoted[0].place if quoted else tree.place


def _leaves(tree: Tree) -> list[Tree]:
    match tree.value:
        case Mapping() as trees:
            return [leaf for item in trees.values() for leaf in _leaves(item)]
        case tuple(items):
            return [leaf for item in items for leaf in _leaves(item)]
    return [tree]
