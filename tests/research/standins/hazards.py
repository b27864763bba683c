"""An agent that leaves what the host would stumble over if it opened it."""

import os
import sys
from pathlib import Path

script = Path("train.py")
kind, *more = sys.argv[1:]
if kind in ("link", "pipe", "huge", "folder"):
    script.unlink()
if kind == "link":
    script.symlink_to(more[0])
elif kind == "pipe":
    os.mkfifo(script)
elif kind == "huge":
    with script.open("wb") as file:
        file.truncate(1 << 40)
elif kind == "folder":
    script.mkdir()
elif kind == "answer":
    script.write_text(script.read_text().replace("RATE = 0.5", "RATE = 0.6"))
    Path("proposal.json").symlink_to(more[0])
elif kind == "names":
    script.write_text(script.read_text().replace("RATE = 0.5", "RATE = 0.6"))
    Path("a\nb\x1b[31m").write_text("odd")
    os.close(os.open(b"\xff\xfe", os.O_CREAT | os.O_WRONLY))
elif kind == "deep":
    script.write_text(script.read_text().replace("RATE = 0.5", "RATE = 0.6"))
    for _ in range(2100):
        Path("d").mkdir()
        os.chdir("d")
elif kind == "hooks":
    script.write_text(script.read_text().replace("RATE = 0.5", "RATE = 0.6"))
    Path(".git/config").write_text(f"[core]\n\tfsmonitor = touch {more[0]}\n")
    hook = Path(".git/hooks/post-checkout")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {more[0]}\n")
    hook.chmod(0o755)
