"""What may be tuned is found in scripts of many styles, named, and set; the rest stays."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.code.sources import ALL, AUTORESEARCH, FUNCTIONS, NANOGPT, SEQUENTIAL
from trialwright.code.literals import Literal, literals, set_literals, tunable
from trialwright.code.skeleton import fingerprint, skeleton
from trialwright.errors import InvalidConfiguration
from trialwright.space import Ordinal, Space

SCRIPTS = Path(__file__).parents[1] / "scripts"
FOREIGN = {path.name: path.read_text() for path in sorted(SCRIPTS.glob("*.py"))}
EVERY = ALL | FOREIGN


def by_name(source: str, file: str = "train.py") -> dict[str, Literal]:
    """The literals of a script by their names, without the file."""
    return {one.name.removeprefix(f"{file}:"): one for one in literals(source, file)}


def knobs(source: str) -> set[str]:
    """The names of what may be tuned in a script."""
    return {name for name, one in by_name(source).items() if one.domain is not None}


def test_the_block_of_capitals_is_found_whole() -> None:
    """Every knob of the autoresearch idiom is found, with its value; nothing else of it is."""
    found = by_name(AUTORESEARCH)
    block = {name: one for name, one in found.items() if name.split("[")[0].isupper()}
    assert {name for name, one in block.items() if one.domain is not None} == {
        "ASPECT_RATIO",
        "HEAD_DIM",
        "TOTAL_BATCH_SIZE",
        "EMBEDDING_LR",
        "UNEMBEDDING_LR",
        "MATRIX_LR",
        "SCALAR_LR",
        "WEIGHT_DECAY",
        "ADAM_BETAS[0]",
        "ADAM_BETAS[1]",
        "WARMUP_RATIO",
        "WARMDOWN_RATIO",
        "FINAL_LR_FRAC",
        "DEPTH",
        "DEVICE_BATCH_SIZE",
    }
    assert block["TOTAL_BATCH_SIZE"].value == 2**19
    assert block["ADAM_BETAS[1]"].parameter == "train.ADAM_BETAS.1.beta2"
    assert {name for name, one in block.items() if one.domain is None} == {
        "WINDOW_PATTERN",
        "TIME_BUDGET",
        "MAX_SEQ_LEN",
        "EVAL_TOKENS",
        "DATA_PATH",
        "VOCAB",
    }


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("EMBEDDING_LR", 0.06, 6.0),
        ("MATRIX_LR", 0.004, 0.4),
        ("WEIGHT_DECAY", 0.001, 0.3),
        ("WARMUP_RATIO", 0.0, 0.3),
        ("WARMDOWN_RATIO", 0.0, 1.0),
        ("DEPTH", 1, 12),
        ("TOTAL_BATCH_SIZE", 2**17, 2**20),
        ("ADAM_BETAS[0]", 0.5, 0.99),
    ],
)
def test_domains_suit_what_the_block_is_about(name: str, low: float, high: float) -> None:
    """Rates of groups go by their own size, shares stay shares, batches stay powers of two."""
    domain = by_name(AUTORESEARCH)[name].domain
    assert domain is not None
    ends = (
        (domain.levels[0], domain.levels[-1])
        if isinstance(domain, Ordinal)
        else (getattr(domain, "low", None), getattr(domain, "high", None))
    )
    assert ends == (low, high)


def test_what_is_left_has_its_reason() -> None:
    """A seed, a budget, a path, data held out, a size of data: each is left for what it is."""
    found = by_name(AUTORESEARCH)
    assert found["manual_seed(seed)"].why == "a seed"
    assert found["TIME_BUDGET"].why == "the time that a run may take"
    assert found["EVAL_TOKENS"].why == "about the data held out"
    assert found["DATA_PATH"].why == "part of the task or of the machine"
    assert found["GPTConfig.n_layer"].why == "every call sets it"
    assert found["MLP.__init__.Linear(bias)"].why == "a layer's own, which other layers may share"
    assert knobs("BUDGET_FRACTION = 0.5\nSTART_FRACTION = 0.5\n") == {"START_FRACTION"}


def test_a_switch_that_not_every_optimizer_bears_is_left() -> None:
    """Cycling a momentum raises with an optimizer that has none; the schedule's rate is tuned."""
    made = "torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, cycle_momentum=False)"
    source = f"import torch\nscheduler = {made}\n"
    assert knobs(source) == {"OneCycleLR(max_lr)"}
    assert by_name(source)["OneCycleLR(cycle_momentum)"].why == "depends on the optimizer"


