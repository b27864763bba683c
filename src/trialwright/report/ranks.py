"""What is said of trials without numbers: best, worst, failed, one better than another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from trialwright.history import Trial
from trialwright.report.gains import says
from trialwright.report.known import Known, State
from trialwright.report.mentions import Mention, subject

Span = tuple[int, int]

_NOT = re.compile(
    r"\b(?:not|never|no longer|isn't|wasn't|didn't|hardly|nor|neither|without|almost"
    r"|nearly|second|next"
    r"|among the|one of the|of the|would|could|might|if|until|unless|than the|to the)\s(?:\w+\s)?$",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"\b(?:not|never|no longer|isn't|wasn't|didn't)\s(?:\w+\s)?$", re.IGNORECASE)
_BEST = re.compile(
    r"\b(?P<best>best|winner|wins|won|top|strongest|on top|first place|came out ahead"
    r"|beat\w*\s(?:all|every\w*|the rest|any other))\b"
    r"|\b(?P<worst>worst|weakest|poorest|last place)\b",
    re.IGNORECASE,
)
_EXTREME = re.compile(
    r"\b(?P<way>highest|lowest|largest|smallest|fastest|slowest|longest|shortest|greatest)\b"
    r"(?:\s(?P<what>(?:[\w-]+\s?){1,4}))?",
    re.IGNORECASE,
)
_STATES: tuple[tuple[State, str], ...] = (
    ("out_of_memory", r"(?:ran|run|runs|went) out of memory|out[ -]of[ -]memory"),
    ("timed_out", r"timed out|hit (?:the|its) time limit"),
    ("diverged", r"diverged|diverges"),
    ("pruned", r"pruned|(?:was|were) stopped early|early[ -]stopped"),
    ("failed", r"failed(?!\s(?:to|\w+\stest))|fails(?!\sto)|crashed|crashes|among the failures"),
    ("done", r"succeeded|completed|finished normally"),
)
_BETTER = re.compile(
    r"^(?:['\u2019]s\s\w+)?\s*(?:(?:is|was|did|does|has|scored|clearly|narrowly|also"
    r"|even|slightly|far|much"
    r"|a|bit|little)\s)*"
    r"(?:(?P<better>better than|beat|beats|outperform(?:s|ed)|surpass(?:es|ed)"
    r"|improv(?:es|ed) (?:on|over)"
    r"|ahead of)|(?P<worse>worse than|behind|lost to|loses to"
    r"|fell short of))\s(?:the\s)?(?:result of\s)?$",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?P<rank>best|worst|winning|top)\s(?:trial|run|configuration|result|one|value|score)?\s?"
    r"(?:overall\s|so far\s|of all\s)?(?:is|was|remains|stays|came from|comes from|="
    r"|:|,|of|from|in)\s?(?:the\s)?$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"(?:\b(?:is|was|in|of|from|by|with)|:)\s(?:the\s)?$", re.IGNORECASE)
_OWN = re.compile(r"(?<!is)(?<!was)\s(?:its|their)\s(?:own\s)?$", re.IGNORECASE)
"""A trial's own best, on its curve: `trial 9 had its best accuracy at step 33`."""
_AND = re.compile(r"\band\s(?:then\s|later\s)?$")
_SO_FAR = re.compile(r"^\s(?:so far|until|up to|at (?:the|that)|before|to that)", re.IGNORECASE)
_ANOTHER = re.compile(r"^\s(?:of the (?:rest|others)|among)", re.IGNORECASE)
_WITH = re.compile(r"^\s(?:with|for|under|in|at)\s(?:\w+\s){0,2}?$", re.IGNORECASE)


def wrong(
    sentence: str, found: list[Mention], known: Known, carried: tuple[int, ...]
) -> Iterator[Span]:
    """Yield the words of a sentence that the record contradicts."""
    yield from _best(sentence, found, known, carried)
    yield from _extremes(sentence, found, known, carried)
    yield from _states(sentence, found, known, carried)
    yield from _pairs(sentence, found, known)


def _best(  # noqa: C901  # what is excused, one by one
    sentence: str, found: list[Mention], known: Known, carried: tuple[int, ...]
) -> Iterator[Span]:
    seen = set()
    for one in found:  # "the best trial is trial 1"
        match = _BEFORE.search(sentence[: one.start])
        if match and one.numbered and not _NOT.search(sentence[: match.start()]):
            seen.add(match.start("rank"))
            rank = "worst" if match["rank"].lower() == "worst" else "best"
            if not _SO_FAR.match(sentence[one.end :]) and not _is(rank, one.trials, known):
                yield match.span("rank")
    for match in _BEST.finditer(sentence):
        who = subject(match.span(), found, carried)
        lead, rest = sentence[: match.start()], sentence[match.end() :]
        if who is None or match.start() in seen or not who.numbered:
            continue
        if _OWN.search(lead):
            continue
        if not _predicate(lead, who) or _ANOTHER.match(rest) or _narrowed(rest, known):
            continue
        rank = "worst" if match["worst"] else "best"
        if _NOTHING.search(lead):
            if len(who.trials) == 1 and _is(rank, who.trials, known):
                yield match.span()
        elif not _NOT.search(lead) and not _is(rank, who.trials, known):
            led = all(known.led(number) for number in who.trials)
            if not (_SO_FAR.match(rest) and led):
                yield match.span()


