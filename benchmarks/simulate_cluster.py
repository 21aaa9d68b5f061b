"""How well does the search engine use a very large cluster? The real session on a simulated clock.

    python -m benchmarks.simulate_cluster [--trials 10000] [--slots 1000] [--seed 0] [--quick]

Trials of ResNet-18 to 152 with 30 different pretrainings, and ASHA. Nodes are preempted: each slot once in
four hours on average, which costs its trial the current epoch and two minutes. Only training is simulated:
the time of an epoch follows from the network's FLOPs and its trained groups, and its score is random.

    duplicated_stages  stages that two trials built, one after the other or at the same time
    ratio_to_bound     makespan / max(critical path, work / slots). Work is all that was computed, and the
                       critical path is the longest single trial, both with their losses by preemptions.
    undisturbed        the same sweep without preemptions. `ratio_to_undisturbed_bound` is the makespan with
                       preemptions divided by the bound without them.
    ms_per_decision    CPU time of the driver per proposal and per report, with the study in memory
"""

import argparse
import heapq
import itertools
import json
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import optuna

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import Sources
from crtcore.pipeline import Plan, plan
from crtcore.stages.stage import Stage, StageKey, StageManifest
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport
from search.cluster.tune_adapters import SessionScheduler, SessionSearcher
from search.scheduling.session import Session

GFLOPS: Final = {18: 1.8, 34: 3.7, 50: 4.1, 101: 7.8, 152: 11.6}  # of one image, forward; He et al. 2016
PRETRAIN_EPOCHS: Final = 4
FINETUNE_EPOCHS: Final = 9
PRETRAIN_EPOCH_S: Final = 40.0  # per GFLOP
FINETUNE_EPOCH_S: Final = 60.0  # per GFLOP, if all groups are trained
FEATURES_S: Final = 20.0  # per GFLOP
MEAN_UPTIME_S: Final = 4 * 3600.0  # of one slot
RESTART_S: Final = 120.0
NOWHERE: Final = Sources(arrhythmia=(), cohort=(), patients=(), cohort_leads=())


class MemoryStore(StageStore):
    """Committed stages in memory; there is nothing to store."""

    def __init__(self) -> None:
        self._committed: dict[str, StageManifest] = {}

    def find(self, stage: Stage | StageKey) -> StageManifest | None:
        return self._committed.get(stage.digest)

    def commit(self, stage: Stage, files: Any, facts: Any) -> StageManifest:
        manifest = StageManifest(
            files={}, facts=facts, folder=".", config=stage.config, inputs=stage.inputs, is_referenced=True
        )
        return self._committed.setdefault(stage.digest, manifest)

    def clear_progress(self, stage: Stage | StageKey) -> None:
        """Nothing to clear."""


@dataclass(kw_only=True)
class Job:
    """A trial on a slot: its remaining epochs, and the number of its current attempt."""

    trial_id: str
    number: int
    epochs: list[tuple[Stage, int, int, float]]  # stage, epoch, number of epochs, seconds
    quality: float
    path_s: float  # of its stages so far, with those that others built and with lost epochs
    attempt: int = 0
    since_s: float = 0.0


@dataclass(kw_only=True)
class Tally:
    built: Counter[str] = field(default_factory=Counter)
    overlapping: int = 0
    work_s: float = 0.0
    longest_s: float = 0.0
    preemptions: int = 0
    decisions_s: list[float] = field(default_factory=list)


