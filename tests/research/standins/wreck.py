"""An agent that removes whatever it is told of and can reach, its own folder last."""

import shutil
import subprocess
import sys
from pathlib import Path

for target in sys.argv[1:]:
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["rm", "-rf", target], check=False)
    subprocess.run(["git", "-C", target, "update-ref", "-d", "refs/heads/main"], check=False)
for path in Path.cwd().iterdir():
    subprocess.run(["rm", "-rf", str(path)], check=False)
print(*[target for target in sys.argv[1:] if Path(target).exists()])
