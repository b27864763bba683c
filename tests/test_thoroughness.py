"""How often random rounds are played."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.thoroughness import VARIABLE, repeats


@pytest.mark.parametrize(("said", "rounds"), [(None, 60), ("", 60), ("0", 60), ("1", 200)])
def test_all_rounds_are_played_where_it_is_asked_for(
    said: str | None, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable decides; unset, empty or 0 is the quick form."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(VARIABLE, said)
    assert repeats(60, 200) == rounds


def test_a_commit_is_checked_with_all_rounds() -> None:
    """`.ci/run` asks for them before it runs the suite."""
    script = (Path(__file__).parents[1] / ".ci" / "run").read_text()
    assert script.index(f"export {VARIABLE}=1") < script.index("make test")
