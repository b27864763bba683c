"""A coding agent's command line as a model: a prompt on its standard input, JSON in what it prints.

Such programs (`claude -p`, `codex exec`, `gemini -p`) print whatever they like around their answer:
the last JSON object that fits counts. They call no tools of ours, and count no tokens.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

import psutil
from pydantic import ValidationError

from trialwright.errors import ProposerError
from trialwright.llm import providers
from trialwright.llm.question import Allowance, Answer, Question, Repair, Reply
from trialwright.llm.tape import FAILED, Player, Recorder, Tape, Turn, timed
from trialwright.records import Exchange
from trialwright.task import Agent

LARGEST = 1 << 20
"""Bytes of a program's output that are looked at: the last ones."""

AFTERWARDS_S = 1.0
"""Seconds for the last words of a program that has ended."""

CHARACTERS = 4
"""Characters per token, about, in English and in JSON."""


def consult(
    agent: Agent, question: Question[Answer], *, environ: Mapping[str, str], tape: Tape | None
) -> Reply[Answer]:
    """Hold one conversation with a program: a start of it per answer."""
    began = time.monotonic()
    prompt = f"{question.instructions}\n\n{question.prompt}\n\n{_form(question)}"
    complaint, causes = "", list[str]()
    read = written = requests = 0
    answer: Answer | None = None
    detail = ""
    turn = Turn(agent.name, question.purpose, question.turn)
    for _ in range(1 + question.repairs):
        text = prompt + complaint
        try:
            _pay(agent, question, read, written, began=began)
            printed = _print(agent, text, environ=environ, tape=tape, turn=turn)
        except ProposerError as error:
            detail = str(error)
            break
        requests += 1
        read, written = read + len(text), written + len(printed)
        try:
            answer = _parsed(printed, question)
            detail = ""
            break
        except Repair as repair:
            causes.append(repair.cause)
            detail = str(repair)
            complaint = f"\n\nYour last answer can't be used: {repair}\nGive a better one."
    exchange = Exchange(
        by=agent.name,
        purpose=question.purpose,
        model=" ".join(agent.cli),
        requests=requests,
        input_tokens=read // CHARACTERS,
        output_tokens=written // CHARACTERS,
        estimated=True,
        usd=_dollars(agent, read, written),
        seconds=round(time.monotonic() - began, 3),
        repairs=tuple(causes),
        outcome="answered" if answer is not None else "failed",
        detail=detail,
    )
    return Reply(answer, timed(exchange, turn, tape))


def _form(question: Question[Answer]) -> str:
    schema = json.dumps(question.answer.model_json_schema(), separators=(",", ":"))
    return f"Answer with one JSON object of this schema, and nothing behind it:\n{schema}"


def _dollars(agent: Agent, read: int, written: int) -> float | None:
    found = providers.price(agent, read // CHARACTERS, written // CHARACTERS)
    return None if found is None else float(found)


def _pay(
    agent: Agent, question: Question[Answer], read: int, written: int, *, began: float
) -> None:
    """Look at the caps before a start.

    Raises:
        ProposerError: one is reached.
    """
    tokens, usd = (read + written) // CHARACTERS, providers.price(agent, read, written)
    cost = Allowance(
        tokens=tokens,
        usd=None if usd is None else usd / CHARACTERS,
        seconds=time.monotonic() - began,
    )
    if question.allowance.less(cost).spent:
        raise ProposerError("the study's cap for language models is reached")


def _print(
    agent: Agent, text: str, *, environ: Mapping[str, str], tape: Tape | None, turn: Turn
) -> str:
    """What the program prints.

    Raises:
        ProposerError: it can't be started, failed, or took too long.
    """
    if isinstance(tape, Player):
        recorded = tape.next(turn)
        if FAILED in recorded:
            raise ProposerError(recorded[FAILED])
        return str(recorded["printed"])
    try:
        printed = _run(agent, text, environ)
    except ProposerError as error:
        if isinstance(tape, Recorder):
            tape.keep(turn, {FAILED: str(error)})
        raise
    if isinstance(tape, Recorder):
        tape.keep(turn, {"printed": printed})
    return printed


def _run(agent: Agent, text: str, environ: Mapping[str, str]) -> str:
    # Not in the task's folder: it is asked for an answer, and has no business with the files.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as prompt:
        # A file, so that a program may leave its prompt unread, or read it late.
        prompt.write(text.encode(errors="replace"))
        prompt.seek(0)
        try:
            process = subprocess.Popen(
                agent.cli,
                stdin=prompt,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as error:
            raise ProposerError(f"{agent.cli[0]} can't be started: {error.strerror}") from None
        printed, said = _Tail(process.stdout), _Tail(process.stderr)
        try:
            process.wait(agent.timeout_s)
        except subprocess.TimeoutExpired:
            raise ProposerError(f"{agent.cli[0]} gave no answer in {agent.timeout_s:g} s") from None
        finally:
            _end(process)
            answer, words = printed.text(), said.text()
    if process.returncode != 0:
        last = (words.strip() or answer.strip()).splitlines()[-1:] or ["it said nothing"]
        raise ProposerError(
            f"{agent.cli[0]} ended with status {process.returncode}: {last[0][:300]}"
        )
    return answer


class _Tail:
    """Reads a pipe to its end on a thread of its own, and keeps the last `LARGEST` bytes."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        """Return what was printed, once every process that could print is gone."""
        # One that got away may hold the pipe: its words are not waited for.
        self._thread.join(AFTERWARDS_S)
        return bytes(self._kept[-LARGEST:]).decode(errors="replace")

    def _read(self) -> None:
        with self._pipe:
            while part := os.read(self._pipe.fileno(), 1 << 16):
                self._kept += part
                if len(self._kept) > 2 * LARGEST:
                    del self._kept[:-LARGEST]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started, in whatever session that is."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for one in family:
        with contextlib.suppress(psutil.Error):
            one.kill()
    process.wait()


def _parsed(printed: str, question: Question[Answer]) -> Answer:
    """The last object that fits.

    Raises:
        Repair: none does, or it can't be used.
    """
    complaint = "it holds no JSON object"
    for found in reversed(list(objects(printed))):
        try:
            answer = question.answer.model_validate(found)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            complaint = f"{where}: {first['msg']}" if where else first["msg"]
            continue
        question.check(answer)
        return answer
    raise Repair(complaint, cause="format")


def objects(printed: str) -> Iterator[Mapping[str, Any]]:
    """Yield every outermost JSON object in a text; one wrapped in a `result` is unwrapped."""
    decoder = json.JSONDecoder()
    at = printed.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(printed, at)
        except (ValueError, RecursionError):
            at = printed.find("{", at + 1)
            continue
        yield found
        # `claude -p --output-format json` prints its answer as a text in an object.
        inner = found.get("result") if isinstance(found, dict) else None
        if isinstance(inner, str):
            yield from objects(inner)
        at = printed.find("{", end)
