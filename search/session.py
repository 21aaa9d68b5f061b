"""A sweep as a state machine on its Optuna study: propose, hand out, record, finish. Plain Python, no
cluster.

The study and the stage store are the only truth. A session that opens the study of one that died adopts the
trials left RUNNING: same number, same parameters, run before anything new is proposed. What they had reported
is not written again.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.pipeline import Plan
from crtcore.stages import Stage, StageStore
from crtcore.training.epochs import EpochReport
from search.policy import pick
from search.proposal import Proposal, Run
from search.pruning import is_out
from search.sampling import num_proposals, propose
from search.space import distributions

METRIC = "auc"  # of the stage `finetune`; what the sweep maximises
# Proposals that wait for a stage which another trial is building, per slot: more would be drawn without the
# results of trials they could have learnt from.
LOOKAHEAD = 2
# So many trials in a row given up for the same trouble are no bad luck: the sweep halts, and spares the rest.
MAX_ALIKE = 3

State = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"]


@dataclass(frozen=True, kw_only=True)
class TrialUpdate:
    """How a trial stands. `stage`, `epoch` and `num_epochs` are of its last report, `value` is its last AUC;
    `seconds` it has computed; `message` says why it failed or is tried again.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    stage: str | None = None
    epoch: int = 0
    num_epochs: int = 0
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""


