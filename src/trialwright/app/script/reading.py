"""Read a script: every way into it, best first, and every number that it reports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from trialwright.app.script.configs import fixed_files, read_config_file, read_hydra
from trialwright.app.script.constants import read_configurator, read_constants, read_names
from trialwright.app.script.fields import read_dataclasses, read_defaults, read_words
from trialwright.app.script.functions import read_click, read_fire, read_typer
from trialwright.app.script.metrics import read_reported
from trialwright.app.script.options import keywords, read_absl, read_argparse
from trialwright.app.script.setting import Interface, Reported, Script
from trialwright.app.script.source import Source, sources


def read_script(path: Path) -> Script:
    """Read a training script, and the modules beside it, without running anything.

    Raises:
        StudyError: the file can't be read, or is not Python.
    """
    found = sources(path)
    interfaces = tuple(i for i in _interfaces(found) if i.settings or i.notes)
    reported = tuple(r for source in found for r in read_reported(source))
    return Script(
        path=path,
        text="\n".join(source.text for source in found),
        interfaces=interfaces,
        reported=_distinct(reported),
        description=_description(found[0]),
        notes=tuple(_notes(found, interfaces)),
        modules=_modules(found),
    )


def _interfaces(found: list[Source]) -> Iterator[Interface]:
    main = found[0]
    options = next(filter(None, (_options(source) for source in found)), None)
    ways = [
        read_hydra(main),
        read_dataclasses(found),
        *(read_config_file(source, options) for source in found),
        options,
        read_words(found),
        *(read_configurator(source) for source in found),
        read_constants(main),
        *(read_defaults(source) for source in found),
        read_names(main),
    ]
    for way in ways:
        if way is not None:
            yield way


def _options(source: Source) -> Interface | None:
    for reader in (read_click, read_typer, read_fire, read_argparse, read_absl):
        interface = reader(source)
        if interface is not None:
            return interface
    return None


def _modules(found: list[Source]) -> tuple[str, ...]:
    root = found[0].path.parent
    named = sorted({module for source in found for module in source.modules})
    beside = {name for name in named if (root / f"{name}.py").exists() or (root / name).is_dir()}
    return tuple(name for name in named if name not in beside)


def _distinct(reported: tuple[Reported, ...]) -> tuple[Reported, ...]:
    """Leave out what is reported twice under one name by the same route."""
    kept: dict[tuple[str, str, str], Reported] = {}
    for one in reported:
        kept.setdefault((one.metric, one.where, one.pattern or one.spot.path), one)
    return tuple(kept.values())


def _description(source: Source) -> str:
    text = ast.get_docstring(source.tree) or ""
    for call in source.calls:
        if not text and source.called(call).endswith("ArgumentParser"):
            given = keywords(call).get("description")
            value = source.scalar(given) if given is not None else None
            text = value if isinstance(value, str) else ""
    return " ".join(text.split("\n\n")[0].split())


def _notes(found: list[Source], interfaces: tuple[Interface, ...]) -> Iterator[str]:
    best = interfaces[0].style if interfaces else ""
    if best in ("hydra", "config file"):
        return
    for source in found:
        for file in fixed_files(source):
            yield (
                f"{source.path.name} reads {file} under that fixed name: take the path as an"
                " argument, and its values can be tuned too"
            )
