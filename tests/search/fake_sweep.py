"""A sweep in which only the training is fake. Study, stage store, samplers and session are real, and the
process can die at any write.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from crtcore.config import Experiment
from crtcore.data.prepare import ShardSet
from crtcore.pipeline import Plan
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport, encode_history
from search.scheduling.sampling.objectives import directions
from search.scheduling.session import Session
from search.scheduling.trials import Proposal
from search.study.update import TrialUpdate

NUM_EPOCHS = 5
EPOCH_S = 0.5
EPOCH_IMAGES = 10
LISTS = {"pretrain.depth": [18, 34], "finetune.frozen_groups": [0, 4, 5], "finetune.batch_size": [64, 128]}


class Killed(BaseException):
    """Stands for a process that is killed by SIGKILL."""


class Clock:
    """Counts the moments at which a process can die, and makes it die at one of them."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.now = 0
        self.dies_at = dies_at

    def tick(self) -> None:
        self.now += 1
        if self.now == self.dies_at:
            raise Killed


class MortalStorage(InMemoryStorage):
    """A study storage whose process can die before and after each write."""

    clock = Clock()

    def create_new_trial(self, *args: Any, **kwargs: Any) -> Any:
        return self._mortally(super().create_new_trial, *args, **kwargs)

    def set_trial_intermediate_value(self, *args: Any, **kwargs: Any) -> None:
        self._mortally(super().set_trial_intermediate_value, *args, **kwargs)

    def set_trial_user_attr(self, *args: Any, **kwargs: Any) -> None:
        self._mortally(super().set_trial_user_attr, *args, **kwargs)

    def set_trial_system_attr(self, *args: Any, **kwargs: Any) -> None:
        self._mortally(super().set_trial_system_attr, *args, **kwargs)

    def set_trial_state_values(self, *args: Any, **kwargs: Any) -> Any:
        return self._mortally(super().set_trial_state_values, *args, **kwargs)

    def _mortally(self, write: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.clock.tick()
        result = write(*args, **kwargs)
        self.clock.tick()
        return result


class World:
    """A storage with one sweep, which can be run many times."""

    def __init__(self, folder: Path, search: dict[str, Any]) -> None:
        self.experiment = Experiment.model_validate(
            {
                "name": "fake",
                "seed": 3,
                "arrhythmia": {"database": "none"},
                "cohort": {"manifest": "none"},
                "finetune": {"epochs": NUM_EPOCHS},
                "search": search,
            }
        )
        self.store = StageStore(str(folder), cache=folder)
        self.storage = MortalStorage()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        optuna.create_study(study_name="fake", storage=self.storage, directions=directions(self.experiment))
        self.built: list[Stage] = []  # in the order in which they were committed
        self.epochs_run: Counter[tuple[str, int]] = Counter()  # (digest of a finetune stage, epoch)
        self.updates: list[TrialUpdate] = []
        self.first: list[dict[str, Any]] = []  # points to propose first
        self.now_s = 0.0
        self.prepare = self._prepare

    @property
    def study(self) -> optuna.Study:
        return optuna.load_study(study_name="fake", storage=self.storage)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials()

    def session(self) -> Session:
        return Session(
            self.study,
            self.experiment,
            store=self.store,
            plan_of=plan_of,
            prepare=self.prepare,
            foreknown=lambda experiment: {"trainable_parameters": float(experiment.pretrain.depth)},
            first=self.first,
            listeners=[self.updates.append],
            clock_s=lambda: self.now_s,
        )

    def run(self, *, num_slots: int = 1, dies_at: int | None = None) -> int:
        """Run the sweep to its end; every running trial advances one epoch in turn. Returns how many moments
        passed.
        """
        clock = self.storage.clock = Clock(dies_at)
        session = self.session()
        running: dict[int, Iterator[EpochReport]] = {}
        while not session.is_done:
            while (proposal := session.next(num_slots)) is not None:
                running[proposal.number] = self._trial(proposal, clock)
            assert running or session.is_done, "every proposal waits and none runs"
            for number, reports in list(running.items()):
                report = next(reports)
                self.now_s += 1
                if not session.report(number, report, node="here"):
                    del running[number]
        num_moments = clock.now
        self.storage.clock = Clock()  # nothing is killed from here on
        session.close()
        return num_moments

    def _prepare(self, plan: Plan) -> None:
        for stage in (plan.arrhythmia, plan.cohort):
            if self.store.find(stage) is None:
                self._commit(stage, self.storage.clock)

    def _trial(self, proposal: Proposal, clock: Clock) -> Iterator[EpochReport]:
        plan = proposal.plan
        for stage in (plan.pretrain, plan.features):
            if stage is not None and self.store.find(stage) is None:
                self._commit(stage, clock, num_epochs=1)
                yield report_of(stage.name, 1, 1, math.nan)
        num_epochs = proposal.experiment.finetune.epochs
        progress = self.store.load_progress(plan.finetune)
        done = 0 if progress is None else json.loads(progress.read_bytes())
        if self.store.find(plan.finetune) is not None:
            done = num_epochs
        for epoch in range(1, num_epochs + 1):
            if epoch > done:
                clock.tick()
                self.epochs_run[plan.finetune.digest, epoch] += 1
                if epoch == num_epochs:
                    self._commit(plan.finetune, clock, proposal.params, num_epochs=num_epochs)
            yield report_of("finetune", epoch, num_epochs, curve(proposal.params, epoch))
            if done < epoch < num_epochs:
                clock.tick()
                self.store.save_progress(plan.finetune, [memoryview(json.dumps(epoch).encode())])
                clock.tick()

    def _commit(self, stage: Stage, clock: Clock, params: Any = None, *, num_epochs: int = 0) -> None:
        clock.tick()
        commit(self.store, stage, params, num_epochs=num_epochs)
        self.built.append(stage)
        clock.tick()


def commit(store: StageStore, stage: Stage, params: Any = None, *, num_epochs: int = 0) -> None:
    """Commit a stage like a real one: `finetune` has the history of its epochs."""
    files = {}
    if stage.name == "finetune":
        epochs = range(1, num_epochs + 1)
        reports = [report_of(stage.name, epoch, num_epochs, curve(params, epoch)) for epoch in epochs]
        files["history.json"] = json.dumps(encode_history(reports)).encode()
    store.commit(stage, files, {"seconds": EPOCH_S * num_epochs, "num_images": EPOCH_IMAGES})


def plan_of(experiment: Experiment) -> Plan:
    def stage(name: str, config: dict[str, Any], *inputs: Stage) -> Stage:
        return Stage(name=name, config=config, inputs=tuple(each.digest for each in inputs), version=1)

    config = experiment.finetune.model_dump(mode="json")
    frozen = experiment.finetune.frozen_groups
    arrhythmia, cohort = stage("prepare", {"set": "arrhythmia"}), stage("prepare", {"set": "cohort"})
    pretrain = stage("pretrain", {"depth": experiment.pretrain.depth}, arrhythmia)
    features = stage("features", {"frozen": frozen}, pretrain, cohort) if frozen else None
    return Plan(
        arrhythmia_set=ShardSet(stage=arrhythmia, jobs=()),
        cohort_set=ShardSet(stage=cohort, jobs=()),
        pretrain=pretrain,
        features=features,
        finetune=stage("finetune", config, pretrain, cohort),
    )


def report_of(stage: str, epoch: int, num_epochs: int, auc: float) -> EpochReport:
    metrics = {"loss": 1.0, "auc": auc} if stage == "finetune" else {"loss": 1.0}
    return EpochReport(
        stage=stage,
        epoch=epoch,
        num_epochs=num_epochs,
        metrics=metrics,
        num_images=EPOCH_IMAGES,
        seconds=EPOCH_S,
    )


def curve(params: Any, epoch: int) -> float:
    """A learning curve that crosses others: a deeper network is slower, but better in the end."""
    depth, rate = params["pretrain.depth"], params.get("finetune.learning_rate", 0.001)
    quality = 0.6 + depth / 200 - 0.02 * params.get("finetune.frozen_groups", 0) + 5 * rate
    return float(quality * (1 - math.exp(-epoch * 20 / depth)))


def search_config(sampler: str, scheduler: str, *, trials: int = 12) -> dict[str, Any]:
    space: dict[str, Any] = dict(LISTS)
    if sampler != "grid":
        space["finetune.learning_rate"] = {"low": 1e-4, "high": 1e-2, "log": True}
    return {
        "trials": trials,
        "sampler": sampler,
        "scheduler": {"name": scheduler, "grace_epochs": 2, "reduction_factor": 2},
        "space": space,
    }


def record(trials: list[FrozenTrial]) -> list[tuple[Any, ...]]:
    """All that a study says about its trials, except times."""
    return [
        (
            trial.number,
            trial.state.name,
            trial.params,
            trial.value,
            trial.intermediate_values,
            trial.user_attrs["stages"],
            trial.user_attrs["proposal"],
        )
        for trial in trials
    ]
