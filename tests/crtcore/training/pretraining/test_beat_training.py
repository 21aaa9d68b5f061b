import numpy as np
import pytest

from crtcore.data.loader import load_images
from crtcore.training.pretraining.beat_training import BeatTraining
from crtcore.training.pretraining.pretrain_set import pretrain_set
from crtcore.training.pretraining.priors import class_weights
from tests.crtcore.training.tiny_sets import CPU, Prepared, experiment_with


def training(prepared: Prepared, **pretrain: object) -> BeatTraining:
    images = load_images(prepared.store, prepared.arrhythmia)
    experiment = experiment_with(pretrain=pretrain)
    return BeatTraining(experiment, images, pretrain_set(images, experiment.pretrain, seed=0), CPU)


def test_balanced_sampling_draws_classes_in_proportion_to_their_weights(
    prepared: Prepared,
) -> None:
    learner = training(prepared, balance="balanced_sampling", batch_size=7)
    label_N = learner._set.label_N
    drawn = np.concatenate([np.concatenate(learner._batches(seed)) for seed in range(200)])
    share_K = np.bincount(label_N[drawn], minlength=5) / len(drawn)
    expected_K = class_weights(label_N, 5) * np.bincount(label_N, minlength=5) / len(label_N)
    assert share_K == pytest.approx(expected_K, abs=0.03)
    assert abs(share_K[0] - np.mean(label_N == 0)) > 0.04
    assert learner._weight_K.tolist() == [1.0] * 5  # no weights in addition


def test_each_epoch_draws_other_images_and_none_twice(prepared: Prepared) -> None:
    learner = training(prepared, images_per_epoch=10, batch_size=4)
    first, second = (np.concatenate(learner._batches(seed)) for seed in (1, 2))
    assert len(set(first.tolist())) == len(first) == 10
    assert set(first.tolist()) != set(second.tolist())
    assert [len(batch) for batch in learner._batches(1)] == [4, 3, 3]
    whole = np.concatenate(training(prepared, images_per_epoch=10**6)._batches(1))
    assert sorted(whole.tolist()) == list(range(40))
