"""The collector: each route that metrics take, with real processes and real files."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialwright.execute.metrics import Collector
from trialwright.execute.points import LONGEST_SERIES, Points
from trialwright.task import MetricRoute

Point = tuple[float, dict[str, float]]


def fed(
    text: str, *patterns: str, chunk: int = 7, rename: dict[str, str] | None = None
) -> Collector:
    """Feed output in small pieces to a collector, to its end."""
    route = MetricRoute(patterns=patterns, rename=rename or {})
    collector = Collector(route, workdir=Path("/nowhere"))
    data = text.encode()
    for start in range(0, len(data), chunk):
        collector.feed(data[start : start + chunk])
    collector.finish()
    return collector


def printed(code: str, *patterns: str) -> Collector:
    """Run a Python script for real, and collect what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        timeout=60,
    )
    return fed(done.stdout.decode(), *patterns)


def points(collector: Collector, metric: str) -> list[tuple[float, float]]:
    """A metric's (step, value) in the recorded curve."""
    return collector.curve().points(metric)


class TestTaggedLines:
    """What `emit` and programs in other languages print."""

    def test_a_real_script_that_emits(self) -> None:
        """Points of one step become one, and `final` is seen."""
        collector = printed(
            "from trialwright import emit\n"
            "for epoch in (1, 2):\n"
            "    emit(step=epoch, loss=1 / epoch)\n"
            "    emit(step=epoch, f1=epoch / 4)\n"
            "emit(final=True, test_f1=0.4)\n"
        )
        assert collector.final
        assert collector.curve().steps == (1.0, 2.0)
        assert points(collector, "loss") == [(1.0, 1.0), (2.0, 0.5)]
        assert collector.last == {"loss": 0.5, "f1": 0.5, "test_f1": 0.4}

    def test_a_real_script_in_another_language(self) -> None:
        """A shell prints the same line with `printf`, NaN as C writes it included."""
        script = (
            'printf \'@trialwright {"step": 1, "metrics": {"loss": %f}}\\n\' 0.25;'
            'printf \'@trialwright {"epoch": 2, "loss": -nan, "lr": inf, "final": true}\\n\''
        )
        done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=60)
        collector = fed(done.stdout.decode())
        assert points(collector, "loss")[0] == (1.0, 0.25)
        assert math.isnan(collector.last["loss"])
        assert collector.last["lr"] == math.inf
        assert collector.final

    @pytest.mark.parametrize(
        "line",
        [
            'text before @trialwright {"y": 1}',
            '50%|####    | 5/10\r@trialwright {"y": 1}',
            '\r 10%|#  | 1/10 [00:01]@trialwright {"y": 1}',
            '\x1b[32m@trialwright {"y": 1}\x1b[0m and behind it',
            '2026-01-01 INFO worker-3: @trialwright   {"metrics": {"y": 1}, "note": "text"}',
            '@trialwright {"y": 1, "ok": true, "name": "a", "nothing": null, "list": [1]}',
            '@trialwright {"y": 0} @trialwright {"step": 1, "y": 1}',
        ],
    )
    def test_the_tag_may_stand_anywhere(self, line: str) -> None:
        """Behind progress bars, colours and prefixes, twice on a line, and before other text."""
        collector = fed(f"noise\n{line}\nnoise\n")
        assert collector.last == {"y": 1.0}
        assert collector.curve().steps == (1.0,)

    @pytest.mark.parametrize(
        "line",
        [
            "@trialwright",
            "@trialwright {",
            "@trialwright [1, 2]",
            '@trialwright {"y": "high"}',
            '@trialwright {"y": true}',
            '@trialwright {"y": ' + "9" * 5000 + "}",
            "@trialwright " + '{"y":' * 3000,
            "@trialwright " + "[" * 100_000,
            '@trialwright {"' + "n" * 300 + '": 1}',
        ],
    )
    def test_broken_lines_are_passed_over(self, line: str) -> None:
        """Torn, nested without end, huge or meaningless lines neither count nor raise."""
        collector = fed(f'{line}\n@trialwright {{"z": 2}}\n', chunk=4096)
        assert collector.last == {"z": 2.0}

    def test_without_a_step_each_metric_counts_from_one(self) -> None:
        """Metrics of different frequency count by themselves, and go on behind a given step."""
        collector = fed(
            '@trialwright {"loss": 3}\n@trialwright {"loss": 2}\n'
            '@trialwright {"loss": 1, "f1": 0.5}\n'
            '@trialwright {"step": 10, "f1": 0.6}\n@trialwright {"f1": 0.7}\n'
        )
        assert points(collector, "loss") == [(1, 3), (2, 2), (3, 1)]
        assert points(collector, "f1") == [(1, 0.5), (10, 0.6), (11, 0.7)]

    def test_a_line_without_its_end_counts_at_the_end(self) -> None:
        """The last line needs no newline, but is not read before the run is over."""
        collector = Collector(MetricRoute(), workdir=Path("/nowhere"))
        assert collector.feed(b'@trialwright {"y": 1') == []
        assert collector.feed(b"5}") == []
        assert collector.finish() == [(1.0, {"y": 15.0})]

    def test_a_line_of_over_a_mebibyte_is_dropped(self) -> None:
        """It fills no memory, hides no line behind it, and is said to be missing."""
        collector = Collector(MetricRoute(), workdir=Path("/nowhere"))
        collector.feed(b'@trialwright {"y": 1, "text": "')
        for _ in range(40):
            collector.feed(b"x" * 65536)
        collector.feed(b'"}\n@trialwright {"z": 2}\n')
        assert collector.last == {"z": 2.0}
        assert any("1 MiB" in problem for problem in collector.problems)

    def test_invalid_utf8_survives(self) -> None:
        """Bytes that are no text do not disturb what stands around them."""
        collector = Collector(MetricRoute(patterns=("acc (?P<acc>.*)",)), workdir=Path("/nowhere"))
        collector.feed(b'\xff\xfe caf\xe9 @trialwright {"y": 1}\n\xe9 acc 0.5\n')
        assert collector.last == {"y": 1.0, "acc": 0.5}

    @given(
        st.lists(
            st.one_of(
                st.just(b'@trialwright {"step": 2, "y": 1}\n'),
                st.just(b"@trialwright "),
                st.binary(max_size=30),
            ),
            max_size=12,
        ),
        st.integers(1, 40),
    )
    @settings(deadline=None, max_examples=150)
    def test_how_output_is_cut_makes_no_difference(self, parts: list[bytes], size: int) -> None:
        """Any bytes, cut anywhere, give the same metrics as in one piece."""
        data = b"".join(parts)
        route = MetricRoute(patterns=(r"(?P<z>\d+)",))
        whole, pieces = (Collector(route, workdir=Path("/nowhere")) for _ in range(2))
        whole.feed(data)
        for start in range(0, len(data), size):
            pieces.feed(data[start : start + size])
        whole.finish()
        pieces.finish()
        assert repr(whole.curve()) == repr(pieces.curve())


