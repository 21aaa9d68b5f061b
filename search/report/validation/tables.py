"""The tables of a validation."""

import math
from collections.abc import Mapping

from crtcore.evaluation.cohort_difference import Difference, Summary
from crtcore.evaluation.comparators import Comparison
from crtcore.evaluation.external import MIN_OF_EACH
from crtcore.evaluation.intervals import Interval
from search.report.tables.table import Table, p_text
from search.report.validation.verdict import NAMES
from search.results.validation import Validation

COMPARED = ("AUC", "sens.", "spec.", "model's AUC minus this", "p")  # a rule or a simple model
IN_SAMPLE = "fitted to these same patients, so too good"


def performance_table(found: Validation) -> Table:
    """Every metric of the model."""
    metrics, at = found.performance, found.performance.at_threshold
    calibration = metrics.calibration
    return Table(
        title="The model on these patients",
        headings=("metric", "estimate (95 % interval)", "patients"),
        rows=(
            ("AUC", _interval(metrics.auc), str(metrics.num_patients)),
            (
                "sensitivity",
                _interval(at.sensitivity),
                f"{at.true_positive} of {at.true_positive + at.false_negative}",
            ),
            (
                "specificity",
                _interval(at.specificity),
                f"{at.true_negative} of {at.true_negative + at.false_positive}",
            ),
            ("PPV", _interval(at.ppv), f"{at.true_positive} of {at.true_positive + at.false_positive}"),
            ("NPV", _interval(at.npv), f"{at.true_negative} of {at.true_negative + at.false_negative}"),
            (
                "accuracy",
                _interval(at.accuracy),
                f"{at.true_positive + at.true_negative} of {metrics.num_patients}",
            ),
            ("Brier score", f"{metrics.brier:.3f}", str(metrics.num_patients)),
            ("observed : expected", _interval(calibration.observed_expected), str(metrics.num_patients)),
            ("calibration in the large", _interval(calibration.in_the_large), str(metrics.num_patients)),
            ("calibration intercept", _interval(calibration.intercept), str(metrics.num_patients)),
            ("calibration slope", _interval(calibration.slope), str(metrics.num_patients)),
        ),
        note=(
            f"By patient, at the model's own threshold of {metrics.threshold:.3f}, which was chosen in "
            "training. Intervals: DeLong for the AUC, Wilson for shares, on the log scale for observed : "
            "expected, Wald for calibration. Perfect values are 1 for observed : expected and for the slope, "
            "and 0 for the intercepts."
        ),
    )


def rule_table(found: Validation) -> Table:
    """The model against each rule on the same patients. Rules that are not available come last."""
    return Table(
        title="Simple rules on the same patients",
        headings=("rule", *COMPARED),
        rows=_compared(found.rules, found.rules_missing),
        note="Paired DeLong tests. Nothing was trained on these patients.",
    )


def comparator_table(found: Validation) -> Table:
    """The model against the simple models of its own sweep. Those that are not available come last."""
    return Table(
        title="Simple models of the same sweep on the same patients",
        headings=("model", *COMPARED),
        rows=_compared(found.comparators, found.comparators_missing),
        note=(
            "Each was trained on the patients that trained the model, and is used as it is, at its own "
            "threshold. Paired DeLong tests. Nothing was trained on these patients."
        ),
    )


