"""The stage store: what has been computed, by the digest of what went in. The only cache and the only
resume mechanism.

    <storage>/stages/<name>/<digest>/manifest.json   committed: complete, with the SHA-256 of each file
    <storage>/stages/<name>/<digest>.progress        the epoch checkpoint of an unfinished stage

A commit is one rename where the file system has one. On an object store the files lie in a folder of the
attempt's own beside the manifest, which names that folder; the manifest, written last, is the commit.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crtcore.errors import StorageError
from crtcore.stages.stage import JSON, Stage, StageKey, sha256_of_json
from crtcore.stages.storage import Content, Storage

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class StageManifest:
    """What a committed stage says of itself: `files` maps a name to its bytes and SHA-256, `facts` is the
    stage's own, `folder` is where the files lie, relative to the manifest.
    """

    files: Mapping[str, Mapping[str, JSON]]
    facts: Mapping[str, JSON]
    folder: str


class StageStore:
    """Committed stages in a directory or under a URI that pyarrow.fs understands (`s3://`, `gs://`, ...).

    `cache` is a local folder for copies of files that lie on a remote file system.
    """

    def __init__(self, uri: str, *, cache: Path) -> None:
        self.uri = uri
        self.cache = cache.expanduser()
        self._storage = Storage(uri)
        self._root = f"{self._storage.root}/stages"
        self._manifests: dict[str, StageManifest] = {}
        self._verified: set[str] = set()

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
                raise ValueError("the manifest is not the one that was written")
            manifest = StageManifest(files=content["files"], facts=content["facts"], folder=content["folder"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
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
        folder = self._folder(stage) if self._storage.is_local else self._cached(stage)
        path = Path(folder, manifest.folder, name)
        if str(path) not in self._verified:
            sha256 = manifest.files[name]["sha256"]
            intact = _holds(path, sha256)
            if not intact and not self._storage.is_local:
                self._storage.download(f"{self._folder(stage)}/{manifest.folder}/{name}", path)
                intact = _holds(path, sha256)
            if not intact:
                raise self._damaged(stage, name)
            self._verified.add(str(path))
        return path

    def commit(self, stage: Stage, files: Mapping[str, Content], facts: Mapping[str, JSON]) -> StageManifest:
        """Make `files` and `facts` the stage's output, all at once; a second commit changes nothing."""
        if self.find(stage) is None:
            # A name of its own for each attempt: a process presumed dead and its successor never mix files.
            attempt = uuid.uuid4().hex[:8]
            target = self._folder(stage)
            if self._storage.is_local:
                home = f"{self._root}/{stage.name}/.tmp-{stage.digest}-{attempt}"
                try:
                    self._write_stage(stage, files, facts, home=home, folder=".")
                except OSError:  # the disk is full, perhaps: leave it no fuller than it was
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
        """The files below `home`/`folder`, then the manifest in `home`."""
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
        }
        content = json.loads(json.dumps(manifest, allow_nan=False))  # as its readers will see it
        text = json.dumps(content | {"sha256": sha256_of_json(content)}, indent=1, sort_keys=True)
        self._storage.write(f"{home}/{MANIFEST}", text.encode())

    def discard(self, stage: Stage | StageKey) -> None:
        """Remove a committed stage (a damaged one, so that it is built again)."""
        self._manifests.pop(stage.digest, None)
        folder = self._folder(stage)
        self._verified = {path for path in self._verified if f"/{stage.name}/{stage.digest}/" not in path}
        if self._storage.is_local:
            removed = f"{self._root}/{stage.name}/.tmp-{stage.digest}-{uuid.uuid4().hex[:8]}"
            with suppress(FileNotFoundError):  # nothing there, or another process discards it too
                os.rename(folder, removed)  # a removal cut short leaves no half of a stage
                shutil.rmtree(removed)
        else:
            self._storage.delete(f"{folder}/{MANIFEST}")  # first: what it named is unreachable from here on
            self._storage.delete_folder(folder)
        shutil.rmtree(self._cached(stage), ignore_errors=True)

    def save_progress(self, stage: Stage, chunks: Iterable[memoryview]) -> None:
        """Replace the epoch checkpoint of an unfinished stage, all at once, by the chunks one after another:
        a checkpoint is never in memory as a whole.
        """
        self._storage.replace(self._progress(stage), chunks)

    def load_progress(self, stage: Stage) -> Path | None:
        """A local path to the last epoch checkpoint of an unfinished stage, None if there is none."""
        if self._storage.is_local:
            path = Path(self._progress(stage))
            return path if path.is_file() else None
        path = self._cached(stage).with_suffix(".progress")
        return path if self._storage.download(self._progress(stage), path) else None

    def clear_progress(self, stage: Stage | StageKey) -> None:
        """Forget the epoch checkpoint."""
        self._storage.delete(self._progress(stage))
        self._cached(stage).with_suffix(".progress").unlink(missing_ok=True)

    def _progress(self, stage: Stage | StageKey) -> str:
        return f"{self._folder(stage)}.progress"

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
            shutil.rmtree(folder)  # another process committed the same stage first: as good as ours

    def _damaged(self, stage: Stage | StageKey, name: str) -> StorageError:
        return StorageError(
            f"{self._folder(stage)}/{name} is damaged (it does not match its manifest); "
            f"remove the folder and run the same command again to rebuild it"
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
