"""Our rule against Optuna's pruner, which it must equal as long as nothing crashes."""

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import SuccessiveHalvingPruner

from crtcore.config import SchedulerConfig
from search.pruning import is_out

VALUES = st.sampled_from([0.5, 0.55, 0.6, 0.61, 0.7])  # few, so that ties occur
CURVES = st.lists(st.lists(VALUES, min_size=9, max_size=9), min_size=1, max_size=9)


def scheduler(grace: int, factor: int, name: str = "asha") -> SchedulerConfig:
    return SchedulerConfig.model_validate({"name": name, "grace_epochs": grace, "reduction_factor": factor})


@settings(deadline=None, max_examples=60)
@given(CURVES, st.integers(1, 3), st.integers(2, 4), st.randoms(use_true_random=False))
def test_same_decisions_as_optuna(curves: list[list[float]], grace: int, factor: int, order: object) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = SuccessiveHalvingPruner(min_resource=grace, reduction_factor=factor)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    trials = [study.ask() for _ in curves]
    reported: list[dict[int, float]] = [{} for _ in curves]
    going = list(range(len(curves)))
    while going:
        number = order.choice(going)  # type: ignore[attr-defined]  # a random.Random
        epoch = len(reported[number]) + 1
        value = curves[number][epoch - 1]
        others = [curve for other, curve in enumerate(reported) if other != number]
        ours = is_out(scheduler(grace, factor), epoch, value, others)
        reported[number][epoch] = value
        trials[number].report(value, epoch)
        assert ours == trials[number].should_prune()
        if ours:
            study.tell(trials[number], state=optuna.trial.TrialState.PRUNED)
        if ours or epoch == 9:
            going.remove(number)


def test_asked_again_it_answers_the_same_where_optuna_forgets() -> None:
    """The reason for a rule of our own: a driver that died between a decision and its record asks again."""
    others = [{1: 0.9, 2: 0.9}, {1: 0.8, 2: 0.8}]
    assert [is_out(scheduler(2, 2), 2, 0.5, others) for _ in range(2)] == [True, True]

    study = optuna.create_study(
        direction="maximize", pruner=SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)
    )
    for curve in others:
        good = study.ask()
        for epoch, value in curve.items():
            good.report(value, epoch)
            good.should_prune()
    trial = study.ask()
    trial.report(0.5, 2)
    assert [trial.should_prune() for _ in range(2)] == [True, False]


@pytest.mark.parametrize("epoch", [1, 3, 5, 7])
def test_between_rungs_nothing_is_stopped(epoch: int) -> None:
    assert not is_out(scheduler(2, 3), epoch, 0.1, [{epoch: 0.9}] * 8)


def test_without_a_scheduler_nothing_is_stopped() -> None:
    assert not is_out(scheduler(1, 2, "none"), 1, 0.1, [{1: 0.9}] * 8)


def test_the_first_at_a_rung_goes_on_and_the_worst_third_does_not() -> None:
    rule = scheduler(2, 3)
    assert not is_out(rule, 2, 0.1, [])
    assert not is_out(rule, 2, 0.1, [{1: 0.9}])  # has not come to this rung
    five = [{2: value} for value in (0.5, 0.6, 0.7, 0.8, 0.9)]
    assert not is_out(rule, 2, 0.85, five)
    assert is_out(rule, 2, 0.75, five)
