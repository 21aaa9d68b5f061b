"""The stage store: what has been computed, by the digest of what went in. The only cache and the only
resume mechanism.

    <storage>/stages/<name>/<digest>/manifest.json   committed: complete, with the SHA-256 of each file
    <storage>/stages/<name>/<digest>.progress        the epoch checkpoint of an unfinished stage

A commit is one rename where the file system has one; on an object store the manifest, written last, is the
commit.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from crtcore.errors import StorageError

JSON = Any  # a value of the json module; Python has no finite type for it
MANIFEST = "manifest.json"
DIGEST_LENGTH = 20


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The identity of one computation: the same four values always mean the same output.

    `inputs` are digests of the stages it reads, or content hashes of raw data; `version` changes whenever
    the code would give another output for the same config.
    """

    name: str
    config: Mapping[str, JSON]
    inputs: tuple[str, ...]
    version: int

    @cached_property
    def digest(self) -> str:
        """20 hexadecimal digits of the SHA-256 over the canonical JSON of the four values."""
        identity = {
            "name": self.name,
            "config": dict(self.config),
            "inputs": list(self.inputs),
            "version": self.version,
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]

    def __str__(self) -> str:
        return f"{self.name}/{self.digest}"


@dataclass(frozen=True, kw_only=True)
class StageKey:
    """The address of a stage that is known by its digest alone, as it stands in a manifest or a study."""

    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}/{self.digest}"


@dataclass(frozen=True, kw_only=True)
class StageManifest:
    """What a committed stage says of itself: `files` maps a name to its bytes and SHA-256, `facts` is the
    stage's own.
    """

    files: Mapping[str, Mapping[str, JSON]]
    facts: Mapping[str, JSON]


