"""What `init` says at the end: what it guessed, what it left alone, what to check."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trialwright.app.init.compose import Draft, domain
from trialwright.app.init.domains import Left, Passed, Tuned
from trialwright.app.init.dry_run import Proof


def tell(draft: Draft, proof: Proof | None, *, output: Path) -> None:
    """Print what was guessed, missed and proved."""
    console = Console()
    console.print(_settings(draft))
    _say(console, f"goal: {draft.goal.direction} {draft.goal.metric}")
    if draft.goal.guessed:
        _say(console, f"  guessed: {draft.goal.guessed}")
    if proof is not None:
        _say(console, proof_line(draft, proof))
    for note in draft.notes:
        _say(console, f"note: {note}")
    if draft.goal.metric.startswith("test") or "_test" in draft.goal.metric:
        _say(
            console,
            "note: tuning on a test metric makes it look better than it is: report a validation"
            " metric, and keep the test data for the end",
        )
    _say(console, f"wrote {output}; check it, then: trialwright run {output}")


def _settings(draft: Draft) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title_justify="left")
    for name in ("setting", "default", "what init does", "why"):
        table.add_column(name, overflow="fold", no_wrap=name == "setting")
    for guess in draft.guesses:
        default = str(guess.setting.default) if guess.setting.known else "?"
        match guess:
            case Tuned(parameter=parameter, note=note):
                words = domain(parameter).partition(", default")[0].strip("{}")
                row = (guess.setting.name, default, f"tunes {words}", note)
            case Passed(value=value, note=note):
                row = (guess.setting.name, default, f"passes {value}", note)
            case Left(why=why):
                row = (guess.setting.name, default, "leaves it", why)
        table.add_row(*map(Text, row), style="" if isinstance(guess, Tuned) else "bright_black")
    return table


def proof_line(draft: Draft, proof: Proof) -> str:
    """Say what the dry run showed."""
    observation = proof.observation
    text = (
        f"dry run: {draft.goal.metric} = {proof.series[-1]:.6g} after {observation.seconds:.1f} s"
    )
    if len(proof.series) > 1:
        text += f", reported {len(proof.series)} times"
    if observation.cause == "timed_out":
        text += "; it was stopped at the time limit, so a whole run takes longer"
    return text


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
