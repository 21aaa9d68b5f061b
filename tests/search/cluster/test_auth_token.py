"""The permissions of Ray's token."""

import stat
from pathlib import Path

import pytest

from search.cluster.auth_token import protect_token


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o600), (0o660, 0o600), (0o600, 0o600), (0o400, 0o400)]
)
def test_others_cannot_read_the_token(tmp_path: Path, before: int, after: int) -> None:
    token = tmp_path / "auth_token"
    token.write_text("secret")
    token.chmod(before)
    protect_token(token)
    assert stat.S_IMODE(token.stat().st_mode) == after
    assert token.read_text() == "secret"


def test_no_token_is_made(tmp_path: Path) -> None:
    protect_token(tmp_path / "auth_token")
    assert list(tmp_path.iterdir()) == []
