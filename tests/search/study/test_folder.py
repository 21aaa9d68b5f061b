import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crtcore.errors import SweepError
from search.study.folder import driver_lock

HOLD = """
import sys, time
from pathlib import Path
from search.study.folder import driver_lock
with driver_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_holder_at_a_time_and_none_after_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(SweepError, match=f"sweep demo is already .* process {holder.pid} on .*--name"),
            driver_lock(folder),
        ):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    for _ in range(2):
        with driver_lock(folder):
            assert f"process {os.getpid()} " in (folder / "driver.lock").read_text()
