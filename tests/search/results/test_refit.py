"""The winner's network, trained on all patients."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import SweepError
from crtcore.prediction.predictor import beat_logits
from crtcore.stages.store import StageStore
from search.results.leaderboard import Leaderboard, build_leaderboard
from search.results.refit import has_grad_cam, load_refitted, refit, refit_if_cheap
from search.results.winner import cohort_inputs, find_winner


@pytest.fixture
def storage(finished: Experiment, tmp_path: Path) -> str:
    """The storage of the finished sweep as it is before the first refit."""
    folder = tmp_path / "storage"
    shutil.copytree(finished.storage, folder, ignore=shutil.ignore_patterns("refit"))
    return str(folder)


def refits(storage: str) -> list[Path]:
    return list(Path(storage, "stages").glob("refit/*"))


def test_the_network_is_trained_once_and_then_read(finished: Experiment, storage: str) -> None:
    winner = replace(
        find_winner(finished.storage, finished.name), store=StageStore(storage, cache=finished.cache)
    )
    seen: list[tuple[str, int, int]] = []
    trained = refit(winner, on_progress=lambda what, done, total: seen.append((what, done, total)))
    epochs = finished.finetune.epochs
    assert seen == [("refit on all patients", epoch, epochs) for epoch in range(1, epochs + 1)]
    assert len(refits(storage)) == 1
    read = refit(winner, on_progress=lambda what, done, total: pytest.fail("it was trained again"))
    inputs = cohort_inputs(winner)
    assert (beat_logits(read, inputs) == beat_logits(trained, inputs)).all()
    loaded = load_refitted(winner)
    assert loaded is not None
    assert (beat_logits(loaded, inputs) == beat_logits(trained, inputs)).all()


def test_it_is_not_refitted_beyond_the_budget(finished: Experiment, storage: str) -> None:
    board = build_leaderboard(storage, finished.name)
    assert not refit_if_cheap(board, storage, budget_s=0.0)
    assert refits(storage) == []


def test_without_a_winner_nothing_is_refitted(storage: str) -> None:
    assert not refit_if_cheap(Leaderboard(name="young", rows=()), storage, budget_s=60.0)


def test_missing_data_are_logged_and_the_leaderboard_stays(
    finished: Experiment, storage: str, caplog: pytest.LogCaptureFixture
) -> None:
    board = build_leaderboard(storage, finished.name)
    moved = replace(board, experiment=override(finished, {"cohort.manifest": "cohort/gone.csv"}))
    with caplog.at_level(logging.WARNING):
        assert not refit_if_cheap(moved, storage, budget_s=60.0)
    assert "the winner was not refitted on all patients" in caplog.text
    assert "gone.csv" in caplog.text


@pytest.mark.parametrize(
    ("changes", "works"),
    [
        ({}, True),
        ({"pretrain.architecture": "resnet1d", "pretrain.objective": "none"}, False),
        ({"finetune.head": "svm", "finetune.frozen_groups": 5}, False),
    ],
)
def test_grad_cam_needs_a_2_d_resnet_with_a_linear_head(
    finished: Experiment, changes: dict[str, object], works: bool
) -> None:
    winner = find_winner(finished.storage, finished.name)
    assert has_grad_cam(replace(winner, experiment=override(winner.experiment, changes))) is works


def test_another_head_cannot_be_refitted(finished: Experiment) -> None:
    winner = find_winner(finished.storage, finished.name)
    experiment = override(winner.experiment, {"finetune.head": "svm", "finetune.frozen_groups": 5})
    with pytest.raises(SweepError, match="has the head svm, and only a linear head"):
        refit(replace(winner, experiment=experiment))