class SimulatedCluster:
    """Slots, a clock, and the sweep's driver."""

    def __init__(self, num_trials: int, num_slots: int, seed: int, mean_uptime_s: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._num_slots = num_slots
        self._mean_uptime_s = mean_uptime_s
        self._store = MemoryStore()
        self._experiment = experiment(num_trials, seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(direction="maximize")
        self._session = Session(
            self.study,
            self._experiment,
            store=self._store,
            plan_of=lambda each: plan(each, NOWHERE),
            prepare=self._prepare,
        )
        self._searcher = SessionSearcher(self._session, lambda: num_slots)
        self._scheduler = SessionScheduler(self._session)
        self._jobs: dict[str, Job] = {}
        self._building: dict[str, str] = {}  # digest -> trial
        self._events: list[tuple[float, int, str, int]] = []  # time, tie breaker, trial, attempt
        self._order = itertools.count()
        self._ids = itertools.count()
        self.now_s = 0.0
        self.tally = Tally()

    def run(self) -> None:
        """Run the sweep to its end."""
        next_preemption_s = self._draw_preemption()
        self._fill()
        while self._events:
            if self._events[0][0] >= next_preemption_s:
                self.now_s = next_preemption_s
                self._preempt()
                next_preemption_s = self.now_s + self._draw_preemption()
                continue
            self.now_s, _, trial_id, attempt = heapq.heappop(self._events)
            job = self._jobs.get(trial_id)
            if job is not None and job.attempt == attempt:
                self._finish_epoch(job)
                self._fill()

    def _prepare(self, stages: Plan) -> None:
        for stage in (stages.arrhythmia, stages.cohort):
            self._store.commit(stage, {}, {})

    def _fill(self) -> None:
        while len(self._jobs) < self._num_slots:
            trial_id = str(next(self._ids))
            config = self._timed(lambda trial_id=trial_id: self._searcher.suggest(trial_id))
            if not isinstance(config, dict):
                return
            job = self._job(trial_id, config)
            self._jobs[trial_id] = job
            self._start_epoch(job)

    def _job(self, trial_id: str, config: dict[str, Any]) -> Job:
        each = override(self._experiment, config["params"])
        stages = plan(each, NOWHERE)
        gflops = GFLOPS[each.pretrain.depth]
        open_share = 1 - each.finetune.frozen_groups / 5
        costs_s = [(stages.pretrain, PRETRAIN_EPOCHS, PRETRAIN_EPOCH_S * gflops)]
        if stages.features is not None:
            costs_s.append((stages.features, 1, FEATURES_S * gflops))
        costs_s.append((stages.finetune, FINETUNE_EPOCHS, FINETUNE_EPOCH_S * gflops * open_share + 10.0))
        epochs = [
            (stage, epoch, num_epochs, cost_s)
            for stage, num_epochs, cost_s in costs_s
            if self._store.find(stage) is None
            for epoch in range(1, num_epochs + 1)
        ]
        shared_s = sum(num_epochs * cost_s for _, num_epochs, cost_s in costs_s[:-1])
        own_s = sum(cost_s for stage, _, _, cost_s in epochs if stage != stages.finetune)
        return Job(
            trial_id=trial_id,
            number=config["number"],
            epochs=epochs,
            quality=float(self._rng.normal(0.7, 0.05)),
            path_s=shared_s - own_s,
        )

    def _start_epoch(self, job: Job, delay_s: float = 0.0) -> None:
        stage, _, _, cost_s = job.epochs[0]
        if self._building.setdefault(stage.digest, job.trial_id) != job.trial_id:
            self.tally.overlapping += 1
        job.since_s = self.now_s + delay_s
        heapq.heappush(self._events, (job.since_s + cost_s, next(self._order), job.trial_id, job.attempt))

    def _finish_epoch(self, job: Job) -> None:
        stage, epoch, num_epochs, cost_s = job.epochs.pop(0)
        self.tally.work_s += cost_s
        job.path_s += cost_s
        self.tally.longest_s = max(self.tally.longest_s, job.path_s)
        if epoch == num_epochs:
            self.tally.built[stage.digest] += 1
            self._store.commit(stage, {}, {})
            del self._building[stage.digest]
        auc = job.quality * (1 - math.exp(-epoch)) if stage.name == "finetune" else math.nan
        report = EpochReport(
            stage=stage.name,
            epoch=epoch,
            num_epochs=num_epochs,
            metrics={"auc": auc},
            num_images=0,
            seconds=cost_s,
        )
        trial: Any = SimpleNamespace(config={"number": job.number})
        result = {"report": report, "hostname": "simulated"}
        controller: Any = None
        decision = self._timed(lambda: self._scheduler.on_trial_result(controller, trial, result))
        if decision == SessionScheduler.STOP or not job.epochs:
            self._building.pop(stage.digest, None)
            del self._jobs[job.trial_id]
            self._timed(lambda: self._searcher.on_trial_complete(job.trial_id, {}))
        else:
            self._start_epoch(job)

    def _preempt(self) -> None:
        if self._rng.random() < len(self._jobs) / self._num_slots:
            job = self._jobs[str(self._rng.choice(list(self._jobs)))]
            self.tally.preemptions += 1
            self.tally.work_s += max(0.0, self.now_s - job.since_s)
            job.path_s += self.now_s + RESTART_S - job.since_s
            job.attempt += 1
            self._session.report_trouble(job.number, "node lost")
            self._start_epoch(job, RESTART_S)

    def _draw_preemption(self) -> float:
        return float(self._rng.exponential(self._mean_uptime_s / self._num_slots))

    def _timed(self, decide: Any) -> Any:
        start_s = time.process_time()  # CPU time: wall time would depend on the load
        decision = decide()
        self.tally.decisions_s.append(time.process_time() - start_s)
        return decision


def experiment(num_trials: int, seed: int) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "simulated",
            "seed": seed,
            "arrhythmia": {"database": "none"},
            "cohort": {"manifest": "none", "leads": ["II"]},
            "pretrain": {"epochs": PRETRAIN_EPOCHS},
            "finetune": {"epochs": FINETUNE_EPOCHS},
            "search": {
                "trials": num_trials,
                "sampler": "random",
                "scheduler": {"name": "asha", "grace_epochs": 1, "reduction_factor": 3},
                "space": {
                    "pretrain.depth": list(GFLOPS),
                    "pretrain.objective": ["aami5", "morphology5"],
                    "pretrain.learning_rate": [0.0003, 0.001, 0.003],
                    "finetune.frozen_groups": [0, 1, 2, 3, 4, 5],
                    "finetune.learning_rate": {"low": 0.0001, "high": 0.01, "log": True},
                    "finetune.batch_size": [32, 128, 512, 2048],
                },
            },
        }
    )


