"""Figures as SVG text."""

from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from search.report.drawing.style import STYLE, svg


def drawn() -> str:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3, 2))
        figure.add_subplot(xlabel="x").plot([0, 1], [0, 1])
        return svg(figure)


def test_the_text_is_one_svg_element() -> None:
    text = drawn()
    assert text.startswith("<svg")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_figure_gives_the_same_text_without_a_date() -> None:
    assert drawn() == drawn()
    assert "dc:date" not in drawn()
