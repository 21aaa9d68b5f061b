"""The content of a report, and how often it reads its inputs."""

import collections
import shutil
from pathlib import Path

import pytest

import crtcore.data.loader
import search.results.provenance
from crtcore.config import Experiment
from crtcore.data.shards import ShardRows, read_shard
from search.report.content import NOT_REVIEWED, gather
from search.results.leaderboard import build_leaderboard
from search.study.attributes import DATA_FINDINGS
from search.study.study import open_study


def test_one_report_loads_each_image_set_once_and_takes_provenance_once(
    finished: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even the first report of a sweep, which builds features of backbones and refits the winner."""
    storage = str(tmp_path / "storage")
    shutil.copytree(finished.storage, storage, ignore=shutil.ignore_patterns("refit", "features"))
    read: collections.Counter[str] = collections.Counter()
    taken: list[dict[str, str]] = []

    def counted(path: Path) -> ShardRows:
        read[str(path)] += 1
        return read_shard(path)

    def versions() -> dict[str, str]:
        taken.append({"python": "3"})
        return taken[-1]

    monkeypatch.setattr(crtcore.data.loader, "read_shard", counted)
    monkeypatch.setattr(search.results.provenance, "versions", versions)
    content = gather(storage, finished.name)
    assert {"roc", "spectrograms", "grad_cam"} <= set(content.figures)
    assert len(list(Path(storage, "stages", "refit").iterdir())) == 1
    assert len(read) == 12  # shards of the cohort: one for each patient
    assert set(read.values()) == {1}
    assert len(taken) == 1
    assert content.provenance["versions"] is content.results["provenance"]["versions"] is taken[0]


def test_tables_and_numbers_agree_with_the_leaderboard(finished: Experiment) -> None:
    content = gather(finished.storage, finished.name)
    board = build_leaderboard(finished.storage, finished.name)
    assert content.banner == board.caveat == content.results["caveat"]
    assert content.sentences == tuple(content.results["sentences"])
    assert set(content.tables) == {
        *("table1_cohort", "table2_networks", "winner", "competitors", "sharing", "trials", "beats"),
    }
    num_competitors = len(content.results["competitors"]) + len(content.results["not_available"])
    assert len(content.tables["competitors"].rows) == num_competitors
    assert len(content.tables["trials"].rows) == len(board.rows)
    assert content.results["winner"]["figures"]["accuracy"] == board.rows[0].metrics["accuracy"]
    assert content.results["hours_saved"] == content.hours_saved
    assert content.results["by_beat"]["auc"].keys() == {"mean", "sd"}


def test_findings_of_the_recordings_are_in_the_report_and_so_is_that_nobody_looked(
    finished: Experiment, tmp_path: Path
) -> None:
    storage = str(tmp_path / "storage")
    shutil.copytree(finished.storage, storage)
    assert gather(storage, finished.name).sentences[-1] == NOT_REVIEWED
    study = open_study(storage, finished.name, create=False)
    DATA_FINDINGS.write(study, ["The same signal twice under one patient: rows 2 and 6."])
    content = gather(storage, finished.name)
    assert content.sentences[-1].startswith("Found in the recordings: The same signal twice")
    assert content.results["findings"] == ("The same signal twice under one patient: rows 2 and 6.",)
