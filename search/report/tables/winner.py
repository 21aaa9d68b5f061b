"""The report's tables as plain rows, for the page and for CSV files alike."""

from collections.abc import Mapping, Sequence
from typing import Final

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.evaluation.metrics import MeanSd
from crtcore.evaluation.performance import Performance
from crtcore.evaluation.table_one import TableRow
from search.report.competitors import Competition
from search.report.tables.table import Table, p_text
from search.results.leaderboard import Leaderboard, Row

PAPER: Final = {  # He et al. 2023, Table 2, as far as they are at hand
    ("ResNet-50", "pretrained"): "0.721 / 0.783 / 0.792",
    ("ResNet-50", "general"): "0.612 / not given / not given",
}
FIGURE_NAMES: Final = {
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
    rows: Sequence[TableRow], class_names: tuple[str, str], num_positive: int, num_negative: int
) -> Table:
    """Table 1."""
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
        note="Mean ± SD, or number (share). Patients that were left out for poor recordings are not counted.",
    )


def paper_table(leaderboard: Leaderboard, base: Experiment) -> Table:
    """Table 2 in the paper's layout: a line a network, general (from scratch) beside pretrained."""
    best: dict[tuple[str, str], Row] = {}
    for row in leaderboard.rows:  # in rank order: the first of a cell is its best
        if row.state == "COMPLETE":
            best.setdefault(_cell(override(base, row.params)), row)
    names = dict.fromkeys(["ResNet-18", "ResNet-50", "ResNet-101", *(name for name, _ in best)])
    rows = [
        (
            name,
            *(
                text
                for arm in ("general", "pretrained")
                for text in (_figures(best.get((name, arm))), PAPER.get((name, arm), "not given"))
            ),
        )
        for name in names
        if any((name, arm) in best or (name, arm) in PAPER for arm in ("general", "pretrained"))
    ]
    return Table(
        title="Table 2. Networks from scratch (general) and pretrained",
        headings=("network", "general, here", "general, paper", "pretrained, here", "pretrained, paper"),
        rows=tuple(rows),
        note=(
            "Accuracy / sensitivity / specificity, then AUC ± SD over folds. Here: by patient, all patients "
            "pooled over folds, at a probability of 0.5, the best complete trial of each cell, so each is "
            "partly luck. The paper (He et al. 2023) scores another, private cohort; only its ResNet-50's "
            "figures are at hand."
        ),
    )


def _cell(experiment: Experiment) -> tuple[str, str]:
    config = experiment.pretrain
    name = {"resnet": f"ResNet-{config.depth}", "resnet1d": f"1-D ResNet-{config.depth}"}
    arm = "general" if config.objective == "none" else "pretrained"
    return name.get(config.architecture, config.architecture), arm


def _figures(row: Row | None) -> str:
    if row is None:
        return "not in this sweep"
    figures = " / ".join(f"{row.figures[key]:.3f}" for key in ("accuracy", "sensitivity", "specificity"))
    return f"{figures}; AUC {row.auc:.3f} ± {row.auc_sd:.3f}"


def performance_table(found: Performance) -> Table:
    """Every figure of the winner, over folds and pooled."""
    rows = []
    for key, name in FIGURE_NAMES.items():
        fold, pooled = found.over_folds[key], found.pooled.get(key)
        rows.append(
            (
                name,
                _mean_sd(fold),
                f"{pooled.estimate:.3f} ({pooled.low:.3f} to {pooled.high:.3f})" if pooled else "undefined",
            )
        )
    fitted = found.calibration
    for name, value in (
        ("calibration intercept", None if fitted is None else fitted.intercept),
        ("calibration slope", None if fitted is None else fitted.slope),
        ("calibration in the large", None if fitted is None else fitted.in_the_large),
    ):
        rows.append((name, "", "undefined" if value is None else f"{value:.3f}"))
    return Table(
        title="The winner's figures in the search (naive)",
        headings=("figure", "over folds, mean ± SD", "pooled (95 % interval)"),
        rows=tuple(rows),
        note=(
            "By patient, at thresholds chosen on the training folds. The AUC's interval is DeLong's, widened "
            "for cross-validation; the others are by patient bootstrap of fixed predictions, and too narrow. "
            "None of them is corrected for the search."
        ),
    )


def beat_table(over_folds: Mapping[str, MeanSd], counts: Mapping[str, int]) -> Table:
    """The winner's figures by beat, named as such."""
    num_beats, num_images = counts["num_beats"], counts["num_images"]
    return Table(
        title=f"The winner by beat and by image, not by patient ({num_beats:,} beats, {num_images:,} images)",
        headings=("figure", "by beat, over folds, mean ± SD"),
        rows=tuple((name, _mean_sd(over_folds[key])) for key, name in FIGURE_NAMES.items()),
        note=(
            f"To compare with papers that score images. Each beat is {num_images // num_beats} image(s), one "
            "a lead, which the head scores together, so the figures by image are the same. The beats of a "
            "patient are alike: no interval is given, for it would be far too narrow."
        ),
    )


def _mean_sd(found: MeanSd) -> str:
    return f"{found.mean:.3f} ± {found.sd:.3f}" if found.mean == found.mean else "undefined in a fold"


def competitor_table(competition: Competition, num_patients: int) -> Table:
    """The winner against each competitor, and those that are not available."""
    rows = [
        (
            other.name,
            f"{other.auc.estimate:.3f} ({other.auc.low:.3f} to {other.auc.high:.3f})",
            *(
                f"{other.figures[k]:.3f}" if other.figures else ""
                for k in ("accuracy", "sensitivity", "specificity")
            ),
            f"{other.test.difference:+.3f} ({other.test.low:+.3f} to {other.test.high:+.3f})",
            p_text(other.test.p_value),
        )
        for other in competition.comparisons
    ]
    rows += [
        (name, f"not available for lack of {column}", "", "", "", "", "")
        for name, column in competition.missing.items()
    ]
    return Table(
        title="What the winner must beat",
        headings=("competitor", "AUC", "accuracy", "sens.", "spec.", "winner's AUC less this", "p"),
        rows=tuple(rows),
        note=(
            f"The same {num_patients} patients, pooled; what is trained is trained in the same folds. Paired "
            "DeLong tests, widened for cross-validation. The winner was picked from many and these, but "
            "for a network from scratch, were not: the differences flatter it."
        ),
    )
