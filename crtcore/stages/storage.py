"""Files in a directory or under a URI: the few operations that the stage store needs."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

from crtcore.errors import StorageError
from crtcore.stages.atomic import atomically
from crtcore.stages.direct_write import write_directly

Content = bytes | memoryview | Path  # the content of a file; a Path names a local file to copy
COPY_BYTES: Final = 1 << 20
# Pauses before a remote file system is asked again: about 4 minutes in all. After that the sweep halts.
WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0)

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file in a listing. `path` is relative to the listed folder, `changed_s` a Unix time (0: unknown)."""

    path: str
    num_bytes: int
    changed_s: float


class Storage:
    """A directory, or a URI that pyarrow.fs understands (`s3://`, `gs://`, ...). Raises StorageError if there
    is no such place.

    Later failures are OSErrors. A local disk is asked once. A remote file system is asked again for about
    four minutes, because it may be unreachable for a while.
    """

    def __init__(self, uri: str) -> None:
        try:
            self._fs, root = (
                pafs.FileSystem.from_uri(uri)
                if "://" in uri
                else (pafs.LocalFileSystem(), str(Path(uri).expanduser().absolute()))
            )
            self.is_local = isinstance(self._fs, pafs.LocalFileSystem)
            bucket = root.split("/")[0] or "/"
            if not self.is_local and self._fs.get_file_info(bucket).type == pafs.FileType.NotFound:
                raise FileNotFoundError(f"there is no bucket {bucket}")
        except (pa.ArrowInvalid, OSError) as error:
            raise StorageError(
                f"storage {uri!r} cannot be used: {error}; give a directory, or an s3:// or gs:// URI that "
                f"this machine's credentials open"
            ) from error
        self.root = root.rstrip("/")

    def is_file(self, path: str) -> bool:
        return bool(self._ask(lambda: self._fs.get_file_info(path)).type == pafs.FileType.File)

    def list_files(self, folder: str) -> Iterator[StoredFile]:
        """All files below `folder`, at any depth; none if there is no such folder."""
        selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
        for info in self._ask(lambda: self._fs.get_file_info(selector)):
            if info.type == pafs.FileType.File:
                yield StoredFile(
                    path=info.path.removeprefix(f"{folder}/"),
                    num_bytes=info.size,
                    changed_s=info.mtime.timestamp() if info.mtime else 0.0,
                )

    def read(self, path: str) -> bytes | None:
        """The content of a file, None if there is no such file."""

        def read() -> bytes:
            with self._fs.open_input_file(path) as stream:
                return bytes(stream.readall())

        try:
            return self._ask(read)
        except FileNotFoundError:
            return None

    def write(self, path: str, content: Content | Iterable[memoryview]) -> None:
        """Write a file; on a local disk, wait until it is there. Content that comes in chunks is large and
        bypasses the page cache.
        """
        if isinstance(content, Path):
            if not self.is_local:
                self._ask(lambda: pafs.copy_files(str(content), path, destination_filesystem=self._fs))
                return
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with content.open("rb") as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, COPY_BYTES)
                target.flush()
                _sync(target.fileno())
            return
        if isinstance(content, bytes | memoryview):
            if not self.is_local:
                self._ask(lambda: self._upload(path, (content,)))
                return
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as target:
                target.write(content)
                target.flush()
                _sync(target.fileno())
        elif self.is_local:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_directly(path, content)
        else:  # chunks can be read only once, so there is no second attempt
            self._upload(path, content)

    def replace(self, path: str, content: Content | Iterable[memoryview]) -> None:
        """Write a file. Readers see the old content or the new, never a part."""
        if not self.is_local:  # an object appears as a whole
            self.write(path, content)
            return
        with atomically(Path(path)) as draft:
            self.write(str(draft), content)

    def delete(self, path: str) -> None:
        """Remove a file if there is one."""
        with suppress(FileNotFoundError):
            self._ask(lambda: self._fs.delete_file(path))

    def delete_folder(self, path: str) -> None:
        """Remove a folder, and everything in it, if there is one."""
        if self.is_local:
            with suppress(FileNotFoundError):
                shutil.rmtree(path)
        else:
            self._ask(lambda: self._fs.delete_dir_contents(path, missing_dir_ok=True))

    def download(self, source: str, path: Path) -> bool:
        """Copy a file to the local `path`, which appears whole; False if there is no such file."""
        if not self.is_file(source):
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomically(path) as draft:
            self._ask(lambda: pafs.copy_files(source, str(draft), source_filesystem=self._fs))
        return True

    def _upload(self, path: str, chunks: Iterable[bytes | memoryview]) -> None:
        with self._fs.open_output_stream(path) as stream:
            for chunk in chunks:
                stream.write(chunk)

    def _ask(self, operation: Callable[[], Answer]) -> Answer:
        """Run `operation`; on a remote file system, try again after a failure."""
        for wait_s in () if self.is_local else WAITS_S:
            try:
                return operation()
            except FileNotFoundError:  # this is an answer
                raise
            except OSError:
                time.sleep(wait_s)
        return operation()


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)  # after a power cut, a manifest must not name files that are not on the disk
