"""Figures of single beats: what the network sees, and where it looks.

Legend: B beats, C leads, F frequency bins, T frames.
"""

from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from crtcore.config import SpectrogramConfig
from crtcore.prediction.grad_cam import LAYER
from crtcore.prediction.predictor import BeatInputs
from search.report.drawing.style import STYLE, literal, svg
from search.results.winner import Winner, cohort_inputs

MAX_LEADS: Final = 4
HIGHEST_HZ: Final = 45.0
NUM_SAMPLES: Final = 3  # patients of each outcome whose first beat is shown


@dataclass(frozen=True, kw_only=True)
class BeatSample:
    """Some beats of the cohort as the network reads them, with a title for each beat."""

    inputs: BeatInputs
    titles: tuple[str, ...]
    leads: tuple[str, ...]
    spectrogram: SpectrogramConfig


def sample_beats(winner: Winner) -> BeatSample:
    """The first beat of three patients of each outcome.

    Titles number the patients in the order of their ids, because ids must not appear in a report.
    """
    predictions, images = winner.predictions, winner.images
    patient_B = images.patient_N[:: len(images.leads)]
    chosen = [
        patient
        for label in (1, 0)
        for patient in np.flatnonzero(predictions.label_P == label)[:NUM_SAMPLES].tolist()
    ]
    beat_B = [int(np.argmax(patient_B == predictions.patient_ids[patient])) for patient in chosen]
    cohort = cohort_inputs(winner)
    width = len(str(len(predictions.patient_ids)))
    outcomes = winner.base.cohort.class_names
    return BeatSample(
        inputs=BeatInputs(image_BCFT=cohort.image_BCFT[beat_B], scalar_BCE=cohort.scalar_BCE[beat_B]),
        titles=tuple(
            f"patient {patient + 1:0{width}}\n{outcomes[predictions.label_P[patient]]}" for patient in chosen
        ),
        leads=winner.sources.cohort_leads,
        spectrogram=winner.experiment.spectrogram,
    )


def beat_figure(sample: BeatSample, map_BCFT: npt.NDArray[np.float32] | None = None) -> str:
    """Spectrograms, one row per beat and one column per lead (the first four).

    `map_BCFT`, values from 0 to 1, is drawn over them if given (Grad-CAM).
    """
    leads, num_beats = sample.leads[:MAX_LEADS], len(sample.inputs)
    config = sample.spectrogram
    place: dict[str, Any] = {
        "origin": "lower",
        "extent": (-config.before_r_rr, config.after_r_rr, 0.0, HIGHEST_HZ),
        "aspect": "auto",
    }
    colours = "viridis" if map_BCFT is None else "gray"
    with mpl.rc_context({**STYLE, "font.size": 7.5}):
        figure = Figure(figsize=(1.9 * len(leads) + 0.6, 1.65 * num_beats + 0.4))
        axes = figure.subplots(num_beats, len(leads), squeeze=False, sharex=True, sharey=True)
        for (beat, lead), panel in np.ndenumerate(axes):
            panel.imshow(sample.inputs.image_BCFT[beat, lead], cmap=colours, vmin=0, vmax=255, **place)
            if map_BCFT is not None:
                panel.imshow(map_BCFT[beat, lead], cmap="inferno", alpha=0.55, vmin=0, vmax=1, **place)
        for lead, name in enumerate(leads):
            axes[0, lead].set_title(f"lead {literal(name)}")
            axes[-1, lead].set_xlabel("RR intervals from R")
        for beat, title in enumerate(sample.titles):
            axes[beat, 0].set_ylabel(f"{literal(title)}\nHz")
    return svg(figure)


def grad_cam_caption(class_name: str) -> str:
    """What the Grad-CAM figure shows; `class_name` is the name of label 1."""
    return (
        f"Grad-CAM at the group {LAYER} of the network that was refitted on all patients. Bright areas "
        f"raise the predicted probability of {class_name}; each beat is scaled to its own maximum. It shows "
        f"where this network looks, not why."
    )
