"""Rungs and brackets. That the brackets are Optuna's is tested with the pruner."""

import pytest

from crtcore.evaluation.early_stopping import bracket_of, is_rung
from crtcore.searchconfig import SchedulerConfig


@pytest.mark.parametrize(("bracket", "rungs"), [(0, [2, 6, 18]), (1, [6, 18]), (2, [18])])
def test_rungs_begin_later_in_higher_brackets(bracket: int, rungs: list[int]) -> None:
    scheduler = SchedulerConfig(name="hyperband", grace_epochs=2, reduction_factor=3)
    assert [epoch for epoch in range(1, 21) if is_rung(scheduler, bracket, epoch)] == rungs


def test_only_hyperband_has_brackets() -> None:
    brackets = {
        name: {
            bracket_of(SchedulerConfig.model_validate({"name": name}), "sweep", number, num_epochs=20)
            for number in range(60)
        }
        for name in ("asha", "hyperband", "median", "none")
    }
    assert brackets == {"asha": {0}, "hyperband": {0, 1, 2}, "median": {0}, "none": {0}}
