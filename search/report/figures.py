"""The report's statistical figures, as SVG text.

Legend: P patients, T thresholds.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import optuna
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from crtcore.evaluation.decision_curve import net_benefit, net_benefit_of_all
from crtcore.signal.recording import IntArray

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
NUM_GROUPS = 5  # of patients, in the calibration plot
MAX_CURVES = 5


def svg(figure: Figure) -> str:
    """The figure as an SVG element, without a date and other metadata that changes."""
    stream = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None}, bbox_inches="tight")
    text = stream.getvalue()
    return text[text.index("<svg") :]


def roc_figure(label_P: IntArray, score_P: Float64Array, others: Mapping[str, Float64Array]) -> str:
    """Sensitivity against 1 - specificity, pooled over folds: the winner and up to five competitors."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2))
        axes = figure.add_subplot(aspect="equal", xlabel="1 - specificity", ylabel="sensitivity")
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for (name, other_P), colour in zip(list(others.items())[:MAX_CURVES], OTHER_COLOURS, strict=False):
            false, true, _ = roc_curve(label_P, other_P)
            axes.plot(false, true, color=colour, linewidth=1, label=name)
        false, true, _ = roc_curve(label_P, score_P)
        axes.plot(false, true, color=WINNER_COLOUR, linewidth=2, label="winner (naive)")
        axes.legend(loc="lower right")
    return svg(figure)


def calibration_figure(label_P: IntArray, score_P: Float64Array, class_names: tuple[str, str]) -> str:
    """Observed against predicted shares of label 1, in fifths of the patients by prediction."""
    observed, predicted = calibration_curve(label_P, score_P, n_bins=NUM_GROUPS, strategy="quantile")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2))
        axes = figure.add_subplot(
            aspect="equal", xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="observed share"
        )
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        axes.plot(predicted, observed, "o-", color=WINNER_COLOUR)
        for label, height in ((1, 0.985), (0, 0.015)):
            some = score_P[label_P == label]
            axes.plot(some, np.full(len(some), height), "|", color="0.4", markersize=7)
        axes.text(0.02, 0.94, class_names[1], fontsize=7, color="0.4")
        axes.text(0.02, 0.04, class_names[0], fontsize=7, color="0.4")
    return svg(figure)


def decision_figure(label_P: IntArray, score_P: Float64Array, rules: Mapping[str, Float64Array]) -> str:
    """Net benefit over threshold probabilities: the winner, all, none, and rules that say yes or no."""
    threshold_T = np.linspace(0.01, 0.95, 95)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.6))
        axes = figure.add_subplot(xlabel="threshold probability", ylabel="net benefit per patient")
        axes.axhline(0, color="0.6", linewidth=1, label="treat none")
        axes.plot(
            threshold_T, net_benefit_of_all(label_P, threshold_T), color="0.4", label="treat all", ls="--"
        )
        for (name, rule_P), colour in zip(rules.items(), OTHER_COLOURS, strict=False):
            axes.plot(threshold_T, net_benefit(label_P, rule_P, threshold_T), color=colour, label=name, lw=1)
        axes.plot(
            threshold_T, net_benefit(label_P, score_P, threshold_T), color=WINNER_COLOUR, label="winner"
        )
        prevalence = float(label_P.mean())
        axes.set_ylim(-0.1, 1.1 * prevalence)
        axes.legend(loc="lower left")
    return svg(figure)


def learning_figure(curves: Mapping[int, Mapping[int, float]], winner: int) -> str:
    """The mean AUC over folds after each epoch, one line a trial."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 3.2))
        axes = figure.add_subplot(xlabel="epoch of fine-tuning", ylabel="AUC, mean over folds")
        for number, curve in curves.items():
            colour, width = (WINNER_COLOUR, 2.2) if number == winner else ("0.6", 0.9)
            axes.plot(
                list(curve),
                list(curve.values()),
                "o-",
                color=colour,
                linewidth=width,
                markersize=3,
                zorder=3 if number == winner else 2,
            )
        axes.axhline(0.5, color="0.85", linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return svg(figure)


def importance_figure(study: optuna.Study) -> str | None:
    """Optuna's importance of each hyperparameter for the AUC (fANOVA); None with too few complete trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < 2 or len({trial.values[0] for trial in complete}) < 2:
        return None
    evaluator = FanovaImportanceEvaluator(seed=0)
    importance = get_param_importances(study, evaluator=evaluator, target=_first_value)
    if not importance:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 0.6 + 0.32 * len(importance)))
        axes = figure.add_subplot(xlabel="share of the variance of the AUC (fANOVA)")
        names = list(importance)[::-1]
        axes.barh(names, [importance[name] for name in names], color=OTHER_COLOURS[0])
    return svg(figure)


def parallel_figure(study: optuna.Study) -> str | None:
    """Optuna's parallel coordinates of the complete trials; None with fewer than two."""
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 2:
        return None
    mpl.use("Agg")  # Optuna draws with pyplot; there may be no display
    from matplotlib import pyplot as plt
    from optuna.visualization.matplotlib import plot_parallel_coordinate

    with warnings.catch_warnings(), mpl.rc_context({"font.size": 8, "svg.hashsalt": "crtsearch"}):
        warnings.simplefilter("ignore", ExperimentalWarning)
        # All complete trials may have the same choice of a hyperparameter: its axis is then a point.
        warnings.filterwarnings("ignore", "Attempting to set identical low and high ylims", UserWarning)
        # Given a target, Optuna takes low values for good ones; with one objective it needs none.
        target = _first_value if len(study.directions) > 1 else None
        axes = plot_parallel_coordinate(study, target=target, target_name="AUC")
        figure = axes.figure
        assert isinstance(figure, Figure)
        figure.set_size_inches(8.5, 3.6)
        axes.set_title("")
        text = svg(figure)
        plt.close(figure)
    return text


def _first_value(trial: Any) -> float:
    return float(trial.values[0])


def curves_of(trials: Sequence[Any]) -> dict[int, dict[int, float]]:
    """The learning curve of each trial that has one."""
    return {
        trial.number: dict(sorted(trial.intermediate_values.items()))
        for trial in trials
        if trial.intermediate_values
    }
