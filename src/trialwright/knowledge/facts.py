"""Facts of a task that a sensible configuration depends on: rows, features, classes, and the like.

A study file states them (`facts`), or its description does in words, or the first run's log. Read
with care: a number that may mean something else is no fact.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

FACTS: Mapping[str, str] = {
    "rows": "cases that a run trains on",
    "features": "columns of a table, or numbers per case",
    "classes": "classes that are told apart",
    "minority": "share of the rarest class, from 0 to 1",
    "noise": "share of what is predicted that nothing could foretell, from 0 to 1",
    "labels": "cases with a label, where most have none",
    "length": "steps or tokens of a sequence",
    "epochs": "passes over the data that a run may take, where that is no parameter",
    "parameters": "weights of the model, where none of the parameters changes them",
    "pretraining_rate": "learning rate that weights were pretrained at, where they are fine-tuned",
}
"""Name -> what it counts."""

LONGEST = 20_000
"""Characters of a text that are read."""

_NUMBER = r"(?<![\w.])(\d[\d,_']*(?:\.\d+)?) ?(k|m|thousand|million|bn|billion)?(?![\w%])"
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}

_CASES = (
    "rows|samples|examples|cases|instances|records|observations|images|pictures|sentences|documents"
    "|reviews|sequences|signals|patients|points|data points|graphs|molecules|users|texts"
)
_FOR = "(?:for|to|used for) (?:the )?"
_KINDS = r"(?:[a-z][\w-]*[ -]){0,2}?"
"""A word or two between a number and what it counts: "1,200 noisy training images"."""

_COUNTED = (
    ("labels", rf"{_NUMBER} {_KINDS}labell?ed (?:ones|nodes|papers|{_CASES})"),
    ("labels", rf"{_NUMBER} labels\b(?! per)"),
    ("labels", rf"{_NUMBER} nodes (?:are|is|with) (?:a )?label"),
    ("rows", rf"{_NUMBER} {_KINDS}[a-z]+ of {_NUMBER} [a-z ]+ {_FOR}train"),
    ("rows", rf"{_NUMBER} (?:{_KINDS}[a-z]+s )?(?:of (?:them|which) )?{_FOR}train"),
    ("rows", rf"\b(?:train(?:s|ed|ing)?(?: set)?(?: is| are)?(?: on| of| with|:)) {_NUMBER}"),
    ("rows", rf"{_NUMBER} train(?:ing)? {_KINDS}(?:{_CASES})"),
    ("rows", rf"{_NUMBER} {_KINDS}(?:{_CASES})\b(?! before)"),
    ("rows", rf"\b(?:n_samples|n_rows|rows|n_train|samples) ?[:=] ?{_NUMBER}"),
    (
        "features",
        rf"{_NUMBER} {_KINDS}(?:features|columns|variables|attributes|descriptors|inputs"
        r"|measurements|properties|predictors|sensors)\b",
    ),
    ("features", rf"\b(?:n_features|features|columns) ?[:=] ?{_NUMBER}"),
    ("classes", rf"{_NUMBER} {_KINDS}(?:classes|categories|species|subjects|digits)\b"),
    ("classes", rf"\b(?:n_classes|classes|num_classes) ?[:=] ?{_NUMBER}"),
    ("length", rf"(?:length|context)(?: of|:| is)? {_NUMBER}"),
    ("length", rf"{_NUMBER} (?:tokens|steps|characters|time steps) (?:each|long|per)"),
    ("epochs", rf"{_NUMBER} (?:training )?epochs"),
    ("parameters", rf"{_NUMBER} (?:trainable )?(?:parameters|weights)\b"),
)
"""The first pattern of a fact that a text matches decides: what is surest stands first."""

_OTHERS = "epochs|parameters|weights|steps|trees|layers|units|neurons|seconds|minutes|hours"
_TOLD = rf"[a-z]+s {_FOR}train"
_ANYTHING = rf"{_NUMBER} (?!(?:{_KINDS})(?:{_OTHERS})\b)[a-z-]+s\b"
"""Where no word for cases is used: "50,000 houses"; a large number is taken for their count."""
_MANY = 100

_TRAINED = (
    r"(\d+(?:\.\d+)?) ?(?:%|percent)(?: of [a-z ]{3,20}?)? (?:are )?(?:for training|to train)"
)

_WORDS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip

_SHAPE = r"(?:shape|x_train|train|data)\D{0,12}\((\d+), ?(\d+)\)"
_RATE = r"pre-?trained[^.:;]{0,80}? (?:learning )?rate(?: of|:)? ([\d.]+(?:e-?\d+)?)"
_SHARES = (
    ("minority", r"(\d+(?:\.\d+)?) ?(?:%|percent)(?: of (?:the )?[a-z]+)?(?: are| is)? positive"),
    ("noise", r"(\d+(?:\.\d+)?) ?(?:%|percent)(?: of)?(?: the)? (?:label noise|labels? (?:are )?"
              r"(?:wrong|flipped|noisy|random))"),
)  # fmt: skip


def facts_in(text: str, *, loose: bool = True) -> dict[str, float]:
    """Return the facts that a text states.

    `loose`: a large number of anything is taken for the rows where nothing else tells of them. Not
    for logs, which count much.

    >>> facts_in("1,500 rows (1,200 for training), 30 features; a binary label, 12 % positive")
    {'rows': 1200.0, 'features': 30.0, 'classes': 2.0, 'minority': 0.12}
    """
    words = (_WORDS.get(word, word) for word in text[:LONGEST].lower().split())
    low = " ".join(words)
    found = _counted(low)
    if loose and "rows" not in found:
        counts = (_number(match[1], match[2]) for match in re.finditer(_ANYTHING, low))
        rows = next((count for count in counts if count >= _MANY), None)
        found |= {} if rows is None else {"rows": rows}
    share = re.search(_TRAINED, low)
    if share and "rows" in found and not re.search(_TOLD, low):
        found["rows"] = round(found["rows"] * float(share[1]) / 100)
    rate = re.search(_RATE, low)
    if rate:
        found["pretraining_rate"] = float(rate[1].rstrip("."))
    return {name: found[name] for name in FACTS if name in found}


def _counted(low: str) -> dict[str, float]:
    """What a text says in numbers with their nouns, and of shares."""
    found: dict[str, float] = {}
    shape = re.search(_SHAPE, low)
    if shape:
        found["rows"], found["features"] = float(shape[1]), float(shape[2])
    for name, pattern in _COUNTED:
        match = None if name in found else re.search(pattern, low)
        if match:
            found[name] = _number(match[1], match[2])
    if "classes" not in found and re.search(r"\bbinary\b|\btwo classes\b", low):
        found["classes"] = 2.0
    for name, pattern in _SHARES:
        match = re.search(pattern, low)
        if match:
            found[name] = float(match[1]) / 100
    return found


def fact_fault(name: str, value: float) -> str:
    """Say what is wrong with a stated fact; '' if nothing is."""
    if name not in FACTS:
        return f"facts: {name!r} is unknown; known are {', '.join(FACTS)}"
    highest = 1.0 if name in ("minority", "noise") else math.inf
    if not (math.isfinite(value) and 0 <= value <= highest):
        return f"facts: {name} is {FACTS[name]}, not {value:g}"
    return ""


def _number(digits: str, scale: str | None) -> float:
    plain = re.sub(r"[,_']", "", digits)
    return float(plain) * _SCALES.get(scale or "", 1.0)
