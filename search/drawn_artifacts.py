"""An Optuna artifact store whose files are drawn when they are first asked for, and then kept."""

import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from crtcore.stages import StageKey, StageStore
from search.artifacts import STAGE, parse_artifact_id


class DrawnArtifacts:
    """Files in `folder`, like Optuna's FileSystemArtifactStore; what is missing there and belongs to a stage
    of `store` is drawn from it. `class_names` gives what the outcomes are called in the pictures.
    """

    def __init__(self, folder: Path, store: StageStore, class_names: Callable[[], tuple[str, str]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = FileSystemArtifactStore(folder)
        self._store = store
        self._class_names = class_names
        self._drawing = threading.Lock()  # matplotlib's settings are those of the whole process

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The file's content. ArtifactNotFound if there is neither file nor stage; StorageError if the stage
        is damaged.
        """
        try:
            return self._files.open_reader(artifact_id)
        except ArtifactNotFound:
            self._draw(artifact_id)
        return self._files.open_reader(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep a file that somebody uploads."""
        self._files.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove a file; one that can be drawn comes back when it is asked for."""
        self._files.remove(artifact_id)

    def _draw(self, artifact_id: str) -> None:
        known = parse_artifact_id(artifact_id)
        if known is None:
            return
        from search.trial_figures import draw  # matplotlib and torch, which the first page can do without

        digest, kind = known
        path = self._folder / artifact_id
        with self._drawing:
            # Several pictures of one page are asked for at once, and one of them by two tabs.
            if path.exists() or self._store.find(StageKey(name=STAGE, digest=digest)) is None:
                return
            temporary = path.with_name(f".{artifact_id}.{uuid.uuid4().hex[:8]}")
            temporary.write_bytes(draw(self._store, digest, kind, self._class_names()))
            os.replace(temporary, path)