def test_names_in_small_letters_are_found_too() -> None:
    """NanoGPT's block is tuned by its names; its files, intervals and devices are left."""
    found = knobs(NANOGPT)
    assert {
        "learning_rate",
        "n_layer",
        "n_head",
        "n_embd",
        "dropout",
        "beta2",
        "grad_clip",
    } <= found
    assert {"warmup_iters", "min_lr", "weight_decay", "gradient_accumulation_steps"} <= found
    assert not found & {"out_dir", "eval_interval", "device", "compile", "block_size", "wandb_log"}


def test_arguments_are_named_by_function_and_call() -> None:
    """Keyword and positional arguments, defaults and options each have a name that says where."""
    assert {"DataLoader(batch_size)", "SGD(lr)", "SGD(momentum)"} <= knobs(SEQUENTIAL)
    assert {"parser(--lr)", "parser(--epochs)", "main.Adam(betas)[0]"} <= knobs(FUNCTIONS)
    assert knobs("import torch\nd = torch.nn.Dropout(0.5)\n") == {"Dropout(p)"}


def test_options_come_from_the_script() -> None:
    """Texts are tuned over choices, annotations, comparisons, or what the estimator takes."""
    assert by_name(FOREIGN["moons_mlp.py"])["parser(--solver)"].domain.options == ("sgd", "adam")  # type: ignore[union-attr]
    source = "from typing import Literal\ndef f(act: Literal['relu', 'tanh'] = 'relu'): ...\n"
    assert by_name(source)["f(act)"].domain.options == ("relu", "tanh")  # type: ignore[union-attr]
    source = "from sklearn.svm import SVC\nm = SVC(kernel='rbf', C=2.0)\n"
    assert knobs(source) == {"SVC(kernel)", "SVC(C)"}


def test_the_other_option_keeps_the_skeleton() -> None:
    """A text set to the only one that the script compares it with is still the same knob."""
    source = "ACT = 'tanh'\nif ACT == 'relu':\n    pass\n"
    assert by_name(source)["ACT"].domain.options == ("tanh", "relu")  # type: ignore[union-attr]
    assert skeleton(set_literals(source, {"ACT": "relu"})) == skeleton(source)


def test_what_every_call_sets_is_no_knob() -> None:
    """A default that no call leaves alone has no effect: only what is passed is tuned."""
    source = "def train(lr=1e-3, momentum=0.9): ...\nLR = 0.01\ntrain(lr=LR)\n"
    assert knobs(source) == {"LR", "train(momentum)"}


def test_none_by_default_is_off_or_a_good_value() -> None:
    """A knob that is off by default is tuned over off and values known to be good."""
    domain = by_name("MAX_GRAD_NORM = None\n")["MAX_GRAD_NORM"].domain
    assert domain is not None
    assert domain.admits(None)
    assert domain.admits(1.0)


FOUND = {
    "autoencoder_constants.py": 8,
    "digits_svm.py": 6,
    "fourier_fire.py": 6,
    "moons_mlp.py": 7,
    "ridge_dataclass.py": 4,
    "sgd_typer.py": 5,
    "torch_cnn.py": 8,
    "torch_tensorboard.py": 10,
    "forest_click.py": 6,
}
"""How many knobs of foreign scripts are found; three others keep theirs in files beside them."""


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_scripts(name: str) -> None:
    """Neither seeds, nor paths, devices or sizes of data are ever to be tuned."""
    found = {one.name for one in tunable(literals(FOREIGN[name], name))}
    assert len(found) == FOUND.get(name, 0), sorted(found)
    words = (
        "seed",
        "random",
        "dir",
        "path",
        "save",
        "device",
        "log-level",
        "--n-samples",
        "folds",
        "test",
    )
    assert [n for n in found for word in words if word in n.partition(":")[2].lower()] == []


