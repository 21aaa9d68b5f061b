"""Every command of README.md and docs/ is run, page by page, as a new user would: in an empty folder.

What is run is what is printed; only the sizes are cut down, by the overrides below.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from search.cli.main import app
from search.cluster.connection import connected

REPOSITORY = Path(__file__).resolve().parent.parent
CLUSTER_PAGE = "docs/cluster.md"
PAGES = ("README.md", "docs/index.md", "docs/own_cohort.md", "docs/report.md", "docs/dashboard.md")
FENCED = re.compile(r"^```(?:sh|shell|bash|console)?\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
COMMANDS = ("crtsearch", "make", "ray", "pip", "docker", "kubectl", "sbatch")

# Why a command is not run here, by how it begins.
NOT_RUN = {
    "crtsearch simulate": "is slow: tests/crtcore/data/test_simulate.py; a small one stands in its place",
    "crtsearch dashboard": "serves until Ctrl-C: tests/search/test_dashboard.py runs it",
    "make": "installs or runs the commands beneath it, which are run",
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
    """The commands in a page's code blocks, each in one line, without their remarks."""
    lines = (
        line.partition(" #")[0].strip()
        for block in FENCED.findall((REPOSITORY / page).read_text(encoding="utf-8"))
        for line in block.replace("\\\n", " ").splitlines()
    )
    return [line for line in lines if line.split(" ")[0] in COMMANDS]


def is_left_out(command: str) -> bool:
    if "--cluster" in command:
        return True  # needs several hosts: tests/cluster/test_onprem.py sends a sweep to some
    return any(command == start or command.startswith(f"{start} ") for start in NOT_RUN)


def test_every_reason_to_leave_a_command_out_is_still_needed() -> None:
    commands = [command for page in PAGES for command in commands_of(page)]
    for start in NOT_RUN:
        assert any(command.startswith(start) for command in commands), start
    assert sum(not is_left_out(command) for command in commands) >= 8


def test_commands_for_a_cluster_are_those_that_three_hosts_are_sent() -> None:
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
    with connected(None):  # one Ray for all of them
        # Where the caches go. After Ray has started: it looks for the token of this process's first Ray here.
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
