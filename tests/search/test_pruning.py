"""Our rules against Optuna's pruners, which they must equal as long as nothing crashes."""

import random

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner

from crtcore.config import SchedulerConfig
from search.pruning import Other, Rule

NUM_EPOCHS = 9
VALUES = st.sampled_from([0.5, 0.55, 0.6, 0.61, 0.7])  # few, so that ties occur
CURVES = st.lists(st.lists(VALUES, min_size=NUM_EPOCHS, max_size=NUM_EPOCHS), min_size=1, max_size=9)


def rule(grace: int, factor: int, name: str = "asha", startup_trials: int = 5) -> Rule:
    scheduler = SchedulerConfig.model_validate(
        {"name": name, "grace_epochs": grace, "reduction_factor": factor, "startup_trials": startup_trials}
    )
    return Rule(scheduler=scheduler, name="sweep", num_epochs=NUM_EPOCHS)


def others(*curves: dict[int, float], is_complete: bool = False) -> list[Other]:
    return [
        Other(number=number, curve=curve, is_complete=is_complete)
        for number, curve in enumerate(curves, start=1)
    ]


def pruner(name: str, grace: int, factor: int, startup_trials: int) -> BasePruner:
    if name == "asha":
        return SuccessiveHalvingPruner(min_resource=grace, reduction_factor=factor)
    if name == "hyperband":
        return HyperbandPruner(min_resource=grace, max_resource=NUM_EPOCHS, reduction_factor=factor)
    return MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=grace)


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
@settings(deadline=None, max_examples=40)
@given(CURVES, st.integers(1, 3), st.integers(2, 4), st.integers(1, 3), st.randoms(use_true_random=False))
def test_same_decisions_as_optuna(
    name: str, curves: list[list[float]], grace: int, factor: int, startup: int, order: random.Random
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    theirs = pruner(name, grace, factor, startup)
    study = optuna.create_study(study_name="sweep", direction="maximize", pruner=theirs)
    trials = [study.ask() for _ in curves]
    reported: list[dict[int, float]] = [{} for _ in curves]
    complete: set[int] = set()
    going = list(range(len(curves)))
    while going:
        number = order.choice(going)
        epoch = len(reported[number]) + 1
        value = curves[number][epoch - 1]
        reported[number][epoch] = value
        rest = [
            Other(number=other, curve=curve, is_complete=other in complete)
            for other, curve in enumerate(reported)
            if other != number
        ]
        ours = rule(grace, factor, name, startup).is_out(number, reported[number], rest)
        trials[number].report(value, epoch)
        assert ours == trials[number].should_prune()
        if ours:
            study.tell(trials[number], state=optuna.trial.TrialState.PRUNED)
        elif epoch == NUM_EPOCHS:
            study.tell(trials[number], value)
            complete.add(number)
        if ours or epoch == NUM_EPOCHS:
            going.remove(number)


def test_asked_again_it_answers_the_same_where_optuna_forgets() -> None:
    """The reason for a rule of our own: a driver that died between a decision and its record asks again."""
    curves = [{1: 0.9, 2: 0.9}, {1: 0.8, 2: 0.8}]
    assert [rule(2, 2).is_out(0, {2: 0.5}, others(*curves)) for _ in range(2)] == [True, True]

    study = optuna.create_study(
        direction="maximize", pruner=SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)
    )
    for curve in curves:
        good = study.ask()
        for epoch, value in curve.items():
            good.report(value, epoch)
            good.should_prune()
    trial = study.ask()
    trial.report(0.5, 2)
    assert [trial.should_prune() for _ in range(2)] == [True, False]


@pytest.mark.parametrize("epoch", [1, 3, 5, 7])
def test_between_rungs_nothing_is_stopped(epoch: int) -> None:
    assert not rule(2, 3).is_out(0, {epoch: 0.1}, others(*[{epoch: 0.9}] * 8))


def test_without_a_scheduler_nothing_is_stopped() -> None:
    assert not rule(1, 2, "none").is_out(0, {1: 0.1}, others(*[{1: 0.9}] * 8))


def test_the_first_at_a_rung_goes_on_and_the_worst_third_does_not() -> None:
    assert not rule(2, 3).is_out(0, {2: 0.1}, [])
    assert not rule(2, 3).is_out(0, {2: 0.1}, others({1: 0.9}))  # has not come to this rung
    five = others(*({2: value} for value in (0.5, 0.6, 0.7, 0.8, 0.9)))
    assert not rule(2, 3).is_out(0, {2: 0.85}, five)
    assert rule(2, 3).is_out(0, {2: 0.75}, five)


def test_hyperband_begins_to_stop_at_different_epochs() -> None:
    first_stop = set()
    for number in range(40):
        mates = [Other(number=number, curve=dict.fromkeys(range(1, 10), 0.9), is_complete=True)] * 5
        curve: dict[int, float] = {}
        for epoch in range(1, NUM_EPOCHS + 1):
            curve[epoch] = 0.1
            if rule(1, 3, "hyperband").is_out(number, curve, mates):
                first_stop.add(epoch)
                break
    assert first_stop == {1, 3, 9}  # three brackets of 9 epochs


def test_the_median_is_of_complete_trials_and_waits_for_enough_of_them() -> None:
    curves = [{2: 0.6}, {2: 0.7}, {2: 0.8}]
    median = rule(2, 3, "median", startup_trials=3)
    assert median.is_out(0, {1: 0.5, 2: 0.65}, others(*curves, is_complete=True))
    assert not median.is_out(0, {1: 0.75, 2: 0.65}, others(*curves, is_complete=True))  # was better once
    assert not median.is_out(0, {1: 0.5, 2: 0.65}, others(*curves))
    assert not median.is_out(0, {1: 0.5, 2: 0.65}, others(*curves[:2], is_complete=True))
    assert not median.is_out(0, {1: 0.1}, others(*[{1: 0.9}] * 3, is_complete=True))  # grace
