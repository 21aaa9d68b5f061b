"""Which heartbeat images a network is pre-trained on, and which it is scored on."""

from dataclasses import dataclass
from typing import Final

import numpy as np

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
DS1_HALVES: Final = {"ds1_even": slice(0, None, 2), "ds1_odd": slice(1, None, 2)}
TEST_SHARE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class PretrainSet:
    """The class of every image of the set (-1: none), and the images to train on and to score, as ascending
    row numbers.
    """

    classes: tuple[str, ...]
    label_N: IntArray
    train: IntArray
    test: IntArray


def pretrain_set(images: ImageSet, *, objective: str, split: str, seed: int) -> PretrainSet:
    """The images with a class of `objective`, divided.

    `all`: all to train on. `inter_patient`: the records of DS1 to train on, those of DS2 to score (de Chazal
    et al. 2004, IEEE TBME 51:1196); of a database other than the MIT-BIH Arrhythmia Database, DS1 is a random
    half of the patients and DS2 the other. `ds1_even` and `ds1_odd`: every second record (there: patient) of
    DS1 to score, from the first and from the second on, and the others to train on, so that something can be
    chosen without a look at DS2. `intra_patient`: a random fifth of the beats to score; their patients are
    trained on too, so that the figures flatter. Raises DataError if fewer than two classes are left to train
    on, or no image to score.
    """
    classes, label = OBJECTIVES[objective]
    label_N = label(images.symbol_N)
    usable = np.flatnonzero(label_N >= 0)
    train, test = usable, usable[:0]
    if split == "intra_patient":
        rng = np.random.default_rng(child_seed(seed, "intra-patient split"))
        beats = rng.permutation(images.num_beats)
        scored_B = np.zeros(images.num_beats, dtype=np.bool_)
        scored_B[beats[: round(TEST_SHARE * len(beats))]] = True
        train, test = usable[~scored_B[images.beat_N[usable]]], usable[scored_B[images.beat_N[usable]]]
    elif split != "all":
        train, test = _by_patient(images, usable, split, seed)
    num_classes = len(np.unique(label_N[train]))
    if num_classes < 2:
        raise DataError(
            f"the arrhythmia set has beats of {num_classes} of the five classes of pretrain.objective "
            f"{objective}; add records with other beats or choose another objective"
        )
    return PretrainSet(classes=classes, label_N=label_N, train=train, test=test)


def _by_patient(images: ImageSet, usable: IntArray, split: str, seed: int) -> tuple[IntArray, IntArray]:
    name_N, trained, scored = _divided(images, seed)
    if split != "inter_patient":
        scored = trained[DS1_HALVES[split]]
        trained = tuple(name for name in trained if name not in scored)
    train = usable[np.isin(name_N[usable], trained)]
    test = usable[np.isin(name_N[usable], scored)]
    if len(train) == 0 or len(test) == 0:
        num_patients = len(np.unique(images.patient_N))
        raise DataError(
            f"pretrain.split {split} leaves {len(train)} images to train on and {len(test)} to score: it "
            "divides records by patient (those of mitdb as DS1 and DS2), and the arrhythmia set has those of "
            f"{num_patients} patients; set pretrain.split to all"
        )
    check_disjoint(images.patient_N[train].tolist(), images.patient_N[test].tolist())
    return train, test


def _divided(images: ImageSet, seed: int) -> tuple[StrArray, tuple[str, ...], tuple[str, ...]]:
    """The name by which each image is divided, and those of DS1 and DS2."""
    if np.isin(images.record_N, (*DS1, *DS2)).any():
        return images.record_N, DS1, DS2
    patients = np.unique(images.patient_N)
    dealt = np.random.default_rng(child_seed(seed, "inter-patient split")).permutation(patients)
    middle = len(dealt) // 2
    return images.patient_N, tuple(sorted(dealt[middle:].tolist())), tuple(sorted(dealt[:middle].tolist()))
