"""Debian's Chromium driven by Playwright, without a browser of Playwright's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def opened_page() -> Iterator[tuple[Page, list[str]]]:
    """A page of a headless browser, and what its console calls an error or could not be fetched."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium), so no dashboard is looked at")
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1300})
        page.on(
            "console",
            lambda message: errors.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "response",
            lambda answer: errors.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )
        try:
            yield page, errors
        finally:
            browser.close()
