"""The report's figures with their captions."""

import json
from dataclasses import dataclass

from crtcore.pipeline import OnProgress
from crtcore.training.engine.epochs import EpochReport, decode_history
from crtcore.training.pretraining.pretrain import HISTORY_FILE
from search.report.competitors import Competition
from search.report.drawing import sweep as of_sweep
from search.report.drawing import winner as of_winner
from search.report.drawing.beats import grad_cam_caption, grad_cam_figure, numbered, spectrogram_figure
from search.report.drawing.folds import fold_curves_figure
from search.results.out_of_fold import AlignedPredictions
from search.results.refit import has_grad_cam, refit
from search.results.winner import Winner
from search.study.study import open_study

DRAWN_RULES = ("guideline", "LBBB")  # how the names of rules begin that say yes or no


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An SVG element and what it shows."""

    svg: str
    caption: str


def pictures(
    winner: Winner, predictions: AlignedPredictions, competition: Competition, on_progress: OnProgress
) -> dict[str, Figure]:
    """The report's figures with their captions, by the names that serve as anchors on the page."""
    label_P, score_P = predictions.label_P, predictions.scores()[:, winner.leaderboard.winner]
    study = open_study(winner.base.storage, winner.base.name, create=False)
    best_first = sorted(competition.comparisons, key=lambda other: -other.auc.estimate)
    others = {other.name: competition.scores[other.name] for other in best_first}
    rules = {name: score for name, score in competition.scores.items() if name.startswith(DRAWN_RULES)}
    curves = of_sweep.curves_of(study.get_trials(deepcopy=False))
    drawn = {
        "roc": (
            of_winner.roc_figure(label_P, score_P, others),
            "ROC curves, pooled over folds: the winner as the search saw it, and its strongest competitors.",
        ),
        "calibration": (
            of_winner.calibration_figure(label_P, score_P, winner.base.cohort.class_names),
            "Calibration in fifths of the patients; ticks are patients. Perfect is the diagonal.",
        ),
        "decision": (
            of_winner.decision_figure(label_P, score_P, rules),
            "Decision curve (Vickers & Elkin 2006): a model is of use where its line is the highest.",
        ),
        "learning": (
            of_sweep.learning_figure(curves, winner.row.number),
            f"Learning curves of all trials; trial {winner.row.number}, the winner, in red.",
        ),
        "folds": (
            fold_curves_figure(_history(winner)),
            "The winner's learning curves in all folds; the last epoch counts.",
        ),
        "importance": (
            of_sweep.importance_figure(study),
            "How much each hyperparameter mattered among the complete trials.",
        ),
        "parallel": (of_sweep.parallel_figure(study), "Complete trials, one line each, by hyperparameters."),
    } | _beat_figures(winner, predictions, on_progress)
    return {name: Figure(svg=svg, caption=text) for name, (svg, text) in drawn.items() if svg is not None}


def _history(winner: Winner) -> list[EpochReport]:
    path = winner.store.path(winner.plan.finetune, HISTORY_FILE)
    return decode_history(json.loads(path.read_bytes()))


def _beat_figures(
    winner: Winner, predictions: AlignedPredictions, on_progress: OnProgress
) -> dict[str, tuple[str | None, str]]:
    """Spectrograms of some patients' first beats, and the refitted network's Grad-CAM over them; none where
    the network sees waveforms.
    """
    if winner.experiment.takes_waveforms:
        return {}
    caption = (
        "Spectrograms of one beat of some patients, as the network is given them (the paper's Figure 2)."
    )
    names = numbered(len(predictions.patient_ids))
    drawn: dict[str, tuple[str | None, str]] = {"spectrograms": (spectrogram_figure(winner, names), caption)}
    if has_grad_cam(winner):
        model = refit(winner, on_progress=on_progress)
        said = grad_cam_caption(winner.base.cohort.class_names[1])
        drawn["grad_cam"] = (grad_cam_figure(winner, names, model), said)
    return drawn
