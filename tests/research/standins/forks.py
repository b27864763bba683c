"""An agent that forks as often as it can, within bounds, and leaves daemons with a mark behind."""

import os
import subprocess
import sys
import time

MOST = 300

for _ in range(4):
    subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", sys.argv[1]],
        start_new_session=True,
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
made = 0
try:
    while made < MOST:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        made += 1
except OSError:
    pass
print("forked", made, flush=True)