class StageStore:
    """Committed stages in a directory or under a URI that pyarrow.fs understands (`s3://`, `gs://`, ...).

    `cache` is a local folder for copies of files that lie on a remote file system.
    """

    def __init__(self, uri: str, *, cache: Path) -> None:
        self.uri = uri
        self.cache = cache.expanduser()
        try:
            self._fs, root = (
                pafs.FileSystem.from_uri(uri)
                if "://" in uri
                else (pafs.LocalFileSystem(), str(Path(uri).expanduser().absolute()))
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise StorageError(
                f"storage {uri!r} cannot be used: {error}; give a directory or an s3:// or gs:// URI"
            ) from error
        self._root = f"{root.rstrip('/')}/stages"
        self._is_local = isinstance(self._fs, pafs.LocalFileSystem)
        self._manifests: dict[str, StageManifest] = {}
        self._verified: set[str] = set()

    def find(self, stage: Stage | StageKey) -> StageManifest | None:
        """The manifest of a committed stage, None if it was never committed; StorageError if the manifest
        is unreadable.
        """
        if stage.digest in self._manifests:
            return self._manifests[stage.digest]
        text = self._read(f"{self._folder(stage)}/{MANIFEST}")
        if text is None:
            return None
        try:
            content = json.loads(text)
            manifest = StageManifest(files=content["files"], facts=content["facts"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(stage, MANIFEST) from error
        self._manifests[stage.digest] = manifest
        return manifest

    def path(self, stage: Stage | StageKey, name: str) -> Path:
        """A local path to one file of a committed stage, its SHA-256 verified once per process.

        Raises StorageError if the stage is not committed or the file is damaged.
        """
        manifest = self.find(stage)
        if manifest is None or name not in manifest.files:
            raise StorageError(
                f"stage {stage} has no file {name} in {self.uri}; run the same command again to build it"
            )
        path = Path(self._folder(stage), name) if self._is_local else self._download(stage, name)
        if str(path) not in self._verified:
            if not path.is_file() or sha256_of(path) != manifest.files[name]["sha256"]:
                raise self._damaged(stage, name)
            self._verified.add(str(path))
        return path

    def commit(
        self, stage: Stage, files: Mapping[str, bytes | Path], facts: Mapping[str, JSON]
    ) -> StageManifest:
        """Make `files` and `facts` the stage's output, all at once; committing what is committed changes
        nothing.
        """
        if self.find(stage) is None:
            # A name of its own for each attempt: a process presumed dead and its successor never mix files.
            target = self._folder(stage)
            attempt = f"{self._root}/{stage.name}/.tmp-{stage.digest}-{uuid.uuid4().hex[:8]}"
            folder = attempt if self._is_local else target
            self._fs.create_dir(folder)
            for name, content in files.items():
                self._write(f"{folder}/{name}", content)
            manifest = {
                "stage": stage.name,
                "digest": stage.digest,
                "version": stage.version,
                "inputs": list(stage.inputs),
                "config": dict(stage.config),
                "files": {name: _entry(content) for name, content in files.items()},
                "facts": dict(facts),
            }
            text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
            self._write(f"{folder}/{MANIFEST}", text.encode())
            if self._is_local:
                self._rename(folder, target)
        self.clear_progress(stage)
        committed = self.find(stage)
        assert committed is not None
        return committed

    def discard(self, stage: Stage | StageKey) -> None:
        """Remove a committed stage (a damaged one, so that it is built again)."""
        self._manifests.pop(stage.digest, None)
        folder = self._folder(stage)
        self._verified = {path for path in self._verified if f"/{stage.name}/{stage.digest}/" not in path}
        # The manifest goes first: a removal cut short leaves an uncommitted stage, never a committed half.
        self._delete(f"{folder}/{MANIFEST}")
        if self._fs.get_file_info(folder).type == pafs.FileType.Directory:
            self._fs.delete_dir(folder)
        shutil.rmtree(self._cached(stage), ignore_errors=True)

    def save_progress(self, stage: Stage, data: bytes) -> None:
        """Replace the epoch checkpoint of an unfinished stage, all at once."""
        self._fs.create_dir(f"{self._root}/{stage.name}")
        final = f"{self._folder(stage)}.progress"
        if self._is_local:
            temporary = f"{final}.{uuid.uuid4().hex[:8]}"
            self._write(temporary, data)
            os.replace(temporary, final)
        else:
            self._write(final, data)

    def load_progress(self, stage: Stage) -> bytes | None:
        """The last epoch checkpoint of an unfinished stage, None if there is none."""
        return self._read(f"{self._folder(stage)}.progress")

    def clear_progress(self, stage: Stage | StageKey) -> None:
        """Forget the epoch checkpoint."""
        self._delete(f"{self._folder(stage)}.progress")

    def _folder(self, stage: Stage | StageKey) -> str:
        return f"{self._root}/{stage.name}/{stage.digest}"

    def _cached(self, stage: Stage | StageKey) -> Path:
        return self.cache / "stages" / stage.name / stage.digest

    def _read(self, path: str) -> bytes | None:
        if self._fs.get_file_info(path).type != pafs.FileType.File:
            return None
        try:
            with self._fs.open_input_file(path) as stream:
                return bytes(stream.readall())
        except FileNotFoundError:  # removed between the question and the reading
            return None

    def _write(self, path: str, content: bytes | Path) -> None:
        if self._is_local:
            with open(path, "wb") as target:
                if isinstance(content, bytes):
                    target.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
        elif isinstance(content, bytes):
            with self._fs.open_output_stream(path) as stream:
                stream.write(content)
        else:
            pafs.copy_files(str(content), path, destination_filesystem=self._fs)

    def _delete(self, path: str) -> None:
        if self._fs.get_file_info(path).type == pafs.FileType.File:
            self._fs.delete_file(path)

    def _rename(self, folder: str, target: str) -> None:
        try:
            os.rename(folder, target)
        except OSError:
            # Another process committed the same stage first: its output is as good as ours.
            if not Path(target, MANIFEST).is_file():
                raise
            shutil.rmtree(folder)

    def _download(self, stage: Stage | StageKey, name: str) -> Path:
        final = self._cached(stage) / name
        if not final.is_file():
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary = final.with_name(f".{name}.{uuid.uuid4().hex[:8]}")
            pafs.copy_files(f"{self._folder(stage)}/{name}", str(temporary), source_filesystem=self._fs)
            os.replace(temporary, final)
        return final

    def _damaged(self, stage: Stage | StageKey, name: str) -> StorageError:
        return StorageError(
            f"{self._folder(stage)}/{name} is damaged (it does not match its manifest); "
            f"remove the folder and run the same command again to rebuild it"
        )


def _entry(content: bytes | Path) -> dict[str, JSON]:
    if isinstance(content, bytes):
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {"bytes": content.stat().st_size, "sha256": sha256_of(content)}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
