"""The stage store: what has been computed, found by the digest of its inputs. There is no other cache and no
other way to resume.

    <storage>/stages/<name>/<digest>/manifest.json   committed: complete, with the SHA-256 of each file
    <storage>/stages/<name>/<digest>.progress        the epoch checkpoint of an unfinished stage

On a local disk a commit is one rename. An object store has no rename: there each attempt writes its files to
its own folder beside the manifest, and the manifest, written last, names that folder and is the commit.
"""

import functools
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from crtcore.errors import StorageError
from crtcore.stages.atomic import write_atomically
from crtcore.stages.stage import JSON, Stage, StageKey, StageManifest, sha256_of_json
from crtcore.stages.storage import Content, Storage, StoredFile
from crtcore.stages.trouble import is_disk_error, storage_trouble, trouble_at

MANIFEST: Final = "manifest.json"
PROGRESS_SUFFIX: Final = ".progress"
ATTEMPT_PREFIX: Final = ".tmp-"  # of the folder of a commit or removal that is not finished


class DamagedError(StorageError):
    """A file of a committed stage is not what was written."""


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _naming_trouble(
    method: "Callable[Concatenate[StageStore, Arguments], Result]",
) -> "Callable[Concatenate[StageStore, Arguments], Result]":
    """Turn a method's OSErrors into StorageErrors: a full disk is never the fault of the caller."""

    @functools.wraps(method)
    def named(store: "StageStore", /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with trouble_at(f"storage {store.uri}"):
            return method(store, *args, **kwargs)

    return named


class StageStore:
    """Committed stages in a directory or under a URI that pyarrow.fs understands (`s3://`, `gs://`, ...).

    `cache` is a local folder for copies of files that lie on a remote file system. All methods raise
    StorageError if the disk or server cannot be used (full, read-only, unreachable).
    """

    def __init__(self, uri: str, *, cache: Path) -> None:
        self.uri = uri
        self.cache = cache.expanduser()
        self._storage = Storage(uri)
        self._root = f"{self._storage.root}/stages"
        self._manifests: dict[str, StageManifest] = {}
        self._verified: set[str] = set()

    @property
    def is_local(self) -> bool:
        """Whether the stages lie on a file system of this machine, a network mount included."""
        return self._storage.is_local

    def probe(self) -> None:
        """Write and delete a small file in the storage and in the cache; StorageError if that fails."""
        name = f".probe-{uuid.uuid4().hex[:8]}"
        with trouble_at(f"storage {self.uri}"):
            self._storage.write(f"{self._storage.root}/{name}", b"probe")
            self._storage.delete(f"{self._storage.root}/{name}")
        with trouble_at(f"cache {self.cache}"):
            self.cache.mkdir(parents=True, exist_ok=True)
            write_atomically(self.cache / name, b"probe")
            (self.cache / name).unlink()

    @_naming_trouble
    def find(self, stage: Stage | StageKey) -> StageManifest | None:
        """The manifest of a committed stage, None if it was never committed; StorageError if damaged."""
        if stage.digest in self._manifests:
            return self._manifests[stage.digest]
        text = self._storage.read(f"{self._folder(stage)}/{MANIFEST}")
        if text is None:
            return None
        try:
            content = json.loads(text)
            if content.pop("sha256") != sha256_of_json(content):
                raise ValueError("the manifest does not match its SHA-256")
            manifest = StageManifest(
                files=content["files"],
                facts=content["facts"],
                folder=content["folder"],
                config=content["config"],
                inputs=tuple(content["inputs"]),
                is_referenced=content.get("referenced", False),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(stage, MANIFEST) from error
        self._manifests[stage.digest] = manifest
        return manifest

    @_naming_trouble
    def path(self, stage: Stage | StageKey, name: str) -> Path:
        """A local path to one file of a committed stage; its SHA-256 is verified once per process.

        Raises StorageError if the stage is not committed or the file is damaged.
        """
        manifest = self.find(stage)
        if manifest is None or name not in manifest.files:
            raise StorageError(
                f"stage {stage} has no file {name} in {self.uri}; run `crtsearch sweep` with the same config "
                f"to build it"
            )
        folder = self._folder(stage) if self._storage.is_local else self._cached(stage)
        path = Path(folder, manifest.folder, name)
        if str(path) not in self._verified:
            sha256 = manifest.files[name]["sha256"]
            intact = _holds(path, sha256)
            if not intact and not self._storage.is_local:
                self._download(f"{self._folder(stage)}/{manifest.folder}/{name}", path)
                intact = _holds(path, sha256)
            if not intact:
                raise self._damaged(stage, name)
            self._verified.add(str(path))
        return path

    def is_intact(self, stage: Stage | StageKey) -> bool:
        """Whether the stage is committed, and every file of it is as it was written."""
        try:
            manifest = self.find(stage)
            return manifest is not None and all(self.path(stage, name) for name in manifest.files)
        except DamagedError:
            return False

    @_naming_trouble
    def commit(self, stage: Stage, files: Mapping[str, Content], facts: Mapping[str, JSON]) -> StageManifest:
        """Make `files` and `facts` the output of the stage, all at once; a second commit changes nothing."""
        if self.find(stage) is None:
            # Each attempt has its own name: a process that was thought dead and its successor never mix
            # files.
            attempt = uuid.uuid4().hex[:8]
            target = self._folder(stage)
            if self._storage.is_local:
                home = f"{self._root}/{stage.name}/{ATTEMPT_PREFIX}{stage.digest}-{attempt}"
                try:
                    self._write_stage(stage, files, facts, home=home, folder=".")
                except OSError:  # if the disk is full, do not leave it fuller
                    shutil.rmtree(home, ignore_errors=True)
                    raise
                self._rename(home, target)
            else:
                self._write_stage(stage, files, facts, home=target, folder=attempt)
        self.clear_progress(stage)
        committed = self.find(stage)
        assert committed is not None
        return committed

    def _write_stage(
        self,
        stage: Stage,
        files: Mapping[str, Content],
        facts: Mapping[str, JSON],
        *,
        home: str,
        folder: str,
    ) -> None:
        """Write the files below `home`/`folder`, then the manifest in `home`."""
        for name, content in files.items():
            self._storage.write(f"{home}/{folder}/{name}", content)
        manifest = {
            "stage": stage.name,
            "digest": stage.digest,
            "version": stage.version,
            "inputs": list(stage.inputs),
            "config": dict(stage.config),
            "files": {name: _entry(content) for name, content in files.items()},
            "folder": folder,
            "facts": dict(facts),
            "referenced": True,
        }
        content = json.loads(json.dumps(manifest, allow_nan=False))  # as a reader will see it
        text = json.dumps(content | {"sha256": sha256_of_json(content)}, indent=1, sort_keys=True)
        self._storage.write(f"{home}/{MANIFEST}", text.encode())

    @_naming_trouble
    def discard(self, stage: Stage | StageKey) -> None:
        """Remove a committed stage, or a damaged one so that it is built again."""
        self._manifests.pop(stage.digest, None)
        folder = self._folder(stage)
        self._verified = {path for path in self._verified if f"/{stage.name}/{stage.digest}/" not in path}
        if self._storage.is_local:
            removed = f"{self._root}/{stage.name}/{ATTEMPT_PREFIX}{stage.digest}-{uuid.uuid4().hex[:8]}"
            with suppress(FileNotFoundError):  # nothing is there, or another process discards it too
                os.rename(folder, removed)  # an interrupted removal leaves no half of a stage
                shutil.rmtree(removed)
        else:
            self._storage.delete(f"{folder}/{MANIFEST}")  # first: then nothing refers to its files
            self._storage.delete_folder(folder)
        shutil.rmtree(self._cached(stage), ignore_errors=True)

    @_naming_trouble
    def save_progress(self, stage: Stage, chunks: Iterable[memoryview]) -> None:
        """Replace the epoch checkpoint of an unfinished stage, all at once. It is written chunk by chunk, so
        the whole checkpoint is never in memory twice.
        """
        self._storage.replace(self._progress(stage), chunks)

    @_naming_trouble
    def load_progress(self, stage: Stage) -> Path | None:
        """A local path to the last epoch checkpoint of an unfinished stage, None if there is none."""
        if self._storage.is_local:
            path = Path(self._progress(stage))
            return path if path.is_file() else None
        path = self._cached(stage).with_suffix(PROGRESS_SUFFIX)
        return path if self._download(self._progress(stage), path) else None

    @_naming_trouble
    def clear_progress(self, stage: Stage | StageKey) -> None:
        """Delete the epoch checkpoint."""
        self._storage.delete(self._progress(stage))
        self._cached(stage).with_suffix(PROGRESS_SUFFIX).unlink(missing_ok=True)

    @_naming_trouble
    def list_files(self) -> Iterator[StoredFile]:
        """All files of all stages, finished or not; paths are relative to the `stages` folder."""
        return iter(list(self._storage.list_files(self._root)))

    @_naming_trouble
    def delete_file(self, path: str) -> None:
        """Delete a file of the `stages` folder."""
        self._storage.delete(f"{self._root}/{path}")

    @_naming_trouble
    def delete_folder(self, path: str) -> None:
        """Delete a folder of the `stages` folder that is not a committed stage."""
        self._storage.delete_folder(f"{self._root}/{path}")

    def _download(self, source: str, path: Path) -> bool:
        try:
            return self._storage.download(source, path)
        except OSError as error:
            if is_disk_error(error):  # a network error has no such number
                raise storage_trouble(f"cache {self.cache}", error) from error
            raise

    def _progress(self, stage: Stage | StageKey) -> str:
        return f"{self._folder(stage)}{PROGRESS_SUFFIX}"

    def _folder(self, stage: Stage | StageKey) -> str:
        return f"{self._root}/{stage.name}/{stage.digest}"

    def _cached(self, stage: Stage | StageKey) -> Path:
        return self.cache / "stages" / stage.name / stage.digest

    def _rename(self, folder: str, target: str) -> None:
        try:
            os.rename(folder, target)
        except OSError as error:
            if not Path(target).is_dir():
                raise
            if not Path(target, MANIFEST).is_file():
                problem = f"{target} holds files but no {MANIFEST}; remove it and run the same command again"
                raise StorageError(problem) from error
            shutil.rmtree(folder)  # another process committed the same stage first: its output is as good

    def _damaged(self, stage: Stage | StageKey, name: str) -> DamagedError:
        return DamagedError(
            f"{self._folder(stage)}/{name} is damaged (it does not match its manifest); "
            f"remove the folder and run `crtsearch sweep` with the same config to rebuild it"
        )


def _entry(content: Content) -> dict[str, JSON]:
    if isinstance(content, Path):
        return {"bytes": content.stat().st_size, "sha256": sha256_of(content)}
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _holds(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256
