"""How a command ends on Ctrl-C, on SIGTERM and on SIGHUP."""

import signal
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from search.cli import app as module
from search.cli.app import stop_on_signals, when_interrupted
from search.cli.main import app

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals as a terminal leaves them to a program, whatever started the tests."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    monkeypatch.setattr(module._Received, "number", signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "status"), [*zip(SIGNALS, (130, 143, 129), strict=True)])
def test_each_signal_ends_a_block_with_one_sentence_and_its_status(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, status: int
) -> None:
    stop_on_signals()
    with pytest.raises(typer.Exit) as ended, when_interrupted("demo interrupted"):
        signal.raise_signal(number)
    assert ended.value.exit_code == status
    assert capsys.readouterr().err == "crtsearch: demo interrupted\n"


def test_a_command_without_a_sentence_says_that_it_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **settings: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    stop_on_signals()
    monkeypatch.setattr("search.report.page.write_report", interrupted)
    result = CliRunner().invoke(app, ["report", "demo"])
    assert (result.exit_code, result.stdout, result.stderr) == (143, "", "crtsearch: interrupted\n")


def test_what_the_parent_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` leaves it
    stop_on_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is module._stop
