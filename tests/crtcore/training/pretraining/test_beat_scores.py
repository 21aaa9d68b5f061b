from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import log_softmax

from crtcore.training.pretraining.beat_metrics import beat_metrics
from crtcore.training.pretraining.beat_scores import BeatScores, read_scores

CLASSES = ("N", "S", "V")


@pytest.fixture
def scores() -> BeatScores:
    rng = np.random.default_rng(0)
    return BeatScores(
        classes=CLASSES,
        row_N=np.arange(3, 43),
        record_N=np.repeat(["100", "201b"], 20),
        label_N=rng.integers(0, 3, 40),
        log_probability_NK=log_softmax(rng.normal(size=(40, 3)), axis=1),
    )


def test_what_is_written_is_read_back(scores: BeatScores, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(scores.encode())
    read = read_scores(path)
    assert read.classes == CLASSES
    assert read.record_N.tolist() == scores.record_N.tolist()
    for name in ("row_N", "label_N", "log_probability_NK"):
        np.testing.assert_array_equal(getattr(read, name), getattr(scores, name))


def test_the_columns_are_those_of_stored_stages(scores: BeatScores, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(scores.encode())
    assert pq.read_table(path).column_names == [
        "row",
        "record_id",
        "label",
        "log_probability_N",
        "log_probability_S",
        "log_probability_V",
    ]


def test_metrics_are_those_of_the_most_probable_classes(scores: BeatScores) -> None:
    predicted_N = scores.predicted()
    assert predicted_N.tolist() == [int(np.argmax(row)) for row in scores.log_probability_NK]
    expected = beat_metrics(scores.label_N, predicted_N, scores.record_N, CLASSES, seed=4)
    assert scores.metrics(seed=4) == expected
    assert scores.metrics(seed=4)["accuracy"] == np.mean(predicted_N == scores.label_N)
