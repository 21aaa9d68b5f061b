"""The predictions of trials, read back from the stages that really ran."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, logit

from crtcore.config import Experiment
from crtcore.pipeline import open_store
from crtcore.stages.stage import Stage, StageKey
from crtcore.stages.store import StageStore
from search.results.leaderboard import build_leaderboard
from search.results.out_of_fold import BEATS_FILE, OOF_FILE, OutOfFold, read_beats, read_out_of_fold


def test_columns_stand_in_the_order_of_trials_and_shared_stages_count_once() -> None:
    predictions = OutOfFold(
        patient_ids=("a", "b"),
        label_P=np.array([0, 1]),
        fold_RP=np.array([[0, 1], [1, 0]]),
        score_RPC=np.array([[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]]]),
        numbers=(2, 5),
    )
    assert predictions.scores() == pytest.approx(np.array([[0.3, 0.4], [0.5, 0.6]]))
    assert predictions.num_folds == 2
    digests = {2: "x", 5: "y", 7: "x"}
    assert [predictions.configuration(digests, number) for number in digests] == [0, 1, 0]


def test_a_patient_s_score_is_that_of_its_beats_mean_logit(finished: Experiment) -> None:
    board, store = build_leaderboard(finished.storage, finished.name), open_store(finished)
    predictions = board.predictions
    assert predictions is not None
    for row in board.rows:
        digest = str(row.stages["finetune"])
        beats = read_beats(store, digest, predictions)
        assert beats is not None
        assert beats.score_RB.shape == beats.fold_RB.shape == (1, row.counts["num_beats"])
        column = predictions.configuration(
            {r.number: str(r.stages["finetune"]) for r in board.rows}, row.number
        )
        for number in range(len(predictions.patient_ids)):
            mine = beats.patient_B == number
            expected = expit(logit(beats.score_RB[0, mine]).mean())
            assert predictions.score_RPC[0, number, column] == pytest.approx(expected, abs=1e-6)
            assert (beats.fold_RB[0, mine] == predictions.fold_RP[0, number]).all()


def test_a_stage_without_scores_of_beats_has_none(finished: Experiment) -> None:
    board, store = build_leaderboard(finished.storage, finished.name), open_store(finished)
    assert board.predictions is not None
    pretrain = StageKey(name="pretrain", digest=str(board.rows[0].stages["pretrain"]))
    manifest = store.find(pretrain)
    assert manifest is not None
    assert BEATS_FILE not in manifest.files
    assert read_beats(store, "0" * 20, board.predictions) is None


def test_rows_in_another_order_are_the_same_predictions(tmp_path: Path) -> None:
    rows = [(repeat, name) for repeat in (0, 1) for name in ("b", "a", "c")]
    store = StageStore(str(tmp_path), cache=tmp_path / "cache")
    digests = {}
    for number, shuffled in enumerate((rows, rows[::-1])):
        table = pa.table(
            {
                "patient_id": [name for _, name in shuffled],
                "label": [int(name == "a") for _, name in shuffled],
                "repeat": [repeat for repeat, _ in shuffled],
                "fold": [int(name > "a") for _, name in shuffled],
                "score": [repeat + ord(name) / 1000 for repeat, name in shuffled],
            }
        )
        stream = io.BytesIO()
        pq.write_table(table, stream)
        stage = Stage(name="finetune", config={"number": number}, inputs=(), version=1)
        store.commit(stage, {OOF_FILE: stream.getvalue()}, {})
        digests[number] = stage.digest
    found = read_out_of_fold(store, digests)
    assert found.patient_ids == ("a", "b", "c")
    assert found.label_P.tolist() == [1, 0, 0]
    assert found.fold_RP.tolist() == [[0, 1, 1], [0, 1, 1]]
    assert found.score_RPC[0, :, 0].tolist() == [0.097, 0.098, 0.099]
    assert (found.score_RPC[1] > 1).all()
    np.testing.assert_array_equal(found.score_RPC[:, :, 0], found.score_RPC[:, :, 1])
