"""Everything that the page of a validation says: sentences, tables, figures, checklist."""

from dataclasses import dataclass
from typing import Any

from crtcore.evaluation.table_one import left_out_columns, table_one
from search.report.drawing.winner import calibration_figure, decision_figure, roc_figure
from search.report.pictures import YES_NO_RULES, Figure
from search.report.tables.table import Table
from search.report.tables.winner import cohort_table
from search.report.tripod import Item
from search.report.validation import tables
from search.report.validation.tripod import validation_checklist
from search.report.validation.verdict import validation_verdict
from search.results.model_card import INTENDED_USE
from search.results.validation import Validation

MODEL = "the model"


@dataclass(frozen=True, kw_only=True)
class ValidationContent:
    """The content of the page. `tables` and `figures` are by name: a file name, or an anchor on the page."""

    name: str
    banner: str
    sentences: tuple[str, ...]
    tables: dict[str, Table]
    figures: dict[str, Figure]
    checklist: tuple[Item, ...]
    results: dict[str, Any]


def validation_content(found: Validation) -> ValidationContent:
    """What is shown of a validation."""
    sentences = validation_verdict(found)
    return ValidationContent(
        name=f"{found.bundle} on {found.manifest}",
        banner=found.caveat or f"{INTENDED_USE} {found.outcome}",
        sentences=sentences,
        tables=_tables(found),
        figures=_figures(found),
        checklist=validation_checklist(found, sentences),
        results=found.as_json() | {"sentences": list(sentences)},
    )


def _tables(found: Validation) -> dict[str, Table]:
    num_positive = found.performance.num_positive
    shown = {
        "performance": tables.performance_table(found),
        "rules": tables.rule_table(found),
        "comparators": tables.comparator_table(found),
        "subgroups": tables.subgroup_table(found),
        "recalibrations": tables.recalibration_table(found),
        "calibration_groups": tables.calibration_table(found),
        "net_benefit": tables.decision_table(found),
        "cohort_differences": tables.difference_table(found),
        "table1_cohort": cohort_table(
            table_one(found.patients),
            found.classes,
            num_positive,
            len(found.patients) - num_positive,
            left_out=left_out_columns(found.patients),
        ),
        "refused": tables.refusal_table(found),
        "predictions": tables.prediction_table(found),
    }
    may_be_empty = ("comparators", "subgroups", "cohort_differences", "refused")
    return {name: table for name, table in shown.items() if table.rows or name not in may_be_empty}


def _figures(found: Validation) -> dict[str, Figure]:
    label_P, probability_P = found.labels(), found.probability_P
    best_first = sorted((*found.rules, *found.comparators), key=lambda other: -other.auc.estimate)
    others = {other.name: found.other_scores[other.name] for other in best_first}
    yes_no = {name: score for name, score in found.other_scores.items() if name.startswith(YES_NO_RULES)}
    return {
        "roc": Figure(
            svg=roc_figure(label_P, probability_P, others, name=MODEL),
            caption="ROC curves on the same patients: the model and the best of the rules and simple models.",
        ),
        "calibration": Figure(
            svg=calibration_figure(label_P, probability_P, found.classes),
            caption="Calibration in five groups of patients, one tick per patient. Perfect is the diagonal.",
        ),
        "decision": Figure(
            svg=decision_figure(label_P, probability_P, yes_no, name=MODEL),
            caption="Decision curves (Vickers & Elkin 2006). At each threshold, the highest line is the most "
            "useful.",
        ),
    }
