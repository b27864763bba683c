"""A change says how large it is, where, of what kind, and whether it is chance alone."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.code.sources import ALL, AUTORESEARCH, FOREST, FUNCTIONS, SEQUENTIAL
from trialwright.code.changes import Change, Moved, describe
from trialwright.code.rewrites import REWRITES

pytest.importorskip("libcst")


def change(source: str, *swaps: tuple[str, str]) -> Change:
    """The change that replaces texts, each of which must be there."""
    changed = source
    for old, new in swaps:
        assert old in changed
        changed = changed.replace(old, new, 1)
    return describe({"train.py": source}, {"train.py": changed})


def test_a_value_in_words() -> None:
    """Another value is one line and one node, and is said by the literal's name."""
    found = change(AUTORESEARCH, ("MATRIX_LR = 0.04", "MATRIX_LR = 0.06"))
    assert found.words == "train.py: MATRIX_LR 0.04 -> 0.06"
    assert found.literals == (Moved("train.py:MATRIX_LR", 0.04, 0.06),)
    assert (found.lines_added, found.lines_removed, found.lines) == (1, 1, 0)
    assert (found.nodes_added, found.nodes_removed, found.nodes) == (1, 1, 0)
    assert found.category == "hyperparameter"


def test_simpler_code_has_fewer_nodes() -> None:
    """Taking a computation out is told by lines and nodes, and by the method that it was in."""
    found = change(
        AUTORESEARCH,
        ("        softcap = 15\n", ""),
        ("        logits = softcap * torch.tanh(logits / softcap)\n", ""),
    )
    assert found.lines == -2
    assert found.nodes < -10
    assert found.touched == ("train.py:GPT.forward",)


def test_form_changes_no_nodes() -> None:
    """Comments, blank lines and quotes are lines, but no nodes, and no change of code."""
    found = change(SEQUENTIAL, ("# how well it does on the rest", "# validation\n"))
    assert (found.nodes_added, found.nodes_removed) == (0, 0)
    assert not found.seed_only
    assert found.category == "baseline"


KINDS = [
    (AUTORESEARCH, "ADAM_BETAS = (0.8, 0.95)", "ADAM_BETAS = (0.9, 0.95)", "optimizer"),
    (AUTORESEARCH, "DEPTH = 8", "DEPTH = 10", "architecture"),
    (AUTORESEARCH, "WARMDOWN_RATIO = 0.5", "WARMDOWN_RATIO = 0.3", "schedule"),
    (AUTORESEARCH, "WEIGHT_DECAY = 0.2", "WEIGHT_DECAY = 0.1", "regularization"),
    (AUTORESEARCH, "DEVICE_BATCH_SIZE = 128", "DEVICE_BATCH_SIZE = 64", "systems"),
    (AUTORESEARCH, "F.relu(x).square()", "F.gelu(x)", "architecture"),
    (AUTORESEARCH, "torch.optim.AdamW", "torch.optim.NAdam", "optimizer"),
    (AUTORESEARCH, "step = 0\n", "step = 0\nmodel = torch.compile(model)\n", "systems"),
    (AUTORESEARCH, "return cooldown * 1.0", "return cooldown ** 2", "schedule"),
    (AUTORESEARCH, "manual_seed(42)", "manual_seed(7)", "baseline"),
    (FOREST, "n_estimators=20", "n_estimators=50", "schedule"),
]


@pytest.mark.parametrize(("source", "old", "new", "category"), KINDS)
def test_kinds_follow_from_names(source: str, old: str, new: str, category: str) -> None:
    """The names that a change touches say what kind it is, and are its evidence."""
    found = change(source, (old, new))
    assert found.category == category
    assert found.evidence


def test_a_rate_that_is_set_at_each_step_is_a_schedule() -> None:
    """The name of the constant that it begins with says nothing; another value of it does."""
    plain = "LR = 0.1\nfor step in steps:\n    train(step)\n"
    set_ = 'for step in steps:\n    optimizer.param_groups[0]["lr"] = LR * (1 - step / 9)\n'
    falling = plain.replace("for step in steps:\n", set_)
    assert describe({"t.py": plain}, {"t.py": falling}).category == "schedule"
    larger = falling.replace("LR = 0.1", "LR = 0.3")
    assert describe({"t.py": plain}, {"t.py": larger}).category == "multi"


