"""Everything the winner must beat, on the same patients and in the same folds.

Legend: P patients, D features, N images, B beats, C leads, F frequency bins, T frames.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.manifest import Patient
from crtcore.errors import DataError
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION
from crtcore.evaluation.comparators import Comparator, Comparison, compare
from crtcore.evaluation.qrs_area import QrsMeasurement, measure_qrs
from crtcore.evaluation.rules import rule_comparators
from crtcore.evaluation.trained_comparators import clinical_comparators, feature_comparators
from crtcore.model.backbones import GROUPS
from crtcore.pipeline import OnProgress, plan
from crtcore.signal.formats import read_any
from crtcore.training.engine.device import use_device
from crtcore.training.finetuning.features import load_activations, run_features
from crtcore.training.pretraining.pretrain import run_pretrain
from search.results.out_of_fold import AlignedPredictions
from search.results.winner import Winner

FROM_SCRATCH = "the best network from scratch"
POOLED_TO = 16  # pixels a side: plain models gain nothing from more, and take long over it
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Competition:
    """The winner against each competitor that has scores; `missing` says of the others what they lack."""

    comparisons: tuple[Comparison, ...]
    missing: dict[str, str]
    scores: dict[str, Float64Array]


def compete(
    winner: Winner, patients: tuple[Patient, ...], on_progress: OnProgress = lambda what, done, total: None
) -> Competition:
    """Train and score all competitors, and test the winner against each.

    `patients` stand in the order of the predictions. Backbones that are lacking (the random one) are built
    as stages, and read the next time.
    """
    predictions = winner.leaderboard.predictions
    assert predictions is not None
    steps: tuple[Callable[[], Iterable[Comparator]], ...] = (
        lambda: rule_comparators(patients, _measured(winner, patients)),
        lambda: clinical_comparators(patients, predictions.fold_RP, seed=winner.base.seed),
        lambda: _on_pixels(winner, predictions),
        lambda: _from_scratch(winner, predictions),
        *(
            functools.partial(_on_deep_features, winner, predictions, name, experiment)
            for name, experiment in backbones(winner).items()
        ),
    )
    comparators: list[Comparator] = []
    for done, step in enumerate(steps):
        on_progress("competitors", done, len(steps))
        comparators.extend(step())
    on_progress("competitors", len(steps), len(steps))
    score_P = predictions.scores()[:, winner.leaderboard.winner]
    missing = {each.name: each.missing_column for each in comparators if each.missing_column is not None}
    if winner.is_pretrained and not any(each.name.startswith(FROM_SCRATCH) for each in comparators):
        missing[FROM_SCRATCH] = "a complete trial with pretrain.objective none in this sweep"
    return Competition(
        comparisons=compare(predictions.label_P, score_P, comparators, num_folds=predictions.num_folds),
        missing=missing,
        scores={
            each.name: np.asarray(each.score_P, dtype=np.float64)
            for each in comparators
            if each.score_P is not None
        },
    )


def backbones(winner: Winner) -> dict[str, Experiment]:
    """Networks whose features plain models are given: the winner's, and a random one of its kind.

    They are one where the winner was not pre-trained: it started from the very weights of the random one.
    """
    random = {"a random backbone's features": override(winner.experiment, {"pretrain.objective": "none"})}
    return {"the winner's deep features": winner.experiment} | random if winner.is_pretrained else random


def _measured(winner: Winner, patients: tuple[Patient, ...]) -> dict[str, QrsMeasurement]:
    """QRS duration and area of each patient whose first recording has the leads and the beats for it."""
    wanted = {patient.patient_id for patient in patients}
    measured: dict[str, QrsMeasurement] = {}
    seen: set[str] = set()
    for source in winner.sources.cohort:
        if source.patient_id in wanted - seen:
            seen.add(source.patient_id)
            try:
                measured[source.patient_id] = measure_qrs(read_any(source.path))
            except DataError:  # this ECG does not show it: the rule is then listed as not available
                continue
    return measured


def _on_pixels(winner: Winner, predictions: AlignedPredictions) -> Iterator[Comparator]:
    """Logistic regression on the mean image of a patient's beats, pooled to 16 x 16 a lead; none where the
    network sees waveforms.
    """
    if winner.experiment.takes_waveforms:
        return
    images = load_images(winner.store, winner.plan.cohort)
    num_images, frequencies, frames = images.image_NFT.shape
    blocks = images.image_NFT.reshape(
        num_images, POOLED_TO, frequencies // POOLED_TO, POOLED_TO, frames // POOLED_TO
    )
    pixel_ND = blocks.mean(axis=(2, 4)).reshape(num_images, -1)
    yield from feature_comparators(
        "image pixels",
        _by_patient(images, pixel_ND, predictions),
        predictions.label_P,
        predictions.fold_RP,
        models=[LOGISTIC_REGRESSION],
        seed=winner.base.seed,
    )


def _from_scratch(winner: Winner, predictions: AlignedPredictions) -> Iterator[Comparator]:
    """The sweep's best network that was random before it saw the cohort, beside a winner that was not."""
    board = winner.leaderboard
    random = (
        row
        for row in board.rows  # in rank order
        if row.state == "COMPLETE" and override(winner.base, row.params).pretrain.objective == "none"
    )
    if winner.is_pretrained and (best := next(random, None)) is not None:
        score_P = predictions.scores()[:, board.column(best)]
        yield Comparator(name=f"{FROM_SCRATCH} (trial {best.number})", trained=True, score_P=score_P)


def _on_deep_features(
    winner: Winner, predictions: AlignedPredictions, name: str, experiment: Experiment
) -> Iterator[Comparator]:
    """Plain models on the pooled features of a backbone that saw no patient of the cohort."""
    experiment = override(experiment, {"finetune.frozen_groups": len(GROUPS)})
    stages = plan(experiment, winner.sources)
    assert stages.features is not None
    store, device = winner.store, use_device(winner.device_resources())
    for _ in run_pretrain(store, stages.pretrain, experiment, stages.arrhythmia, device):
        pass
    for _ in run_features(store, stages.features, experiment, stages.pretrain, stages.cohort, device):
        pass
    features_ND = load_activations(store, stages.features).numpy().astype(np.float64)
    yield from feature_comparators(
        name,
        _by_patient(load_images(store, stages.cohort), features_ND, predictions),
        predictions.label_P,
        predictions.fold_RP,
        seed=winner.base.seed,
    )


def _by_patient(images: ImageSet, value_ND: Float64Array, predictions: AlignedPredictions) -> Float64Array:
    """Means over a patient's beats, leads side by side, in the order of the predictions."""
    num_leads = len(images.leads)
    beat_BD = value_ND.reshape(images.num_beats, -1)
    patient_B = images.patient_N[::num_leads]
    return np.stack([beat_BD[patient_B == patient_id].mean(axis=0) for patient_id in predictions.patient_ids])
