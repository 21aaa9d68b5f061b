"""Where the tests run: a home and a temporary folder that are removed at the end, and nothing left outside.

The first pytest process makes the folder; its pytest-xdist workers and all programs that tests start inherit
it in their environment.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

FOLDER: Final = "CRTSEARCH_TESTS_FOLDER"  # variable of the environment: the run's own folder
OUTER_HOME: Final = "CRTSEARCH_TESTS_OUTER_HOME"  # variable of the environment: HOME as it was
STARTED_BY: Final = (
    "CRTSEARCH_TESTS_PID"  # variable of the environment: the pytest process that started this one
)
MAX_SOCKET_FOLDER: Final = 24  # letters: Ray's sockets lie 70 below, and Linux ends their paths at 107
REPOSITORY: Final = Path(__file__).resolve().parent.parent
OWN_HELPERS: Final = (
    "multiprocessing.resource_tracker",
    "multiprocessing.forkserver",
)  # end with their process
TOOLS_WRITE: Final = {".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}


def enter() -> None:
    """Set HOME, TMPDIR and what else libraries write to. Call before they are imported."""
    os.environ[STARTED_BY] = str(os.getpid())
    if FOLDER in os.environ:
        return  # a worker of pytest-xdist
    outside = tempfile.gettempdir()
    short = outside if len(outside) <= MAX_SOCKET_FOLDER else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="crt-", dir=short))
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "RAY_TMPDIR", "RAY_ADDRESS"):
        os.environ.pop(name, None)
    os.environ |= {
        FOLDER: str(folder),
        OUTER_HOME: os.environ.get("HOME", "/"),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTEST_DEBUG_TEMPROOT": outside,  # folders of failed tests are kept, as pytest does by itself
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),  # one font cache for all, whatever a test makes of HOME
        # One thread, as a trial has by default: threads that wait for each other on a busy machine are slow.
        "OMP_NUM_THREADS": "1",
    }
    tempfile.tempdir = None  # it is remembered


def leave() -> None:
    """Remove the folder. For the process that made it, at its end."""
    shutil.rmtree(os.environ[FOLDER])


def survivors(patience_s: float) -> list[psutil.Process]:
    """The processes started by this one, directly or not, that still run after `patience_s` seconds."""
    started = {process for process in psutil.process_iter() if _is_started_here(process)}
    _, alive = psutil.wait_procs(started, timeout=patience_s)
    return sorted(alive, key=lambda process: process.pid)


def _is_started_here(process: psutil.Process) -> bool:
    """Also where its parent has ended meanwhile: its environment tells."""
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        if any(helper in " ".join(process.cmdline()) for helper in OWN_HELPERS):
            return False
        is_marked = process.environ().get(STARTED_BY) == str(os.getpid())
        return is_marked or os.getpid() in (parent.pid for parent in process.parents())
    except psutil.Error:
        return False  # ended meanwhile, or somebody else's


def names_outside() -> set[Path]:
    """Names, not what lies below them, in the places that users use: the repository, the current folder, and
    in HOME as it was what the program and Ray write.
    """
    home = Path(os.environ[OUTER_HOME])
    ours = (home / ".ray", home / ".cache" / "crtsearch", home / ".local" / "share" / "crtsearch")
    paths = (*REPOSITORY.iterdir(), *Path.cwd().iterdir(), *filter(os.path.lexists, ours))
    return {path for path in paths if path.name not in TOOLS_WRITE}
