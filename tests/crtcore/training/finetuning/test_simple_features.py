"""The features of a cohort, and that one recording alone gives the same."""

import numpy as np
import pytest

from crtcore.config import Experiment, SimpleModel
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import open_store, plan, read_sources, run_trial
from crtcore.prediction.predictor import Preparation
from crtcore.signal.formats import read_any
from crtcore.stages.stage import Stage
from crtcore.training.finetuning.simple_features import cohort_features, pooled_pixels, recording_features
from crtcore.training.pretraining.pretrain import MODEL_FILE
from tests.crtcore.training.tiny_sets import CPU, Prepared


def test_an_image_is_pooled_in_blocks_of_four_by_four() -> None:
    image_NFT = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    pooled_ND = pooled_pixels(image_NFT)
    assert pooled_ND.shape == (3, 256)
    assert pooled_ND[2, 16 * 5 + 7] == pytest.approx(image_NFT[2, 20:24, 28:32].mean())


def test_a_patients_pixels_are_the_mean_of_all_beats(prepared: Prepared) -> None:
    images = load_images(prepared.store, prepared.cohort)
    found = cohort_features("pixels", prepared.store, images, features=None, table=None)
    assert found.value_PD.shape == (12, 512)
    assert found.names[0] == "I pixel 0" and found.names[256] == "V1 pixel 0"
    assert found.num_beats_P.sum() == images.num_beats
    for patient, patient_id in enumerate(found.id_P):
        own_NFT = images.image_NFT[images.patient_N == patient_id].reshape(-1, 2, 64, 64)
        expected = [pooled_pixels(own_NFT[:, lead]).mean(axis=0) for lead in (0, 1)]
        assert found.value_PD[patient] == pytest.approx(np.concatenate(expected))
        assert found.label_P[patient] == images.label_N[images.patient_N == patient_id][0]


@pytest.mark.parametrize("model", ["clinical", "qrs", "pixels", "random_features", "pretrained_features"])
def test_one_recording_gives_the_features_that_training_saw(tiny: Experiment, model: SimpleModel) -> None:
    experiment = override(tiny, {"finetune.model": model})
    sources, store = read_sources(experiment), open_store(experiment)
    stages = plan(experiment, sources)
    list(run_trial(store, experiment, stages, CPU))
    table: Stage | None = None if stages.table is None else stages.table.stage
    found = cohort_features(
        model, store, load_images(store, stages.cohort), features=stages.features, table=table
    )
    source = sources.cohort[5]
    recording = read_any(source.path)
    preparation = Preparation(
        spectrogram=experiment.spectrogram, leads=sources.cohort_leads, max_beats=2, refused=()
    )
    value_D = recording_features(
        model,
        found.names,
        recording=recording,
        image_BCFT=preparation.inputs(recording).image_BCFT,
        backbone=load_backbone(store.path(stages.pretrain, MODEL_FILE)) if stages.reads_network else None,
        clinical=next(p.clinical for p in sources.patients if p.patient_id == source.patient_id),
    )
    patient = found.id_P.tolist().index(source.patient_id)
    np.testing.assert_allclose(value_D, found.value_PD[patient], rtol=1e-5, atol=1e-6)