class TestPatterns:
    """Regular expressions over output, with no change to the script."""

    def test_a_real_script_that_prints(self) -> None:
        """Named groups are metrics; `epoch` is the step; a percentage keeps its number."""
        collector = printed(
            "for e in (1, 2): print(f'Epoch {e}: val_loss={1/e:.4f} acc: {40*e:.1f}%')",
            r"Epoch (?P<epoch>\d+): val_loss=(?P<val_loss>\S+) acc: (?P<acc>\S+)",
        )
        assert points(collector, "val_loss") == [(1, 1.0), (2, 0.5)]
        assert points(collector, "acc") == [(1, 40.0), (2, 80.0)]

    def test_progress_bars_and_colours(self) -> None:
        """A bar that rewrites its line is read each time; colour codes do not stand in the way."""
        collector = printed(
            "import sys\n"
            "for i in range(3):\n"
            "    sys.stderr.write(f'\\r{i}/3 [\\x1b[1mf1=\\x1b[32m0.{i}\\x1b[0m]')\n",
            r"f1=(?P<f1>[\d.]+)",
        )
        assert collector.series("f1") == [0.0, 0.1, 0.2]

    def test_several_patterns_count_by_themselves(self) -> None:
        """Each pattern looks at each line; without a step each metric has its own count."""
        collector = fed(
            "train 3\ntrain 2\nval 0.5\ntrain 1\n", r"train (?P<train>\S+)", r"val (?P<val>\S+)"
        )
        assert points(collector, "train") == [(1, 3), (2, 2), (3, 1)]
        assert points(collector, "val") == [(1, 0.5)]

    def test_rename_gives_names_that_groups_cannot_have(self) -> None:
        """`rename` maps a group to any name, a step's included, and applies to tagged lines."""
        collector = fed(
            'it 5 f 0.5\n@trialwright {"old": 1}\n',
            r"it (?P<it>\d+) f (?P<f>\S+)",
            rename={"f": "val/f1", "it": "step", "old": "new"},
        )
        assert points(collector, "val/f1") == [(5, 0.5)]
        assert collector.last["new"] == 1.0

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("nan", math.nan),
            ("-inf", -math.inf),
            ("1e-3,", 1e-3),
            ("1,234.5", 1234.5),
            ("93%)", 93),
        ],
    )
    def test_numbers_as_people_print_them(self, text: str, value: float) -> None:
        """NaN, infinities, exponents, thousands and trailing marks are read."""
        assert fed(f"x={text}\n", r"x=(?P<x>\S+)").last["x"] == pytest.approx(value, nan_ok=True)

    def test_says_which_pattern_matched_nothing(self) -> None:
        """A pattern without a match is named among the problems; one with a match is not."""
        collector = fed("a 1\n", r"a (?P<a>\d)", r"b (?P<b>\d)")
        assert collector.problems == (r"the pattern 'b (?P<b>\\d)' matched no line of the output",)


