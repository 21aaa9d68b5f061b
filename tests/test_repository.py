"""The files that contributors, forges and package tools read."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent


def read_yaml(name: str) -> Any:
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return content


def tools_of_make_check() -> list[str]:
    """The commands under the target `check`, without the folder of the environment."""
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    target = re.search(r"^check:.*\n((?:\t.*\n)+)", text, flags=re.MULTILINE)
    assert target is not None
    return [line.strip().removeprefix("$(BIN)/") for line in target[1].splitlines()]


def test_the_hooks_before_a_commit_are_the_tools_of_make_check() -> None:
    (local,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]] == tools_of_make_check()
    for hook in local["hooks"]:
        assert hook["language"] == "system"
        assert hook["pass_filenames"] is False  # the tools look at the whole tree


def test_the_workflow_runs_the_ci_script_on_every_python_that_the_package_allows() -> None:
    job = read_yaml(".github/workflows/ci.yml")["jobs"]["test"]
    lowest, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project()["project"]["requires-python"]).groups()  # type: ignore[union-attr]
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(int(lowest), int(end))]
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (REPOSITORY / ".ci" / "run").stat().st_mode & stat.S_IXUSR


def test_the_ci_script_runs_checks_and_tests() -> None:
    lines = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == ["make check", "make test"]


def test_the_version_is_the_same_everywhere() -> None:
    version = project()["project"]["version"]
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", changelog, flags=re.MULTILINE)
    assert sections[0] == ("Unreleased", "")
    assert sections[1][0] == version
    assert all(date for _, date in sections[1:])
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == version
    assert citation["license"] == project()["project"]["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
