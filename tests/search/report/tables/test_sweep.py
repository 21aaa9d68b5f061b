"""Tables of a whole sweep, from rows that are known and from the small finished sweep."""

from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.pipeline import open_store
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from search.report.tables.sweep import sharing_table, trial_table
from search.results.leaderboard import build_leaderboard
from tests.search.known_rows import board, row


def test_hours_saved_count_each_further_use_of_a_stage(tmp_path: Path) -> None:
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    digests: dict[tuple[str, int], str] = {}
    for name, number, seconds in (("pretrain", 0, 3600.0), ("pretrain", 1, 1800.0), ("finetune", 0, 360.0)):
        stage = Stage(name=name, config={"number": number}, inputs=(), version=1)
        store.commit(stage, {}, {"seconds": seconds})
        digests[name, number] = stage.digest
    first, second, tuned = digests["pretrain", 0], digests["pretrain", 1], digests["finetune", 0]
    rows = (
        row(0, {}, stages={"pretrain": first, "features": None, "finetune": tuned}),
        row(1, {}, stages={"pretrain": first, "features": None, "finetune": "a" * 20}),
        row(2, {}, stages={"pretrain": first, "features": None, "finetune": "b" * 20}),
        row(3, {}, stages={"pretrain": second, "features": None, "finetune": "c" * 20}),
    )
    table, saved_h = sharing_table(board(*rows), store)
    assert saved_h == pytest.approx(2.0)  # the first network was used twice more
    assert table.rows == (
        ("pretrain", "4", "2", "1.500", "2.000"),
        ("features", "0", "0", "0.000", "0.000"),
        ("finetune", "4", "4", "0.100", "0.000"),  # three of them were never finished
    )


def test_the_finished_sweep_shared_one_pretrained_network(finished: Experiment) -> None:
    leaderboard = build_leaderboard(finished.storage, finished.name)
    table, saved_h = sharing_table(leaderboard, open_store(finished))
    assert [cells[:3] for cells in table.rows] == [
        ("pretrain", "3", "2"),
        ("features", "3", "3"),
        ("finetune", "3", "3"),
    ]
    assert saved_h > 0


def test_trials_are_listed_in_rank_order_with_short_headings() -> None:
    table = trial_table(
        board(
            row(
                7,
                {"pretrain.depth": 18, "finetune.learning_rate": 0.00123456, "pretrain.learning_rate": 0.01},
            ),
            row(2, {"pretrain.depth": 34}, state="PRUNED"),
        )
    )
    assert table.headings == (
        "trial", "state", "depth", "finetune lr", "pretrain lr", "AUC ± SD", "epochs", "seconds"
    )  # fmt: skip
    assert table.rows == (
        ("7", "complete", "18", "0.00123", "0.01", "0.750 ± 0.050", "2", "12"),
        ("2", "pruned", "34", "", "", "", "2", ""),
    )
