"""The simulated searches: what the scheduler stops, and what the trials know early."""

import numpy as np
import pytest

from benchmarks.pruned_search import LABELS, SETTINGS, pruned_search, pruned_study, scheduler_of
from crtcore.evaluation.metrics import auc_rows


@pytest.mark.parametrize("name", ["asha", "hyperband", "median", "none"])
def test_every_trial_is_complete_or_stopped(name: str) -> None:
    search = pruned_search(SETTINGS["pruned_070_independent"], scheduler_of(name), num_trials=50, seed=0)
    num_stopped = search.replay.score_PC.shape[1]
    assert search.score_PC.shape[1] + num_stopped == 50
    assert (num_stopped == 0) == (name == "none")


def test_all_trials_have_the_same_true_auc() -> None:
    found = []
    for seed in range(10):
        search = pruned_search(
            SETTINGS["pruned_070_independent"], scheduler_of("none"), num_trials=100, seed=seed
        )
        found.append(auc_rows(np.tile(LABELS, (100, 1)), search.score_PC.T).mean())
    assert np.mean(found) == pytest.approx(0.70, abs=0.01)


def test_a_study_has_the_estimate_and_its_peers() -> None:
    found = pruned_study(SETTINGS["pruned_null_independent"], 0, 100, 60)
    assert found["truth"] == 0.5
    assert found["low"] < found["estimate"] < found["high"]
    assert found["estimate"] < found["complete_only"] < found["naive"]
    assert found["ignored_low"] < found["ignored"] < found["ignored_high"]
