from pathlib import Path

from benchmarks.dashboard import NAME, fill, sweep_costs
from crtcore.stages.store import StageStore
from search.results.leaderboard import build_leaderboard
from search.study.study import open_study


def test_the_filled_study_has_a_leaderboard_and_its_costs_are_measured(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    study = open_study(storage, NAME, create=True)
    store = StageStore(storage, cache=tmp_path / "cache")
    digest = fill(study, store, 3)
    board = build_leaderboard(storage, NAME)
    assert len(board.rows) == 3
    assert digest in {row.stages["finetune"] for row in board.rows}
    assert board.predictions is not None
    assert board.predictions.score_RPC.shape == (1, 71, 3)
    assert set(sweep_costs(study, store, tmp_path / "events")) == {"link_ms", "events_ms"}
