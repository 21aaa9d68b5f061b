"""Where sweeps lie, and the lock of the process that runs one."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crtcore.errors import SweepError
from search.study.folder import LOCK_FILE, driver_lock, study_file, sweep_dir, sweep_exists, sweep_names

HOLD = """
import sys, time
from pathlib import Path
from search.study.folder import driver_lock
with driver_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_record_lies_beside_the_stages(tmp_path: Path) -> None:
    assert sweep_dir(str(tmp_path), "demo") == tmp_path / "sweeps" / "demo"
    assert sweep_dir(f"file://{tmp_path}", "demo") == tmp_path / "sweeps" / "demo"
    assert sweep_dir("storage", "demo") == Path.cwd() / "storage" / "sweeps" / "demo"


def test_the_record_of_a_sweep_in_an_object_store_lies_on_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    folder = sweep_dir("s3://bucket/crt/?region=eu", "demo")
    assert folder == Path("/home/someone/.local/share/crtsearch/s3/bucket/crt/sweeps/demo")


@pytest.mark.parametrize("file", ["study.db", "study.journal", "study.url"])
def test_a_sweep_exists_once_it_has_a_study(tmp_path: Path, file: str) -> None:
    folder = sweep_dir(str(tmp_path), "demo")
    folder.mkdir(parents=True)
    assert not sweep_exists(str(tmp_path), "demo") and sweep_names(str(tmp_path)) == ()
    (folder / file).touch()
    assert study_file(str(tmp_path), "demo") == folder / file
    assert sweep_names(str(tmp_path)) == ("demo",)


def test_one_process_holds_the_lock_until_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        who = f"process {holder.pid} on {platform.node()}"
        for _ in range(2):  # the first refusal must not erase the holder's name
            with (
                pytest.raises(SweepError, match=f"sweep demo is already being run by {who}; .* --name"),
                driver_lock(folder),
            ):
                pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    for _ in range(2):
        with driver_lock(folder):
            assert (folder / LOCK_FILE).read_text() == f"process {os.getpid()} on {platform.node()}\n"


def test_the_lock_is_released_when_the_block_raises(tmp_path: Path) -> None:
    with pytest.raises(KeyError), driver_lock(tmp_path / "demo"):
        raise KeyError
    with driver_lock(tmp_path / "demo"):
        pass


def test_two_sweeps_of_one_process_lock_each_other_out(tmp_path: Path) -> None:
    with (
        driver_lock(tmp_path / "demo"),
        pytest.raises(SweepError, match=f"run by process {os.getpid()} on"),
        driver_lock(tmp_path / "demo"),
    ):
        pass
