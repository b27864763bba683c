"""Keys: from the environment alone, named when missing, seen by no run and no other address."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.commands import clear, ran
from tests.llm.servers import WIRES, Wire, change, final, playing, serving
from tests.llm.tasks import PLAIN, agent, asked, makers, task
from tests.llm.tasks import ran as studied
from trialwright.errors import StudyError
from trialwright.llm import headers, providers
from trialwright.study import Study
from trialwright.task import Agent, Budget

KEYS = {
    "OPENAI_API_KEY": "sk-usual-openai",
    "ANTHROPIC_API_KEY": "sk-usual-anthropic",
    "ANTHROPIC_AUTH_TOKEN": "usual-token",
    "GEMINI_API_KEY": "usual-gemini",
    "GOOGLE_API_KEY": "usual-google",
}

HEADERS = {
    "OPENAI_ORG_ID": "my-organization",
    "OPENAI_PROJECT_ID": "my-project",
    "OPENAI_CUSTOM_HEADERS": "X-Proxy-Pass: secret-openai\nauthorization: Bearer secret-bearer",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Proxy-Pass: secret-anthropic\nX-Api-Key: secret-key",
}
"""What libraries send along, if it stands in the user's environment."""


@pytest.mark.parametrize(("provider", "variable"), providers.KEYS.items())
def test_a_missing_key_is_named_at_the_start(provider: str, variable: str, tmp_path: Path) -> None:
    """The error names the member and the variable, and nothing was written."""
    with pytest.raises(StudyError) as caught:
        Study(
            task(Agent(name="mine", model=f"{provider}:some-model")),
            tmp_path / "study",
            environ=PLAIN,
        )
    assert str(caught.value) == (
        f"team: mine: it needs a key: set the environment variable {variable}"
    )
    assert not (tmp_path / "study").exists()


def test_the_command_names_the_missing_key_too(tmp_path: Path) -> None:
    """`trialwright run` ends with status 2 and makes no folder."""
    (tmp_path / "study.yaml").write_text(
        "goal: maximize y\ncommand: ['true']\nspace: {x: {float: [0, 1]}}\n"
        "team: [expert, 'anthropic:some-model', {model: 'openai:b', base_url: 'http://x.invalid',"
        " key: MY_KEY}]\n"
    )
    answer = ran(tmp_path, "run", ANTHROPIC_API_KEY="", MY_KEY="")
    clear(answer)
    assert "ANTHROPIC_API_KEY" in answer.stderr
    assert "MY_KEY" in answer.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("wire", WIRES)
