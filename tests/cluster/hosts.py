"""Three machines on one (netcluster.sh), as a test handles them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("netcluster.sh")
HEAD = "10.213.77.10"
WORKERS = {"crt-w1": "10.213.77.11", "crt-w2": "10.213.77.12"}
PROGRAMS = ("sshd", "ssh", "ssh-keygen", "ip", "rsync", "tini", "unshare", "setsid")
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
START_TIMEOUT_S = 60.0


def require_hosts() -> None:
    """Skip the test, with the reason, where such machines cannot be made."""
    if not sys.platform.startswith("linux"):
        pytest.skip("network namespaces need Linux")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    missing = [program for program in PROGRAMS if shutil.which(program, path=SYSTEM_PATH) is None]
    if missing:
        pytest.skip(
            f"{', '.join(missing)} missing: apt-get install openssh-server rsync iproute2 tini util-linux"
        )
    allowed = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, text=True)
    if allowed.returncode != 0:
        pytest.skip(f"this machine allows no new namespaces: {allowed.stderr.strip()}")


class Hosts:
    """crt-head, crt-w1 and crt-w2. `shared` is one folder of all of them, at this same path."""

    def __init__(self, folder: Path, shared: Path) -> None:
        self._folder = folder
        shared.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **os.environ,
            "PATH": SYSTEM_PATH,
            "SHARED": str(shared),
            "VENV": sys.prefix,
            "PYTHON": sys.base_prefix,
            "SSHD": str(shutil.which("sshd", path=SYSTEM_PATH)),  # which wants its whole path
            "TINI": str(shutil.which("tini", path=SYSTEM_PATH)),
        }

    @property
    def key(self) -> Path:
        """The private key that opens all three."""
        return self._folder / "key"

    def start(self) -> None:
        self._run("up", str(self._folder))

    def stop(self) -> None:
        """Nothing of them is left after this, whatever state they are in."""
        self._run("down")

    def processes(self, host: str, name: str) -> list[int]:
        """Pids, as this machine counts, of a host's processes with that command name."""
        listed = subprocess.run(
            ["ip", "netns", "pids", host], env=self._environment, capture_output=True, text=True, check=True
        )
        return [pid for pid in map(int, listed.stdout.split()) if _command_name(pid) == name]

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [str(SCRIPT), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the machines, which outlive the command, have logs of their own
            stderr=subprocess.PIPE,
            text=True,
            timeout=START_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr


def _command_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # ended meanwhile
