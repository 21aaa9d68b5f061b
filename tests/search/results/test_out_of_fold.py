"""The predictions of trials, read back from the stages that really ran."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from crtcore.config import Experiment
from crtcore.pipeline import open_store
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.predictions import OutOfFold, encode_out_of_fold, read_out_of_fold
from search.results.leaderboard import build_leaderboard
from search.results.out_of_fold import AlignedPredictions, read_aligned


def test_columns_are_in_the_order_of_trials_and_shared_stages_count_once() -> None:
    predictions = AlignedPredictions(
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
        beats = read_out_of_fold(store, digest)
        assert beats.score_RB is not None
        assert beats.score_RB.shape == beats.folds_of_beats().shape == (1, row.counts["num_beats"])
        column = predictions.configuration(
            {r.number: str(r.stages["finetune"]) for r in board.rows}, row.number
        )
        for number in range(len(predictions.patient_ids)):
            mine = beats.patient_B == number
            expected = expit(logit(beats.score_RB[0, mine]).mean())
            assert predictions.score_RPC[0, number, column] == pytest.approx(expected, abs=1e-6)
            assert (beats.folds_of_beats()[0, mine] == predictions.fold_RP[0, number]).all()


def test_the_predictions_of_all_trials_stand_side_by_side(tmp_path: Path) -> None:
    store = StageStore(str(tmp_path), cache=tmp_path / "cache")
    label_P, fold_RP = np.array([1, 0, 0]), np.array([[0, 1, 1], [1, 0, 1]])
    score_RPC = np.random.default_rng(0).random((2, 3, 2))
    digests = {}
    for configuration, number in enumerate((4, 1)):
        found = OutOfFold(
            id_P=np.array(["a", "b", "c"]),
            label_P=label_P,
            fold_RP=fold_RP,
            score_RP=score_RPC[:, :, configuration],
        )
        stage = Stage(name="finetune", config={"number": number}, inputs=(), version=1)
        store.commit(stage, encode_out_of_fold(found, num_beats_P=np.ones(3, int), num_leads=1), {})
        digests[number] = stage.digest
    digests[7] = digests[1]  # the same stage as an earlier trial
    aligned = read_aligned(store, digests)
    assert aligned.patient_ids == ("a", "b", "c")
    assert aligned.numbers == (1, 4)
    np.testing.assert_array_equal(aligned.label_P, label_P)
    np.testing.assert_array_equal(aligned.fold_RP, fold_RP)
    np.testing.assert_array_equal(aligned.score_RPC, score_RPC[:, :, ::-1])
    assert [aligned.configuration(digests, number) for number in (1, 4, 7)] == [0, 1, 0]
