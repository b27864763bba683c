"""The benchmark's data: the right files or a clear error, and no pickle that runs code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from benchmarks.tasks import data

real_data = pytest.mark.skipif(
    data.VARIABLE not in os.environ, reason=f"{data.VARIABLE} names no folder with the real files"
)


class Harmful:
    """A pickle that runs a command when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo harm",)


def test_a_pickle_that_would_run_code_is_refused() -> None:
    """`os.system` is not admitted, and the error names it."""
    with pytest.raises(data.DataError, match=r"posix\.system"):
        data.Unpickler(pickle.dumps(Harmful(), protocol=2)).load()


@pytest.mark.parametrize("name", ["eval", "getattr", "__import__"])
def test_builtins_are_refused(name: str) -> None:
    """No builtin but `list` is admitted, under either of Python's names for the module."""
    for module in ("builtins", "__builtin__"):
        content = f"c{module}\n{name}\n.".encode()
        with pytest.raises(data.DataError, match=name):
            data.Unpickler(content).load()


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A file of the right name and other content is an error that says where the right one is."""
    (tmp_path / "water_potability.csv").write_text("ph,Potability\n7,1\n")
    with pytest.raises(data.DataError, match=r"kaggle\.com"):
        data.find("water_potability.csv", str(tmp_path))


def test_a_file_that_needs_a_click_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kaggle's files can't be fetched: the error says where they are, and where to put them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(data.DataError, match=data.VARIABLE) as caught:
        data.find("housing_price_dataset.csv", str(tmp_path))
    assert "kaggle.com" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@real_data
def test_water_is_split_by_class() -> None:
    """3,276 samples, a fifth of each class for validation, missing values kept as NaN."""
    table = data.water()
    assert len(table.train_y) + len(table.valid_y) == 3276
    assert abs(table.train_y.mean() - table.valid_y.mean()) < 0.001
    assert 0.02 < np.isnan(table.train_x).mean() < 0.1


@real_data
def test_house_has_fifty_thousand_rows_without_gaps() -> None:
    """Seven columns, three of which say the neighbourhood, one at a time."""
    table = data.house()
    assert table.train_x.shape == (40_000, 7)
    assert not np.isnan(table.train_x).any()
    assert (table.train_x[:, 4:].sum(axis=1) == 1).all()


@real_data
def test_cora_is_the_planetoid_split() -> None:
    """140, 500 and 1,000 nodes without overlap; 20 training nodes per class; 5,278 links."""
    graph = data.cora()
    assert [len(part) for part in (graph.train, graph.valid, graph.test)] == [140, 500, 1000]
    assert len({*graph.train, *graph.valid, *graph.test}) == 1640
    assert np.bincount(graph.labels[graph.train]).tolist() == [20] * 7
    assert graph.adjacency.nnz == 2 * 5278 + 2708
    assert abs(graph.adjacency - graph.adjacency.T).max() < 1e-7
    assert np.allclose(graph.features.sum(axis=1), 1.0, atol=1e-5)
