"""What a study has to tell to those who do not watch it: decided from its history alone, each once.

A message has a key that stays the same whenever the history is read again. Who was told which one
is in the ledger, as notices. Nothing here sends anything: that is `app.notifying`.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from trialwright.analysis.compare import compare
from trialwright.history import History, Run, Trial
from trialwright.records import Closed, Entry, Notice
from trialwright.report import words
from trialwright.report.final import final_analysis
from trialwright.webhook import Form, Topic

NOTIFIED = "notify"
"""Topic of the notices that say who was told what."""

SHARE = 0.8
"""Of a part of the budget, from which on its end is near."""

WINDOW = 10
"""The latest runs that are looked at for failures."""
SPIKE = 5
"""So many failures among them are a spike."""
CALM = 1
"""A spike is over when no more than so many are left among them."""

BEST_EVERY_S = 300.0
"""Seconds between messages of a new best: what was best only in between is not told of."""

_TOLD = re.compile(r"(?P<key>\S+) (?P<how>told to|not told to) (?P<target>\S+)(?:: (?P<why>.*))?")

Fact = None | bool | int | float | str | Mapping[str, "Fact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something worth telling, in words and in typed facts."""

    topic: Topic
    key: str
    """The same whenever the history is read again; without blanks."""
    text: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class News:
    """A message that may be due: its words are made only for who was not told yet."""

    topic: Topic
    key: str
    write: Callable[[], Message]


class Failures:
    """Counts failures among the latest runs: the same fold over a history, live or read again."""

    def __init__(self, history: History) -> None:
        self.ended = 0
        """Runs that ended, those left out that were cancelled."""
        self.began: int | None = None
        """How many had ended when the present spike began; None without one."""
        self._latest: deque[Run] = deque(maxlen=WINDOW)
        runs = [run for trial in history.trials for run in trial.runs if run.observation]
        for run in sorted(runs, key=lambda run: (run.ended_at or 0.0, str(run.key))):
            self.take(run)

    def take(self, run: Run) -> None:
        """Count a run that has ended."""
        if run.observation is None or run.observation.outcome == "cancelled":
            return
        self.ended += 1
        self._latest.append(run)
        failed = len(self.failed)
        if self.began is None and failed >= SPIKE:
            self.began = self.ended
        elif self.began is not None and failed <= CALM:
            self.began = None

    @property
    def failed(self) -> list[Run]:
        """Those of the latest runs that failed."""
        return [r for r in self._latest if r.observation and r.observation.outcome == "failed"]

    @property
    def looked(self) -> int:
        """How many runs the latest are."""
        return len(self._latest)


def news(history: History, failures: Failures, *, now: float) -> Iterator[News]:
    """Yield what may be told of a study that goes on, or has just ended; `now` since the epoch."""
    best = history.best()
    if best is not None and proven(best):
        yield News("best", f"best:{best.number}", lambda: _best(best, history))
    if history.closed is not None:
        return
    if failures.began is not None:
        key = f"failures:{failures.began}"
        yield News("failures", key, lambda: _failures(failures, key, history))
    for part, used, bound in _used(history, now=now):
        if SHARE <= used / bound < 1:
            yield _near(part, used, bound, history)


def proven(trial: Trial) -> bool:
    """Say whether a verdict has a trial better than another: not the first one, no guess."""
    verdict = trial.verdict
    return verdict is not None and verdict.status == "kept" and verdict.against is not None


def finished(history: History, *, closed: Closed, report: str, host: str) -> News:
    """Return what is told at the end of a session, for whatever reason it ended."""
    best = history.best()
    number = "-" if best is None else best.number
    key = f"finished:{closed.reason}:{history.launches}:{number}"
    return News("finished", key, lambda: _finished(history, closed, key, (report, host)))


def abandoned(study: str, *, why: str, at: int, host: str) -> News:
    """Return what is told when a service gives up: the study stands still, for reason `why`.

    `at` is the sequence of the ledger then.
    """
    text = f"{words.line(study, most=100)} stands still on {host}: {why}"
    facts: dict[str, Fact] = {"reason": "crashed", "sentence": why, "host": host}
    key = f"finished:crashed:{at}:-"
    return News("finished", key, lambda: Message(topic="finished", key=key, text=text, facts=facts))


