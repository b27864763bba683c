"""Rewrites do what their names say, in code that runs; they are sure, or leave it alone."""

from __future__ import annotations

import ast
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.code import running
from tests.code.sources import ALL, FUNCTIONS, NETWORK, SEQUENTIAL, SKLEARN, TORCH
from trialwright.code.rewrites import REWRITES, applicable, rewrite
from trialwright.code.trees import read

ROOT = Path(__file__).parents[2]
NAMES = [one.name for one in REWRITES]
BY_NAME = {one.name: one for one in REWRITES}

EXPECTED = {
    "autoresearch": "clip-gradients optimizer-adagrad optimizer-adam optimizer-nadam"
    " optimizer-rmsprop optimizer-sgd",
    "nanogpt": "activation-relu activation-silu activation-tanh init-kaiming init-orthogonal"
    " init-xavier layer-to-rms-norm no-dropout optimizer-adagrad optimizer-adam optimizer-nadam"
    " optimizer-rmsprop optimizer-sgd",
    "sequential": "activation-gelu activation-silu activation-tanh clip-gradients dropout"
    " early-stopping init-kaiming init-orthogonal init-xavier norm-layer norm-rms optimizer-adagrad"
    " optimizer-adam optimizer-adamw optimizer-nadam optimizer-rmsprop schedule-cosine"
    " schedule-one-cycle schedule-step schedule-warmup",
    "functions": "activation-gelu activation-silu activation-tanh clip-gradients early-stopping"
    " init-kaiming init-orthogonal init-xavier label-smoothing layer-to-rms-norm optimizer-adagrad"
    " optimizer-adamw optimizer-nadam optimizer-rmsprop optimizer-sgd schedule-cosine"
    " schedule-one-cycle schedule-step schedule-warmup",
    "forest": "balanced-classes extra-trees",
    "boosting": "histogram-boosting",
    "neighbours": "scale-inputs",
    "network": "estimator-early-stopping mlp-lbfgs mlp-tanh scale-inputs",
    "linear": "lasso scale-inputs",
}


@pytest.mark.parametrize("name", ALL)
def test_what_applies_to_each_script(name: str) -> None:
    """Exactly the rewrites apply that make sense there; what applies also changes the text."""
    found = {one.name for one in applicable(ALL[name])}
    assert found == set(EXPECTED[name].split())
    assert found == {one.name for one in REWRITES if one.apply(ALL[name]) != ALL[name]}


@pytest.mark.parametrize("name", ALL)
def test_rewrites_are_idempotent_and_can_be_taken_back(name: str) -> None:
    """A second time changes nothing; the inverse, where one is named, gives the very text back."""
    source = ALL[name]
    for one in applicable(source):
        once = one.apply(source)
        ast.parse(once)
        assert one.apply(once) == once, one.name
        if one.inverse:
            assert rewrite(one.inverse).apply(once) == source, one.name


SEQUELS = [
    ("sequential", ["schedule-cosine", "schedule-to-step"]),
    ("sequential", ["schedule-step", "schedule-to-one-cycle"]),
    ("functions", ["schedule-warmup", "schedule-to-cosine"]),
    ("functions", ["layer-to-rms-norm", "rms-to-layer-norm"]),
    ("functions", ["optimizer-sgd", "optimizer-adam"]),
    (
        "sequential",
        ["norm-layer", "dropout", "activation-gelu", "optimizer-adamw", "schedule-cosine"],
    ),
    ("sequential", ["clip-gradients", "no-clipping", "early-stopping"]),
    ("forest", ["extra-trees", "balanced-classes", "random-forest", "unbalanced-classes"]),
    ("network", ["scale-inputs", "mlp-lbfgs", "mlp-adam", "mlp-tanh", "mlp-relu"]),
    ("network", ["estimator-early-stopping", "estimator-no-early-stopping"]),
    ("linear", ["lasso", "scale-inputs", "unscale-inputs", "ridge"]),
]
"""Rewrites one after the other, each of which must apply."""


def sequel(name: str, steps: list[str]) -> str:
    """A script after several rewrites."""
    source = ALL[name]
    for step in steps:
        assert rewrite(step).applies(source), step
        source = rewrite(step).apply(source)
    return source


NORMALISED = FUNCTIONS.replace("        self.norm = nn.LayerNorm(32)\n", "").replace(
    "self.norm(self.fc1(torch.flatten(x, 1)))", "self.fc1(torch.flatten(x, 1))"
)


