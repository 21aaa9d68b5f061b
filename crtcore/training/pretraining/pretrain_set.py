"""The heartbeat images that a network is pre-trained on, and those it is scored on."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from crtcore.config import PretrainConfig
from crtcore.data.loader import ImageSet
from crtcore.data.splits import DS1, DS2, check_disjoint
from crtcore.errors import DataError
from crtcore.seeding import child_seed
from crtcore.signal.beats import AAMI_CLASSES, MORPHOLOGY_CLASSES, aami_labels, morphology_labels
from crtcore.signal.recording import IntArray, StrArray

OBJECTIVES: Final = {
    "aami5": (AAMI_CLASSES, aami_labels),
    "morphology5": (MORPHOLOGY_CLASSES, morphology_labels),
}
TEST_SHARE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class PretrainSet:
    """The class of every image (-1: none), and the rows to train on and to score, both ascending."""

    classes: tuple[str, ...]
    label_N: IntArray
    train: IntArray
    test: IntArray


def pretrain_set(images: ImageSet, config: PretrainConfig, *, seed: int) -> PretrainSet:
    """Divide the images that have a class of `config.objective`, by `config.split`.

    `all`: train on all images and score none.
    `inter_patient`: train on the records of DS1 and score those of DS2 (de Chazal et al. 2004, IEEE TBME
    51:1196). For any database but the MIT-BIH Arrhythmia Database: train on a random half of the patients and
    score the other half.
    `intra_patient`: score a random fifth of the beats. The same patients are trained on, so the metrics are
    too optimistic.

    Raises DataError if the images to train on have fewer than two classes, or if `inter_patient` leaves
    nothing to train on or to score.
    """
    classes, label = OBJECTIVES[config.objective]
    label_N = label(images.symbol_N)
    usable = np.flatnonzero(label_N >= 0)
    train, test = usable, usable[:0]
    if config.split == "inter_patient":
        train, test = _inter_patient(images, usable, seed)
    elif config.split == "intra_patient":
        train, test = _intra_patient(images, usable, seed)
    num_classes = len(np.unique(label_N[train]))
    if num_classes < 2:
        raise DataError(
            f"the arrhythmia set has beats of {num_classes} of the five classes of pretrain.objective "
            f"{config.objective}; add records with other beats or choose another objective"
        )
    return PretrainSet(classes=classes, label_N=label_N, train=train, test=test)


def _intra_patient(images: ImageSet, usable: IntArray, seed: int) -> tuple[IntArray, IntArray]:
    rng = np.random.default_rng(child_seed(seed, "intra-patient split"))
    beats = rng.permutation(images.num_beats)
    scored_B = np.zeros(images.num_beats, dtype=np.bool_)
    scored_B[beats[: round(TEST_SHARE * len(beats))]] = True
    scored_N = scored_B[images.beat_N[usable]]
    return usable[~scored_N], usable[scored_N]


def _inter_patient(images: ImageSet, usable: IntArray, seed: int) -> tuple[IntArray, IntArray]:
    name_N, trained, scored = _divided(images, seed)
    train = usable[np.isin(name_N[usable], trained)]
    test = usable[np.isin(name_N[usable], scored)]
    if len(train) == 0 or len(test) == 0:
        num_patients = len(np.unique(images.patient_N))
        raise DataError(
            f"pretrain.split inter_patient leaves {len(train)} images to train on and {len(test)} to score: "
            "it divides records by patient (those of mitdb as DS1 and DS2), and the arrhythmia set has those "
            f"of {num_patients} patients; set pretrain.split to all"
        )
    check_disjoint(images.patient_N[train].tolist(), images.patient_N[test].tolist())
    return train, test


def _divided(images: ImageSet, seed: int) -> tuple[StrArray, tuple[str, ...], tuple[str, ...]]:
    """A name for each image (its record or its patient), the names to train on and the names to score."""
    if np.isin(images.record_N, (*DS1, *DS2)).any():
        return images.record_N, DS1, DS2
    patients = np.unique(images.patient_N)
    shuffled = np.random.default_rng(child_seed(seed, "inter-patient split")).permutation(patients)
    middle = len(shuffled) // 2
    return images.patient_N, tuple(shuffled[middle:].tolist()), tuple(shuffled[:middle].tolist())
