"""The learning curves of all folds of a trial.

Legend: K folds of all repeats, T epochs.
"""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.cross_validation import FOLD_METRIC
from search.report.drawing.style import STYLE, WINNER_COLOUR, Float64Array, svg


def fold_aucs(reports: Sequence[EpochReport]) -> Float64Array:
    """The AUC of each fold after each epoch, shape (folds, epochs); no rows if only means were stored."""
    names = [name for name in reports[-1].metrics if name.startswith(FOLD_METRIC)]
    auc_TK = [[report.metrics[name] for name in names] for report in reports]
    return np.array(auc_TK).T.reshape(len(names), len(reports))


def fold_curves_figure(reports: Sequence[EpochReport]) -> str:
    """The AUC of each fold after each epoch, their mean ± SD, and the training loss if it was stored."""
    epoch_T = [report.epoch for report in reports]
    mean_T, sd_T = (np.array([report.metrics[name] for report in reports]) for name in ("auc", "auc_sd"))
    auc_KT = fold_aucs(reports)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 3.2))
        axes = figure.add_subplot(xlabel="epoch of fine-tuning", ylabel="AUC, mean ± SD over folds")
        for number, auc_T in enumerate(auc_KT):
            label = f"each of {len(auc_KT)} folds" if number == 0 else None
            axes.plot(epoch_T, auc_T, ".-", color="0.6", linewidth=0.8, markersize=3, label=label)
        # Error bars instead of a band: a scikit-learn head has a single epoch.
        axes.errorbar(
            epoch_T, mean_T, sd_T, fmt="o-", color=WINNER_COLOUR, capsize=3, markersize=4, label="mean ± SD"
        )
        axes.axhline(0.5, color="0.85", linewidth=1)
        lowest = min(float((mean_T - sd_T).min()), float(auc_KT.min(initial=1.0)))
        axes.set_ylim(min(0.35, lowest - 0.02), 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper right", ncols=2)  # inside, it would cover curves
        if all("loss" in report.metrics for report in reports):
            loss_T = [report.metrics["loss"] for report in reports]
            loss_axes = axes.twinx()
            loss_axes.plot(epoch_T, loss_T, "--", color="0.5", linewidth=1)
            loss_axes.set_ylabel("training loss (dashed)", color="0.5")
            loss_axes.spines["right"].set_visible(True)
    return svg(figure)
