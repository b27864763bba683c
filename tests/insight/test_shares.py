"""Shares of the variance: recovered where they are known, told apart where tasks are pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.landscape import CELLS, SHARES, SPACE, TASKS, campaign, grid, shares
from scipy.special import ncfdtr

from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.expression import Scalar
from trialwright.insight.effects import factor_effects
from trialwright.insight.factors import factors_of, level_of, named, strata_of
from trialwright.insight.levels import factor_levels
from trialwright.insight.measured import Measured
from trialwright.insight.shares import FactorShares, shares_of, variance_shares
from trialwright.insight.variance import interval, one_way, type_two
from trialwright.space import Choice


def log(*rows: tuple[Mapping[str, Scalar], float | None], task: str | None = None) -> Campaign:
    """Return a campaign of configurations with their results, None for a crash."""
    experiments = []
    for number, (configuration, metric) in enumerate(rows, 1):
        status: Status = "crash" if metric is None else "discard"
        experiments.append(
            Experiment(
                number=number, line=number, metric=metric, status=status, task=task,
                configuration=configuration,
            )
        )  # fmt: skip
    return Campaign(
        name="log", metric="acc", direction="maximize", experiments=tuple(experiments),
        dialect="made",
    )  # fmt: skip


def found(one: Campaign, factor: str) -> FactorShares:
    """Return a factor's shares, which must be told."""
    answer = shares_of(one, factor)
    assert isinstance(answer, FactorShares), answer
    return answer


def test_the_landscape_has_the_shares_that_it_says() -> None:
    """All 108,000 cells: each main effect's share of the variance is exact, and winners differ."""
    winners = set()
    for name in TASKS:
        cells = grid(name)
        assert cells.size == CELLS
        assert cells.shape == tuple(
            len(p.options) for p in SPACE.parameters if isinstance(p, Choice)
        )
        for axis, part in enumerate(("architecture", "loss", "training", "data")):
            means = cells.mean(axis=tuple(one for one in range(4) if one != axis))
            assert means.var() / cells.var() == pytest.approx(SHARES[name][part], abs=1e-9)
        winners.add(int(np.unravel_index(int(cells.argmax()), cells.shape)[0]))
        assert math.fsum(shares(name).values()) == pytest.approx(1.0)
    assert len(winners) == 2


@pytest.mark.parametrize("name", TASKS)
def test_known_shares_are_recovered_from_a_sample(name: str) -> None:
    """Of 400 random cells each factor's interval holds its share, in nearly all of 40 samples."""
    missed = dict.fromkeys(("architecture", "loss", "training", "data"), 0)
    for seed in range(40):
        sample = campaign({name: 400}, seed=seed, landscape=seed)
        for part in missed:
            share = found(sample, part).pooled
            missed[part] += not share.low <= shares(name)[part] <= share.high
    # Of 40 intervals of 95 %, more than 6 miss with a probability of 0.3 %.
    assert max(missed.values()) <= 6, missed


def test_the_sentence_names_the_architecture_first() -> None:
    """Without a word from the caller, the factor that looks like the architecture is told of."""
    measure = variance_shares(campaign({"dashcam": 500}))
    assert measure.values["factor"] == "architecture"
    assert measure.sentence.startswith("architecture accounts for 94 % (93 % to 95 %)")
    assert measure.table is not None
    assert {row["factor"] for row in measure.table.records} == {
        "architecture", "loss", "training", "data",
    }  # fmt: skip
    assert variance_shares(campaign({"dashcam": 500}), factor="loss").values["factor"] == "loss"