class Session:
    """The running sweep.

    `plan_of` gives an experiment's stages and `prepare` builds its data sets, both from data that lie where
    the session runs. `on_update` is told of every change.
    """

    def __init__(
        self,
        study: optuna.Study,
        experiment: Experiment,
        *,
        store: StageStore,
        plan_of: Callable[[Experiment], Plan],
        prepare: Callable[[Experiment], None],
        on_update: Callable[[TrialUpdate], None] = lambda update: None,
    ) -> None:
        self._study = study
        self._experiment = experiment
        self._store = store
        self._plan_of = plan_of
        self._prepare = prepare
        self._on_update = on_update
        self._space = distributions(experiment.search)
        self._num_proposals = num_proposals(experiment.search, self._space)
        self._waiting: list[Proposal] = []
        self._running: dict[int, Run] = {}
        self._built: dict[str, bool] = {}  # what is known of stages since the last event, by digest
        self._given_up: list[str] = []  # what the trials that ended last were given up for
        self.halted = ""  # why the sweep cannot go on, if so
        trials = study.get_trials(deepcopy=False)
        self._num_trials = len(trials)  # counted here: the sweep has one driver
        for trial in trials:
            if trial.state.is_finished():
                self._tell_of(trial)
            elif trial.number < self._num_proposals:
                self._wait(self._proposal(trial.number, trial.params))

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its searcher into snapshots that nobody reads, and `on_update` may hold a
        terminal.
        """
        return {}

    @property
    def is_exhausted(self) -> bool:
        """Nothing is left to hand out."""
        return not self._waiting and self._num_trials >= self._num_proposals

    @property
    def is_done(self) -> bool:
        """Every trial of the sweep is finished."""
        return self.is_exhausted and not self._running

    @property
    def num_finished(self) -> int:
        """Trials that are COMPLETE, PRUNED or FAIL."""
        return sum(trial.state.is_finished() for trial in self._study.get_trials(deepcopy=False))

    @property
    def num_trials(self) -> int:
        """Trials that the sweep will have when it is done."""
        return self._num_proposals

    def next(self, num_slots: int) -> Proposal | None:
        """The trial to start now where `num_slots` run at a time; None while all slots are taken or all
        proposals wait.
        """
        while len(self._running) < num_slots:
            proposal = pick(self._waiting, self._running.values(), self._is_built)
            if proposal is not None:
                return self._start(proposal)
            if self._num_trials >= self._num_proposals or len(self._waiting) >= LOOKAHEAD * num_slots:
                return None
            self._propose()
        return None

    def look_ahead(self) -> None:
        """Make one proposal, if none waits and any is left: its data sets are built, or found unusable,
        before a cluster is started for it.
        """
        if not self._waiting and not self.is_exhausted:
            self._propose()

    def report(self, number: int, report: EpochReport, *, node: str) -> bool:
        """Record one epoch of trial `number`; False if the trial is finished with it (PRUNED or FAIL) and
        must stop.
        """
        run = self._running[number]
        run.last, run.node = report, node
        run.seconds[report.stage, report.epoch] = report.seconds
        self._built.clear()
        if report.stage == "finetune":
            value = report.metrics[METRIC]
            if not math.isfinite(value):
                self.fail(number, f"{METRIC} is {value} after epoch {report.epoch}")
                return False
            if report.epoch not in run.curve:
                run.trial.report(value, report.epoch)
                run.curve[report.epoch] = value
            # Only the newest epoch is undecided: an adopted trial got past the earlier ones.
            is_newest = report.epoch == max(run.curve)
            if is_newest and report.epoch < report.num_epochs and self._is_out(run, report.epoch):
                self._finish(run, TrialState.PRUNED)
                return False
        self._say(run, "RUNNING")
        return True

    def is_running(self, number: int) -> bool:
        """Whether the trial was handed out and is not finished."""
        return number in self._running

    def complete(self, number: int) -> None:
        """Trial `number` ran to its last epoch."""
        run = self._running[number]
        last = run.last
        assert last is not None and last.stage == "finetune" and last.epoch == last.num_epochs, last
        self._finish(run, TrialState.COMPLETE, value=run.curve[last.epoch])

    def trouble(self, number: int, reason: str) -> None:
        """Trial `number` lost its process or node, or raised; it may be tried again."""
        run = self._running[number]
        run.trouble = reason
        self._say(run, "RUNNING", message=reason)

    def fail(self, number: int, reason: str = "") -> None:
        """Trial `number` cannot be finished, for `reason` or for the last trouble it had."""
        run = self._running[number]
        given_up = self._given_up
        self._finish(run, TrialState.FAIL, reason=reason or run.trouble)
        if not reason:
            self._given_up = [*(given_up if run.trouble in given_up else ()), run.trouble]
            if len(self._given_up) == MAX_ALIKE:
                self.halted = f"{MAX_ALIKE} trials in a row failed alike: {run.trouble}"

    def halt(self, number: int, reason: str) -> None:
        """Something no trial can get past; trial `number` stays RUNNING, to be adopted once it is mended."""
        self.halted = self.halted or f"trial {number}: {reason}"

    def _propose(self) -> None:
        number = self._num_trials
        params = propose(
            self._experiment.search, self._space, self._study, seed=self._experiment.seed, number=number
        )
        proposal = self._proposal(number, params)
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=self._space,
            user_attrs={"proposal": number, "stages": proposal.digests},
        )
        self._study.add_trial(trial)  # one transaction: a trial is in the study whole or not at all
        self._num_trials += 1
        self._wait(proposal)

    def _proposal(self, number: int, params: Mapping[str, Any]) -> Proposal:
        experiment = override(self._experiment, params)
        # Before the study knows of the trial: data that cannot be used leave no trial behind.
        self._prepare(experiment)
        return Proposal(number=number, params=params, experiment=experiment, plan=self._plan_of(experiment))

    def _wait(self, proposal: Proposal) -> None:
        self._waiting.append(proposal)
        self._on_update(TrialUpdate(number=proposal.number, state="WAITING", params=proposal.params))

    def _start(self, proposal: Proposal) -> Proposal:
        self._waiting.remove(proposal)
        frozen = self._study.get_trials(deepcopy=False)[proposal.number]
        run = Run(
            proposal=proposal,
            trial=optuna.trial.Trial(self._study, frozen._trial_id),
            curve=dict(frozen.intermediate_values),
        )
        self._running[proposal.number] = run
        self._say(run, "RUNNING")
        return proposal

    def _is_out(self, run: Run, epoch: int) -> bool:
        others = (
            trial.intermediate_values
            for trial in self._study.get_trials(deepcopy=False)
            if trial.number != run.proposal.number
        )
        return is_out(self._experiment.search.scheduler, epoch, run.curve[epoch], others)

    def _is_built(self, stage: Stage) -> bool:
        if stage.digest not in self._built:
            self._built[stage.digest] = self._store.find(stage) is not None
        return self._built[stage.digest]

    def _finish(self, run: Run, state: TrialState, *, value: float | None = None, reason: str = "") -> None:
        number = run.proposal.number
        run.trial.set_user_attr("node", run.node)
        run.trial.set_user_attr("seconds", round(run.total_s, 3))
        if state == TrialState.FAIL:
            run.trial.set_user_attr("reason", reason)
        self._study.tell(number, value, state=state)
        if state != TrialState.COMPLETE:
            self._store.clear_progress(run.proposal.plan.finetune)  # nobody will go on from there
        del self._running[number]
        self._built.clear()
        self._given_up = []
        self._say(run, _name(state), message=reason)

    def _say(self, run: Run, state: State, *, message: str = "") -> None:
        last = run.last
        self._on_update(
            TrialUpdate(
                number=run.proposal.number,
                state=state,
                params=run.proposal.params,
                stage=None if last is None else last.stage,
                epoch=0 if last is None else last.epoch,
                num_epochs=0 if last is None else last.num_epochs,
                value=run.curve[max(run.curve)] if run.curve else None,
                metrics={} if last is None else last.metrics,
                seconds=run.total_s,
                message=message,
            )
        )

    def _tell_of(self, trial: optuna.trial.FrozenTrial) -> None:
        curve = trial.intermediate_values
        self._on_update(
            TrialUpdate(
                number=trial.number,
                state=_name(trial.state),
                params=trial.params,
                stage="finetune" if curve else None,
                epoch=max(curve, default=0),
                value=curve[max(curve)] if curve else None,
                seconds=trial.user_attrs.get("seconds", 0.0),
                message=trial.user_attrs.get("reason", ""),
            )
        )


def _name(state: TrialState) -> State:
    names: dict[TrialState, State] = {
        TrialState.COMPLETE: "COMPLETE",
        TrialState.PRUNED: "PRUNED",
        TrialState.FAIL: "FAIL",
    }
    return names[state]
