"""The `trackers` of a study file: where runs are copied to, for those who look there."""

from __future__ import annotations

from collections.abc import Mapping

from trialwright.studyfile.fields import Fields, Problems, choose
from trialwright.studyfile.tree import Tree
from trialwright.tracker import TRACKERS, Tracker, TrackerKind, uri_fault

_KNOWN: Mapping[TrackerKind, tuple[str, ...]] = {
    "mlflow": ("uri", "experiment"),
    "tensorboard": ("folder",),
}


def read_trackers(fields: Fields, problems: Problems) -> tuple[Tracker, ...]:
    """Read one tracker's name, or several, alone or each with more."""
    tree = fields.tree("trackers")
    if tree is None:
        return ()
    items = tree.value if isinstance(tree.value, tuple) else (tree,)
    found: list[Tracker] = []
    for item in items:
        for word, inner in _named(item):
            one = _tracker(item, word, inner, fields, problems)
            if one is not None and one in found:
                fields.fault(item, f"trackers: the same {one.kind} stands twice")
            elif one is not None:
                found.append(one)
    return tuple(found)


def plain(tracker: Tracker) -> str | dict[str, str | dict[str, str]]:
    """Return what a study file says of a tracker.

    >>> plain(Tracker(kind="mlflow")), plain(Tracker(kind="tensorboard", folder="tb"))
    ('mlflow', {'tensorboard': {'folder': 'tb'}})
    """
    more = {"uri": tracker.uri, "folder": tracker.folder, "experiment": tracker.experiment}
    given = {key: text for key, text in more.items() if text}
    return {tracker.kind: given} if given else tracker.kind


def _named(item: Tree) -> list[tuple[object, Tree | None]]:
    """What one item names, each with what is said of it."""
    if isinstance(item.value, Mapping):
        return list(item.value.items())
    return [(item.value, None)]


def _tracker(
    item: Tree, word: object, inner: Tree | None, fields: Fields, problems: Problems
) -> Tracker | None:
    if word not in TRACKERS:
        said = word if isinstance(word, str) else ""
        fields.fault(
            item,
            f"trackers: {said!r} is unknown; {choose(said, TRACKERS)}; alone, or with more such as"
            " mlflow: {uri: http://127.0.0.1:5000}",
        )
        return None
    kind: TrackerKind = word
    if inner is None:
        return Tracker(kind=kind)
    more = Fields(inner, f"trackers.{kind}", problems, known=_KNOWN[kind])
    uri, at = more.text("uri") or "", more.tree("uri")
    fault = uri_fault(uri) if uri else ""
    if fault and at is not None:
        more.fault(at, f"trackers.mlflow.uri: {fault}")
    return Tracker(
        kind=kind,
        uri="" if fault else uri,
        folder=more.text("folder") or "",
        experiment=more.text("experiment") or "",
    )
