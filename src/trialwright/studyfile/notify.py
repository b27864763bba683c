"""The `notify` of a study file: who is told how the study goes.

An address is a secret, so no message about one repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from trialwright.studyfile.fields import Fields, Problems, choose
from trialwright.studyfile.tree import Tree
from trialwright.webhook import TOPICS, Form, Topic, Webhook, is_address, variable

NOTIFY_KEYS = ("url", "on", "format")

_FORMS = ("slack", "json")
_WANTED = "write http://... or https://..., or $NAME for a variable that holds it"


def read_notify(fields: Fields, problems: Problems) -> tuple[Webhook, ...]:
    """Read one address, or a list of addresses and of mappings that say more of them."""
    tree = fields.tree("notify")
    if tree is None:
        return ()
    trees = tree.value if isinstance(tree.value, tuple) else (tree,)
    found: list[Webhook] = []
    for item in trees:
        one = _webhook(item, fields, problems)
        if one is None:
            continue
        if one.url in [other.url for other in found]:
            fields.fault(item, "notify: this address stands twice: name all of `on` at one of them")
            continue
        found.append(one)
    return tuple(found)


def _webhook(item: Tree, fields: Fields, problems: Problems) -> Webhook | None:
    if isinstance(item.value, Mapping):
        section = Fields(item, "notify", problems, known=NOTIFY_KEYS)
        address = section.tree("url")
        if address is None:
            section.fault(item, f"notify needs a url; {_WANTED}")
            return None
    else:
        section, address = None, item
    url = address.value
    if not isinstance(url, str) or not (is_address(url) or variable(url)):
        fields.fault(address, f"notify: this is no address; {_WANTED}")
        return None
    if section is None:
        return Webhook(url=url)
    form = section.word("format", _FORMS) or "slack"
    return Webhook(url=url, on=_topics(section), format=cast("Form", form))


def _topics(section: Fields) -> tuple[Topic, ...]:
    given = section.texts("on")
    tree = section.tree("on")
    if tree is None:
        return TOPICS
    if not given:
        section.fault(tree, f"notify.on is empty; {choose('', TOPICS)}")
    for word in given:
        if word not in TOPICS:
            section.fault(tree, f"notify.on: {word!r} is unknown; {choose(word, TOPICS)}")
    return tuple(topic for topic in TOPICS if topic in given)