def variants(name: str) -> dict[str, str]:
    """A script as it is, after each rewrite that applies, and after the sequels."""
    made = {one.name: one.apply(ALL[name]) for one in applicable(ALL[name])}
    steps = {f"sequel-{i}": sequel(name, s) for i, (n, s) in enumerate(SEQUELS) if n == name}
    batch = {"norm-batch": rewrite("norm-batch").apply(NORMALISED)} if name == "functions" else {}
    return {"as-it-is": ALL[name]} | made | steps | batch


def results(scripts: dict[str, str], folder: Path) -> dict[str, float]:
    """The last number that each script prints, all of them run for real; a warning is an error."""
    for name, source in scripts.items():
        (folder / f"{name}.py").write_text(source)
    answer = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", running.__file__, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=170,
    )
    outcomes = json.loads(answer.stdout.splitlines()[-1])
    assert {name: o["error"] for name, o in outcomes.items() if o["error"]} == {}
    shown = {
        name: re.sub(r"training_seconds.*", "", outcome["output"])
        for name, outcome in outcomes.items()
    }
    return {
        name: float(re.findall(r"-?\d+\.\d+(?:e[-+]\d+)?", text)[-1])
        for name, text in shown.items()
    }


@pytest.mark.parametrize("name", TORCH)
def test_rewritten_pytorch_runs(name: str, tmp_path: Path) -> None:
    """Every rewrite that applies trains to a finite loss, and not to the one without it."""
    pytest.importorskip("torch")
    scripts = variants(name)
    found = results(scripts, tmp_path)
    assert sorted(found) == sorted(scripts)
    assert [one for one, loss in found.items() if not math.isfinite(loss)] == []
    plain = found.pop("as-it-is")
    # Neither clipping of small gradients nor patience of ten rounds acts in six rounds.
    silent = ("clip-gradients", "early-stopping", "init-", "sequel", "no-dropout")
    assert [n for n, v in found.items() if v == plain and not n.startswith(silent)] == []


@pytest.mark.parametrize("name", SKLEARN)
def test_rewritten_scikit_learn_runs(name: str, tmp_path: Path) -> None:
    """Every rewrite that applies fits, and scores a finite number."""
    scripts = variants(name)
    found = results(scripts, tmp_path)
    assert sorted(found) == sorted(scripts)
    assert [one for one, score in found.items() if not math.isfinite(score)] == []


def test_schedules_step_once_a_round(tmp_path: Path) -> None:
    """A cosine over the loop's rounds ends at a rate of zero, wherever the loop's end stands."""
    pytest.importorskip("torch")
    for name, indent in (("sequential", ""), ("functions", "    ")):
        source = rewrite("schedule-cosine").apply(ALL[name])
        shown = f"        scheduler.step()\n{indent}    print(scheduler.get_last_lr()[0])\n"
        step = f"{indent}    scheduler.step()\n"
        assert source.count(step) == 1
        source = source.replace(step, shown if name == "functions" else shown[4:])
        assert results({name: source}, tmp_path)[name] == pytest.approx(0.0, abs=1e-9)


def test_optimizers_keep_what_means_the_same() -> None:
    """Momentum, betas and decay go along where they mean the same; rates go by their ratio."""
    adam = rewrite("optimizer-adam").apply(SEQUENTIAL)
    assert "torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=1e-4)" in adam
    rms = rewrite("optimizer-rmsprop").apply(SEQUENTIAL)
    assert "RMSprop(model.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-4)" in rms
    sgd = rewrite("optimizer-sgd").apply(FUNCTIONS)
    assert "optim.SGD(model.parameters(), lr=args.lr * 50, momentum=0.9)" in sgd
    assert "optim.Adam(model.parameters(), lr=args.lr)" in rewrite("optimizer-adam").apply(sgd)
    nadam = rewrite("optimizer-nadam").apply(FUNCTIONS)
    assert "NAdam(model.parameters(), lr=args.lr, betas=(0.9, 0.99), eps=1e-7)" in nadam


