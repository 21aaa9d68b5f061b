"""Everything that the report of a sweep says, gathered once: tables, figures, words, and numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crtcore.data.caveat import is_simulated, outcome_sentence
from crtcore.evaluation.metrics import MeanSd
from crtcore.evaluation.performance import Performance, beat_performance, performance
from crtcore.evaluation.permutation import SelectionTest, selection_test
from crtcore.evaluation.table_one import table_one
from crtcore.pipeline import OnProgress
from crtcore.training.finetuning.predictions import read_out_of_fold
from search.report.competitors import Competition, compete
from search.report.pictures import Figure, pictures
from search.report.tables.sweep import sharing_table, trial_table
from search.report.tables.table import Table
from search.report.tables.winner import (
    beat_table,
    cohort_table,
    competitor_table,
    paper_table,
    performance_table,
)
from search.report.tripod import Item, checklist, run_facts
from search.report.verdict import verdict
from search.results.provenance import provenance
from search.results.winner import Winner, find_winner

TEST_SEED = 0  # of the permutations and draws; fixed, so that the same sweep always gets the same report


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
    by_beat = _by_beat(winner)
    if by_beat is not None:
        tables["beats"] = beat_table(by_beat, winner.row.counts)
    return Content(
        name=name,
        banner=_banner(winner),
        sentences=sentences,
        tables=tables,
        figures=pictures(winner, predictions, competition, on_progress),
        checklist=checklist(run_facts(winner, predictions, found, sentences)),
        provenance=provenance(winner),
        hours_saved=hours_saved,
        results=_results(winner, sentences, found, test, competition, hours_saved)
        | {"by_beat": None if by_beat is None else {key: asdict(each) for key, each in by_beat.items()}},
    )


def _banner(winner: Winner) -> str:
    return winner.leaderboard.caveat or f"Not a medical device. {outcome_sentence(winner.base)}"


def _by_beat(winner: Winner) -> Mapping[str, MeanSd] | None:
    found = read_out_of_fold(winner.store, winner.plan.finetune.digest)
    if found.patient_B is None or found.score_RB is None:
        return None
    return beat_performance(found.label_P[found.patient_B], found.score_RB, found.folds_of_beats())


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
