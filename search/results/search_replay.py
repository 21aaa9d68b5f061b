"""What the correction for the search saw of a sweep: complete trials, and those that were stopped early."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from crtcore.config import Experiment
from crtcore.evaluation.replay import Replay, ReplayedTrial
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import HISTORY_FILE, decode_history
from crtcore.training.finetuning.epoch_ranks import Ranks, cohort_key, decode_ranks
from search.results.out_of_fold import AlignedPredictions
from search.study.attributes import REUSED, STAGES, ranks_of, reports_of

ENDINGS: dict[TrialState, Literal["complete", "stopped", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
}
ONE_COMPLETE: Final = (
    "With one complete trial there is no difference between trials to learn from: the later scores of "
    "stopped trials are copied from it, so the corrected AUC may be too high."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """How many trials the correction saw. `num_unseen` were stopped early and left no epoch scores. `replay`
    is None if there is nothing to replay.
    """

    num_complete: int
    num_stopped: int
    num_unseen: int
    replay: Replay | None = None

    def as_json(self) -> dict[str, Any]:
        """The counts and the sentence."""
        return {
            "complete": self.num_complete,
            "stopped": self.num_stopped,
            "unseen": self.num_unseen,
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """What the correction saw, in words."""
        complete = f"{self.num_complete} complete trial{'' if self.num_complete == 1 else 's'}"
        every = "the only complete trial" if self.num_complete == 1 else f"all {complete}"
        unseen = f"{self.num_unseen} trial{'' if self.num_unseen == 1 else 's'} stopped early"
        if not self.num_stopped:
            if not self.num_unseen:
                return f"The correction saw {every}; none was stopped early."
            return (
                f"The correction saw {complete} and not the {unseen}, of which no epoch scores were kept, so "
                "the corrected AUC may be too high."
            )
        also = f" It did not see {unseen} without epoch scores." if self.num_unseen else ""
        if self.num_complete == 1:
            also += f" {ONE_COMPLETE}"
        return (
            f"The correction saw {self.num_complete + self.num_stopped} trials: {complete} and "
            f"{self.num_stopped} that were stopped early. Each draw repeated the early stopping.{also}"
        )


def seen_of(
    study: optuna.Study,
    store: StageStore,
    predictions: AlignedPredictions,
    digests: Mapping[int, str],
    experiment: Experiment | None,
    *,
    seed: int,
) -> Seen:
    """What the correction sees of a study whose complete trials have these predictions; `digests` are their
    finetune stages. Without the experiment nothing is replayed, because the scheduler is not known.
    """
    states = tuple(ENDINGS)
    trials = study.get_trials(deepcopy=False, states=states)
    num_stopped = sum(trial.state == TrialState.PRUNED for trial in trials)
    replayed: Sequence[ReplayedTrial] = ()
    if experiment is not None:
        read = _Reader(store, predictions, digests)
        replayed = [found for trial in trials if (found := read(trial)) is not None]
    num_kept = sum(trial.ending == "stopped" for trial in replayed)
    if experiment is None or not replayed or (num_stopped and not num_kept):
        return Seen(num_complete=len(digests), num_stopped=0, num_unseen=num_stopped)
    replay = Replay(
        experiment.search.scheduler,
        replayed,
        name=experiment.name,
        num_epochs=experiment.finetune.epochs,
        fold_RP=predictions.fold_RP,
        seed=seed,
    )
    num_seen = len(replay.numbers)
    return Seen(
        num_complete=len(digests), num_stopped=num_seen, num_unseen=num_stopped - num_seen, replay=replay
    )


class _Reader:
    """Reads what a replay needs of a trial; None if the trial has not kept it."""

    def __init__(
        self, store: StageStore, predictions: AlignedPredictions, digests: Mapping[int, str]
    ) -> None:
        self._store = store
        self._predictions = predictions
        self._digests = digests
        id_P = np.array(predictions.patient_ids)
        self._key = cohort_key(id_P, predictions.label_P, predictions.fold_RP)

    def __call__(self, trial: FrozenTrial) -> ReplayedTrial | None:
        reports = reports_of(trial)
        order = {epoch: [place for each, place in reports if each == epoch] for epoch, _ in reports}
        texts = self._history(trial) if trial.state == TrialState.COMPLETE else ranks_of(trial)
        ranks = {epoch: self._ranks(text) for epoch, text in texts.items() if epoch in order}
        known = {epoch: rank_RP for epoch, rank_RP in ranks.items() if rank_RP is not None}
        if not known or not known.keys() == order.keys() == trial.intermediate_values.keys():
            return None
        is_complete = trial.state == TrialState.COMPLETE
        return ReplayedTrial(
            number=trial.number,
            ending=ENDINGS[trial.state],
            score_RP={epoch: 1.0 * rank_RP for epoch, rank_RP in sorted(known.items())},
            order=order,
            column=self._predictions.configuration(self._digests, trial.number) if is_complete else None,
            is_judged="finetune" not in (REUSED.of(trial) or ()),
        )

    def _history(self, trial: FrozenTrial) -> dict[int, str]:
        stage = StageKey(name="finetune", digest=str(STAGES.of(trial)["finetune"]))
        history = decode_history(json.loads(self._store.path(stage, HISTORY_FILE).read_bytes()))
        return {report.epoch: report.ranks for report in history if report.ranks}

    def _ranks(self, text: str) -> Ranks | None:
        num_repeats, num_patients = self._predictions.fold_RP.shape
        return decode_ranks(text, key=self._key, shape=(num_repeats, num_patients))
