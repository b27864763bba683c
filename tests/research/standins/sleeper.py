"""An agent that edits, ignores every signal that it can, and never comes to an end."""

import signal
import sys
import time
from pathlib import Path

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
script = Path("train.py")
script.write_text(script.read_text().replace("RATE = 0.5", "RATE = 0.6"))
print("at work", *sys.argv[1:], flush=True)
while True:
    time.sleep(60)
