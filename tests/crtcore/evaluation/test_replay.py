"""Replayed early stopping: on the patients as they are it stops what was stopped, and it removes the bias."""

import dataclasses
from typing import Literal

import numpy as np
import pytest

from benchmarks.pruned_search import SETTINGS, pruned_search, scheduler_of
from crtcore.evaluation.draws import Draws
from crtcore.evaluation.replay import Replay, ReplayedTrial
from crtcore.evaluation.selection import bbc_cv
from crtcore.searchconfig import SchedulerConfig

LABELS = np.array([1] * 46 + [0] * 25)
AS_IT_IS = Draws(label_P=LABELS, positive_BP=np.ones((1, 46)), negative_BP=np.ones((1, 25)))


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_if_each_patient_is_drawn_once_the_trials_end_as_they_did(name: str) -> None:
    scheduler = scheduler_of(name)
    search = pruned_search(SETTINGS["pruned_070_correlated"], scheduler, num_trials=60, seed=3)
    num_complete = search.score_PC.shape[1]
    candidate_C = search.replay.candidates(AS_IT_IS, num_complete)[0]
    assert 0 < num_complete < 60
    assert search.replay.score_PC.shape[1] == 60 - num_complete
    assert candidate_C[:num_complete].all()
    assert not candidate_C[num_complete:].any()


def test_without_the_replay_the_estimate_is_too_high_and_with_it_correct() -> None:
    searches = [
        pruned_search(SETTINGS["pruned_null_independent"], scheduler_of("asha"), num_trials=80, seed=seed)
        for seed in range(16)
    ]
    ignored, replayed = (
        np.mean(
            [
                bbc_cv(
                    LABELS, each.score_PC, num_draws=150, seed=0, replay=each.replay if replays else None
                ).estimate
                for each in searches
            ]
        )
        for replays in (False, True)
    )
    assert ignored > 0.54
    assert 0.46 < replayed < 0.53  # standard error of 16 studies: 0.009


def test_the_estimate_says_how_many_stopped_trials_took_part_and_depends_on_the_seed_only() -> None:
    search = pruned_search(SETTINGS["pruned_070_correlated"], scheduler_of("asha"), num_trials=40, seed=1)
    first, again = (
        bbc_cv(LABELS, search.score_PC, num_draws=150, seed=0, replay=search.replay) for _ in range(2)
    )
    num_complete = search.score_PC.shape[1]
    assert first == again
    assert (first.num_configurations, first.num_stopped) == (num_complete, 40 - num_complete)


def replay_of(*trials: ReplayedTrial, name: str = "asha") -> Replay:
    return Replay(
        SchedulerConfig.model_validate({"name": name, "grace_epochs": 1, "reduction_factor": 2}),
        trials,
        name="sweep",
        num_epochs=4,
        fold_RP=np.zeros((1, 71), dtype=np.int64),
        seed=0,
    )


def trial(
    number: int,
    ending: Literal["complete", "stopped", "failed"],
    aucs: dict[int, float],
    column: int | None = None,
    *,
    is_judged: bool = True,
) -> ReplayedTrial:
    """A trial whose share of responders above all others is `aucs`, so that is its AUC."""
    score_RP = {
        epoch: np.concatenate([np.arange(46) < round(46 * auc), np.full(25, 0.5)])[None]
        for epoch, auc in aucs.items()
    }
    order = {epoch: [10 * number + epoch] for epoch in aucs}
    return ReplayedTrial(
        number=number, ending=ending, score_RP=score_RP, order=order, column=column, is_judged=is_judged
    )


def candidates(replay: Replay, num_complete: int) -> list[bool]:
    found: list[bool] = replay.candidates(AS_IT_IS, num_complete)[0].tolist()
    return found


GOOD = {1: 0.8, 2: 0.8, 4: 0.8}
POOR = {1: 0.6, 2: 0.6, 4: 0.6}


def test_a_trial_that_the_scheduler_could_not_stop_is_a_candidate_in_each_draw() -> None:
    good = trial(0, "complete", GOOD, 0)
    judged, given = (trial(1, "complete", POOR, 1, is_judged=is_judged) for is_judged in (True, False))
    assert candidates(replay_of(good, judged), 2) == [True, False]
    assert candidates(replay_of(good, given), 2) == [True, True]


def test_a_complete_trial_without_epoch_scores_is_a_candidate_in_each_draw() -> None:
    assert candidates(replay_of(trial(0, "complete", GOOD, 0)), 2) == [True, True]


def test_a_failed_trial_counts_at_the_rungs_and_is_no_candidate() -> None:
    failed = trial(0, "failed", {1: 0.9, 2: 0.9})
    better, worse = trial(1, "complete", GOOD, 0), trial(2, "complete", POOR, 1, is_judged=False)
    assert replay_of(failed, better, worse).score_PC.shape == (71, 0)
    assert candidates(replay_of(failed, better, worse), 2) == [False, True]


def test_if_a_draw_stops_all_trials_the_complete_ones_are_candidates() -> None:
    failed, better = trial(0, "failed", {1: 0.9, 2: 0.9}), trial(1, "complete", GOOD, 0)
    assert candidates(replay_of(failed, better), 1) == [True]


def test_two_trials_of_one_configuration_make_one_candidate() -> None:
    first, copy = trial(0, "complete", GOOD, 0), trial(1, "complete", GOOD, 0, is_judged=False)
    assert candidates(replay_of(first, copy), 1) == [True]


def test_without_a_scheduler_all_trials_are_candidates() -> None:
    found = replay_of(trial(0, "complete", GOOD, 0), trial(1, "complete", POOR, 1), name="none")
    assert candidates(found, 2) == [True, True]


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_resumed_trial_is_judged_again_by_what_is_known_then(name: str) -> None:
    """It reported epoch 1 first of all, and again after a better trial was complete."""
    scheduler = SchedulerConfig.model_validate(
        {"name": name, "grace_epochs": 1, "reduction_factor": 2, "startup_trials": 1}
    )
    better, poor = trial(1, "complete", GOOD, 0), trial(0, "complete", POOR, 1)
    found = []
    for places in ([1], [1, 30]):
        later = {1: places, 2: [40], 4: [41]}
        trials = (better, dataclasses.replace(poor, order=later, score_RP=poor.score_RP))
        replay = Replay(
            scheduler, trials, name="sweep", num_epochs=4, fold_RP=np.zeros((1, 71), dtype=np.int64), seed=0
        )
        reports = [(report.trial, report.epoch, report.is_first) for report in replay._reports]
        assert reports.count((1, 1, False)) == len(places) - 1
        found.append(replay._finished(AS_IT_IS)[0].tolist())
    assert found[1] == [True, False]
