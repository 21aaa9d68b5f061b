"""A running sweep's figures for Prometheus: Ray's agents export them beside its own, on every node."""

from typing import Any, Final, get_args

import optuna
from ray import tune
from ray.tune.experiment import Trial
from ray.util.metrics import Counter, Gauge

from crtcore.training.engine.epochs import EpochReport
from search.study.attributes import REUSED
from search.study.update import State, TrialUpdate

TAGS: Final = ("sweep",)


class SweepMetrics(tune.Callback):
    """Told of every update of the sweep that `study` records, and of every result of its trials.

    Prometheus sees, with Ray's prefix and the label `sweep`: `ray_crtsearch_best_auc`, `ray_crtsearch_trials`
    by `state`, `ray_crtsearch_stages_built_total` and `ray_crtsearch_stages_reused_total` by `stage` (both of
    this run), and `ray_crtsearch_images_per_s`, of all running trials together in their last epochs.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._tags = {"sweep": study.study_name}
        self._states: dict[int, State] = {}
        self._read: dict[int, tuple[str, ...]] = {}  # stages that trials did not build
        self._images_per_s: dict[int, float] = {}  # of running trials
        self._best: float | None = None
        self._best_auc = Gauge("crtsearch_best_auc", "Highest AUC of a complete trial", TAGS)
        self._trials = Gauge("crtsearch_trials", "Trials by state", (*TAGS, "state"))
        self._rate = Gauge("crtsearch_images_per_s", "Images that running trials take in a second", TAGS)
        self._built = Counter("crtsearch_stages_built", "Stages computed", (*TAGS, "stage"))
        self._reused = Counter("crtsearch_stages_reused", "Stages read, not computed", (*TAGS, "stage"))

    def on_update(self, update: TrialUpdate) -> None:
        """Take down how a trial stands."""
        self._states[update.number] = update.state
        states = list(self._states.values())
        for state in get_args(State):
            self._trials.set(states.count(state), {**self._tags, "state": state.lower()})
        if update.state == "COMPLETE" and update.value is not None:
            self._best = update.value if self._best is None else max(self._best, update.value)
            self._best_auc.set(self._best, self._tags)
        if update.state != "RUNNING":
            self._images_per_s.pop(update.number, None)
        elif update.number not in self._read:
            self._read[update.number] = self._stages_read(update.number)
            for stage in self._read[update.number]:
                self._reused.inc(1, {**self._tags, "stage": stage})
        self._rate.set(sum(self._images_per_s.values()), self._tags)

    # Ray annotates only part of its API.
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Take down an epoch; Tune has told the session of it before."""
        report, number = result.get("report"), trial.config["number"]
        if not isinstance(report, EpochReport) or number not in self._read:
            return
        if report.seconds > 0 and self._states[number] == "RUNNING":  # not ended by this report
            self._images_per_s[number] = report.num_images / report.seconds
        if report.epoch == report.num_epochs and report.stage not in self._read[number]:
            self._built.inc(1, {**self._tags, "stage": report.stage})

    def _stages_read(self, number: int) -> tuple[str, ...]:
        storage = self._study._storage
        trial_id = storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)
        return tuple(REUSED.of(storage.get_trial(trial_id)) or ())
