"""How every figure looks, and how it becomes SVG text."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

Float64Array = npt.NDArray[np.float64]


STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "crtsearch",  # the same figure gives the same bytes
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
}


WINNER_COLOUR = "#b5342c"


OTHER_COLOURS = ("#4f6d8f", "#7a9a5b", "#c08a3e", "#7d6aa3", "#5aa0a0")


def svg(figure: Figure) -> str:
    """The figure as an SVG element, without a date and other metadata that changes."""
    stream = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None}, bbox_inches="tight")
    text = stream.getvalue()
    return text[text.index("<svg") :]
