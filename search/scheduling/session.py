"""A sweep as a state machine on its Optuna study: propose, hand out, record, finish. Plain Python, without a
cluster.

The study and the stage store hold everything. A session on the study of a driver that died first hands out
the trials that it left unfinished, with the same numbers and parameters, and proposes new ones after that.
Points of their curves that are in the study are not written again. A trial whose last stage is already in
the store is finished at once, without being run.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from crtcore.config import Experiment
from crtcore.pipeline import Plan
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import HISTORY_FILE, EpochReport, decode_history
from search.scheduling.budget import Budget, UsedUp
from search.scheduling.failures import FailureStreak
from search.scheduling.proposer import Proposer
from search.scheduling.pruning import Pruner
from search.scheduling.queue import Built, Queue
from search.scheduling.sampling.objectives import METRIC, Foreknown
from search.scheduling.sampling.samplers import Params
from search.scheduling.trials import Proposal, Run
from search.study.attributes import REASON, REUSED, EndedBy
from search.study.ledger import Ledger
from search.study.update import Listener, Listeners, state_of, update_of


class Session:
    """One run of a sweep.

    `plan_of`, `prepare`, `foreknown` and `first` are those of `Proposer`. `listeners` get every change of
    every trial, and how the trials of earlier runs stand.
    """

    def __init__(
        self,
        study: optuna.Study,
        experiment: Experiment,
        *,
        store: StageStore,
        plan_of: Callable[[Experiment], Plan],
        prepare: Callable[[Plan], None],
        foreknown: Foreknown = lambda experiment: {},
        first: Sequence[Params] = (),
        listeners: Sequence[Listener] = (),
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.study = study
        self.listeners = Listeners(tuple(listeners))
        self.halted = ""  # why the sweep cannot continue; empty while it can
        self._experiment = experiment
        self._store = store
        self._proposer = Proposer(
            experiment, plan_of=plan_of, prepare=prepare, foreknown=foreknown, first=first
        )
        scheduler, num_epochs = experiment.search.scheduler, experiment.finetune.epochs
        self._pruner = Pruner(scheduler, name=experiment.name, num_epochs=num_epochs)
        self._ledger = Ledger(study)
        self._budget = Budget(experiment, spent_s=self._ledger.elapsed_s, clock_s=clock_s)
        self._built = Built(store)
        self._queue: Queue[Proposal] = Queue(self._built)
        self._unchecked: dict[int, Proposal] = {}  # waiting ones whose last stage may be in the store
        self._running: dict[int, Run] = {}
        self._failures = FailureStreak()
        self._resume()

    def __getstate__(self) -> dict[str, Any]:
        """Empty: Tune pickles its searcher into snapshots that are never read."""
        return {}

    @property
    def used_up(self) -> UsedUp:
        """The time budget that is used up, if any."""
        return self._budget.used_up(self._gpu_s)

    @property
    def is_exhausted(self) -> bool:
        """Whether no trial is left to hand out, or no budget to run one."""
        return (self._has_proposed_all and not self._queue) or bool(self.used_up)

    @property
    def is_done(self) -> bool:
        """Whether nothing runs and nothing is left to hand out."""
        return self.is_exhausted and not self._running

    @property
    def ended_by(self) -> EndedBy:
        """Why nothing runs any more."""
        if self.halted:
            return "halted"
        if self._ledger.num_finished >= self._proposer.num_proposals:
            return "trials" if self._proposer.num_proposals == self._experiment.search.trials else "grid"
        return self.used_up or "interrupted"

    def is_running(self, number: int) -> bool:
        """Whether trial `number` was handed out and is not finished."""
        return number in self._running

    def next(self, num_slots: int) -> Proposal | None:
        """The trial to start now if `num_slots` may run at a time. None while all slots are taken, while all
        proposals wait for a stage, and when nothing is left.
        """
        while len(self._running) < num_slots and not self.is_exhausted:
            self._finish_built()
            if not self._proposer.learns and self._may_propose(num_slots):
                # These proposals depend on no result, so a long queue costs nothing.
                self._propose()
                continue
            proposal = self._queue.pick()
            if proposal is not None:
                with self._ledger.transaction():
                    self._start(proposal)
                return proposal
            if not self._may_propose(num_slots):
                return None
            self._propose()
        return None

    def look_ahead(self) -> None:
        """Propose until one trial must really be run. Its data sets are then prepared, so bad data are found
        before a cluster is started, and no cluster is started if the stage store has all results.
        """
        self._finish_built()
        while not self._queue and not self.is_exhausted:
            self._propose()
            self._finish_built()

    def report(self, number: int, report: EpochReport, *, node: str) -> bool:
        """Record an epoch of a trial. False if the trial must stop: it is finished, or no budget is left."""
        run = self._running[number]
        run.node = node
        self._built.forget(run.stages)
        with self._ledger.transaction():
            self._record_report(run, report)
        self._delete_checkpoint(run)
        return self.is_running(number)

    def report_trouble(self, number: int, reason: str) -> None:
        """Trial `number` raised or lost its process or node. It may be tried again."""
        run = self._running[number]
        run.trouble = reason
        self.listeners(run.update("RUNNING", message=reason))

    def fail(self, number: int, reason: str = "") -> None:
        """Trial `number` cannot be finished: for `reason`, which is the trial's own, or for its last trouble.
        The sweep is halted if many trials in a row had the same trouble.
        """
        run = self._running[number]
        with self._ledger.transaction():
            self._finish(run, TrialState.FAIL, reason=reason or run.trouble, is_trouble=not reason)
        self._delete_checkpoint(run)

    def halt(self, number: int, reason: str) -> None:
        """Trial `number` found something that stops every trial. It stays unfinished, and the next run of the
        sweep resumes it.
        """
        self.halted = self.halted or f"trial {number}: {reason}"

    def close(self) -> None:
        """End this run of the sweep; unfinished trials wait for the next run."""
        self._ledger.close(self._budget.elapsed_s, self.ended_by)

    def _resume(self) -> None:
        """Take over the trials of earlier runs: the pruner learns their curves, unfinished ones wait."""
        for trial in self._ledger.trials.values():
            for epoch, value in trial.intermediate_values.items():
                self._pruner.add_point(trial.number, epoch, value)
            if trial.state == TrialState.COMPLETE:
                self._pruner.add_complete(trial.intermediate_values)
            if trial.state.is_finished():
                self.listeners(update_of(trial, state_of(trial)))
            elif trial.number < self._proposer.num_proposals:
                is_begun = REUSED.of(trial) is not None
                self._enqueue(self._proposer.proposal(trial.number, trial.params, is_begun=is_begun))

    @property
    def _has_proposed_all(self) -> bool:
        return len(self._ledger) >= self._proposer.num_proposals

    def _may_propose(self, num_slots: int) -> bool:
        return not self._has_proposed_all and len(self._queue) < self._proposer.lookahead * num_slots

    def _propose(self) -> None:
        self._enqueue(self._proposer.propose(self._ledger))

    def _enqueue(self, proposal: Proposal) -> None:
        self._queue.add(proposal)
        self._unchecked[proposal.number] = proposal
        self.listeners(update_of(self._ledger.trials[proposal.number], "WAITING"))

    def _start(self, proposal: Proposal) -> Run:
        built = [stage.name for stage in proposal.own if self._built(stage)]
        trial = self._ledger.start(proposal.number, built)
        self._queue.remove(proposal)
        self._unchecked.pop(proposal.number, None)
        self._queue.start(proposal)
        run = self._running[proposal.number] = Run(proposal=proposal, trial=trial)
        self.listeners(run.update("RUNNING"))
        return run

    def _finish_built(self) -> None:
        """Finish every waiting trial whose last stage is in the store, no matter which sweep built it."""
        unchecked, self._unchecked = self._unchecked, {}
        for proposal in [each for each in unchecked.values() if self._built(each.plan.finetune)]:
            history = self._store.path(proposal.plan.finetune, HISTORY_FILE).read_bytes()
            with self._ledger.transaction():
                run = self._start(proposal)
                if all(self._write_report(run, report) for report in decode_history(json.loads(history))):
                    self._complete(run)

    def _record_report(self, run: Run, report: EpochReport) -> None:
        """Write a report, then prune, complete or suspend the trial if it is time to."""
        if not self._write_report(run, report):
            return
        is_last = report.epoch == report.num_epochs
        if report.stage == "finetune" and not is_last:
            # Only the newest epoch is to be decided: a resumed trial passed the earlier ones.
            if report.epoch == max(run.curve) and self._pruner.is_out(run.proposal.number, run.curve):
                self._finish(run, TrialState.PRUNED)
                return
        elif report.stage != "finetune" and is_last and self.used_up:
            self._suspend(run)
            return
        self.listeners(run.update("RUNNING", message=report.note))
        if report.stage == "finetune" and is_last:
            self._complete(run)

    def _write_report(self, run: Run, report: EpochReport) -> bool:
        """Write a report to the study. False if its metric is not finite; the trial has then failed."""
        run.last = report
        run.reports[report.stage, report.epoch] = report
        if report.stage == "finetune":
            number, value = run.proposal.number, report.metrics[METRIC]
            if not math.isfinite(value):
                reason = f"{METRIC} is {value} after epoch {report.epoch}"
                self._finish(run, TrialState.FAIL, reason=reason)
                return False
            if self._ledger.report(number, report.epoch, value):
                self._pruner.add_point(number, report.epoch, value)
        return True

    def _gpu_s(self) -> float:
        running_s = sum(run.computed_s for run in self._running.values())
        return self._ledger.gpu_s + self._budget.gpus * running_s

    def _suspend(self, run: Run) -> None:
        """Stop a trial between two of its stages; it waits for a larger budget."""
        self._ledger.suspend(run.proposal.number)
        self._queue.end(run)
        del self._running[run.proposal.number]
        self.listeners(run.update("WAITING", message=f"search.{self.used_up} is used up"))

    def _complete(self, run: Run) -> None:
        values = self._proposer.objectives(run.proposal, run.curve[max(run.curve)])
        self._finish(run, TrialState.COMPLETE, values=values)

    def _finish(
        self,
        run: Run,
        state: TrialState,
        *,
        values: list[float] | None = None,
        reason: str = "",
        is_trouble: bool = False,
    ) -> None:
        number = run.proposal.number
        attributes = run.account(self._store, gpus=self._budget.gpus)
        if state == TrialState.FAIL:
            attributes |= REASON.item(reason)
        self._ledger.finish(number, state, values, attributes, run.ranks)
        if self._experiment.search.wall_clock is not None:
            self._ledger.write_elapsed(self._budget.elapsed_s)
        if state == TrialState.COMPLETE:
            self._pruner.add_complete(run.curve)
        self._queue.end(run)
        del self._running[number]
        self._built.forget(run.stages)
        self._unchecked |= {each.number: each for each in self._queue.with_last(run.proposal.plan.finetune)}
        if is_trouble:
            self.halted = self._failures.add(reason) or self.halted
        else:
            self._failures.end()
        self.listeners(run.update(state_of(run.trial)))

    def _delete_checkpoint(self, run: Run) -> None:
        """Delete the checkpoint of a trial that will not resume."""
        if run.trial.state in (TrialState.PRUNED, TrialState.FAIL):
            self._store.clear_progress(run.proposal.plan.finetune)
