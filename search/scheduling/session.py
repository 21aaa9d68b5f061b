"""A sweep as a state machine on its Optuna study: propose, hand out, record, finish. Plain Python, no
cluster.

The study and the stage store are the only truth. A session that opens the study of one that died adopts the
trials left unfinished: same number, same parameters, run before anything new is proposed. What they had
reported is not written again. A proposal whose last stage is in the store already is finished on the spot.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from crtcore.config import Experiment
from crtcore.pipeline import Plan
from crtcore.stages.store import StageStore
from crtcore.training.engine.epochs import EpochReport, decode_history
from crtcore.training.pretraining.pretrain import HISTORY_FILE
from search.scheduling.budget import Budget, UsedUp
from search.scheduling.proposer import Proposer
from search.scheduling.pruning import Pruner
from search.scheduling.queue import Built, Queue
from search.scheduling.sampling.objectives import METRIC, Foreknown
from search.scheduling.sampling.samplers import Params
from search.scheduling.trials import Proposal, Run, update_of_run
from search.study.attributes import ENDED_BY, REASON
from search.study.ledger import Ledger
from search.study.update import STATES, State, TrialUpdate, update_of_finished

# Proposals that wait, per slot. If the sampler learns, they wait for a stage that another trial is building:
# more would be drawn without the results of trials they could have learnt from. If it does not, there are
# always so many to choose from; with 2, makespans exceed their bound by 19 % (simulate_cluster.py), not by 3.
LOOKAHEAD = 2
LOOKAHEAD_BLIND = 8
# So many trials in a row given up for the same trouble are no bad luck: the sweep halts, and spares the rest.
MAX_ALIKE = 3

EndedBy = Literal["trials", "grid", "wall_clock", "gpu_hours", "halted", "interrupted"]


class Session:
    """The running sweep.

    `plan_of`, `prepare`, `foreknown` and `first` are the proposer's; `on_update` is told of every change.
    """

    def __init__(
        self,
        study: optuna.Study,
        experiment: Experiment,
        *,
        store: StageStore,
        plan_of: Callable[[Experiment], Plan],
        prepare: Callable[[Experiment], None],
        foreknown: Foreknown = lambda experiment: {},
        first: Sequence[Params] = (),
        on_update: Callable[[TrialUpdate], None] = lambda update: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._experiment = experiment
        self._store = store
        self._on_update = on_update
        self._proposer = Proposer(
            experiment, plan_of=plan_of, prepare=prepare, foreknown=foreknown, first=first
        )
        scheduler, num_epochs = experiment.search.scheduler, experiment.finetune.epochs
        self._pruner = Pruner(scheduler, name=experiment.name, num_epochs=num_epochs)
        self._ledger = Ledger(study)
        self._budget = Budget(experiment, spent_s=self._ledger.elapsed_s, clock_s=clock_s)
        self._built = Built(store)
        self._queue: Queue[Proposal] = Queue(self._built)
        self._unasked: dict[int, Proposal] = {}  # of these, by number: whose results the store may have
        self._running: dict[int, Run] = {}
        self._given_up: list[str] = []  # what the trials that ended last were given up for
        self.halted = ""  # why the sweep cannot go on, if so
        for trial in study.get_trials(deepcopy=False):
            for epoch, value in trial.intermediate_values.items():
                self._pruner.see(trial.number, epoch, value)
            if trial.state == TrialState.COMPLETE:
                self._pruner.see_complete(trial.intermediate_values)
            if trial.state.is_finished():
                self._on_update(update_of_finished(trial))
            elif trial.number < self._proposer.num_proposals:
                is_begun = self._ledger.entries[trial.number].read is not None
                self._wait(self._proposer.proposal(trial.number, trial.params, is_begun=is_begun))

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher into snapshots that nobody reads, and `on_update` may hold a
        terminal.
        """
        return {}

    @property
    def used_up(self) -> UsedUp:
        """The budget of time that is used up, if any."""
        return self._budget.used_up(self._gpu_s)

    @property
    def is_exhausted(self) -> bool:
        """Nothing is left to hand out, or no budget to do so."""
        has_proposed_all = len(self._ledger) >= self._proposer.num_proposals
        return (has_proposed_all and not self._queue) or bool(self.used_up)

    @property
    def is_done(self) -> bool:
        """Every trial of the sweep is finished, or what is not waits for a larger budget."""
        return self.is_exhausted and not self._running

    @property
    def ended_by(self) -> EndedBy:
        """Why nothing runs any more."""
        if self.halted:
            return "halted"
        if self._ledger.num_finished >= self._proposer.num_proposals:
            return "trials" if self._proposer.num_proposals == self._experiment.search.trials else "grid"
        return self.used_up or "interrupted"

    def next(self, num_slots: int) -> Proposal | None:
        """The trial to start now where `num_slots` run at a time; None while all slots are taken, all
        proposals wait or nothing is left.
        """
        while len(self._running) < num_slots and not self.is_exhausted:
            self._answer()
            if not self._proposer.learns and self._can_propose(num_slots):
                # Nothing is lost by choosing among many: what is proposed hangs on no result.
                self._wait(self._proposer.propose(self._ledger))
                continue
            proposal = self._queue.pick()
            if proposal is not None:
                with self._ledger.transaction():
                    self._start(proposal)
                return proposal
            if not self._can_propose(num_slots):
                return None
            self._wait(self._proposer.propose(self._ledger))
        return None

    def _can_propose(self, num_slots: int) -> bool:
        has_proposed_all = len(self._ledger) >= self._proposer.num_proposals
        most = (LOOKAHEAD if self._proposer.learns else LOOKAHEAD_BLIND) * num_slots
        return not has_proposed_all and len(self._queue) < most

    def look_ahead(self) -> None:
        """Propose until something must be run, if anything must: its data sets are built, or found unusable,
        before a cluster is started for it, and none is started for what the stage store can answer.
        """
        self._answer()
        while not self._queue and not self.is_exhausted:
            self._wait(self._proposer.propose(self._ledger))
            self._answer()

    def report(self, number: int, report: EpochReport, *, node: str) -> bool:
        """Record one epoch of trial `number`; False if the trial must stop: it is finished, or no budget is
        left for its next stage.
        """
        run = self._running[number]
        run.node = node
        self._built.forget(run.stages)
        with self._ledger.transaction():
            self._take(run, report)
        self._clear(run)
        return self.is_running(number)

    def is_running(self, number: int) -> bool:
        """Whether the trial was handed out and is not finished."""
        return number in self._running

    def trouble(self, number: int, reason: str) -> None:
        """Trial `number` lost its process or node, or raised; it may be tried again."""
        run = self._running[number]
        run.trouble = reason
        self._say(run, "RUNNING", message=reason)

    def fail(self, number: int, reason: str = "") -> None:
        """Trial `number` cannot be finished, for `reason` or for the last trouble it had."""
        run = self._running[number]
        given_up = self._given_up
        with self._ledger.transaction():
            self._finish(run, TrialState.FAIL, reason=reason or run.trouble)
        self._clear(run)
        if not reason:
            self._given_up = [*(given_up if run.trouble in given_up else ()), run.trouble]
            if len(self._given_up) == MAX_ALIKE:
                self.halted = f"{MAX_ALIKE} trials in a row failed alike: {run.trouble}"

    def halt(self, number: int, reason: str) -> None:
        """Something no trial can get past; trial `number` is not over, and adopted once it is mended."""
        self.halted = self.halted or f"trial {number}: {reason}"

    def close(self) -> None:
        """Nothing runs any more: what is not finished waits for the next run of the sweep."""
        with self._ledger.transaction():
            for number, entry in self._ledger.entries.items():
                if not entry.state.is_finished():
                    self._ledger.suspend(number)
            self._ledger.keep_elapsed(self._budget.elapsed_s)
            ENDED_BY.write(self._ledger.study, self.ended_by)

    def _wait(self, proposal: Proposal) -> None:
        self._queue.add(proposal)
        self._unasked[proposal.number] = proposal
        self._on_update(TrialUpdate(number=proposal.number, state="WAITING", params=proposal.params))

    def _start(self, proposal: Proposal) -> Run:
        built = [stage.name for stage in proposal.own if self._built(stage)]
        entry = self._ledger.start(proposal.number, built)
        self._queue.remove(proposal)
        self._unasked.pop(proposal.number, None)
        self._queue.start(proposal)
        assert entry.read is not None
        run = Run(proposal=proposal, read=entry.read, curve=entry.curve)
        self._running[proposal.number] = run
        self._say(run, "RUNNING")
        return run

    def _answer(self) -> None:
        """Finish every waiting trial whose result the stage store has, whoever put it there."""
        unasked, self._unasked = self._unasked, {}
        for proposal in [each for each in unasked.values() if self._built(each.plan.finetune)]:
            history = self._store.path(proposal.plan.finetune, HISTORY_FILE).read_bytes()
            with self._ledger.transaction():
                run = self._start(proposal)
                if all(self._record(run, report) for report in decode_history(json.loads(history))):
                    self._complete(run)

    def _take(self, run: Run, report: EpochReport) -> None:
        """Record a report, and what follows from it."""
        if not self._record(run, report):
            return
        is_last = report.epoch == report.num_epochs
        if report.stage == "finetune" and not is_last:
            # Only the newest epoch is undecided: an adopted trial got past the earlier ones.
            if report.epoch == max(run.curve) and self._pruner.is_out(run.proposal.number, run.curve):
                self._finish(run, TrialState.PRUNED)
                return
        elif report.stage != "finetune" and is_last and self.used_up:
            self._shelve(run)
            return
        self._say(run, "RUNNING")
        if report.stage == "finetune" and is_last:
            self._complete(run)

    def _record(self, run: Run, report: EpochReport) -> bool:
        """Write a report down; False if it ended the trial, its value being no number."""
        run.last = report
        run.reports[report.stage, report.epoch] = report
        if report.stage == "finetune":
            number, value = run.proposal.number, report.metrics[METRIC]
            if not math.isfinite(value):
                reason = f"{METRIC} is {value} after epoch {report.epoch}"
                self._finish(run, TrialState.FAIL, reason=reason)
                return False
            if self._ledger.report(number, report.epoch, value):
                self._pruner.see(number, report.epoch, value)
        return True

    def _complete(self, run: Run) -> None:
        values = self._proposer.objectives(run.proposal, run.curve[max(run.curve)])
        self._finish(run, TrialState.COMPLETE, values=values)

    def _gpu_s(self) -> float:
        running_s = sum(run.computed_s for run in self._running.values())
        return self._ledger.gpu_s + self._budget.gpus * running_s

    def _shelve(self, run: Run) -> None:
        """Take back a trial between two of its stages."""
        self._ledger.suspend(run.proposal.number)
        self._queue.end(run)
        del self._running[run.proposal.number]
        self._say(run, "WAITING", message=f"search.{self.used_up} is used up")

    def _finish(
        self, run: Run, state: TrialState, *, values: list[float] | None = None, reason: str = ""
    ) -> None:
        number = run.proposal.number
        attrs = run.account(self._store, gpus=self._budget.gpus)
        if state == TrialState.FAIL:
            attrs |= REASON.item(reason)
        self._ledger.finish(number, state, values, attrs)
        if self._experiment.search.wall_clock is not None:
            self._ledger.keep_elapsed(self._budget.elapsed_s)
        if state == TrialState.COMPLETE:
            self._pruner.see_complete(run.curve)
        self._queue.end(run)
        del self._running[number]
        self._built.forget(run.stages)
        self._unasked |= {each.number: each for each in self._queue.with_last(run.proposal.plan.finetune)}
        self._given_up = []
        self._say(run, STATES[state], message=reason)

    def _clear(self, run: Run) -> None:
        """Nobody will go on from where a trial stopped early."""
        if self._ledger.entries[run.proposal.number].state in (TrialState.PRUNED, TrialState.FAIL):
            self._store.clear_progress(run.proposal.plan.finetune)

    def _say(self, run: Run, state: State, *, message: str = "") -> None:
        self._on_update(update_of_run(run, state, message=message))
