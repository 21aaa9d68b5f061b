"""Figures of beats: what the network sees, and where it looks.

Legend: B beats, C leads, F frequency bins, T frames.
"""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from crtcore.config import SpectrogramConfig
from crtcore.data.loader import load_images
from crtcore.prediction.grad_cam import LAYER, grad_cam
from crtcore.prediction.network import BeatModel
from crtcore.prediction.predictor import BeatInputs
from search.report.drawing.style import STYLE, svg
from search.results.winner import Winner, cohort_inputs

MAX_LEADS = 4
HIGHEST_HZ = 45.0
Maps = npt.NDArray[np.float32]


def beat_figure(
    inputs: BeatInputs,
    titles: list[str],
    leads: tuple[str, ...],
    config: SpectrogramConfig,
    maps: Maps | None,
) -> str:
    """One row a beat, one column a lead (the first four): spectrograms, with Grad-CAM over them if given."""
    shown = leads[:MAX_LEADS]
    num_rows = len(inputs)
    extent = (-config.before_r_rr, config.after_r_rr, 0.0, HIGHEST_HZ)
    with mpl.rc_context({**STYLE, "font.size": 7.5}):
        figure = Figure(figsize=(1.9 * len(shown) + 0.6, 1.65 * num_rows + 0.4))
        axes = figure.subplots(num_rows, len(shown), squeeze=False, sharex=True, sharey=True)
        for row in range(num_rows):
            for column, lead in enumerate(shown):
                panel = axes[row, column]
                panel.imshow(
                    inputs.image_BCFT[row, column],
                    origin="lower",
                    extent=extent,
                    aspect="auto",
                    cmap="gray" if maps is not None else "viridis",
                    vmin=0,
                    vmax=255,
                )
                if maps is not None:
                    panel.imshow(
                        maps[row, column],
                        origin="lower",
                        extent=extent,
                        aspect="auto",
                        cmap="inferno",
                        alpha=0.55,
                        vmin=0,
                        vmax=1,
                    )
                if row == 0:
                    panel.set_title(f"lead {lead}")
                if row == num_rows - 1:
                    panel.set_xlabel("RR intervals from R")
            axes[row, 0].set_ylabel(f"{titles[row]}\nHz")
    return svg(figure)


def grad_cam_caption(class_name: str) -> str:
    """What the overlay shows; `class_name` is what label 1 is called."""
    return (
        f"Grad-CAM of the logit at the group {LAYER} of the network refitted on all patients; bright places "
        f"speak for {class_name}, each beat scaled to its own maximum. It shows where this network looks, "
        f"not why."
    )


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
