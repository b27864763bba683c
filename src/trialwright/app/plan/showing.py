"""A plan as a table with sentences, and as JSON."""

from __future__ import annotations

import math
import textwrap

from rich import box
from rich.console import Console
from rich.table import Table

from trialwright.app.documents import Document, plain
from trialwright.app.plan.outlook import Outlook, Plan, Range
from trialwright.propose.estimate import dollars, rough
from trialwright.report.words import seconds
from trialwright.task import Task

WIDTH = 98


def show(plan: Plan, task: Task, console: Console) -> None:
    """Print a plan."""
    console.print(_title(plan, task), markup=False, soft_wrap=True)
    console.print(_table(plan, task))
    for text in plan.advice:
        console.print(text, markup=False, soft_wrap=True)
    console.print(textwrap.fill(" ".join(plan.basis), WIDTH), markup=False, soft_wrap=True)


def document(plan: Plan, task: Task) -> Document:
    """Return a plan as JSON has it."""
    return {
        "name": task.name,
        "goal": f"{task.objective.direction} {task.objective.metric}",
        "known_trials": plan.known,
        "trials": plan.trials,
        "rehearsals": plan.rehearsals,
        "outlooks": [plain(one) for one in plan.outlooks],
        "advice": [*plan.advice],
        "basis": [*plan.basis],
    }


def _title(plan: Plan, task: Task) -> str:
    goal = "as many trials as its time allows" if plan.trials is None else f"{plan.trials} trials"
    there = f", {plan.known} of them there" if plan.known else ""
    return f"{task.name}: {goal}{there}; {task.objective.direction} {task.objective.metric}"


def _table(plan: Plan, task: Task) -> Table:
    rows = plan.outlooks
    rated = any(one.regret is not None for one in rows)
    cpus = any(not math.isclose(one.cpu_hours, one.run_hours.middle, rel_tol=0.01) for one in rows)
    gpus = any(one.gpu_hours for one in rows)
    models = any(one.tokens for one in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("team")
    columns = {
        "workers": True,
        "done in": True,
        "9 in 10 by": True,
        "runs": True,
        "run hours": True,
        "CPU hours": cpus,
        "GPU hours": gpus,
        "models": models,
        f"best {task.objective.metric}": True,
        "short of the best": rated,
    }
    for name, there in columns.items():
        if there:
            table.add_column(name, justify="right")
    for one in rows:
        cells = [
            " + ".join(one.team),
            str(one.workers),
            seconds(one.finish_s.middle),
            seconds(one.finish_s.high),
            f"{one.runs:g}",
            f"{one.run_hours.middle:.3g}",
        ]
        cells += [f"{one.cpu_hours:.3g}"] if cpus else []
        cells += [_hours(one.gpu_hours)] if gpus else []
        cells += [_models(one)] if models else []
        cells += [_span(one.best)]
        cells += [_short(one.regret)] if rated else []
        table.add_row(*cells)
    return table


def _hours(hours: float | None) -> str:
    return "?" if hours is None else f"{hours:.3g}"


def _models(one: Outlook) -> str:
    if not one.tokens:
        return "none"
    price = "price unknown" if one.usd is None else dollars(one.usd)
    return f"{rough(one.tokens):,} tokens, {price}"


def _span(found: Range | None) -> str:
    return "unknown" if found is None else f"{found.low:.3g} to {found.high:.3g}"


def _short(found: Range | None) -> str:
    return "unknown" if found is None else f"{found.middle:.2g} (up to {found.high:.2g})"
