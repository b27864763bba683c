"""Which trial was built on which, and what each step was worth: the lineage of a study as a graph.

It decides nothing, and knows no git: what commits are called is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trialwright.analysis.compare import compare
from trialwright.history import History, Trial
from trialwright.records import Category
from trialwright.report import seeds, words
from trialwright.report.rows import standing
from trialwright.research.naming import title
from trialwright.research.rules import category_of

_GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large an edit is."""

    added: int
    removed: int
    """Lines."""
    nodes: int
    """Nodes that the syntax trees gain; negative where they lose some."""

    def __str__(self) -> str:
        nodes = f"{self.nodes:+d} nodes" if self.nodes else "no more nodes"
        return f"+{self.added} -{self.removed}, {nodes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A trial, and what it gained over the one that it was built on."""

    trial: int
    before: int | None
    """The trial that it was built on; None where there is none."""
    standing: str
    """Its verdict in one word, or where it stands while it has none."""
    value: float | None
    seeds: int
    gain: float | None
    """Over `before`, over the seeds that both have; positive means better. None: not comparable."""
    probability: float | None
    """That the gain is real; None without an estimate of the noise."""
    exact: bool
    """Whether no seed has made a difference so far."""
    change: str
    """What was changed, in words."""
    size: Size | None
    """Of its edit; None where it changes no code."""
    category: Category
    by: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The trials that are shown, and the way to the best one."""

    links: tuple[Link, ...]
    """By number."""
    way: tuple[int, ...]
    """From the first to the best; () while there is no best."""
    total: int
    """Trials that there are."""

    @property
    def best(self) -> int | None:
        """The best trial."""
        return self.way[-1] if self.way else None


def lineage_of(history: History, *, every: bool = False) -> Lineage:
    """Return the steps from the first trial to the best one; with `every`, all other trials."""
    best = history.best()
    way = _way(best, history) if best else ()
    shown = range(len(history.trials)) if every else sorted(way)
    return Lineage(
        links=tuple(_link(history.trials[number], history) for number in shown),
        way=way,
        total=len(history.trials),
    )


def before(trial: Trial, history: History) -> int | None:
    """Return the trial that one was built on, also where its edit is of the code as found."""
    parent = trial.proposal.parent
    root = history.trials[0]
    if parent is None and trial.number and trial.proposal.edit is not None and not root.tree:
        return 0
    return parent


def _way(best: Trial, history: History) -> tuple[int, ...]:
    found: list[int] = []
    at: int | None = best.number
    while at is not None:
        found.append(at)
        at = before(history.trials[at], history)
    return tuple(found[::-1])


def _link(trial: Trial, history: History) -> Link:
    at = before(trial, history)
    earlier = None if at is None else history.trials[at]
    same = earlier is not None and earlier.code == trial.code
    gained = compare(trial, earlier, history) if earlier is not None and same else None
    edit = trial.proposal.edit
    return Link(
        trial=trial.number,
        before=at,
        standing=standing(trial),
        value=trial.value,
        seeds=len(trial.values),
        gain=gained.difference if gained else None,
        probability=gained.probability if gained else None,
        exact=bool(gained and gained.exact),
        change=_change(trial, earlier),
        size=Size(added=edit.added, removed=edit.removed, nodes=edit.nodes) if edit else None,
        category=category_of(trial),
        by=words.line(trial.proposal.by, most=40),
        verdict=words.line(trial.verdict.sentence) if trial.verdict else "",
    )


def _change(trial: Trial, earlier: Trial | None) -> str:
    edit = trial.proposal.edit
    parts = []
    if earlier is not None:
        changed = words.changes(earlier.configuration, trial.configuration)
        parts += [words.listed(changed, most=4)] if changed else []
    if edit is not None:
        parts.append(words.line(title(trial.proposal), most=300))
    return "; ".join(parts)


def lines(
    found: Lineage, history: History, *, marks: Mapping[int, str] | None = None
) -> Iterator[str]:
    """Yield the lineage as text, the newest first, with the graph in front.

    `*` stands for a trial on the way to the best one, `o` for any other. `marks` has what git
    calls trials.
    """
    shown = {link.trial: link for link in found.links}
    parents = {number: link.before for number, link in shown.items()}
    for number, head, below, joint in drawn(parents, found.way):
        title, *more = _told(shown[number], found, history, mark=(marks or {}).get(number, ""))
        yield f"{head} {title}"
        for line in more:
            yield f"{below}   {line}".rstrip()
        if joint:
            yield joint


def _told(link: Link, found: Lineage, history: History, *, mark: str) -> list[str]:
    measure, value = seeds.measure(history.task), words.number(link.value)
    names = ["best"] if link.trial == found.best else []
    names += [mark] if mark else []
    over = f" over {words.count(link.seeds, 'seed')}" if link.seeds > 1 else ""
    title = f"trial {link.trial}, {link.standing}"
    title += f": {measure} = {value}{over}" if link.value is not None else ""
    title += f" ({', '.join(names)})" if names else ""
    told = [title]
    if link.gain is not None:
        told.append(gained(link, sign=history.task.objective.sign))
    told.append(link.change or _begins(link, history))
    details = [str(link.size)] if link.size else []
    told.append(", ".join([*details, called(link.category), f"by {link.by}"]))
    return told


def called(category: str) -> str:
    """Return the name of a kind of change, for people."""
    return "several kinds at once" if category == "multi" else category


def _begins(link: Link, history: History) -> str:
    if link.trial == 0:
        return "the code as it was found" if history.task.research else "the first trial"
    return "from nothing before it" if link.before is None else "nothing changed"


def gained(link: Link, *, sign: int) -> str:
    """Say what a trial gained over the one that it was built on, where the two can be compared."""
    assert link.gain is not None
    said = words.moved(link.gain, sign=sign, than=f"trial {link.before}")
    if link.exact:
        return f"{said}; no seed has made a difference so far"
    if link.probability is None:
        return f"{said}; how much of it is noise can't be told"
    if link.gain <= 0:
        return f"{said}, worse with probability {words.probability(1 - link.probability)}"
    return f"{said}, a gain with probability {words.probability(link.probability)}"


def drawn(
    parents: Mapping[int, int | None], way: tuple[int, ...]
) -> Iterator[tuple[int, str, str, str]]:
    """Yield each trial, the newest first, with its piece of the graph.

    That is what stands before its first line, before its other lines, and a line of its own behind
    them where lanes join; '' where none do. `way` has the leftmost lane.

    >>> for number, head, below, joint in drawn({0: None, 1: 0, 2: 0}, (0, 1)):
    ...     print(f"{head} {number}", *filter(None, [joint]), sep=chr(10))
    | o 2
    * | 1
    |/
    * 0
    """
    lanes = [way[-1]] if way else []
    for number in sorted(parents, reverse=True):
        if number not in lanes:
            lanes.append(number)
        at = lanes.index(number)
        mark = "*" if number in way else "o"
        head = " ".join(mark if lane == at else "|" for lane in range(len(lanes)))
        parent = parents[number]
        if parent is None:
            below = " ".join(" " if lane == at else "|" for lane in range(len(lanes)))
            lanes.pop(at)
            right = len(lanes) - at
            yield number, head, below, "| " * at + " /" * right if right else ""
            continue
        below = " ".join("|" * len(lanes))
        joint = ""
        if parent in lanes:
            low, high = sorted((at, lanes.index(parent)))
            lanes[low] = parent
            lanes.pop(high)
            joint = "| " * low + "|" + "_|" * (high - low - 1) + "/" + " /" * (len(lanes) - high)
        else:
            lanes[at] = parent
        yield number, head, below, joint
