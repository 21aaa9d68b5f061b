"""The trained comparators, and those that lack a column."""

import numpy as np

from crtcore.data.manifest import Patient
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, SVM
from crtcore.evaluation.metrics import auc
from crtcore.evaluation.trained_comparators import clinical_comparators, feature_comparators

COHORT = np.array([1] * 46 + [0] * 25)
FOLDS_RP = (np.arange(71) % 3)[None]


def cohort(*columns: str) -> list[Patient]:
    rng = np.random.default_rng(0)
    clinical = {
        "qrs_duration_ms": (158 + 21 * COHORT + 22 * rng.standard_normal(71)).tolist(),
        "age_years": rng.normal(64, 10, 71).tolist(),
        "sex": rng.choice(["male", "female"], 71).tolist(),
    }
    return [
        Patient(
            patient_id=f"p{i:02d}",
            label=int(COHORT[i]),
            clinical={column: clinical[column][i] for column in columns},
        )
        for i in range(71)
    ]


def test_age_and_sex_alone_and_all_clinical_variables() -> None:
    found = clinical_comparators(cohort("qrs_duration_ms", "age_years", "sex"), FOLDS_RP, seed=0)
    assert [comparator.name for comparator in found] == [
        "logistic regression on age and sex",
        "logistic regression on clinical variables",
        "SVM (RBF) on clinical variables",
        "random forest on clinical variables",
    ]
    scores = [comparator.score_P for comparator in found if comparator.score_P is not None]
    assert len(scores) == 4
    assert auc(COHORT, scores[1]) > 0.65 > auc(COHORT, scores[0])


def test_missing_columns_are_named() -> None:
    without_age = clinical_comparators(cohort("sex"), FOLDS_RP, seed=0)
    assert without_age[0].missing_column == "age_years"
    bare = clinical_comparators(cohort(), FOLDS_RP, seed=0)
    assert [comparator.missing_column for comparator in bare] == ["age_years", *3 * ["any clinical column"]]
    assert all(comparator.score_P is None for comparator in bare)


def test_any_features_can_be_a_comparator() -> None:
    pixel_PD = np.random.default_rng(2).standard_normal((71, 50))
    linear, kernel = feature_comparators(
        "image pixels", pixel_PD, COHORT, FOLDS_RP, models=[LOGISTIC_REGRESSION, SVM], seed=0
    )
    assert (linear.name, kernel.name) == ("logistic regression on image pixels", "SVM (RBF) on image pixels")
    for comparator in (linear, kernel):
        assert comparator.score_P is not None
        assert comparator.score_P.shape == (71,)
