"""Finds the files of the benchmark tasks and reads them as arrays.

A file is looked for in the folder that the user names, else in `TRIALWRIGHT_DATA`, else in the
cache, and is downloaded to the cache where its source allows that. Every file is checked against a
digest, since a silently different file would give different figures. It knows no model.
"""

from __future__ import annotations

import collections
import csv
import hashlib
import io
import os
import pickle
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

VARIABLE = "TRIALWRIGHT_DATA"
SPLIT_SEED = 20_240
"""Mixed into every split's seed, so that splits share nothing with the trainings' own draws."""


class DataError(Exception):
    """A file is missing, can't be downloaded, or is not the one it should be."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its name, its digest, and where it comes from.

    `page` is for files that need a click (Kaggle asks for an account); `url` for the others.
    """

    name: str
    sha256: str
    url: str | None = None
    page: str = ""


_PLANETOID = "https://github.com/kimiyoung/planetoid/raw/master/data/"
SOURCES = {
    source.name: source
    for source in (
        Source(
            "water_potability.csv",
            "111a9ba65f2d791003ac07b54b8e18e2f7e0bc1cfa37cfdb251d3758a4e8c24c",
            page="https://www.kaggle.com/datasets/adityakadiwal/water-potability",
        ),
        Source(
            "housing_price_dataset.csv",
            "d2a63f1b1113b38e40a8dbe6a9e4e867fe01666ea6f47e3f800e549b82ec6053",
            page="https://www.kaggle.com/datasets/muhammadbinimran/housing-price-prediction-data",
        ),
        *(
            Source(f"ind.cora.{part}", digest, url=f"{_PLANETOID}ind.cora.{part}")
            for part, digest in {
                "x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
                "y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
                "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
                "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
                "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
                "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
                "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
                "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
            }.items()
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows split into training and validation. Features may be NaN."""

    train_x: NDArray[np.float32]
    """Shape (n, d)."""
    train_y: NDArray[np.float32]
    """Shape (n,)."""
    valid_x: NDArray[np.float32]
    valid_y: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Graph:
    """A citation graph with nodes to train on, to validate on, and to test on."""

    features: scipy.sparse.csr_matrix
    """Shape (nodes, words), rows sum to 1."""
    adjacency: scipy.sparse.csr_matrix
    """Shape (nodes, nodes), with self-loops, symmetrically normalised."""
    labels: NDArray[np.int64]
    train: NDArray[np.int64]
    """Indices of nodes; the same for the two below."""
    valid: NDArray[np.int64]
    test: NDArray[np.int64]


@lru_cache(maxsize=16)
def water(folder: str | None = None, *, split: int = 0) -> Table:
    """Read water potability: 3,276 samples, 9 measurements; 80:20, stratified, drawn by `split`.

    Raises:
        DataError: the file can't be had; the message says where to get it.
    """
    rows = np.genfromtxt(find("water_potability.csv", folder), delimiter=",", skip_header=1)
    features, target = rows[:, :-1].astype(np.float32), rows[:, -1].astype(np.float32)
    return _split(features, target, strata=target, split=split)


@lru_cache(maxsize=16)
def house(folder: str | None = None, *, split: int = 0) -> Table:
    """Read house prices: 50,000 rows, 7 columns (the neighbourhood as three); 80:20 by `split`.

    Raises:
        DataError: the file can't be had; the message says where to get it.
    """
    features, target = _house_rows(folder)
    return _split(features, target, strata=np.zeros_like(target), split=split)


@lru_cache(maxsize=1)
def _house_rows(folder: str | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with find("housing_price_dataset.csv", folder).open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = ("SquareFeet", "Bedrooms", "Bathrooms", "YearBuilt")
    places = sorted({row["Neighborhood"] for row in rows})
    features = np.array(
        [
            [*(float(row[name]) for name in numbers), *(row["Neighborhood"] == p for p in places)]
            for row in rows
        ],
        dtype=np.float32,
    )
    return features, np.array([row["Price"] for row in rows], dtype=np.float32)


@lru_cache(maxsize=16)
def cora(folder: str | None = None, *, split: int | None = None) -> Graph:
    """Read Cora: 2,708 papers, 1,433 words, 7 classes.

    140 papers are to train on, 500 to validate on, 1,000 to test on: by planetoid's own split if
    `split` is None, else drawn by it, 20 per class to train on. Shchur et al. (arXiv 1811.05868)
    advise the latter, as rankings on the one split don't carry over to others. Preprocessing
    follows Kipf and Welling (arXiv 1609.02907, section 3.1): rows of the features sum to 1, and
    the adjacency is D^-1/2 (A + I) D^-1/2.

    Raises:
        DataError: a file can't be had, or is no planetoid file.
    """
    graph = _planetoid(folder)
    if split is None:
        return graph
    rng = np.random.default_rng([SPLIT_SEED, split])
    order = rng.permutation(len(graph.labels))
    firsts = [order[graph.labels[order] == label][:20] for label in np.unique(graph.labels)]
    train = np.concatenate(firsts)
    rest = order[~np.isin(order, train)]
    return replace(
        graph, train=np.sort(train), valid=np.sort(rest[:500]), test=np.sort(rest[500:1500])
    )


@lru_cache(maxsize=1)
def _planetoid(folder: str | None) -> Graph:
    part = {name: _pickled(f"ind.cora.{name}", folder) for name in ("allx", "ally", "tx", "ty")}
    labelled = len(_pickled("ind.cora.y", folder))
    links = _pickled("ind.cora.graph", folder)
    test = np.loadtxt(find("ind.cora.test.index", folder), dtype=np.int64)
    # Test rows are stored in the order of the index file, which is shuffled.
    features = scipy.sparse.vstack([part["allx"], part["tx"]]).tolil()
    labels = np.vstack([part["ally"], part["ty"]])
    features[test] = features[np.sort(test)]
    labels[test] = labels[np.sort(test)]
    return Graph(
        features=_rows_to_one(features.tocsr().astype(np.float32)),
        adjacency=_normalised(links, len(labels)),
        labels=labels.argmax(axis=1).astype(np.int64),
        train=np.arange(labelled),
        valid=np.arange(labelled, labelled + 500),
        test=np.sort(test),
    )


def find(name: str, folder: str | None = None) -> Path:
    """Return the path of one of `SOURCES`, downloaded if need be.

    Raises:
        DataError: it is nowhere and can't be downloaded, or it is not the expected file.
    """
    source = SOURCES[name]
    named = folder or os.environ.get(VARIABLE)
    places = [Path(named)] if named else []
    for place in [*places, _cache()]:
        for path in (place / name, place / "tabular" / name, place / "planetoid" / name):
            if path.is_file():
                _require_digest(path.read_bytes(), source, str(path))
                return path
    if source.url is None:
        raise DataError(
            f"{name} is in none of {', '.join(map(str, [*places, _cache()]))}. Kaggle gives it to"
            f" signed-in users only: download it from {source.page}, and put it into one of these"
            f" folders or name its folder in {VARIABLE}"
        )
    return _downloaded(source)


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "trialwright" / "data"


def _downloaded(source: Source) -> Path:
    assert source.url is not None
    try:
        with urllib.request.urlopen(source.url, timeout=30) as answer:
            content = answer.read(64 * 2**20)
    except OSError as error:
        raise DataError(
            f"{source.url} can't be fetched ({error}): download {source.name} by hand and name its"
            f" folder in {VARIABLE}"
        ) from None
    _require_digest(content, source, source.url)
    path = _cache() / source.name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    return part.replace(path)


def _require_digest(content: bytes, source: Source, place: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise DataError(
            f"{place} is not the {source.name} that the figures were made with (its SHA-256 begins"
            f" with {found[:12]}, not {source.sha256[:12]}): get it again from"
            f" {source.url or source.page}"
        )


_ADMITTED: Mapping[tuple[str, str], object] = {
    ("scipy.sparse.csr", "csr_matrix"): scipy.sparse.csr_matrix,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # The function that NumPy pickles arrays by, wherever this version of NumPy keeps it.
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("collections", "defaultdict"): collections.defaultdict,
    ("__builtin__", "list"): list,
}
"""All that planetoid's files name. Anything else in a pickle could run code."""


class Unpickler(pickle.Unpickler):
    """Reads planetoid's Python 2 pickles, and admits nothing beyond what they need.

    Raises:
        DataError: the file names anything else, such as `os.system`.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")

    def find_class(self, module: str, name: str) -> object:
        """Return one of the admitted classes."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise DataError(f"the file asks for {module}.{name}: it is no planetoid file") from None


def _pickled(name: str, folder: str | None) -> object:
    return Unpickler(find(name, folder).read_bytes()).load()


def _split(
    features: NDArray[np.float32],
    target: NDArray[np.float32],
    *,
    strata: NDArray[np.float32],
    split: int,
) -> Table:
    """Take a fifth of each stratum for validation, drawn by `split`."""
    rng = np.random.default_rng([SPLIT_SEED, split])
    valid = np.zeros(len(target), dtype=bool)
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        valid[members[: len(members) // 5]] = True
    return Table(features[~valid], target[~valid], features[valid], target[valid])


def _rows_to_one(matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    return scipy.sparse.csr_matrix(scipy.sparse.diags(scale) @ matrix)


def _normalised(links: Mapping[int, list[int]], nodes: int) -> scipy.sparse.csr_matrix:
    pairs = {(a, b) for a, ends in links.items() for b in ends if a != b}
    pairs |= {(b, a) for a, b in pairs} | {(node, node) for node in range(nodes)}
    rows, columns = np.array(sorted(pairs)).T
    matrix = scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)))
    scale = scipy.sparse.diags(np.asarray(matrix.sum(axis=1)).ravel() ** -0.5)
    return scipy.sparse.csr_matrix((scale @ matrix @ scale).astype(np.float32))