def in_file(path: Path, **route: object) -> Collector:
    """A collector for a metric file."""
    return Collector(MetricRoute(file=path.name, **route), workdir=path.parent)  # type: ignore[arg-type]


class TestCsv:
    """Tables that grow while they are read."""

    def test_a_real_script_that_writes_a_table(self, tmp_path: Path) -> None:
        """Rows are reported while the script writes them, each once."""
        path = tmp_path / "log.csv"
        collector = in_file(path)
        code = (
            "import csv, time\n"
            f"f = open({str(path)!r}, 'w', newline='')\n"
            "w = csv.DictWriter(f, ['epoch', 'val_loss', 'note']); w.writeheader()\n"
            "for e in range(1, 6):\n"
            "    w.writerow({'epoch': e, 'val_loss': 1 / e, 'note': 'a, \"b\"'}); f.flush()\n"
            "    time.sleep(0.05)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        seen: list[Point] = []
        while process.poll() is None:
            seen += collector.poll()
            time.sleep(0.01)
        seen += collector.finish()
        assert process.returncode == 0
        assert seen == [(e, {"val_loss": 1 / e}) for e in range(1, 6)]

    def test_a_torn_last_line_waits_for_its_rest(self, tmp_path: Path) -> None:
        """Half a number is not taken for a number while the file grows."""
        path = tmp_path / "m.csv"
        collector = in_file(path)
        path.write_text("step,loss\n1,0.5\n2,0.1")
        assert collector.poll() == [(1.0, {"loss": 0.5})]
        with path.open("a") as file:
            file.write("25\n3,0.05")
        assert collector.poll() == [(2.0, {"loss": 0.125})]
        assert collector.finish() == [(3.0, {"loss": 0.05})]

    def test_a_torn_last_row_is_dropped_at_the_end(self, tmp_path: Path) -> None:
        """A row that lacks columns when the run ends does not count."""
        path = tmp_path / "m.csv"
        path.write_text("step,loss,acc\n1,0.5,0.6\n2,0.4")
        collector = Collector(MetricRoute(file="m.csv"), workdir=tmp_path, since=0.0)
        assert collector.finish() == [(1.0, {"loss": 0.5, "acc": 0.6})]

    def test_empty_cells_and_text_are_passed_over(self, tmp_path: Path) -> None:
        """Loggers that leave cells empty (Lightning's) give sparse metrics."""
        path = tmp_path / "m.csv"
        collector = in_file(path)
        path.write_text("epoch,step,train_loss,val_loss\n0,9,0.5,\n0,9,,0.7\n1,19,0.4,\n")
        collector.finish()
        assert points(collector, "train_loss") == [(9, 0.5), (19, 0.4)]
        assert points(collector, "val_loss") == [(9, 0.7)]

    @pytest.mark.parametrize("mark", [";", "\t", "|", " "])
    def test_other_delimiters(self, tmp_path: Path, mark: str) -> None:
        """Semicolons, tabs, bars and spaces separate columns too; without a step rows count."""
        path = tmp_path / "m.txt"
        collector = in_file(path)
        path.write_text(f"\ufeffloss{mark}acc\n0.5{mark}0.6\n0.4{mark}0.7\n", encoding="utf-8")
        collector.finish()
        assert points(collector, "acc") == [(1, 0.6), (2, 0.7)]

    def test_a_table_that_is_written_anew_each_epoch(self, tmp_path: Path) -> None:
        """A `to_csv` after each epoch, in place or by renaming, reports each row once."""
        path = tmp_path / "m.csv"
        collector = in_file(path)
        rows, seen = ["loss"], []
        for epoch in range(6):
            rows.append(str(1 / (epoch + 1)))
            if epoch % 2:
                path.write_text("\n".join(rows) + "\n")
            else:
                (tmp_path / "new").write_text("\n".join(rows) + "\n")
                (tmp_path / "new").replace(path)
            seen += collector.poll()
        assert seen == [(e, {"loss": 1 / e}) for e in range(1, 7)]

    def test_steps_that_start_again_end_with_the_last_word(self, tmp_path: Path) -> None:
        """Folds and repeats repeat the steps: the last value of the last repeat is the last."""
        path = tmp_path / "m.csv"
        collector = in_file(path)
        path.write_text("step,loss\n1,9\n2,8\n3,7\n1,5\n2,4\n")
        collector.finish()
        assert collector.last["loss"] == collector.series("loss")[-1] == 4.0

    def test_a_file_of_an_earlier_run_is_left_out(self, tmp_path: Path) -> None:
        """What stood in the file before is another run's; what is appended counts."""
        path = tmp_path / "m.csv"
        path.write_text("epoch,loss\n1,0.9\n2,0.8\n")
        collector = in_file(path)
        assert collector.poll() == []
        with path.open("a") as file:
            file.write("1,0.7\n")
        assert collector.poll() == [(1.0, {"loss": 0.7})]

    def test_a_run_that_repeats_an_earlier_one_to_the_byte(self, tmp_path: Path) -> None:
        """A file rewritten with the same content is this run's result, not the old one's."""
        path = tmp_path / "m.csv"
        path.write_text("epoch,loss\n1,0.9\n")
        os.utime(path, (1, 1))
        collector = in_file(path)
        path.write_text("epoch,loss\n1,0.9\n")
        assert collector.finish() == [(1.0, {"loss": 0.9})]

    def test_an_appended_header_is_no_row(self, tmp_path: Path) -> None:
        """A script that opens its log to append often writes the header once more."""
        path = tmp_path / "m.csv"
        path.write_text("epoch,loss\n1,0.9\n")
        collector = in_file(path)
        with path.open("a") as file:
            file.write("epoch,loss\n1,0.7\n")
        assert collector.finish() == [(1.0, {"loss": 0.7})]

    def test_since_tells_a_finished_runs_file_from_an_older_one(self, tmp_path: Path) -> None:
        """After a crash the file is read from its start, unless it is older than the run."""
        path = tmp_path / "m.csv"
        path.write_text("loss\n0.5\n")
        os.utime(path, (1000, 1000))
        route = MetricRoute(file="m.csv")
        assert Collector(route, workdir=tmp_path, since=999.0).finish() == [(1.0, {"loss": 0.5})]
        assert Collector(route, workdir=tmp_path, since=1001.0).finish() == []

    def test_costs_what_is_new(self, tmp_path: Path) -> None:
        """A thousand looks at a large file that does not grow read none of it again."""
        path = tmp_path / "m.csv"
        collector = in_file(path)
        path.write_text("step,loss\n" + "".join(f"{i},0.5\n" for i in range(50_000)))
        began = time.process_time()
        first = collector.poll()
        read_s = time.process_time() - began
        began = time.process_time()
        for _ in range(1000):
            assert collector.poll() == []
        assert len(first) == 50_000
        assert time.process_time() - began < 1000 * read_s / 20

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (None, "never written"),
            ("1,2\n3,4\n", "no names"),
            ("loss,acc\n", "no rows"),
        ],
    )
    def test_says_why_nothing_came(self, tmp_path: Path, content: str | None, problem: str) -> None:
        """A missing file, one without a header and one without rows are told apart."""
        path = tmp_path / "m.csv"
        collector = in_file(path)
        if content is not None:
            path.write_text(content)
        assert collector.finish() == []
        assert problem in collector.problems[0]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_a_file_that_may_not_be_read(self, tmp_path: Path) -> None:
        """It is named as such, and does not disturb the run."""
        path = tmp_path / "m.csv"
        collector = in_file(path)
        path.write_text("loss\n1\n")
        path.chmod(0)
        assert collector.finish() == []
        assert "Permission denied" in collector.problems[0]

    def test_a_pipe_or_a_folder_does_not_hang(self, tmp_path: Path) -> None:
        """What is no regular file is as good as missing: opening a pipe would wait for ever."""
        os.mkfifo(tmp_path / "pipe")
        assert in_file(tmp_path / "pipe").finish() == []
        assert Collector(MetricRoute(file="."), workdir=tmp_path).finish() == []


