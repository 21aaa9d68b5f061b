"""A recording -> a probability, also for a patient whom the model has never seen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from crtcore.config import Experiment, SpectrogramConfig
from crtcore.configfile import override
from crtcore.data.loader import load_images
from crtcore.errors import ConfigError, DataError
from crtcore.model.backbones import build
from crtcore.pipeline import open_store, plan, prepare, read_sources
from crtcore.prediction.bundle_file import read_bundle, write_bundle
from crtcore.prediction.network import BeatModel
from crtcore.prediction.onnx_file import NEEDED, write_onnx
from crtcore.prediction.predictor import BeatInputs, Predictor, Preparation, beat_logits, patient_probability
from crtcore.prediction.refit import load_refit, refit_stage, run_refit
from crtcore.signal.recording import FloatArray, Recording
from crtcore.training.finetuning.patients import patient_beats, patient_scores
from crtcore.training.pretraining.pretrain import run_pretrain

CPU = torch.device("cpu")
PREPARATION = Preparation(spectrogram=SpectrogramConfig(), leads=("II", "V1"), max_beats=2)


def recording(leads: tuple[str, ...], signal_CS: FloatArray) -> Recording:
    return Recording(
        record_id="r1", patient_id="p1", leads=leads, sampling_rate_hz=500.0, signal_CS=signal_CS
    )


def all_but_one(tiny: Experiment) -> tuple[Experiment, str]:
    """An experiment without its cohort's last patient, and that patient."""
    *others, last = (patient.patient_id for patient in read_sources(tiny).patients)
    changes = {"cohort.patients": tuple(others), "finetune.amplitude": True, "pretrain.objective": "none"}
    return override(tiny, changes), last


@pytest.mark.parametrize("architecture", ["resnet", "resnet1d"])
def test_a_held_back_patient_is_predicted_from_the_file_as_in_process(
    tiny: Experiment, tmp_path: Path, architecture: str
) -> None:
    tiny = override(tiny, {"pretrain.architecture": architecture})
    experiment, held_back = all_but_one(tiny)
    store, sources, config = open_store(experiment), read_sources(experiment), experiment.finetune
    stages = plan(experiment, sources)
    prepare(store, stages)
    list(run_pretrain(store, stages.pretrain, experiment, stages.arrhythmia, CPU))
    stage = refit_stage(config, experiment.seed, stages.pretrain, stages.cohort)
    list(run_refit(store, stage, config, experiment.seed, stages.pretrain, stages.cohort, CPU))
    model = load_refit(store, stage)
    assert held_back not in load_images(store, stages.cohort).patient_N

    # In process: the stage store's images of the whole cohort, grouped and scored as in training.
    everyone = read_sources(tiny)
    stages_of_all = plan(tiny, everyone)
    prepare(store, stages_of_all)
    images = load_images(store, stages_of_all.cohort)
    beats = patient_beats(images, torch.from_numpy(np.array(images.image_NFT)), amplitude=True)
    inputs = BeatInputs(image_BCFT=beats.inputs.numpy(), scalar_BCE=beats.scalar_BCE.numpy())
    logit_B = beat_logits(model, inputs)
    number = beats.id_P.tolist().index(held_back)
    (expected,) = patient_scores(logit_B, beats.patient_B, np.array([number]))

    # From the file: the exported bundle and the recording, as somebody else has them.
    preparation = Preparation(
        spectrogram=experiment.spectrogram,
        leads=sources.cohort_leads,
        max_beats=2,
        amplitude=True,
        waveform=experiment.takes_waveforms,
    )
    predictor = Predictor(model=model, preparation=preparation, threshold=0.5, classes=("0", "1"))
    write_bundle(tmp_path / "bundle", predictor, {})
    path = next(source.path for source in everyone.cohort if source.patient_id == held_back)
    assert read_bundle(tmp_path / "bundle").probability(path) == pytest.approx(expected, abs=1e-6)
    assert abs(expected - 0.5) > 1e-3  # an untrained head says 0.5 of everybody

    if experiment.takes_waveforms:
        with pytest.raises(ConfigError, match="without --onnx"):
            write_onnx(tmp_path / "model.onnx", model, inputs)
        return
    for name in NEEDED:
        pytest.importorskip(name)
    import onnxruntime

    write_onnx(tmp_path / "model.onnx", model, inputs)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    mine = beats.patient_B == number
    feed = {"image": inputs.image_BCFT[mine], "scalar": inputs.scalar_BCE[mine]}
    (onnx_B,) = session.run(["logit"], feed)
    assert onnx_B == pytest.approx(logit_B[mine], abs=1e-4)
    assert patient_probability(onnx_B) == pytest.approx(expected, abs=1e-4)


def test_a_patient_s_probability_is_of_the_mean_logit() -> None:
    assert patient_probability(np.array([2.0, -1.0], np.float32)) == pytest.approx(expit(0.5), abs=1e-9)


def test_logits_do_not_depend_on_how_beats_are_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    model = BeatModel(build(18, 0).backbone, num_leads=2, lead_fusion="concatenate").eval()
    with torch.no_grad():
        model.head.scale_D.fill_(1.0)
        model.head.linear.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    image_BCFT = np.random.default_rng(0).integers(0, 256, (5, 2, 64, 64), dtype=np.uint8)
    inputs = BeatInputs(image_BCFT=image_BCFT, scalar_BCE=np.empty((5, 2, 0), np.float32))
    whole_B = beat_logits(model, inputs)
    assert np.ptp(whole_B) > 1e-2
    monkeypatch.setattr("crtcore.prediction.predictor.SCORING_BATCH_SIZE", 4)  # two beats of two leads
    np.testing.assert_allclose(beat_logits(model, inputs), whole_B, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("signal_CS", "fault"),
    [
        (np.zeros((2, 5000), np.float32), "it is flagged .*flat"),
        (np.full((2, 5000), np.nan, np.float32), "it is flagged .*missing"),
        (np.random.default_rng(0).normal(size=(2, 250)).astype(np.float32), "it is flagged .*too_short"),
        (np.clip(np.sin(np.arange(10_000).reshape(2, 5000) / 60) ** 3, -1, 0.6), "it is flagged .*clipped"),
    ],
)
def test_quality_flags_refuse_with_a_remedy(signal_CS: FloatArray, fault: str) -> None:
    with pytest.raises(
        DataError, match=rf"recording r1 is refused: {fault}.*; give a recording of .* s or more"
    ):
        PREPARATION.inputs(recording(("II", "V1"), signal_CS))


def test_counts_of_a_converter_are_refused() -> None:
    signal_CS = 1000 * np.random.default_rng(0).normal(size=(2, 5000)).astype(np.float32)
    with pytest.raises(DataError, match=r"recording r1: lead II spans [\d,]+ mV"):
        PREPARATION.inputs(recording(("II", "V1"), signal_CS))


def test_an_absent_lead_is_named_with_the_leads_that_the_model_needs() -> None:
    with pytest.raises(DataError, match=r"has no lead II .* this model needs II, V1: give a recording with"):
        PREPARATION.inputs(recording(("I", "V6"), np.zeros((2, 5000), np.float32)))
