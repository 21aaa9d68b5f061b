"""Statistical figures of a model: ROC, calibration and decision curves.

Legend: P patients, T thresholds.
"""

from collections.abc import Mapping
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from crtcore.evaluation.decision_curve import net_benefit, net_benefit_of_all
from crtcore.signal.recording import IntArray
from search.report.drawing.style import OTHER_COLOURS, STYLE, WINNER_COLOUR, Float64Array, literal, svg

NUM_GROUPS: Final = 5  # of patients, in the calibration figure
MAX_CURVES: Final = 5  # of competitors, in the ROC figure


def roc_figure(
    label_P: IntArray,
    score_P: Float64Array,
    others: Mapping[str, Float64Array],
    *,
    name: str = "winner (naive)",
) -> str:
    """Sensitivity against 1 - specificity: the model called `name` and the first five of `others`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2))
        axes = figure.add_subplot(aspect="equal", xlabel="1 - specificity", ylabel="sensitivity")
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for (other, other_P), colour in zip(list(others.items())[:MAX_CURVES], OTHER_COLOURS, strict=False):
            false, true, _ = roc_curve(label_P, other_P)
            axes.plot(false, true, color=colour, linewidth=1, label=other)
        false, true, _ = roc_curve(label_P, score_P)
        axes.plot(false, true, color=WINNER_COLOUR, linewidth=2, label=name)
        axes.legend(loc="lower right")
    return svg(figure)


def calibration_figure(label_P: IntArray, score_P: Float64Array, class_names: tuple[str, str]) -> str:
    """The observed share of label 1 against the predicted one, in five groups of patients by prediction.

    Each patient is a tick: label 1 at the top, label 0 at the bottom.
    """
    observed, predicted = calibration_curve(label_P, score_P, n_bins=NUM_GROUPS, strategy="quantile")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2))
        axes = figure.add_subplot(
            aspect="equal", xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="observed share"
        )
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        axes.plot(predicted, observed, "o-", color=WINNER_COLOUR)
        for label, height in ((1, 0.985), (0, 0.015)):
            ticks = score_P[label_P == label]
            axes.plot(ticks, np.full(len(ticks), height), "|", color="0.4", markersize=7)
        axes.text(0.02, 0.94, literal(class_names[1]), fontsize=7, color="0.4")
        axes.text(0.98, 0.04, literal(class_names[0]), fontsize=7, color="0.4", ha="right")
    return svg(figure)


def decision_figure(
    label_P: IntArray, score_P: Float64Array, rules: Mapping[str, Float64Array], *, name: str = "winner"
) -> str:
    """Net benefit against the threshold probability: the model called `name`, treat all, treat none, and
    yes/no rules.
    """
    threshold_T = np.linspace(0.01, 0.95, 95)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.6))
        axes = figure.add_subplot(xlabel="threshold probability", ylabel="net benefit per patient")
        axes.axhline(0, color="0.6", linewidth=1, label="treat none")
        axes.plot(
            threshold_T, net_benefit_of_all(label_P, threshold_T), color="0.4", label="treat all", ls="--"
        )
        for (rule, rule_P), colour in zip(rules.items(), OTHER_COLOURS, strict=False):
            axes.plot(threshold_T, net_benefit(label_P, rule_P, threshold_T), color=colour, label=rule, lw=1)
        axes.plot(threshold_T, net_benefit(label_P, score_P, threshold_T), color=WINNER_COLOUR, label=name)
        prevalence = float(label_P.mean())
        axes.set_ylim(-0.1, 1.1 * prevalence)
        axes.legend(loc="best")
    return svg(figure)
