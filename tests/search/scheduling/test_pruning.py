"""Our rules against Optuna's pruners, which must decide the same as long as nothing crashes, and against the
same rules computed from all curves each time.
"""

import random
import statistics
from collections.abc import Sequence

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner

from crtcore.searchconfig import SchedulerConfig
from search.scheduling.pruning import Curve, Pruner

NUM_EPOCHS = 9
VALUES = st.sampled_from([0.5, 0.55, 0.6, 0.61, 0.7])  # few, so that ties occur
CURVES = st.lists(st.lists(VALUES, min_size=NUM_EPOCHS, max_size=NUM_EPOCHS), min_size=1, max_size=9)


def config(grace: int, factor: int, name: str = "asha", startup_trials: int = 5) -> SchedulerConfig:
    return SchedulerConfig.model_validate(
        {"name": name, "grace_epochs": grace, "reduction_factor": factor, "startup_trials": startup_trials}
    )


def pruner(grace: int, factor: int, name: str = "asha", startup_trials: int = 5) -> Pruner:
    return Pruner(config(grace, factor, name, startup_trials), name="sweep", num_epochs=NUM_EPOCHS)


def is_out(pruner: Pruner, curve: Curve, *others: Curve, are_complete: bool = False) -> bool:
    """Whether trial 0 with that curve stops, given the curves of trials 1, 2, ..."""
    for number, each in enumerate((curve, *others)):
        for epoch, value in each.items():
            pruner.add_point(number, epoch, value)
        if are_complete and number > 0:
            pruner.add_complete(each)
    return pruner.is_out(0, curve)


def optunas(name: str, grace: int, factor: int, startup_trials: int) -> BasePruner:
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
    theirs = optunas(name, grace, factor, startup)
    study = optuna.create_study(study_name="sweep", direction="maximize", pruner=theirs)
    trials = [study.ask() for _ in curves]
    ours = pruner(grace, factor, name, startup)
    reported: list[dict[int, float]] = [{} for _ in curves]
    going = list(range(len(curves)))
    while going:
        number = order.choice(going)
        epoch = len(reported[number]) + 1
        value = curves[number][epoch - 1]
        reported[number][epoch] = value
        ours.add_point(number, epoch, value)
        stops = ours.is_out(number, reported[number])
        trials[number].report(value, epoch)
        assert stops == trials[number].should_prune()
        if stops:
            study.tell(trials[number], state=optuna.trial.TrialState.PRUNED)
        elif epoch == NUM_EPOCHS:
            study.tell(trials[number], value)
            ours.add_complete(reported[number])
        if stops or epoch == NUM_EPOCHS:
            going.remove(number)


def obvious(
    scheduler: SchedulerConfig, curve: Curve, others: Sequence[Curve], complete: Sequence[Curve]
) -> bool:
    """The decision, computed from the curves of all other trials; for Hyperband, of those in one bracket."""
    epoch, factor = max(curve), scheduler.reduction_factor
    if scheduler.name == "median":
        values = [other[epoch] for other in complete if epoch in other]
        if epoch < scheduler.grace_epochs or len(complete) < scheduler.startup_trials or not values:
            return False
        return max(curve.values()) < statistics.median(values)
    rung = scheduler.grace_epochs
    while rung < epoch:
        rung *= factor
    if rung != epoch:
        return False
    values = [curve[epoch], *(other[epoch] for other in others if epoch in other)]
    return curve[epoch] < sorted(values, reverse=True)[max(1, len(values) // factor) - 1]


@pytest.mark.parametrize("name", ["asha", "median"])
@settings(deadline=None, max_examples=60)
@given(st.integers(0, 60), st.integers(1, 3), st.integers(2, 4), st.integers(1, 3), st.integers())
def test_same_decisions_as_from_scratch(
    name: str, num_trials: int, grace: int, factor: int, startup: int, seed: int
) -> None:
    order = random.Random(seed)
    scheduler = config(grace, factor, name, startup)
    ours = Pruner(scheduler, name="sweep", num_epochs=NUM_EPOCHS)
    curves: list[dict[int, float]] = [{} for _ in range(num_trials)]
    complete: list[Curve] = []
    going = list(range(num_trials))
    while going:
        number = order.choice(going)
        curve, epoch = curves[number], len(curves[number]) + 1
        curve[epoch] = order.choice([0.5, 0.6, 0.7, order.random()])
        ours.add_point(number, epoch, curve[epoch])
        others = [other for other in curves if other is not curve]
        stops = ours.is_out(number, curve)
        assert stops == obvious(scheduler, curve, others, complete)
        if epoch == NUM_EPOCHS and not stops:
            ours.add_complete(curve)
            complete.append(curve)
        if stops or epoch == NUM_EPOCHS or order.random() < 0.05:  # or failed
            going.remove(number)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 60), st.integers(1, 2), st.integers(2, 3), st.integers())
