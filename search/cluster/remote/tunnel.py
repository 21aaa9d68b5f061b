"""Forward ports of a cluster's head to this machine, with Ray's own commands over SSH."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import yaml

from crtcore.errors import ConfigError, SweepError

HOST = "127.0.0.1"
JOB_PORT = 8265  # of Ray's dashboard, which also accepts jobs
ANSWER_TIMEOUT_S = 90.0
POLL_S = 0.2
STOP_TIMEOUT_S = 5.0

RAY = (sys.executable, "-m", "ray.scripts.scripts")  # this environment's `ray`, even if it is not on the PATH


@contextmanager
def forwarded(
    cluster: Path, ports: Sequence[tuple[int, int]], command: str | None = None
) -> Iterator[Callable[[], str]]:
    """Forward ports, given as (port here, port on the head), and wait until they answer HTTP.

    If there is a `command`, it runs on the head during the block; both ports of a pair must then be equal,
    because `ray exec` can do no more. Yields a function that returns what Ray and the command have printed so
    far. Raises ConfigError if `cluster` is not a file for `ray up`; SweepError with the last words of Ray or
    of the command if a port does not answer.
    """
    _require_cluster_file(cluster)
    if command is None:
        ((ours, theirs),) = ports
        _require_free(ours)
        arguments = ["dashboard", str(cluster), "--port", str(ours), "--remote-port", str(theirs)]
    else:
        assert all(ours == theirs for ours, theirs in ports)
        for ours, _ in ports:
            _require_free(ours)
        arguments = ["exec", str(cluster), command]
        arguments += [text for ours, _ in ports for text in ("--port-forward", str(ours))]
    with tempfile.TemporaryFile() as output:

        def printed() -> str:
            # Not `seek`: the position is shared with the process that writes.
            return os.pread(output.fileno(), os.fstat(output.fileno()).st_size, 0).decode(errors="replace")

        process = subprocess.Popen(
            [*RAY, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # SSH is its child, and must end with it
        )
        try:
            deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
            while not all(_answers(ours) for ours, _ in ports):
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise SweepError(
                        f"the head of {cluster} cannot be reached ({_last_words(printed())}); start it "
                        f"with `ray up {cluster}`, and run all commands from the folder where you did that"
                    )
                time.sleep(POLL_S)
            yield printed
        finally:
            _end(process)


def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        return int(server.getsockname()[1])


def _require_cluster_file(cluster: Path) -> None:
    try:
        tree = yaml.safe_load(cluster.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        cause = " ".join(str(error).split())  # YAML's errors have several lines
        raise ConfigError(
            f"--cluster {cluster} cannot be read ({cause}); give the file that `ray up` takes"
        ) from error
    if not isinstance(tree, dict) or "provider" not in tree:
        raise ConfigError(f"--cluster {cluster} describes no cluster; give the file that `ray up` takes")


def _require_free(port: int) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError as error:
            raise SweepError(
                f"port {port} of this machine cannot be used ({error.strerror}); give another with --port, "
                "or stop the program that uses it"
            ) from error


def _answers(port: int) -> bool:
    """Whether a port answers HTTP. An open connection is not enough: SSH accepts it before the head does."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1.0) as connection:
        connection.settimeout(5.0)
        connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        return connection.recv(5) == b"HTTP/"
    return False


def _last_words(text: str) -> str:
    lines = [line.strip() for line in click.unstyle(text).splitlines() if line.strip()]
    sentences = [line for line in lines if line.startswith("crtsearch: ")]  # crtsearch's own error
    return (sentences or lines or ["no output"])[-1].removeprefix("crtsearch: ")


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
