"""Everything that the report of a sweep says, gathered once: sentences, tables, figures, and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from crtcore.data.caveat import is_simulated, outcome_sentence
from crtcore.evaluation.metrics import IntLabels, MeanSd
from crtcore.evaluation.performance import beat_performance, performance
from crtcore.evaluation.permutation import selection_test
from crtcore.evaluation.table_one import left_out_columns, table_one
from crtcore.pipeline import OnProgress
from crtcore.training.finetuning.predictions import read_out_of_fold
from search.report.competitors import compete
from search.report.pictures import Figure, all_figures
from search.report.tables.paper import paper_table
from search.report.tables.sweep import sharing_table, trial_table
from search.report.tables.table import Table
from search.report.tables.winner import beat_table, cohort_table, competitor_table, performance_table
from search.report.tripod import Item, checklist
from search.report.verdict import verdict
from search.results.provenance import provenance
from search.results.winner import Winner, find_winner

NOT_REVIEWED: Final = (
    "This sweep ran before recordings were compared with each other: copies and implausible amplitudes were "
    "not looked for. Run the same sweep command again: it does so, and computes nothing else."
)
TEST_SEED: Final = 0  # of permutations and draws; fixed, so that the same sweep gets the same report


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content of a report.

    `tables` and `figures` are by name, which is a file name or an anchor on the page. `banner` stands above
    every page. `results` are the numbers as JSON values.
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
    """The report of sweep `name`. Raises the errors of `find_winner`."""
    winner = find_winner(storage, name)
    board, predictions = winner.leaderboard, winner.predictions
    label_P, fold_RP = predictions.label_P, predictions.fold_RP
    patients = predictions.in_order(winner.sources.patients)
    competition = compete(winner, patients, on_progress)
    test = selection_test(label_P, predictions.scores(), seed=TEST_SEED)
    metrics = performance(label_P, predictions.score_RPC[:, :, board.winner], fold_RP, seed=TEST_SEED)
    by_beat = _by_beat(winner)
    sentences = (
        *verdict(
            winner.corrected,
            test,
            competition,
            case_mix=_case_mix(label_P, winner.base.cohort.class_names),
            pretrained=winner.is_pretrained,
        ),
        *([] if board.seen is None else [board.seen.sentence()]),
        *_data_sentences(board.findings),
    )
    sharing, hours_saved = sharing_table(board, winner.store)
    num_positive = int(label_P.sum())
    origin = provenance(winner)
    tables = {
        "table1_cohort": cohort_table(
            table_one(patients),
            winner.base.cohort.class_names,
            num_positive,
            len(patients) - num_positive,
            left_out=left_out_columns(patients),
        ),
        "table2_networks": paper_table(board, winner.base, competition.comparisons),
        "winner": performance_table(metrics),
        "competitors": competitor_table(competition, len(patients)),
        "sharing": sharing,
        "trials": trial_table(board),
    }
    if by_beat is not None:
        tables["beats"] = beat_table(by_beat, winner.row.counts)
    return Content(
        name=name,
        banner=board.caveat or f"Not a medical device. {outcome_sentence(winner.base)}",
        sentences=sentences,
        tables=tables,
        figures=all_figures(winner, competition, on_progress),
        checklist=checklist(winner, metrics, sentences, origin["command"]),
        provenance=origin,
        hours_saved=hours_saved,
        results={
            "name": name,
            "simulated_data": is_simulated(winner.base),
            "caveat": board.caveat,
            "findings": board.findings,
            "sentences": list(sentences),
            "corrected": asdict(winner.corrected),
            "correction_saw": None if board.seen is None else board.seen.as_json(),
            "permutation_test": asdict(test),
            "winner": winner.row.as_json(),
            "performance": asdict(metrics),
            "competitors": [other.as_json() for other in competition.comparisons],
            "not_available": competition.missing,
            "hours_saved": hours_saved,
            "provenance": origin,
            "by_beat": None if by_beat is None else {key: asdict(each) for key, each in by_beat.items()},
        },
    )


def _case_mix(label_P: IntLabels, class_names: tuple[str, str]) -> str:
    return ", ".join(f"{class_names[label]} {np.count_nonzero(label_P == label)}" for label in (1, 0))


def _data_sentences(findings: Sequence[str] | None) -> tuple[str, ...]:
    if findings is None:
        return (NOT_REVIEWED,)
    return tuple(f"Found in the recordings: {finding}" for finding in findings)


def _by_beat(winner: Winner) -> Mapping[str, MeanSd] | None:
    """The winner's metrics by beat; None if its head scores patients as a whole."""
    found = read_out_of_fold(winner.store, winner.plan.finetune.digest)
    if found.patient_B is None or found.score_RB is None:
        return None
    return beat_performance(found.label_P[found.patient_B], found.score_RB, found.folds_of_beats())
