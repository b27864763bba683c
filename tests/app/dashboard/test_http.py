"""The dashboard over HTTP: who may come in, what pages say, what forms bring into the ledger."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.app.commands import clear, command, environment, lay_out, ran
from tests.app.dashboard.serving import TOKEN, Visitor, long_study, served, text_of, until
from tests.histories import DEFAULTS, NETWORK, Recorder, network_task, run_network, study_history
from tests.report.test_write import HOSTILE, hostile, stages
from trialwright.app.dashboard.guard import Door
from trialwright.app.dashboard.tails import Tail, last_line
from trialwright.errors import StudyError
from trialwright.execute.runner import run_folder
from trialwright.history import read
from trialwright.records import Proposal, Request, RunKey

RESULTS = Path("runs") / "toy"
PAGES = ("", "team", "tree", "notebook", "t/0", "t/0/log/0.0", "trials.json", "progress.json")


def has_run(folder: Path, *, trials: int = 2) -> Path:
    """Run a small study of the shell to its end; its folder of results."""
    lay_out(folder, trials=trials)
    answer = ran(folder, "run", "--plain")
    assert answer.returncode == 0, answer.stderr
    return folder / RESULTS


# -- who may come in


def test_the_token_is_required_everywhere(tmp_path: Path) -> None:
    """Without it, or with a wrong one, no address tells anything, and no form does anything."""
    study_history(tmp_path / "digits", trials=2)
    with served(tmp_path) as visitor:
        stranger = Visitor(visitor.door, tmp_path)
        key = visitor.key(tmp_path / "digits")
        for path in ("/", "/events", "/static/live.js", *(f"/s/{key}/{page}" for page in PAGES)):
            assert stranger.get(path).status == 401, path
            assert "digits" not in stranger.get(path).text
        assert stranger.get("/?token=wrong").status == 401
        assert stranger.get("/", Authorization="Bearer wrong").status == 401
        assert stranger.get("/", Cookie=f"{visitor.door.cookie}=wrong").status == 401
        assert stranger.post(f"/s/{key}/steer", {"text": "hello"}).status == 401
        assert stranger.post(f"/s/{key}/steer?token={TOKEN}", {"text": "hello"}).status == 401
        assert read(tmp_path / "digits").wishes == []


def test_the_token_is_traded_for_a_cookie(tmp_path: Path) -> None:
    """It goes out of the address; the cookie is for no script and no other site, and lets in."""
    study_history(tmp_path / "digits", trials=2)
    with served(tmp_path) as visitor:
        stranger = Visitor(visitor.door, tmp_path)
        answer = stranger.get(f"/?token={TOKEN}&a=b")
        assert answer.status == 303
        assert answer.headers["location"] == "/?a=b"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert TOKEN not in cookie
        stranger.cookie = cookie.partition(";")[0]
        assert stranger.get("/").status == 200
        assert visitor.get("/", Cookie="", Authorization=f"Bearer {TOKEN}").status == 200
        # Two slashes would name another host.
        away = Visitor(visitor.door, tmp_path).get(f"//evil.example/?token={TOKEN}")
        assert away.headers["location"] == "/evil.example/"


def test_other_hosts_and_other_sites_are_refused(tmp_path: Path) -> None:
    """A name bound to this machine by others gets nothing, nor does another site's page."""
    study_history(tmp_path / "digits", trials=2)
    with served(tmp_path) as visitor:
        port = visitor.door.port
        assert visitor.get("/", Host=f"evil.example:{port}").status == 403
        assert visitor.get("/", Host="127.0.0.1:1").status == 403
        assert visitor.get("/", Host=f"localhost:{port}").status == 200
        assert visitor.get("/", Origin="http://evil.example").status == 403
        assert visitor.get("/", Origin=f"http://127.0.0.1:{port + 1}").status == 403
        path = f"/s/{visitor.key(tmp_path / 'digits')}/steer"
        for headers in ({"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}):
            assert visitor.post(path, {"text": "hello"}, **headers).status == 403
        assert read(tmp_path / "digits").wishes == []


def test_a_door_to_the_network_knows_its_names() -> None:
    """Addresses can't be bound by others, so that any will do; names are its own alone."""
    door = Door("0.0.0.0", 80, TOKEN)
    assert door.names("[fd00::7]:80")
    assert not door.names("evil.example:80")
    assert Door("lab.example", 80, TOKEN).names("lab.example:80")
    assert not Door("lab.example", 80, TOKEN).names("[fd00::7]:80")


def test_every_answer_forbids_scripts_from_elsewhere(tmp_path: Path) -> None:
    """The policy is with each page, also with refusals; no page has an inline script or style."""
    study_history(tmp_path / "digits", trials=3)
    with served(tmp_path) as visitor:
        key = visitor.key(tmp_path / "digits")
        for path in ("/", "/nowhere", *(f"/s/{key}/{page}" for page in PAGES)):
            answer = visitor.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self';" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", answer.text)


def test_a_form_needs_the_secret_of_a_page(tmp_path: Path) -> None:
    """Without it, or with another, nothing reaches the ledger; nor does a form without an end."""
    folder = has_run(tmp_path)
    with served(tmp_path / "runs") as visitor:
        key = visitor.key(folder)
        before = read(folder).sequence
        for csrf in ("", "wrong", TOKEN):
            for form in ({"text": "hello"}, {"trial": "0", "seeds": "1"}):
                for action in ("steer", "stop", "prune", "rerun", "replicate"):
                    answer = visitor.post(f"/s/{key}/{action}", {**form, "csrf": csrf})
                    assert answer.status == 403
        assert visitor.post(f"/s/{key}/steer", {"text": "x" * 40_000}).status == 413
        assert visitor.get(f"/s/{key}/steer").status == 405
        assert read(folder).sequence == before


def test_the_command_lets_in_whom_it_tells_and_ends_at_once(tmp_path: Path) -> None:
    """It prints its address; a Ctrl-C ends it with 0, also while a page is open."""
    study_history(tmp_path / "digits", trials=2)
    process = subprocess.Popen(
        command("dashboard", str(tmp_path), "--port", "0"),
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        found = re.match(r"dashboard: http://127\.0\.0\.1:(\d+)/\?token=(\S{20,})", _line(process))
        assert found
        door = Door("127.0.0.1", int(found[1]), found[2])
        answer = Visitor(door, tmp_path).get(f"/?token={found[2]}")
        visitor = Visitor(door, tmp_path, answer.headers["set-cookie"].partition(";")[0])
        with visitor.events("/events") as events:
            assert next(events)[0] == "message"
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return line


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--host", "0.0.0.0"), "choose a --token"),
        (("--token", "short"), "too short"),
        (("nowhere",), "does not exist"),
        (("--host", "nowhere.invalid", "--token", TOKEN), "no address of this machine"),
    ],
)
def test_the_command_refuses_what_is_not_safe(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    """A host that others can reach needs a token on purpose; errors say what to do."""
    (tmp_path / "runs").mkdir()
    answer = ran(tmp_path, "dashboard", "--port", "0", *words)
    clear(answer)
    assert why in answer.stderr


# -- what pages say


@pytest.mark.parametrize(
    "stage", ["opened", "queued", "running", "all failed", "one trial", "mid-run"]
)
def test_pages_at_every_stage(tmp_path: Path, stage: str) -> None:
    """Every page can be seen from the first record on."""
    history = stages(tmp_path / "digits", stage)
    with served(tmp_path) as visitor:
        key = visitor.key(tmp_path / "digits")
        assert "digits" in visitor.get("/").text
        for page in ("", "team", "tree", "notebook", "trials.json", "progress.json"):
            assert visitor.get(f"/s/{key}/{page}").status == 200, page
        for trial in history.trials:
            for page in ("", "/curves.json"):
                assert visitor.get(f"/s/{key}/t/{trial.number}{page}").status == 200
        assert visitor.get(f"/s/{key}/t/{len(history.trials)}").status == 404


def test_a_study_says_how_it_stands(tmp_path: Path) -> None:
    """Its list, its page and its best agree with the ledger."""
    history = study_history(tmp_path / "digits", trials=20, replicates=2)
    best = history.best()
    assert best is not None
    assert best.value is not None
    with served(tmp_path) as visitor:
        key = visitor.key(tmp_path / "digits")
        listed = text_of(visitor.get("/").text)
        assert f"{best.value:.5g} (trial {best.number})" in listed
        page = text_of(visitor.get(f"/s/{key}/").text)
        assert "ended All trials of the budget are done." in page
        assert f"val_accuracy = {best.value:.5g}" in page
        assert f"20 of 20: {len(history.done())} with a result" in page
        assert (
            visitor.get(f"/s/{key}/progress.json")
            .json["reading"]
            .startswith(f"{len(history.done())} results")
        )


def test_a_trial_tells_all_that_is_known(tmp_path: Path) -> None:
    """Values against the parent's, why, prediction, verdict, diagnosis, how to run it again."""
    history = study_history(tmp_path / "digits", trials=12)
    trial = next(t for t in history.trials if t.proposal.hypothesis and t.value is not None)
    assert trial.verdict is not None
    assert trial.run is not None
    assert trial.run.diagnosis is not None
    with served(tmp_path) as visitor:
        path = f"/s/{visitor.key(tmp_path / 'digits')}/t/{trial.number}"
        page = text_of(visitor.get(path).text)
        for said in (
            trial.proposal.rationale,
            f"{trial.value:.5g}",
            "Predicted",
            "Verdict",
            trial.run.diagnosis.sentence,
            f"trialwright rerun {trial.number} {tmp_path / 'digits'}",
            "python train.py",
        ):
            assert said in page
        parent = history.trials[trial.proposal.parent or 0]
        changed = [n for n, v in trial.configuration.items() if parent.configuration.get(n) != v]
        rows = visitor.get(path).text.split("<tr")
        marked = [r for r in rows if r.startswith(' class="changed"')]
        assert [name for name in changed if any(f">{name}<" in row for row in marked)] == changed
        assert visitor.get(f"{path}/curves.json").json["reading"] == (
            "val_accuracy over the steps of 1 run."
        )


def test_the_leaderboard_comes_in_windows(tmp_path: Path) -> None:
    """Any order, either way, from anywhere; the best first, whoever has no value last."""
    history = study_history(tmp_path / "digits", trials=30)
    best = history.best()
    assert best is not None
    with served(tmp_path) as visitor:
        path = f"/s/{visitor.key(tmp_path / 'digits')}/trials.json"
        told = visitor.get(f"{path}?count=200").json
        assert told["total"] == 30
        assert told["best"] == told["rows"][0]["number"] == best.number
        values = [row["value"] for row in told["rows"]]
        without = values.count("–")
        assert values[len(values) - without :] == ["–"] * without
        ranked = [float(value) for value in values[1 : len(values) - without]]
        assert ranked == sorted(ranked, reverse=True)
        window = visitor.get(f"{path}?first=10&count=5").json
        assert window["rows"] == told["rows"][10:15]
        numbers = visitor.get(f"{path}?order=number&down=1&count=3").json["rows"]
        assert [row["number"] for row in numbers] == [29, 28, 27]
        assert visitor.get(f"{path}?first=99&count=9").json["rows"] == []
        for wrong in ("order=oldest", "first=-1", "count=x", "first=%C2%B2"):
            assert visitor.get(f"{path}?{wrong}").status == 409


def test_a_long_study_is_told_in_bounds(tmp_path: Path) -> None:
    """However many are asked for, at most 200 rows come; the figure has a bounded size."""
    long_study(tmp_path / "long", trials=5000)
    with served(tmp_path) as visitor:
        path = f"/s/{visitor.key(tmp_path / 'long')}"
        told = visitor.get(f"{path}/trials.json?count=100000").json
        assert (told["total"], len(told["rows"])) == (5000, 200)
        assert told["best"] == 999
        figure = visitor.get(f"{path}/progress.json").json["spec"]
        assert figure.count("hovertext") == 3
        assert 1000 < figure.count("discarded") < 2500


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """What agents and logs wrote makes no element, on any page, and no escape comes through."""
    hostile(tmp_path / "bad")
    with served(tmp_path) as visitor:
        path = f"/s/{visitor.key(tmp_path / 'bad')}"
        pages = ("/", *(f"{path}/{p}" for p in ("", "team", "notebook", "tree", "t/2", "t/3")))
        for page in pages:
            content = visitor.get(page).text
            assert "alert" in content
            assert "<img src=x" not in content
            assert len(re.findall("<script", content)) == len(re.findall("<script defer", content))
            assert "\x1b" not in content
            assert "\u202e" not in content
            assert " 49 " not in content
        assert "<script" not in visitor.get(f"{path}/tree.svg").text


# -- what changes


def test_a_change_of_the_ledger_is_an_event(tmp_path: Path) -> None:
    """A stream tells of the state at once, then of each change; the page has it by then."""
    folder = has_run(tmp_path)
    with served(tmp_path / "runs") as visitor:
        key = visitor.key(folder)
        with visitor.events(f"/s/{key}/events") as events, visitor.events("/events") as all_events:
            first, first_of_all = next(events), next(all_events)
            answer = ran(tmp_path, "steer", "look at small rates")
            assert answer.returncode == 0, answer.stderr
            assert next(events) != first
            assert next(all_events) != first_of_all
            assert "look at small rates" in visitor.get(f"/s/{key}/").text


def test_studies_come_and_go(tmp_path: Path) -> None:
    """One that begins shows up, one that is gone goes, one that began anew is read anew."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    with served(tmp_path) as visitor:
        assert "There are no studies here yet" in visitor.get("/").text
        study_history(tmp_path / "digits", trials=4)
        study_history(tmp_path / "deep" / "er" / "losses", trials=3)
        until(lambda: visitor.get("/").text.count('class="card"') == 2)
        path = f"/s/{visitor.key(tmp_path / 'digits')}/trials.json"
        assert visitor.get(path).json["total"] == 4
        shutil.rmtree(tmp_path / "digits")
        study_history(tmp_path / "digits", trials=3, direction="minimize")
        assert visitor.get(path).json["total"] == 3
        shutil.rmtree(tmp_path / "digits")
        until(lambda: visitor.get("/").text.count('class="card"') == 1)
        until(lambda: visitor.get(path).status == 404)


def test_a_broken_ledger_hides_no_other(tmp_path: Path) -> None:
    """The list says which can't be read, and why; the others are there."""
    study_history(tmp_path / "digits", trials=3)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "ledger.db").write_bytes(b"no database at all" * 100)
    with served(tmp_path) as visitor:
        page = text_of(visitor.get("/").text)
        assert "A study can't be read." in page
        assert "digits ended" in page
        broken = visitor.get(f"/s/{visitor.key(tmp_path / 'torn')}/")
        assert broken.status == 409
        assert "That did not work" in broken.text


def test_one_study_is_shown_at_once(tmp_path: Path) -> None:
    """Named by its folder or by its file, the first page is its own."""
    folder = has_run(tmp_path)
    for named in (folder, tmp_path / "study.yaml"):
        with served(named) as visitor:
            answer = visitor.get("/")
            assert answer.status == 303
            assert "<h1>toy</h1>" in visitor.get(answer.headers["location"]).text


# -- what is asked for


def test_a_wish_reaches_the_ledger(tmp_path: Path) -> None:
    """Words are kept, and what became of them is said once and then shown with the wish."""
    folder = has_run(tmp_path)
    with served(tmp_path / "runs") as visitor:
        path = f"/s/{visitor.key(folder)}/"
        answer = visitor.post(f"{path}steer", {"text": "  look at\nsmall rates  "})
        assert answer.status == 303
        assert [wish.text for wish in read(folder).wishes] == ["look at small rates"]
        assert "Noted; whoever proposes" in visitor.get(answer.headers["location"]).text
        assert "Noted" not in visitor.get(f"{path}?said=Noted").text
        refused = visitor.post(f"{path}steer", {"text": "try lr=0.5"})
        said = text_of(visitor.get(refused.headers["location"]).text)
        assert "all 2 trials of the budget are done" in said
        assert visitor.post(f"{path}steer", {"text": "   "}).status == 409


def test_more_runs_are_asked_for(tmp_path: Path) -> None:
    """Once more, and more seeds: requests that the next `run` serves; nonsense is refused."""
    folder = has_run(tmp_path)
    with served(tmp_path / "runs") as visitor:
        path = f"/s/{visitor.key(folder)}"
        again = visitor.post(f"{path}/rerun", {"trial": "1"})
        assert again.headers["location"].startswith(f"{path}/t/1?said=")
        assert visitor.post(f"{path}/replicate", {"trial": "0", "seeds": "2"}).status == 303
        for form in ({"trial": "9", "seeds": "1"}, {"trial": "0", "seeds": "0"}, {"trial": "x"}):
            assert visitor.post(f"{path}/replicate", form).status == 409
        asked = [request for _, request in read(folder).requests]
        assert asked == [
            Request(what="rerun", trial=1),
            Request(what="replicate", trial=0, seeds=2),
        ]
        assert ran(tmp_path, "run", "--plain").returncode == 0
        assert read(folder).launches == 5
        assert "3 seeds" in visitor.get(f"{path}/t/0").text


def test_a_running_study_is_stopped(tmp_path: Path) -> None:
    """After its running trials: it ends in order, and its page says so."""
    lay_out(tmp_path, trials=500, sleep=0.2)
    process = subprocess.Popen(
        command("run", "--plain"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    folder = tmp_path / RESULTS
    try:
        until(lambda: (folder / "ledger.db").exists() and read(folder).launches > 0)
        with served(tmp_path / "runs") as visitor:
            path = f"/s/{visitor.key(folder)}/"
            until(lambda: "running" in text_of(visitor.get(path).text))
            answer = visitor.post(f"{path}stop", {"now": "0"})
            assert "Asked to stop" in visitor.get(answer.headers["location"]).text
            assert process.wait(60) == 0
            page = text_of(visitor.get(path).text)
            assert "stopped Stopped on request" in page
            nothing = visitor.post(f"{path}stop", {"now": "1"})
            assert "Nothing is running" in visitor.get(nothing.headers["location"]).text
    finally:
        process.kill()
        process.wait()


# -- logs


def with_log(folder: Path, log: bytes) -> Path:
    """A study of one trial whose run has this log; the log's path."""
    recorder = Recorder(folder, network_task())
    run_network(
        recorder, recorder.launch(recorder.admit(Proposal(configuration=DEFAULTS, by="expert")))
    )
    recorder.close()
    path = run_folder(folder, RunKey(0, 0, 0)) / "stdout.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(log)
    return path


def lines_of(visitor: Visitor, folder: Path) -> tuple[list[str], object]:
    """Read the log of the first run to its end; its lines, and what the last event was."""
    lines: list[str] = []
    with visitor.events(f"/s/{visitor.key(folder)}/t/0/log/0.0/events") as events:
        for kind, data in events:
            if kind == "problem":
                return lines, data
            assert isinstance(data, list)
            lines += data
            if kind == "end":
                return lines, kind
    raise AssertionError("the stream has no end")


def test_a_log_is_read_to_its_end_without_escapes(tmp_path: Path) -> None:
    """Colours and bars that redraw a line come as plain lines, the last one without an end, too."""
    folder = tmp_path / "digits"
    with_log(folder, b"\x1b[31mred\x1b[0m <b>\r 10%\r 20%\r\nend \xff")
    with served(tmp_path) as visitor:
        assert lines_of(visitor, folder) == (["red <b>", " 10%", " 20%", "end \ufffd"], "end")


def test_no_link_leads_out_of_a_study(tmp_path: Path) -> None:
    """A log that is a link, a pipe, or in a folder that is a link, is not read."""
    secret = tmp_path / "secret.txt"
    secret.write_text("very secret")
    for name in ("link", "pipe", "folder"):
        path = with_log(tmp_path / "runs" / name, b"fine\n")
        path.unlink()
        if name == "link":
            path.symlink_to(secret)
        elif name == "pipe":
            os.mkfifo(path)
        else:
            path.parent.rmdir()
            (tmp_path / "elsewhere").mkdir()
            (tmp_path / "elsewhere" / "stdout.log").write_text("very secret")
            path.parent.symlink_to(tmp_path / "elsewhere")
    with served(tmp_path / "runs") as visitor:
        for name in ("link", "pipe", "folder"):
            lines, last = lines_of(visitor, tmp_path / "runs" / name)
            assert lines == []
            assert "not a file of the study" in str(last)
        for path in ("/static/..%2fserver.py", "/static/%2e%2e/server.py", "/s/..%2f..%2fetc/"):
            assert visitor.get(path).status == 404
        key = visitor.key(tmp_path / "runs" / "link")
        assert visitor.get(f"/s/{key}/t/0/log/0.1").status == 404
        assert visitor.get(f"/s/{key}/t/0/log/..%2f0.0").status == 404


def test_a_metric_held_out_is_not_in_logs(tmp_path: Path) -> None:
    """Before the study is over its numbers are veiled, also in the last line of a running one."""
    folder = tmp_path / "digits"
    path = with_log(folder, b"epoch 1 test_f1=0.71\nepoch 2 test_f1=0.72\n")
    hidden = network_task(heldout="test_f1")
    lines = Tail(path, folder, hidden).more()
    assert len(lines) == 2
    assert not any("0.7" in line for line in lines)
    assert "0.7" not in last_line(path, folder, hidden)
    assert "0.72" in last_line(path, folder, None)


def test_a_long_log_begins_at_its_end_and_goes_on(tmp_path: Path) -> None:
    """Of a large log the latest lines come, whole; then what it grows by; if cut, it all."""
    path = with_log(tmp_path, b"".join(b"line %06d\n" % n for n in range(40_000)))
    tail = Tail(path, tmp_path)
    lines = tail.more()
    assert lines[-1] == "line 039999"
    assert 1000 < len(lines) < 40_000
    assert all(re.fullmatch(r"line \d{6}", line) for line in lines)
    with path.open("ab") as log:
        log.write(b"more\nhalf")
    assert tail.more() == ["more"]
    assert tail.more() == []
    path.write_bytes(b"anew\n")
    assert tail.more() == ["anew"]
    with pytest.raises(StudyError, match="not a file"):
        Tail(tmp_path / "trials", tmp_path).more()


def test_a_diff_is_shown_line_by_line(tmp_path: Path) -> None:
    """A study of code shows what a trial changes, escaped, each line as what it is."""
    from tests.report.test_lineage import BETTER, study

    study(tmp_path / "code", {"train.py": BETTER + "# <script>alert(1)</script>\n"})
    with served(tmp_path) as visitor:
        path = f"/s/{visitor.key(next(p.parent for p in tmp_path.rglob('ledger.db')))}"
        pages = [visitor.get(f"{path}/t/{n}").text for n in range(2)]
        diff = next(page for page in pages if 'class="diff"' in page)
        assert '<span class="more">+# &lt;script&gt;alert(1)&lt;/script&gt;' in diff
        assert "<script>alert" not in diff


def test_names_of_parameters_stay_text(tmp_path: Path) -> None:
    """Also a parameter's name may look like markup."""
    recorder = Recorder(tmp_path / "bad", network_task(space=NETWORK))
    strange = {**DEFAULTS, HOSTILE: 1.0}
    run_network(
        recorder, recorder.launch(recorder.admit(Proposal(configuration=strange, by="expert")))
    )
    recorder.admit(Proposal(configuration={**strange, HOSTILE: 2.0}, by="expert", parent=0))
    recorder.close()
    with served(tmp_path) as visitor:
        path = f"/s/{visitor.key(tmp_path / 'bad')}"
        for page in ("", "t/0", "t/1", "team", "tree"):
            answer = visitor.get(f"{path}/{page}")
            assert answer.status == 200
            assert "<img" not in answer.text.replace('<img src="/s/', "")
        assert "alert(1)" in visitor.get(f"{path}/t/1").text
        assert "<img" not in visitor.get(f"{path}/tree.svg").text