def simulate(num_trials: int, num_slots: int, seed: int, mean_uptime_s: float) -> dict[str, Any]:
    start_s = time.monotonic()
    cluster = SimulatedCluster(num_trials, num_slots, seed, mean_uptime_s)
    cluster.run()
    tally = cluster.tally
    states = Counter(trial.state.name for trial in cluster.study.get_trials(deepcopy=False))
    bound_s = max(tally.longest_s, tally.work_s / num_slots)
    return {
        "trials": num_trials,
        "slots": num_slots,
        "states": dict(states),
        "preemptions": tally.preemptions,
        "duplicated_stages": sum(number - 1 for number in tally.built.values()) + tally.overlapping,
        "makespan_h": round(cluster.now_s / 3600, 3),
        "bound_h": round(bound_s / 3600, 3),
        "critical_path_h": round(tally.longest_s / 3600, 3),
        "ratio_to_bound": round(cluster.now_s / bound_s, 4),
        "ms_per_decision": round(1e3 * float(np.mean(tally.decisions_s)), 3),
        "ms_per_decision_99": round(1e3 * float(np.quantile(tally.decisions_s, 0.99)), 3),
        "simulated_in_s": round(time.monotonic() - start_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="500 trials on 50 slots")
    given = parser.parse_args()
    num_trials, num_slots = (500, 50) if given.quick else (given.trials, given.slots)
    # The load per slot stays the same while the cluster grows.
    sizes = sorted({max(10, num_slots // 100), max(10, num_slots // 10), num_slots})
    growth = [simulate(num_trials * size // num_slots, size, given.seed, MEAN_UPTIME_S) for size in sizes]
    undisturbed = simulate(num_trials, num_slots, given.seed, math.inf)
    result = {key: growth[-1][key] for key in ("duplicated_stages", "ratio_to_bound", "ms_per_decision")}
    result["ratio_to_undisturbed_bound"] = round(growth[-1]["makespan_h"] / undisturbed["bound_h"], 4)
    print(json.dumps(result | {"growth": growth, "undisturbed": undisturbed}))


if __name__ == "__main__":
    main()
