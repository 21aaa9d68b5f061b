"""The competitors of the winner: rules and trained comparators, on the same patients and in the same folds.

Legend: P patients, D features, N images, B beats, C leads, F frequency bins, T frames.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import ImageSet
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
from search.results.winner import Winner

FROM_SCRATCH = "the best network from scratch"
POOLED_TO = 16  # pixels per side: plain models score no better with more pixels, and take much longer
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Competition:
    """The winner against its competitors.

    `comparisons` and `scores` (by name, shape (patients,)) hold the competitors that have scores. `missing`
    maps the name of each other competitor to what it lacks.
    """

    comparisons: tuple[Comparison, ...]
    missing: dict[str, str]
    scores: dict[str, Float64Array]


def compete(
    winner: Winner, patients: tuple[Patient, ...], on_progress: OnProgress = lambda what, done, total: None
) -> Competition:
    """Train and score all competitors, and compare the winner with each.

    `patients` are in the order of the predictions. Missing backbones and features are built as stages, so
    they are reused the next time.
    """
    predictions = winner.predictions
    steps: tuple[Callable[[], Iterable[Comparator]], ...] = (
        lambda: rule_comparators(patients, _measured(winner, patients)),
        lambda: clinical_comparators(patients, predictions.fold_RP, seed=winner.base.seed),
        lambda: _on_pixels(winner),
        lambda: _from_scratch(winner),
        *(
            functools.partial(_on_deep_features, winner, name, experiment)
            for name, experiment in backbones(winner).items()
        ),
    )
    competitors: list[Comparator] = []
    for done, step in enumerate(steps):
        on_progress("competitors", done, len(steps))
        competitors.extend(step())
    on_progress("competitors", len(steps), len(steps))
    missing = {each.name: each.missing_column for each in competitors if each.missing_column is not None}
    if winner.is_pretrained and not any(each.name.startswith(FROM_SCRATCH) for each in competitors):
        missing[FROM_SCRATCH] = "a complete trial with pretrain.objective none in this sweep"
    return Competition(
        comparisons=compare(
            predictions.label_P, winner.scores(), competitors, num_folds=predictions.num_folds
        ),
        missing=missing,
        scores={
            each.name: np.asarray(each.score_P, dtype=np.float64)
            for each in competitors
            if each.score_P is not None
        },
    )


def backbones(winner: Winner) -> dict[str, Experiment]:
    """The backbones whose features are given to plain models, by name: the winner's, and a random one of the
    same architecture.

    A winner that was not pre-trained started from the random backbone, so there is only that one.
    """
    random = {"a random backbone's features": override(winner.experiment, {"pretrain.objective": "none"})}
    return {"the winner's deep features": winner.experiment} | random if winner.is_pretrained else random


def _measured(winner: Winner, patients: tuple[Patient, ...]) -> dict[str, QrsMeasurement]:
    """QRS duration and area by patient id, measured in the patient's first recording.

    Patients are left out if this recording lacks the leads or the beats for it.
    """
    wanted = {patient.patient_id for patient in patients}
    measured: dict[str, QrsMeasurement] = {}
    seen: set[str] = set()
    for source in winner.sources.cohort:
        if source.patient_id in wanted - seen:
            seen.add(source.patient_id)
            try:
                measured[source.patient_id] = measure_qrs(read_any(source.path))
            except DataError:  # the rule that needs it is then listed as not available
                continue
    return measured


def _on_pixels(winner: Winner) -> Iterator[Comparator]:
    """Logistic regression on the mean image of a patient's beats, pooled to 16 x 16 pixels per lead.

    Yields nothing if the network reads waveforms.
    """
    if winner.experiment.takes_waveforms:
        return
    image_NFT = winner.images.image_NFT
    num_images, frequencies, frames = image_NFT.shape
    blocks = image_NFT.reshape(
        num_images, POOLED_TO, frequencies // POOLED_TO, POOLED_TO, frames // POOLED_TO
    )
    pixel_ND = blocks.mean(axis=(2, 4)).reshape(num_images, -1)
    predictions = winner.predictions
    yield from feature_comparators(
        "image pixels",
        patient_means(winner.images, pixel_ND, predictions.patient_ids),
        predictions.label_P,
        predictions.fold_RP,
        models=[LOGISTIC_REGRESSION],
        seed=winner.base.seed,
    )


def _from_scratch(winner: Winner) -> Iterator[Comparator]:
    """The sweep's best network without pre-training; nothing if the winner itself is such a network."""
    board = winner.leaderboard
    from_scratch = (
        row
        for row in board.rows  # in rank order
        if row.state == "COMPLETE" and override(winner.base, row.params).pretrain.objective == "none"
    )
    if winner.is_pretrained and (best := next(from_scratch, None)) is not None:
        score_P = winner.predictions.scores()[:, board.column(best)]
        yield Comparator(name=f"{FROM_SCRATCH} (trial {best.number})", trained=True, score_P=score_P)


def _on_deep_features(winner: Winner, name: str, experiment: Experiment) -> Iterator[Comparator]:
    """Plain models on the pooled features of a backbone that was not trained on the cohort."""
    experiment = override(experiment, {"finetune.frozen_groups": len(GROUPS)})
    stages = plan(experiment, winner.sources)
    assert stages.features is not None
    assert stages.cohort.digest == winner.plan.cohort.digest  # so the winner's images are the right ones
    store, device = winner.store, use_device(winner.device_resources())
    for _ in run_pretrain(store, stages.pretrain, experiment, stages.arrhythmia, device):
        pass
    for _ in run_features(
        store,
        stages.features,
        experiment,
        stages.pretrain,
        stages.cohort,
        device,
        images=winner.images,
    ):
        pass
    features_ND = load_activations(store, stages.features).numpy().astype(np.float64)
    predictions = winner.predictions
    yield from feature_comparators(
        name,
        patient_means(winner.images, features_ND, predictions.patient_ids),
        predictions.label_P,
        predictions.fold_RP,
        seed=winner.base.seed,
    )


def patient_means(images: ImageSet, value_ND: Float64Array, patient_ids: tuple[str, ...]) -> Float64Array:
    """The mean of each patient's beats, shape (patients, leads * D), in the order of `patient_ids`.

    `value_ND` has one row per image.
    """
    num_leads = len(images.leads)
    beat_BD = value_ND.reshape(images.num_beats, -1)
    patient_B = images.patient_N[::num_leads]
    return np.stack([beat_BD[patient_B == patient_id].mean(axis=0) for patient_id in patient_ids])
