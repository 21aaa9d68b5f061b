"""Some patients' first beats: what the winner's network sees of them, and where it looks."""

from collections.abc import Sequence

import numpy as np

from crtcore.data.loader import load_images
from crtcore.prediction.grad_cam import grad_cam
from crtcore.prediction.network import BeatModel
from crtcore.prediction.predictor import BeatInputs
from search.report.beat_figures import beat_figure
from search.winner import Winner, cohort_inputs

NUM_SAMPLES = 3  # patients of each outcome whose first beat is shown


def sample_beats(winner: Winner) -> tuple[BeatInputs, tuple[int, ...]]:
    """The first beat of the first patients of each outcome, and those patients' places in the predictions."""
    predictions = winner.leaderboard.predictions
    assert predictions is not None
    images = load_images(winner.store, winner.plan.cohort)
    patient_B = images.patient_N[:: len(images.leads)]
    chosen = tuple(
        patient
        for label in (1, 0)
        for patient in np.flatnonzero(predictions.label_P == label)[:NUM_SAMPLES].tolist()
    )
    beat_B = [int(np.argmax(patient_B == predictions.patient_ids[patient])) for patient in chosen]
    everyone = cohort_inputs(winner)
    inputs = BeatInputs(image_BCFT=everyone.image_BCFT[beat_B], scalar_BCE=everyone.scalar_BCE[beat_B])
    return inputs, chosen


def spectrogram_figure(winner: Winner, names: Sequence[str]) -> str:
    """The beats as the network is given them; `names` are all patients', in the order of the predictions."""
    return _draw(winner, names, None)


def grad_cam_figure(winner: Winner, names: Sequence[str], model: BeatModel) -> str:
    """The same beats, and over them what speaks to `model`, the refitted network, for label 1."""
    return _draw(winner, names, model)


def numbered(num_patients: int) -> list[str]:
    """Names for patients that tell nothing but their place in the order of their ids."""
    width = len(str(num_patients))
    return [f"patient {patient:0{width}}" for patient in range(1, num_patients + 1)]


def _draw(winner: Winner, names: Sequence[str], model: BeatModel | None) -> str:
    predictions = winner.leaderboard.predictions
    assert predictions is not None
    inputs, chosen = sample_beats(winner)
    outcomes = winner.base.cohort.class_names
    titles = [f"{names[patient]}\n{outcomes[predictions.label_P[patient]]}" for patient in chosen]
    maps = None if model is None else grad_cam(model, inputs)
    return beat_figure(inputs, titles, winner.sources.cohort_leads, winner.experiment.spectrogram, maps)
