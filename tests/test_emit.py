"""What a training script calls: the line it prints, what it refuses, what it costs."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import trialwright
from trialwright import emit


def test_prints_one_tagged_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A call is one line: the tag, then an object with step, metrics and final."""
    emit(step=3, val_f1=0.81, final=True)
    tag, text = capsys.readouterr().out.split(" ", 1)
    assert tag == "@trialwright"
    assert text.endswith("}\n")
    assert json.loads(text) == {"step": 3, "metrics": {"val_f1": 0.81}, "final": True}


def test_takes_scalars_of_other_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    """NumPy's scalars and arrays of one number, and decimals, count as numbers."""
    emit(step=np.int64(2), a=np.float32(0.5), b=np.array([2]), c=Decimal("0.25"), d=7)
    line = json.loads(capsys.readouterr().out.split(" ", 1)[1])
    assert line == {"step": 2, "metrics": {"a": 0.5, "b": 2.0, "c": 0.25, "d": 7.0}}


def test_takes_torch_scalars_with_a_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    """A loss that still hangs in its graph is a number, and raises no warning."""
    torch = pytest.importorskip("torch", reason="torch is not installed: `make torch`")
    emit(loss=torch.tensor(0.5, requires_grad=True) * 2)
    assert json.loads(capsys.readouterr().out.split(" ", 1)[1])["metrics"] == {"loss": 1.0}


def test_divergence_can_be_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN and infinities are legal values, as Python's JSON spells them."""
    emit(loss=math.nan, norm=math.inf)
    metrics = json.loads(capsys.readouterr().out.split(" ", 1)[1])["metrics"]
    assert math.isnan(metrics["loss"])
    assert metrics["norm"] == math.inf


@pytest.mark.parametrize("value", ["0.5", True, None, [1.0], np.array([1.0, 2.0]), 1j, b"1"])
def test_refuses_what_is_no_number(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Text, booleans, None and lists are mistakes: a TypeError names the metric, nothing prints."""
    with pytest.raises(TypeError, match="val_f1"):
        emit(val_f1=value)  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""


def test_refuses_a_call_without_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    """A call with nothing to report is a mistake, unless it declares the result final."""
    with pytest.raises(TypeError, match="at least one metric"):
        emit(step=1)
    emit(final=True)
    assert "final" in capsys.readouterr().out


def test_lines_of_several_threads_do_not_mix(capfd: pytest.CaptureFixture[str]) -> None:
    """Threads that emit at once each print whole lines."""
    threads = [
        threading.Thread(target=lambda: [emit(step=i, y=i) for i in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 800
    assert all(json.loads(line.removeprefix("@trialwright "))["metrics"] for line in lines)


def test_importing_emit_loads_the_standard_library_only() -> None:
    """`from trialwright import emit` brings in no other package and no other module of ours."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from trialwright import emit\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))\n"
        "print(sorted(name for name in sys.modules if name.startswith('trialwright.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["['trialwright']", "['trialwright.emit']"]


def test_emit_is_the_function_whoever_imported_the_module_first() -> None:
    """The module `trialwright.emit` does not hide the function of that name."""
    code = "import trialwright.emit; from trialwright import emit; emit(y=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == '@trialwright {"metrics": {"y": 1.0}}\n'


def test_every_public_name_loads() -> None:
    """At most 20 names, each there on first use and listed by `dir`."""
    assert len(trialwright.__all__) <= 21
    for name in trialwright.__all__:
        assert getattr(trialwright, name) is not None
        assert name in dir(trialwright)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public fails as in any module, so that `hasattr` works."""
    assert not hasattr(trialwright, "Studdy")
    with pytest.raises(AttributeError, match="Studdy"):
        _ = trialwright.Studdy


def test_the_version_is_the_packages() -> None:
    """`__version__` says what `pyproject.toml` says."""
    pyproject = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert f'\nversion = "{trialwright.__version__}"\n' in pyproject
