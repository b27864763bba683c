"""What a script lets its caller set, whatever the style: `Setting`, `Interface`, `Script`.

Facts from the script's text only. Which settings to tune, and over which values, is `init`'s guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from trialwright.expression import Scalar

Type = Literal["float", "int", "bool", "str", "path", "list", "unknown"]
Style = Literal[
    "argparse",
    "absl",
    "click",
    "typer",
    "fire",
    "dataclass",
    "hydra",
    "config file",
    "key=value",
    "configurator",
    "constants",
]
Channel = Literal["options", "words", "file", "assignments"]
"""How values reach the script. `options`: each as its own argument. `words`: `name=value`
arguments. `file`: a configuration file behind `Interface.file`. `assignments`: the script has no
door of its own, so its module-level names are set before it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing that a script lets its caller set."""

    name: str
    """Dotted where nested."""
    type: Type = "unknown"
    default: Scalar = None
    known: bool = True
    """Whether `default` is what the script starts with; False: absent, or computed as it runs."""
    required: bool = False
    choices: tuple[Scalar, ...] = ()
    low: float | None = None
    high: float | None = None
    help: str = ""
    spelling: str = ""
    """As on the command line: `--lr={}`, or `{}` for a positional one."""
    switch: tuple[str, str] | None = None
    """The arguments that stand for true and for false; '' says so by absence."""
    line: int = 0
    aside: str = ""
    """Why it can't be tuned, where the script's text says so: a list, a positional argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One way into a script."""

    style: Style
    channel: Channel
    settings: tuple[Setting, ...]
    words: tuple[str, ...] = ()
    """Arguments that must come first, such as a subcommand."""
    file: str = ""
    """With channel `file`: the file with the defaults, relative to the script's folder."""
    file_setting: Setting | None = None
    """The option that takes the file; None: it is the first positional argument."""
    format: Literal["yaml", "json"] = "yaml"
    assignment: str = "{name}={value}"
    """With channels `words` and `assignments`: how one value is written."""
    notes: tuple[str, ...] = ()
    """What was seen and not understood, or needs a look."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a script writes, as far as its text tells."""

    path: str = ""
    """'' where that is computed."""
    setting: str = ""
    """The setting that names the folder of `path`, or the file itself."""


Split = Literal["validation", "test", "train", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A number that a script reports under a name."""

    metric: str
    """A legal name: letters, digits, underscores."""
    where: Literal["emit", "output", "file", "tensorboard", "unreachable"]
    pattern: str = ""
    """With `output`: a regular expression whose named group is the metric."""
    source: str = ""
    """Its name at the source, if that is not `metric`; with `unreachable`: who takes it."""
    spot: Spot = field(default_factory=Spot)
    """With `file` and `tensorboard`."""
    split: Split = ""
    line: int = 0
    repeated: bool = False
    """Whether it stands in a loop, or in a function that is called from one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the text of a script tells."""

    path: Path
    text: str
    interfaces: tuple[Interface, ...]
    """Best first; () if nothing can be set."""
    reported: tuple[Reported, ...] = ()
    description: str = ""
    """Its docstring's first paragraph, or the parser's description."""
    notes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    """Top-level modules that it imports, those beside it left out."""
