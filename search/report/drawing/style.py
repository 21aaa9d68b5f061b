"""The style that all figures share, and their conversion to SVG."""

import io
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

Float64Array = npt.NDArray[np.float64]

WINNER_COLOUR: Final = "#b5342c"
OTHER_COLOURS: Final = ("#4f6d8f", "#7a9a5b", "#c08a3e", "#7d6aa3", "#5aa0a0")
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "crtsearch",  # the same figure gives the same bytes
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
}


def literal(text: str) -> str:
    """A name that a user gave, so that matplotlib does not read `$` as the start of a formula."""
    return text.replace("$", r"\$")


def svg(figure: Figure) -> str:
    """The figure as an SVG element. It holds no date, so the same figure gives the same text."""
    stream = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None}, bbox_inches="tight")
    text = stream.getvalue()
    return text[text.index("<svg") :]