@pytest.mark.parametrize("name", EVERY)
def test_present_values_leave_the_text_alone(name: str) -> None:
    """Setting every literal to what it is gives back the identical text; names are unique."""
    found = literals(EVERY[name], name)
    assert set_literals(EVERY[name], {one.name: one.value for one in found}) == EVERY[name]
    assert len({one.name for one in found}) == len(found)
    assert len({one.parameter for one in found}) == len(found)


@pytest.mark.parametrize("name", EVERY)
def test_domains_make_a_space_that_holds_the_present_values(name: str) -> None:
    """The domains of a script are a legal space, whose defaults are the script's own values."""
    found = tunable(literals(EVERY[name], name))
    space = Space(tuple(one.domain for one in found if one.domain is not None))
    values = space.require({one.parameter: one.value for one in found})
    assert all(values[one.parameter] == one.value for one in found)


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.sampled_from(sorted(EVERY)), st.data())
def test_any_configuration_can_be_written(name: str, data: st.DataObject) -> None:
    """Values drawn from the domains read back as set; all else stays: comments, skeleton, names."""
    source = EVERY[name]
    found = tunable(literals(source, name))
    units = {
        one.name: data.draw(st.floats(0, 1), label=one.name)
        for one in found
        if one.domain is not None
    }
    wanted = {one.name: one.domain.from_unit(units[one.name]) for one in found if one.domain}
    changed = set_literals(source, wanted)
    ast.parse(changed)
    again = {one.name: one.value for one in literals(changed, name)}
    assert {key: again[key] for key in wanted} == wanted
    assert comments(changed) == comments(source)
    assert skeleton(changed) == skeleton(source)
    back = set_literals(changed, {one.name: one.value for one in found})
    assert [one.value for one in literals(back, name)] == [o.value for o in literals(source, name)]


def comments(source: str) -> list[str]:
    """The comments of a script."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def test_present_values_in_odd_spellings_stay() -> None:
    """What nobody would write again just so stays so, unless its value is another one."""
    source = "A = 1.0e-3\nB = 0.10\nC = 0XFF\nD = r'a'\nE = 1_0000\nF = 2*(3+4)\nG = 'x' 'y'\n"
    found = literals(source, "t.py")
    assert len(found) == 7
    assert set_literals(source, {one.name: one.value for one in found}) == source
    assert set_literals(source, {"B": 0.2}) == source.replace("0.10", "0.2")


def test_alignment_line_ends_and_letters_stay() -> None:
    """Windows line ends, a byte order mark, wide letters and form feeds are no obstacle."""
    source = "\ufeffNAME = 'ü'; LR = 1e-3\t# größe\r\n\x0cWD = 0.1  \r\n"
    source += "BATCH_SIZE = (\r\n  2 * 16\r\n)\r\n"
    changed = set_literals(source, {"t.py:LR": 3e-4, "t.py:WD": 0.2, "t.py:BATCH_SIZE": 64})
    assert changed == source.replace("1e-3", "3e-4").replace("0.1", "0.2").replace(
        "2 * 16", "4 * 16"
    )


def test_unknown_names_are_refused_all_at_once() -> None:
    """A name that the source does not have is an error that names it."""
    with pytest.raises(InvalidConfiguration) as caught:
        set_literals("LR = 0.1\n", {"t.py:MOMENTUM": 0.9, "t.py:DECAY": 0.9, "t.py:LR": 0.2})
    assert [fault.split(" ")[0] for fault in caught.value.faults] == ["MOMENTUM", "DECAY"]


def test_a_skeleton_outlives_tuning_and_nothing_else() -> None:
    """Tuned numbers and comments don't change the skeleton; a seed, a layer, a path do."""
    tuned = set_literals(AUTORESEARCH, {"t.py:MATRIX_LR": 0.1, "t.py:DEPTH": 4})
    assert skeleton(tuned) == skeleton(AUTORESEARCH)
    assert fingerprint(tuned) != fingerprint(AUTORESEARCH)
    for old, new in [("manual_seed(42)", "manual_seed(43)"), ("F.relu(x)", "F.gelu(x)")]:
        assert skeleton(AUTORESEARCH.replace(old, new)) != skeleton(AUTORESEARCH)
    assert skeleton(AUTORESEARCH.replace("# Optimization", "# other")) == skeleton(AUTORESEARCH)
