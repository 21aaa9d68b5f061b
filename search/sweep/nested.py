"""Nested cross-validation: the whole search again, without the patients who are scored.

Varma & Simon 2006 (BMC Bioinformatics 7:91); Cawley & Talbot 2010 (JMLR 11:2079). In each outer fold a sweep
of the same settings sees the other patients alone, its winner is trained on all of them, and that network
scores the fold. Nothing that touches a patient's score has seen the patient's outcome, whatever the search
does. The price is a sweep a fold, and some pessimism: search and training have (K - 1) / K of the patients.

Pre-training sees no patient of the cohort, and a recording's images depend on the recording alone: outer and
inner sweeps share both through the stage store. What is computed anew is fine-tuning.

It cannot be had from the predictions that a sweep has stored: choose for each fold the configuration that is
best in the other folds, score it in this one. The models that gave those predictions were trained on this
fold too, so a configuration in which the fold and the others happen to agree is chosen and rewarded for the
same coincidence. On 150 cohorts of 46/25 without a signal and 16 ridge regressions (those of
benchmarks/selection.py) that gave a mean AUC of 0.542 (standard error 0.007), nested cross-validation 0.502,
the naive best 0.584.
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
from search.results.refit import refit
from search.results.winner import Winner, find_winner
from search.sweep.run import run_sweep


@dataclass(frozen=True, kw_only=True)
class OuterFold:
    """One search: its name and winner, the AUC that it saw among its own patients, and the AUC of the
    patients it never had.
    """

    sweep: str
    params: Mapping[str, Any]
    seen_auc: float
    auc: float


@dataclass(frozen=True, kw_only=True)
class NestedEstimate:
    """What the search, as a procedure, is worth: mean and SD over the outer folds, and all patients pooled
    with DeLong's interval, widened for cross-validation. `scores` are probabilities of label 1 by patient.
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
                f"In each fold the search ran anew without the patients who were scored; among its own "
                f"patients its winner had {seen:.3f} on average."
            ),
        )

    def to_json(self) -> str:
        """Everything, as one JSON object."""
        return json.dumps(asdict(self) | {"sentences": self.sentences()}, indent=1, allow_nan=False)


def run_nested(
    experiment: Experiment,
    *,
    search: Callable[[Experiment], object] = run_sweep,
    on_progress: OnProgress = lambda what, done, total: None,
) -> NestedEstimate:
    """Nested cross-validation in the folds of sweep `experiment.name` (those of its first repeat).

    `search` runs an experiment's sweep to its end. The inner sweeps are called NAME.outer0, NAME.outer1, ...
    and are sweeps like any other: what is finished is read when this is run again. DataError if an outer
    fold leaves too few patients of an outcome for the inner folds; SweepError if an inner winner's head is
    not linear.
    """
    store, sources = open_store(experiment), read_sources(experiment)
    prepare(store, experiment, sources, on_progress=on_progress)
    images = load_images(store, plan(experiment, sources).cohort)
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
    """The same sweep on the patients whom outer fold `number` does not score."""
    patients = tuple(id_P[fold.train_P].tolist())
    return override(experiment, {"name": f"{experiment.name}.outer{number}", "cohort.patients": patients})


def _scores(winner: Winner, id_P: StrArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The probability of label 1, by the winner trained on all its patients, of others; ids ascending."""
    experiment = override(
        winner.experiment,
        {"cohort.patients": tuple(id_P.tolist()), "cohort.leads": winner.sources.cohort_leads},
    )
    sources = read_sources(experiment)
    prepare(winner.store, experiment, sources)
    images = load_images(winner.store, plan(experiment, sources).cohort)
    beats = patient_beats(
        images, torch.from_numpy(np.array(images.image_NFT)), amplitude=experiment.finetune.amplitude
    )
    assert np.array_equal(beats.id_P, id_P)
    inputs = BeatInputs(image_BCFT=beats.inputs.numpy(), scalar_BCE=beats.scalar_BCE.numpy())
    return patient_scores(beat_logits(refit(winner), inputs), beats.patient_B, np.arange(len(id_P)))


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
