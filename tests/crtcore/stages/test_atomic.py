"""Drafts that are renamed at the end, or deleted."""

import os
import stat
from pathlib import Path

import pytest

from crtcore.stages.atomic import atomically, write_atomically


def test_a_file_is_replaced_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    write_atomically(path, "old")
    write_atomically(path, "new: é")
    assert path.read_bytes() == "new: é".encode()
    assert os.listdir(tmp_path) == ["note.txt"]


def test_the_old_file_is_readable_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with atomically(path) as draft:
        draft.write_text("new")
        assert draft.suffix == ".txt"
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_an_error_keeps_the_old_file_and_deletes_the_draft(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _write_half_and_stop(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["note.txt"]


def _write_half_and_stop(path: Path) -> None:
    with atomically(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt


def test_an_error_before_the_draft_exists_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="first"), atomically(tmp_path / "x"):
        raise ValueError("first")


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    with atomically(folder) as draft:
        draft.mkdir()
        (draft / "a").write_text("a")
        assert not any(folder.iterdir())
    assert [each.name for each in folder.iterdir()] == ["a"]


def test_a_folder_with_files_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "theirs").write_text("x")
    with pytest.raises(OSError, match="not empty"):
        _write_folder(folder)
    assert [each.name for each in tmp_path.iterdir()] == ["bundle"]
    assert [each.name for each in folder.iterdir()] == ["theirs"]


def _write_folder(folder: Path) -> None:
    with atomically(folder) as draft:
        draft.mkdir()
        (draft / "ours").write_text("x")


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        write_atomically(path, "secret", mode=0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
