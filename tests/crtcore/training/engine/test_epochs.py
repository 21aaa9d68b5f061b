import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from crtcore.errors import DivergedError
from crtcore.model.checkpoint import encode_tensors
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.engine.epochs import (
    fit,
    learning_rate_at,
    num_batches,
    require_finite,
    shuffled_batches,
)
from crtcore.training.engine.history import EpochReport, encode_history

STAGE = Stage(name="pretrain", config={}, inputs=(), version=1)


class Doubling:
    """A learner whose one number doubles each epoch; its loss is not a number at `diverges_at`."""

    def __init__(self, diverges_at: int = 0) -> None:
        self.value = torch.tensor([1.0])
        self.epochs: list[int] = []
        self.diverges_at = diverges_at

    def run_epoch(self, epoch: int) -> tuple[dict[str, float], int]:
        self.epochs.append(epoch)
        self.value = self.value * 2
        return {"loss": math.nan if epoch == self.diverges_at else float(self.value)}, 10

    def state(self) -> dict[str, Tensor]:
        return {"value": self.value}

    def load_state(self, tensors: Mapping[str, Tensor], *, name: str) -> None:
        self.value = tensors["value"]


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(str(tmp_path), cache=tmp_path / "cache")


def losses(reports: list[EpochReport]) -> list[tuple[int, float]]:
    return [(report.epoch, report.metrics["loss"]) for report in reports]


def test_each_epoch_is_reported_and_the_last_one_commits_first(store: StageStore) -> None:
    committed: list[EpochReport] = []
    seen = []
    for report in fit(store, STAGE, Doubling(), num_epochs=3, finish=committed.extend):
        seen.append((report.epoch, len(committed)))
        assert report.stage == "pretrain"
        assert report.num_epochs == 3
        assert report.num_images == 10
        assert report.seconds >= 0
    assert seen == [(1, 0), (2, 0), (3, 3)]
    assert losses(committed) == [(1, 2.0), (2, 4.0), (3, 8.0)]


def test_an_interrupted_run_resumes_after_its_last_epoch_and_replays_its_reports(store: StageStore) -> None:
    committed: list[EpochReport] = []
    run = fit(store, STAGE, Doubling(), num_epochs=4, finish=committed.extend)
    first = [
        next(run),
        next(run),
        next(run),
    ]  # the state after the third is not saved: no further report was asked for
    second = Doubling()
    reports = list(fit(store, STAGE, second, num_epochs=4, finish=committed.extend))
    assert second.epochs == [3, 4]
    assert reports[:2] == first[:2]
    assert losses(reports) == [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0)]
    assert committed == reports


def test_a_run_that_is_stopped_at_its_report_writes_nothing(store: StageStore) -> None:
    run = fit(store, STAGE, Doubling(), num_epochs=3, finish=lambda _: None)
    next(run)
    assert store.load_progress(STAGE) is None


def test_a_loss_that_is_not_finite_stops_the_run_and_names_stage_and_epoch(store: StageStore) -> None:
    run = fit(store, STAGE, Doubling(diverges_at=2), num_epochs=3, finish=lambda _: None)
    next(run)
    with pytest.raises(
        DivergedError, match=rf"{STAGE} diverged in epoch 2: its loss or scores are not finite; lower"
    ):
        next(run)


def test_finite_tensors_pass_and_others_do_not() -> None:
    require_finite(torch.ones(3), STAGE, 1)
    with pytest.raises(DivergedError, match="epoch 4"):
        require_finite(torch.tensor([0.0, math.inf]), STAGE, 4)


def interrupted(store: StageStore) -> Path:
    """The progress file of a run that stopped after two of four epochs."""
    run = fit(store, STAGE, Doubling(), num_epochs=4, finish=lambda _: None)
    for _ in range(3):
        next(run)
    path = store.load_progress(STAGE)
    assert path is not None
    return path


def test_with_one_flipped_bit_in_its_progress_file_the_stage_starts_again_and_says_so(
    store: StageStore, caplog: pytest.LogCaptureFixture
) -> None:
    num_bits = 8 * len(interrupted(store).read_bytes())
    assert num_bits > 1000
    for bit in range(0, num_bits, 37):
        path = interrupted(store)
        content = bytearray(path.read_bytes())
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        learner, committed = Doubling(), list[EpochReport]()
        reports = list(fit(store, STAGE, learner, num_epochs=4, finish=committed.extend))
        assert learner.epochs == [1, 2, 3, 4]
        assert losses(committed) == [(1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0)]
        note = (
            f"the checkpoint of {STAGE} in {store.uri} does not match its checksum, so the stage starts again"
        )
        assert [report.note[: len(note)] for report in reports] == [note, "", "", ""]
        assert note in caplog.text
        store.clear_progress(STAGE)


def test_with_a_progress_file_without_checksum_the_stage_starts_again(store: StageStore) -> None:
    """Versions before 0.2 wrote such files."""
    history = encode_history(list(fit(store, STAGE, Doubling(), num_epochs=2, finish=lambda _: None)))
    store.save_progress(STAGE, encode_tensors({"value": torch.tensor([5.0])}, {"history": history}))
    learner = Doubling()
    assert next(fit(store, STAGE, learner, num_epochs=4, finish=lambda _: None)).note
    assert learner.epochs == [1]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", bytes(1000)])
def test_with_another_file_as_progress_file_the_stage_starts_again(store: StageStore, content: bytes) -> None:
    store.save_progress(STAGE, [memoryview(content)])
    learner = Doubling()
    assert (
        "starts again from its first epoch"
        in next(fit(store, STAGE, learner, num_epochs=4, finish=lambda _: None)).note
    )
    assert learner.epochs == [1] and store.load_progress(STAGE) is None


def test_the_learning_rate_warms_up_then_falls_along_a_cosine() -> None:
    rates = [learning_rate_at(step, 100, 0.5) for step in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[9] == 0.5
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert learning_rate_at(0, 1, 0.5) == 0.5


def test_batches_hold_every_example_once_and_differ_in_size_by_at_most_one() -> None:
    batches = shuffled_batches(103, 25, seed=1)
    assert sorted(np.concatenate(batches)) == list(range(103))
    assert len(batches) == num_batches(103, 25) == 5
    assert {len(batch) for batch in batches} == {20, 21}
    assert np.array_equal(np.concatenate(batches), np.concatenate(shuffled_batches(103, 25, seed=1)))
    assert not np.array_equal(np.concatenate(batches), np.concatenate(shuffled_batches(103, 25, seed=2)))
