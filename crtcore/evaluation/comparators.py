"""What any model must beat: competitors with scores of the same patients.

Legend: P patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crtcore.evaluation.delong import PairedTest, auc_interval, paired_test
from crtcore.evaluation.intervals import Interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, classification


@dataclass(frozen=True, kw_only=True)
class Comparator:
    """A competitor's scores of the same patients, or the column for lack of which it has none.

    `trained` says that the scores are out of fold, from models trained on these patients. A column counts as
    lacking if a rule, which takes no training, finds it empty for a patient. A score at or above `cut`
    predicts response; None: the score has no settled cut.
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
    """A comparator's AUC with its DeLong interval, the model's AUC less it with the paired test's p, and the
    comparator's `classification` at its cut (empty where it has none).
    """

    name: str
    auc: Interval
    test: PairedTest
    figures: Mapping[str, float]


def compare(
    label_P: IntLabels,
    score_P: FloatScores,
    comparators: Sequence[Comparator],
    *,
    num_folds: int | None = None,
) -> tuple[Comparison, ...]:
    """The model's scores against each comparator that has scores, by DeLong's paired test.

    `num_folds` says that the model's scores are out of fold: the tests and the trained comparators' intervals
    are then widened (`cross_validation_factor`). Against a rule such a test is cautious: 2 % at nominal 5 %.
    """
    return tuple(
        Comparison(
            name=other.name,
            auc=auc_interval(label_P, other.score_P, num_folds=num_folds if other.trained else None),
            test=paired_test(label_P, score_P, other.score_P, num_folds=num_folds),
            figures={} if other.cut is None else classification(label_P, other.score_P, other.cut),
        )
        for other in comparators
        if other.score_P is not None
    )
