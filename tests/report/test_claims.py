"""Claims of models: what the record bears out stays as it is, what it contradicts is struck."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.histories import DEFAULTS, NETWORK, Recorder, network_task
from trialwright.analyst import written
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import Cause, Curve, Observation, Outcome, Proposal, RunKey
from trialwright.report.final import final_analysis
from trialwright.report.known import Known
from trialwright.report.prose import STRUCK, STRUCK_WORDS, check

BY = ("expert", "expert", "gp", "random")
SEEN: tuple[tuple[dict[str, Scalar], float | str, float], ...] = (
    ({}, 0.9, 12.0),
    ({"learning_rate": 0.01}, 0.931, 11.5),
    ({"learning_rate": 0.5}, "diverged", 3.0),
    ({"learning_rate": 0.003, "hidden": 128}, 0.954, 20.0),
    ({"learning_rate": 0.003, "optimizer": "sgd", "momentum": 0.9}, 0.912, 10.0),
    ({"learning_rate": 0.03}, 0.882, 11.0),
    ({"learning_rate": 0.003, "hidden": 512}, "out_of_memory_host", 2.0),
    ({"learning_rate": 0.0003}, "pruned", 6.0),
    ({"learning_rate": 0.003, "hidden": 128, "dropout": 0.3}, 0.948, 21.0),
    ({"learning_rate": 0.003, "hidden": 256}, 0.950, 48.0),
)
"""What changed against the defaults, the value (or how it ended), the seconds."""


def observation(key: RunKey, value: float | str, seconds: float, metric: str) -> Observation:
    """What a run showed that ended with a value, or failed, or was pruned."""
    if isinstance(value, str):
        outcome: Outcome = "pruned" if value == "pruned" else "failed"
        cause: Cause | None = None if outcome == "pruned" else value  # type: ignore[assignment]
        return Observation(run=key, outcome=outcome, cause=cause, seconds=seconds)
    curve = Curve(steps=(1.0, 2.0, 3.0), series={metric: (value - 0.2, value - 0.05, value)})
    metrics = {metric: value, "train_loss": round(1.2 - value, 4)}
    return Observation(
        run=key, outcome="done", value=value, metrics=metrics, curve=curve, seconds=seconds
    )


def recorded(folder: Path, direction: str) -> History:
    """Ten trials: seven with a value, two that failed, one that was pruned."""
    task = network_task(trials=10, direction=direction)
    recorder = Recorder(folder, task)
    for number, (change, value, seconds) in enumerate(SEEN):
        configuration = NETWORK.canonical({**DEFAULTS, **change})
        parent = None if number == 0 else 3 if number > 7 else 0
        proposal = Proposal(configuration=configuration, by=BY[number % 4], parent=parent)
        key = recorder.launch(recorder.admit(proposal))
        turned = direction == "minimize" and isinstance(value, float)
        shown = round(1 - value, 4) if turned and isinstance(value, float) else value
        recorder.observe(observation(key, shown, seconds, task.objective.metric))
    return recorder.close()


@pytest.fixture(scope="module")
def higher(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A study of an accuracy."""
    return recorded(tmp_path_factory.mktemp("higher"), "maximize")


