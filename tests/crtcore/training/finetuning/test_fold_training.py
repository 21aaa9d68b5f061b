from typing import Any

import numpy as np
import pytest
import torch

from crtcore.data.loader import load_images
from crtcore.data.splits import Fold
from crtcore.errors import DataError
from crtcore.model.backbones import GROUPS, Backbone, build
from crtcore.model.freezing import freeze_groups
from crtcore.training.engine.device import DeviceImages
from crtcore.training.finetuning.features import frozen_activations
from crtcore.training.finetuning.fold_training import FoldTraining
from crtcore.training.finetuning.patients import PatientBeats, patient_beats
from tests.crtcore.training.tiny_sets import Prepared, experiment_with

FOLD = Fold(train_P=np.array([0, 1, 2, 5, 6, 7, 8]), test_P=np.array([3, 4, 9, 10, 11]))


def beats_of(prepared: Prepared, inputs: torch.Tensor | None = None) -> PatientBeats:
    images = load_images(prepared.store, prepared.cohort)
    return patient_beats(images, torch.from_numpy(np.array(images.image_NFT)) if inputs is None else inputs)


def trained(
    body: torch.nn.Module,
    features_BCD: torch.Tensor,
    beats: PatientBeats,
    fold: Fold = FOLD,
    **finetune: Any,
) -> FoldTraining:
    """Two epochs of training."""
    config = experiment_with(epochs=2, **finetune).finetune
    training = FoldTraining(body, features_BCD, beats, fold, config)
    for epoch in (1, 2):
        training.run_epoch(epoch, seed=epoch)
    return training


@pytest.mark.parametrize("num_groups", [1, 2, 3, 4])
def test_stored_activations_and_the_whole_network_train_to_the_same_bits(
    prepared: Prepared, num_groups: int
) -> None:
    images = load_images(prepared.store, prepared.cohort)
    features_BCD = torch.rand(24, 2, 512, generator=torch.Generator().manual_seed(0))
    whole: Backbone = build(18, 0).backbone
    freeze_groups(whole, num_groups)
    uncached = trained(whole, features_BCD, beats_of(prepared))
    split = build(18, 0).backbone
    device_images = DeviceImages(images.image_NFT, torch.device("cpu"))
    activation = frozen_activations(split, device_images, num_groups)
    cached = trained(split.tail(num_groups), features_BCD, beats_of(prepared, activation))
    names = {id(p): name for name, p in split.named_parameters()}
    tail_names = [names[id(p)] for p in split.tail(num_groups).parameters()]
    uncached_state, cached_state = uncached.state(), cached.state()
    cached_weights = [
        tensor
        for key, tensor in cached_state.items()
        if key.startswith("module.body.") and key.endswith(("weight", "bias"))
    ]
    assert len(cached_weights) == len(tail_names)
    for name, tensor in zip(tail_names, cached_weights, strict=True):
        assert torch.equal(uncached_state[f"module.body.{name}"], tensor), name
    for name, tensor in whole.state_dict().items():
        if name.split(".")[0] in GROUPS[:num_groups]:  # includes batch-norm statistics
            assert torch.equal(uncached_state[f"module.body.{name}"], tensor), name
    moved = f"module.body.{tail_names[0]}"
    assert not torch.equal(uncached_state[moved], whole.state_dict()[tail_names[0]])
    head = "module.head.linear.weight"
    assert torch.equal(uncached_state[head], cached_state[head])
    assert np.array_equal(uncached.test_logits()[0], cached.test_logits()[0])


def test_a_patient_on_both_sides_is_refused(prepared: Prepared) -> None:
    beats = beats_of(prepared, torch.rand(48, 8))
    leaking = Fold(train_P=np.array([0, 1, 6, 7]), test_P=np.array([1, 8]))
    with pytest.raises(DataError, match=f"patient {beats.id_P[1]} is on both sides"):
        trained(torch.nn.Sequential(), beats.inputs, beats, leaking)


def test_test_patients_have_no_effect_on_the_network(prepared: Prepared) -> None:
    inputs = torch.rand(48, 8, generator=torch.Generator().manual_seed(0))
    changed = inputs.clone()
    beats = beats_of(prepared, inputs)
    rows = np.repeat(np.isin(beats.patient_B, FOLD.test_P), beats.num_leads)
    changed[torch.from_numpy(rows)] += 100
    state, other = (
        trained(torch.nn.Sequential(), of.inputs, of).state() for of in (beats, beats_of(prepared, changed))
    )
    assert state.keys() == other.keys()
    assert all(torch.equal(state[name], other[name]) for name in state)


def test_repeating_a_patient_s_beat_changes_no_score() -> None:
    """A patient with many beats must not count more: five copies of a beat have the weight of one."""
    id_P = np.array([f"p{number}" for number in range(8)])
    label_P = np.arange(8) % 2
    feature_P = torch.rand(8, 1, 16, generator=torch.Generator().manual_seed(0))
    fold = Fold(train_P=np.arange(6), test_P=np.array([6, 7]))

    def scores(num_beats_P: list[int]) -> list[float]:
        patient_B = np.repeat(np.arange(8), num_beats_P)
        beats = PatientBeats(
            inputs=feature_P[torch.from_numpy(patient_B)],
            scalar_BCE=torch.empty(len(patient_B), 1, 0),
            patient_B=patient_B,
            id_P=id_P,
            label_P=label_P,
        )
        logits = trained(
            torch.nn.Sequential(), beats.inputs, beats, fold, batch_size=2048, learning_rate=0.1
        ).test_logits()[0]
        return [float(logit) for logit in logits]

    once = scores([1] * 8)
    assert max(map(abs, once)) > 0.01
    assert scores([5, 1, 1, 1, 1, 1, 1, 1]) == pytest.approx(once, rel=1e-3)
