"""Grad-CAM as an artifact of the trial that won: drawn once its network is refitted on all patients."""

from search.report.drawing.beats import grad_cam_figure, numbered
from search.results.leaderboard import build_leaderboard
from search.results.refit import has_grad_cam, load_refitted
from search.results.winner import winner_of


def draw_grad_cam(storage: str, name: str, digest: str) -> str | None:
    """The SVG for the trial whose last stage is `digest`, its patients numbered, not named.

    None unless it is the winner of sweep `name` and its network is refitted (no network is trained here) and
    is one that Grad-CAM can look into. Raises as `winner_of` does.
    """
    board = build_leaderboard(storage, name)
    if board.best is None or board.best.stages["finetune"] != digest:
        return None
    winner = winner_of(board, storage)
    model = load_refitted(winner) if has_grad_cam(winner) else None
    if model is None:
        return None
    assert board.predictions is not None
    return grad_cam_figure(winner, numbered(len(board.predictions.patient_ids)), model)