@pytest.fixture(scope="module")
def lower(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The same of a loss."""
    return recorded(tmp_path_factory.mktemp("lower"), "minimize")


TRUE = (
    "Trial 3 is best at 0.954.",
    "Trial 3 is the best of 7 results, with a validation accuracy of 95.4 %.",
    "The best trial is trial 3, which reached 0.954.",
    "Trial 3 reached 0.954, up from 0.9 in trial 0.",
    "The defaults (trial 0) gave 0.900, and trial 3 gave 0.954.",
    "Trial 5 was the worst of those that finished, with 0.882.",
    "It is not clear that trial 9, at 0.950, is really worse.",
    "Trial 9 came second with 0.95, just behind trial 3.",
    "Trial 1 raised the learning rate from 0.001 to 0.01 and reached 0.931.",
    "Trial 1 raised `learning_rate` from 1e-3 to 1e-2.",
    "A learning rate of 3e-3 worked best.",
    "Learning rates between 3e-4 and 0.5 were tried.",
    "The learning rate was searched between 1e-4 and 1.",
    "With learning_rate = 0.003 and hidden = 128, trial 3 is ahead of all others.",
    "The learning rates tried were 0.001, 0.01, 0.5, 0.003 and 0.03.",
    "Trial 2 diverged at a learning rate of 0.5.",
    "Trial 2 failed because the learning rate of 0.5 was too high.",
    "Trial 6 ran out of memory with 512 hidden units.",
    "Trials 2 and 6 failed; trial 7 was pruned.",
    "2 of 10 trials failed.",
    "Two of the ten trials failed, and one was pruned.",
    "Of 10 trials, 7 gave a result.",
    "All in all 10 trials were run, of which 7 completed.",
    "One trial was pruned after 6 seconds.",
    "No trial timed out.",
    "Trial 3 improves on trial 0 by 0.054.",
    "Trial 3 is 0.054 better than trial 0.",
    "The gain of 0.054 over the first trial is unconfirmed.",
    "Trial 3 improves the accuracy by 6 % relative to trial 0.",
    "That is an improvement of 5.4 percentage points over trial 0.",
    "Trial 5 is 0.018 worse than trial 0.",
    "Going from 0.931 to 0.954 is a gain of 0.023.",
    "Trial 3 beats trial 9 by 0.004.",
    "Trial 9 took 48 seconds, 2.4 times as long as trial 3.",
    "Trial 9 was the slowest: it needed 48 s.",
    "Trial 6 was the fastest to end, after 2 s.",
    "Trial 8 added a dropout of 0.3 (30 %) and fell to 0.948.",
    "Trial 4 used optimizer sgd with momentum 0.9 and got 0.912.",
    "Trial 4 did not fail, but it is not the best either.",
    "Trial 3 beats trial 1.",
    "Trial 5 is worse than trial 0.",
    "Trials 3 and 9 reached 0.954 and 0.95.",
    "1. Trial 3 is best.\n2. Trial 9 is close to it.\n3) More seeds would tell.",
    "Trial 3 is the best. It reached 0.954 with 128 hidden units.",
    "Its accuracy rose to 0.754 at step 1 and 0.904 at step 2.",
    "Trial 3 had the lowest train_loss, 0.246.",
    "Trial 2 had the highest learning rate.",
    "The expert proposed 6 trials.",
    "2 trials had hidden = 128; more would be worth a try.",
    "Every run above a learning rate of 0.03 failed, and a batch size of 64 was never changed.",
    "Trial 1 was the best so far when it ended.",
    "Smaller steps helped; whether that is noise can't be told.",
    "Compared with trial 1 (0.931), trial 3 is 0.023 higher.",
    "ResNet18 was not tried, and v2.0 of the script neither.",
    "The budget of 10 trials is spent.",
)

FALSE = (
    ("Trial 1 is best at 0.931.", "best"),
    ("Trial 1 is best at 0.954.", "best", "0.954"),
    ("The best trial is trial 9.", "best"),
    ("Trial 9 is the winner.", "winner"),
    ("Trial 3 is the worst.", "worst"),
    ("Trial 3 is not the best.", "best"),
    ("Trial 3 reached 0.931.", "0.931"),
    ("Trial 3 reached 93.1 %.", "93.1 %"),
    ("Trial 1 reached 0.954, up from 0.931 in trial 3.", "0.954", "0.931"),
    ("Trial 0 gave 0.954 and trial 3 gave 0.900.", "0.954", "0.900"),
    ("Trial 3 reached 0.99.", "0.99"),
    ("Others report 0.9987.", "0.9987"),
    ("Trial 12 reached 0.954.", "12"),
    ("Trial 3 used a learning rate of 0.01.", "0.01"),
    ("Trial 1 raised the learning rate from 0.001 to 0.03.", "0.03"),
    ("A learning rate of 0.2 was tried.", "0.2"),
    ("A learning rate of 2e-3 worked best.", "2e-3"),
    ("Learning rates between 2e-4 and 0.5 were tried.", "2e-4"),
    ("learning_rate = 0.954 was used.", "0.954"),
    ("A dropout of 30 % was tried in trial 3.", "30 %"),
    ("Trial 3 used optimizer sgd.", "sgd"),
    ("Trial 1 failed.", "failed"),
    ("Trials 1 and 2 failed.", "failed"),
    ("Trial 2 was pruned.", "pruned"),
    ("Trial 1 diverged.", "diverged"),
    ("Trial 2 ran out of memory.", "ran out of memory"),
    ("Trial 2 did not fail, and trial 6 never crashed.", "crashed"),
    ("3 of 10 trials failed.", "3"),
    ("2 of 12 trials failed.", "12"),
    ("Three of ten trials failed.", "Three"),
    ("No trial failed.", "No"),
    ("All trials succeeded.", "All"),
    ("8 trials gave a result.", "8"),
    ("After 12 trials the study ended.", "12"),
    ("Five trials were pruned.", "Five"),
    ("The expert proposed 5 trials.", "5"),
    ("Trial 3 improves on trial 0 by 0.064.", "0.064"),
    ("Trial 3 is 0.054 worse than trial 0.", "0.054"),
    ("Trial 0 is 0.054 better than trial 3.", "0.054"),
    ("Trial 3 improves the accuracy by 16 % relative to trial 0.", "16 %"),
    ("That is a gain of 0.08 over the first trial.", "0.08"),
    ("Going from 0.931 to 0.954 is a gain of 0.03.", "0.03"),
    ("Trial 9 took 20 seconds.", "20"),
    ("Trial 9 took 5 times as long as trial 3.", "5"),
    ("Trial 1 beats trial 3.", "beats"),
    ("Trial 0 is worse than trial 5.", "worse than"),
    ("Trial 9 has the highest accuracy.", "highest"),
    ("Trial 1 had the lowest train_loss.", "lowest"),
    ("Trial 1 was the fastest.", "fastest"),
    ("Trial 3 is the best. It reached 0.931.", "0.931"),
    ("The gain is real with probability 0.99.", "0.99"),
    ("The learning rate explains 97 % of the variation.", "97 %"),
    ("Trial 3 reached 9.54e-2.", "9.54e-2"),
    ("Trials 3 and 9 reached 0.954 and 0.912.", "0.912"),
)

MORE_TRUE = (
    "The winning configuration, trial 3, combines a learning rate of 0.003 with 128 hidden"
    " units and no dropout, for a val_accuracy of 0.954.",
    "Raising hidden from 64 to 128 helped, while 512 ran out of memory.",
    "Trial 9 doubled the hidden units to 256 but scored 0.950, slightly below trial 3's 0.954.",
    "Dropout did not help: trial 8 (dropout 0.3) reached only 0.948 versus 0.954 without it.",
    "Learning rate mattered most: at 0.03 accuracy dropped to 0.882, and at 0.5 training diverged.",
    "SGD with momentum 0.9 (trial 4) gave 0.912, about 4 points below the best.",
    "Two trials failed: trial 2 diverged and trial 6 ran out of host memory.",
    "Trial 7 was stopped early after 6 s.",
    "The improvement over the baseline is 0.054, or 6.0 % in relative terms.",
    "From trial 0 to trial 3 accuracy rose by 0.054.",
    "Trial 1 reached 0.931 with a learning rate ten times the default's 0.001.",
    "The runs took between 2 and 48 seconds.",
    "Trial 3 needed 20 s, trial 9 48 s.",
    "I would next try 3 more seeds of trial 3.",
    "Trial 3 was still improving at its last step, 3, so longer training may help.",
    "The study spent its 10 trials.",
    "Seven trials finished with a value; the best of them is trial 3.",
    "The next best were trial 9 (0.950) and trial 8 (0.948).",
    "Trial 5, with the learning rate at 0.03, did worst: 0.882.",
    "The accuracy of the best trial is 0.954, against 0.900 for the defaults.",
    "Trials 3, 8 and 9 all used a learning rate of 0.003.",
    "A learning rate of 0.003 was used in trials 3, 4, 6, 8 and 9.",
    "There is no evidence about batch_size, which stayed at 64, or weight_decay, which"
    " stayed at 0.01.",
    "Random search found the best configuration in trial 3, not the expert.",
    "The train_loss of trial 3 was 0.246, and that of trial 5 0.318.",
    "Both failures are explained: too large a step and too large a network.",
    "Trial 3's gain of 5.4 points is unconfirmed because each trial has a single seed.",
    "At step 2 trial 3 was at 0.904 already.",
    "Trial 6 crashed; lower the hidden size to 256 or below.",
    "Trial 2's learning rate of 0.5 was too high, as was trial 5's 0.03.",
    "If one excludes trial 2 and trial 6, every trial beat 0.88.",
    "Trial 4 took 10 seconds, half of what trial 3 took.",
    "Trial 8 is 0.006 worse than trial 3.",
    "Adding dropout lowered the accuracy by 0.006.",
    "The 4th trial was the best one.",
    "Accuracy ranged from 0.882 to 0.954 over the seven results.",
    "Trial 0 (the default) scored 0.9; trial 1 improved on it with 0.931; trial 3 set the"
    " final mark of 0.954.",
    "The larger network of trial 9 cost 48 s instead of 20 s and gained nothing.",
    "Nothing beat trial 3.",
    "None of the later trials improved on trial 3.",
    "Adam was used in all trials but trial 4.",
    "The best learning rate lies near 3 x 10^-3, between 1e-3 and 1e-2.",
    "Trial 3 leads trial 1 by 2.3 percentage points.",
    "A tenfold increase of the learning rate (trial 1) brought 0.031.",
    "It is worth noting that 70 % of the trials gave a result.",
    "Trial 1 was better than trial 0, by 0.031.",
    "Trial 9 came close, but trial 3 remains the best.",
    "Of the failures, trial 6 took 2 s and trial 2 took 3 s.",
    "Overall, the study improved validation accuracy from 0.900 to 0.954.",
    "Validation accuracy improved by 5.4 points, from 0.900 (trial 0) to 0.954 (trial 3).",
    "A moderate learning rate (0.003) with a wider layer (128) gives the best result.",
    "Trial 3 (learning_rate 0.003, hidden 128) is the best, with 0.954.",
    "The two best trials, 3 and 9, share a learning rate of 0.003.",
    "Three of the seven results lie above 0.94.",
    "Trials 2 and 6 gave no result, for different reasons.",
    "After trial 3 nothing improved.",
    "The learning rate was tried at 0.0003, 0.001, 0.003, 0.01, 0.03 and 0.5.",
    "Lowering it to 0.0003 was too slow: trial 7 was pruned after 6 s.",
    "At 0.03 the loss is already unstable (trial 5: 0.882), at 0.5 it diverges (trial 2).",
    "Doubling hidden from 128 to 256 costs 28 s more per run.",
    "Trial 9 took 28 s longer than trial 3.",
    "Trial 9 took 2.4x as long as trial 3.",
    "sgd was tried once, in trial 4, and came in at 0.912.",
    "Dropout of 0.3 costs 0.006 against trial 3.",
    "With one seed per trial, a difference of 0.004 between trials 3 and 9 says little.",
    "The difference between trial 3 and trial 9 is 0.004.",
    "The gap to the runner-up is only 0.004.",
    "Of the 10 trials, 2 failed, 1 was pruned and 7 completed.",
    "7 completed, 2 failed, 1 pruned.",
    "Run trial 3 with 3 more seeds, then try a learning rate of 0.005.",
    "Accuracy peaked at 0.954.",
    "In trial 3, accuracy climbed from 0.754 at step 1 to 0.954 at step 3.",
    "The final train_loss is 0.246 in trial 3 and 0.3 in trial 0.",
    "Batch size stayed at 64 throughout.",
    "Neither trial 2 nor trial 6 produced a value.",
    "Trial 4 is not among the best three.",
    "Trial 3 is better than trials 8 and 9.",
    "Trial 5 fell 0.018 short of the default.",
    "Trial 0's 0.9 is the number to beat.",
    "The expert brought 6 of the 10 trials, random search 2 and gp 2.",
    "Trial 3, a child of trial 0, reached 0.954.",
    "Trial 8, which adds dropout to trial 3, reached 0.948.",
    "Failures: 2. Pruned: 1.",
    "The whole study took 144.5 seconds.",
    "Weight decay (0.01) and batch size (64) were never varied.",
    "Trial 9 has one layer of units, 256 of them, and comes second.",
    "Trial 5 had its best accuracy, 0.882, at step 3.",
)
"""Written before the code that reads them was tried on them."""

MORE_FALSE = (
    "Trial 9 has one layer of units, 192 of them, and comes second.",
    "Trial 5 had its best accuracy, 0.931, at step 3.",
    "Trial 5 was its best result.",
    "The winning configuration, trial 8, combines a learning rate of 0.003 with 128 hidden units.",
    "Raising hidden from 64 to 192 helped.",
    "Trial 9 doubled the hidden units to 256 and scored 0.954.",
    "Dropout did not help: trial 8 (dropout 0.5) reached only 0.948.",
    "At a learning rate of 0.04 accuracy dropped to 0.882.",
    "SGD with momentum 0.95 (trial 4) gave 0.912.",
    "Four trials failed in all.",
    "Trial 8 was stopped early after 6 s.",
    "The improvement over the baseline is 0.045, or 6.0 % in relative terms.",
    "From trial 0 to trial 3 accuracy rose by 0.154.",
    "Trial 1 reached 0.948 with a learning rate ten times the default's.",
    "Trial 3 needed 48 s, trial 9 20 s.",
    "Nine trials finished with a value.",
    "The next best were trial 9 (0.948) and trial 8 (0.950).",
    "Trial 5, with the learning rate at 0.01, did worst.",
    "Trials 3, 8 and 9 all used a learning rate of 0.01.",
    "The train_loss of trial 3 was 0.318.",
    "Trial 6 was pruned and trial 7 crashed.",
    "Trial 8 is 0.006 better than trial 3.",
    "Trial 3 leads trial 1 by 5.4 percentage points.",
    "80 % of the trials failed.",
    "Trial 9 clearly outperformed trial 3.",
    "The failed trials were trials 1 and 2.",
    "The worst trial was trial 0 with 0.9.",
    "Trial 3 ran for 12 seconds.",
    "Trial 4 timed out.",
    "Accuracy ranged from 0.882 to 0.99.",
    "Trial 0 is the best.",
    "Best of all is trial 9 with 0.95.",
    "The random proposer brought 7 trials.",
    "Half a dozen trials failed, 6 of 10 trials to be exact.",
    "Trial 1's gain over trial 0 was 0.054.",
    "Dropout of 0.5 was tested and rejected.",
    "With batch_size = 128, accuracy fell.",
    "The final accuracy of trial 9 was 0.954.",
    "Trial 2 completed.",
    "Every trial completed without errors.",
    "Trial 3 was 48 seconds long.",
    "Trial 8 beat trial 9.",
    "Trial 7 reached 0.948.",
    "Trial 3 halved the error, from 0.100 to 0.050.",
    "The highest accuracy, 0.95, came from trial 9.",
    "Trial 3 has a 60 % higher accuracy than trial 0.",
    "Trial 9 used hidden = 128.",
    "Trial 3 failed to converge and crashed.",
    "Overall, the study improved validation accuracy from 0.900 to 0.97.",
    "Validation accuracy improved by 7.4 points, from 0.900 (trial 0) to 0.954 (trial 3).",
    "Trial 3 (learning_rate 0.01, hidden 128) is the best, with 0.954.",
    "Trial 3 (learning_rate 0.003, hidden 256) is the best.",
    "The learning rate was tried at 0.0003, 0.001, 0.005 and 0.01.",
    "Trial 5 was pruned after 6 s.",
    "At 0.03 the result is unstable (trial 5: 0.912).",
    "Trial 9 took 18 s longer than trial 3.",
    "Trial 9 took 3.4x as long as trial 3.",
    "sgd was tried once, in trial 4, and came in at 0.931.",
    "The difference between trial 3 and trial 9 is 0.014.",
    "Of the 10 trials, 3 failed, 1 was pruned and 6 completed.",
    "Trial 3 is 0.023 above trial 0.",
    "Accuracy peaked at 0.97.",
    "In trial 3, accuracy climbed from 0.7 at step 1 to 0.954 at step 3.",
    "The final train_loss is 0.346 in trial 3.",
    "Batch size was set to 32 throughout.",
    "Trial 4 is among the failures: it crashed.",
    "Trial 9 is better than trials 3 and 8.",
    "Trial 5 fell 0.118 short of the default.",
    "Trial 0's 0.912 is the number to beat.",
    "The expert brought 8 of the 10 trials.",
    "Trial 3, a child of trial 0, reached 0.948.",
    "Trial 8, which adds dropout to trial 3, reached 0.931.",
    "Trial 8 used a dropout of 0.2.",
    "Weight decay (0.001) was never varied.",
    "The best result is trial 8's 0.948.",
    "Trial 9 took first place.",
    "Trial 10 is the best.",
    "Momentum 0.99 won.",
    "Trial 3 wins with 95.0 %.",
    "Trial 3 gained 12 % over the default.",
    "Over half, 6 of 10 trials, diverged.",
    "Trial 1, not trial 3, is the best.",
    "Two trials diverged.",
    "Three trials ran out of memory.",
    "No trials were pruned.",
    "Trial 6 finished with 0.93.",
)
"""Each with something that the record contradicts, or does not know."""

LOSS_TRUE = (
    "Trial 3 is best with a val_loss of 0.046, the lowest of all.",
    "Trial 3 has the lowest val_loss.",
    "Trial 5 has the highest val_loss, 0.118.",
    "Trial 3 lowered the loss from 0.1 to 0.046, a drop of 0.054.",
    "The val_loss of trial 3 is 54 % lower than that of trial 0.",
    "Trial 3 is 0.054 better than trial 0, that is 0.054 lower.",
)

LOSS_FALSE = (
    ("Trial 5 is best with a val_loss of 0.118.", "best"),
    ("Trial 5 has the lowest val_loss.", "lowest"),
    ("Trial 3 has the highest val_loss.", "highest"),
    ("The val_loss of trial 3 is 54 % higher than that of trial 0.", "54 %"),
    ("Trial 3 is 0.054 worse than trial 0.", "0.054"),
    ("Trial 0 beats trial 3.", "beats"),
)


WITHIN_TRUE = (
    "A rate of 0.03 hurt (trial 5, 0.882), and so did dropout 0.3 with 128 units (trial 8).",
    "Trial 3 ends 0.2 above its 0.754 at step 1.",
    "Trial 3 ends 0.05 above its 0.904 at step 2.",
)
WITHIN_FALSE = (
    ("A rate of 0.03 hurt (trial 5), and so did dropout 0.3 with 256 units (trial 8).", "256"),
    ("Trial 3 ends 0.0500 below its 0.904 at step 2.", "0.0500"),
    ("Trial 3 ends 0.17 above its 0.754 at step 1.", "0.17"),
    ("Trial 3 ends 0.2 above its 0.7 at step 1.", "0.2", "0.7"),
)


@pytest.mark.parametrize("prose", WITHIN_TRUE)
def test_what_one_trial_shows_stays(prose: str, higher: History) -> None:
    """A second count beside a parameter's value, and a difference within one trial's curve."""
    assert struck(prose, higher) == ()


@pytest.mark.parametrize(("prose", "wrong"), [(prose, wrong) for prose, *wrong in WITHIN_FALSE])
def test_what_one_trial_does_not_show_is_struck(
    prose: str, wrong: list[str], higher: History
) -> None:
    """The count of another trial, the wrong way, another size, a number of no trial."""
    assert struck(prose, higher) == tuple(wrong)


def struck(prose: str, history: History) -> tuple[str, ...]:
    """What is struck out of prose about a study, with the facts that its model was given."""
    checked = check(prose, history, written(final_analysis(history)))
    marks = checked.text.count(STRUCK) + checked.text.count(STRUCK_WORDS)
    assert marks == len(checked.struck)
    assert checked.struck or checked.text == prose
    return checked.struck


@pytest.mark.parametrize("prose", [*TRUE, *MORE_TRUE])
def test_what_is_true_stays(prose: str, higher: History) -> None:
    """A sentence that the record bears out is not touched."""
    assert struck(prose, higher) == ()


@pytest.mark.parametrize(("prose", "wrong"), [(prose, wrong) for prose, *wrong in FALSE])
def test_what_is_false_is_struck(prose: str, wrong: list[str], higher: History) -> None:
    """The words or numbers that the record contradicts are taken out, and only they."""
    assert struck(prose, higher) == tuple(wrong)


@pytest.mark.parametrize("prose", MORE_FALSE)
def test_something_is_struck_of_what_is_false(prose: str, higher: History) -> None:
    """Sentences as models phrase them do not pass whole if one claim in them is false."""
    assert struck(prose, higher) != ()


@pytest.mark.parametrize("prose", LOSS_TRUE)
def test_of_a_loss_less_is_better(prose: str, lower: History) -> None:
    """Of a metric that is minimised the lowest is best, and a drop is a gain."""
    assert struck(prose, lower) == ()


@pytest.mark.parametrize(("prose", "wrong"), [(prose, wrong) for prose, *wrong in LOSS_FALSE])
def test_of_a_loss_more_is_worse(prose: str, wrong: list[str], lower: History) -> None:
    """What would be right of an accuracy is struck."""
    assert struck(prose, lower) == tuple(wrong)


def test_what_code_wrote_is_borne_out(higher: History, lower: History) -> None:
    """The facts themselves, as code words them, pass without a mark."""
    for history in (higher, lower):
        facts = written(final_analysis(history))
        assert check(facts, history, facts).struck == ()


OF_THE_TASK = (
    ("The score is counted on 500 papers.", True),
    ("The 2,708 papers have 140 labels among them.", True),
    ("The score is counted on 600 papers.", False),
    ("Trial 3 reached 500.", False),
    ("Trial 3 ran for 140 steps.", False),
)


@pytest.mark.parametrize(("prose", "held"), OF_THE_TASK)
def test_counts_of_the_users_own_description_stay(tmp_path: Path, prose: str, held: bool) -> None:
    """What the user counts of the data may be said again, of the same things alone."""
    words = "2,708 papers, 140 labelled ones to learn from; accuracy on 500 other papers."
    recorder = Recorder(tmp_path, replace(network_task(trials=4), description=words))
    for number, value in enumerate((0.5, 0.6, 0.7, 0.8)):
        configuration = NETWORK.canonical({**DEFAULTS, "hidden": 32 + number})
        key = recorder.launch(recorder.admit(Proposal(configuration=configuration, by="expert")))
        recorder.observe(observation(key, value, 5.0, recorder.task.objective.metric))
    assert (not struck(prose, recorder.close())) == held


def test_before_any_trial_nothing_is_known(tmp_path: Path) -> None:
    """Without trials no number stands, and prose without numbers does."""
    history = Recorder(tmp_path, network_task()).close(sentence=None)
    assert Known(history).best is None
    assert check("Trial 0 reached 0.9 and is best.", history).struck == ("0", "0.9")
    assert check("Nothing was run.", history).struck == ()
