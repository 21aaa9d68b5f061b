"""The report's figures with their captions."""

import json
from dataclasses import dataclass
from typing import Final

from crtcore.pipeline import OnProgress
from crtcore.prediction.grad_cam import grad_cam
from crtcore.training.engine.history import HISTORY_FILE, EpochReport, decode_history
from search.report.competitors import Competition
from search.report.drawing.beats import beat_figure, grad_cam_caption, sample_beats
from search.report.drawing.folds import fold_curves_figure
from search.report.drawing.sweep import curves_of, importance_figure, learning_figure, parallel_figure
from search.report.drawing.winner import calibration_figure, decision_figure, roc_figure
from search.results.refit import has_grad_cam, refit
from search.results.winner import Winner
from search.study.study import open_study

YES_NO_RULES: Final = ("guideline", "LBBB")  # the first words of rules that say yes or no


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An SVG element and its caption."""

    svg: str
    caption: str


def all_figures(winner: Winner, competition: Competition, on_progress: OnProgress) -> dict[str, Figure]:
    """The report's figures by name, which is their anchor on the page. Those that need more trials than
    there are, or images, are left out.
    """
    drawn = _winner_figures(winner, competition) | _sweep_figures(winner) | _beat_figures(winner, on_progress)
    return {name: Figure(svg=svg, caption=text) for name, (svg, text) in drawn.items() if svg is not None}


def _winner_figures(winner: Winner, competition: Competition) -> dict[str, tuple[str | None, str]]:
    label_P, score_P = winner.predictions.label_P, winner.scores()
    best_first = sorted(competition.comparisons, key=lambda other: -other.auc.estimate)
    others = {other.name: competition.scores[other.name] for other in best_first}
    rules = {name: score for name, score in competition.scores.items() if name.startswith(YES_NO_RULES)}
    return {
        "roc": (
            roc_figure(label_P, score_P, others),
            "ROC curves, pooled over folds: the winner as the search saw it, and its best competitors.",
        ),
        "calibration": (
            calibration_figure(label_P, score_P, winner.base.cohort.class_names),
            "Calibration in five groups of patients, one tick per patient. Perfect is the diagonal.",
        ),
        "decision": (
            decision_figure(label_P, score_P, rules),
            "Decision curves (Vickers & Elkin 2006). At each threshold, the highest line is the most useful.",
        ),
    }


def _sweep_figures(winner: Winner) -> dict[str, tuple[str | None, str]]:
    study = open_study(winner.base.storage, winner.base.name, create=False)
    number = winner.row.number
    return {
        "learning": (
            learning_figure(curves_of(study.get_trials(deepcopy=False)), number),
            f"Learning curves of all trials. The winner, trial {number}, is red.",
        ),
        "folds": (
            fold_curves_figure(_history(winner)),
            "Learning curves of the winner in each fold. The last epoch counts.",
        ),
        "importance": (
            importance_figure(study),
            "How much each hyperparameter mattered among the complete trials.",
        ),
        "parallel": (
            parallel_figure(study),
            "The hyperparameters of the complete trials, one line per trial.",
        ),
    }


def _history(winner: Winner) -> list[EpochReport]:
    path = winner.store.path(winner.plan.finetune, HISTORY_FILE)
    return decode_history(json.loads(path.read_bytes()))


def _beat_figures(winner: Winner, on_progress: OnProgress) -> dict[str, tuple[str | None, str]]:
    """Spectrograms of some beats, and Grad-CAM over them; nothing if the network reads waveforms."""
    if winner.experiment.takes_waveforms:
        return {}
    sample = sample_beats(winner)
    drawn: dict[str, tuple[str | None, str]] = {
        "spectrograms": (
            beat_figure(sample),
            "Spectrograms of one beat of some patients, as the network reads them (Figure 2 of the paper).",
        )
    }
    if has_grad_cam(winner):
        model = refit(winner, on_progress=on_progress)
        drawn["grad_cam"] = (
            beat_figure(sample, grad_cam(model, sample.inputs)),
            grad_cam_caption(winner.base.cohort.class_names[1]),
        )
    return drawn
