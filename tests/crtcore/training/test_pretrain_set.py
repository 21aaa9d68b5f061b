import dataclasses

import numpy as np
import pytest

from crtcore.data.loader import ImageSet, load_images
from crtcore.data.splits import DS1, DS2
from crtcore.errors import DataError
from crtcore.training.pretrain_set import class_weights, pretrain_set
from tests.crtcore.training.tiny_sets import Prepared


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    return load_images(prepared.store, prepared.arrhythmia)


def test_all_beats_with_a_class_are_trained_on(images: ImageSet) -> None:
    aami = pretrain_set(images, objective="aami5", split="all")
    assert aami.classes == ("N", "S", "V", "F", "Q")
    assert np.array_equal(aami.train, np.arange(images.num_images))
    assert len(aami.test) == 0
    morphology = pretrain_set(images, objective="morphology5", split="all")
    assert set(images.symbol_N[morphology.train].tolist()) == {"N", "V", "L"}
    assert morphology.classes[int(morphology.label_N[images.symbol_N == "L"][0])] == "L"


def test_the_inter_patient_split_trains_on_ds1_and_scores_ds2(images: ImageSet) -> None:
    chosen = pretrain_set(images, objective="aami5", split="inter_patient")
    assert set(images.record_N[chosen.train].tolist()) == {"101", "106"} <= set(DS1)
    assert set(images.record_N[chosen.test].tolist()) == {"100", "103"} <= set(DS2)


def test_the_inter_patient_split_needs_records_of_both_halves(images: ImageSet) -> None:
    renamed = dataclasses.replace(images, record_N=np.full(images.num_images, "101"))
    with pytest.raises(DataError, match=r"40 images of DS1 and 0 of DS2; set pretrain.split to all"):
        pretrain_set(renamed, objective="aami5", split="inter_patient")


def test_one_class_teaches_nothing_and_is_refused(images: ImageSet) -> None:
    normal = dataclasses.replace(images, symbol_N=np.full(images.num_images, "N"))
    with pytest.raises(DataError, match=r"beats of 1 of the five classes of pretrain.objective aami5"):
        pretrain_set(normal, objective="aami5", split="all")


def test_rare_classes_weigh_more_by_the_root_of_their_share_up_to_a_cap() -> None:
    label_N = np.repeat([0, 1, 2], [10_000, 100 * 4, 1])
    weight_K = class_weights(label_N, 4)
    assert weight_K[1] / weight_K[0] == pytest.approx(5)
    assert weight_K[2] / weight_K[0] == pytest.approx(10)
    assert weight_K[3] == 0
    assert weight_K[label_N].mean() == pytest.approx(1)