class TestJson:
    """Lines of JSON, and documents."""

    def test_lines(self, tmp_path: Path) -> None:
        """Each object is a point; nested names are joined by dots; other values are left out."""
        path = tmp_path / "m.jsonl"
        collector = in_file(path)
        path.write_text(
            '{"iteration": 20, "valid": {"auc": 0.8}, "best": true, "name": "x"}\n{"iter'
        )
        assert collector.poll() == []  # one line might be a whole document: it waits for a second
        with path.open("a") as file:
            file.write('ation": 40, "valid": {"auc": 0.9}}\n')
        assert collector.poll() == [(20.0, {"valid.auc": 0.8}), (40.0, {"valid.auc": 0.9})]

    def test_lines_whose_first_is_broken(self, tmp_path: Path) -> None:
        """Once the run is over, what can be read as lines is."""
        path = tmp_path / "m.jsonl"
        collector = in_file(path)
        path.write_text('{"y": 1, \n{"y": 2}\n')
        assert collector.finish() == [(1.0, {"y": 2.0})]

    def test_broken_lines_between_good_ones(self, tmp_path: Path) -> None:
        """A line that is no JSON does not end the reading."""
        path = tmp_path / "m.jsonl"
        collector = in_file(path)
        path.write_text('{"y": 1}\nnoise\n{"y": NaN}\n\n{"y": 3}\n')
        collector.finish()
        assert [point for point in collector.series("y") if point == point] == [1.0, 3.0]

    def test_a_document_written_at_the_end(self, tmp_path: Path) -> None:
        """`json.dump(results, indent=2)` without a final newline is one point."""
        path = tmp_path / "results.json"
        collector = in_file(path)
        path.write_text(json.dumps({"val_f1": 0.8, "model": "x", "time": {"s": 3}}, indent=2))
        assert collector.finish() == [(1.0, {"val_f1": 0.8, "time.s": 3.0})]

    def test_a_document_rewritten_each_epoch(self, tmp_path: Path) -> None:
        """Each rewriting that changes a number is a point, while the run goes on."""
        path = tmp_path / "results.json"
        collector = in_file(path)
        seen: list[Point] = []
        for epoch in range(1, 4):
            path.write_text(json.dumps({"epoch": epoch, "f1": epoch / 10, "parameters": 10}))
            os.utime(path, (epoch // 2, epoch // 2))
            seen += collector.poll() if epoch < 3 else collector.finish()
        assert seen == [
            (1.0, {"f1": 0.1, "parameters": 10.0}),
            (2.0, {"f1": 0.2}),
            (3.0, {"f1": 0.3}),
        ]

    def test_histories_in_a_document(self, tmp_path: Path) -> None:
        """Keras's lists per metric, and a trainer's list of objects, are curves."""
        (tmp_path / "keras.json").write_text('{"loss": [3, 2, 1], "val_loss": [4, 3, 2]}')
        (tmp_path / "trainer.json").write_text(
            '{"log_history": [{"epoch": 0.5, "step": 10, "loss": 2}, {"step": 20, "loss": 1}]}'
        )
        keras = Collector(MetricRoute(file="keras.json"), workdir=tmp_path, since=0.0)
        trainer = Collector(MetricRoute(file="trainer.json"), workdir=tmp_path, since=0.0)
        keras.finish()
        trainer.finish()
        assert points(keras, "val_loss") == [(1, 4), (2, 3), (3, 2)]
        assert points(trainer, "loss") == [(10, 2), (20, 1)]

    @pytest.mark.parametrize("content", ["{", '{"a": "b"}', "[]", "[" * 5000, '{"a": ' + "9" * 400])
    def test_says_when_there_are_no_numbers(self, tmp_path: Path, content: str) -> None:
        """A torn or empty document gives nothing, does not raise, and is said to hold nothing."""
        path = tmp_path / "m.json"
        collector = in_file(path)
        path.write_text(content)
        assert collector.finish() == []
        assert "m.json" in collector.problems[0]


@pytest.fixture(scope="module")
def tensorboard() -> Iterator[None]:
    """Skip where TensorBoard, which writes these files, is not installed."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    return None


def event(step: int, tag: str, value: float, *, tensor: bool) -> bytes:
    """One record of an event file, as TensorBoard's own messages serialise."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    if tensor:
        shape = TensorShapeProto()
        kept = TensorProto(dtype=1, tensor_shape=shape, float_val=[value])
        summary = Summary(value=[Summary.Value(tag=tag, tensor=kept)])
    else:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    data = Event(step=step, wall_time=1.0, summary=summary).SerializeToString()
    return len(data).to_bytes(8, "little") + b"\0" * 4 + data + b"\0" * 4


@pytest.mark.usefixtures("tensorboard")
class TestTensorBoard:
    """Event files, read without TensorBoard."""

    def test_a_real_writer(self, tmp_path: Path) -> None:
        """What PyTorch's SummaryWriter writes in another process is read, scalars only."""
        pytest.importorskip("torch", reason="torch is not installed: `make torch`")
        collector = Collector(MetricRoute(tensorboard="tb"), workdir=tmp_path)
        code = (
            "import warnings; warnings.simplefilter('ignore')\n"
            "from torch.utils.tensorboard import SummaryWriter\n"
            "w = SummaryWriter('tb/run-1')\n"
            "w.add_text('note', 'hello'); w.add_scalar('loss/val', float('nan'), 0)\n"
            "for i in range(1, 4): w.add_scalar('loss/val', 1 / 2**i, i)\n"
            "w.add_scalars('acc', {'train': 0.5, 'val': 0.25}, 3)\n"
            "w.close()\n"
        )
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)
        collector.finish()
        assert points(collector, "loss/val")[1:] == [(1, 0.5), (2, 0.25), (3, 0.125)]
        assert math.isnan(points(collector, "loss/val")[0][1])
        assert collector.last["acc/train"], collector.last["acc/val"] == (0.5, 0.25)
        assert collector.problems == ()

    @pytest.mark.parametrize("tensor", [False, True])
    def test_grows_while_it_is_read(self, tmp_path: Path, *, tensor: bool) -> None:
        """PyTorch's plain numbers and Keras's tensors alike; a torn record waits for its rest."""
        collector = Collector(MetricRoute(tensorboard="."), workdir=tmp_path)
        first = event(1, "loss", 0.5, tensor=tensor)
        second = event(2**40, "loss", 0.25, tensor=tensor)
        path = tmp_path / "events.out.tfevents.1"
        path.write_bytes(first + second[:-9])
        assert collector.poll() == [(1.0, {"loss": 0.5})]
        with path.open("ab") as file:
            file.write(second[-9:])
        assert collector.poll() == [(float(2**40), {"loss": 0.25})]

    def test_equal_tags_in_keras_folders(self, tmp_path: Path) -> None:
        """`train/` and `validation/` give their names to what they hold."""
        collector = Collector(MetricRoute(tensorboard="."), workdir=tmp_path)
        for phase, value in (("train", 0.5), ("validation", 0.25)):
            (tmp_path / phase).mkdir()
            (tmp_path / phase / "e.tfevents").write_bytes(event(1, "loss", value, tensor=True))
        collector.finish()
        assert collector.last == {"train/loss": 0.5, "validation/loss": 0.25}

    def test_files_of_earlier_runs_are_left_out(self, tmp_path: Path) -> None:
        """A folder that many runs share gives this run's scalars only, a new folder's included."""
        (tmp_path / "old.tfevents").write_bytes(event(1, "loss", 9.0, tensor=False))
        collector = Collector(MetricRoute(tensorboard="."), workdir=tmp_path)
        (tmp_path / "run-2").mkdir()
        (tmp_path / "run-2" / "new.tfevents").write_bytes(event(1, "loss", 0.5, tensor=False))
        assert collector.finish() == [(1.0, {"loss": 0.5})]

    def test_garbage_is_survived(self, tmp_path: Path) -> None:
        """A file that only looks like one, and a record with a false length, give nothing."""
        collector = Collector(MetricRoute(tensorboard="."), workdir=tmp_path)
        (tmp_path / "a.tfevents").write_bytes(os.urandom(2000))
        (tmp_path / "b.tfevents").write_bytes((2**63).to_bytes(8, "little") + b"x" * 100)
        (tmp_path / "c.tfevents").write_bytes((100).to_bytes(8, "little") + b"\xff" * 200)
        assert collector.finish() == []
        assert "no scalars" in collector.problems[0]

    def test_says_when_no_file_came(self, tmp_path: Path) -> None:
        """A folder without event files is named."""
        collector = Collector(MetricRoute(tensorboard="tb"), workdir=tmp_path)
        collector.finish()
        assert str(tmp_path / "tb") in collector.problems[0]


class TestPoints:
    """What is kept of all this."""

    def test_a_thinned_curve_keeps_ends_and_validation(self) -> None:
        """Of ten thousand steps, 200 stay: the first, the last, and those with validation."""
        kept = Points()
        for step in range(1, 10_001):
            kept.add({"loss": 1 / step} | ({"val": step} if step % 500 == 0 else {}), step)
        curve = kept.curve(200)
        assert len(curve.steps) == 200
        assert (curve.steps[0], curve.steps[-1]) == (1.0, 10_000.0)
        assert [step for step, _ in curve.points("val")] == list(range(500, 10_001, 500))

    def test_a_curve_may_be_very_short(self) -> None:
        """Nothing, one point and two points come out as they are."""
        kept = Points()
        assert kept.curve().steps == ()
        kept.add({"a": 1.0}, 5)
        assert kept.curve(1).steps == (5.0,)
        kept.add({"a": 2.0}, 7)
        assert kept.curve(1).steps == (5.0, 7.0)

    def test_endless_series_keep_their_best_their_worst_and_their_end(self) -> None:
        """Memory is bounded; what an objective reduces a curve to stays exact."""
        kept = Points()
        for step in range(LONGEST_SERIES + 50_000):
            kept.add({"y": 1e9 if step == 777 else -1e9 if step == 999 else float(step)})
        series = kept.series("y")
        assert len(series) <= LONGEST_SERIES
        assert (max(series), min(series)) == (1e9, -1e9)
        assert series[-100:] == [float(s + LONGEST_SERIES + 49_900) for s in range(100)]

    def test_endless_names_are_bounded(self) -> None:
        """A script that invents a name per step fills no memory; the names it began with stay."""
        kept = Points()
        for step in range(5000):
            kept.add({f"m{step}": 1.0, "loss": 2.0}, step)
        assert len(kept.last) <= 1000
        assert kept.last["loss"] == 2.0

    def test_a_repeated_point_is_no_news(self) -> None:
        """The same value at the same step is reported once, NaN included; another value again."""
        kept = Points()
        assert kept.add({"y": math.nan}, 1)
        assert kept.add({"y": math.nan}, 1) == []
        assert kept.add({"y": 0.5}, 1) == [(1.0, {"y": 0.5})]

    def test_a_step_that_is_no_number_counts_on(self) -> None:
        """A NaN or infinite step is as none."""
        kept = Points()
        kept.add({"y": 1.0}, 3)
        assert kept.add({"y": 2.0}, math.nan) == [(4.0, {"y": 2.0})]
