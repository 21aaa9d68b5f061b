"""A sweep's study and stage store -> ranked trials, with what the winner would score on new patients beside
what it scored in the search.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from crtcore.config import Experiment
from crtcore.data.caveat import caveat
from crtcore.errors import CrtError, StorageError
from crtcore.evaluation.selection import BbcEstimate, bbc_cv
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from search.results.out_of_fold import AlignedPredictions, read_aligned
from search.results.rules import Baselines, mandatory_baselines, without_baselines
from search.study.attributes import REASON, SECONDS, STAGES
from search.study.config import stored_experiment
from search.study.study import open_study

STATES = ("COMPLETE", "PRUNED", "RUNNING", "WAITING", "FAIL")  # the order in which rows are listed
FIGURES = ("accuracy", "sensitivity", "specificity", "pooled_auc")
COUNTS = ("num_patients", "num_beats", "num_images")
DRAWS_SEED = 0  # of the bootstrap; fixed, so that the same sweep always gets the same estimate


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trial. What only a complete trial has is None or empty in others.

    `auc` and `auc_sd` are the mean and standard deviation over folds of the patient-wise AUC after the last
    epoch; `last_auc` is the same mean after `num_epochs` epochs, where the trial stopped or stands, `curve`
    the means after each epoch. `figures` (accuracy, sensitivity and specificity at 0.5, pooled AUC) and
    `counts` (patients, beats, images) are those of the out-of-fold predictions of all patients. `reason` says
    why a trial failed.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    num_epochs: int
    last_auc: float | None
    curve: tuple[float, ...] = ()
    auc: float | None = None
    auc_sd: float | None = None
    figures: Mapping[str, float]
    counts: Mapping[str, int]
    seconds: float | None
    stages: Mapping[str, str | None]
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """A sweep's trials: complete ones by AUC (ties by trial number), then the others by state and number.

    `predictions` are the out-of-fold ones of the complete trials, `corrected` is the BBC-CV estimate over
    them, and `baselines` are the rules that any model must beat; all None while no trial is complete.
    `caveat` is what must be said of the data, empty if nothing.
    """

    name: str
    rows: tuple[Row, ...]
    predictions: AlignedPredictions | None = None
    corrected: BbcEstimate | None = None
    baselines: Baselines | None = None
    caveat: str = ""

    @property
    def best(self) -> Row | None:
        """The complete trial with the highest AUC."""
        return self.rows[0] if self.rows and self.rows[0].state == "COMPLETE" else None

    @property
    def winner(self) -> int:
        """The best trial's column in `predictions`; there must be one."""
        assert self.best is not None
        return self.column(self.best)

    def column(self, row: Row) -> int:
        """The column in `predictions` of a complete trial."""
        assert self.predictions is not None
        return self.predictions.configuration(_digests(self.rows), row.number)

    def count(self, state: str) -> int:
        """How many trials are in a state."""
        return sum(row.state == state for row in self.rows)

    def sentences(self) -> tuple[str, ...]:
        """The result in words: what the winner scored and on what, what that is worth, and on what data."""
        if self.best is None or self.corrected is None:
            return (f"No trial of {self.name} is complete yet ({self._tally()}).",)
        best, corrected = self.best, self.corrected
        counts = best.counts
        plural = "" if corrected.num_configurations == 1 else "s"
        configurations = f"{corrected.num_configurations} complete configuration{plural}"
        chance = (
            " The interval includes 0.5: better than chance is not shown." if corrected.low <= 0.5 else ""
        )
        return (
            (
                f"Best of {self.name}: trial {best.number}, AUC {best.auc:.3f} ± {best.auc_sd:.3f} "
                f"(patient-wise, mean ± SD over folds), resting on {counts['num_patients']} patients, "
                f"{counts['num_beats']:,} beats and {counts['num_images']:,} images ({self._tally()})."
            ),
            (
                f"Corrected for the search: AUC {corrected.estimate:.3f}, 95 % interval {corrected.low:.3f} "
                f"to {corrected.high:.3f} (BBC-CV, {configurations}, {corrected.num_draws} draws of "
                f"{corrected.num_patients} patients). Expect this on new patients; the best pooled AUC that "
                f"the search saw, {corrected.naive:.3f}, is partly luck.{chance}"
            ),
            *([self.caveat] if self.caveat else []),
        )

    def to_json(self) -> str:
        """Everything, as one JSON object; numbers that are not finite do not occur."""
        best = self.best
        content = {
            "name": self.name,
            "best": None if best is None else best.number,
            "corrected": None if self.corrected is None else asdict(self.corrected),
            "baselines": None if self.baselines is None else asdict(self.baselines),
            "caveat": self.caveat,
            "sentences": list(self.sentences()),
            "rows": [asdict(row) for row in self.rows],
        }
        return json.dumps(content, indent=1, allow_nan=False)

    def _tally(self) -> str:
        return ", ".join(f"{self.count(state)} {state.lower()}" for state in STATES if self.count(state))


