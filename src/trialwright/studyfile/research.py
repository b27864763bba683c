"""What of the code a study may change: the section `research` of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trialwright.editable import Research
from trialwright.studyfile.command import outside
from trialwright.studyfile.fields import Fields, Problems

RESEARCH_KEYS = (
    "editable", "frozen", "base", "program", "readable", "writable", "links", "sandbox", "network",
    "processes", "disk", "lines", "smoke", "repairs", "price", "ablate", "pivot", "plateau",
    "results",
)  # fmt: skip

_PLAIN = Research(editable=())


def read_research(fields: Fields, problems: Problems, *, folder: Path) -> Research | None:
    """Read the section `research`; None where a study changes no code."""
    tree = fields.tree("research")
    if tree is None:
        return None
    section = Fields(tree, "research", problems, known=RESEARCH_KEYS)
    editable = _globs(section, "editable")
    if isinstance(tree.value, Mapping) and not section.texts("editable"):
        section.fault(
            section.keys.get("editable", tree.place),
            "research.editable is missing: name the files that may be changed, such as [train.py]",
        )
    smoke_s, smoke = _smoke(section, problems)
    return Research(
        editable=editable,
        frozen=_globs(section, "frozen"),
        base=section.text("base") or _PLAIN.base,
        program=_file(section, "program", folder),
        readable=section.texts("readable"),
        writable=section.texts("writable"),
        links=_globs(section, "links"),
        sandbox="none" if _sandbox(section) == "none" else "bubblewrap",
        network=section.flag("network"),
        processes=section.whole("processes", least=2) or _PLAIN.processes,
        disk_bytes=section.size("disk") or _PLAIN.disk_bytes,
        lines=section.whole("lines", least=1) or _PLAIN.lines,
        smoke_s=smoke_s,
        smoke=smoke,
        repairs=_whole(section, "repairs", _PLAIN.repairs),
        price=_number(section, "price", _PLAIN.price),
        ablate=_whole(section, "ablate", _PLAIN.ablate) or None,
        pivot=section.whole("pivot", least=1) or _PLAIN.pivot,
        plateau=section.whole("plateau", least=2) or _PLAIN.plateau,
        results=_results(section),
    )


def _sandbox(section: Fields) -> str | None:
    return section.word("sandbox", ("bubblewrap", "none"))


def _smoke(section: Fields, problems: Problems) -> tuple[float | None, tuple[str, ...]]:
    """Read `smoke`: how long, or a mapping that says with which command."""
    tree = section.tree("smoke")
    if tree is None or not isinstance(tree.value, Mapping):
        return section.duration("smoke", zero=True), ()
    told = Fields(tree, "research.smoke", problems, known=("time", "command"))
    return told.duration("time", zero=True), told.texts("command")


def _whole(section: Fields, key: str, usual: int | None) -> int:
    found = section.whole(key, least=0)
    return (usual or 0) if found is None else found


def _number(section: Fields, key: str, usual: float) -> float:
    found = section.number(key, least=0)
    return usual if found is None else found


def _globs(section: Fields, key: str) -> tuple[str, ...]:
    patterns = section.texts(key)
    for pattern in patterns:
        if not pattern.strip() or outside(pattern, Path("/there")):
            section.fault(
                section.tree(key) or section.place,
                f"{section.path(key)}: {pattern!r} must stay within the study's folder: no absolute"
                " path, no ..",
            )
    return patterns


def _file(section: Fields, key: str, folder: Path) -> str | None:
    path, tree = section.text(key), section.tree(key)
    if path is None or tree is None:
        return None
    fault = outside(path, folder)
    if fault is None and not (folder / path).is_file():
        fault = f"there is no file {path} in {folder}"
    if fault:
        section.fault(tree, f"{section.path(key)}: {fault}")
    return path


def _results(section: Fields) -> str | None:
    name, tree = section.text("results"), section.tree("results")
    if name is not None and tree is not None and (not name.strip() or Path(name).name != name):
        section.fault(tree, "research.results is a file's name in the study's folder, no path")
    return name
