"""The ONNX file: its inputs, and the comparison with PyTorch before it is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crtcore.errors import ConfigError, StorageError
from crtcore.model.backbones import build
from crtcore.prediction import onnx_file
from crtcore.prediction.network import BeatModel, MeanModel
from crtcore.prediction.onnx_file import NEEDED, TOLERANCE, require_onnx, write_onnx
from crtcore.prediction.predictor import BeatInputs, beat_logits


def model_and_inputs() -> tuple[BeatModel, BeatInputs]:
    model = BeatModel(build(18, 0).backbone, num_leads=2, lead_fusion="concatenate").eval()
    with torch.no_grad():
        model.head.scale_D.fill_(1.0)
        model.head.linear.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    image_BCFT = np.random.default_rng(0).integers(0, 256, (3, 2, 64, 64), dtype=np.uint8)
    return model, BeatInputs(image_BCFT=image_BCFT, scalar_BCE=np.empty((3, 2, 0), np.float32))


def test_a_missing_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "NEEDED", ("numpy", "no_such_package"))
    with pytest.raises(ConfigError, match=r"ONNX needs no_such_package; .* 'crtsearch-ecg\[onnx\]'"):
        require_onnx(waveform=False)
    with pytest.raises(
        ConfigError, match=r"on waveforms \(resnet1d\) cannot be exported as ONNX; export without --onnx"
    ):
        require_onnx(waveform=True)


def test_without_scalars_it_takes_images_alone_and_a_file_that_differs_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NEEDED:
        pytest.importorskip(name)
    import onnxruntime

    path = tmp_path / "model.onnx"
    model, inputs = model_and_inputs()
    assert write_onnx(path, model, inputs) <= TOLERANCE
    content = path.read_bytes()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["image"]
    (logit_B,) = session.run(["logit"], {"image": inputs.image_BCFT})
    assert logit_B == pytest.approx(beat_logits(model, inputs), abs=TOLERANCE)
    assert np.ptp(logit_B) > 1e-2
    # ONNX Runtime computes as before; what PyTorch is said to compute is something else, then nothing at all.
    for other in (9.0, np.nan):
        expected_B = np.full(len(inputs), other, np.float32)
        monkeypatch.setattr(onnx_file, "beat_logits", lambda *given, said=expected_B: said)
        monkeypatch.setattr("torch.onnx.export", lambda *given, **settings: None)  # the file is there
        path.write_bytes(content)
        with pytest.raises(StorageError, match="so no ONNX file was written; export without --onnx"):
            write_onnx(path, model, inputs)
        assert not path.exists()


def test_several_networks_become_one_graph_that_averages(tmp_path: Path) -> None:
    for name in NEEDED:
        pytest.importorskip(name)
    import onnxruntime

    first, inputs = model_and_inputs()
    second = BeatModel(build(18, 1).backbone, num_leads=2, lead_fusion="mean").eval()
    with torch.no_grad():
        second.head.scale_D.fill_(1.0)
        second.head.linear.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    write_onnx(tmp_path / "model.onnx", MeanModel([first, second]), inputs)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (logit_B,) = session.run(["logit"], {"image": inputs.image_BCFT})
    expected_KB = [beat_logits(first, inputs), beat_logits(second, inputs)]
    assert logit_B == pytest.approx(np.mean(expected_KB, axis=0), abs=TOLERANCE)
