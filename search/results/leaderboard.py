"""The leaderboard of a sweep: its trials in rank order, and the winner's AUC corrected for the search."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from crtcore.config import Experiment
from crtcore.data.caveat import caveat
from crtcore.errors import CrtError, StorageError
from crtcore.evaluation.selection import BbcEstimate, bbc_cv
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from search.results.out_of_fold import AlignedPredictions, read_aligned
from search.results.rules import Rules, compare_rules, no_rules
from search.results.search_replay import Seen, seen_of
from search.study.attributes import DATA_FINDINGS, REASON, SECONDS, STAGES
from search.study.config import stored_experiment
from search.study.folder import stage_store
from search.study.study import open_study
from search.study.update import STATES, State, state_of

METRICS: Final = ("accuracy", "sensitivity", "specificity", "pooled_auc")
COUNTS: Final = ("num_patients", "num_beats", "num_images")
WORSE_THAN_CHANCE: Final = (
    "The interval lies below 0.5: worse than chance. Check whether labels 0 and 1 are swapped in some rows."
)
DRAWS_SEED: Final = 0  # of the bootstrap; fixed, so that the same sweep always gets the same estimate


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trial.

    `auc` and `auc_sd` are the mean and SD over folds of the patient-wise AUC after the last epoch. `last_auc`
    is this mean after `num_epochs`, the epochs that the trial has done so far, and `curve` is the mean after
    each of them. `metrics` (accuracy, sensitivity and specificity at 0.5, pooled AUC) and `counts` (patients,
    beats, images) are of the out-of-fold predictions of all patients. In a trial that is not complete, `auc`
    and `auc_sd` are None, and `metrics` and `counts` are empty. `reason` says why a trial failed.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    num_epochs: int
    last_auc: float | None
    curve: tuple[float, ...] = ()
    auc: float | None = None
    auc_sd: float | None = None
    metrics: Mapping[str, float]
    counts: Mapping[str, int]
    seconds: float | None
    stages: Mapping[str, str | None]
    reason: str | None

    def as_json(self) -> dict[str, Any]:
        """The trial as JSON values. `metrics` keep the key `figures`, which users' scripts read."""
        return {"figures" if key == "metrics" else key: value for key, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The trials of a sweep: complete ones by AUC and number, then the others by state and number.

    `predictions` are the out-of-fold predictions of the complete trials, `corrected` is the BBC-CV estimate
    from them, and `rules` compares the best trial with the rules. All are None while no trial is complete.
    `caveat` is what must be said about the data; it may be empty. `experiment` is the sweep's config, None
    while no trial is complete or if it cannot be read.
    `findings` are what the review of the recordings found, None if the sweep ran before there was one. `seen`
    is how many trials the corrected estimate saw, None while no trial is complete.
    """

    name: str
    rows: tuple[Row, ...]
    predictions: AlignedPredictions | None = None
    corrected: BbcEstimate | None = None
    rules: Rules | None = None
    caveat: str = ""
    experiment: Experiment | None = None
    findings: tuple[str, ...] | None = None
    seen: Seen | None = None

    @property
    def best(self) -> Row | None:
        """The complete trial with the highest AUC."""
        return self.rows[0] if self.rows and self.rows[0].state == "COMPLETE" else None

    @property
    def winner(self) -> int:
        """The column of the best trial in `predictions`. There must be a complete trial."""
        assert self.best is not None
        return self.column(self.best)

    def column(self, row: Row) -> int:
        """The column of a complete trial in `predictions`."""
        assert self.predictions is not None
        return self.predictions.configuration(_digests(self.rows), row.number)

    def count(self, state: State) -> int:
        """How many trials are in a state."""
        return sum(row.state == state for row in self.rows)

    def sentences(self) -> tuple[str, ...]:
        """The result in words: the winner's AUC, the AUC corrected for the search, and the caveat."""
        if self.best is None or self.corrected is None:
            return (f"No trial of {self.name} is complete yet ({self._tally()}).",)
        best, corrected = self.best, self.corrected
        counts = best.counts
        plural = "" if corrected.num_configurations == 1 else "s"
        configurations = f"{corrected.num_configurations} complete configuration{plural}"
        return (
            (
                f"Best of {self.name}: trial {best.number}, AUC {best.auc:.3f} ± {best.auc_sd:.3f} "
                f"(patient-wise, mean ± SD over folds), resting on {counts['num_patients']} patients, "
                f"{counts['num_beats']:,} beats and {counts['num_images']:,} images ({self._tally()})."
            ),
            (
                f"Corrected for the search: AUC {corrected.estimate:.3f}, 95 % interval {corrected.low:.3f} "
                f"to {corrected.high:.3f} (BBC-CV, {configurations}, {corrected.num_draws} draws of "
                f"{corrected.num_patients} patients). Expect this on new patients of the same source; the "
                f"best pooled AUC that the search saw, {corrected.naive:.3f}, is partly "
                f"luck.{_beside_chance(corrected)}"
            ),
            *([self.seen.sentence()] if self.seen else []),
            *([self.caveat] if self.caveat else []),
            *(f"Found in the recordings: {finding}" for finding in self.findings or ()),
        )

    def to_json(self) -> str:
        """The leaderboard without the predictions, as one JSON object. It holds no NaN.

        The rules keep the key `baselines`, which users' scripts read.
        """
        best = self.best
        content = {
            "name": self.name,
            "best": None if best is None else best.number,
            "corrected": None if self.corrected is None else asdict(self.corrected),
            "correction_saw": None if self.seen is None else self.seen.as_json(),
            "baselines": None if self.rules is None else self.rules.as_json(),
            "caveat": self.caveat,
            "findings": self.findings,
            "sentences": list(self.sentences()),
            "rows": [row.as_json() for row in self.rows],
        }
        return json.dumps(content, indent=1, allow_nan=False)

    def _tally(self) -> str:
        return ", ".join(f"{self.count(state)} {state.lower()}" for state in STATES if self.count(state))


def build_leaderboard(storage: str, name: str) -> Leaderboard:
    """The leaderboard of sweep `name`, finished or running, with its config as it is stored.

    If the config cannot be read, the ranking stands without rules. SweepError if there is no such sweep;
    otherwise raises the errors of `rank`.
    """
    study, store = open_study(storage, name, create=False), stage_store(storage)
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return rank(study, store)
    try:
        experiment = stored_experiment(storage, name)
    except CrtError as error:
        return replace(rank(study, store), rules=no_rules(error))
    return with_rules(rank(study, store, experiment), experiment)


def rank(study: optuna.Study, store: StageStore, experiment: Experiment | None = None) -> Leaderboard:
    """The trials of a study, without rules. Without the sweep's experiment, early stopping is not replayed.

    Trials that share one finetune stage are one configuration and count once in the corrected estimate.
    SweepError if the trials
    were not scored on the same folds; StorageError if the predictions of a complete trial are missing.
    """
    trials = study.get_trials(deepcopy=False)
    rows = sorted((_row(store, trial) for trial in trials), key=_rank)
    findings = DATA_FINDINGS.of(study)
    board = Leaderboard(
        name=study.study_name, rows=tuple(rows), findings=None if findings is None else tuple(findings)
    )
    if board.best is None:
        return board
    digests = _digests(rows)
    predictions = read_aligned(store, digests)
    seen = seen_of(study, store, predictions, digests, experiment, seed=DRAWS_SEED)
    corrected = bbc_cv(
        predictions.label_P,
        predictions.scores(),
        num_folds=predictions.num_folds,
        seed=DRAWS_SEED,
        replay=seen.replay,
    )
    return replace(board, predictions=predictions, corrected=corrected, seen=seen)


def with_rules(board: Leaderboard, experiment: Experiment) -> Leaderboard:
    """A ranking with what the sweep's config adds to it; unchanged while no trial is complete."""
    if board.predictions is None:
        return board
    return replace(
        board,
        experiment=experiment,
        rules=compare_rules(experiment, board.predictions, board.winner),
        caveat=caveat(experiment),
    )


def _beside_chance(corrected: BbcEstimate) -> str:
    if corrected.high < 0.5:
        return f" {WORSE_THAN_CHANCE}"
    return " The interval includes 0.5: better than chance is not shown." if corrected.low <= 0.5 else ""


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
                f"use the storage that the sweep ran with, or run the same sweep command again"
            )
        facts = manifest.facts
    curve = trial.intermediate_values
    last_auc = curve[max(curve)] if curve else None
    return Row(
        number=trial.number,
        state=state_of(trial),
        params=dict(trial.params),
        num_epochs=max(curve, default=0),
        curve=tuple(curve[epoch] for epoch in sorted(curve) if math.isfinite(curve[epoch])),
        last_auc=last_auc if last_auc is not None and math.isfinite(last_auc) else None,
        auc=facts.get("auc"),
        auc_sd=facts.get("auc_sd"),
        metrics={key: facts[key] for key in METRICS if facts},
        counts={key: facts[key] for key in COUNTS if facts},
        seconds=SECONDS.of(trial),
        stages=stages,
        reason=REASON.of(trial),
    )


def _rank(row: Row) -> tuple[int, float, int]:
    return STATES.index(row.state), -(row.auc or 0.0), row.number


def _finetune(stages: Mapping[str, str | None]) -> StageKey:
    return StageKey(name="finetune", digest=str(stages["finetune"]))
