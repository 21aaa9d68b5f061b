"""Ray's token: whoever has it can run code on the cluster as its user."""

from pathlib import Path
from typing import Final

TOKEN_FILE: Final = Path("~/.ray/auth_token")
OWNER_ONLY: Final = 0o600


def protect_token(path: Path = TOKEN_FILE) -> None:
    """Let nobody but the owner read the token. Ray writes it with the permissions of any file."""
    file = path.expanduser()
    if file.is_file() and file.stat().st_mode & 0o077:
        file.chmod(OWNER_ONLY)
