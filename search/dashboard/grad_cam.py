"""Grad-CAM as an artifact of the winning trial, once its network is refitted on all patients."""

from crtcore.prediction.grad_cam import grad_cam
from search.report.drawing.beats import beat_figure, sample_beats
from search.results.leaderboard import build_leaderboard
from search.results.refit import has_grad_cam, load_refitted
from search.results.winner import winner_of


def draw_grad_cam(storage: str, name: str, digest: str) -> str | None:
    """The SVG for the trial whose finetune stage is `digest`. Patients are numbered, not named.

    None if this trial is not the winner of sweep `name`, if its network is not refitted yet (nothing is
    trained here), or if Grad-CAM does not work for it. Raises the errors of `winner_of`.
    """
    board = build_leaderboard(storage, name)
    if board.best is None or board.best.stages["finetune"] != digest:
        return None
    winner = winner_of(board, storage)
    model = load_refitted(winner) if has_grad_cam(winner) else None
    if model is None:
        return None
    sample = sample_beats(winner)
    return beat_figure(sample, grad_cam(model, sample.inputs))
