"""The study as its one driver writes it, and what decisions ask of it, kept in memory: nobody else writes, so
nothing is read twice.

A trial is WAITING from its proposal until it is handed out, then RUNNING, then COMPLETE, PRUNED or FAIL. What
a dead driver left RUNNING is the next one's to go on with; what one that ended in good order left is WAITING.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from search.study.attributes import ELAPSED_S, GPU_SECONDS, REUSED
from search.study.study import transaction


@dataclass(kw_only=True)
class Entry:
    """A trial: `curve` is epoch -> value, `read` the stages it found built when it was first handed out, None
    before that.
    """

    trial_id: int
    state: TrialState
    params: Mapping[str, Any]
    curve: dict[int, float]
    read: tuple[str, ...] | None


class Ledger:
    """A study with its trials in memory."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._storage = study._storage
        self.entries: dict[int, Entry] = {}
        self.gpu_s = 0.0  # of finished trials
        for trial in study.get_trials(deepcopy=False):
            self._enter(trial)
            self.gpu_s += GPU_SECONDS.of(trial)
        self.num_finished = sum(entry.state.is_finished() for entry in self.entries.values())
        self.elapsed_s = ELAPSED_S.of(study)  # of all runs so far

    def __len__(self) -> int:
        """Trials in any state."""
        return len(self.entries)

    def transaction(self) -> AbstractContextManager[None]:
        """What is written in the block is in the study as a whole, or not at all."""
        return transaction(self.study)

    def add(
        self,
        params: Mapping[str, Any],
        space: Mapping[str, BaseDistribution],
        *,
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
    ) -> int:
        """A new trial, WAITING; its number. One write: a trial is in the study whole or not at all."""
        number = len(self.entries)
        trial = optuna.trial.create_trial(
            state=TrialState.WAITING,
            params=dict(params),
            distributions=dict(space),
            user_attrs=dict(user_attrs),
            system_attrs=dict(system_attrs),
        )
        trial_id = self._storage.create_new_trial(self.study._study_id, template_trial=trial)
        self.entries[number] = Entry(
            trial_id=trial_id, state=trial.state, params=trial.params, curve={}, read=None
        )
        return number

    def start(self, number: int, built: Sequence[str]) -> Entry:
        """The trial is RUNNING; `built` are the stages it need not build, if this is its first start."""
        entry = self.entries[number]
        if entry.state == TrialState.WAITING:
            self._storage.set_trial_state_values(entry.trial_id, TrialState.RUNNING)
            entry.state = TrialState.RUNNING
        if entry.read is None:
            entry.read = tuple(built)
            self._storage.set_trial_user_attr(entry.trial_id, REUSED.name, list(built))
        return entry

    def report(self, number: int, epoch: int, value: float) -> bool:
        """A point of a trial's curve; False if it is there already."""
        entry = self.entries[number]
        if epoch in entry.curve:
            return False
        # Not by Optuna's Trial: that refuses curves where there are several objectives.
        self._storage.set_trial_intermediate_value(entry.trial_id, epoch, value)
        entry.curve[epoch] = value
        return True

    def finish(
        self, number: int, state: TrialState, values: Sequence[float] | None, attrs: Mapping[str, Any]
    ) -> None:
        """The trial is over; PRUNED, its value is the last of its curve, as Optuna has it. Attributes come
        first: a finished trial takes none.
        """
        entry = self.entries[number]
        for key, value in attrs.items():
            self._storage.set_trial_user_attr(entry.trial_id, key, value)
        if state == TrialState.PRUNED and entry.curve and len(self.study.directions) == 1:
            values = [entry.curve[max(entry.curve)]]
        # Not by Optuna's `tell`: that reads the trial twice.
        self._storage.set_trial_state_values(entry.trial_id, state, values)
        entry.state = state
        self.num_finished += 1
        self.gpu_s += attrs.get(GPU_SECONDS.name, 0.0)

    def suspend(self, number: int) -> None:
        """The trial, which nobody runs any more, is WAITING for the next run of the sweep."""
        entry = self.entries[number]
        if entry.state == TrialState.RUNNING:
            self._storage.set_trial_state_values(entry.trial_id, TrialState.WAITING)
            entry.state = TrialState.WAITING

    def keep_elapsed(self, elapsed_s: float) -> None:
        """How long the sweep has run, this run included."""
        ELAPSED_S.write(self.study, round(elapsed_s, 3))

    def _enter(self, trial: FrozenTrial) -> None:
        read = REUSED.of(trial)
        self.entries[trial.number] = Entry(
            trial_id=trial._trial_id,
            state=trial.state,
            params=trial.params,
            curve=dict(trial.intermediate_values),
            read=None if read is None else tuple(read),
        )
