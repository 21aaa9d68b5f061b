"""How well heartbeats are told apart: figures by class, with intervals that draw records, not beats.

The beats of a record are alike: one record may hold most of a class, and a bootstrap over beats would not
see that its result hangs on it. Legend: N beats, R records, K classes, B bootstrap draws.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.seeding import child_seed
from crtcore.signal.recording import IntArray, StrArray
from crtcore.stages.stage import JSON

NOT_AVERAGED: Final = frozenset({"Q"})  # a handful of beats that cannot be classified
NUM_DRAWS: Final = 2000
LEVEL: Final = 0.95

Float64Array = npt.NDArray[np.float64]


def beat_figures(
    label_N: IntArray, predicted_N: IntArray, record_N: StrArray, classes: tuple[str, ...], *, seed: int
) -> dict[str, JSON]:
    """Accuracy, macro-F1 over the classes but Q, and each class' sensitivity, positive predictivity and F1.

    `interval` holds the 2.5 and 97.5 percentiles over 2000 draws of as many records with replacement, for
    what has one; a figure is None where nothing defines it (no beat of the class, none predicted to be).
    `confusion` has a row a reference class and a column a predicted one.
    """
    records, record_index_N = np.unique(record_N, return_inverse=True)
    confusion_RKK = np.zeros((len(records), len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion_RKK, (record_index_N, label_N, predicted_N), 1)
    confusion_KK = confusion_RKK.sum(axis=0)
    rng = np.random.default_rng(child_seed(seed, "record bootstrap"))
    times_BR = rng.multinomial(len(records), np.full(len(records), 1 / len(records)), size=NUM_DRAWS)
    drawn_BKK = np.tensordot(times_BR, confusion_RKK, axes=1)
    f1_K, f1_BK = _f1(confusion_KK), _f1(drawn_BKK)
    averaged = [index for index, name in enumerate(classes) if name not in NOT_AVERAGED]
    right_K, reference_K = np.diagonal(confusion_KK), confusion_KK.sum(axis=1)
    return {
        "num_records": len(records),
        "num_beats": len(label_N),
        "accuracy": float(_accuracy(confusion_KK)),
        "macro_f1": _value(_macro(f1_K[averaged])),
        "interval": {
            "accuracy": _interval(_accuracy(drawn_BKK)),
            "macro_f1": _interval(_macro(f1_BK[:, averaged])),
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


def macro_f1(label_N: IntArray, predicted_N: IntArray, classes: tuple[str, ...]) -> float:
    """The mean F1 of the classes but Q, of those that occur or are predicted."""
    confusion_KK = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion_KK, (label_N, predicted_N), 1)
    averaged = [index for index, name in enumerate(classes) if name not in NOT_AVERAGED]
    return float(_macro(_f1(confusion_KK)[averaged]))


def _f1(confusion_KK: npt.NDArray[np.int64]) -> Float64Array:
    """2 TP / (2 TP + FP + FN) along the last two axes, NaN for a class that is nowhere."""
    right_K = np.diagonal(confusion_KK, axis1=-2, axis2=-1)
    return _ratio(2 * right_K, confusion_KK.sum(axis=-1) + confusion_KK.sum(axis=-2))


def _accuracy(confusion_KK: npt.NDArray[np.int64]) -> Float64Array:
    return _ratio(np.trace(confusion_KK, axis1=-2, axis2=-1), confusion_KK.sum(axis=(-2, -1)))


def _macro(f1_K: Float64Array) -> Float64Array:
    """The mean over the last axis of what is defined there."""
    defined_K = np.isfinite(f1_K)
    return _ratio(np.where(defined_K, f1_K, 0).sum(axis=-1), defined_K.sum(axis=-1))


def _ratio(part: npt.NDArray[np.generic], whole: npt.NDArray[np.generic]) -> Float64Array:
    return np.asarray(part / np.where(whole == 0, np.nan, whole), dtype=np.float64)


def _value(figure: Float64Array) -> float | None:
    return float(figure) if np.isfinite(figure) else None


def _interval(figure_B: Float64Array) -> list[float] | None:
    defined = figure_B[np.isfinite(figure_B)]
    if len(defined) == 0:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]
