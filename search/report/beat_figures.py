"""Figures of beats: what the network sees, and where it looks.

Legend: B beats, C leads, F frequency bins, T frames.
"""

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from crtcore.config import SpectrogramConfig
from crtcore.prediction.grad_cam import LAYER
from crtcore.prediction.predictor import BeatInputs
from search.report.figures import STYLE, svg

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
