"""What of the code a study may change: the section `research` of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trialwright.editable import Research, Smoke
from trialwright.studyfile.command import outside
from trialwright.studyfile.fields import Fields, Problems
from trialwright.studyfile.tree import Place, Tree

RESEARCH_KEYS = (
    "editable", "frozen", "base", "program", "readable", "writable", "links", "sandbox", "network",
    "processes", "disk", "lines", "shown", "price", "ablate", "pivot", "plateau", "results",
    "smoke",
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
    network, ablate = section.flag("network"), section.tree("ablate")
    never = ablate is not None and ablate.value is False
    price = section.number("price", least=0)
    return Research(
        editable=editable,
        frozen=_globs(section, "frozen"),
        base=section.text("base") or _PLAIN.base,
        program=_file(section, "program", folder),
        readable=section.texts("readable"),
        writable=section.texts("writable"),
        links=_globs(section, "links"),
        sandbox="none" if _sandbox(section) == "none" else "bubblewrap",
        network=network,
        processes=section.whole("processes", least=2) or _PLAIN.processes,
        disk_bytes=section.size("disk") or _PLAIN.disk_bytes,
        lines=section.whole("lines", least=1) or _PLAIN.lines,
        shown=section.whole("shown", least=1000) or _PLAIN.shown,
        price=_PLAIN.price if price is None else price,
        ablate=None if never else section.whole("ablate", least=1) or _PLAIN.ablate,
        pivot=section.whole("pivot", least=1) or _PLAIN.pivot,
        plateau=section.whole("plateau", least=1) or _PLAIN.plateau,
        results=_results(section),
        smoke=_smoke(section, problems),
    )


def _sandbox(section: Fields) -> str | None:
    return section.word("sandbox", ("bubblewrap", "none"))


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


def _smoke(section: Fields, problems: Problems) -> Smoke | None:
    tree = section.tree("smoke")
    if tree is None:
        return None
    place: Place = section.keys.get("smoke", section.place)
    smoke = Fields(tree or Tree(None, place), "research.smoke", problems,
                   known=("time", "set", "repairs"))  # fmt: skip
    repairs = smoke.whole("repairs", least=0)
    return Smoke(
        seconds=smoke.duration("time") or Smoke().seconds,
        set=smoke.words("set"),
        repairs=Smoke().repairs if repairs is None else repairs,
    )
