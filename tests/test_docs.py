"""The documentation: it builds, its paths exist, the reference is that of the code, the notebook runs."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
PAGES = (*sorted(REPOSITORY.glob("*.md")), *sorted(DOCS.glob("*.md")))
ROOMS = "crtcore|search|benchmarks|tests|docs|configs|\\.github|\\.ci"
PATH = re.compile(rf"(?<![\w/.<~-])(?:{ROOMS})/[\w./*-]*\w/?")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
BARE_FILE = re.compile(r"`([\w.-]*\w\.(?:py|md|toml|yaml|yml|json|cff))`")
PLACEHOLDERS = {
    "NAME.json",
    "NAME_reader.py",
    "tests/a/b/test_c.py",
    "crtcore/signal/NAME_reader.py",
    "benchmarks/NAME.py",
    "benchmarks/results/NAME.json",
    "crtcore/configs",  # these two are in the wheel only
    "crtcore/configs/clusters/cluster.yaml",
}
WRITTEN = {"manifest.json", "results.json", "config.yaml"}  # by crtsearch, into a storage


def tracked_texts() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    kinds = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".cff", ".ipynb", ""}
    paths = [REPOSITORY / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.suffix in kinds and path.is_file() and "legacy" not in path.parts]


def test_every_repository_path_that_a_file_names_exists() -> None:
    missing = [
        f"{path.relative_to(REPOSITORY)}: {named}"
        for path in tracked_texts()
        for named in PATH.findall(path.read_text(encoding="utf-8"))
        if named not in PLACEHOLDERS and not any(REPOSITORY.glob(named.rstrip("/")))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_or_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        assert (page.parent / link).exists(), link
    names = {path.name for path in tracked_texts()} | {
        path.name for path in REPOSITORY.glob("benchmarks/results/*")
    }
    for name in BARE_FILE.findall(text):
        assert name in names | PLACEHOLDERS | WRITTEN, name


def test_a_stage_version_is_where_the_contributors_are_sent() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+_VERSION)` in `([\w/.]+)` \|$", text, flags=re.MULTILINE)
    assert {stage for stage, _, _ in rows} == {
        "shard",
        "prepare",
        "pretrain",
        "features",
        "finetune",
        "refit",
    }
    for _, constant, path in rows:
        assert re.search(rf"^{constant}\b.* = \d+$", (REPOSITORY / path).read_text(), flags=re.MULTILINE), (
            path
        )


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert len(pages) >= 8
    assert (tmp_path / "site" / "notebooks" / "first_hour.ipynb").is_file()
    for page in tmp_path.rglob("*.html"):
        text = page.read_text()
        assert "fonts.googleapis" not in text, page


def test_the_configuration_page_is_that_of_the_models() -> None:
    path = DOCS / "generate_config_reference.py"
    spec = importlib.util.spec_from_file_location("generate_config_reference", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.reference(), (
        "run: python docs/generate_config_reference.py"
    )


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_the_notebook_runs_and_ends_with_learning_curves() -> None:
    notebook = nbformat.read(DOCS / "notebooks" / "first_hour.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells)  # kept without results
    nbclient.NotebookClient(
        notebook, timeout=200, resources={"metadata": {"path": str(REPOSITORY)}}
    ).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "Corrected for the search: AUC" in printed
    assert "image/svg+xml" in notebook.cells[-3].outputs[-1].data
    assert notebook.cells[-1].outputs[-1].data["text/plain"].startswith("{0: {1: 0.")
