"""Everything that the report of a sweep says, gathered once: tables, figures, words, and numbers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crtcore.data.caveat import is_simulated, outcome_sentence
from crtcore.evaluation.metrics import MeanSd
from crtcore.evaluation.performance import Performance, beat_performance, performance
from crtcore.evaluation.permutation import SelectionTest, selection_test
from crtcore.evaluation.table_one import table_one
from crtcore.pipeline import OnProgress
from crtcore.training.epochs import EpochReport, decode_history
from crtcore.training.pretrain import HISTORY_FILE
from search.out_of_fold import OutOfFold, read_beats
from search.provenance import provenance
from search.report import figures
from search.report.beat_figures import grad_cam_caption
from search.report.checklist import Item, checklist
from search.report.competitors import Competition, compete
from search.report.facts import run_facts
from search.report.fold_curves import fold_curves_figure
from search.report.result_tables import (
    Table,
    beat_table,
    cohort_table,
    competitor_table,
    paper_table,
    performance_table,
    sharing_table,
    trial_table,
)
from search.report.sample_beats import grad_cam_figure, numbered, spectrogram_figure
from search.report.words import verdict
from search.study import open_study
from search.winner import Winner, find_winner, has_grad_cam, refit

TEST_SEED = 0  # of the permutations and draws; fixed, so that the same sweep always gets the same report
DRAWN_RULES = ("guideline", "LBBB")  # how the names of rules begin that say yes or no


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An SVG element and what it shows."""

    svg: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Content:
    """`tables` and `figures` by a name that serves as a file's or an anchor's; `banner` names what the data
    are not; `results` are the numbers as JSON values.
    """

    name: str
    banner: str
    sentences: tuple[str, ...]
    tables: dict[str, Table]
    figures: dict[str, Figure]
    checklist: tuple[Item, ...]
    provenance: dict[str, Any]
    hours_saved: float
    results: dict[str, Any]


def gather(storage: str, name: str, *, on_progress: OnProgress = lambda what, done, total: None) -> Content:
    """The report of sweep `name`. Raises as `find_winner` does where there is nothing to report."""
    winner = find_winner(storage, name)
    board = winner.leaderboard
    predictions, corrected = board.predictions, board.corrected
    assert predictions is not None and corrected is not None
    patients = predictions.in_order(winner.sources.patients)
    competition = compete(winner, patients, on_progress)
    test = selection_test(predictions.label_P, predictions.scores(), seed=TEST_SEED)
    score_RP = predictions.score_RPC[:, :, board.winner]
    found = performance(predictions.label_P, score_RP, predictions.fold_RP, seed=TEST_SEED)
    sentences = verdict(corrected, test, competition, pretrained=winner.is_pretrained)
    sharing, hours_saved = sharing_table(board, winner.store)
    num_positive = int(predictions.label_P.sum())
    tables = {
        "table1_cohort": cohort_table(
            table_one(patients),
            winner.base.cohort.class_names,
            num_positive,
            len(patients) - num_positive,
        ),
        "table2_networks": paper_table(board, winner.base),
        "winner": performance_table(found),
        "competitors": competitor_table(competition, len(patients)),
        "sharing": sharing,
        "trials": trial_table(board),
    }
    by_beat = _by_beat(winner, predictions)
    if by_beat is not None:
        tables["beats"] = beat_table(by_beat, winner.row.counts)
    return Content(
        name=name,
        banner=_banner(winner),
        sentences=sentences,
        tables=tables,
        figures=_figures(winner, predictions, competition, on_progress),
        checklist=checklist(run_facts(winner, predictions, found, sentences)),
        provenance=provenance(winner),
        hours_saved=hours_saved,
        results=_results(winner, sentences, found, test, competition, hours_saved)
        | {"by_beat": None if by_beat is None else {key: asdict(each) for key, each in by_beat.items()}},
    )


def _banner(winner: Winner) -> str:
    return winner.leaderboard.caveat or f"Not a medical device. {outcome_sentence(winner.base)}"


def _by_beat(winner: Winner, predictions: OutOfFold) -> Mapping[str, MeanSd] | None:
    beats = read_beats(winner.store, winner.plan.finetune.digest, predictions)
    if beats is None:
        return None
    return beat_performance(predictions.label_P[beats.patient_B], beats.score_RB, beats.fold_RB)


def _figures(
    winner: Winner, predictions: OutOfFold, competition: Competition, on_progress: OnProgress
) -> dict[str, Figure]:
    label_P, score_P = predictions.label_P, predictions.scores()[:, winner.leaderboard.winner]
    study = open_study(winner.base.storage, winner.base.name, create=False)
    best_first = sorted(competition.comparisons, key=lambda other: -other.auc.estimate)
    others = {other.name: competition.scores[other.name] for other in best_first}
    rules = {name: score for name, score in competition.scores.items() if name.startswith(DRAWN_RULES)}
    curves = figures.curves_of(study.get_trials(deepcopy=False))
    drawn = {
        "roc": (
            figures.roc_figure(label_P, score_P, others),
            "ROC curves, pooled over folds: the winner as the search saw it, and its strongest competitors.",
        ),
        "calibration": (
            figures.calibration_figure(label_P, score_P, winner.base.cohort.class_names),
            "Calibration in fifths of the patients; ticks are patients. Perfect is the diagonal.",
        ),
        "decision": (
            figures.decision_figure(label_P, score_P, rules),
            "Decision curve (Vickers & Elkin 2006): a model is of use where its line is the highest.",
        ),
        "learning": (
            figures.learning_figure(curves, winner.row.number),
            f"Learning curves of all trials; trial {winner.row.number}, the winner, in red.",
        ),
        "folds": (
            fold_curves_figure(_history(winner)),
            "The winner's learning curves in all folds; the last epoch counts.",
        ),
        "importance": (
            figures.importance_figure(study),
            "How much each hyperparameter mattered among the complete trials.",
        ),
        "parallel": (figures.parallel_figure(study), "Complete trials, one line each, by hyperparameters."),
    } | _beat_figures(winner, predictions, on_progress)
    return {name: Figure(svg=svg, caption=text) for name, (svg, text) in drawn.items() if svg is not None}


def _history(winner: Winner) -> list[EpochReport]:
    path = winner.store.path(winner.plan.finetune, HISTORY_FILE)
    return decode_history(json.loads(path.read_bytes()))


def _beat_figures(
    winner: Winner, predictions: OutOfFold, on_progress: OnProgress
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


def _results(
    winner: Winner,
    sentences: tuple[str, ...],
    found: Performance,
    test: SelectionTest,
    competition: Competition,
    hours_saved: float,
) -> dict[str, Any]:
    board = winner.leaderboard
    assert board.corrected is not None and board.best is not None
    return {
        "name": board.name,
        "simulated_data": is_simulated(winner.base),
        "caveat": board.caveat,
        "sentences": list(sentences),
        "corrected": asdict(board.corrected),
        "permutation_test": asdict(test),
        "winner": asdict(board.best),
        "performance": asdict(found),
        "competitors": [asdict(other) for other in competition.comparisons],
        "not_available": competition.missing,
        "hours_saved": hours_saved,
        "provenance": provenance(winner),
    }
