"""Our CMA-ES in Optuna's own test suite for samplers, and against Optuna's CMA-ES."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from search.scheduling.sampling.cma import ReplayedCmaEs, _from_unit, _to_unit
from search.study.attributes import GENERATION


class TestReplayedCmaEs(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """Every sampler of Optuna passes these."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: ReplayedCmaEs(seed=7)


def best(make: Callable[[int], BaseSampler], *, num_trials: int) -> float:
    """The best value found on a tilted bowl; `make` gives the sampler of each trial."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=make(0))
    for number in range(num_trials):
        study.sampler = make(number)
        trial = study.ask({"x": FloatDistribution(-5, 5), "y": FloatDistribution(1e-4, 1e-1, log=True)})
        x, y = trial.params["x"], trial.params["y"]
        study.tell(trial, -((x - 2) ** 2) - (y * 100 - 1) ** 2 + 0.5 * x)
    return float(study.best_value)


def test_a_new_sampler_for_each_trial_finds_what_optuna_s_one_sampler_finds() -> None:
    ours = best(lambda number: ReplayedCmaEs(seed=number + 1), num_trials=120)
    kept = CmaEsSampler(seed=1)
    theirs = best(lambda number: kept, num_trials=120)
    assert ours == pytest.approx(1.0625, abs=0.02)  # the top of the bowl
    assert ours > theirs - 0.02


def test_generations_follow_from_the_finished_trials_and_no_pickle_is_stored() -> None:
    space = {"x": FloatDistribution(0, 1), "n": IntDistribution(1, 64, log=True)}
    study = optuna.create_study(direction="maximize")
    for number in range(20):
        study.sampler = ReplayedCmaEs(seed=number)
        trial = study.ask(space)
        study.tell(trial, trial.params["x"])
    generations = [trial.system_attrs.get(GENERATION) for trial in study.get_trials()]
    assert generations[0] is None  # the space is unknown before the first trial
    assert generations[1:] == [0] * 6 + [1] * 6 + [2] * 6 + [3]
    assert {key for trial in study.get_trials() for key in trial.system_attrs} == {GENERATION}
    mean_x = [sum(t.params["x"] for t in study.get_trials()[a : a + 6]) / 6 for a in (1, 13)]
    assert mean_x[1] > mean_x[0]


@pytest.mark.parametrize(
    "axis",
    [
        IntDistribution(3, 9),
        IntDistribution(3, 9, step=2),
        IntDistribution(1, 100, log=True),
        FloatDistribution(-1, 1),
        FloatDistribution(1e-7, 1, log=True),
        FloatDistribution(-10, 10, step=0.5),
    ],
)
def test_a_value_survives_the_unit_cube_and_the_ends_are_in_range(
    axis: Any,
) -> None:
    for unit in (0.0, 0.1, 0.5, 0.9, 1.0):
        value = _from_unit(axis, unit)
        assert axis._contains(axis.to_internal_repr(value))
        again = _from_unit(axis, float(_to_unit({"x": axis}, {"x": value})[0]))
        assert again == pytest.approx(value)
