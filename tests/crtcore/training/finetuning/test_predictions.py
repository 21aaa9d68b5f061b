"""The out-of-fold files: what is written is read back, in the format that stored sweeps have."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crtcore.errors import StorageError
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.predictions import (
    BEATS_FILE,
    OOF_FILE,
    OutOfFold,
    encode_out_of_fold,
    read_out_of_fold,
    read_patients,
)

PATIENT_B = np.array([2, 0, 1, 0])
NUM_BEATS_P = np.array([2, 1, 1])


def predictions(seed: int = 0, *, with_beats: bool = True) -> OutOfFold:
    """Three patients with four beats, scored in two repeats."""
    rng = np.random.default_rng(seed)
    return OutOfFold(
        id_P=np.array(["a", "b", "c10"]),
        label_P=np.array([1, 0, 1]),
        fold_RP=np.array([[0, 1, 1], [1, 0, 1]]),
        score_RP=rng.random((2, 3)),
        patient_B=PATIENT_B if with_beats else None,
        score_RB=rng.random((2, 4)) if with_beats else None,
    )


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")


def commit(store: StageStore, number: int, files: dict[str, bytes]) -> str:
    stage = Stage(name="finetune", config={"number": number}, inputs=(), version=1)
    store.commit(stage, files, {})
    return stage.digest


def encoded(found: OutOfFold) -> dict[str, bytes]:
    return encode_out_of_fold(found, num_beats_P=NUM_BEATS_P, num_leads=12)


def test_the_columns_are_those_of_stored_sweeps() -> None:
    files = encoded(predictions())
    patients, beats = (pq.read_table(io.BytesIO(files[name])) for name in (OOF_FILE, BEATS_FILE))
    assert (OOF_FILE, BEATS_FILE) == ("oof.parquet", "beats.parquet")
    assert {name: str(patients.schema.field(name).type) for name in patients.column_names} == {
        "patient_id": "string",
        "label": "int64",
        "repeat": "int64",
        "fold": "int64",
        "score": "double",
        "num_beats": "int64",
        "num_images": "int64",
    }
    assert patients["patient_id"].to_pylist() == ["a", "b", "c10"] * 2
    assert patients["label"].to_pylist() == [1, 0, 1] * 2
    assert patients["repeat"].to_pylist() == [0, 0, 0, 1, 1, 1]
    assert patients["fold"].to_pylist() == [0, 1, 1, 1, 0, 1]
    assert patients["num_beats"].to_pylist() == [2, 1, 1] * 2
    assert patients["num_images"].to_pylist() == [24, 12, 12] * 2
    assert beats.column_names == ["patient_id", "repeat", "fold", "beat", "score"]
    assert beats["patient_id"].to_pylist() == ["c10", "a", "b", "a"] * 2
    assert beats["repeat"].to_pylist() == [0] * 4 + [1] * 4
    assert beats["fold"].to_pylist() == [1, 0, 1, 0, 1, 1, 0, 1]
    assert beats["beat"].to_pylist() == [0, 1, 2, 3] * 2


@pytest.mark.parametrize("with_beats", [True, False])
def test_what_is_written_is_read_back(store: StageStore, with_beats: bool) -> None:
    written = predictions(with_beats=with_beats)
    files = encoded(written)
    assert (BEATS_FILE in files) == with_beats
    read = read_out_of_fold(store, commit(store, 0, files))
    assert read.id_P.tolist() == written.id_P.tolist()
    np.testing.assert_array_equal(read.label_P, written.label_P)
    np.testing.assert_array_equal(read.fold_RP, written.fold_RP)
    np.testing.assert_array_equal(read.score_RP, written.score_RP)
    if with_beats:
        np.testing.assert_array_equal(read.patient_B, PATIENT_B)
        np.testing.assert_array_equal(read.score_RB, written.score_RB)
        assert read.folds_of_beats().tolist() == [[1, 0, 1, 0], [1, 1, 0, 1]]
    else:
        assert read.patient_B is None
        assert read.score_RB is None


def test_rows_in_another_order_are_the_same_predictions(store: StageStore) -> None:
    written = predictions()
    shuffled = {}
    for name, content in encoded(written).items():
        table = pq.read_table(io.BytesIO(content))
        stream = io.BytesIO()
        pq.write_table(table.take(np.random.default_rng(1).permutation(len(table))), stream)
        shuffled[name] = stream.getvalue()
    read = read_out_of_fold(store, commit(store, 0, shuffled))
    np.testing.assert_array_equal(read.score_RP, written.score_RP)
    np.testing.assert_array_equal(read.fold_RP, written.fold_RP)
    np.testing.assert_array_equal(read.patient_B, PATIENT_B)
    np.testing.assert_array_equal(read.score_RB, written.score_RB)


def test_patients_of_several_stages_are_read_without_mixing_them_up(store: StageStore) -> None:
    written = [predictions(seed) for seed in range(3)]
    other = OutOfFold(
        id_P=np.array(["b", "d"]),
        label_P=np.array([0, 1]),
        fold_RP=np.array([[1, 0]]),
        score_RP=np.array([[0.25, 0.75]]),
    )
    digests = [commit(store, number, encoded(found)) for number, found in enumerate(written)]
    between = encode_out_of_fold(other, num_beats_P=np.array([1, 1]), num_leads=1)
    digests.insert(1, commit(store, 3, between))
    read = list(read_patients(store, digests))
    for found, expected in zip(read, [written[0], other, *written[1:]], strict=True):
        assert found.id_P.tolist() == expected.id_P.tolist()
        np.testing.assert_array_equal(found.label_P, expected.label_P)
        np.testing.assert_array_equal(found.fold_RP, expected.fold_RP)
        np.testing.assert_array_equal(found.score_RP, expected.score_RP)
        assert found.score_RB is None
    assert read[3].id_P is read[0].id_P  # converted once


def test_a_file_without_the_counts_of_beats_is_read(store: StageStore) -> None:
    table = pa.table({"patient_id": ["a"], "label": [1], "repeat": [0], "fold": [0], "score": [0.5]})
    stream = io.BytesIO()
    pq.write_table(table, stream)
    assert read_out_of_fold(store, commit(store, 0, {OOF_FILE: stream.getvalue()})).score_RP.item() == 0.5


def test_missing_predictions_are_named(store: StageStore) -> None:
    with pytest.raises(StorageError, match=r"stage finetune/0+ has no file oof.parquet in "):
        read_out_of_fold(store, "0" * 20)