def tested(study: str, *, host: str) -> Message:
    """Return a message that says nothing but that messages arrive."""
    text = f"{words.line(study, most=100)} on {host}: a test; messages of this study arrive here."
    return Message(topic="finished", key="test", text=text, facts={"test": True, "host": host})


def payload(message: Message, *, study: str, form: Form) -> dict[str, Fact]:
    """Return what is sent as JSON: `text`, and in the form `json` the facts besides.

    >>> payload(Message(topic="best", key="best:7", text="a < b"), study="s", form="slack")
    {'text': 'a &lt; b'}
    """
    if form == "slack":
        text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return {"text": text}
    head: dict[str, Fact] = {"text": message.text, "event": message.topic, "id": message.key}
    return {**head, "study": study, "trial": message.trial, **message.facts}


def notice(key: str, target: str, *, why: str = "", trial: int | None = None) -> Notice:
    """Return the record that `target` was told, or `why` it could not be."""
    text = f"{key} not told to {target}: {words.line(why)}" if why else f"{key} told to {target}"
    return Notice(level="info", topic=NOTIFIED, text=text, trial=trial)


class Told:
    """Who was told what, or was to be told in vain: read from notices."""

    def __init__(self, notices: Iterable[Notice] = ()) -> None:
        self._keys: dict[str, set[str]] = {}
        for one in notices:
            found = _TOLD.fullmatch(one.text) if one.topic == NOTIFIED else None
            if found:
                self.add(found["target"], found["key"])

    def add(self, target: str, key: str) -> None:
        """Take note that a message is on its way, or was given up."""
        self._keys.setdefault(target, set()).add(key)

    def has(self, target: str, key: str) -> bool:
        """Say whether `target` needs no such message any more.

        A best that the end was told with is known. A spike of failures is the same as another that
        began within a window of it: runs that ended together are counted in either order.
        """
        keys = self._keys.get(target, set())
        topic, _, rest = key.partition(":")
        if key in keys:
            return True
        if topic == "best":
            return any(one.startswith("finished:") and one.endswith(f":{rest}") for one in keys)
        if topic == "failures":
            began = [int(one.partition(":")[2]) for one in keys if one.startswith("failures:")]
            return any(abs(int(rest) - other) < WINDOW for other in began)
        return False


def last_failure(entries: Iterable[Entry]) -> tuple[float, str] | None:
    """Return when a message last could not be told, and why; None if that never happened."""
    last = None
    for entry in entries:
        record = entry.record
        if isinstance(record, Notice) and record.topic == NOTIFIED:
            found = _TOLD.fullmatch(record.text)
            if found and found["why"]:
                last = entry.at, f"{found['target']}: {found['why']}"
    return last


def _name(history: History) -> str:
    return words.line(history.task.name, most=100)


def _best(trial: Trial, history: History) -> Message:
    verdict, objective = trial.verdict, history.task.objective
    assert verdict is not None
    assert verdict.against is not None
    metric = words.line(objective.metric, most=60)
    against = history.trials[verdict.against]
    comparison = compare(trial, against, history)
    gain = comparison.difference if comparison else None
    text = f"{_name(history)}: new best, trial {trial.number}: {metric} ="
    text += f" {words.number(trial.value)}"
    if gain is not None:
        than = f"trial {against.number}"
        text += f", {words.moved(gain, sign=objective.sign, than=than)}"
    if verdict.simpler:
        text += ", as good with less code"
    elif verdict.probability is not None:
        text += f", real with probability {words.probability(verdict.probability)}"
    text += f"\n{words.line(words.configuration(trial.configuration), most=600)}"
    if trial.proposal.rationale:
        text += f"\nwhy: {words.line(trial.proposal.rationale, most=300)}"
    facts: dict[str, Fact] = {
        "metric": metric,
        "direction": objective.direction,
        "value": trial.value,
        "against": against.number,
        "gain": gain,
        "probability": verdict.probability,
        "configuration": dict(trial.configuration),
    }
    return Message(
        topic="best", key=f"best:{trial.number}", text=text, facts=facts, trial=trial.number
    )


