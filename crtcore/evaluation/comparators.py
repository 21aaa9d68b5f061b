"""What any model must beat: competitors with scores of the same patients, trained in the same folds.

Legend: P patients, D features, R repeats.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crtcore.data.sources import Patient
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, MODELS, cross_validated_scores
from crtcore.evaluation.clinical import clinical_features, has_column
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


def feature_comparators(
    name: str,
    feature_PD: FloatScores,
    label_P: IntLabels,
    fold_RP: npt.NDArray[np.integer],
    *,
    models: Sequence[str] = tuple(MODELS),
    seed: int,
) -> Iterator[Comparator]:
    """Plain models on any features of the patients: deep ones, image pixels, a random backbone's."""
    for model in models:
        score_P = cross_validated_scores(feature_PD, label_P, fold_RP, model, seed=seed)
        yield Comparator(name=f"{model} on {name}", trained=True, score_P=score_P)


def clinical_comparators(
    patients: Sequence[Patient], fold_RP: npt.NDArray[np.integer], *, seed: int
) -> tuple[Comparator, ...]:
    """Plain models on the manifest's variables: age and sex alone, and all of them.

    `patients` stand in the order of the columns of `fold_RP`. Missing values are imputed in each fold.
    """
    label_P = np.array([patient.label for patient in patients])
    return (
        _age_and_sex(patients, label_P, fold_RP, seed),
        *_on_clinical_variables(patients, label_P, fold_RP, seed),
    )


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


def _age_and_sex(
    patients: Sequence[Patient], label_P: IntLabels, fold_RP: npt.NDArray[np.integer], seed: int
) -> Comparator:
    name, columns = f"{LOGISTIC_REGRESSION} on age and sex", ("age_years", "sex")
    lacking = [column for column in columns if not has_column(patients, column)]
    if lacking:
        return Comparator(name=name, missing_column=lacking[0])
    features = clinical_features(patients, columns)
    if not features.names:
        return Comparator(name=name, missing_column="age_years or sex that differs between patients")
    only = feature_comparators(
        "age and sex", features.value_PD, label_P, fold_RP, models=[LOGISTIC_REGRESSION], seed=seed
    )
    return next(only)


def _on_clinical_variables(
    patients: Sequence[Patient], label_P: IntLabels, fold_RP: npt.NDArray[np.integer], seed: int
) -> Iterator[Comparator]:
    features = clinical_features(patients)
    if features.names:
        yield from feature_comparators("clinical variables", features.value_PD, label_P, fold_RP, seed=seed)
    else:
        for model in MODELS:
            yield Comparator(name=f"{model} on clinical variables", missing_column="any clinical column")
