"""A real browser on the dashboard of a sweep that Ray runs, during the sweep and after it."""

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page

from search.dashboard.artifacts import KINDS, OUT_OF_FOLD, SVG
from search.results.leaderboard import build_leaderboard
from search.study.folder import sweep_exists
from tests.search.browser import opened_page
from tests.search.program import running

PICTURES = [kind.file_name for kind in KINDS if kind.mime_type == SVG]
TIMEOUT_MS = 100_000  # of a page on a busy machine
NUM_TRIALS = 4
PICTURES_ARE_DRAWN = """num => [...document.querySelectorAll('img[src*="/artifacts/"]')]
    .filter(image => image.complete && image.naturalWidth > 100).length >= num"""


def config(simulated_dir: Path, folder: Path) -> Path:
    """The config of a sweep of four trials, about one second each."""
    path = folder / "watched.yaml"
    content = {
        "name": "watched",
        "storage": str(folder / "storage"),
        "cache": str(folder / "cache"),
        "data": str(simulated_dir),
        "arrhythmia": {"database": "mitdb", "max_beats_per_record": 4},
        "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
        "pretrain": {"objective": "none"},
        "finetune": {"epochs": 3, "folds": 2, "frozen_groups": 5},
        "search": {
            "trials": NUM_TRIALS,
            "sampler": "random",
            "scheduler": {"name": "none"},
            "space": {
                "finetune.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
                "finetune.batch_size": [8, 16],
            },
        },
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def see(page: Page, text: str) -> None:
    """Wait until the text is visible. Menus hold hidden copies of titles."""
    page.locator(f"text={text} >> visible=true").first.wait_for()


@pytest.mark.ray
@pytest.mark.timeout(240)  # 25 s where the machine has nothing else to do
def test_the_dashboard_shows_a_sweep_while_it_runs_and_afterwards(
    simulated_dir: Path, tmp_path: Path
) -> None:
    storage = str(tmp_path / "storage")
    with opened_page() as (page, errors), running("sweep", str(config(simulated_dir, tmp_path))) as sweep:
        page.set_default_timeout(TIMEOUT_MS)
        while not sweep_exists(storage, "watched"):
            assert sweep.poll() is None, sweep.communicate()
            time.sleep(0.2)
        with running("dashboard", "watched", "--port", "0", "--storage", storage) as server:
            assert server.stdout is not None
            with_token = server.stdout.readline().split()[1]
            url = with_token.partition("?")[0]
            page.goto(with_token)
            assert page.url == url

            page.goto(f"{url}/trials")
            page.wait_for_function("() => document.body.innerText.includes('Trials')")
            assert sweep.poll() is None
            assert page.locator("text=Complete >> visible=true").count() < NUM_TRIALS
            # Without a reload: the page asks for news by itself.
            page.wait_for_function(
                "num => (document.body.innerText.match(/^Complete$/gm) || []).length >= num", arg=NUM_TRIALS
            )
            assert sweep.wait(timeout=60) == 0

            page.goto(url)
            for title in ("History", "Hyperparameter Importance", "Intermediate values", "Best Trial"):
                see(page, title)
            # History, importance, timeline and learning curves are drawn, one line a trial.
            page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 4")
            page.wait_for_function(
                "num => document.querySelectorAll('.scatterlayer .trace').length > num", arg=NUM_TRIALS
            )
            page.screenshot(path=tmp_path / "study.png", full_page=True)

            best = build_leaderboard(storage, "watched").best
            assert best is not None
            see(page, f"Best Trial (number={best.number})")
            page.goto(f"{url}/trials?numbers={best.number}")
            page.wait_for_function(PICTURES_ARE_DRAWN, arg=len(PICTURES))
            for name in (*PICTURES, OUT_OF_FOLD.file_name):
                see(page, name)
            page.screenshot(path=tmp_path / "trial.png", full_page=True)

            page.goto(f"{url}/note")
            see(page, "Corrected for the search")
            see(page, f"{NUM_TRIALS} trials finished")
            page.screenshot(path=tmp_path / "note.png", full_page=True)
        assert errors == []