def _compared(others: tuple[Comparison, ...], missing: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    rows = [
        (
            other.name,
            _interval(other.auc),
            *(f"{other.metrics[key]:.3f}" if other.metrics else "" for key in ("sensitivity", "specificity")),
            f"{other.test.difference:+.3f} ({other.test.low:+.3f} to {other.test.high:+.3f})",
            p_text(other.test.p_value),
        )
        for other in others
    ]
    return (
        *rows,
        *((name, f"not available: it needs {lack}", "", "", "", "") for name, lack in missing.items()),
    )


def subgroup_table(found: Validation) -> Table:
    """The model in parts of the cohort."""
    return Table(
        title="The model in parts of the cohort",
        headings=("group", "patients", f"{found.classes[1]}", "AUC", "sensitivity", "specificity"),
        rows=tuple(
            (
                f"{'age' if group.column == 'age_years' else group.column}: {group.value}",
                str(group.num_patients),
                str(group.num_positive),
                *(
                    ("too few to tell", "", "")
                    if group.auc is None
                    else (_interval(group.auc), _interval(group.sensitivity), _interval(group.specificity))
                ),
            )
            for group in found.performance.subgroups
        ),
        note=(
            f"Too few to tell: fewer than {MIN_OF_EACH} patients of an outcome. Groups come from the "
            "manifest's columns sex, age_years and subgroup. That two groups differ is not shown unless "
            "their intervals are far apart."
        ),
    )


def recalibration_table(found: Validation) -> Table:
    """What a recalibration would do, beside the model as it is."""
    metrics, at = found.performance, found.performance.at_threshold
    as_it_is = (
        "the model as it is",
        "0",
        "1",
        f"{metrics.brier:.3f}",
        f"{at.sensitivity.estimate:.3f}",
        f"{at.specificity.estimate:.3f}",
    )
    return Table(
        title="What a recalibration would do (not the model's result)",
        headings=("recalibration", "intercept", "slope", "Brier score", "sensitivity", "specificity"),
        rows=(
            as_it_is,
            *(
                (
                    f"new {each.name}",
                    f"{each.intercept:+.3f}",
                    f"{each.slope:.3f}",
                    f"{each.brier:.3f}",
                    f"{each.sensitivity:.3f}",
                    f"{each.specificity:.3f}",
                )
                for each in metrics.recalibrations
            ),
        ),
        note=(
            f"Recalibrations were {IN_SAMPLE}. The AUC stays {metrics.auc.estimate:.3f} if the slope is "
            "above 0. A recalibrated model is another model and needs new patients to validate it."
        ),
    )


def calibration_table(found: Validation) -> Table:
    """The points of the calibration curve."""
    return Table(
        title="Calibration in groups of patients",
        headings=("group", "patients", "mean prediction", "observed share (95 % interval)"),
        rows=tuple(
            (str(place), str(group.num_patients), f"{group.predicted:.3f}", _interval(group.observed))
            for place, group in enumerate(found.performance.calibration.groups, 1)
        ),
    )


def decision_table(found: Validation) -> Table:
    """The decision curve in numbers."""
    return Table(
        title="Net benefit per patient",
        headings=("threshold probability", "model", "treat all", "treat none"),
        rows=tuple(
            (f"{each.threshold:.2f}", f"{each.model:+.4f}", f"{each.treat_all:+.4f}", "0")
            for each in found.performance.decision
        ),
    )


def difference_table(found: Validation) -> Table:
    """These patients beside the training cohort."""
    rows = (
        [] if found.cohort_differences is None else [_difference(each) for each in found.cohort_differences]
    )
    return Table(
        title="These patients and the training cohort",
        headings=("variable", "training, mean ± SD (n)", "here, mean ± SD (n)", "standardised difference"),
        rows=tuple(rows),
        note=(
            "Standardised difference: here minus training, over the mean SD of both. Half an SD (±0.5) or "
            "more is large. Signals: every recording that could be measured, those refused for quality "
            "included, on the model's leads. Outcome and clinical columns: the patients that were analysed; "
            "categories are shares from 0 to 1."
        ),
    )


def refusal_table(found: Validation) -> Table:
    """The recordings that were left out."""
    return Table(
        title="Recordings that were refused",
        headings=("row of the manifest", "patient", "reason"),
        rows=tuple((str(each.row), str(each.patient), each.reason) for each in found.refused),
        note="Patients are numbered in the order of the manifest.",
    )


def prediction_table(found: Validation) -> Table:
    """The probability of each patient."""
    return Table(
        title="Predictions",
        headings=("patient", "label", "probability", "predicted"),
        rows=tuple(
            (
                str(number),
                str(patient.label),
                f"{probability:.6f}",
                str(int(probability >= found.performance.threshold)),
            )
            for number, patient, probability in zip(
                found.number_P, found.patients, found.probability_P, strict=True
            )
        ),
    )


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "undefined"
    return f"{interval.estimate:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _difference(each: Difference) -> tuple[str, str, str, str]:
    value = each.standardised
    if value is None:
        text = "not available"
    elif math.isinf(value):
        text = "all differ"
    else:
        text = f"{value:+.2f}{' (large)' if each.is_large else ''}"
    return NAMES.get(each.name, each.name), _summary(each.training), _summary(each.here), text


def _summary(summary: Summary | None) -> str:
    if summary is None:
        return "none"
    sd = summary.sd if summary.sd > 1e-6 * abs(summary.mean) else 0.0  # what rounding leaves
    return f"{summary.mean:.3g} ± {sd:.2g} ({summary.num})"
