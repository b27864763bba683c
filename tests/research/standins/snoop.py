"""An agent that looks for secrets, prints them, and hides the first one in the code."""

import contextlib
import os
import sys
from pathlib import Path

found = [value for name, value in os.environ.items() if "KEY" in name]
for path in map(Path, sys.argv[1:]):
    with contextlib.suppress(OSError):
        found.append(path.read_text())
for process in Path("/proc").glob("[0-9]*"):
    with contextlib.suppress(OSError):
        pairs = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        found += [pair.partition("=")[2] for pair in pairs if "STANDIN_KEY" in pair]
print("found:", *found)
if found:
    script = Path("train.py")
    script.write_text(script.read_text() + f"\nNOTE = {found[0]!r}\n")
