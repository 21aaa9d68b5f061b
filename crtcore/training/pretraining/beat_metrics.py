"""Metrics of a classifier of heartbeats, with intervals from a bootstrap over records.

The beats of one record are alike, and one record may hold most beats of a class. A bootstrap over beats would
ignore that and give intervals that are too narrow. Legend: N beats, R records, K classes, B bootstrap draws.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.seeding import child_seed
from crtcore.signal.recording import IntArray, StrArray
from crtcore.stages.stage import JSON

NOT_AVERAGED: Final = frozenset({"Q"})  # AAMI EC57: unclassifiable beats, of which there are very few
NUM_DRAWS: Final = 2000
LEVEL: Final = 0.95

Float64Array = npt.NDArray[np.float64]
Confusion = npt.NDArray[np.int64]
"""Counts of beats, shape (..., K, K): a row for each reference class, a column for each predicted class."""


def beat_metrics(
    label_N: IntArray, predicted_N: IntArray, record_N: StrArray, classes: tuple[str, ...], *, seed: int
) -> dict[str, JSON]:
    """Accuracy, macro-F1 over all classes but Q, and sensitivity, positive predictivity and F1 of each class.

    `interval` holds 95 % percentile intervals over 2000 draws of records with replacement. A metric is None
    where it is undefined (no beat of the class, or none predicted). `confusion` has a row for each reference
    class and a column for each predicted class.
    """
    records, record_index_N = np.unique(record_N, return_inverse=True)
    confusion_RKK = np.zeros((len(records), len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion_RKK, (record_index_N, label_N, predicted_N), 1)
    confusion_KK = confusion_RKK.sum(axis=0)
    rng = np.random.default_rng(child_seed(seed, "record bootstrap"))
    times_BR = rng.multinomial(len(records), np.full(len(records), 1 / len(records)), size=NUM_DRAWS)
    drawn_BKK = np.tensordot(times_BR, confusion_RKK, axes=1)
    f1_K, f1_BK = _f1(confusion_KK), _f1(drawn_BKK)
    right_K, reference_K = np.diagonal(confusion_KK), confusion_KK.sum(axis=1)
    return {
        "num_records": len(records),
        "num_beats": len(label_N),
        "accuracy": float(_accuracy(confusion_KK)),
        "macro_f1": _value(macro_f1(confusion_KK, classes)),
        "interval": {
            "accuracy": _interval(_accuracy(drawn_BKK)),
            "macro_f1": _interval(macro_f1(drawn_BKK, classes)),
            **{f"f1_{name}": _interval(f1_BK[:, index]) for index, name in enumerate(classes)},
        },
        "classes": {
            name: {
                "num_beats": int(reference_K[index]),
                "sensitivity": _value(_ratio(right_K, reference_K)[index]),
                "positive_predictivity": _value(_ratio(right_K, confusion_KK.sum(axis=0))[index]),
                "f1": _value(f1_K[index]),
            }
            for index, name in enumerate(classes)
        },
        "confusion": confusion_KK.tolist(),
    }


def macro_f1(confusion_KK: Confusion, classes: tuple[str, ...]) -> Float64Array:
    """The mean F1 of the classes that have beats or predictions, Q left out; NaN if there is none."""
    averaged = [index for index, name in enumerate(classes) if name not in NOT_AVERAGED]
    f1_K = _f1(confusion_KK)[..., averaged]
    defined_K = np.isfinite(f1_K)
    return _ratio(np.where(defined_K, f1_K, 0).sum(axis=-1), defined_K.sum(axis=-1))


def _f1(confusion_KK: Confusion) -> Float64Array:
    """2 TP / (2 TP + FP + FN) of each class; NaN for a class without beats and predictions."""
    right_K = np.diagonal(confusion_KK, axis1=-2, axis2=-1)
    return _ratio(2 * right_K, confusion_KK.sum(axis=-1) + confusion_KK.sum(axis=-2))


def _accuracy(confusion_KK: Confusion) -> Float64Array:
    return _ratio(np.trace(confusion_KK, axis1=-2, axis2=-1), confusion_KK.sum(axis=(-2, -1)))


def _ratio(part: npt.NDArray[np.generic], whole: npt.NDArray[np.generic]) -> Float64Array:
    return np.asarray(part / np.where(whole == 0, np.nan, whole), dtype=np.float64)


def _value(metric: Float64Array) -> float | None:
    return float(metric) if np.isfinite(metric) else None


def _interval(metric_B: Float64Array) -> list[float] | None:
    defined = metric_B[np.isfinite(metric_B)]
    if len(defined) == 0:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]