def test_pooled_tasks_with_other_winners_hide_a_share() -> None:
    """Pooled, the architecture seems to matter little; within tasks it is most, and why is told."""
    measure = variance_shares(campaign({"dashcam": 500, "street": 500}))
    pooled, within = measure.values["eta2"], measure.values["within_eta2"]
    assert isinstance(pooled, float)
    assert isinstance(within, float)
    assert pooled < 0.2
    due = (shares("dashcam")["architecture"] + shares("street")["architecture"]) / 2
    low, high = measure.values["within_eta2_low"], measure.values["within_eta2_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low <= due <= high
    why = measure.notes[0]
    assert "of the variance lies between the 2 tasks, which no architecture explains" in why
    assert "another level is the best in each" in why


def test_tasks_that_go_with_levels_lend_them_their_share() -> None:
    """Each task searched with its own losses: pooled they seem to matter, and why is told."""
    sample = campaign({"dashcam": 300, "street": 300})
    swapped = tuple(
        replace(one, configuration={**(one.configuration or {}), "loss": f"{one.task}-loss"})
        if one.number % 10 else one
        for one in sample.experiments
    )  # fmt: skip
    measure = variance_shares(replace(sample, experiments=swapped), factor="loss")
    pooled, within = measure.values["eta2"], measure.values["within_eta2"]
    assert isinstance(pooled, float)
    assert isinstance(within, float)
    assert pooled > 0.6 > 0.1 > within
    assert "counts as the factor's when they are pooled" in measure.notes[0]
    assert measure.sentence.endswith("which may be chance.")


def test_epochs_of_the_code_are_strata_too() -> None:
    """A fix that lifts all results is no merit of what was tried after it."""
    before = [({"model": "ab"[n % 4 == 0]}, 0.5 + 0.001 * (n % 7)) for n in range(40)]
    after = [({"model": "ab"[n % 4 != 0]}, 0.8 + 0.001 * (n % 5)) for n in range(40)]
    one = log(*before, *after)
    experiments = tuple(
        replace(e, extra={"epoch": "old" if e.number <= 40 else "new"}) for e in one.experiments
    )
    answer = found(replace(one, experiments=experiments), "model")
    assert answer.by == ("epoch",)
    assert answer.within is not None
    assert answer.pooled.eta2 > 0.2
    assert answer.within.eta2 < 0.05


def test_a_path_is_the_same_task_wherever_it_is() -> None:
    """Data at two places, under either separator, is one task."""
    one = log(
        ({"data.path": r"C:\a\full.csv"}, 1.0), ({"data.path": "/b/full.csv"}, 1.0),
        ({"data.path": "/b/half.csv"}, 1.0),
    )  # fmt: skip
    assert strata_of(one.experiments).labels == ("full", "full", "half")


def test_failures_are_counted_level_by_level() -> None:
    """Crashes have no result: they are left out of the variance, and told beside it."""
    rows = [({"arch": "a"}, 0.5 + n / 100) for n in range(10)]
    rows += [({"arch": "b"}, 0.7 + n / 100) for n in range(10)]
    one = log(*rows, *[({"arch": "b"}, None)] * 3)
    measure = variance_shares(one)
    assert (measure.values["n"], measure.values["failed"]) == (20, 3)
    assert "Failures are left out: 3 of 13 with b." in measure.notes
    table = factor_levels(one).table
    assert table is not None
    assert [(row["level"], row["n"], row["failed"]) for row in table.records] == [
        ("b", 10, 3), ("a", 10, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (log(*[({"x": n}, float(n)) for n in range(20)]), "No factor to be told apart"),
        (log(*[({"arch": "ab"[n % 2]}, 0.5) for n in range(20)]), "All 20 results are 0.5"),
        (log(*[({"arch": "ab"[n % 2]}, n / 7) for n in range(4)]), "Only 4 results"),
    ],
)
def test_what_means_nothing_is_refused(one: Campaign, why: str) -> None:
    """No factor, no variance, or too few results: a reason instead of figures."""
    measure = variance_shares(one)
    assert measure.refused
    assert why in measure.sentence
    assert measure.values == {}


def test_factors_have_few_values_that_return() -> None:
    """Settings with many values, seeds, paths and what few results have are no factors."""
    rows: list[tuple[Mapping[str, Scalar], float]] = []
    for n in range(30):
        setting: dict[str, Scalar] = {"opt": ("adam", "sgd")[n % 2], "lr": 10.0**-n, "seed": n % 3}
        setting |= {
            "path": "ab"[n % 2],
            "net.arch": "cnn" if n % 3 else "mlp",
            "batch": 2 ** (n % 4),
        }
        setting |= {"beta": n % 2} if n < 15 else {}
        rows.append((setting, float(n)))
    one = log(*rows)
    assert factors_of(one) == ("net.arch", "opt", "batch")
    assert named(one, "arch") == "net.arch"
    assert level_of(one.experiments[0], "net.arch") == "mlp"


def test_factors_that_go_together_are_divided_fairly() -> None:
    """Unbalanced cells: type II gives each factor what it adds to the other, in any order."""
    rng = np.random.default_rng(3)
    left = [("a", "b")[one] for one in rng.integers(0, 2, 200)]
    right = ["x" if (one == "a") == bool(rng.random() < 0.8) else "y" for one in left]
    values = [(one == "a") * 1.0 + rng.normal(0, 0.5) for one in left]
    alone = one_way(right, values)
    both = type_two({"left": left, "right": right}, values)
    turned = type_two({"right": right, "left": left}, values)
    assert alone is not None
    assert both is not None
    assert turned is not None
    assert alone.p < 1e-6
    first = {one.term: one for one in both.shares}
    assert first["right"].p > 0.05
    assert first["left"].omega2 > 0.4
    for one in turned.shares[:2]:
        assert one.eta2 == pytest.approx(first[one.term].eta2, abs=1e-9)


def test_type_two_agrees_with_a_computation_by_hand() -> None:
    """Five results in four cells; the sums of squares as textbook formulas give them."""
    cells = [
        ("a", "x", 1.0),
        ("a", "y", 2.0),
        ("a", "y", 4.0),
        ("b", "x", 3.0),
        ("b", "y", 9.0),
    ] * 4
    left, right, values = zip(*cells, strict=True)
    found = type_two({"left": left, "right": right}, values, pairs=False)
    assert found is not None

    def squares(*columns: list[float]) -> float:
        design = np.array([[1.0] * len(values), *columns]).T
        fitted = design @ np.linalg.lstsq(design, np.array(values), rcond=None)[0]
        return float(np.sum((np.array(values) - fitted) ** 2))

    a, x = [float(one == "a") for one in left], [float(one == "x") for one in right]
    total = squares()
    assert [one.eta2 for one in found.shares] == pytest.approx(
        [(squares(x) - squares(a, x)) / total, (squares(a) - squares(a, x)) / total]
    )
    assert found.residual == pytest.approx(squares(a, x) / total)


def test_interactions_where_cells_allow() -> None:
    """An effect that only a pair has is found as an interaction; with sparse cells none is told."""
    rows = [({"arch": a, "opt": b}, float(a == "m" and b == "s") + 0.05 * (n % 5))
            for n in range(12) for a in "mc" for b in "st"]  # fmt: skip
    measure = factor_effects(log(*rows))
    share = measure.values["arch x opt.omega2"]
    assert isinstance(share, float)
    assert share > 0.8
    sparse = factor_effects(campaign({"dashcam": 300}))
    assert not any("architecture x training" in key for key in sparse.values)
    assert any("Too few results per cell" in note for note in sparse.notes)


def test_factors_that_are_the_same_are_not_told_apart() -> None:
    """Two names of one choice: neither gets a share of its own, and a note says so."""
    rows = [({"arch": "ab"[n % 2], "head": "xy"[n % 2], "opt": "st"[n % 3 == 0]}, n % 2 + 0.01 * n)
            for n in range(40)]  # fmt: skip
    measure = factor_effects(log(*rows))
    assert "arch.eta2" not in measure.values
    assert any(
        "Not to be told from the other factors: arch, head" in note for note in measure.notes
    )


def test_what_is_explained_wholly_has_no_infinite_figures() -> None:
    """Results that are the level's own leave no error: the share is 1, and F is absent."""
    one = found(log(*[({"arch": "ab"[n % 2]}, float(n % 2)) for n in range(20)]), "arch")
    assert (one.pooled.eta2, one.pooled.low, one.pooled.p) == (1.0, 1.0, 0.0)
    assert variance_shares(log(*[({"arch": "ab"[n % 2]}, float(n % 2)) for n in range(20)])).values[
        "f"
    ] is None  # fmt: skip


def test_the_interval_is_that_of_the_noncentral_f() -> None:
    """With no effect, the share's interval begins at 0 in 97.5 % and holds 0 in all of those."""
    rng = np.random.default_rng(0)
    begins = 0
    for _ in range(400):
        share = one_way(["a", "b", "c"] * 20, rng.normal(size=60).tolist())
        assert share is not None
        begins += interval(share.f, share.df, share.df_error)[0] == 0
    assert 380 <= begins <= 398


def test_the_ends_of_the_interval_are_quantiles() -> None:
    """At each end's noncentrality the observed F is the quantile that 95 % asks for."""
    low, high = interval(8.0, 3, 56)
    for end, quantile in ((low, 0.975), (high, 0.025)):
        assert ncfdtr(3, 56, 60 * end / (1 - end), 8.0) == pytest.approx(quantile, abs=1e-6)


def test_levels_that_were_drawn_widen_the_interval() -> None:
    """How often each level was drawn is chance too, which the F statistic takes as given."""
    share = found(campaign({"dashcam": 400}), "architecture").pooled
    low, high = interval(share.f, share.df, share.df_error)
    assert share.low < low
    assert share.high >= high
    assert share.low < share.eta2 < share.high


def test_an_interaction_takes_three_results_per_cell() -> None:
    """Six levels by six: 60 results are too few for their cells, 180 are enough."""

    def measure(rows: int) -> Measured:
        made = [({"arch": f"a{n % 6}", "opt": f"o{n // 6 % 6}"}, float(n % 7)) for n in range(rows)]
        return factor_effects(log(*made))

    assert "arch x opt.omega2" not in measure(60).values
    assert "Too few results per cell for arch x opt." in measure(60).notes
    assert "arch x opt.omega2" in measure(180).values


def test_tasks_are_one_more_factor() -> None:
    """Of several factors on two tasks, what lies between the tasks is theirs, not a factor's."""
    measure = factor_effects(
        campaign({"dashcam": 300, "street": 300}), factors=("architecture", "loss")
    )
    share = measure.values["task.eta2"]
    assert isinstance(share, float)
    assert share > 0.6
    assert "architecture x task.omega2" in measure.values


def test_without_an_architecture_the_largest_share_is_told() -> None:
    """Nobody is told of a knob that hardly matters because it stands first; the choice is said."""
    rows = [
        ({"warmup": step % 2, "depth": step % 3, "seed": step}, float(step % 3) + 0.01 * (step % 2))
        for step in range(24)
    ]
    told = variance_shares(log(*rows))
    assert told.values["factor"] == "depth"
    assert "largest of the shares of 2 settings" in " ".join(told.notes)
    named_first = [({"model": f"m{c['warmup']}", **c}, value) for c, value in rows]
    assert variance_shares(log(*named_first)).values["factor"] == "model"
