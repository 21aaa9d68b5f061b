"""Grad-CAM of the winner, in a sweep that was really trained."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

from crtcore.config import Experiment
from search.dashboard.grad_cam import draw_grad_cam
from search.results.leaderboard import build_leaderboard
from search.results.refit import load_refitted, refit_if_cheap
from search.results.winner import winner_of


def test_it_is_drawn_for_the_winner_after_the_refit(finished: Experiment, tmp_path: Path) -> None:
    storage, name = str(tmp_path / "storage"), finished.name
    shutil.copytree(finished.storage, storage, ignore=shutil.ignore_patterns("refit"))
    board = build_leaderboard(storage, name)
    assert board.best is not None
    digests = [str(row.stages["finetune"]) for row in board.rows]
    assert digests[0] == board.best.stages["finetune"]
    assert not refit_if_cheap(board, storage, budget_s=0.0)
    assert load_refitted(winner_of(board, storage)) is None
    assert draw_grad_cam(storage, name, digests[0]) is None
    assert refit_if_cheap(board, storage, budget_s=60.0)
    svg = draw_grad_cam(storage, name, digests[0])
    assert svg is not None
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "patient 0" in svg
    assert "sim0" not in svg  # how the simulated cohort's ids begin
    assert draw_grad_cam(storage, name, digests[-1]) is None
