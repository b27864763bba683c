"""What a conversation prints on a terminal: nothing."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.llm.servers import change, final, playing, serving

PROBE = """
import sys
from trialwright.llm.conversation import Line
from trialwright.llm.question import Question
from trialwright.propose.creator import Suggestions
from trialwright.task import Agent
agent = Agent(name="m", model="openai:m", base_url=sys.argv[1])
reply = Line(agent, {}).ask(
    Question(purpose="propose", instructions="proposals", prompt="one", answer=Suggestions)
)
print("answered" if reply.answer else reply.exchange.detail)
"""


def test_the_library_greets_nobody(tmp_path: Path) -> None:
    """On a terminal the first conversation of a process shows no banner of the library."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm"}
    with serving("openai", playing(final(change("rate", 0.2)))) as server:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", PROBE, server.url]
        with subprocess.Popen(
            command, stdout=theirs, stderr=theirs, stdin=theirs, env=environ
        ) as it:
            os.close(theirs)
            said = b""
            try:
                while piece := os.read(ours, 65536):
                    said += piece
            except OSError:
                pass  # The other end is closed: the program has ended.
            finally:
                os.close(ours)
        assert it.returncode == 0
    assert said.decode().split() == ["answered"]
