"""The scikit-learn style class on a random backbone and simulated recordings."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from crtcore.config import FinetuneConfig
from crtcore.errors import ConfigError, DataError
from crtcore.model.backbones import build
from crtcore.model.checkpoint import encode_classifier
from crtcore.prediction.bundle_file import write_bundle
from crtcore.prediction.classifier import RecordingClassifier

FAST = FinetuneConfig(frozen_groups=5, epochs=8, batch_size=16)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    path = tmp_path / "backbone.safetensors"
    path.write_bytes(encode_classifier(build(18, 0)))
    return path


@pytest.fixture
def recordings(simulated_dir: Path) -> list[Path]:
    return sorted((simulated_dir / "cohort" / "records").glob("*.hea"))[:6]


def classifier(backbone: Path, config: FinetuneConfig = FAST) -> RecordingClassifier:
    return RecordingClassifier(backbone, leads=["II", "V1"], finetune=config, max_beats=2)


def test_it_learns_its_training_recordings_and_repeats(backbone: Path, recordings: list[Path]) -> None:
    label_P = [0, 1, 0, 1, 0, 1]
    model = classifier(backbone).fit(recordings, label_P)
    proba_PK = model.predict_proba(recordings)
    assert proba_PK.shape == (6, 2)
    assert proba_PK.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-12)
    assert proba_PK[1::2, 1].min() > proba_PK[::2, 1].max()
    again = clone(model).fit(recordings, label_P)
    assert np.array_equal(again.predict_proba(recordings), proba_PK)
    assert set(model.predict(recordings)) <= {0, 1}


def test_a_bundle_predicts_as_the_model_that_was_written(
    backbone: Path, recordings: list[Path], tmp_path: Path
) -> None:
    model = classifier(backbone).fit(recordings, [0, 1, 0, 1, 0, 1])
    write_bundle(tmp_path / "bundle", model.predictor_, {})
    read = RecordingClassifier.from_bundle(tmp_path / "bundle")
    assert read.predict_proba(recordings) == pytest.approx(model.predict_proba(recordings), abs=1e-9)


@pytest.mark.parametrize("label_P", [[0, 1], [1] * 6, [0, 1, 2, 0, 1, 2]])
def test_labels_that_do_not_fit_are_refused(
    backbone: Path, recordings: list[Path], label_P: list[int]
) -> None:
    with pytest.raises(DataError, match="0 or 1 for each of the 6 recordings"):
        classifier(backbone).fit(recordings, label_P)


def test_another_head_is_refused(backbone: Path, recordings: list[Path]) -> None:
    config = FinetuneConfig(frozen_groups=5, head="svm")
    with pytest.raises(ConfigError, match="linear"):
        classifier(backbone, config).fit(recordings, [0, 1] * 3)
