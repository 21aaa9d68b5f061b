import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from crtcore.training.pretraining.beat_metrics import beat_metrics, macro_f1

CLASSES = ("N", "S", "V", "F", "Q")


def beats(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label_N = rng.choice(5, size=2000, p=[0.8, 0.05, 0.1, 0.03, 0.02])
    predicted_N = np.where(rng.random(2000) < 0.8, label_N, rng.integers(0, 5, 2000))
    return label_N, predicted_N, rng.choice([f"{record}" for record in range(100, 110)], size=2000)


def test_metrics_are_those_of_scikit_learn() -> None:
    label_N, predicted_N, record_N = beats()
    metrics = beat_metrics(label_N, predicted_N, record_N, CLASSES, seed=0)
    assert metrics["confusion"] == confusion_matrix(label_N, predicted_N).tolist()
    assert metrics["accuracy"] == pytest.approx(float((label_N == predicted_N).mean()))
    for name, expected in (
        ("sensitivity", recall_score(label_N, predicted_N, average=None)),
        ("positive_predictivity", precision_score(label_N, predicted_N, average=None)),
        ("f1", f1_score(label_N, predicted_N, average=None)),
    ):
        assert [metrics["classes"][kind][name] for kind in CLASSES] == pytest.approx(expected.tolist())
    expected_macro = float(f1_score(label_N, predicted_N, labels=[0, 1, 2, 3], average="macro"))
    assert metrics["macro_f1"] == pytest.approx(expected_macro)
    assert float(macro_f1(confusion_matrix(label_N, predicted_N), CLASSES)) == pytest.approx(expected_macro)
    low, high = metrics["interval"]["macro_f1"]
    assert low < metrics["macro_f1"] < high
    assert json.dumps(metrics, allow_nan=False)
    assert metrics["num_records"] == 10


def test_the_interval_reflects_how_much_records_differ() -> None:
    """All errors in one record of ten: a bootstrap over beats would give an interval of about 1 %."""
    label_N = np.tile([0, 2], 1000)
    record_N = np.repeat([f"{record}" for record in range(10)], 200)
    predicted_N = np.where(record_N == "3", 0, label_N)
    metrics = beat_metrics(label_N, predicted_N, record_N, CLASSES, seed=0)
    low, high = metrics["interval"]["f1_V"]
    assert high == 1.0
    assert low < 0.83
    again = beat_metrics(label_N, predicted_N, record_N, CLASSES, seed=0)
    assert metrics == again


def test_classes_without_beats_have_no_metrics_and_do_not_enter_the_mean() -> None:
    label_N, record_N = np.array([0, 0, 2, 2]), np.array(["a", "a", "b", "b"])
    metrics = beat_metrics(label_N, np.array([0, 0, 2, 0]), record_N, CLASSES, seed=0)
    assert metrics["classes"]["S"] == {
        "num_beats": 0,
        "sensitivity": None,
        "positive_predictivity": None,
        "f1": None,
    }
    assert metrics["interval"]["f1_S"] is None
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
