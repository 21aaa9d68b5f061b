"""Nested cross-validation: the whole search is run again in each outer fold, without the patients it scores.

Varma & Simon 2006 (BMC Bioinformatics 7:91); Cawley & Talbot 2010 (JMLR 11:2079). In each outer fold, a sweep
with the same settings gets only the other patients. Its winner is trained on all of them and then scores the
fold. So no patient's outcome influences that patient's score, whatever the search does. It costs one sweep
per fold. It is slightly pessimistic, because search and training have only (K - 1) / K of the patients.

Only fine-tuning is computed again. Pre-training uses no patient of the cohort, and the images of a recording
depend on nothing else, so outer and inner sweeps share both through the stage store.

A shortcut does not work: for each fold, take the stored predictions, choose the configuration that is best in
the other folds, and score it in this fold. The models behind the predictions of the other folds were trained
on this fold, so a configuration for which the folds agree by chance is both chosen and rewarded. Measured on
150 cohorts of 46/25 patients without a signal and 16 ridge regressions (benchmarks/selection.py), the mean
AUC was 0.542 for the shortcut (standard error 0.007), 0.502 for nested cross-validation and 0.584 for the
naive best.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.data.sources import predefined_folds
from crtcore.data.splits import Fold, cohort_folds
from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.intervals import Interval
from crtcore.evaluation.metrics import auc
from crtcore.pipeline import OnProgress, open_store, plan, prepare, read_sources
from crtcore.prediction.predictor import BeatInputs, beat_logits
from crtcore.signal.recording import IntArray, StrArray
from crtcore.training.finetuning.patients import patient_beats, patient_scores
from search.results.exported import exported_model
from search.results.winner import Winner, find_winner
from search.sweep.run import run_sweep


@dataclass(frozen=True, kw_only=True)
class OuterFold:
    """One inner sweep: its name, and the hyperparameters of its winner.

    `seen_auc` is the winner's AUC in that sweep, and `auc` its AUC on the patients that the sweep never had.
    """

    sweep: str
    params: Mapping[str, Any]
    seen_auc: float
    auc: float


@dataclass(frozen=True, kw_only=True)
class NestedEstimate:
    """The AUC to expect of the whole search procedure.

    `auc` and `auc_sd` are the mean and SD over the outer folds. `pooled` is the AUC of all patients, with
    DeLong's interval, widened for cross-validation. `scores` are probabilities of label 1 by patient.
    """

    name: str
    auc: float
    auc_sd: float
    pooled: Interval
    folds: tuple[OuterFold, ...]
    scores: Mapping[str, float]

    def sentences(self) -> tuple[str, ...]:
        """The result in words."""
        seen = float(np.mean([fold.seen_auc for fold in self.folds]))
        chance = " Better than chance is not shown." if self.pooled.low <= 0.5 else ""
        return (
            (
                f"Nested cross-validation of {self.name}: AUC {self.auc:.3f} ± {self.auc_sd:.3f} over "
                f"{len(self.folds)} outer folds; pooled over {len(self.scores)} patients "
                f"{self.pooled.estimate:.3f}, 95 % interval {self.pooled.low:.3f} to "
                f"{self.pooled.high:.3f}.{chance}"
            ),
            (
                f"In each fold, the search ran again without the patients it scored. On its own patients, "
                f"its winner had an AUC of {seen:.3f} on average."
            ),
        )

    def to_json(self) -> str:
        """The estimate as one JSON object."""
        return json.dumps(asdict(self) | {"sentences": self.sentences()}, indent=1, allow_nan=False)


def run_nested(
    experiment: Experiment,
    *,
    search: Callable[[Experiment], object] = run_sweep,
    on_progress: OnProgress = lambda what, done, total: None,
) -> NestedEstimate:
    """Nested cross-validation in the folds of sweep `experiment.name` (those of its first repeat).

    `search` runs the sweep of an experiment to its end. The inner sweeps are named NAME.outer0, NAME.outer1,
    and so on. They are ordinary sweeps, so a second run resumes them. DataError if an outer fold leaves too
    few patients of one outcome for the inner folds; SweepError if an inner winner's head is not linear.
    """
    store, sources = open_store(experiment), read_sources(experiment)
    stages = plan(experiment, sources)
    prepare(store, stages, on_progress=on_progress)
    images = load_images(store, stages.cohort)
    id_P, first_P = np.unique(images.patient_N, return_index=True)
    label_P = images.label_N[first_P]
    (outer,) = cohort_folds(
        id_P,
        label_P,
        given=predefined_folds(sources),
        num_folds=experiment.finetune.folds,
        num_repeats=1,
        seed=experiment.seed,
    )
    score_P = np.full(len(id_P), np.nan)
    folds = []
    for number, fold in enumerate(outer):
        on_progress("outer folds", number, len(outer))
        inner = _without(experiment, number, id_P, fold)
        search(inner)
        winner = find_winner(inner.storage, inner.name)
        score_P[fold.test_P] = _scores(winner, id_P[fold.test_P])
        assert winner.row.auc is not None
        folds.append(
            OuterFold(
                sweep=inner.name,
                params=winner.row.params,
                seen_auc=winner.row.auc,
                auc=auc(label_P[fold.test_P], score_P[fold.test_P]),
            )
        )
    on_progress("outer folds", len(outer), len(outer))
    return _estimate(experiment.name, id_P, label_P, score_P, tuple(folds))


def _without(experiment: Experiment, number: int, id_P: StrArray, fold: Fold) -> Experiment:
    """The same sweep on the patients that outer fold `number` does not score."""
    patients = tuple(id_P[fold.train_P].tolist())
    return override(experiment, {"name": f"{experiment.name}.outer{number}", "cohort.patients": patients})


def _scores(winner: Winner, id_P: StrArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The probability of label 1 of other patients, by the winner trained on all its own; ids ascending."""
    experiment = override(
        winner.experiment,
        {"cohort.patients": tuple(id_P.tolist()), "cohort.leads": winner.sources.cohort_leads},
    )
    stages = plan(experiment, read_sources(experiment))
    prepare(winner.store, stages)
    images = load_images(winner.store, stages.cohort)
    beats = patient_beats(
        images, torch.from_numpy(np.array(images.image_NFT)), amplitude=experiment.finetune.amplitude
    )
    assert np.array_equal(beats.id_P, id_P)
    inputs = BeatInputs(image_BCFT=beats.inputs.numpy(), scalar_BCE=beats.scalar_BCE.numpy())
    return patient_scores(beat_logits(exported_model(winner), inputs), beats.patient_B, np.arange(len(id_P)))


def _estimate(
    name: str,
    id_P: StrArray,
    label_P: IntArray,
    score_P: np.ndarray[Any, np.dtype[np.float64]],
    folds: tuple[OuterFold, ...],
) -> NestedEstimate:
    aucs = [fold.auc for fold in folds]
    return NestedEstimate(
        name=name,
        auc=float(np.mean(aucs)),
        auc_sd=float(np.std(aucs)),
        pooled=auc_interval(label_P, score_P, num_folds=len(folds)),
        folds=folds,
        scores=dict(zip(id_P.tolist(), score_P.tolist(), strict=True)),
    )
