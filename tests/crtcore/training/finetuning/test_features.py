import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from crtcore.data.loader import load_images
from crtcore.errors import StorageError
from crtcore.model.checkpoint import load_backbone
from crtcore.stages.stage import Stage
from crtcore.training.finetuning.features import features_stage, load_activations, run_features
from tests.crtcore.training.tiny_sets import CPU, Prepared, experiment_with


def test_no_frozen_groups_need_no_features(prepared: Prepared, untrained: Stage) -> None:
    assert features_stage(experiment_with(frozen_groups=0), untrained, prepared.cohort) is None


@pytest.mark.parametrize("num_groups", [3, 5])
def test_activations_are_the_output_of_the_frozen_groups_on_every_image(
    prepared: Prepared, untrained: Stage, num_groups: int
) -> None:
    experiment = experiment_with(frozen_groups=num_groups)
    stage = features_stage(experiment, untrained, prepared.cohort)
    assert stage is not None
    arguments = (prepared.store, stage, experiment, untrained, prepared.cohort, CPU)
    (report,) = run_features(*arguments)
    assert (report.stage, report.epoch, report.num_epochs, report.num_images) == ("features", 1, 1, 48)
    assert list(run_features(*arguments)) == []
    images = load_images(prepared.store, prepared.cohort)
    backbone = load_backbone(prepared.store.path(untrained, "model.safetensors")).eval()
    with torch.inference_mode():
        expected = backbone.prefix(num_groups)(torch.from_numpy(np.array(images.image_NFT)))
    activation = load_activations(prepared.store, stage)
    assert activation.shape == {3: (48, 8, 8, 128), 5: (48, 512)}[num_groups]
    assert torch.equal(activation, expected.permute(0, 2, 3, 1) if num_groups == 3 else expected)
    other = features_stage(experiment_with(frozen_groups=4, learning_rate=0.5), untrained, prepared.cohort)
    assert other is not None
    assert other.digest != stage.digest


def test_a_file_of_other_tensors_is_refused(prepared: Prepared, untrained: Stage) -> None:
    stage = features_stage(experiment_with(frozen_groups=1), untrained, prepared.cohort)
    assert stage is not None
    file = prepared.store.cache / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, file)
    prepared.store.commit(stage, {"activations.safetensors": file}, {})
    with pytest.raises(StorageError, match=r"activations.safetensors does not hold activations; remove"):
        load_activations(prepared.store, stage)
