"""What can happen to a sweep: processes are killed or told to stop, disks are full or read-only.

The disks need root. Call `in_own_mounts` first: it gives this program mounts that nobody else sees.
"""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from ray.cluster_utils import Cluster

OBJECT_STORE_BYTES: Final = 100 << 20
DISK_BYTES: Final = 1 << 30
MARK: Final = (
    "CRTSEARCH_KILL_MARK"  # variable of the environment of a driver, inherited by all that it starts
)
IS_APART: Final = "CRTSEARCH_KILL_MOUNTS"  # variable of the environment: this program has its own mounts
FILLER: Final = "filler"


class TwoNodes:
    """A Ray cluster of a head and a second node, each with room for one trial."""

    def __init__(self) -> None:
        self._cluster = Cluster()
        self._head = self._cluster.add_node(
            num_cpus=1, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES
        )
        self.add_second()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_second(self) -> None:
        self._second = self._cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)

    def kill_second(self) -> None:
        self._cluster.remove_node(self._second, allow_graceful=False)

    def trial_processes(self) -> list[int]:
        """The processes of both nodes that run a trial."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in (self._head, self._second)}
        return [pid for pid, parent, title in processes() if parent in raylets and "Trainable" in title]

    def shutdown(self) -> None:
        self._cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray annotates only part of its API


def processes() -> Iterator[tuple[int, int, str]]:
    """The pid, parent pid and title of all processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_text(errors="replace")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has ended
        yield int(folder.name), parent, title


def num_left(mark: str, nodes: TwoNodes, patience_s: float) -> int:
    """The processes that a driver left behind, after `patience_s` seconds: those that it started, and those
    that run a trial on the cluster.
    """
    deadline_s = time.monotonic() + patience_s
    while (num := len(_marked(mark)) + len(nodes.trial_processes())) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    return num


def _marked(mark: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                found.append(process.pid)
    return found


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A running sweep: its driver, the cluster, and the folder of its storage."""

    driver: subprocess.Popen[str]
    nodes: TwoNodes
    storage: Path


def _send(number: signal.Signals) -> Callable[[Scene], bool]:
    def send(scene: Scene) -> bool:
        scene.driver.send_signal(number)
        return True

    return send


def _kill_trial(scene: Scene) -> bool:
    """Kill a trial process, if need be as soon as there is one."""
    while not (found := scene.nodes.trial_processes()) and scene.driver.poll() is None:
        time.sleep(0.1)
    if found:
        os.kill(found[0], signal.SIGKILL)
    return bool(found)


def _kill_node(scene: Scene) -> bool:
    scene.nodes.kill_second()
    return True


def _fill_disk(scene: Scene) -> bool:
    with (scene.storage / FILLER).open("wb") as file:
        size, step = 0, DISK_BYTES
        while step >= 512:
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                step //= 2
    return True


def _make_read_only(scene: Scene) -> bool:
    """Lay a read-only view of the storage over it. Files that are open stay writable, as on a real disk."""
    _run("mount", "--bind", str(scene.storage), str(scene.storage))
    _run("mount", "-o", "remount,bind,ro", str(scene.storage))
    return True


# What happens to a running sweep. False if it ended before.
DISTURBANCES: Final[Mapping[str, Callable[[Scene], bool]]] = {
    "driver": _send(signal.SIGKILL),
    "trial": _kill_trial,
    "node": _kill_node,
    "sigterm": _send(signal.SIGTERM),
    "sighup": _send(signal.SIGHUP),
    "full_disk": _fill_disk,
    "read_only_disk": _make_read_only,
}
# How it is repaired before the same command is run again; nothing is to be done for the others.
REPAIRS: Final[Mapping[str, Callable[[Scene], object]]] = {
    "node": lambda scene: scene.nodes.add_second(),
    "full_disk": lambda scene: (scene.storage / FILLER).unlink(),
    "read_only_disk": lambda scene: unmount(scene.storage),
}
DISKS: Final = ("full_disk", "read_only_disk")
LOCAL: Final = ("sigterm", "sighup")  # a driver with a Ray of its own has more to clean up


def in_own_mounts() -> None:
    """Run this program again in its own mount namespace."""
    if IS_APART not in os.environ:
        os.environ[IS_APART] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "benchmarks.kill", *sys.argv[1:]])


def mount_disk(folder: Path) -> None:
    """Mount an empty disk of DISK_BYTES on a new folder."""
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder))


def unmount(folder: Path) -> None:
    """Take away the mount that lies on a folder."""
    _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
