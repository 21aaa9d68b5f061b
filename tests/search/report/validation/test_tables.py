"""The tables of a validation say what was found, and what could not be."""

import math
from dataclasses import replace

from crtcore.evaluation.cohort_difference import Difference, Summary
from search.report.validation import tables
from search.results.validation import Refusal, Validation


def test_metrics_come_with_intervals_and_counts(validated: Validation) -> None:
    rows = {row[0]: row for row in tables.performance_table(validated).rows}
    auc, at = validated.performance.auc, validated.performance.at_threshold
    assert rows["AUC"][1] == f"{auc.estimate:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    assert rows["specificity"][2] == f"{at.true_negative} of {at.true_negative + at.false_positive}"


def test_what_is_undefined_says_so(validated: Validation) -> None:
    at = replace(validated.performance.at_threshold, ppv=None)
    calibration = replace(validated.performance.calibration, slope=None)
    performance = replace(validated.performance, at_threshold=at, calibration=calibration)
    rows = {row[0]: row for row in tables.performance_table(replace(validated, performance=performance)).rows}
    assert (rows["PPV"][1], rows["calibration slope"][1]) == ("undefined", "undefined")


def test_every_rule_has_a_row(validated: Validation) -> None:
    missing = replace(validated, rules=validated.rules[:1], rules_missing={"LBBB alone": "lbbb"})
    table = tables.rule_table(missing)
    assert [row[0] for row in table.rows] == [validated.rules[0].name, "LBBB alone"]
    assert table.rows[1][1] == "not available: it needs lbbb"


def test_small_groups_are_too_few_to_tell(validated: Validation) -> None:
    rows = tables.subgroup_table(validated).rows
    assert len(rows) == len(validated.performance.subgroups) > 0
    for row, group in zip(rows, validated.performance.subgroups, strict=True):
        assert (row[3] == "too few to tell") == (group.auc is None)


def test_recalibrations_stand_beside_the_model_as_it_is(validated: Validation) -> None:
    table = tables.recalibration_table(validated)
    assert [row[0] for row in table.rows] == [
        "the model as it is",
        *(f"new {each.name}" for each in validated.performance.recalibrations),
    ]
    assert "not the model's result" in table.title
    assert table.rows[0][3] == f"{validated.performance.brier:.3f}"


def test_differences_are_marked_where_they_are_large(validated: Validation) -> None:
    summary = Summary(mean=1.0, sd=1e-9, num=5)
    chosen = tuple(
        Difference(name=name, training=training, here=summary, standardised=value)
        for name, training, value in (
            ("amplitude_mv", summary, -0.6),
            ("age_years", summary, 0.4),
            ("sampling_rate_hz", summary, math.inf),
            ("nyha", None, None),
        )
    )
    rows = tables.difference_table(replace(validated, cohort_differences=chosen)).rows
    assert [row[3] for row in rows] == ["-0.60 (large)", "+0.40", "all differ", "not available"]
    assert rows[0][2] == "1 ± 0 (5)"
    assert rows[3][1] == "none"
    assert tables.difference_table(replace(validated, cohort_differences=None)).rows == ()


def test_patients_and_refusals_are_numbers(validated: Validation) -> None:
    refused = (Refusal(row=7, patient=6, reason="no whole beat"),)
    assert tables.refusal_table(replace(validated, refused=refused)).rows == (("7", "6", "no whole beat"),)
    rows = tables.prediction_table(validated).rows
    assert [int(row[0]) for row in rows] == list(validated.number_P)
    threshold = validated.performance.threshold
    assert [row[3] for row in rows] == [str(int(each >= threshold)) for each in validated.probability_P]


def test_the_curves_in_numbers(validated: Validation) -> None:
    assert len(tables.decision_table(validated).rows) == len(validated.performance.decision)
    groups = tables.calibration_table(validated).rows
    assert sum(int(row[1]) for row in groups) == len(validated.patients)
