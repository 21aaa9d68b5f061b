"""The stage `features`: the output of the frozen groups on all cohort images.

It is computed once for all trials that share the network and the number of frozen groups.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from crtcore.config import Experiment
from crtcore.data.loader import ImageSet, load_images
from crtcore.errors import StorageError
from crtcore.model.backbones import Backbone
from crtcore.model.checkpoint import load_backbone
from crtcore.model.freezing import freeze_groups
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import DeviceImages, Precision, autocast, precision_identity
from crtcore.training.engine.epochs import num_batches
from crtcore.training.engine.history import EpochReport
from crtcore.training.pretraining.pretrain import MODEL_FILE

FEATURES_VERSION: Final = 1
ACTIVATIONS_FILE: Final = "activations.safetensors"
TENSOR: Final = "activation"
BATCH_SIZE: Final = 256


def features_stage(experiment: Experiment, pretrain: Stage, cohort: Stage) -> Stage | None:
    """The identity of the frozen groups' activations on the cohort; None if no group is frozen."""
    if experiment.finetune.frozen_groups == 0:
        return None
    return Stage(
        name="features",
        config={"frozen_groups": experiment.finetune.frozen_groups, **precision_identity(experiment)},
        inputs=(pretrain.digest, cohort.digest),
        version=FEATURES_VERSION,
    )


def run_features(
    store: StageStore,
    stage: Stage,
    experiment: Experiment,
    pretrain: Stage,
    cohort: Stage,
    device: torch.device,
    *,
    images: ImageSet | None = None,
) -> Iterator[EpochReport]:
    """Run the frozen groups on all cohort images and commit their activations.

    Yields one report, or none if the stage is committed already. `images` are those of `cohort`, if the
    caller has loaded them already.
    """
    if store.find(stage) is not None:
        return
    start_s = time.monotonic()
    images = images or load_images(store, cohort)
    backbone = load_backbone(store.path(pretrain, MODEL_FILE)).to(device)
    activation = frozen_activations(
        backbone,
        DeviceImages(images.image_NFT, device),
        experiment.finetune.frozen_groups,
        experiment.resources.precision,
    )
    report = EpochReport(
        stage=stage.name,
        epoch=1,
        num_epochs=1,
        metrics={},
        num_images=images.num_images,
        seconds=time.monotonic() - start_s,
    )
    store.cache.mkdir(parents=True, exist_ok=True)
    # In the cache folder: /tmp may be in memory, and too small for the activations of a large cohort.
    with tempfile.TemporaryDirectory(dir=store.cache) as folder:
        file = Path(folder, ACTIVATIONS_FILE)
        safetensors.torch.save_file({TENSOR: activation}, file)
        facts = {"shape": list(activation.shape), "num_images": images.num_images, "seconds": report.seconds}
        store.commit(stage, {ACTIVATIONS_FILE: file}, facts)
    yield report


def frozen_activations(
    backbone: Backbone, images: DeviceImages, num_groups: int, precision: Precision = "float32"
) -> Tensor:
    """The output of the first `num_groups` groups on all images, float32 on the CPU.

    Channels are last, as the next group needs them: shape (N, F, T, D), or (N, T, D) for a 1-D network. With
    all five groups it is the pooled features, shape (N, D).
    """
    freeze_groups(backbone, num_groups)
    prefix = backbone.prefix(num_groups)
    batches = np.array_split(np.arange(len(images)), num_batches(len(images), BATCH_SIZE))
    with torch.inference_mode(), autocast(images.device, precision):
        return torch.cat([_channels_last(prefix(images.take(batch)).float()).cpu() for batch in batches])


def _channels_last(activation: Tensor) -> Tensor:
    return activation.movedim(1, -1).contiguous() if activation.ndim > 2 else activation


def load_activations(store: StageStore, stage: Stage) -> Tensor:
    """The activations of a committed stage, memory-mapped, in the shapes of `frozen_activations`.

    Raises StorageError if the stage is not committed or its file is damaged.
    """
    path = store.path(stage, ACTIVATIONS_FILE)
    with safetensors.safe_open(path, framework="pt") as file:
        if list(file.keys()) != [TENSOR]:
            raise StorageError(
                f"{path} does not hold activations; remove its folder and run the same command again"
            )
        activation: Tensor = file.get_tensor(TENSOR)
    return activation
