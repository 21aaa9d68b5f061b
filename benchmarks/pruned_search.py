"""Simulated searches with early stopping, for `benchmarks/selection.py`.

A trial's out-of-fold scores after an epoch are a mixture: a share (1 - exp(-epoch / 5), scaled to 1 at the
last epoch) of its final scores, the rest of its initial scores, which are noise, and new noise of SD 0.3 in
each epoch. So early epochs have an AUC near 0.5 and say little about the last one. Four trials run at a
time, and the scheduler of the running sweep stops them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from crtcore.evaluation.draws import Draws
from crtcore.evaluation.metrics import FloatScores, auc_rows
from crtcore.evaluation.replay import Replay, ReplayedTrial
from crtcore.evaluation.selection import BbcEstimate, SelectionRule, bbc_cv, highest_auc
from crtcore.searchconfig import SchedulerConfig
from search.scheduling.pruning import Pruner

LABELS = np.array([1] * 46 + [0] * 25)
NUM_EPOCHS: Final = 20
NUM_WORKERS: Final = 4
EPOCH_SD: Final = 0.3

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PrunedSetting:
    """The true AUC of all trials after the last epoch, the correlation of the scores of two trials, and the
    scheduler. One study in `every` is simulated; the median rule takes eight seconds a study.
    """

    auc: float
    correlation: float
    scheduler: str = "asha"
    every: int = 2


SETTINGS: Final = {
    "pruned_null_independent": PrunedSetting(auc=0.50, correlation=0.0),
    "pruned_null_correlated": PrunedSetting(auc=0.50, correlation=0.5),
    "pruned_070_independent": PrunedSetting(auc=0.70, correlation=0.0),
    "pruned_070_correlated": PrunedSetting(auc=0.70, correlation=0.5),
    "pruned_null_hyperband": PrunedSetting(auc=0.50, correlation=0.0, scheduler="hyperband", every=4),
    "pruned_null_median": PrunedSetting(auc=0.50, correlation=0.0, scheduler="median", every=10),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class PrunedSearch:
    """`score_PC` are the final scores of the complete trials, `replay` has all trials."""

    score_PC: Scores
    replay: Replay


class OneReplay(Replay):
    """A replay that is asked several times about the same draws, and computed once."""

    _found: npt.NDArray[np.bool_] | None = None

    def candidates(self, draws: Draws, num_complete: int) -> npt.NDArray[np.bool_]:
        if self._found is None or len(self._found) != len(draws):
            self._found = super().candidates(draws, num_complete)
        return self._found


def pruned_study(setting: PrunedSetting, seed: int, num_draws: int, num_trials: int) -> dict[str, float]:
    """One search: corrected with the replay, without it, and with a replay in which only complete trials can
    win.
    """
    search = pruned_search(setting, scheduler_of(setting.scheduler), num_trials=num_trials, seed=seed)
    num_complete = search.score_PC.shape[1]

    def complete_only(draws: Draws, score_PC: FloatScores, auc_BC: Scores) -> npt.NDArray[np.int64]:
        return np.asarray(auc_BC[:, :num_complete].argmax(axis=1))

    def corrected(replay: Replay | None, rule: SelectionRule = highest_auc) -> BbcEstimate:
        return bbc_cv(LABELS, search.score_PC, num_draws=num_draws, seed=seed, replay=replay, rule=rule)

    replayed, ignored = corrected(search.replay), corrected(None)
    complete = corrected(search.replay, complete_only)
    return {
        "truth": setting.auc,
        "complete_trials": float(num_complete),
        "naive": replayed.naive,
        "estimate": replayed.estimate,
        "low": replayed.low,
        "high": replayed.high,
        "ignored": ignored.estimate,
        "ignored_low": ignored.low,
        "ignored_high": ignored.high,
        "complete_only": complete.estimate,
        "complete_only_low": complete.low,
        "complete_only_high": complete.high,
    }


def scheduler_of(name: str) -> SchedulerConfig:
    """A scheduler with the defaults of a sweep."""
    return SchedulerConfig.model_validate({"name": name})


def pruned_search(
    setting: PrunedSetting, scheduler: SchedulerConfig, *, num_trials: int, seed: int
) -> PrunedSearch:
    """A search of `num_trials` trials."""
    score_EPT = _curves(setting, num_trials, np.random.default_rng([seed, 46, 25, num_trials]))
    label_TP = np.tile(LABELS, (num_trials, 1))
    value_ET = {epoch: auc_rows(label_TP, score_PT.T) for epoch, score_PT in score_EPT.items()}
    order = _run(scheduler, value_ET, num_trials)
    complete = [trial for trial in range(num_trials) if NUM_EPOCHS in order[trial]]
    trials = [
        ReplayedTrial(
            number=trial,
            ending="complete" if trial in complete else "stopped",
            score_RP={epoch: score_EPT[epoch][None, :, trial] for epoch in order[trial]},
            order={epoch: [place] for epoch, place in order[trial].items()},
            column=complete.index(trial) if trial in complete else None,
        )
        for trial in range(num_trials)
    ]
    replay = OneReplay(
        scheduler,
        trials,
        name="sweep",
        num_epochs=NUM_EPOCHS,
        fold_RP=np.zeros((1, len(LABELS)), dtype=np.int64),
        seed=seed,
    )
    return PrunedSearch(score_PC=score_EPT[NUM_EPOCHS][:, complete], replay=replay)


def _curves(setting: PrunedSetting, num_trials: int, rng: np.random.Generator) -> dict[int, Scores]:
    """Scores of shape (patients, trials) by epoch."""
    shape = len(LABELS), num_trials

    def noise() -> Scores:
        shared_P1, own_PT = rng.standard_normal((len(LABELS), 1)), rng.standard_normal(shape)
        return np.asarray(
            np.sqrt(setting.correlation) * shared_P1 + np.sqrt(1 - setting.correlation) * own_PT
        )

    final_PT = noise() + LABELS[:, None] * np.sqrt(2) * norm.ppf(setting.auc)
    initial_PT = noise()
    found = {}
    for epoch in range(1, NUM_EPOCHS):
        share = (1 - np.exp(-epoch / 5)) / (1 - np.exp(-NUM_EPOCHS / 5))
        new_PT = EPOCH_SD * rng.standard_normal(shape)
        found[epoch] = share * final_PT + (1 - share) * initial_PT + new_PT
    return found | {NUM_EPOCHS: final_PT}


def _run(
    scheduler: SchedulerConfig, value_ET: Mapping[int, FloatScores], num_trials: int
) -> list[dict[int, int]]:
    """The place of each report among all reports, by epoch, for each trial."""
    pruner = Pruner(scheduler, name="sweep", num_epochs=NUM_EPOCHS)
    curves: list[dict[int, float]] = [{} for _ in range(num_trials)]
    order: list[dict[int, int]] = [{} for _ in range(num_trials)]
    waiting, running, num_reports = list(range(num_trials)), list[int](), 0
    while waiting or running:
        while waiting and len(running) < NUM_WORKERS:
            running.append(waiting.pop(0))
        for trial in list(running):
            epoch = len(curves[trial]) + 1
            curves[trial][epoch] = float(value_ET[epoch][trial])
            order[trial][epoch] = num_reports
            num_reports += 1
            pruner.add_point(trial, epoch, curves[trial][epoch])
            if epoch == NUM_EPOCHS:
                pruner.add_complete(curves[trial])
                running.remove(trial)
            elif pruner.is_out(trial, curves[trial]):
                running.remove(trial)
    return order
