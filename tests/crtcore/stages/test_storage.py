"""A remote storage that goes away for a while."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest
from moto.server import ThreadedMotoServer

from crtcore.stages.storage import WAITS_S, Storage
from tests.aws_server import CREDENTIALS


@pytest.fixture
def waited_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited, in no time."""
    waited_s: list[float] = []
    monkeypatch.setattr(time, "sleep", waited_s.append)
    return waited_s


class Flaky:
    """A file system of pyarrow's that fails so many times before each answer."""

    def __init__(self, fs: pafs.FileSystem, num_failures: int) -> None:
        self._fs = fs
        self._num_failures = num_failures
        self._left = num_failures

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left >= 0:
                raise OSError("the network is down")
            self._left = self._num_failures
            return getattr(self._fs, name)(*args, **kwargs)

        return ask


def flaky(num_failures: int) -> Storage:
    storage = Storage("mock:///")  # pyarrow's file system in memory
    storage._fs = Flaky(storage._fs, num_failures)
    return storage


def test_what_fails_for_a_while_is_done_once_it_can_be(waited_s: list[float]) -> None:
    storage = flaky(2)
    storage.write("file", b"content")
    assert storage.read("file") == b"content"
    assert storage.is_file("file")
    storage.delete("file")
    assert storage.read("file") is None
    storage.delete_folder("nothing")
    assert waited_s == list(WAITS_S[:2]) * 6


def test_patience_ends(waited_s: list[float]) -> None:
    with pytest.raises(OSError, match="the network is down"):
        flaky(100).read("file")
    assert waited_s == list(WAITS_S)


def test_chunks_that_are_made_but_once_are_not_asked_for_again(waited_s: list[float]) -> None:
    with pytest.raises(OSError, match="the network is down"):
        flaky(1).write("file", iter([memoryview(b"content")]))
    assert waited_s == []


def test_what_is_not_there_is_an_answer_and_a_disk_is_asked_once(
    tmp_path: Path, waited_s: list[float]
) -> None:
    assert Storage("mock:///").read("nothing") is None
    os.mkdir(tmp_path / "folder")
    with pytest.raises(OSError, match="folder"):
        Storage(str(tmp_path)).read(str(tmp_path / "folder"))
    assert waited_s == []


def test_a_server_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real S3 server (moto) on 127.0.0.1 that is stopped, and started again while we wait."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    pafs.S3FileSystem(
        endpoint_override=f"127.0.0.1:{port}", scheme="http", region="us-east-1", allow_bucket_creation=True
    ).create_dir("patient")
    storage = Storage(f"s3://patient/x?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1")
    storage.write("patient/x/file", b"content")
    again = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    monkeypatch.setattr(time, "sleep", lambda seconds: again.start())
    server.stop()
    try:
        assert storage.download("patient/x/file", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"content"
    finally:
        again.stop()
