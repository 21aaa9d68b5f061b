"""Figures of the whole sweep: learning curves, importance of hyperparameters, parallel coordinates."""

import warnings
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import optuna
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from search.report.drawing.style import OTHER_COLOURS, STYLE, WINNER_COLOUR, svg


def curves_of(trials: Sequence[FrozenTrial]) -> dict[int, dict[int, float]]:
    """The AUC by epoch of each trial that has reported one, by trial number."""
    return {
        trial.number: dict(sorted(trial.intermediate_values.items()))
        for trial in trials
        if trial.intermediate_values
    }


def learning_figure(curves: Mapping[int, Mapping[int, float]], winner: int) -> str:
    """The mean AUC over folds after each epoch, one line per trial; trial `winner` in red."""
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
    """Optuna's importance of each hyperparameter for the AUC (fANOVA).

    None if fewer than two complete trials differ in AUC.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({_auc(trial) for trial in complete}) < 2:
        return None
    evaluator = FanovaImportanceEvaluator(seed=0)
    importance = get_param_importances(study, evaluator=evaluator, target=_auc)
    if not importance:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 0.6 + 0.32 * len(importance)))
        axes = figure.add_subplot(xlabel="share of the variance of the AUC (fANOVA)")
        names = list(importance)[::-1]
        axes.barh(names, [importance[name] for name in names], color=OTHER_COLOURS[0])
    return svg(figure)


def parallel_figure(study: optuna.Study) -> str | None:
    """Optuna's parallel coordinates of the complete trials; None if there are fewer than two."""
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 2:
        return None
    mpl.use("Agg")  # Optuna draws with pyplot, and there may be no display
    from matplotlib import pyplot as plt
    from optuna.visualization.matplotlib import plot_parallel_coordinate

    with warnings.catch_warnings(), mpl.rc_context({"font.size": 8, "svg.hashsalt": "crtsearch"}):
        warnings.simplefilter("ignore", ExperimentalWarning)
        # If all complete trials have the same value of a hyperparameter, its axis has no extent.
        warnings.filterwarnings("ignore", "Attempting to set identical low and high ylims", UserWarning)
        # With a target, Optuna colours low values as good. A study with one objective needs no target.
        target = _auc if len(study.directions) > 1 else None
        axes = plot_parallel_coordinate(study, target=target, target_name="AUC")
        figure = axes.figure
        assert isinstance(figure, Figure)
        figure.set_size_inches(8.5, 3.6)
        axes.set_title("")
        text = svg(figure)
        plt.close(figure)
    return text


def _auc(trial: FrozenTrial) -> float:
    """The first objective of a complete trial."""
    return float(trial.values[0])
