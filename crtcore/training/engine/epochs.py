"""The training loop: each epoch is reported, and an interrupted run resumes after its last epoch.

A learner's epoch depends only on its state and the epoch's number (its random numbers come from a child seed
of the epoch). So an interrupted and resumed run ends with the same bits as one without interruption.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from crtcore.errors import DivergedError, StorageError
from crtcore.signal.recording import IntArray
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.history import EpochReport, decode_history, encode_history
from crtcore.training.engine.progress import decode_progress, encode_progress

WARMUP_FRACTION = 0.1

logger = logging.getLogger(__name__)


class Learner(Protocol):
    """What `fit` trains. `run_epoch` returns metrics, which include "loss", and the number of images."""

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]: ...

    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None: ...


def fit(
    store: StageStore,
    stage: Stage,
    learner: Learner,
    *,
    num_epochs: int,
    finish: Callable[[list[EpochReport]], None],
    ranks: Callable[[], str] = str,
) -> Iterator[EpochReport]:
    """Train for `num_epochs`. Resumes after the last finished epoch of an interrupted run of the same stage.

    Yields one report per epoch, first those of the interrupted run. The progress file of an epoch is written
    only when the next report is asked for: a trial that is stopped after an epoch does not resume, and its
    state may be hundreds of megabytes. After the last epoch, `finish` gets all reports and commits the stage.
    The last report is yielded after that, so a caller that stops there has the committed stage. If the
    progress file is damaged, the stage starts again from epoch 1, and its first report says so.
    `ranks` gives those of the epoch that just ended. Raises DivergedError if the loss is not finite.
    """
    reports, note = _resume(store, stage, learner)
    yield from reports
    for epoch in range(len(reports) + 1, num_epochs + 1):
        start_s = time.monotonic()
        metrics, num_images = learner.run_epoch(epoch)
        require_finite(metrics["loss"], stage, epoch)
        report = EpochReport(
            stage=stage.name,
            epoch=epoch,
            num_epochs=num_epochs,
            metrics=metrics,
            num_images=num_images,
            seconds=time.monotonic() - start_s,
            note=note,
            ranks=ranks(),
        )
        note = ""
        reports.append(report)
        if epoch == num_epochs:
            finish(reports)
        yield report
        if epoch < num_epochs:
            store.save_progress(stage, encode_progress(learner.state(), {"history": encode_history(reports)}))


def _resume(store: StageStore, stage: Stage, learner: Learner) -> tuple[list[EpochReport], str]:
    """Load the progress file, if there is one, into the learner. Returns the reports of its epochs.

    Also returns a note for the user: "", or that the file is damaged and was deleted.
    """
    progress = store.load_progress(stage)
    if progress is None:
        return [], ""
    name = f"the checkpoint of {stage} in {store.uri}"
    try:
        tensors, metadata = decode_progress(progress, name=name)
    except StorageError as error:
        note = f"{error}, so the stage starts again from its first epoch"
        logger.warning(note)
        store.clear_progress(stage)
        return [], note
    learner.load_state(tensors, name=name)
    return decode_history(metadata["history"]), ""


def require_finite(value: float | Tensor, stage: Stage, epoch: int) -> None:
    """Raises DivergedError, which names the stage and the epoch, unless all of `value` is finite."""
    finite = math.isfinite(value) if isinstance(value, float) else bool(torch.isfinite(value).all())
    if not finite:
        raise DivergedError(
            f"{stage} diverged in epoch {epoch}: its loss or scores are not finite; lower its learning rate"
        )


def learning_rate_at(step: int, num_steps: int, peak: float) -> float:
    """One-cycle schedule: linear warm-up over the first tenth of the steps, then half a cosine to almost 0.

    `step` counts from 0 to `num_steps` - 1. Smith & Topin 2018 (arXiv 1708.07120), in the cosine form of
    Loshchilov & Hutter 2017 (arXiv 1608.03983). It depends on the step only, so no state must be stored.
    """
    warmup = max(1, round(WARMUP_FRACTION * num_steps))
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup + 1) / (num_steps - warmup + 1)))


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, num_steps: int, peak: float) -> None:
    """Set `learning_rate_at` this step for all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, num_steps, peak)


def num_batches(num_examples: int, batch_size: int) -> int:
    """The number of batches of at most `batch_size` that hold all examples."""
    return math.ceil(num_examples / batch_size)


def shuffled_batches(num_examples: int, batch_size: int, seed: int) -> list[IntArray]:
    """All examples in random order, in batches of at most `batch_size` whose sizes differ by at most one.

    In a small last batch, each example would have more influence on the weights than in the others.
    """
    order = np.random.default_rng(seed).permutation(num_examples)
    return list(np.array_split(order, num_batches(num_examples, batch_size)))
