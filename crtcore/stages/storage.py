"""Files in a directory or under a URI: the few operations that the stage store is made of."""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

from crtcore.errors import StorageError
from crtcore.stages.atomic import atomically
from crtcore.stages.direct_write import write_directly

Content = bytes | memoryview | Path  # what a file is made from; a Path is a local file's
COPY_BYTES = 1 << 20
WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # before a remote file system that failed is asked again

Answer = TypeVar("Answer")


class Storage:
    """A directory, or a place that pyarrow.fs understands (`s3://`, `gs://`, ...). Raises StorageError if
    there is no such place. Later failures of the file system are OSErrors, of a remote one after some
    patience: it may be away for a while, as a disk is not.
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

    def read(self, path: str) -> bytes | None:
        """A file's content, None if there is no such file."""

        def read() -> bytes:
            with self._fs.open_input_file(path) as stream:
                return bytes(stream.readall())

        try:
            return self._ask(read)
        except FileNotFoundError:
            return None

    def write(self, path: str, content: Content | Iterable[memoryview]) -> None:
        """Write a file, of one piece or of chunks, and see it on the disk where that is ours; what comes in
        chunks is large, and kept out of the page cache.
        """
        if isinstance(content, Path):
            if not self.is_local:
                self._ask(lambda: pafs.copy_files(str(content), path, destination_filesystem=self._fs))
                return
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with content.open("rb") as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, COPY_BYTES)
                _sync(target.fileno())
            return
        if isinstance(content, bytes | memoryview):
            if not self.is_local:
                self._ask(lambda: self._upload(path, (content,)))
                return
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as target:
                target.write(content)
                _sync(target.fileno())
        elif self.is_local:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_directly(path, content)
        else:  # read but once, so there is no second attempt: whoever makes them does better to begin anew
            self._upload(path, content)

    def replace(self, path: str, content: Content | Iterable[memoryview]) -> None:
        """Write a file so that its readers see the old content or the new, never a part."""
        if not self.is_local:  # an object appears as a whole
            self.write(path, content)
            return
        with atomically(Path(path)) as draft:
            self.write(str(draft), content)

    def delete(self, path: str) -> None:
        """Remove a file; nothing is done if there is none."""
        with suppress(FileNotFoundError):
            self._ask(lambda: self._fs.delete_file(path))

    def delete_folder(self, path: str) -> None:
        """Remove what lies in a folder; nothing is done if there is none."""
        self._ask(lambda: self._fs.delete_dir_contents(path, missing_dir_ok=True))

    def download(self, source: str, path: Path) -> bool:
        """Copy a file to the local `path`, all at once; False if there is no such file."""
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
        """What the file system answers, at once or, of a remote one, within half a minute."""
        for wait_s in () if self.is_local else WAITS_S:
            try:
                return operation()
            except FileNotFoundError:  # an answer
                raise
            except OSError:
                time.sleep(wait_s)
        return operation()


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)  # a manifest must not outlive, in a power cut, the files that it names
