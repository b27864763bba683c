"""One session of a study as a process: `python -m benchmarks.breaking.session study.yaml FOLDER`.

It does what `trialwright run` does, less what that prints and writes for people, so that thousands
of sessions are affordable. Errors are told as there: one line, and status 2.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path

from trialwright.errors import TrialwrightError
from trialwright.study import Study
from trialwright.studyfile import load


def run(file: str, folder: str) -> int:
    """Run or resume the study; return the status that `trialwright run` would end with."""
    try:
        closed = Study(load(Path(file)), folder).run(wait=print).closed
    except TrialwrightError as error:
        print(f"trialwright: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"trialwright: {error}", file=sys.stderr)
        return 2
    print(closed, file=sys.stderr)
    return 0 if closed is not None and closed.reason == "budget" else 1


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
