"""The figures and the table of one complete trial, drawn from its last stage.

Legend: B bootstrap draws, P patients, R repeats, T points on a grid.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, roc_curve

from crtcore.evaluation.delong import auc_interval
from crtcore.signal.recording import IntArray
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import HISTORY_FILE, decode_history
from search.dashboard import artifacts
from search.dashboard.artifacts import ArtifactKind
from search.report.drawing.folds import fold_curves_figure
from search.report.drawing.style import STYLE, WINNER_COLOUR, Float64Array, literal, svg
from search.report.drawing.winner import calibration_figure
from search.results.out_of_fold import AlignedPredictions, read_aligned

NUM_DRAWS: Final = 500
DRAWS_SEED: Final = 0
CUT: Final = 0.5  # of the probability, as for the accuracy on the leaderboard
ClassNames = tuple[str, str]  # of label 0 and label 1


def draw(store: StageStore, digest: str, kind: ArtifactKind, class_names: ClassNames) -> bytes:
    """The file of one artifact of the trial whose last stage is `digest`.

    StorageError if the stage is missing or damaged.
    """
    return _DRAW[kind](store, digest, class_names).encode()


def roc_with_interval(label_P: IntArray, score_P: Float64Array, num_folds: int) -> str:
    """Sensitivity against 1 - specificity, pooled over folds, with a pointwise 95 % band.

    The band is a percentile bootstrap of patients, drawn within each outcome. The interval of the AUC is
    DeLong's, widened for cross-validation.
    """
    grid_T = np.linspace(0, 1, 101)
    generator = np.random.default_rng(DRAWS_SEED)
    groups = [np.flatnonzero(label_P == label) for label in (0, 1)]
    curve_BT = np.empty((NUM_DRAWS, len(grid_T)))
    for curve_T in curve_BT:
        drawn = np.concatenate([generator.choice(group, len(group)) for group in groups])
        false, true, _ = roc_curve(label_P[drawn], score_P[drawn], drop_intermediate=False)
        curve_T[:] = np.interp(grid_T, false, true)
    low_T, high_T = np.percentile(curve_BT, (2.5, 97.5), axis=0)
    interval = auc_interval(label_P, score_P, num_folds=num_folds)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2))
        axes = figure.add_subplot(aspect="equal", xlabel="1 - specificity", ylabel="sensitivity")
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        axes.fill_between(grid_T, low_T, high_T, color=WINNER_COLOUR, alpha=0.15, linewidth=0)
        false, true, _ = roc_curve(label_P, score_P)
        label = f"pooled AUC {interval.estimate:.3f} ({interval.low:.3f} to {interval.high:.3f})"
        axes.plot(false, true, color=WINNER_COLOUR, linewidth=2, label=label)
        axes.legend(loc="lower right")
    return svg(figure)


def confusion_figure(label_P: IntArray, score_P: Float64Array, class_names: ClassNames) -> str:
    """The number of patients by outcome and predicted class, at a probability of 0.5."""
    counts = confusion_matrix(label_P, score_P >= CUT, labels=[0, 1])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 3.8))
        axes = figure.add_subplot(
            xlabel=f"predicted, at a probability of {CUT}", ylabel="outcome", xticks=(0, 1), yticks=(0, 1)
        )
        names = [literal(name) for name in class_names]
        axes.set_xticklabels(names)
        axes.set_yticklabels(names, rotation=90, va="center")
        axes.imshow(counts, cmap="Reds", vmin=0, vmax=1.4 * counts.max())
        for (outcome, predicted), count in np.ndenumerate(counts):
            share = f"{count / counts[outcome].sum():.0%}"
            axes.text(predicted, outcome, f"{count}\n{share}", ha="center", va="center", fontsize=13)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title(f"{len(label_P)} patients", fontsize=9)
    return svg(figure)


def out_of_fold_csv(predictions: AlignedPredictions) -> str:
    """One row per repeat and patient. Patients are numbered in the order of their ids and not named, so that
    the table can be shared.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("patient", "label", "repeat", "fold", "score"))
    width = len(str(len(predictions.patient_ids)))
    for repeat, (fold_P, score_P) in enumerate(
        zip(predictions.fold_RP, predictions.score_RPC[:, :, 0], strict=True)
    ):
        for patient, (label, fold, score) in enumerate(
            zip(predictions.label_P, fold_P, score_P, strict=True), start=1
        ):
            writer.writerow((f"patient {patient:0{width}}", label, repeat, fold, f"{score:.6f}"))
    return stream.getvalue()


def _predictions(store: StageStore, digest: str) -> AlignedPredictions:
    return read_aligned(store, {0: digest})


def _roc(store: StageStore, digest: str, class_names: ClassNames) -> str:
    found = _predictions(store, digest)
    return roc_with_interval(found.label_P, found.scores()[:, 0], found.num_folds)


def _confusion(store: StageStore, digest: str, class_names: ClassNames) -> str:
    found = _predictions(store, digest)
    return confusion_figure(found.label_P, found.scores()[:, 0], class_names)


def _calibration(store: StageStore, digest: str, class_names: ClassNames) -> str:
    found = _predictions(store, digest)
    return calibration_figure(found.label_P, found.scores()[:, 0], class_names)


def _learning(store: StageStore, digest: str, class_names: ClassNames) -> str:
    history = store.path(StageKey(name=artifacts.STAGE, digest=digest), HISTORY_FILE).read_bytes()
    return fold_curves_figure(decode_history(json.loads(history)))


def _out_of_fold(store: StageStore, digest: str, class_names: ClassNames) -> str:
    return out_of_fold_csv(_predictions(store, digest))


_DRAW: Mapping[ArtifactKind, Callable[[StageStore, str, ClassNames], str]] = {
    artifacts.ROC: _roc,
    artifacts.CONFUSION: _confusion,
    artifacts.LEARNING: _learning,
    artifacts.CALIBRATION: _calibration,
    artifacts.OUT_OF_FOLD: _out_of_fold,
}
