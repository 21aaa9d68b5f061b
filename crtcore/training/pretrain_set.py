"""Which heartbeat images a network is pre-trained on, and what each class weighs in its loss."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from crtcore.data.loader import ImageSet
from crtcore.data.splits import DS1, DS2, check_disjoint
from crtcore.errors import DataError
from crtcore.signal.beats import AAMI_CLASSES, MORPHOLOGY_CLASSES, aami_labels, morphology_labels
from crtcore.signal.recording import FloatArray, IntArray

OBJECTIVES: Final = {
    "aami5": (AAMI_CLASSES, aami_labels),
    "morphology5": (MORPHOLOGY_CLASSES, morphology_labels),
}
MAX_CLASS_WEIGHT_RATIO: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class PretrainSet:
    """The class of every image of the set (-1: none), and the images to train on and to score, as ascending
    row numbers.
    """

    classes: tuple[str, ...]
    label_N: IntArray
    train: IntArray
    test: IntArray


def pretrain_set(images: ImageSet, *, objective: str, split: str) -> PretrainSet:
    """The images with a class of `objective`: all to train on, or (`inter_patient`) DS1 to train on and DS2
    to score.

    Raises DataError if fewer than two classes are left to train on, or no image to score.
    """
    classes, label = OBJECTIVES[objective]
    label_N = label(images.symbol_N)
    usable = np.flatnonzero(label_N >= 0)
    train, test = usable, usable[:0]
    if split == "inter_patient":
        train = usable[np.isin(images.record_N[usable], DS1)]
        test = usable[np.isin(images.record_N[usable], DS2)]
        if len(train) == 0 or len(test) == 0:
            raise DataError(
                "pretrain.split inter_patient needs records of DS1 and DS2, and the arrhythmia set has "
                f"{len(train)} images of DS1 and {len(test)} of DS2; set pretrain.split to all"
            )
        check_disjoint(images.patient_N[train].tolist(), images.patient_N[test].tolist())
    num_classes = len(np.unique(label_N[train]))
    if num_classes < 2:
        raise DataError(
            f"the arrhythmia set has beats of {num_classes} of the five classes of pretrain.objective "
            f"{objective}; add records with other beats or choose another objective"
        )
    return PretrainSet(classes=classes, label_N=label_N, train=train, test=test)


def class_weights(label_N: IntArray, num_classes: int) -> FloatArray:
    """Weight of each class in the loss, shape (classes,): one over the square root of its share, mean 1 over
    `label_N`.

    At most 10 times the smallest weight. The root and the cap, since full balance would let the 33
    unclassifiable beats of 109,494 weigh as much as all normal ones. A class without examples has weight 0.
    """
    count_K = np.bincount(label_N, minlength=num_classes)
    weight_K = np.where(count_K > 0, 1 / np.sqrt(np.maximum(count_K, 1)), 0)
    weight_K = np.minimum(weight_K, MAX_CLASS_WEIGHT_RATIO * weight_K[count_K > 0].min())
    return np.asarray(weight_K * len(label_N) / (weight_K @ count_K), dtype=np.float32)
