import dataclasses

import numpy as np
import pytest

from crtcore.config import PretrainConfig
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.splits import DS1, DS2
from crtcore.errors import DataError
from crtcore.training.pretraining.pretrain_set import PretrainSet, pretrain_set
from tests.crtcore.training.tiny_sets import Prepared


def divided(images: ImageSet, split: str, *, objective: str = "aami5", seed: int = 0) -> PretrainSet:
    config = PretrainConfig.model_validate({"split": split, "objective": objective})
    return pretrain_set(images, config, seed=seed)


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    return load_images(prepared.store, prepared.arrhythmia)


def test_all_beats_with_a_class_are_trained_on(images: ImageSet) -> None:
    aami = divided(images, "all")
    assert aami.classes == ("N", "S", "V", "F", "Q")
    assert np.array_equal(aami.train, np.arange(images.num_images))
    assert len(aami.test) == 0
    morphology = divided(images, "all", objective="morphology5")
    assert set(images.symbol_N[morphology.train].tolist()) == {"N", "V", "L"}
    assert morphology.classes[int(morphology.label_N[images.symbol_N == "L"][0])] == "L"


def test_the_inter_patient_split_trains_on_ds1_and_scores_ds2(images: ImageSet) -> None:
    chosen = divided(images, "inter_patient")
    assert set(images.record_N[chosen.train].tolist()) == {"101", "106"} <= set(DS1)
    assert set(images.record_N[chosen.test].tolist()) == {"100", "103"} <= set(DS2)


def test_the_inter_patient_split_needs_records_of_both_halves(images: ImageSet) -> None:
    renamed = dataclasses.replace(images, record_N=np.full(images.num_images, "101"))
    with pytest.raises(
        DataError, match=r"leaves 40 images to train on and 0 to score: .* set pretrain.split to all"
    ):
        divided(renamed, "inter_patient")


def test_a_set_with_one_class_is_refused(images: ImageSet) -> None:
    normal = dataclasses.replace(images, symbol_N=np.full(images.num_images, "N"))
    with pytest.raises(DataError, match=r"beats of 1 of the five classes of pretrain.objective aami5"):
        divided(normal, "all")


def test_patients_of_another_database_are_split_at_random_and_never_on_both_sides(images: ImageSet) -> None:
    patients = np.array([f"I{number:02}" for number in range(8)])[images.beat_N % 8]
    records = np.char.add(patients, np.where(images.beat_N % 16 < 8, "a", "b"))
    other = dataclasses.replace(images, record_N=records, patient_N=patients)

    def halves(seed: int = 0) -> tuple[set[str], set[str]]:
        chosen = divided(other, "inter_patient", seed=seed)
        return set(patients[chosen.train].tolist()), set(patients[chosen.test].tolist())

    trained, scored = halves()
    assert (len(trained), len(scored), len(trained | scored)) == (4, 4, 8)
    assert halves() == (trained, scored)
    assert any(halves(seed) != (trained, scored) for seed in (1, 2, 3))


def test_one_patient_cannot_be_split(images: ImageSet) -> None:
    alone = np.full(images.num_images, "I01")
    with pytest.raises(DataError, match=r"leaves 40 images to train on and 0 to score: .* of 1 patients;"):
        divided(dataclasses.replace(images, record_N=alone, patient_N=alone), "inter_patient")


def test_the_intra_patient_split_scores_a_fifth_of_the_beats_with_all_their_leads(images: ImageSet) -> None:
    chosen = divided(images, "intra_patient")
    assert len(chosen.test) == round(0.2 * images.num_beats) * len(images.leads)
    assert not set(images.beat_N[chosen.train].tolist()) & set(images.beat_N[chosen.test].tolist())
    assert len(chosen.train) + len(chosen.test) == images.num_images
    other = divided(images, "intra_patient", seed=1)
    assert not np.array_equal(chosen.test, other.test)
