"""Figures of a whole sweep: learning curves, importances, parallel coordinates."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import optuna
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from search.report.drawing.style import OTHER_COLOURS, STYLE, WINNER_COLOUR, svg


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