def test_an_address_in_the_study_file_never_gets_the_usual_key(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from the study's environment nor past it, from the process's own."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with serving(wire, playing(final(change("rate", 0.2)))) as server:
        history = studied(task(agent(server), trials=1), tmp_path, environ={**PLAIN, **KEYS})
    assert makers(history) == ["model"]
    sent = json.dumps([[request.path, dict(request.headers)] for request in server.requests])
    assert [value for value in KEYS.values() if value in sent] == []
    assert providers.KEYLESS in sent


@pytest.mark.parametrize("wire", WIRES)
def test_an_address_in_the_study_file_gets_no_header_of_the_environment(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the request needs, whatever a provider's library would add; the key is the own."""
    for name, value in HEADERS.items():
        monkeypatch.setenv(name, value)
    with serving(wire, playing(final(change("rate", 0.2)))) as server:
        what = task(agent(server, key="MY_KEY"), trials=1)
        environ = {**PLAIN, **HEADERS, "MY_KEY": "my-own-secret"}
        history = studied(what, tmp_path, environ=environ)
    assert makers(history) == ["model"]
    sent = {name.lower(): value for name, value in server.requests[0].headers.items()}
    assert set(sent) <= {*headers.NEEDED, *headers.AUTHORIZATION, "user-agent"}
    assert "secret-" not in json.dumps(sent)
    assert "my-own-secret" in json.dumps(sent)


def test_the_users_own_headers_go_where_the_user_sends_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address in the user's environment gets what the environment says."""
    for name, value in HEADERS.items():
        monkeypatch.setenv(name, value)
    with serving("openai", playing(final(change("rate", 0.2)))) as server:
        what = task(Agent(name="model", model="openai:some-model"), trials=1)
        environ = {**PLAIN, "OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": server.url}
        studied(what, tmp_path, environ=environ)
    sent = {name.lower(): value for name, value in server.requests[0].headers.items()}
    assert sent["openai-organization"] == "my-organization"
    assert sent["x-proxy-pass"] == "secret-openai"


def test_two_keys_of_google_are_no_news(tmp_path: Path) -> None:
    """With both variables set, its library's warning of a choice that it has not is kept off."""
    with serving("google", playing(final(change("rate", 0.2)))) as server:
        (tmp_path / "study.yaml").write_text(
            "goal: maximize y\ncommand: [python3, -c, \"print('y=1')\"]\n"
            "metrics: {regex: ['y=(?P<y>\\S+)']}\nspace: {rate: {float: [0, 1]}}\n"
            f"budget: {{trials: 1}}\nteam: [{{model: 'google:m', base_url: '{server.url}'}}]\n"
        )
        answer = ran(tmp_path, "run", "--plain", GOOGLE_API_KEY="a", GEMINI_API_KEY="b")
    assert answer.returncode == 0, answer.stderr
    assert len(server.requests) > 0
    assert answer.stderr == ""
    assert "GEMINI_API_KEY" not in answer.stdout


@pytest.mark.parametrize("wire", WIRES)
def test_a_named_variable_holds_the_key_for_an_address(wire: Wire, tmp_path: Path) -> None:
    """`key: MY_KEY` sends that variable's value, and records only its name."""
    with serving(wire, playing(final(change("rate", 0.2)))) as server:
        what = task(agent(server, key="MY_KEY"), trials=1)
        studied(what, tmp_path, environ={**PLAIN, **KEYS, "MY_KEY": "my-own-secret"})
    assert "my-own-secret" in json.dumps(dict(server.requests[0].headers))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"MY_KEY" in written
    assert b"my-own-secret" not in written


def test_the_usual_key_goes_where_the_user_sends_the_provider(tmp_path: Path) -> None:
    """`OPENAI_BASE_URL` in the user's environment moves the provider, key and all."""
    with serving("openai", playing(final(change("rate", 0.2)))) as server:
        what = task(Agent(name="model", model="openai:some-model"), trials=1)
        environ = {**PLAIN, "OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": server.url}
        history = studied(what, tmp_path, environ=environ)
    assert makers(history) == ["model"]
    assert "sk-1" in json.dumps(dict(server.requests[0].headers))


def test_a_run_sees_no_key(tmp_path: Path) -> None:
    """The command that is tuned finds none of the keys in its environment."""
    printing = "import os, json; print(json.dumps(dict(os.environ))); print('y=1')"
    with serving("openai", playing(final(change("rate", 0.2)))) as server:
        what = task(agent(server, key="MY_KEY"), command=(sys.executable, "-c", printing), trials=1)
        history = Study(what, tmp_path, environ={**PLAIN, **KEYS, "MY_KEY": "my-own-secret"}).run()
    assert makers(history) == ["model"]
    log = next(tmp_path.rglob("stdout.log")).read_text()
    assert '"PATH"' in log
    assert [name for name in (*KEYS, "MY_KEY") if name in log] == []


def test_a_price_that_nobody_knows_makes_a_dollar_budget_an_error(tmp_path: Path) -> None:
    """A cap that could not be held is refused at the start, with two remedies."""
    unknown = Agent(name="m", model="openai:some-model", base_url="http://127.0.0.1:9")
    what = task(unknown, budget=Budget(trials=1, usd=1.0))
    with pytest.raises(StudyError, match=r"price.*or a budget of `tokens`"):
        Study(what, tmp_path / "study", environ=PLAIN)
    assert not (tmp_path / "study").exists()


def test_importing_loads_no_model_library() -> None:
    """Neither the package, nor the command line, nor a study with a model in its team."""
    probe = (
        "import sys, trialwright, trialwright.app.cli\n"
        "from trialwright import Float, Objective, Space, Task\n"
        "from trialwright.study import Study\n"
        "from trialwright.task import Agent\n"
        "Study(Task(name='t', objective=Objective(metric='y'), space=Space((Float('x', 0, 1),)),\n"
        "    command=('true',), team=(Agent(name='m', model='openai:m', base_url='http://x'),)),\n"
        "    'nowhere')\n"
        "heavy = ('pydantic_ai', 'openai', 'anthropic', 'google.genai', 'genai_prices', 'httpx')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_no_conversation_was_held_without_need(tmp_path: Path) -> None:
    """The user's own configurations come first, and ask nobody."""
    with serving("openai", playing(final(change("rate", 0.2)))) as server:
        history = studied(task(agent(server), trials=1, start=({"rate": 0.9},)), tmp_path)
    assert makers(history) == ["user"]
    assert server.requests == []
    assert asked(history) == []
