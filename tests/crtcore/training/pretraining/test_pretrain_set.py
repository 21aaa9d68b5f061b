import dataclasses

import numpy as np
import pytest

from crtcore.data.loader import ImageSet, load_images
from crtcore.data.splits import DS1, DS2
from crtcore.errors import DataError
from crtcore.training.pretraining.pretrain_set import DS1_HALVES, pretrain_set
from tests.crtcore.training.tiny_sets import Prepared


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    return load_images(prepared.store, prepared.arrhythmia)


def test_all_beats_with_a_class_are_trained_on(images: ImageSet) -> None:
    aami = pretrain_set(images, objective="aami5", split="all", seed=0)
    assert aami.classes == ("N", "S", "V", "F", "Q")
    assert np.array_equal(aami.train, np.arange(images.num_images))
    assert len(aami.test) == 0
    morphology = pretrain_set(images, objective="morphology5", split="all", seed=0)
    assert set(images.symbol_N[morphology.train].tolist()) == {"N", "V", "L"}
    assert morphology.classes[int(morphology.label_N[images.symbol_N == "L"][0])] == "L"


def test_the_inter_patient_split_trains_on_ds1_and_scores_ds2(images: ImageSet) -> None:
    chosen = pretrain_set(images, objective="aami5", split="inter_patient", seed=0)
    assert set(images.record_N[chosen.train].tolist()) == {"101", "106"} <= set(DS1)
    assert set(images.record_N[chosen.test].tolist()) == {"100", "103"} <= set(DS2)


def test_the_inter_patient_split_needs_records_of_both_halves(images: ImageSet) -> None:
    renamed = dataclasses.replace(images, record_N=np.full(images.num_images, "101"))
    with pytest.raises(
        DataError, match=r"leaves 40 images to train on and 0 to score: .* set pretrain.split to all"
    ):
        pretrain_set(renamed, objective="aami5", split="inter_patient", seed=0)


def test_one_class_teaches_nothing_and_is_refused(images: ImageSet) -> None:
    normal = dataclasses.replace(images, symbol_N=np.full(images.num_images, "N"))
    with pytest.raises(DataError, match=r"beats of 1 of the five classes of pretrain.objective aami5"):
        pretrain_set(normal, objective="aami5", split="all", seed=0)


@pytest.mark.parametrize("split", sorted(DS1_HALVES))
def test_half_of_ds1_is_scored_by_what_the_other_half_teaches(images: ImageSet, split: str) -> None:
    names = np.array(DS1)[images.beat_N % len(DS1)]
    renamed = dataclasses.replace(images, record_N=names, patient_N=names)
    chosen = pretrain_set(renamed, objective="aami5", split=split, seed=0)
    trained, scored = set(names[chosen.train].tolist()), set(names[chosen.test].tolist())
    assert scored == set(DS1[DS1_HALVES[split]]) & set(names.tolist())
    assert not trained & scored
    assert trained | scored == set(names.tolist())
    assert not set(DS1[DS1_HALVES["ds1_even"]]) & set(DS1[DS1_HALVES["ds1_odd"]])
    assert not set(DS2) & trained


def test_patients_of_another_database_are_halved_at_random_and_never_on_both_sides(images: ImageSet) -> None:
    patients = np.array([f"I{number:02}" for number in range(8)])[images.beat_N % 8]
    records = np.char.add(patients, np.where(images.beat_N % 16 < 8, "a", "b"))
    other = dataclasses.replace(images, record_N=records, patient_N=patients)

    def divided(split: str, seed: int = 0) -> tuple[set[str], set[str]]:
        chosen = pretrain_set(other, objective="aami5", split=split, seed=seed)
        return set(patients[chosen.train].tolist()), set(patients[chosen.test].tolist())

    ds1, ds2 = divided("inter_patient")
    assert (len(ds1), len(ds2), len(ds1 | ds2)) == (4, 4, 8)
    assert divided("inter_patient") == (ds1, ds2)
    assert any(divided("inter_patient", seed) != (ds1, ds2) for seed in (1, 2, 3))
    even, odd = divided("ds1_even"), divided("ds1_odd")
    assert even == odd[::-1]
    assert even[0] | even[1] == ds1 and len(even[0]) == 2


def test_one_patient_cannot_be_halved(images: ImageSet) -> None:
    alone = np.full(images.num_images, "I01")
    with pytest.raises(DataError, match=r"leaves 40 images to train on and 0 to score: .* of 1 patients;"):
        pretrain_set(
            dataclasses.replace(images, record_N=alone, patient_N=alone),
            objective="aami5",
            split="inter_patient",
            seed=0,
        )


def test_the_intra_patient_split_scores_a_fifth_of_the_beats_with_all_their_leads(images: ImageSet) -> None:
    chosen = pretrain_set(images, objective="aami5", split="intra_patient", seed=0)
    assert len(chosen.test) == round(0.2 * images.num_beats) * len(images.leads)
    assert not set(images.beat_N[chosen.train].tolist()) & set(images.beat_N[chosen.test].tolist())
    assert len(chosen.train) + len(chosen.test) == images.num_images
    other = pretrain_set(images, objective="aami5", split="intra_patient", seed=1)
    assert not np.array_equal(chosen.test, other.test)