def test_hyperband_is_successive_halving_in_brackets_as_optuna_draws_them(
    num_trials: int, grace: int, factor: int, seed: int
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    order = random.Random(seed)
    theirs = HyperbandPruner(min_resource=grace, max_resource=NUM_EPOCHS, reduction_factor=factor)
    study = optuna.create_study(study_name="sweep", direction="maximize", pruner=theirs)
    trials = [study.ask() for _ in range(num_trials)]
    theirs._try_initialization(study)
    brackets = [theirs._get_bracket_id(study, trial._cached_frozen_trial) for trial in trials]
    ours = pruner(grace, factor, "hyperband")
    curves = [{epoch: order.choice([0.5, 0.6, 0.7]) for epoch in range(1, NUM_EPOCHS + 1)} for _ in trials]
    for epoch in range(1, NUM_EPOCHS + 1):
        for number, curve in enumerate(curves):
            ours.add_point(number, epoch, curve[epoch])
        for number, curve in enumerate(curves):
            mates = [
                other
                for mate, other in enumerate(curves)
                if mate != number and brackets[mate] == brackets[number]
            ]
            so_far = {each: curve[each] for each in range(1, epoch + 1)}
            inside = config(grace * factor ** brackets[number], factor)
            assert ours.is_out(number, so_far) == obvious(inside, so_far, mates, [])


def test_a_second_question_gets_the_same_answer_but_not_from_optuna() -> None:
    """Why the rules are our own: a driver that died after a decision, before it wrote it, asks again."""
    curves = [{1: 0.9, 2: 0.9}, {1: 0.8, 2: 0.8}]
    assert [is_out(pruner(2, 2), {2: 0.5}, *curves) for _ in range(2)] == [True, True]

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
    assert not is_out(pruner(2, 3), {epoch: 0.1}, *[{epoch: 0.9}] * 8)


def test_without_a_scheduler_nothing_is_stopped() -> None:
    assert not is_out(pruner(1, 2, "none"), {1: 0.1}, *[{1: 0.9}] * 8)


def test_the_first_at_a_rung_continues_and_the_worst_third_stops() -> None:
    assert not is_out(pruner(2, 3), {2: 0.1})
    assert not is_out(pruner(2, 3), {2: 0.1}, {1: 0.9})  # the other has not reached this rung
    five = [{2: value} for value in (0.5, 0.6, 0.7, 0.8, 0.9)]
    assert not is_out(pruner(2, 3), {2: 0.85}, *five)
    assert is_out(pruner(2, 3), {2: 0.75}, *five)


def test_hyperband_s_brackets_stop_at_different_epochs() -> None:
    hyperband = pruner(1, 3, "hyperband")
    for mate in range(1000, 1100):  # some in each bracket
        for epoch in range(1, NUM_EPOCHS + 1):
            hyperband.add_point(mate, epoch, 0.9)
    first_stop = set()
    for number in range(40):
        curve: dict[int, float] = {}
        for epoch in range(1, NUM_EPOCHS + 1):
            curve[epoch] = 0.1
            hyperband.add_point(number, epoch, 0.1)
            if hyperband.is_out(number, curve):
                first_stop.add(epoch)
                break
    assert first_stop == {1, 3, 9}  # three brackets of 9 epochs


def test_the_median_is_over_complete_trials_and_needs_enough_of_them() -> None:
    curves = [{2: 0.6}, {2: 0.7}, {2: 0.8}]

    def median(curve: Curve, *others: Curve, are_complete: bool = True) -> bool:
        return is_out(pruner(2, 3, "median", startup_trials=3), curve, *others, are_complete=are_complete)

    assert median({1: 0.5, 2: 0.65}, *curves)
    assert not median({1: 0.75, 2: 0.65}, *curves)  # it was better before
    assert not median({1: 0.5, 2: 0.65}, *curves, are_complete=False)
    assert not median({1: 0.5, 2: 0.65}, *curves[:2])
    assert not median({1: 0.1}, *[{1: 0.9}] * 3)  # still in the grace period
