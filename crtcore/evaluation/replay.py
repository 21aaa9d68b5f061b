"""A sweep's early stopping, repeated in each bootstrap draw of the patients.

In a draw, each report of each trial is judged again by the scheduler's own rule, in the order in which the
reports came, by values of the drawn patients. So a trial may be stopped that was complete, and a trial may
live on that was stopped. The latter has no later scores, and cannot be left out: complete trials were chosen
by their early epochs on all patients, so their late scores are too high on the patients that a draw leaves
out. In simulated studies (`benchmarks/selection.py`) the estimate was 0.05-0.06 too high if only complete
trials can win, and correct if the others can win too, with late scores that `continued.py` draws.

Read for it: BBC-CV with dropping (Tsamardinos et al. 2018) leaves dropped configurations out of the draws.
BBC-F (Paraschakis et al., AutoML 2024) is a faster BBC-CV with the same properties. MABT (Rink & Brannath,
Machine Learning 2025) tilts the bootstrap and adjusts for all candidates, by their final scores. None of them
replays a scheduler.

Legend: B draws, T trials, R repeats, P patients, C configurations.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from crtcore.evaluation.continued import Scores, continue_curves
from crtcore.evaluation.draws import Draws, FoldMean
from crtcore.evaluation.early_stopping import bracket_of, is_rung
from crtcore.evaluation.judges import Halving, Judge, Median, Never
from crtcore.evaluation.metrics import FloatScores
from crtcore.searchconfig import SchedulerConfig
from crtcore.seeding import child_seed

BoolMatrix = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayedTrial:
    """One trial of a sweep.

    `score_RP` are its out-of-fold scores by epoch; only their order within a repeat counts. `order` are
    the places of each epoch's reports among all reports of the sweep; a trial that was resumed reports an
    epoch again, and is judged again. `column` is the configuration of a complete trial.
    `is_judged` is false for a trial that the scheduler could not stop.
    """

    number: int
    ending: Literal["complete", "stopped", "failed"]
    score_RP: Mapping[int, FloatScores]
    order: Mapping[int, Sequence[int]]
    column: int | None = None
    is_judged: bool = True


@dataclass(frozen=True, kw_only=True)
class _Report:
    """A report of trial `trial` (its place in the list of trials), which may be a continued one or a second
    one of the same epoch.
    """

    trial: int
    epoch: int
    score_RP: FloatScores
    is_first: bool


class Replay:
    """The early stopping of sweep `name` with these trials, whose patients are in folds `fold_RP`.

    `score_PC` are the late scores of the trials that were stopped, mean over repeats: more configurations
    beside the complete ones. A stopped trial that no other trial can continue is not among them.
    """

    def __init__(
        self,
        scheduler: SchedulerConfig,
        trials: Sequence[ReplayedTrial],
        *,
        name: str,
        num_epochs: int,
        fold_RP: npt.NDArray[np.integer],
        seed: int,
    ) -> None:
        self._scheduler = scheduler
        self._trials = trials
        self._num_epochs = num_epochs
        self._fold_RP = fold_RP
        self._brackets = [
            bracket_of(scheduler, name, trial.number, num_epochs=num_epochs) for trial in trials
        ]
        continued = self._continue(np.random.default_rng(child_seed(seed, "replay")))
        self._stopped = [place for place, curve in continued.items() if num_epochs in curve]
        self.score_PC: Scores = (
            np.stack([continued[place][num_epochs].mean(axis=0) for place in self._stopped], axis=1)
            if self._stopped
            else np.empty((fold_RP.shape[1], 0))
        )
        self._reports = self._in_order(continued)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The trial of each column of `score_PC`."""
        return tuple(self._trials[place].number for place in self._stopped)

    def candidates(self, draws: Draws, num_complete: int) -> BoolMatrix:
        """Whether each configuration, complete ones first, runs to its end in each draw, shape (B, C). If a
        draw stops all of them, all complete ones are candidates.
        """
        finished_BT = self._finished(draws)
        found_BC = np.zeros((len(draws), num_complete + len(self._stopped)), dtype=bool)
        seen = {trial.column for trial in self._trials}
        found_BC[:, [column for column in range(num_complete) if column not in seen]] = True
        for place, trial in enumerate(self._trials):
            if trial.column is not None:
                found_BC[:, trial.column] |= finished_BT[:, place]
        for number, place in enumerate(self._stopped):
            found_BC[:, num_complete + number] = finished_BT[:, place]
        found_BC[~found_BC.any(axis=1), :num_complete] = True
        return found_BC

    def _decides(self, bracket: int, epoch: int) -> bool:
        """Whether a report after this epoch matters to any decision."""
        match self._scheduler.name:
            case "asha" | "hyperband":
                return epoch == self._num_epochs or is_rung(self._scheduler, bracket, epoch)
            case "median":
                return True
            case "none":
                return epoch == self._num_epochs

    def _continue(self, rng: np.random.Generator) -> dict[int, dict[int, Scores]]:
        curves = {place: trial.score_RP for place, trial in enumerate(self._trials)}
        continued: dict[int, dict[int, Scores]] = {}
        for bracket in sorted(set(self._brackets)):
            stopped = [
                place
                for place, trial in enumerate(self._trials)
                if trial.ending == "stopped" and self._brackets[place] == bracket
            ]
            epochs = [epoch for epoch in range(1, self._num_epochs + 1) if self._decides(bracket, epoch)]
            continued |= continue_curves(curves, stopped, epochs=epochs, rng=rng)
        return continued

    def _in_order(self, continued: Mapping[int, Mapping[int, Scores]]) -> list[_Report]:
        """All reports that matter. Those of a continued trial follow its last one at once."""
        found: list[tuple[tuple[int, int], _Report]] = []
        for place, trial in enumerate(self._trials):
            for epoch, score_RP in (*trial.score_RP.items(), *continued.get(place, {}).items()):
                if self._decides(self._brackets[place], epoch):
                    places = trial.order.get(epoch, trial.order[max(trial.order)][-1:])
                    found += [
                        (
                            (when, epoch),
                            _Report(trial=place, epoch=epoch, score_RP=score_RP, is_first=when == places[0]),
                        )
                        for when in places
                    ]
        return [report for _, report in sorted(found, key=lambda each: each[0])]

    def _finished(self, draws: Draws) -> BoolMatrix:
        """Which trials run to their end in each draw, shape (draws, trials)."""
        value_of = FoldMean(draws, self._fold_RP)
        judge = self._judge()
        lives_BT = np.ones((len(draws), len(self._trials)), dtype=bool)
        finished_BT = np.zeros_like(lives_BT)
        for report in self._reports:
            place = report.trial
            lives_B = lives_BT[:, place]
            value_B = np.where(lives_B, value_of(report.score_RP), -np.inf)
            if report.is_first:
                judge.add(place, self._brackets[place], report.epoch, value_B)
            is_out_B = judge.is_out(place, self._brackets[place], report.epoch, value_B)
            if report.epoch == self._num_epochs:
                finished_BT[:, place] = lives_B
                judge.complete(place, lives_B)
            elif self._trials[place].is_judged:
                lives_BT[:, place] &= ~is_out_B
        return finished_BT

    def _judge(self) -> Judge:
        match self._scheduler.name:
            case "asha" | "hyperband":
                rungs = (
                    (self._brackets[report.trial], report.epoch)
                    for report in self._reports
                    if report.is_first
                )
                return Halving(self._scheduler, Counter(rungs))
            case "median":
                return Median(self._scheduler)
            case "none":
                return Never()
