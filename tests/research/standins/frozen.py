"""An agent that makes the evaluator say what it likes, in each way that it can think of."""

import contextlib
import sys
from pathlib import Path

forged = "def loss(x):\n    return -1.0\n"
ways = {
    "write": lambda: Path("evaluator.py").write_text(forged),
    "chmod": lambda: (Path("evaluator.py").chmod(0o666), Path("evaluator.py").write_text(forged)),
    "replace": lambda: (
        Path("new").write_text(forged),
        Path("new").replace("evaluator.py"),
    ),
    "remove": lambda: Path("evaluator.py").unlink(),
    "double": lambda: (
        Path("evaluator").mkdir(),
        Path("evaluator/__init__.py").write_text(forged),
    ),
}
with contextlib.suppress(OSError):
    ways[sys.argv[1]]()
script = Path("train.py")
script.write_text(script.read_text().replace("RATE = 0.5", "RATE = 0.6"))
