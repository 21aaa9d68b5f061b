"""An Optuna artifact store that draws files when they are first requested, and keeps them."""

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from crtcore.stages.atomic import write_atomically
from crtcore.stages.stage import StageKey
from crtcore.stages.store import StageStore
from search.dashboard.artifacts import GRAD_CAM, STAGE, ArtifactKind, parse_artifact_id

NO_GRAD_CAM: Final = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 70">
<text x="10" y="28" font-size="14">Grad-CAM needs the winner of the sweep, refitted on all patients:</text>
<text x="10" y="50" font-size="14">run `crtsearch report` for this sweep, then reload this page.</text>
</svg>
"""


class DrawnArtifacts:
    """Files in `folder`, as in Optuna's FileSystemArtifactStore. A missing file of a stage of `store`
    is drawn.

    `class_names` returns the names of the outcomes. `grad_cam` returns Grad-CAM for a digest, or None if it
    is not available; a note that says so is then served and not kept.
    """

    def __init__(
        self,
        folder: Path,
        store: StageStore,
        class_names: Callable[[], tuple[str, str]],
        grad_cam: Callable[[str], str | None],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = FileSystemArtifactStore(folder)
        self._store = store
        self._class_names = class_names
        self._grad_cam = grad_cam
        self._drawing = threading.Lock()  # matplotlib's settings are shared by all threads

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open a file, drawn first if needed. ArtifactNotFound if there is neither the file nor the stage;
        StorageError if the stage is damaged.
        """
        try:
            return self._files.open_reader(artifact_id)
        except ArtifactNotFound:
            known = parse_artifact_id(artifact_id)
            if known is None:
                raise
        if not self._draw(artifact_id, *known):
            return io.BytesIO(NO_GRAD_CAM)
        return self._files.open_reader(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep a file that a user uploads."""
        self._files.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove a file. A file that can be drawn is drawn again when it is requested."""
        self._files.remove(artifact_id)

    def _draw(self, artifact_id: str, digest: str, kind: ArtifactKind) -> bool:
        """Draw a missing file if its stage exists. False if it cannot be drawn yet."""
        path = self._folder / artifact_id
        with self._drawing:
            # One page requests several files at once, and two tabs request the same file.
            if path.exists() or self._store.find(StageKey(name=STAGE, digest=digest)) is None:
                return True
            content = self._content(digest, kind)
            if content is None:
                return False
            write_atomically(path, content)
        return True

    def _content(self, digest: str, kind: ArtifactKind) -> bytes | None:
        if kind == GRAD_CAM:
            drawn = self._grad_cam(digest)
            return None if drawn is None else drawn.encode()
        from search.dashboard import trial_figures  # it loads matplotlib and torch, which takes seconds

        return trial_figures.draw(self._store, digest, kind, self._class_names())
