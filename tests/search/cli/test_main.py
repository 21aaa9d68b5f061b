"""The program `crtsearch`: its help, and how little it loads."""

import json
import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

from crtcore.config import Experiment
from search.cli.main import COMMANDS, app

NAMES = tuple(command.__name__ for command, _, _ in COMMANDS)
SCREEN = {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}


def test_the_list_of_commands_fits_a_screen() -> None:
    result = CliRunner().invoke(app, ["--help"], env=SCREEN)
    assert all(f" {name} " in result.stdout for name in NAMES)
    example = "Try it: crtsearch simulate data/simulated && crtsearch sweep demo && crtsearch report demo "
    assert example in " ".join(result.stdout.split())
    assert "crtsearch --install-completion" in result.stdout
    assert len(result.stdout.rstrip().splitlines()) <= 24


@pytest.mark.parametrize("name", NAMES)
def test_help_fits_a_screen_and_holds_an_example(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"], env=SCREEN)
    assert result.exit_code == 0
    assert f"Example: crtsearch {name} " in result.stdout
    assert len(result.stdout.splitlines()) <= 24


@pytest.mark.parametrize(("name", "example"), [(call.__name__, example) for call, _, example in COMMANDS])
def test_the_example_of_each_command_is_a_valid_command_line(name: str, example: str) -> None:
    verb, *arguments = example.split()
    assert verb == name
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]  # a click Group
    command.make_context(name, arguments)  # raises where an argument or option does not exist


def test_each_option_says_what_it_does() -> None:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # a click Group
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"


def loaded_by(*command_lines: tuple[str, ...]) -> set[str]:
    """The top-level packages that a process has loaded after these commands."""
    code = (
        "import json, sys; from search.cli.main import app\n"
        "for words in json.loads(sys.argv[1]): app(words, standalone_mode=False)\n"
        "print(json.dumps([name for name in sys.modules if '.' not in name or name == 'scipy.stats']))"
    )
    run = [sys.executable, "-c", code, json.dumps(command_lines)]
    ran = subprocess.run(run, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_help_loads_no_slow_library() -> None:
    loaded = loaded_by(("--help",), *((name, "--help") for name in NAMES))
    assert "typer" in loaded
    assert loaded.isdisjoint({"torch", "torchvision", "ray", "optuna", "numpy", "pyarrow"})


def test_a_leaderboard_loads_only_what_it_needs(finished: Experiment) -> None:
    loaded = loaded_by(("best", finished.name, "--storage", finished.storage))
    assert "optuna" in loaded
    heavy = {"torch", "torchvision", "ray", "pandas", "sklearn", "wfdb", "numba", "matplotlib", "scipy.stats"}
    assert loaded.isdisjoint(heavy)
