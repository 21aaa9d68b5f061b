"""A disk of a chosen size that a test can fill, enlarge and make read-only: a tmpfs in a mount namespace of
its own.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A shell in the namespace of the mount; `run` starts programs there."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # `cat` keeps the namespace alive until its input is closed.
        mount = f"mount -t tmpfs -o size={size} tmpfs '{folder}' && echo && cat"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"\n", "the disk was not mounted"

    def command(self, *arguments: str) -> list[str]:
        """The arguments that run a program where the disk is seen."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", f"--wd={os.getcwd()}", *arguments]

    def remount(self, options: str) -> None:
        """Change the size (`size=1m`) or make it read-only (`ro`, `rw`)."""
        remount = self.command("mount", "-o", f"remount,{options}", str(self.folder))
        subprocess.run(remount, check=True, capture_output=True)

    def close(self) -> None:
        self._holder.communicate()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk on `folder`; skips the test where that is not allowed."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("needs root, unshare and nsenter to mount a small disk")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("this system does not allow a mount namespace")
    disk = SmallDisk(folder, size)
    try:
        yield disk
    finally:
        disk.close()
