"""How a command ends: on success, on an error, on Ctrl-C, SIGTERM and SIGHUP."""

import signal
from collections.abc import Callable, Iterator

import pytest
import typer
from typer.testing import CliRunner, Result

from crtcore.errors import CrtError, DataError, SweepError
from search.cli import app as module
from search.cli.app import BAD_INPUT, stop_on_signals, when_interrupted
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


def ended_by(error: BaseException | None) -> Result:
    """What a user sees of a command that raises `error`."""
    program = typer.Typer(cls=app.info.cls, pretty_exceptions_enable=False)

    @program.command()
    def work() -> None:
        typer.echo("begun")
        if error is not None:
            raise error

    @program.command()
    def other() -> None: ...

    return CliRunner().invoke(program, ["work"])


def test_a_command_that_succeeds_ends_with_0() -> None:
    result = ended_by(None)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "begun\n", "")


@pytest.mark.parametrize("kind", [CrtError, DataError, SweepError])
def test_a_user_error_is_one_sentence_on_stderr_and_exit_2(kind: Callable[[str], CrtError]) -> None:
    result = ended_by(kind("row 3 has no label; add one"))
    assert result.exit_code == BAD_INPUT == 2
    assert result.stderr == "crtsearch: row 3 has no label; add one\n"


def test_any_other_error_is_not_caught() -> None:
    error = ZeroDivisionError()
    assert ended_by(error).exception is error


def test_the_options_of_every_typer_program_are_hidden() -> None:
    group = typer.main.get_command(app)
    shown = [
        option for option in group.get_params(typer.Context(group)) if not getattr(option, "hidden", False)
    ]
    assert shown == []


@pytest.mark.parametrize(("number", "status"), [*zip(SIGNALS, (130, 143, 129), strict=True)])
def test_each_signal_ends_a_block_with_one_sentence_and_its_status(
    capsys: pytest.CaptureFixture[str], number: signal.Signals, status: int
) -> None:
    stop_on_signals()
    with pytest.raises(typer.Exit) as ended, when_interrupted("demo interrupted"):
        signal.raise_signal(number)
    assert ended.value.exit_code == status
    assert capsys.readouterr().err == "crtsearch: demo interrupted\n"


@pytest.mark.parametrize("number", SIGNALS)
def test_five_fast_signals_end_a_block_once_with_its_clean_up_done(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    stop_on_signals()
    is_clean = False
    with pytest.raises(typer.Exit), when_interrupted("demo interrupted"):  # noqa: PT012  # the clean-up is tested
        try:
            signal.raise_signal(number)
        finally:
            for each in (*SIGNALS, number):
                signal.raise_signal(each)
            is_clean = True
    assert is_clean
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
