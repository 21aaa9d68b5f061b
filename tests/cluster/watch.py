"""What is made in folders, event by event, as Linux's inotify tells: a file that comes and goes between two
looks is seen too. The watched folders may be written from any mount or process namespace of this machine.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

EVENT = struct.Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name that follows
IN_CREATE = 0x100
BUFFER_BYTES = 1 << 20


class Watch:
    """Names made in `folders` since the watch began."""

    def __init__(self, folders: Iterable[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._folders = {
            libc.inotify_add_watch(self._descriptor, os.fsencode(folder), IN_CREATE): folder
            for folder in folders
        }
        if self._descriptor < 0 or min(self._folders) < 0:
            raise OSError(ctypes.get_errno(), "inotify is not to be had")
        self.created: list[Path] = []

    def read(self) -> list[Path]:
        """All that was made so far, in order."""
        try:
            while content := os.read(self._descriptor, BUFFER_BYTES):
                self._take(content)
        except BlockingIOError:
            return self.created
        return self.created

    def close(self) -> None:
        os.close(self._descriptor)

    def _take(self, content: bytes) -> None:
        while content:
            watch, _, _, length = EVENT.unpack_from(content)
            name = content[EVENT.size : EVENT.size + length].rstrip(b"\0")
            if watch < 0:
                raise OverflowError("inotify lost events")
            self.created.append(self._folders[watch] / os.fsdecode(name))
            content = content[EVENT.size + length :]
