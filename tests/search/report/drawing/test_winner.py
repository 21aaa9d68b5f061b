"""The statistical figures, read back from their lines."""

import html

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from crtcore.evaluation.decision_curve import net_benefit
from search.report.drawing.style import OTHER_COLOURS, WINNER_COLOUR
from search.report.drawing.winner import MAX_CURVES, calibration_figure, decision_figure, roc_figure
from tests.search.svg import Points, lines, texts

LABEL_P = np.array([0] * 20 + [1] * 20)
SCORE_P = np.random.default_rng(0).permutation(np.linspace(0.05, 0.95, 40)) * 0.6 + LABEL_P * 0.3
DIAGONAL = "#cccccc"


def in_unit_square(line: Points, diagonal: Points) -> Points:
    """Pixels as data, by the diagonal from (0, 0) to (1, 1)."""
    corner, opposite = diagonal
    return np.asarray((line - corner) / (opposite - corner))


def test_roc_draws_the_winner_and_the_first_five_others() -> None:
    others = {f"other {number}": SCORE_P[::-1] * number for number in range(1, 8)}
    svg = roc_figure(LABEL_P, SCORE_P, others)
    (diagonal,) = lines(svg, DIAGONAL)
    curve = max(lines(svg, WINNER_COLOUR), key=len)
    false, true, _ = roc_curve(LABEL_P, SCORE_P)
    assert in_unit_square(curve, diagonal) == pytest.approx(np.stack([false, true], axis=1), abs=1e-5)
    names = [text for text in texts(svg) if text.startswith(("other", "winner"))]
    assert names == [*(f"other {number}" for number in range(1, MAX_CURVES + 1)), "winner (naive)"]
    assert all(lines(svg, colour) for colour in OTHER_COLOURS)


def test_calibration_draws_five_groups_and_names_both_outcomes() -> None:
    svg = calibration_figure(LABEL_P, SCORE_P, ("stays ill", "recovers"))
    (diagonal,) = lines(svg, DIAGONAL)
    curve = in_unit_square(max(lines(svg, WINNER_COLOUR), key=len), diagonal)
    groups = np.split(np.argsort(SCORE_P), 5)
    expected = [[SCORE_P[group].mean(), LABEL_P[group].mean()] for group in groups]
    assert curve == pytest.approx(np.array(expected), abs=1e-5)
    assert {"stays ill", "recovers"} <= set(texts(svg))


def test_the_decision_curve_is_the_net_benefit() -> None:
    rule_P = (SCORE_P > 0.5).astype(np.float64)
    svg = decision_figure(LABEL_P, SCORE_P, {"LBBB alone": rule_P})
    for name in ("treat none", "treat all", "LBBB alone", "winner"):
        assert name in texts(svg)
    curve = max(lines(svg, WINNER_COLOUR), key=len)
    benefit_T = net_benefit(LABEL_P, SCORE_P, np.linspace(0.01, 0.95, 95))
    assert len(curve) > 10
    # The lowest threshold has the highest net benefit here, and pixels count downwards.
    assert np.argmax(benefit_T) == 0
    assert curve[0, 1] == curve[:, 1].min()
    (none,) = (line for line in lines(svg, "#999999") if np.ptp(line[:, 0]) > 100)
    num_above = int((benefit_T > 0).sum())
    assert num_above == int((curve[:, 1] < none[0, 1]).sum()) + (95 - len(curve))


@pytest.mark.parametrize("name", ["cost > $100 or $200", "$\\frac{$", "a$b", "$$"])
def test_a_class_name_with_dollar_signs_is_no_formula(name: str) -> None:
    assert html.escape(name, quote=False) in texts(calibration_figure(LABEL_P, SCORE_P, (name, "recovers")))
