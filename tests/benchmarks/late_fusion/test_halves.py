import dataclasses

import numpy as np
import pytest

from benchmarks.late_fusion.halves import HALVES, half_set, half_stage, run_half
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.splits import DS1, DS2
from crtcore.training.pretraining.beat_scores import read_scores
from crtcore.training.pretraining.pretrain import pretrain_stage
from tests.crtcore.training.tiny_sets import CPU, Prepared, experiment_with

EXPERIMENT = experiment_with(pretrain={"split": "inter_patient", "epochs": 1})


@pytest.fixture
def images(prepared: Prepared) -> ImageSet:
    return load_images(prepared.store, prepared.arrhythmia)


def test_each_half_of_ds1_is_scored_by_a_network_trained_on_the_other(images: ImageSet) -> None:
    names = np.array((*DS1[:12], *DS2[:8]))[images.beat_N % 20]
    renamed = dataclasses.replace(images, record_N=names, patient_N=names)
    sides = []
    for half in HALVES:
        chosen = half_set(renamed, EXPERIMENT, half)
        sides.append(tuple(set(names[rows].tolist()) for rows in (chosen.train, chosen.test)))
    (train_0, test_0), (train_1, test_1) = sides
    assert test_0 == set(DS1[:12:2])
    assert test_1 == set(DS1[1:12:2])
    assert (train_0, train_1) == (test_1, test_0)


def test_a_half_is_trained_once_and_its_scores_are_those_of_its_records(prepared: Prepared) -> None:
    stages = [half_stage(EXPERIMENT, prepared.arrhythmia, half) for half in HALVES]
    network = pretrain_stage(EXPERIMENT, prepared.arrhythmia)
    assert len({network.digest, *(stage.digest for stage in stages)}) == 3
    for half, stage, record in zip(HALVES, stages, ("101", "106"), strict=True):
        arguments = (prepared.store, stage, EXPERIMENT, prepared.arrhythmia, half, CPU)
        assert [report.stage for report in run_half(*arguments)] == ["half"]
        assert list(run_half(*arguments)) == []
        scores = read_scores(prepared.store.path(stage, "scores.parquet"))
        assert set(scores.record_N.tolist()) == {record}
