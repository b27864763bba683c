"""`init --describe`: what a model may write into a study file, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.commands import TRAIN, ran
from tests.llm.servers import Calls, Provider, playing, serving
from trialwright.space import Float
from trialwright.studyfile import load

WORDS = "tune my toy for accuracy, keep it under 2 GB"
GOOD: dict[str, Any] = {
    "description": "A toy model, tuned for validation accuracy.",
    "memory": "2GB",
    "settings": [
        {"name": "lr", "kind": "float", "low": 0.01, "high": 0.5, "log": True, "why": "usual"},
        {"name": "depth", "kind": "leave", "why": "matters little"},
    ],
}


def wrong(**changes: Any) -> dict[str, Any]:
    """The good answer with its first domain changed."""
    first = {**GOOD["settings"][0], **changes}
    return {**GOOD, "settings": [first, *GOOD["settings"][1:]]}


def asked(folder: Path, provider: Provider, *words: str) -> Any:
    """Run `init --describe` against a provider."""
    (folder / "train.py").write_text(TRAIN)
    model = ("--model", "openai:toy", "--base-url", provider.url)
    return ran(folder, "init", "train.py", "--describe", WORDS, *model, *words)


def test_what_the_model_wrote_is_shown_marked_and_proved(tmp_path: Path) -> None:
    """Words, limits and domains are the model's, marked as guessed; the dry run proves the rest."""
    with serving("openai", playing(Calls("final_result", GOOD)), creator_only=False) as provider:
        answer = asked(tmp_path, provider, "--yes")
        prompt = provider.requests[0].text
    assert answer.returncode == 0, answer.stderr
    assert WORDS in prompt
    assert "val_acc" in prompt
    task = load(tmp_path / "study.yaml")
    assert task.description.strip() == GOOD["description"]
    assert task.limits.memory_bytes == 2_000_000_000
    assert task.space.names == ("lr",)
    lr = task.space["lr"]
    assert isinstance(lr, Float)
    assert (lr.low, lr.high, lr.default) == (0.01, 0.5, 0.1)
    text = (tmp_path / "study.yaml").read_text()
    assert "guessed: written by openai:toy" in text
    assert "guessed: openai:toy: usual" in text
    assert text in answer.stdout
    assert "dry run: val_acc" in answer.stdout


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"name": "momentum"}, "there is no setting 'momentum'"),
        ({"low": 0.2}, "must hold the script's default 0.1"),
        ({"low": 0.5, "high": 0.1}, "lr"),
        ({"low": None}, "a range needs low and high"),
    ],
)
def test_a_wrong_domain_is_refused_and_may_be_put_right(
    tmp_path: Path, fault: dict[str, Any], told: str
) -> None:
    """The model is told what is wrong; only the second answer counts."""
    moves = playing(Calls("final_result", wrong(**fault)), Calls("final_result", GOOD))
    with serving("openai", moves, creator_only=False) as provider:
        answer = asked(tmp_path, provider, "--yes", "--no-dry-run")
        assert answer.returncode == 0, answer.stderr
        assert len(provider.requests) == 2
        assert told in provider.requests[1].text
    lr = load(tmp_path / "study.yaml").space["lr"]
    assert isinstance(lr, Float)
    assert lr.high == 0.5


def test_nothing_is_written_without_consent(tmp_path: Path) -> None:
    """Where nobody is there to ask, it is shown, and the way to agree is said."""
    with serving("openai", playing(Calls("final_result", GOOD)), creator_only=False) as provider:
        answer = asked(tmp_path, provider, "--no-dry-run")
    assert answer.returncode == 2
    assert "--yes" in answer.stderr
    assert "written by openai:toy" in answer.stdout
    assert not (tmp_path / "study.yaml").exists()


@pytest.mark.parametrize("model", [(), ("--model", "openai:toy")])
def test_without_a_model_or_a_key_the_guesses_stand(tmp_path: Path, model: tuple[str, ...]) -> None:
    """The words become the description, and it is said what is missing."""
    (tmp_path / "train.py").write_text(TRAIN)
    answer = ran(tmp_path, "init", "train.py", "--describe", WORDS, *model, OPENAI_API_KEY="")
    assert answer.returncode == 0, answer.stderr
    assert "the guesses stand" in answer.stdout
    assert ("OPENAI_API_KEY" in answer.stdout) == bool(model)
    task = load(tmp_path / "study.yaml")
    assert task.description.strip() == WORDS
    assert set(task.space.names) == {"lr", "depth"}