DOUBTFUL = [
    (
        "optimizer-adam",
        SEQUENTIAL,
        "SGD(model.parameters(), ",
        "SGD(model.parameters(), **options, ",
    ),
    ("schedule-cosine", SEQUENTIAL, "for epoch in range(6):", "while True:"),
    ("schedule-cosine", SEQUENTIAL, "    model.train()", "    if epoch == 2: continue"),
    ("schedule-cosine", SEQUENTIAL, "model.train()", "adjust_lr(optimizer, epoch)"),
    ("clip-gradients", SEQUENTIAL, "optimizer.step()", "optimizer.step(closure)"),
    (
        "clip-gradients",
        SEQUENTIAL,
        "import torch\n",
        "import torch\nscaler = torch.amp.GradScaler()\n",
    ),
    (
        "label-smoothing",
        FUNCTIONS,
        "        loss.backward()\n",
        "        if train: loss.backward()\n",
    ),
    ("activation-gelu", SEQUENTIAL, "criterion =", "act = nn.ReLU\ncriterion ="),
    ("norm-layer", SEQUENTIAL, "criterion =", "extra = nn.LayerNorm(1)\ncriterion ="),
    (
        "init-kaiming",
        SEQUENTIAL,
        "criterion =",
        "model.load_state_dict(torch.load('m'))\ncriterion =",
    ),
    ("early-stopping", SEQUENTIAL, "val_loss", "number"),
    ("extra-trees", ALL["forest"], "max_depth=4", "oob_score=True, bootstrap=True"),
    ("extra-trees", ALL["forest"], "n_estimators=20", "**options"),
    ("histogram-boosting", ALL["boosting"], "max_depth=2", "subsample=0.5"),
    ("scale-inputs", ALL["neighbours"], "print(", "print(knn.n_features_in_, "),
    ("scale-inputs", ALL["neighbours"], "knn.fit(", "knn.set_params(p=1).fit("),
    ("estimator-early-stopping", NETWORK, ".fit(X", ".partial_fit(X"),
    ("mlp-tanh", NETWORK, "max_iter=400", "activation=chosen"),
]


@pytest.mark.parametrize(("name", "source", "old", "new"), DOUBTFUL)
def test_where_it_is_not_sure_it_leaves_code_alone(
    name: str, source: str, old: str, new: str
) -> None:
    """Each applies to the plain script, and not to one with something that it can't judge."""
    assert old in source
    doubtful = source.replace(old, new)
    assert rewrite(name).applies(source)
    assert not rewrite(name).applies(doubtful)
    assert rewrite(name).apply(doubtful) == doubtful


def test_a_metric_is_never_smoothed() -> None:
    """Label smoothing leaves the cross-entropy alone that validation is measured by."""
    smoothed = rewrite("label-smoothing").apply(FUNCTIONS)
    assert smoothed.count("label_smoothing") == 1
    assert "F.cross_entropy(model(data), target).item()" in smoothed


def test_without_libcst_it_says_what_to_install() -> None:
    """Only rewriting needs the library: all else works without, and the error names the extra."""
    probe = (
        "import sys; sys.modules['libcst'] = None\n"
        "from trialwright.code.rewrites import REWRITES, rewrite\n"
        "from trialwright.code.changes import describe\n"
        "from trialwright.errors import ProposerError\n"
        "print(describe({'t.py': 'LR = 1'}, {'t.py': 'LR = 2'}).words)\n"
        "try: rewrite('optimizer-adam').apply('import torch')\n"
        "except ProposerError as error: print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[0] == "t.py: LR 1 -> 2"
    assert "pip install trialwright[research]" in answer.stdout


def test_every_rewrite_has_its_reason() -> None:
    """Names are unique; each says why in a sentence with a source, and its inverse is one, too."""
    assert len(set(NAMES)) == len(NAMES)
    for one in REWRITES:
        assert re.search(r"\((.*\d{4}.*|.*scikit-learn.*)\)", one.why), one.name
        assert one.inverse is None or one.inverse in BY_NAME


def test_every_rewrite_is_seen_at_work() -> None:
    """No rewrite is without a script, or a sequel, in which it acts."""
    seen = {step for _, steps in SEQUELS for step in steps} | {"norm-batch"}
    seen |= {name for names in EXPECTED.values() for name in names.split()}
    seen |= {BY_NAME[name].inverse for name in seen}
    assert sorted(set(NAMES) - seen) == []


def test_documents_list_every_rewrite() -> None:
    """The table in docs/editing.md has a row for each rewrite, as the code has it."""
    text = (ROOT / "docs" / "editing.md").read_text()
    rows = {row[1]: row[0] for row in re.finditer(r"^\| `([\w-]+)` \|.*$", text, re.MULTILINE)}
    cells = {o.name: (o.category, f"`{o.inverse}`" if o.inverse else "", o.why) for o in REWRITES}
    assert rows == {
        name: f"| `{name}` | {kind} | {inverse} | {why} |"
        for name, (kind, inverse, why) in cells.items()
    }


def test_text_that_is_no_python_is_an_error() -> None:
    """A script that does not parse is refused by name of the error, not rewritten."""
    with pytest.raises(SyntaxError):
        rewrite("optimizer-adam").apply("import torch\nx = (\n")


def test_trees_keep_every_character() -> None:
    """Reading and writing a script changes nothing, whatever its line ends."""
    for source in ALL.values():
        for text in (source, source.replace("\n", "\r\n")):
            assert read(text).module.code == text
