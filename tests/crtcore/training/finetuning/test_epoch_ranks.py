"""Ranks instead of scores: nothing that an AUC depends on is lost."""

import numpy as np
import pytest

from crtcore.errors import StorageError
from crtcore.evaluation.metrics import auc
from crtcore.training.finetuning.epoch_ranks import cohort_key, decode_ranks, encode_ranks
from crtcore.training.finetuning.predictions import OutOfFold


def predictions(num_patients: int, *, seed: int = 0) -> OutOfFold:
    rng = np.random.default_rng(seed)
    score_RP = 1 - np.exp(-rng.uniform(0, 30, size=(2, num_patients)))  # most are almost 1
    score_RP[:, :3] = score_RP[:, 3:4]  # and some tie
    return OutOfFold(
        id_P=np.array([f"p{number:05}" for number in range(num_patients)]),
        label_P=np.arange(num_patients) % 2,
        fold_RP=np.tile(np.arange(num_patients) // 2 % 3, (2, 1)),
        score_RP=score_RP,
    )


def key_of(found: OutOfFold) -> str:
    return cohort_key(found.id_P, found.label_P, found.fold_RP)


@pytest.mark.parametrize("num_patients", [12, 71, 256, 257, 1000])
def test_ranks_have_the_aucs_of_the_scores(num_patients: int) -> None:
    found = predictions(num_patients)
    rank_RP = decode_ranks(encode_ranks(found), key=key_of(found), shape=found.score_RP.shape)
    assert rank_RP is not None
    for rank_P, score_P, fold_P in zip(rank_RP, found.score_RP, found.fold_RP, strict=True):
        assert auc(found.label_P, 1.0 * rank_P) == auc(found.label_P, score_P)
        for fold in range(3):
            inside = fold_P == fold
            expected = auc(found.label_P[inside], score_P[inside])
            assert auc(found.label_P[inside], 1.0 * rank_P[inside]) == expected
    in_float32 = found.score_RP.astype(np.float32).astype(np.float64)
    assert len(np.unique(in_float32)) < len(np.unique(found.score_RP))


def test_a_repeat_of_71_patients_takes_100_characters() -> None:
    assert len(encode_ranks(predictions(71))) == 13 + 4 * 48  # two repeats: 142 bytes in base64


def test_ranks_of_another_cohort_are_not_read() -> None:
    found = predictions(20)
    text = encode_ranks(found)
    for other in (
        cohort_key(found.id_P[::-1], found.label_P, found.fold_RP),
        cohort_key(found.id_P, 1 - found.label_P, found.fold_RP),
        cohort_key(found.id_P, found.label_P, found.fold_RP[:, ::-1]),
    ):
        assert decode_ranks(text, key=other, shape=(2, 20)) is None


@pytest.mark.parametrize("content", ["", "AAAA", "no base64"])
def test_a_damaged_text_is_a_storage_error(content: str) -> None:
    key = key_of(predictions(20))
    with pytest.raises(StorageError, match="damaged"):
        decode_ranks(f"{key}:{content}", key=key, shape=(2, 20))
