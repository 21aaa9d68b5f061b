import dataclasses

import numpy as np
import pytest
from scipy.special import log_softmax

from benchmarks.late_fusion.consensus import beat_clusters, consensus
from benchmarks.late_fusion.departure import departure_features
from benchmarks.late_fusion.late_fusion import (
    MODELS,
    WEIGHTS,
    committed_fusion,
    fusion_stage,
    log_shares,
    run_fusion,
)
from crtcore.data.loader import load_images
from crtcore.errors import ConfigError
from crtcore.training.pretraining.beat_scores import read_scores
from crtcore.training.pretraining.pretrain import pretrain_stage
from tests.crtcore.training.tiny_sets import CPU, Prepared, Source, commit_set, experiment_with


@pytest.fixture(scope="module")
def both_halves(prepared: Prepared) -> Prepared:
    """Records of DS2 and of both halves of DS1."""
    symbols = ["N", "N", "V"] * 8
    arrhythmia = commit_set(
        prepared.store,
        "fusion",
        [
            Source(patient_id=name, record_id=name, label=-1, symbol_B=symbols, level_B=[0.0, 0.0, 0.9] * 8)
            for name in ("100", "101", "103", "106")
        ],
    )
    return Prepared(store=prepared.store, arrhythmia=arrhythmia, cohort=prepared.cohort)


def test_the_fusion_is_scored_on_ds2_with_a_weight_from_ds1(both_halves: Prepared) -> None:
    store, arrhythmia = both_halves.store, both_halves.arrhythmia
    experiment = experiment_with(pretrain={"split": "inter_patient", "epochs": 1, "batch_size": 12})
    stage = fusion_stage(experiment, arrhythmia)
    reports = list(run_fusion(store, stage, experiment, arrhythmia, CPU))
    assert len(reports) == 3  # DS1 -> DS2, and each half of DS1 -> the other
    facts = committed_fusion(store, stage).facts
    within = {tuple(each["weights"][name] for name in MODELS): each for each in facts["within_ds1"]}
    assert list(within) == list(WEIGHTS)
    chosen = within[tuple(facts["weights"][name] for name in MODELS)]
    assert chosen["macro_f1"] == max(each["macro_f1"] for each in within.values())
    assert {name: facts[name] for name in ("weights", "evenness", "consensus")} == {
        name: chosen[name] for name in ("weights", "evenness", "consensus")
    }
    assert facts["image"] == store.find(pretrain_stage(experiment, arrhythmia)).facts["figures"]  # type: ignore[union-attr]
    assert facts["fused"]["num_records"] == 2
    fused = read_scores(store.path(stage, "scores.parquet"))
    assert set(fused.record_N.tolist()) == {"100", "103"}
    assert fused.metrics(seed=0) == facts["fused"]
    # All halves have the same shares, those of DS1.
    share_K = log_shares(fused.label_N, len(fused.classes))
    alone_NK = log_softmax(fused.log_probability_NK - facts["evenness"] * share_K, axis=1)
    images = load_images(store, arrhythmia)
    cluster_N = beat_clusters(images, departure_features(images), seed=experiment.seed)[fused.row_N]
    together_NK = consensus(alone_NK, cluster_N)
    share = facts["consensus"]
    decided = dataclasses.replace(fused, log_probability_NK=(1 - share) * alone_NK + share * together_NK)
    assert decided.metrics(seed=0) == facts["decided"]
    np.testing.assert_allclose(np.exp(fused.log_probability_NK).sum(axis=1), 1)
    # All beats of these sets have one rhythm and one amplitude, which separate no classes.
    assert facts["rhythm"]["classes"]["V"]["f1"] in (None, 0.0)
    assert list(run_fusion(store, stage, experiment, arrhythmia, CPU)) == []


def test_other_splits_are_refused(prepared: Prepared) -> None:
    with pytest.raises(ConfigError, match=r"set pretrain.split to inter_patient .* not all and aami5"):
        fusion_stage(experiment_with(), prepared.arrhythmia)


def test_subtracting_the_log_shares_makes_all_classes_equally_frequent() -> None:
    label_N = np.repeat([0, 1], [900, 100])
    log_share_K = log_shares(label_N, 3)
    np.testing.assert_allclose(np.exp(log_share_K), [0.9, 0.1, 1.0])
    likelihood_NK = np.array([[0.3, 0.6], [0.6, 0.3]])
    posterior_NK = np.log(likelihood_NK) + log_share_K[:2]
    assert posterior_NK.argmax(axis=1).tolist() == [0, 0]
    assert (posterior_NK - log_share_K[:2]).argmax(axis=1).tolist() == [1, 0]
