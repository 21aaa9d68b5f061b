"""Every benchmark starts, as its first lines say it is called."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PEERS = {"r_peaks": ["neurokit2", "sleepecg"], "shards": ["h5py"]}  # the extra `bench` installs them
COMMANDS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_prints_its_help(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for peer in PEERS.get(name, []):
        if find_spec(peer) is None:
            pytest.skip(f"{peer} is not installed")
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    assert ended.value.code == 0
    assert "--quick" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_lines_say_how_to_call_it(name: str) -> None:
    head = (BENCHMARKS / f"{name}.py").read_text().split('"""')[1]
    commands = re.findall(r"^    python (.+)$", head, re.MULTILINE)
    assert commands
    assert all(command.startswith(f"-m benchmarks.{name} ") for command in commands)


def test_all_benchmarks_are_found() -> None:
    assert {"arrhythmia", "transfer", "sweep_vs_tune"} <= set(COMMANDS)
    assert not {"ec57", "plain_tune", "provenance"} & set(COMMANDS)
