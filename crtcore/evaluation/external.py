"""External validation: a finished model on patients of another cohort, at its frozen threshold.

Nothing is fitted and no threshold is chosen here, so intervals need no widening. Legend: P patients,
T threshold probabilities.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.data.manifest import Patient
from crtcore.evaluation.decision_curve import net_benefit, net_benefit_of_all
from crtcore.evaluation.delong import auc_interval
from crtcore.evaluation.external_calibration import (
    ExternalCalibration,
    Recalibration,
    external_calibration,
    recalibrations,
)
from crtcore.evaluation.intervals import Interval, wilson_interval
from crtcore.evaluation.metrics import FloatScores, IntLabels, brier, check_scores

AGE_LIMIT: Final = 65.0
MIN_OF_EACH: Final = 10
"""Patients of each outcome: below it, the interval of a subgroup's AUC is about 0.4 wide or wider."""
TEXT_COLUMNS: Final = ("sex", "subgroup")
MAX_SUBGROUPS: Final = 8  # of one column: more are free text
DECISION_THRESHOLDS: Final = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass(frozen=True, kw_only=True)
class AtThreshold:
    """Counts and shares at the threshold, with Wilson's intervals. PPV is None if no patient is predicted 1,
    NPV if none is predicted 0.
    """

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    accuracy: Interval
    sensitivity: Interval
    specificity: Interval
    ppv: Interval | None
    npv: Interval | None


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """Patients that share a value of a column. Metrics are None if a class has fewer than 10 patients."""

    column: str
    value: str
    num_patients: int
    num_positive: int
    auc: Interval | None = None
    sensitivity: Interval | None = None
    specificity: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class NetBenefit:
    """The net benefit per patient of treating by the model, and of treating all, at one threshold."""

    threshold: float
    model: float
    treat_all: float


@dataclass(frozen=True, kw_only=True)
class ExternalPerformance:
    """Every metric of a model on another cohort, by patient."""

    num_patients: int
    num_positive: int
    threshold: float
    auc: Interval
    at_threshold: AtThreshold
    brier: float
    calibration: ExternalCalibration
    decision: tuple[NetBenefit, ...]
    subgroups: tuple[Subgroup, ...]
    recalibrations: tuple[Recalibration, ...]


def external_performance(
    patients: Sequence[Patient], probability_P: FloatScores, *, threshold: float
) -> ExternalPerformance:
    """The metrics of `probability_P`, one probability per patient, with the labels of `patients`.

    Raises DataError if an outcome has fewer than two patients.
    """
    label_P = np.array([patient.label for patient in patients])
    threshold_T = np.array(DECISION_THRESHOLDS)
    return ExternalPerformance(
        num_patients=len(patients),
        num_positive=int(label_P.sum()),
        threshold=threshold,
        auc=auc_interval(label_P, probability_P),
        at_threshold=at_threshold(label_P, probability_P, threshold),
        brier=brier(label_P, probability_P),
        calibration=external_calibration(label_P, probability_P),
        decision=tuple(
            NetBenefit(threshold=float(each), model=float(model), treat_all=float(everybody))
            for each, model, everybody in zip(
                threshold_T,
                net_benefit(label_P, probability_P, threshold_T),
                net_benefit_of_all(label_P, threshold_T),
                strict=True,
            )
        ),
        subgroups=tuple(_subgroups(patients, label_P, probability_P, threshold)),
        recalibrations=recalibrations(label_P, probability_P, threshold=threshold),
    )


def at_threshold(label_P: IntLabels, probability_P: FloatScores, threshold: float) -> AtThreshold:
    """A probability at or above `threshold` predicts label 1. Raises DataError if a class is missing."""
    check_scores(label_P, probability_P)
    predicted_P, positive_P = probability_P >= threshold, label_P == 1
    hit, alarm = int((predicted_P & positive_P).sum()), int((predicted_P & ~positive_P).sum())
    missed, spared = int((~predicted_P & positive_P).sum()), int((~predicted_P & ~positive_P).sum())
    return AtThreshold(
        true_positive=hit,
        false_positive=alarm,
        true_negative=spared,
        false_negative=missed,
        accuracy=_share(hit + spared, len(label_P)),
        sensitivity=_share(hit, hit + missed),
        specificity=_share(spared, spared + alarm),
        ppv=wilson_interval(hit, hit + alarm),
        npv=wilson_interval(spared, spared + missed),
    )


def _share(hits: int, total: int) -> Interval:
    interval = wilson_interval(hits, total)
    assert interval is not None
    return interval


def _subgroups(
    patients: Sequence[Patient], label_P: IntLabels, probability_P: FloatScores, threshold: float
) -> Iterator[Subgroup]:
    for column in TEXT_COLUMNS:
        values = [_text(patient.clinical.get(column)) for patient in patients]
        kinds = sorted({value for value in values if value is not None})
        if len(kinds) <= MAX_SUBGROUPS:
            for kind in kinds:
                inside_P = np.array([value == kind for value in values])
                yield _subgroup(column, kind, inside_P, label_P, probability_P, threshold)
    ages = [patient.clinical.get("age_years") for patient in patients]
    age_P = np.array([age if isinstance(age, int | float) else np.nan for age in ages], dtype=np.float64)
    for value, inside_P in (
        (f"below {AGE_LIMIT:g}", age_P < AGE_LIMIT),
        (f"{AGE_LIMIT:g} or more", age_P >= AGE_LIMIT),
    ):
        if inside_P.any():
            yield _subgroup("age_years", value, inside_P, label_P, probability_P, threshold)


def _subgroup(
    column: str,
    value: str,
    inside_P: npt.NDArray[np.bool_],
    label_P: IntLabels,
    probability_P: FloatScores,
    threshold: float,
) -> Subgroup:
    label, probability = label_P[inside_P], probability_P[inside_P]
    counts = Subgroup(
        column=column, value=value, num_patients=len(label), num_positive=int((label == 1).sum())
    )
    if min(counts.num_positive, counts.num_patients - counts.num_positive) < MIN_OF_EACH:
        return counts
    metrics = at_threshold(label, probability, threshold)
    return Subgroup(
        column=counts.column,
        value=counts.value,
        num_patients=counts.num_patients,
        num_positive=counts.num_positive,
        auc=auc_interval(label, probability),
        sensitivity=metrics.sensitivity,
        specificity=metrics.specificity,
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    return f"{value:g}" if isinstance(value, float) else str(value).strip()
