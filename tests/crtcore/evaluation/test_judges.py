"""The rules in many draws at once against the running sweep's pruner, one draw after another."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crtcore.evaluation.early_stopping import bracket_of, is_rung
from crtcore.evaluation.judges import Halving, Judge, Median, Never
from crtcore.searchconfig import SchedulerConfig
from search.scheduling.pruning import Pruner

NUM_EPOCHS, NUM_DRAWS = 9, 6


def decisions(
    scheduler: SchedulerConfig, events: list[tuple[int, int]], value_BTE: np.ndarray, draw: int
) -> set[tuple[int, int]]:
    """Where the pruner stops trials, if the values are those of one draw."""
    pruner = Pruner(scheduler, name="sweep", num_epochs=NUM_EPOCHS)
    curves: dict[int, dict[int, float]] = {}
    out: set[tuple[int, int]] = set()
    for trial, epoch in events:
        if any(trial == stopped for stopped, _ in out):
            continue
        curve = curves.setdefault(trial, {})
        curve[epoch] = float(value_BTE[draw, trial, epoch - 1])
        pruner.add_point(trial, epoch, curve[epoch])
        if epoch == NUM_EPOCHS:
            pruner.add_complete(curve)
        elif pruner.is_out(trial, curve):
            out.add((trial, epoch))
    return out


@pytest.mark.parametrize("name", ["asha", "hyperband", "median", "none"])
@settings(deadline=None, max_examples=25)
@given(st.integers(1, 25), st.integers(1, 3), st.integers(2, 4), st.integers(1, 3), st.integers(0, 999))
def test_same_decisions_as_the_pruner(
    name: str, num_trials: int, grace: int, factor: int, startup: int, seed: int
) -> None:
    scheduler = SchedulerConfig.model_validate(
        {"name": name, "grace_epochs": grace, "reduction_factor": factor, "startup_trials": startup}
    )
    value_BTE = np.random.default_rng(seed).random((NUM_DRAWS, num_trials, NUM_EPOCHS)).round(1)
    order, reached, events = random.Random(seed), [0] * num_trials, []
    while going := [trial for trial in range(num_trials) if reached[trial] < NUM_EPOCHS]:
        trial = order.choice(going[:5])
        reached[trial] += 1
        events.append((trial, reached[trial]))
    brackets = [bracket_of(scheduler, "sweep", trial, num_epochs=NUM_EPOCHS) for trial in range(num_trials)]
    halves = name in ("asha", "hyperband")
    judged = [
        event
        for event in events
        if not halves or is_rung(scheduler, brackets[event[0]], event[1]) or event[1] == NUM_EPOCHS
    ]
    rungs = Counter((brackets[trial], epoch) for trial, epoch in judged)
    judges: dict[str, Judge] = {"median": Median(scheduler), "none": Never()}
    judge = judges.get(name) or Halving(scheduler, rungs)
    lives_BT = np.ones((NUM_DRAWS, num_trials), dtype=bool)
    found: list[set[tuple[int, int]]] = [set() for _ in range(NUM_DRAWS)]
    for trial, epoch in judged:
        lives_B = lives_BT[:, trial].copy()
        value_B = np.where(lives_B, value_BTE[:, trial, epoch - 1], -np.inf)
        judge.add(trial, brackets[trial], epoch, value_B)
        is_out_B = judge.is_out(trial, brackets[trial], epoch, value_B)
        if epoch == NUM_EPOCHS:
            judge.complete(trial, lives_B)
            continue
        lives_BT[:, trial] &= ~is_out_B
        for draw in np.flatnonzero(lives_B & is_out_B).tolist():
            found[draw].add((trial, epoch))
    for draw in range(NUM_DRAWS):
        assert found[draw] == decisions(scheduler, events, value_BTE, draw)
