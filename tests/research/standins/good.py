"""An agent that behaves well: it raises one constant by a tenth, and says why."""

import json
import re
import sys
from pathlib import Path

prompt = sys.stdin.read()
assert "train.py" in prompt
script = Path("train.py")
text = script.read_text()
old = float(re.search(r"^RATE = (.+)$", text, re.M)[1])
new = round(old + 0.1, 6)
script.write_text(re.sub(r"^RATE = .+$", f"RATE = {new}", text, flags=re.M))
Path("proposal.json").write_text(
    json.dumps(
        {
            "rationale": f"The answer is too small, so the rate goes from {old} to {new}.",
            "category": "hyperparameter",
            "claim": "a higher rate is better",
            "expects": "better",
            "low": 0.0,
            "high": 2.0,
        }
    )
)
print("done")
