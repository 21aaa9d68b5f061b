"""The config beside a study."""

from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import SweepError
from search.study.config import stored_experiment


def test_it_is_the_experiment_that_ran_in_the_storage_it_lies_in_now(
    finished: Experiment, tmp_path: Path
) -> None:
    assert stored_experiment(finished.storage, finished.name) == finished
    moved = tmp_path / "moved"
    moved.symlink_to(finished.storage)
    expected = override(finished, {"storage": str(moved)})
    assert stored_experiment(str(moved), finished.name) == expected


def test_a_sweep_without_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"sweep young has no .*config.yaml; run the same `crtsearch sweep`"):
        stored_experiment(str(tmp_path), "young")
