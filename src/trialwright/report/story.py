"""The story of a study that changes code: what was kept and why, what was tried, how to merge it.

Everything comes from the ledger but for two things that git alone knows: the combined diff, and
where the study's branch is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trialwright.errors import TrialwrightError
from trialwright.history import History, Trial
from trialwright.records import Refusal
from trialwright.report import words
from trialwright.report.lineage import Link, Size, called, gained, lineage_of
from trialwright.report.rows import standing
from trialwright.research.naming import branch_of, ref_of
from trialwright.research.rules import category_of
from trialwright.research.workshop import Workshop, workshop

MOST_LINES = 1_500
"""Of the combined diff that are shown."""
NAMED = 8
"""Trials that a sentence names."""
SHORT = 10
"""Characters of a commit's id."""

STANDINGS = ("kept", "unconfirmed", "discarded", "failed")

_REFUSED = (
    ("run for a moment", "failed when run for a moment"),
    ("is frozen", "touched what is frozen"),
    ("may not be edited", "touched what may not be edited"),
    ("a seed or an order", "changed a seed or an order alone"),
    ("comments or layout", "changed comments or layout alone"),
    ("the same code as", "had the code of an earlier trial"),
    ("stands twice in one batch", "had the code of another one of the same moment"),
    ("nearly the same code", "were nearly an earlier trial"),
    ("that is trial 0", "led back to the code as it was found"),
    ("changes nothing", "changed nothing"),
    ("does not apply", "did not apply to the code that they were for"),
    ("would not be Python", "were no Python"),
    ("do it in smaller ones", "were too large"),
    ("characters;", "were too large"),
)
"""What a refusal's words say of the kind of fault, the first that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change on the way to the best trial."""

    trial: int
    by: str
    category: str
    change: str
    size: Size | None
    value: float | None
    gained: str
    """Over the step before it, and how surely; '' where that can't be told."""
    verdict: str
    rationale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What became of the changes of one kind."""

    category: str
    tried: int
    counts: tuple[int, ...]
    """As `STANDINGS`; what is not judged yet is in none of them."""
    best: str
    """The largest gain over what a change was made to, with its trial; '' where none gained."""


Sort = Literal["file", "place", "more", "less", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The combined change of the best trial against the code as it was found."""

    title: str
    lines: tuple[tuple[Sort, str], ...]
    left: int
    """Lines that are not shown."""

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(line for _, line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something to type, and what it does."""

    command: str
    does: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """The code of the best trial, and how to go on from it."""

    sentence: str
    hints: tuple[Hint, ...] = ()
    diff: Diff | None = None
    safe: str = ""
    """Where the patches of the trials are that did not lead there; '' where there are none."""
    safe_hints: tuple[Hint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that a reader wants to know of how the code came about."""

    lead: str
    steps: tuple[Step, ...]
    kinds: tuple[Kind, ...]
    facts: tuple[str, ...]
    """Refusals, failures, turns to another kind, ablations, simplifications: a sentence each."""
    merge: Merge


def story(history: History) -> Story | None:
    """Return the story of a study; None where its trials change no code, or none was tried."""
    edits = [trial for trial in history.trials if trial.proposal.edit is not None]
    if history.task.research is None or not (edits or history.refusals):
        return None
    found = lineage_of(history)
    links = [link for link in found.links if link.size is not None]
    return Story(
        lead=_lead(edits, links, history),
        steps=tuple(_step(link, history) for link in links),
        kinds=tuple(_kinds(edits, history)),
        facts=tuple(_facts(edits, history)),
        merge=_merge(history, links),
    )


def _lead(edits: Sequence[Trial], links: Sequence[Link], history: History) -> str:
    commit = next((v.commit for v in history.codes.values() if v.commit), None)
    of = f" of the code at commit {commit[:SHORT]}" if commit else ""
    tried = f"{words.count(len(edits), 'edit')}{of} {'was' if len(edits) == 1 else 'were'} tried"
    way = {link.trial for link in links}
    counts = Counter(_outcome(trial) for trial in edits if trial.number not in way)
    parts = []
    if way:
        parts.append(f"{len(way)} led to the best code ({_numbered(sorted(way))})")
    elif history.best() is not None:
        parts.append("none of them beats the code as it was found")
    parts += [f"{count} {_said(name, count)}" for name, count in counts.most_common()]
    return f"{tried}: {words.listed(parts)}." if parts else f"{tried}."


def _outcome(trial: Trial) -> str:
    """The verdict; `open` while there is none, `interrupted` where there will be none."""
    said = standing(trial)
    return said if said in (*STANDINGS, "infeasible", "pruned") else "open"


def _said(outcome: str, count: int) -> str:
    were = "was" if count == 1 else "were"
    return {
        "kept": f"{were} kept and did not lead there",
        "unconfirmed": f"{were} not confirmed",
        "failed": "failed",
        "pruned": f"{were} stopped early",
        "open": f"{'has' if count == 1 else 'have'} no verdict",
    }.get(outcome, f"{were} {outcome}")


def _step(link: Link, history: History) -> Step:
    trial = history.trials[link.trial]
    # A verdict against the step before says it already.
    said = trial.verdict is not None and trial.verdict.against == link.before
    compared = link.gain is not None and not said
    return Step(
        trial=link.trial,
        by=link.by,
        category=called(link.category),
        change=link.change,
        size=link.size,
        value=link.value,
        gained=gained(link, sign=history.task.objective.sign) if compared else "",
        verdict=link.verdict,
        rationale=words.line(trial.proposal.rationale, most=600),
    )


def _kinds(edits: Sequence[Trial], history: History) -> Iterator[Kind]:
    links = {link.trial: link for link in lineage_of(history, every=True).links}
    groups: dict[str, list[Trial]] = {}
    for trial in edits:
        groups.setdefault(category_of(trial), []).append(trial)
    for category, trials in sorted(groups.items(), key=lambda item: -len(item[1])):
        counts = Counter(_outcome(trial) for trial in trials)
        gains = [(links[t.number].gain or 0.0, -t.number) for t in trials]
        most, number = max(gains)
        yield Kind(
            category=called(category),
            tried=len(trials),
            counts=tuple(counts[name] for name in STANDINGS),
            best=f"{most:.3g} (trial {-number})" if most > 0 else "",
        )


def _facts(edits: Sequence[Trial], history: History) -> Iterator[str]:
    if history.refusals:
        yield _refused(history.refusals)
    failed = [trial for trial in edits if trial.state == "failed"]
    if failed:
        causes = Counter(_cause(trial) for trial in failed)
        said = words.listed([f"{count} {cause}" for cause, count in causes.most_common()])
        yield f"{words.count(len(failed), 'edit')} failed in a run: {said} ({_named(failed)})."
    yield from _turns(edits, history)
    ablations = [trial for trial in edits if trial.proposal.by == "ablation"]
    if ablations:
        what = words.count(len(ablations), "kept change was", "kept changes were")
        yield f"{what} tried without, to see whether it is still needed ({_named(ablations)})."
    simpler = [trial for trial in edits if trial.verdict is not None and trial.verdict.simpler]
    if simpler:
        what = words.count(len(simpler), "edit was", "edits were")
        yield f"{what} kept for being as good with less code ({_named(simpler)})."


def _refused(refusals: Sequence[Refusal]) -> str:
    kinds = Counter(_fault(refusal) for refusal in refusals)
    said = words.listed([f"{count} {kind}" for kind, count in kinds.most_common()])
    total = words.count(len(refusals), "proposal was", "proposals were")
    return f"{total} refused before becoming a trial: {said}."


def _fault(refusal: Refusal) -> str:
    # What follows the first is its details, such as the last lines of a log.
    text = refusal.faults[0] if refusal.faults else ""
    other = "came to no edit that could be tried" if refusal.proposal.fault else "had other faults"
    return next((kind for needle, kind in _REFUSED if needle in text), other)


def _cause(trial: Trial) -> str:
    causes = [
        run.observation.cause
        for run in trial.latest.values()
        if run.observation and run.observation.outcome == "failed"
    ]
    cause = next((cause for cause in causes if cause not in (None, "other")), None)
    return (cause or "unclassified error").replace("_", " ")


def _turns(edits: Sequence[Trial], history: History) -> Iterator[str]:
    """How often a change of another kind followed a row of discarded ones of one kind."""
    assert history.task.research is not None
    row = history.task.research.pivot
    turned = []
    ended = sorted((at, one.number) for one in edits if (at := _ended(one)) is not None)
    for trial in edits:
        known = bisect_right(ended, (trial.admitted_at, len(history.trials)))
        last = [history.trials[number] for _, number in ended[max(known - row, 0) : known]]
        kinds = {category_of(one) for one in last}
        lost = all(_outcome(one) in ("discarded", "failed") for one in last)
        if len(last) == row and lost and len(kinds) == 1 and category_of(trial) not in kinds:
            turned.append(trial)
    if turned:
        yield (
            f"{words.count(len(turned), 'time')}, after {row} discarded changes of one kind in a"
            f" row, the next one was of another kind ({_named(turned)})."
        )


def _ended(trial: Trial) -> float | None:
    """When the first seed of a trial had ended."""
    ended = [run.ended_at for run in trial.runs if run.ended_at is not None]
    return min(ended, default=None)


def _named(trials: Sequence[Trial]) -> str:
    return _numbered([trial.number for trial in trials])


def _numbered(numbers: Sequence[int]) -> str:
    return f"{'trial' if len(numbers) == 1 else 'trials'} {words.listed(numbers, most=NAMED)}"


def _merge(history: History, links: Sequence[Link]) -> Merge:
    """What git holds of the study, and how to go on from it."""
    best = history.best()
    try:
        shop = workshop(history.task)
        there = shop.repository.refs("refs")
        safe, hints = _safe(history, there)
        if best is None or not links:
            return Merge(sentence="There is nothing to merge.", safe=safe, safe_hints=hints)
        return Merge(
            diff=_diff(shop, shop.tree(history, None), shop.tree(history, best.number)),
            sentence=_place(best, history, there),
            hints=tuple(_hints(best, history, there, start=shop.root(history)[:SHORT])),
            safe=safe,
            safe_hints=hints,
        )
    except TrialwrightError as error:
        why = words.line(str(error), most=300)
        return Merge(
            sentence="The repository could not be read when this was written, and the patches are"
            f" in the ledger: {why}",
            hints=tuple(
                Hint(command=f"trialwright show {link.trial} --diff", does="its own patch")
                for link in links
            ),
        )


def _place(best: Trial, history: History, there: Mapping[str, str]) -> str:
    """Say where git has the code of the best trial."""
    branch, ref = branch_of(history.task.name), ref_of(history.task.name, best.number)
    short = branch.removeprefix("refs/heads/")
    if ref not in there:
        return f"The code of trial {best.number} is in the ledger, and not in git now."
    if there.get(branch) == there[ref]:
        return f"The branch {short} is at the code of trial {best.number}, ready to merge."
    elsewhere = f"the branch {short} is elsewhere, as somebody moved it or has it checked out"
    aside = elsewhere if branch in there else f"there is no branch {short}"
    return f"The code of trial {best.number} is under {ref}; {aside}."


def _hints(
    best: Trial, history: History, there: Mapping[str, str], *, start: str
) -> Iterator[Hint]:
    branch, ref = branch_of(history.task.name), ref_of(history.task.name, best.number)
    if ref in there:
        at = there.get(branch) == there[ref]
        goal = branch.removeprefix("refs/heads/") if at else ref
        yield Hint(
            command=f"git log {start}..{goal}", does="the steps, a commit each, with reasons"
        )
        yield Hint(command=f"git merge {goal}", does="takes them over into your branch")
    number = best.number
    yield Hint(command=f"trialwright rerun {number}", does="runs it once more, on its first seed")
    yield Hint(
        command=f"trialwright show {number} --diff --from start", does="the whole change as a patch"
    )


def _diff(shop: Workshop, before: str, after: str) -> Diff:
    edit = shop.between(before, after)
    size = Size(added=edit.added, removed=edit.removed, nodes=edit.nodes)
    told = [
        (_sort(line), words.plain(line.expandtabs(4), most=400))
        for line in edit.patch.splitlines()
        if not line.startswith(("index ", "diff "))
    ]
    return Diff(
        title=f"{words.count(len(edit.files), 'file')}, {size}",
        lines=tuple(told[:MOST_LINES]),
        left=len(told[MOST_LINES:]),
    )


def _sort(line: str) -> Sort:
    if line.startswith(("--- ", "+++ ", "new file", "deleted file")):
        return "file"
    if line.startswith("@@"):
        return "place"
    return "more" if line.startswith("+") else "less" if line.startswith("-") else "same"


def _safe(history: History, there: Mapping[str, str]) -> tuple[str, tuple[Hint, ...]]:
    """Where the patch of a trial is that did not lead to the best one."""
    way = {link.trial for link in lineage_of(history).links}
    aside = [t.number for t in history.trials if t.proposal.edit and t.number not in way]
    if not aside:
        return "", ()
    number = aside[0]
    hints = [Hint(command=f"trialwright show {number} --diff", does="its patch, from the ledger")]
    ref = ref_of(history.task.name, number)
    if ref in there:
        hints.append(Hint(command=f"git show {ref}", does="its commit"))
    said = "No edit is lost, the discarded ones neither"
    return f"{said}. For example, trial {number}:", tuple(hints)
