"""Text made by a seeded probabilistic grammar: little stories, the same ones each time.

Frozen: whoever changes the text changes what is measured. Nothing is downloaded or written.

A story has a cast of two or three made-up names, which come again and again; a sentence's verb
agrees with its subject, also across the clauses and brackets that stand between the two; brackets
and quotations are closed in their turn, and who is quoted says "i". So whoever predicts the next
symbol gains from what stood dozens of symbols before.
"""

from __future__ import annotations

import random
from functools import cache

SYMBOLS = "abcdefghijklmnopqrstuvwxyz ,.;()[]\"'\n"
"""Every symbol that a text may have; its place is its number."""

SIZES = {"train": 1_000_000, "validation": 60_000, "test": 60_000}
_SEEDS = {"train": 11, "validation": 12, "test": 13}

_NOUNS = (
    "fox owl king river tailor lamp garden clerk mirror wolf baker tower child cloud stone boat"
)
_VERBS = (
    "see follow praise fear know help watch find remember call draw trust hear paint miss greet"
)
_ADJECTIVES = "old red quiet tall kind strange young green"
_PLACES = "by the sea;under the bridge;in the north;near the mill;at night;before the war"
_FIRST = ["ba", "do", "ki", "lu", "me", "no", "ra", "si", "tu", "ve", "zo", "pa"]
_LAST = ["bel", "dor", "kin", "lis", "mor", "nax", "rut", "sel", "tan", "vix", "zam", "pod"]
_DEEPEST = 3


@cache
def text(part: str) -> str:
    """Return the text `train`, `validation` or `test`."""
    chance = random.Random(_SEEDS[part])
    stories: list[str] = []
    length = 0
    while length < SIZES[part]:
        stories.append(_Story(chance).told())
        length += len(stories[-1])
    return "".join(stories)[: SIZES[part]]


class _Story:
    """A few sentences about the same people."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._cast = [self._new_name() for _ in range(chance.choice((2, 2, 3)))]
        # Each story has a few words of its own that it keeps coming back to.
        self._nouns = self._few(_NOUNS.split(), 4)
        self._verbs = self._few(_VERBS.split(), 5)

    def told(self) -> str:
        """The story, a line of text."""
        count = self._chance.randint(4, 9)
        return " ".join(self._sentence() for _ in range(count)) + "\n"

    def _sentence(self) -> str:
        roll = self._chance.random()
        if roll < 0.2:
            return f'{self._person()} says "{self._clause(1, spoken=True)}".'
        if roll < 0.35:
            return f"{self._clause(0)}; {self._clause(1)}."
        return f"{self._clause(0)}."

    def _clause(self, depth: int, *, spoken: bool = False) -> str:
        subject, plural = self._subject(depth, spoken=spoken)
        words = [subject, self._verb(plural=plural or subject == "i"), self._object(depth)]
        if self._chance.random() < 0.2:
            words.append(self._chance.choice(_PLACES.split(";")))
        return " ".join(words)

    def _subject(self, depth: int, *, spoken: bool) -> tuple[str, bool]:
        if spoken and self._chance.random() < 0.5:
            return "i", False
        roll = self._chance.random()
        if roll < 0.45:
            return self._aside(self._person(), depth, plural=False), False
        if roll < 0.6:
            first, second = self._chance.sample(self._cast, 2)
            return f"{first} and {second}", True
        plural = self._chance.random() < 0.5
        return self._aside(self._thing(plural=plural), depth, plural=plural), plural

    def _aside(self, head: str, depth: int, *, plural: bool) -> str:
        """What stands between a subject and its verb: a clause, a bracket, or nothing."""
        roll = self._chance.random()
        if depth >= _DEEPEST or roll > 0.4:
            return head
        inner = f"{self._verb(plural=plural)} {self._object(depth + 1)}"
        if roll < 0.2:
            return f"{head}, who {inner},"
        opening, closing = "()" if depth % 2 == 0 else "[]"
        return f"{head} {opening}{self._clause(depth + 1)}{closing}"

    def _object(self, depth: int) -> str:
        roll = self._chance.random()
        if roll < 0.45:
            return self._person()
        if roll < 0.6:
            return f"{self._person()}'s {self._noun()}"
        plural = self._chance.random() < 0.4
        thing = self._thing(plural=plural)
        if depth < _DEEPEST and self._chance.random() < 0.25:
            return f"{thing} that {self._verb(plural=plural)} {self._object(depth + 1)}"
        return thing

    def _thing(self, *, plural: bool) -> str:
        adjective = ""
        if self._chance.random() < 0.35:
            adjective = self._chance.choice(_ADJECTIVES.split()) + " "
        if plural:
            return f"the {adjective}{_plural(self._noun())}"
        return f"{self._chance.choice(('the', 'a'))} {adjective}{self._noun()}"

    def _noun(self) -> str:
        return self._often(self._nouns, _NOUNS.split())

    def _verb(self, *, plural: bool) -> str:
        verb = self._often(self._verbs, _VERBS.split())
        if plural:
            return verb
        return verb + ("es" if verb.endswith(("s", "sh", "ch", "x")) else "s")

    def _person(self) -> str:
        """Mostly the hero, who is named first."""
        return self._cast[0] if self._chance.random() < 0.5 else self._chance.choice(self._cast)

    def _often(self, own: list[str], all_of_them: list[str]) -> str:
        return self._chance.choice(own if self._chance.random() < 0.8 else all_of_them)

    def _few(self, words: list[str], count: int) -> list[str]:
        return self._chance.sample(words, count)

    def _new_name(self) -> str:
        first = "".join(self._chance.choices(_FIRST, k=self._chance.choice((1, 2))))
        return first + self._chance.choice(_LAST)


def _plural(noun: str) -> str:
    if noun == "child":
        return "children"
    return {"fox": "foxes", "wolf": "wolves"}.get(noun, noun + "s")
