"""What became of experiments: success and crash rates, and what of the kept was an improvement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trialwright.analysis.rates import interval
from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.campaigns.kept import DERIVED
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.sequence import UNDIRECTED, placed, planned, progress, windows
from trialwright.insight.telling import count, percent, shares


def success(campaign: Campaign, *, window: int | None = None) -> Measured:
    """Measure kept / (kept + discarded), and crashed / all, whole and per window.

    Exact intervals (Clopper and Pearson 1934); baselines and replicates are left out.
    """
    name, title = "success", "How often a change was kept"
    own = [one for one in campaign.experiments if not planned(one)]
    kept, judged, crashed, n = _counts(own)
    if not judged:
        return refusal(name, title, "no experiment is marked as kept or discarded")
    rows: list[tuple[Cell, ...]] = []
    for one in windows(len(campaign.experiments), window):
        part = campaign.experiments[one.start : one.stop]
        told = _counts([row for row in part if not planned(row)])
        rows.append((placed(one), *told[:2], *_part(*told[:2]), *told[2:], *_part(*told[2:])))
    low, high = interval(kept, judged)
    worst = interval(crashed, n)
    left = len(campaign.experiments) - n
    other = n - judged - crashed
    return Measured(
        name=name,
        title=title,
        sentence=f"{kept} of {count(judged, 'judged change')} {'was' if kept == 1 else 'were'}"
        f" kept: {percent(kept / judged)} ({shares(low, high)}); {crashed} of"
        f" {count(n, 'experiment')} crashed: {percent(crashed / n)}"
        f" ({shares(*worst)}).{_undecided(own)}",
        values={"kept": kept, "judged": judged, "success_rate": kept / judged,
                "success_rate_low": low, "success_rate_high": high, "crashed": crashed, "n": n,
                "crash_rate": crashed / n, "crash_rate_low": worst[0], "crash_rate_high": worst[1]},
        table=Table(columns=("experiments", "kept", "judged", "success", "success_low",
                             "success_high", "crashed", "n", "crash", "crash_low", "crash_high"),
                    rows=tuple(rows)),
        notes=(f"left out: {count(left, 'baseline or replicate', 'baselines and replicates')};"
               f" neither kept nor discarded nor crashed: {other}",
               *(note for note in campaign.notes if note == DERIVED)),
    )  # fmt: skip


def _undecided(rows: Sequence[Experiment]) -> str:
    """What is neither kept nor turned down, by the log's own words."""
    words = Counter(one.word for one in rows if one.status == "other")
    if not words:
        return ""
    n = words.total()
    named = ", ".join(words) if len(words) < 4 else "under several words"
    return f" {n:,} {'is' if n == 1 else 'are'} neither kept nor discarded ({named})."


def judged_changes(campaign: Campaign) -> tuple[int, int]:
    """Return how many changes were kept, and of how many that were kept or discarded."""
    return _counts([one for one in campaign.experiments if not planned(one)])[:2]


def _counts(rows: Sequence[Experiment]) -> tuple[int, int, int, int]:
    """Kept, judged, crashed, all."""
    kept = sum(one.status == "keep" for one in rows)
    dropped = sum(one.status == "discard" for one in rows)
    return kept, kept + dropped, sum(one.status == "crash" for one in rows), len(rows)


def _part(hits: int, n: int) -> tuple[Cell, Cell, Cell]:
    return (hits / n, *interval(hits, n)) if n else (None, None, None)


def _beat(better: int, kept: int) -> str:
    """How many of those that were kept were better than all before them."""
    if kept == 1:
        return f"The one that was kept was {'' if better else 'not '}better than all before it"
    low, high = interval(better, kept)
    worse = kept - better
    return (
        f"Of the {kept:,} that were kept, {better:,} {'was' if better == 1 else 'were'} better than"
        f" all before them ({percent(better / kept)}, {shares(low, high)}), {worse:,}"
        f" {'was' if worse == 1 else 'were'} not"
    )


def keeps(campaign: Campaign) -> Measured:
    """Count what was kept and beat the running best, what was kept and did not, and the reverse.

    The running best is over all results whatever became of them, crashes left out; the first result
    of a task has none to beat and counts as an improvement. All rows count, baselines too.
    """
    name, title = "keeps", "What was kept, and what was an improvement"
    went = progress(campaign)
    if went is None:
        return refusal(name, title, UNDIRECTED)
    kept = [i for i, one in enumerate(campaign.experiments) if one.status == "keep"]
    if not kept:
        return refusal(name, title, "no experiment is marked as kept")
    better = sum(went.improved[i] for i in kept)
    missed = sum(went.improved) - better
    low, high = interval(better, len(kept))
    open_ = sum(
        better and one.status == "other"
        for better, one in zip(went.improved, campaign.experiments, strict=True)
    )
    tail = "." if not missed else f"; {count(missed, 'improvement was', 'improvements were')} not"
    if missed:
        tail += f" kept, {open_} of them undecided." if open_ else " kept."
    return Measured(
        name=name,
        title=title,
        sentence=f"{_beat(better, len(kept))}{tail}",
        values={"kept": len(kept), "improving": better, "not_improving": len(kept) - better,
                "improving_share": better / len(kept), "improving_share_low": low,
                "improving_share_high": high, "improvements": sum(went.improved),
                "improvements_not_kept": missed, "improvements_undecided": open_},
        notes=("the first result counts as an improvement here; a result by noise alone counts"
               " too",),
    )  # fmt: skip
