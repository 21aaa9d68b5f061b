"""Trained comparators, on clinical variables or on other features, in the same folds as the model.

Legend: P patients, D features, R repeats.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from crtcore.data.manifest import Patient
from crtcore.evaluation.baselines import LOGISTIC_REGRESSION, MODELS, cross_validated_scores
from crtcore.evaluation.clinical import clinical_features, has_column
from crtcore.evaluation.comparators import Comparator
from crtcore.evaluation.metrics import FloatScores, IntLabels


def feature_comparators(
    name: str,
    feature_PD: FloatScores,
    label_P: IntLabels,
    fold_RP: npt.NDArray[np.integer],
    *,
    models: Sequence[str] = tuple(MODELS),
    seed: int,
) -> Iterator[Comparator]:
    """Each of `models` on features: deep features, image pixels or the output of a random backbone."""
    for model in models:
        score_P = cross_validated_scores(feature_PD, label_P, fold_RP, model, seed=seed)
        yield Comparator(name=f"{model} on {name}", trained=True, score_P=score_P)


def clinical_comparators(
    patients: Sequence[Patient], fold_RP: npt.NDArray[np.integer], *, seed: int
) -> tuple[Comparator, ...]:
    """Models on age and sex, and on all clinical variables of the manifest.

    `patients` are in the order of the columns of `fold_RP`. Missing values are imputed in each fold.
    """
    label_P = np.array([patient.label for patient in patients])
    return (
        _age_and_sex(patients, label_P, fold_RP, seed),
        *_on_clinical_variables(patients, label_P, fold_RP, seed),
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
