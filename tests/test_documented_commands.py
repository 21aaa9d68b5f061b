"""Every command of the documentation exists, and those of a new user's first pages are run as printed, in an
empty folder. Only the sizes are cut down, by the overrides below.
"""

import importlib.util
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from search.cli.main import app

REPOSITORY = Path(__file__).resolve().parent.parent
CLUSTER_PAGE = "docs/cluster.md"
PAGES = ("README.md", "docs/index.md", "docs/own_cohort.md", "docs/report.md", "docs/dashboard.md")
ALL_PAGES = (*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md")))
YAML_FILES = (
    *REPOSITORY.glob("*.yaml"),
    *(REPOSITORY / "configs").rglob("*.yaml"),
    REPOSITORY / ".pre-commit-config.yaml",
)
FENCED = re.compile(r"^```(?:sh|shell|bash|console)?\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
COMMANDS = ("crtsearch", "make", "ray", "pip", "docker", "kubectl", "sbatch")
CHECKED = ("crtsearch", "make", "python", "pip", ".venv/bin/pip", ".venv/bin/pytest")

# Why a command is not run here, by how it begins.
NOT_RUN = {
    "crtsearch simulate": "is slow: tests/crtcore/simulation/test_write.py runs it",
    "crtsearch dashboard": "serves until Ctrl-C: tests/search/dashboard/test_server.py runs it",
    "make": "installs, or runs commands that are run here",
    "ray": "needs a cloud or several hosts: tests/cluster/ runs it",
    "pip": "needs a package index",
}
SMALL = (
    "search.trials=2",
    "search.space={finetune.learning_rate: [0.001, 0.01]}",
    "search.scheduler.name=none",
    "pretrain.epochs=1",
    "finetune.frozen_groups=5",
    "finetune.epochs=1",
    "finetune.folds=2",
    "arrhythmia.max_beats_per_record=4",
    "cohort.max_beats_per_recording=1",
)
"""Overrides of the commands that take a config."""


def commands_of(page: str) -> list[str]:
    """The commands in a page's code blocks, each on one line, without comments."""
    lines = (
        line.partition(" #")[0].strip()
        for block in FENCED.findall((REPOSITORY / page).read_text(encoding="utf-8"))
        for line in block.replace("\\\n", " ").splitlines()
    )
    return [line for line in lines if line.split(" ")[0] in COMMANDS]


def all_commands() -> list[tuple[str, str]]:
    """Every command line of the documentation and of comments in YAML files, with the file it is in."""
    found = []
    for page in ALL_PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines()]
        found += [(page.name, line) for line in (*blocks, *INLINE.findall(FENCED.sub("", text)))]
    for path in YAML_FILES:
        comments = re.findall(r"^#\s+(?:\(or: )?(.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found += [(path.name, part) for line in comments for part in line.split("(or: ")]
        found += [(path.name, inline) for line in comments for inline in INLINE.findall(line)]
    parts = [
        (name, re.split(r"\s#|\s{2,}|\s>\s|\)$", part.strip())[0].strip())
        for name, line in found
        for part in line.split("&&")
    ]
    return [(name, line) for name, line in parts if line.split(" ")[0] in CHECKED]


def require_crtsearch(arguments: list[str]) -> None:
    group = typer.main.get_command(app)
    if len(arguments) < 2 or arguments[0].startswith("-"):  # only named, such as `crtsearch best`
        known = {*group.commands, "--install-completion", "--help"}  # type: ignore[attr-defined]
        assert set(arguments) <= known, arguments
        return
    verb, *rest = arguments
    group.commands[verb].make_context(verb, rest)  # type: ignore[attr-defined]  # raises for a wrong option


def require_make(words: list[str]) -> None:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, flags=re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", text, flags=re.MULTILINE))
    for word in words:
        name, is_variable, _ = word.partition("=")
        assert name in (variables if is_variable else targets), word


def require_python(words: list[str]) -> None:
    if words[0] != "-m":
        assert (REPOSITORY / words[0]).is_file(), words
    elif words[1] != "benchmarks.NAME":
        assert importlib.util.find_spec(words[1]) is not None, words


def require_pip(words: list[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in re.findall(r"\.\[(\w+)\]", " ".join(words)):
        assert extra in project["optional-dependencies"], words
    if "-c" in words:
        assert (REPOSITORY / words[words.index("-c") + 1]).is_file(), words


@pytest.mark.parametrize(("where", "line"), sorted(set(all_commands())))
def test_every_documented_command_exists_and_parses(
    where: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    program, *words = shlex.split(line)
    if program == "crtsearch":
        require_crtsearch(words)
    elif program == "make":
        require_make(words)
    elif program == "python":
        require_python(words)
    elif program.endswith("pip"):
        require_pip(words)
    else:
        assert Path(words[0]).exists(), line


def test_commands_are_found_on_every_kind_of_page() -> None:
    found = {where for where, _ in all_commands()}
    assert {"README.md", "CONTRIBUTING.md", "index.md", "cluster.md", "cluster.yaml", "paper.yaml"} <= found
    lines = {line for _, line in all_commands()}
    assert {"make docs", "crtsearch nested NAME", "crtsearch --install-completion"} <= lines


def is_left_out(command: str) -> bool:
    if "--cluster" in command:
        return True  # needs several hosts: tests/cluster/test_onprem.py sends a sweep to some
    return any(command == start or command.startswith(f"{start} ") for start in NOT_RUN)


def test_each_reason_not_to_run_a_command_is_still_needed() -> None:
    commands = [command for page in PAGES for command in commands_of(page)]
    for start in NOT_RUN:
        assert any(command.startswith(start) for command in commands), start
    assert sum(not is_left_out(command) for command in commands) >= 8


def test_the_commands_for_a_cluster_are_run_by_the_test_on_three_hosts() -> None:
    tested = (REPOSITORY / "tests" / "cluster" / "test_onprem.py").read_text(encoding="utf-8")
    words = [shlex.split(command) for command in commands_of(CLUSTER_PAGE)]
    verbs = {verb for program, verb, *_ in words if program == "ray"}
    assert verbs >= {"up", "job", "down"}
    for verb in verbs:
        assert re.search(rf'ray\(\s*"{verb}"|\("{verb}", ', tested), (
            f"ray {verb}: tests/cluster/test_onprem.py"
        )
    ours = [line[line.index("crtsearch") + 1 :] for line in words if "crtsearch" in line]
    assert len(ours) >= 2
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a click Group
    for name, *arguments in ours:
        commands[name].make_context(name, arguments)  # raises where an option is not there


@pytest.mark.ray
@pytest.mark.usefixtures("one_ray")
@pytest.mark.timeout(300)
def test_every_command_does_what_it_says(
    simulated_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "somewhere"
    shutil.copytree(simulated_dir / "mitdb", data / "mitdb")
    shutil.copytree(simulated_dir / "cohort", data / "crt")
    shutil.copytree(simulated_dir, tmp_path / "data" / "simulated")
    commands = {command: page for page in PAGES for command in commands_of(page) if not is_left_out(command)}
    # Where the caches go. Ray has started: it looks for the token of this process's first Ray here.
    monkeypatch.setenv("HOME", str(tmp_path))
    for command, page in commands.items():
        arguments = shlex.split(command.replace("/data", str(data)))[1:]
        if arguments[0] in ("check", "sweep", "prepare"):
            arguments += [part for override in SMALL for part in ("--set", override)]
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, f"{page}: {command}\n{result.output}"
        assert result.output.strip(), f"{page}: {command} says nothing"
    assert (tmp_path / "storage" / "sweeps" / "demo" / "report" / "report.html").is_file()
    assert (tmp_path / "demo_bundle").is_dir()
