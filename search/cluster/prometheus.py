"""A running sweep's metrics for Prometheus. Ray's agents export them beside Ray's own, on every node."""

from collections import Counter as Tally
from typing import Any, Final

from ray import tune
from ray.tune.experiment import Trial
from ray.util.metrics import Counter, Gauge

from crtcore.training.engine.history import EpochReport
from search.study.update import STATES, State, TrialUpdate

TAGS: Final = ("sweep",)


class SweepMetrics(tune.Callback):
    """Exports the metrics of sweep `name`, from the updates of its session and the results of Tune's trials.

    Prometheus sees, with Ray's prefix and the label `sweep`: `ray_crtsearch_best_auc`; `ray_crtsearch_trials`
    by `state`; `ray_crtsearch_stages_built_total` and `ray_crtsearch_stages_reused_total` by `stage`, counted
    in this run of the sweep; and `ray_crtsearch_images_per_s` of all running trials together, in their last
    epochs.
    """

    def __init__(self, name: str) -> None:
        self._tags = {"sweep": name}
        self._states: dict[int, State] = {}
        self._tally: Tally[State] = Tally()
        self._reused: dict[int, tuple[str, ...]] = {}  # stages that started trials did not build
        self._images_per_s: dict[int, float] = {}  # of running trials
        self._best: float | None = None
        self._best_auc = Gauge("crtsearch_best_auc", "Highest AUC of a complete trial", TAGS)
        self._trials = Gauge("crtsearch_trials", "Trials by state", (*TAGS, "state"))
        self._rate = Gauge("crtsearch_images_per_s", "Images per second, all running trials", TAGS)
        self._num_built = Counter("crtsearch_stages_built", "Stages computed", (*TAGS, "stage"))
        self._num_reused = Counter("crtsearch_stages_reused", "Stages found built", (*TAGS, "stage"))

    def on_update(self, update: TrialUpdate) -> None:
        """Record how a trial stands."""
        number = update.number
        if number in self._states:
            self._tally[self._states[number]] -= 1
        self._states[number] = update.state
        self._tally[update.state] += 1
        for state in STATES:
            self._trials.set(self._tally[state], {**self._tags, "state": state.lower()})
        if update.state == "COMPLETE" and update.value is not None:
            self._best = update.value if self._best is None else max(self._best, update.value)
            self._best_auc.set(self._best, self._tags)
        if update.state != "RUNNING":
            self._images_per_s.pop(number, None)
        elif number not in self._reused:
            self._reused[number] = update.reused
            for stage in update.reused:
                self._num_reused.inc(1, {**self._tags, "stage": stage})
        self._rate.set(sum(self._images_per_s.values()), self._tags)

    # Ray annotates only part of its API.
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Record an epoch. Tune calls the scheduler first, so the session has recorded it already."""
        report, number = result.get("report"), trial.config["number"]
        if not isinstance(report, EpochReport) or number not in self._reused:
            return
        if report.seconds > 0 and self._states[number] == "RUNNING":  # this report did not end the trial
            self._images_per_s[number] = report.num_images / report.seconds
        if report.epoch == report.num_epochs and report.stage not in self._reused[number]:
            self._num_built.inc(1, {**self._tags, "stage": report.stage})
