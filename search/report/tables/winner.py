"""Tables of the winner: the cohort it was trained on, its metrics, its competitors."""

from collections.abc import Mapping, Sequence
from typing import Final

from crtcore.evaluation.metrics import MeanSd
from crtcore.evaluation.performance import Performance
from crtcore.evaluation.table_one import TableRow
from search.report.competitors import Competition
from search.report.tables.table import Table, p_text

METRICS: Final = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "brier": "Brier score",
}


def cohort_table(
    rows: Sequence[TableRow],
    class_names: tuple[str, str],
    num_positive: int,
    num_negative: int,
    *,
    left_out: Sequence[str] = (),
) -> Table:
    """Table 1: the clinical variables of all patients and by outcome; `left_out` says which are not in it."""
    omitted = f" Columns of the manifest that are not in it: {'; '.join(left_out)}." if left_out else ""
    return Table(
        title="Table 1. The cohort",
        headings=(
            "variable",
            f"all ({num_positive + num_negative})",
            f"{class_names[1]} ({num_positive})",
            f"{class_names[0]} ({num_negative})",
            "missing",
            "test",
            "p",
        ),
        rows=tuple(
            (
                row.variable or f"– {row.category}",
                row.overall,
                row.positive,
                row.negative,
                str(row.num_missing) if row.variable else "",
                row.test,
                p_text(row.p_value),
            )
            for row in rows
        ),
        note="Mean ± SD, or number (share). Patients excluded because of poor recordings are not counted."
        + omitted,
    )


def performance_table(performance: Performance) -> Table:
    """Every metric of the winner, over folds and pooled."""
    rows = []
    for key, name in METRICS.items():
        over_folds, pooled = performance.over_folds[key], performance.pooled.get(key)
        rows.append(
            (
                name,
                _mean_sd(over_folds),
                f"{pooled.estimate:.3f} ({pooled.low:.3f} to {pooled.high:.3f})" if pooled else "undefined",
            )
        )
    fitted = performance.calibration
    for name, value in (
        ("calibration intercept", None if fitted is None else fitted.intercept),
        ("calibration slope", None if fitted is None else fitted.slope),
        ("calibration in the large", None if fitted is None else fitted.in_the_large),
    ):
        rows.append((name, "", "undefined" if value is None else f"{value:.3f}"))
    return Table(
        title="The winner's metrics in the search (naive)",
        headings=("metric", "over folds, mean ± SD", "pooled (95 % interval)"),
        rows=tuple(rows),
        note=(
            "By patient. Thresholds were chosen on the training folds. The interval of the AUC is DeLong's, "
            "widened for cross-validation. The other intervals are from a bootstrap of patients with fixed "
            "predictions, and are too narrow. No metric is corrected for the search."
        ),
    )


def beat_table(over_folds: Mapping[str, MeanSd], counts: Mapping[str, int]) -> Table:
    """The winner's metrics by beat."""
    num_beats, num_images = counts["num_beats"], counts["num_images"]
    return Table(
        title=f"The winner by beat and by image, not by patient ({num_beats:,} beats, {num_images:,} images)",
        headings=("metric", "by beat, over folds, mean ± SD"),
        rows=tuple((name, _mean_sd(over_folds[key])) for key, name in METRICS.items()),
        note=(
            f"For comparison with papers that score images. Each beat has {num_images // num_beats} "
            "image(s), one per lead, and the head scores them together, so the metrics by image are the "
            "same. There are no intervals: the beats of one patient are alike, so they would be too narrow."
        ),
    )


def competitor_table(competition: Competition, num_patients: int) -> Table:
    """The winner against each competitor. Those without scores come last, with what they lack."""
    rows = [
        (
            other.name,
            f"{other.auc.estimate:.3f} ({other.auc.low:.3f} to {other.auc.high:.3f})",
            *(
                f"{other.metrics[key]:.3f}" if other.metrics else ""
                for key in ("accuracy", "sensitivity", "specificity")
            ),
            f"{other.test.difference:+.3f} ({other.test.low:+.3f} to {other.test.high:+.3f})",
            p_text(other.test.p_value),
        )
        for other in competition.comparisons
    ]
    rows += [
        (name, f"not available: it needs {lack}", "", "", "", "", "")
        for name, lack in competition.missing.items()
    ]
    return Table(
        title="Competitors",
        headings=("competitor", "AUC", "accuracy", "sens.", "spec.", "winner's AUC minus this", "p"),
        rows=tuple(rows),
        note=(
            f"The same {num_patients} patients, pooled over folds. Trained competitors were trained in the "
            "same folds. Paired DeLong tests, widened for cross-validation. The winner was picked from many "
            "trials, and the competitors (except a network from scratch) were not, so the differences favour "
            "the winner."
        ),
    )


def _mean_sd(metric: MeanSd) -> str:
    is_defined = metric.mean == metric.mean
    return f"{metric.mean:.3f} ± {metric.sd:.3f}" if is_defined else "undefined in a fold"
