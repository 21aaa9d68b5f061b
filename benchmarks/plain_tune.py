"""The peer of `sweep_vs_tune.py`: a sweep as a skilled user of Ray Tune, Optuna and PyTorch would write it.

Each trial is a black box that pretrains and then fine-tunes in five folds. Tune's own OptunaSearch and ASHA
run it. There are two trainers. `train_as_a_user` is such a user's loop (float32, NCHW, a DataLoader of single
images, the whole network in every epoch). `train_as_ours` calls this project's training code without stages
(no shared pretraining, no stored features), so the difference to our sweep is what sharing saves.
"""

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import torch
import torchvision
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.loader import ImageSet, load_images
from crtcore.data.sources import Sources
from crtcore.data.splits import cohort_folds
from crtcore.evaluation.metrics import auc
from crtcore.model.checkpoint import load_backbone
from crtcore.model.freezing import freeze_groups
from crtcore.pipeline import open_store, plan
from crtcore.stages.store import StageStore
from crtcore.training.engine.device import use_device
from crtcore.training.finetuning.cross_validation import CrossValidation, initial_features
from crtcore.training.finetuning.patients import PatientBeats, patient_beats
from crtcore.training.pretraining.pretrain import MODEL_FILE, run_pretrain

Params = dict[str, Any]
GROUPS = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch of fine-tuning.

    `auc` is the mean over folds. `seconds` is how long the trial has computed so far, counted as in our
    trials: pretraining, epochs and features, but not reading data or building networks.
    """

    auc: float
    seconds: float


Trainer = Callable[[Experiment, Sources], Iterator[Epoch]]


def run_plain(
    experiment: Experiment,
    sources: Sources,
    configurations: list[Params],
    trainer: Trainer,
    *,
    num_slots: int,
) -> list[dict[str, Any]]:
    """Run the sweep over `configurations`. Returns each trial's parameters, AUC, epochs and seconds.

    Prepared sets are read from the experiment's store.
    """
    ray.init(address="local", num_cpus=num_slots, include_dashboard=False, log_to_driver=False)
    scheduler = experiment.search.scheduler
    space = {
        name: tune.choice(sorted({params[name] for params in configurations})) for name in configurations[0]
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            trainable = tune.with_parameters(_trainable, base=experiment, sources=sources, trainer=trainer)
            results = tune.Tuner(
                tune.with_resources(trainable, {"cpu": 1}),
                param_space=space,
                tune_config=tune.TuneConfig(
                    metric="auc",
                    mode="max",
                    num_samples=len(configurations),
                    search_alg=ConcurrencyLimiter(
                        OptunaSearch(points_to_evaluate=configurations), max_concurrent=num_slots
                    ),
                    scheduler=ASHAScheduler(
                        max_t=experiment.finetune.epochs,
                        grace_period=scheduler.grace_epochs,
                        reduction_factor=scheduler.reduction_factor,
                    ),
                ),
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            ).fit()
    finally:
        ray.shutdown()
    if results.errors:
        raise results.errors[0]
    rows = []
    for number in range(len(results)):
        last = results[number].metrics or {}
        rows.append(
            {
                "params": results[number].config,
                "auc": last["auc"],
                "epochs": last["training_iteration"],
                "seconds": last["seconds"],
            }
        )
    return rows


def _trainable(config: Params, *, base: Experiment, sources: Sources, trainer: Trainer) -> None:
    torch.set_num_threads(1)
    for epoch in trainer(override(base, config), sources):
        tune.report({"auc": epoch.auc, "seconds": epoch.seconds})


def train_as_ours(experiment: Experiment, sources: Sources) -> Iterator[Epoch]:
    """Our training code without stages: each trial pretrains, and runs the frozen groups in every epoch.

    If all groups are frozen, it runs them once.
    """
    shared, stages = open_store(experiment), plan(experiment, sources)
    device = use_device(experiment.resources.trial)
    with tempfile.TemporaryDirectory() as folder:
        own = StageStore(folder, cache=shared.cache)
        for stage in (stages.arrhythmia, stages.cohort):
            _link(shared, own, stage.name)
        reports = run_pretrain(own, stages.pretrain, experiment, stages.arrhythmia, device)
        computed_s = sum(report.seconds for report in reports)
        backbone = load_backbone(own.path(stages.pretrain, MODEL_FILE)).to(device)
    freeze_groups(backbone, experiment.finetune.frozen_groups)
    images = load_images(shared, stages.cohort)
    beats = patient_beats(images, torch.from_numpy(np.array(images.image_NFT)))
    if experiment.finetune.frozen_groups == len(GROUPS):  # a head alone needs the network once only
        start_s = time.monotonic()
        beats = patient_beats(images, initial_features(backbone, beats).flatten(0, 1))
        computed_s += time.monotonic() - start_s
    learner = CrossValidation(stages.finetune, experiment, backbone, beats, _folds(experiment, beats))
    for epoch in range(1, experiment.finetune.epochs + 1):
        start_s = time.monotonic()
        metrics, _ = learner.run_epoch(epoch)
        computed_s += time.monotonic() - start_s
        yield Epoch(auc=metrics["auc"], seconds=computed_s)


def _link(shared: StageStore, own: StageStore, name: str) -> None:
    """Let `own` read the prepared data, which are not part of the comparison."""
    for stage_name in (name, "shard"):
        target = Path(own.uri, "stages", stage_name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(shared.uri, "stages", stage_name), target_is_directory=True)


def _folds(experiment: Experiment, beats: PatientBeats) -> Any:
    config = experiment.finetune
    return cohort_folds(
        beats.id_P,
        beats.label_P,
        given=None,
        num_folds=config.folds,
        num_repeats=config.repeats,
        seed=experiment.seed,
    )


class _Images(Dataset[tuple[Tensor, Tensor]]):
    """Each item is a group of images (all leads of a beat, or one image) and its label."""

    def __init__(self, image_BCFT: npt.NDArray[np.uint8], label_B: npt.NDArray[np.int64]) -> None:
        self._image_BCFT = image_BCFT
        self._label_B = label_B

    def __len__(self) -> int:
        return len(self._label_B)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image_CFT = torch.from_numpy(self._image_BCFT[index]).float() / 255
        return image_CFT, torch.tensor(self._label_B[index])


class _LeadNetwork(nn.Module):
    """A ResNet on each lead, concatenated features, one logit."""

    def __init__(self, backbone: nn.Module, num_leads: int, num_features: int, num_frozen: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(num_leads * num_features, 1)
        self._frozen = [getattr(backbone, name) for group in GROUPS[:num_frozen] for name in group]
        for module in self._frozen:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> "_LeadNetwork":
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, image_BCFT: Tensor) -> Tensor:
        features: Tensor = self.backbone(image_BCFT.flatten(0, 1).unsqueeze(1))
        logit: Tensor = self.head(features.reshape(len(image_BCFT), -1)).squeeze(1)
        return logit


def train_as_a_user(experiment: Experiment, sources: Sources) -> Iterator[Epoch]:
    """The loop of a user, on the same images."""
    store, stages = open_store(experiment), plan(experiment, sources)
    torch.manual_seed(experiment.seed)
    beat_images = load_images(store, stages.arrhythmia)
    start_s = time.monotonic()
    network = _pretrained(experiment, beat_images)
    computed_s = time.monotonic() - start_s
    images = load_images(store, stages.cohort)
    num_leads, config = len(images.leads), experiment.finetune
    image_BCFT = np.array(images.image_NFT).reshape(-1, num_leads, *images.image_NFT.shape[1:])
    beats = patient_beats(images, torch.from_numpy(np.array(images.image_NFT)))
    folds = _folds(experiment, beats)[0]
    num_features = network.fc.in_features
    network.fc = nn.Identity()
    runs = []
    for fold in folds:
        model = _LeadNetwork(copy.deepcopy(network), num_leads, num_features, config.frozen_groups)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        data = [
            _Images(image_BCFT[chosen], beats.label_P[beats.patient_B[chosen]])
            for chosen in (beats.beats_of(fold.train_P), beats.beats_of(fold.test_P))
        ]
        runs.append((fold, model, optimizer, *data))
    for _ in range(config.epochs):
        start_s = time.monotonic()
        aucs = []
        for fold, model, optimizer, train, test in runs:
            _train_epoch(
                model,
                optimizer,
                train,
                max(1, config.batch_size // num_leads),
                nn.functional.binary_cross_entropy_with_logits,
            )
            model.eval()
            with torch.no_grad():
                logit_B = torch.cat([model(image) for image, _ in DataLoader(test, batch_size=64)]).numpy()
            patient_B = beats.patient_B[beats.beats_of(fold.test_P)]
            score_P = [logit_B[patient_B == patient].mean() for patient in fold.test_P]
            aucs.append(auc(beats.label_P[fold.test_P], np.array(score_P)))
        computed_s += time.monotonic() - start_s
        yield Epoch(auc=float(np.mean(aucs)), seconds=computed_s)


def _pretrained(experiment: Experiment, images: ImageSet) -> Any:
    config = experiment.pretrain
    label_N = images.label_N
    kept = np.flatnonzero(label_N >= 0)
    build = getattr(torchvision.models, f"resnet{config.depth}")
    network = build(weights=None, num_classes=int(label_N.max()) + 1)
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate)
    data = _Images(np.array(images.image_NFT)[kept][:, None], label_N[kept])
    for _ in range(config.epochs):
        _train_epoch(network, optimizer, data, config.batch_size, nn.functional.cross_entropy)
    return network


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: _Images,
    batch_size: int,
    loss_of: Callable[[Tensor, Tensor], Tensor],
) -> None:
    model.train()
    for image, label in DataLoader(data, batch_size=batch_size, shuffle=True):
        output = model(image)
        loss = loss_of(output, label.float() if output.ndim == 1 else label)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
