"""The study as its one driver reads and writes it. Nobody else writes, so the trials are kept in memory and
nothing is read twice.

A trial is WAITING from its proposal until it is started, then RUNNING, then COMPLETE, PRUNED or FAIL. A
driver that ends in good order sets its unfinished trials back to WAITING; one that is killed leaves them
RUNNING, and the next driver starts them again. Every change of state is in this file.
"""

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from search.study.attributes import (
    ELAPSED_S,
    ENDED_BY,
    GPU_SECONDS,
    RANKS,
    REPORTS,
    REUSED,
    EndedBy,
    reports_of,
)
from search.study.study import transaction


class Ledger:
    """A study with its trials in memory.

    `trials` holds them by number, as Optuna's FrozenTrial. The ledger changes these objects with every write,
    so a reference to one always shows the newest state. `gpu_s` and `num_finished` are sums over finished
    trials, `elapsed_s` is how long all earlier runs of the sweep took.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._storage = study._storage
        # Optuna shares finished trials with its own cache, and those never change.
        self.trials: dict[int, FrozenTrial] = {
            trial.number: trial if trial.state.is_finished() else copy.deepcopy(trial)
            for trial in study.get_trials(deepcopy=False)
        }
        self.gpu_s = sum(GPU_SECONDS.of(trial) for trial in self.trials.values())
        self.num_finished = sum(trial.state.is_finished() for trial in self.trials.values())
        self.elapsed_s = ELAPSED_S.of(study)
        places = (place for trial in self.trials.values() for _, place in reports_of(trial))
        self._num_reports = 1 + max(places, default=-1)

    def __len__(self) -> int:
        """The number of trials in any state."""
        return len(self.trials)

    def transaction(self) -> AbstractContextManager[None]:
        """What the block writes is in the study as a whole, or not at all."""
        return transaction(self.study)

    def add(self, trial: FrozenTrial, attributes: Mapping[str, Any]) -> None:
        """Add a WAITING trial under the next free number, with user attributes. This is one write: a trial is
        in the study as a whole, or not at all.
        """
        trial.number = len(self.trials)
        trial.user_attrs = dict(attributes)
        trial._trial_id = self._storage.create_new_trial(self.study._study_id, template_trial=trial)
        self.trials[trial.number] = trial

    def start(self, number: int, built: Sequence[str]) -> FrozenTrial:
        """Set a trial RUNNING. At its first start, `built` are the names of its stages that are built."""
        trial = self.trials[number]
        if trial.state == TrialState.WAITING:
            self._set_state(trial, TrialState.RUNNING)
        if REUSED.of(trial) is None:
            self._set_attributes(trial, REUSED.item(list(built)))
        return trial

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Add a point to a trial's curve; False if it is there already.

        Either way the place of the report among all reports is kept, because the pruner's decisions depend on
        their order.
        """
        trial = self.trials[number]
        curve = trial.intermediate_values
        if not curve or epoch >= max(curve):
            reports = [*map(list, reports_of(trial)), [epoch, self._num_reports]]
            self._set_system_attribute(trial, REPORTS, reports)
            self._num_reports += 1
        if epoch in curve:
            return False
        # Optuna's Trial.report refuses curves in studies with several objectives.
        self._storage.set_trial_intermediate_value(trial._trial_id, epoch, value)
        trial.intermediate_values[epoch] = value
        return True

    def finish(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        attributes: Mapping[str, Any],
        ranks: Mapping[str, str] | None = None,
    ) -> None:
        """Set a trial COMPLETE, PRUNED or FAIL. As in Optuna, the value of a pruned trial is the last of its
        curve. Attributes are written first, because Optuna refuses to change a finished trial. `ranks` are
        the order of the patients by epoch; those of a complete trial lie in its finetune stage.
        """
        trial = self.trials[number]
        self._set_attributes(trial, attributes)
        if state != TrialState.COMPLETE and ranks:
            self._set_system_attribute(trial, RANKS, dict(ranks))
        curve = trial.intermediate_values
        if state == TrialState.PRUNED and curve and len(self.study.directions) == 1:
            values = [curve[max(curve)]]
        self._set_state(trial, state, values)
        self.num_finished += 1
        self.gpu_s += GPU_SECONDS.of(trial)

    def suspend(self, number: int) -> None:
        """Set a trial that nobody runs any more back to WAITING."""
        trial = self.trials[number]
        if trial.state == TrialState.RUNNING:
            self._set_state(trial, TrialState.WAITING)

    def write_elapsed(self, elapsed_s: float) -> None:
        """Write how long the sweep has run, this run included."""
        ELAPSED_S.write(self.study, round(elapsed_s, 3))

    def close(self, elapsed_s: float, ended_by: EndedBy) -> None:
        """End a run of the sweep: suspend what is unfinished, and write how long it ran and why it ended."""
        with self.transaction():
            for number in self.trials:
                self.suspend(number)
            self.write_elapsed(elapsed_s)
            ENDED_BY.write(self.study, ended_by)

    def _set_state(
        self, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None = None
    ) -> None:
        # Not by Optuna's Study.tell, which reads the trial twice.
        self._storage.set_trial_state_values(trial._trial_id, state, values)
        trial.state = state
        if values is not None:
            trial.values = list(values)

    def _set_system_attribute(self, trial: FrozenTrial, name: str, value: Any) -> None:
        self._storage.set_trial_system_attr(trial._trial_id, name, value)
        trial.system_attrs = {**trial.system_attrs, name: value}

    def _set_attributes(self, trial: FrozenTrial, attributes: Mapping[str, Any]) -> None:
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(trial._trial_id, name, value)
            trial.set_user_attr(name, value)
