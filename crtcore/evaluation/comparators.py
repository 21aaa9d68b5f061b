"""Comparators: other scores of the same patients, which the model is compared with.

Legend: P patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crtcore.evaluation.delong import PairedTest, auc_interval, paired_test
from crtcore.evaluation.intervals import Interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, classification


@dataclass(frozen=True, kw_only=True)
class Comparator:
    """The scores of another model or rule for the same patients, or the column that it lacks.

    `trained`: the scores are out of fold, from models trained on these patients. A rule is not trained and
    cannot impute, so it lacks a column if any patient has no value there. A score at or above `cut` predicts
    label 1. `cut` is None if there is no accepted threshold.
    """

    name: str
    trained: bool = False
    score_P: FloatScores | None = None
    missing_column: str | None = None
    cut: float | None = 0.5

    def __post_init__(self) -> None:
        assert (self.score_P is None) != (self.missing_column is None)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparator against the model.

    `auc` is the comparator's AUC with its DeLong interval, and `test` compares the model's AUC with it.
    `metrics` is the comparator's `classification` at its cut, empty if it has none.
    """

    name: str
    auc: Interval
    test: PairedTest
    metrics: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON values. `metrics` has the key `figures`, which users' scripts read."""
        return {"figures" if key == "metrics" else key: value for key, value in asdict(self).items()}


def compare(
    label_P: IntLabels,
    score_P: FloatScores,
    comparators: Sequence[Comparator],
    *,
    num_folds: int | None = None,
) -> tuple[Comparison, ...]:
    """Compare the model's scores with each comparator that has scores, by DeLong's paired test.

    With `num_folds`, the model's scores are out of fold, and the tests and the intervals of trained
    comparators are widened (`cross_validation_factor`). Against a rule, such a test is conservative: it
    rejects in 2 % of null cohorts at a nominal 5 %.
    """
    return tuple(
        Comparison(
            name=other.name,
            auc=auc_interval(label_P, other.score_P, num_folds=num_folds if other.trained else None),
            test=paired_test(label_P, score_P, other.score_P, num_folds=num_folds),
            metrics={} if other.cut is None else classification(label_P, other.score_P, other.cut),
        )
        for other in comparators
        if other.score_P is not None
    )
