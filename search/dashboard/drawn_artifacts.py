"""An Optuna artifact store whose files are drawn when they are first asked for, and then kept."""

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
<text x="10" y="28" font-size="14">Grad-CAM is drawn of the sweep's winner, refitted on all patients:</text>
<text x="10" y="50" font-size="14">run `crtsearch report` on the sweep, then load this page again.</text>
</svg>
"""


class DrawnArtifacts:
    """Files in `folder`, like Optuna's FileSystemArtifactStore; what is missing there and belongs to a stage
    of `store` is drawn from it. `class_names` gives what the outcomes are called in the pictures, `grad_cam`
    Grad-CAM for a digest, None where there is none (yet): what is served then says so, and is not kept.
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
        self._drawing = threading.Lock()  # matplotlib's settings are those of the whole process

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The file's content. ArtifactNotFound if there is neither file nor stage; StorageError if the stage
        is damaged.
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
        """Keep a file that somebody uploads."""
        self._files.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        """Remove a file; one that can be drawn comes back when it is asked for."""
        self._files.remove(artifact_id)

    def _draw(self, artifact_id: str, digest: str, kind: ArtifactKind) -> bool:
        """Draw what is missing, if there is the stage for it; False if there is nothing to draw yet."""
        path = self._folder / artifact_id
        with self._drawing:
            # Several pictures of one page are asked for at once, and one of them by two tabs.
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
        from search.dashboard.trial_figures import (
            draw,
        )  # matplotlib and torch, which the first page can do without

        return draw(self._store, digest, kind, self._class_names())