def test_two_kinds_at_once_are_multi() -> None:
    """Where two kinds weigh alike, the change is of several."""
    both = change(
        AUTORESEARCH, ("DEPTH = 8", "DEPTH = 9"), ("WEIGHT_DECAY = 0.2", "WEIGHT_DECAY = 0.1")
    )
    assert both.category == "multi"
    more = change(
        AUTORESEARCH,
        ("DEPTH = 8", "DEPTH = 9"),
        ("ASPECT_RATIO = 64", "ASPECT_RATIO = 48"),
        ("WEIGHT_DECAY = 0.2", "WEIGHT_DECAY = 0.1"),
    )
    assert more.category == "architecture"


CHANCE = [
    (SEQUENTIAL, "torch.manual_seed(3)", "torch.manual_seed(4)"),
    (SEQUENTIAL, "torch.manual_seed(3)\n", "torch.manual_seed(3)\nimport random\nrandom.seed(1)\n"),
    ("import os\n", "import os\n", "import os, random\nrandom.seed(1)\n"),
    ("import os\n", "import os\n", "import os\nimport numpy as np\nnp.random.seed(1)\n"),
    ("import os\n", "import os\n", "import os\nfrom random import seed\nseed(1)\n"),
    (SEQUENTIAL, "shuffle=True", "shuffle=False"),
    (SEQUENTIAL, ", shuffle=True", ""),
    (SEQUENTIAL, "for xb, yb in train_loader", "for xb, yb in reversed(train_loader)"),
    (SEQUENTIAL, "import torch\n", "import os\nimport torch\n"),
    (FOREST, "random_state=0", "random_state=13"),
    (FOREST, ", random_state=0", ""),
    (FUNCTIONS, "'--seed', type=int, default=1", "'--seed', type=int, default=2"),
    ("SEED = 1\nLR = 2\n", "SEED = 1", "SEED = 1 + 1"),
    ("import os\n", "import os\n", "import os\nos.environ['PYTHONHASHSEED'] = '3'\n"),
    ("import numpy as np\nr = np.random.default_rng(0)\n", "default_rng(0)", "default_rng(5)"),
    ("def f(x, seed=1): ...\n", "seed=1", "seed=2"),
    ("c = {'lr': 1, 'seed': 3}\n", "'seed': 3", "'seed': 4"),
]


@pytest.mark.parametrize(("source", "old", "new"), CHANCE)
def test_seeds_and_orders_are_seen_through(source: str, old: str, new: str) -> None:
    """A change of nothing but a seed or an order is found out, however it is made."""
    assert change(source, (old, new)).seed_only is ("import os\nimport torch" not in new)


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (SEQUENTIAL, "lr=0.05", "lr=0.06"),
        (SEQUENTIAL, "batch_size=32", "batch_size=64"),
        (SEQUENTIAL, "nn.Linear(8, 32)", "nn.Linear(8, 32, bias=False)"),
        (FOREST, "max_depth=4", "max_depth=5"),
        (FOREST, "cv=3", "cv=5"),
    ],
)
def test_a_seed_does_not_hide_another_change(source: str, old: str, new: str) -> None:
    """With any other change beside it, a change of seed is not one of a seed alone."""
    seed = (
        ("manual_seed(3)", "manual_seed(9)")
        if "manual_seed(3)" in source
        else ("_state=0", "_state=1")
    )
    assert change(source, seed).seed_only
    assert not change(source, seed, (old, new)).seed_only


def test_files_come_go_and_break() -> None:
    """New, removed, unparsable and other files are described, not refused."""
    found = describe(
        {"a.py": "x = 1\n", "b.yaml": "lr: 1\n"}, {"c.py": "y = (\n", "b.yaml": "lr: 2\n"}
    )
    assert found.files == ("a.py", "b.yaml", "c.py")
    assert found.broken == ("c.py",)
    assert (found.lines_added, found.lines_removed) == (2, 2)
    assert not found.seed_only
    assert describe({"a.py": "x = 1"}, {"a.py": "x = 1"}).words == "nothing differs"


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.sampled_from(sorted(ALL)), st.sampled_from([one.name for one in REWRITES]))
def test_changes_mirror(name: str, which: str) -> None:
    """The way back is the same change with gains and losses exchanged."""
    before = {"train.py": ALL[name]}
    after = {"train.py": next(one for one in REWRITES if one.name == which).apply(ALL[name])}
    there, back = describe(before, after), describe(after, before)
    assert (there.lines_added, there.lines_removed) == (back.lines_removed, back.lines_added)
    assert (there.nodes_added, there.nodes_removed) == (back.nodes_removed, back.nodes_added)
    assert there.category == back.category
    assert there.seed_only is back.seed_only is False
    assert len(there.words) <= 160
