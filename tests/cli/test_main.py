"""What all commands have in common: help, usage errors, the JSON envelope, exit codes, streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tensorc import __version__
from tensorc.cli import main as main_module

SCALE = "fn scale(x: f32[N], a: f32) -> f32[N] = a * x\n"


def test_version(tensorc: Callable[..., Any]) -> None:
    assert tensorc("--version").out == f"tensorc {__version__}\n"


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_lists_the_commands(tensorc: Callable[..., Any], word: str) -> None:
    ran = tensorc(word)
    assert ran.code == 0 and ran.err == ""
    assert [line.split()[0] for line in ran.out.split("Commands:\n")[1].splitlines()] == list(main_module.COMMANDS)


@pytest.mark.parametrize("command", main_module.COMMANDS)
def test_help_of_each_command_is_short(tensorc: Callable[..., Any], command: str) -> None:
    ran = tensorc(command, "--help")
    assert ran.code == 0 and ran.out.startswith(f"Usage: tensorc {command} ")
    assert ("--json" in ran.out or "Commands:" in ran.out) and len(ran.out.splitlines()) < 40


def test_no_command_shows_the_help_as_a_usage_error(tensorc: Callable[..., Any]) -> None:
    ran = tensorc()
    assert ran.code == 2 and ran.out == "" and ran.err.startswith("Usage: tensorc ")


def test_a_misspelt_command_or_option_is_corrected(tensorc: Callable[..., Any]) -> None:
    ran = tensorc("chek", "a.tx")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: there is no command `chek`; did you mean `check`?\n   = help: `tensorc --help` shows what there is\n"
    ran = tensorc("check", "--wach", "a.tx")
    assert ran.code == 2 and "--wach" in ran.err and "--watch" in ran.err
    ran = tensorc("run", "a.tx", "--target", "gpu")
    assert ran.code == 2 and "'gpu'" in ran.err and "'cpu', 'triton', 'reference'" in ran.err
    assert tensorc("check").code == 2


def test_the_envelope(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "a.tx").write_text(SCALE)
    assert tensorc("check", "--json", "a.tx").envelope == {
        "tensorc": __version__,
        "command": "check",
        "version": 1,
        "ok": True,
        "diagnostics": [],
        "result": {"files": [{"path": "a.tx", "functions": ["scale"], "errors": 0, "warnings": 0}]},
    }


@pytest.mark.parametrize(
    ("words", "code", "command"),
    [
        (["check", "--json", "missing.tx"], 2, "check"),
        (["run", "--json", "a.tx"], 2, "run"),
        (["run", "--json", "a.tx", "--arg", "x=[1]", "--arg", "a=1", "--target", "triton"], 69, "run"),
        (["run", "a.tx", "--jso", "--json"], 2, "run"),
        (["chek", "--json"], 2, None),
        (["rule", "--json", "E9999"], 2, "rule"),
    ],
)
def test_failures_are_envelopes_too(tensorc: Callable[..., Any], folder: Path, words: list[str], code: int, command: str | None) -> None:
    (folder / "a.tx").write_text(SCALE)
    ran = tensorc(*words)
    assert (ran.code, ran.err) == (code, "")
    assert ran.envelope["command"] == command and ran.envelope["ok"] is False
    (diagnostic,) = ran.envelope["diagnostics"]
    assert diagnostic["severity"] == "error" and diagnostic["message"]


def test_settings_are_read_where_they_matter(tensorc: Callable[..., Any], folder: Path) -> None:
    (folder / "a.tx").write_text(SCALE)
    words = ("run", "a.tx", "--arg", "x=[1,2]", "--arg", "a=3")
    ran = tensorc(*words, env={"TENSORC_TARGE": "reference"})
    assert ran.code == 2
    assert ran.err == "error: unknown environment variable TENSORC_TARGE; did you mean `TENSORC_TARGET`?\n"
    ran = tensorc(*words, env={"TENSORC_TARGET": "triton"})
    assert ran.code == 69
    assert tensorc(*words, "--target", "reference", env={"TENSORC_TARGET": "triton"}).out == "f32[2]\n[3. 6.]\n"
    (folder / "pyproject.toml").write_text('[tool.tensorc]\ntarget = "reference"\n')
    assert tensorc(*words).out == "f32[2]\n[3. 6.]\n"
    (folder / "pyproject.toml").write_text("[tool.tensorc]\nthread = 2\n")
    ran = tensorc(*words)
    assert ran.code == 2 and "`thread`" in ran.err and "num_threads" in ran.err


def test_an_interrupt(tensorc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("tensorc.cli.check.check_paths", interrupted)
    assert tensorc("check", "a.tx").code == 130


def test_an_internal_error_leaves_a_reproducer(tensorc: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a mistake")

    (folder / "a.tx").write_text(SCALE)
    monkeypatch.setattr("tensorc.cli.results.flatten", broken)
    monkeypatch.setenv("TENSORC_DUMP", str(folder / "dump"))
    ran = tensorc("run", "a.tx", "--arg", "x=[1,2]", "--arg", "a=3", "--target", "reference")
    assert ran.code == 70 and ran.out == ""
    assert ran.err.startswith("error[InternalError]: internal error: ZeroDivisionError: a mistake\n") and "Traceback" not in ran.err
    path = Path(ran.err.strip().split(" with ")[1])
    text = path.read_text()
    assert "# argument x: f32[2]\n# argument a: 3" in text and f"# tensorc {__version__}\n" in text
    assert "# ZeroDivisionError: a mistake\n" in text and "# command: tensorc run a.tx" in text
    monkeypatch.undo()
    ran = tensorc("run", f"{path}:scale", "--arg", "x=[1,2]", "--arg", "a=3", "--target", "reference")  # the file is the program again
    assert ran.out == "f32[2]\n[3. 6.]\n"
    path.unlink()


# In a process of its own.


def test_the_module_is_the_command(process: Callable[..., Any]) -> None:
    with process("--version") as started:
        assert started.communicate(timeout=30) == (f"tensorc {__version__}\n", "")


def test_starting_is_light() -> None:
    code = (
        "import sys, tensorc.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'llvmlite', 'torch', 'lark', 'rich', 'ml_dtypes'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(main_module.__file__).parents[2]), *sys.path])}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment, timeout=30)


def test_a_closed_pipe_is_silent(process: Callable[..., Any]) -> None:
    with process("rule") as started:
        started.stdout.close()
        assert started.stderr.read() == ""
    assert started.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_a_full_disk_is_said(process: Callable[..., Any]) -> None:
    with open("/dev/full", "w") as full, process("rule", stdout=full) as started:
        assert started.stderr.read() == "error: cannot write the result: No space left on device\n"
    assert started.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
def test_watching(process: Callable[..., Any], folder: Path) -> None:
    file = folder / "a.tx"
    file.write_text(SCALE)
    with process("check", "--watch", "a.tx") as started:
        assert started.stdout.readline() == "checked 1 file: no errors\n"
        file.write_text("fn scale(x: f32[N]) -> f32[N] = x +\n")
        assert started.stdout.readline() == "checked 1 file: 1 error\n"
        started.send_signal(signal.SIGINT)
        assert started.stderr.read().startswith("error[E0106]")
    assert started.returncode == 130


def test_colour_is_for_terminals(process: Callable[..., Any], folder: Path) -> None:
    pty = pytest.importorskip("pty")
    (folder / "a.tx").write_text("fn f(x: f32[N]) -> f32[N] = x +\n")

    def seen(**env: str) -> str:
        ours, theirs = pty.openpty()
        with process("check", "a.tx", stderr=theirs, env={"TERM": "xterm", **env}) as started:
            started.communicate(timeout=30)
        os.close(theirs)
        text = os.read(ours, 10_000).decode()
        os.close(ours)
        return text

    assert "\x1b[1;31merror[E0106]" in seen(NO_COLOR="")
    assert "\x1b" not in seen(NO_COLOR="1")
    assert "\x1b" not in seen(TERM="dumb")
