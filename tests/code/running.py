"""Runs scripts one after the other in this process, and prints what became of each as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
import traceback
from pathlib import Path


def main(folder: Path) -> None:
    """Run every script of a folder by itself."""
    outcomes = {}
    for path in sorted(folder.glob("*.py")):
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                sys.argv = [str(path)]
                runpy.run_path(str(path), run_name="__main__")
            outcomes[path.stem] = {"output": output.getvalue(), "error": ""}
        except BaseException:  # noqa: BLE001  # what went wrong is what the test is to see
            outcomes[path.stem] = {"output": output.getvalue(), "error": traceback.format_exc()}
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
