"""MkDocs hook: a link out of docs/ is for readers of the repository, and plain text on the site."""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

REPOSITORY = Path(__file__).resolve().parent.parent
OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Called by MkDocs for each page. PluginError if a linked file is not there."""

    def plain(link: re.Match[str]) -> str:
        if not (REPOSITORY / link[2]).exists():
            raise PluginError(f"{page.file.src_path} links {link[2]}, and there is no such file")
        return link[1]

    return OUTWARD.sub(plain, markdown)