def _narrowed(rest: str, known: Known) -> bool:
    """Whether a superlative is among some trials alone: `best with depth 3`, `best for sgd`."""
    for name in known.history.space.names:
        for word in (name, name.replace("_", " "), *known.allowed(name)):
            at = rest.lower().find(word.lower())
            if at >= 0 and _WITH.match(rest[:at]):
                return True
    return False


def _predicate(lead: str, who: Mention) -> bool:
    """Whether a superlative is said of a trial, and not of what it is compared with."""
    between = lead[who.end :]
    return (
        re.search(
            r"\b(?:than|to|from|over|against|beat\w*|matches|like|as|behind|of|below|above|by)\b",
            between,
        )
        is None
        and re.search(r"[;:.]|,\s(?:which|but|and)\s|\b(?:but|while|whereas)\b", between) is None
    )


def _is(rank: str, trials: tuple[int, ...], known: Known) -> bool:
    if rank == "best":
        return known.best is None or set(trials) == {known.best}
    worst = known.extreme(lambda trial: trial.value, highest=known.sign < 0)
    return set(trials) <= (worst or set(trials))


def _extremes(
    sentence: str, found: list[Mention], known: Known, carried: tuple[int, ...]
) -> Iterator[Span]:
    for match in _EXTREME.finditer(sentence):
        lead = sentence[: match.start()]
        who = subject(match.span(), found, carried)
        if who is None and found and _ENDS.search(sentence[: found[0].start]):
            who = found[0]
        if who is None or not who.numbered or _NOT.search(lead) or not _predicate(lead, who):
            continue
        top = _top(match["way"].lower(), match["what"] or "", known)
        if top and not set(who.trials) <= top:
            yield match.span("way")


def _top(way: str, what: str, known: Known) -> set[int]:
    """The trials that are highest or lowest in what is said; none if that can't be told."""
    if way in ("fastest", "slowest", "longest", "shortest"):
        seconds = _first(known.seconds)
        return known.extreme(seconds, highest=way in ("slowest", "longest"))
    highest = way in ("highest", "largest", "greatest")
    objective = known.history.task.objective.metric
    for name in known.history.space.names:
        if says(what, name):
            return known.extreme(lambda trial, n=name: _number(trial, n), highest=highest)  # type: ignore[misc]
    for name in sorted(known.metrics - {objective}, key=len, reverse=True):
        if says(what, name):
            return known.extreme(_first(lambda n, m=name: known.metric(m, n)), highest=highest)  # type: ignore[misc]
    parts = {objective, *objective.split("_"), "value", "score", "result", "objective"} - {
        "val",
        "test",
    }
    if not what.strip() or any(says(what, part) for part in parts):
        return known.extreme(lambda trial: trial.value, highest=highest)
    return set()


def _first(values: Callable[[int], list[float]]) -> Callable[[Trial], float | None]:
    return lambda trial: next(iter(values(trial.number)), None)


def _number(trial: Trial, name: str) -> float | None:
    value = trial.configuration.get(name)
    return float(value) if isinstance(value, int | float) else None


def _states(
    sentence: str, found: list[Mention], known: Known, carried: tuple[int, ...]
) -> Iterator[Span]:
    done: list[Span] = []
    for state, words in _STATES:
        for match in re.finditer(rf"\b(?:{words})\b", sentence, re.IGNORECASE):
            if any(start < match.end() and match.start() < end for start, end in done):
                continue
            done.append(match.span())
            who = _sufferer(sentence, match, found, carried)
            if who is None or not who.numbered:
                continue
            lead = sentence[: match.start()]
            if re.search(
                r"\b(?:would|could|might|if|may)\s(?:\w+\s)?(?:\w+\s)?$", lead, re.IGNORECASE
            ):
                continue
            negated = _NOTHING.search(lead) is not None
            if any(known.state(number, state) == negated for number in who.trials):
                yield match.span()


def _sufferer(
    sentence: str, match: re.Match[str], found: list[Mention], carried: tuple[int, ...]
) -> Mention | None:
    """Of whom a state is said: `trial 2 failed`, `the failed trial 2`."""
    after = next((one for one in found if one.start >= match.end()), None)
    if after and re.fullmatch(
        r"\s(?:(?:run|one|runs|ones|trials?)?(?:\s?:\s?|\sin\s|\sis\s|\sare\s|\swas\s|\swere\s)?)?",
        sentence[match.end() : after.start],
    ):
        return after
    who = subject(match.span(), found, carried)
    if who is None:
        return None
    between = _AND.sub("", sentence[who.end : match.start()])
    return (
        None
        if re.search(
            r"[;:.,]|\b(?:but|while|whereas|trials?|runs?|that|which|others?|rest|"
            r"settings?|configurations?|values?|after|because|since|and)\b",
            between,
        )
        else who
    )


def _pairs(sentence: str, found: list[Mention], known: Known) -> Iterator[Span]:
    for one, other in pairwise(found):
        match = _BETTER.match(sentence[one.end : other.start])
        if match is None or not (one.numbered and other.numbered):
            continue
        group = "better" if match["better"] else "worse"
        for ours in one.trials:
            for theirs in other.trials:
                ahead = known.ahead(ours, theirs)
                if ahead is not None and (ahead > 0) != (group == "better"):
                    yield one.end + match.start(group), one.end + match.end(group)
                    return