def build_leaderboard(storage: str, name: str) -> Leaderboard:
    """The leaderboard of sweep `name` as it stands in `storage`.

    Trials that share one finetune stage are one configuration and count once in the corrected estimate;
    pruned and failed trials have no final predictions and do not enter it. SweepError if there is no such
    sweep or its trials were not scored on the same folds; StorageError if a complete trial's predictions are
    gone.
    """
    store = StageStore(storage, cache=Experiment.model_fields["cache"].default)
    trials = open_study(storage, name, create=False).get_trials(deepcopy=False)
    rows = sorted((_row(store, trial) for trial in trials), key=_rank)
    board = Leaderboard(name=name, rows=tuple(rows))
    if board.best is None:
        return board
    predictions = read_aligned(store, _digests(rows))
    board = replace(
        board,
        predictions=predictions,
        corrected=bbc_cv(
            predictions.label_P, predictions.scores(), num_folds=predictions.num_folds, seed=DRAWS_SEED
        ),
    )
    try:
        experiment = stored_experiment(storage, name)
    except CrtError as error:  # the ranking does not need the config
        return replace(board, baselines=without_baselines(error))
    return replace(
        board,
        baselines=mandatory_baselines(experiment, predictions, board.winner),
        caveat=caveat(experiment),
    )


def _digests(rows: Iterable[Row]) -> dict[int, str]:
    return {row.number: str(row.stages["finetune"]) for row in rows if row.state == "COMPLETE"}


def _row(store: StageStore, trial: FrozenTrial) -> Row:
    stages = STAGES.of(trial)
    facts: Mapping[str, Any] = {}
    if trial.state == TrialState.COMPLETE:
        manifest = store.find(_finetune(stages))
        if manifest is None:
            raise StorageError(
                f"trial {trial.number} is complete but its stage {_finetune(stages)} is not in {store.uri}; "
                f"give the storage that the sweep ran with, or run the same sweep command again"
            )
        facts = manifest.facts
    curve = trial.intermediate_values
    last_auc = curve[max(curve)] if curve else None
    return Row(
        number=trial.number,
        state=trial.state.name,
        params=dict(trial.params),
        num_epochs=max(curve, default=0),
        curve=tuple(curve[epoch] for epoch in sorted(curve) if math.isfinite(curve[epoch])),
        last_auc=last_auc if last_auc is not None and math.isfinite(last_auc) else None,
        auc=facts.get("auc"),
        auc_sd=facts.get("auc_sd"),
        figures={key: facts[key] for key in FIGURES if facts},
        counts={key: facts[key] for key in COUNTS if facts},
        seconds=SECONDS.of(trial),
        stages=stages,
        reason=REASON.of(trial),
    )


def _rank(row: Row) -> tuple[int, float, int]:
    return STATES.index(row.state), -(row.auc or 0.0), row.number


def _finetune(stages: Mapping[str, str | None]) -> StageKey:
    return StageKey(name="finetune", digest=str(stages["finetune"]))
