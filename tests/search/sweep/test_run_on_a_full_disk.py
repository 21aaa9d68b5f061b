"""Disks that are full, read-only or no folders at all: never the fault of a trial, and never a traceback."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import StorageError
from search.study.folder import STUDY_FILE, sweep_dir
from search.study.study import open_study
from search.sweep.run import run_sweep
from tests.mounts import SmallDisk, small_disk

SWEEP = "from search.cli.main import main; main()"


@pytest.fixture
def config(tiny: Experiment, tmp_path: Path) -> Path:
    """A sweep of two trials that share a pretraining of 130 MB with its checkpoint."""
    settings = {
        "pretrain.epochs": 2,
        "search.trials": 2,
        "search.space": {"finetune.learning_rate": [0.01, 0.02]},
        "search.sampler": "grid",
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(override(tiny, settings).model_dump(mode="json")))
    return path


def sweep(disk: SmallDisk, config: Path) -> tuple[int, str]:
    """Exit status and last line of `crtsearch sweep`."""
    command = disk.command(sys.executable, "-c", SWEEP, "sweep", str(config))
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.strip().splitlines()[-1]


def states(disk: SmallDisk, storage: str, copy: Path) -> Counter[str]:
    """How many trials are in which state; the study is copied to where this process sees it."""
    study_file = sweep_dir(storage, "tiny") / STUDY_FILE
    target = sweep_dir(str(copy), "tiny") / STUDY_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(disk.command("cp", str(study_file), str(target)), check=True)
    trials = open_study(str(copy), "tiny", create=False).get_trials(deepcopy=False)
    return Counter(trial.state.name for trial in trials)


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_sweep_on_a_full_or_read_only_disk_halts_and_resumes_when_there_is_room(
    config: Path, tiny: Experiment, tmp_path: Path
) -> None:
    with small_disk(Path(tiny.storage), "60m") as disk:
        status, sentence = sweep(disk, config)
        assert status == 2
        assert f"storage {tiny.storage} cannot be used (No space left on device); free some space" in sentence
        assert states(disk, tiny.storage, tmp_path / "copy") == {"WAITING": 2}

        disk.remount("ro")
        status, sentence = sweep(disk, config)
        assert status == 2
        assert sentence == (
            f"crtsearch: storage {tiny.storage} cannot be used (Read-only file system); make it writable, "
            "then run the same command again: nothing is lost"
        )

        disk.remount("rw,size=400m")
        status, _ = sweep(disk, config)
        assert status == 0
        assert states(disk, tiny.storage, tmp_path / "copy") == {"COMPLETE": 2}


@pytest.mark.parametrize("key", ["storage", "cache"])
def test_a_file_in_place_of_a_folder_is_found_before_the_data_are_read(
    tiny: Experiment, tmp_path: Path, key: str
) -> None:
    (tmp_path / "a file").write_text("")
    experiment = override(tiny, {key: str(tmp_path / "a file"), "data": str(tmp_path / "no data")})
    with pytest.raises(
        StorageError, match=rf"{key} .*/a file cannot be used \(.*\); give a folder, not a file"
    ):
        run_sweep(experiment)
    with pytest.raises(StorageError, match=f"{key} .*/a file/below cannot be used"):
        run_sweep(override(experiment, {key: str(tmp_path / "a file" / "below")}))


def test_an_unwritable_cache_is_found_before_the_data_are_read(tiny: Experiment, tmp_path: Path) -> None:
    """`/proc` takes no folder, not even from root."""
    experiment = override(tiny, {"cache": "/proc/crtsearch", "data": str(tmp_path / "no data")})
    with pytest.raises(StorageError, match="cache /proc/crtsearch cannot be used"):
        run_sweep(experiment)