def _failures(failures: Failures, key: str, history: History) -> Message:
    failed, looked = failures.failed, failures.looked
    seen = [run.observation for run in failed if run.observation is not None]
    causes = Counter((one.cause or "other").replace("_", " ") for one in seen)
    said = words.listed([f"{n} {cause}" for cause, n in causes.most_common()])
    latest = seen[-1]
    text = (
        f"{_name(history)}: {len(failed)} of the last {looked} runs failed: {said}.\n"
        f"The latest, trial {latest.run.trial}: {words.line(latest.detail, most=300)}"
    )
    facts: dict[str, Fact] = {
        "failed": len(failed),
        "runs": looked,
        "share": round(len(failed) / looked, 3),
        "causes": dict(causes),
        "detail": words.line(latest.detail, most=300),
    }
    return Message(topic="failures", key=key, text=text, facts=facts, trial=latest.run.trial)


def _used(history: History, *, now: float) -> Iterator[tuple[str, float, float]]:
    """Yield each bounded part of the budget, with what is used of it and its bound."""
    budget = history.task.budget
    if budget.trials is not None:
        yield "trials", len(history.trials) - len(history.pending()), budget.trials
    if budget.runs is not None:
        yield "runs", history.launches, budget.runs
    if budget.time_s is not None:
        seconds = history.seconds + max(now - history.updated_at, 0.0)
        yield "seconds", seconds, budget.time_s
    tokens, usd = history.spent
    if budget.tokens is not None:
        yield "tokens", tokens, budget.tokens
    if budget.usd is not None:
        yield "US dollars", usd, budget.usd
    if budget.model_time_s is not None:
        waited = sum(exchange.seconds for exchange in history.exchanges)
        yield "seconds of waiting for models", waited, budget.model_time_s


def _near(part: str, used: float, bound: float, history: History) -> News:
    key = f"budget:{part.replace(' ', '-')}:{bound:g}"

    def write() -> Message:
        if "seconds" in part:
            amount = f"{words.seconds(used)} of {words.seconds(bound)}"
            amount += part.removeprefix("seconds")
        else:
            amount = f"{used:.6g} of {bound:g} {part}"
        text = f"{_name(history)}: {used / bound:.0%} of the budget is used: {amount}."
        best = history.best()
        if best is not None:
            metric = words.line(history.task.objective.metric, most=60)
            text += f"\nBest so far: trial {best.number}, {metric} = {words.number(best.value)}"
        facts: dict[str, Fact] = {
            "part": part,
            "used": round(used, 6),
            "bound": bound,
            "best": None if best is None else best.number,
        }
        return Message(topic="budget", key=key, text=text, facts=facts)

    return News("budget", key, write)


def _finished(history: History, closed: Closed, key: str, where: tuple[str, str]) -> Message:
    report, host = where
    best, analysis = history.best(), final_analysis(history)
    gain = analysis.gain
    text = f"{_name(history)} has ended: {words.line(closed.sentence, most=400)}"
    text += f"\n{analysis.headline}"
    if gain is not None:
        text += f"\n{words.sentence(gain.sentence)}"
    if best is not None:
        text += f"\n{words.line(words.configuration(best.configuration), most=600)}"
    text += f"\nreport: {report} on {host}" if report else ""
    facts: dict[str, Fact] = {
        "reason": closed.reason,
        "sentence": words.line(closed.sentence, most=400),
        "trials": len(history.trials),
        "runs": history.launches,
        "seconds": round(history.seconds, 3),
        "metric": history.task.objective.metric,
        "direction": history.task.objective.direction,
        "value": None if best is None else best.value,
        "gain": None if gain is None else gain.difference,
        "probability": None if gain is None else gain.probability,
        "confirmed": None if gain is None else gain.confirmed,
        "configuration": None if best is None else dict(best.configuration),
        "report": report or None,
        "host": host,
    }
    number = None if best is None else best.number
    return Message(topic="finished", key=key, text=text, facts=facts, trial=number)
