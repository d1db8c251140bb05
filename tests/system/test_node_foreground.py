"""`python -m node.foreground` over a twin machine: what it prints, what it reads, how it ends."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.support.node_process import ROOT, TWINS

pytestmark = pytest.mark.system

BOUND_S = 30


def command(tmp_path: Path, program: str, *options: str) -> list[str]:
    kernel = tmp_path / "kernel"
    kernel.write_text(program)
    base = [sys.executable, "-m", "node.foreground", "--machinery", TWINS, "--state", str(tmp_path), "--memory", "2M"]
    return [*base, "--kernel", str(kernel), *options]


def boot(tmp_path: Path, program: str, *options: str, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(tmp_path, program, *options), input=typed, capture_output=True, timeout=BOUND_S, cwd=ROOT, check=False
    )


def test_output_of_a_guest_that_powers_off_is_shown_whole(tmp_path: Path) -> None:
    done = boot(tmp_path, "tick=100 off=5000")
    assert done.returncode == 0
    assert done.stdout == b"".join(b"tick %d\n" % n for n in range(1, 51))


def test_end_of_input_leaves_the_guest_running(tmp_path: Path) -> None:
    done = boot(tmp_path, "echo off=100000 rate=100", typed=b"hello")
    assert (done.returncode, done.stdout) == (0, b"<hello>\n")


@pytest.mark.parametrize(
    ("program", "status"), [("exit=11@500", 11), ("fault=500", 1), ("off=500", 0)], ids=["exit port", "fault", "off"]
)
def test_status_says_how_the_guest_ended(tmp_path: Path, program: str, status: int) -> None:
    done = boot(tmp_path, program)
    assert done.returncode == status
    assert (b"the guest crashed: triple fault" in done.stderr) == (program.startswith("fault"))


def test_timeout_ends_with_124(tmp_path: Path) -> None:
    done = boot(tmp_path, "tick=1000", "--timeout", "1.5")
    assert done.returncode == 124
    assert b"tick 1\n" in done.stdout and b"its time" in done.stderr


def test_stats_are_on_stderr(tmp_path: Path) -> None:
    done = boot(tmp_path, "off=5000", "--stats")
    figures = dict(line.split() for line in done.stderr.decode().splitlines() if len(line.split()) == 2)
    assert figures["instructions"] == "5000" and int(figures["instructions_per_s"]) > 0
    assert "tlb_misses" in figures and done.stdout == b""


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (["--memory", "12"], 2, "out of range"),
        (["--memory", "lots"], 2, "no size"),
        (["--memory", "64G"], 2, "out of range"),
        (["--vmm", "kvm"], 2, "not one of: native"),
        (["--clock", "sundial"], 2, "not one of: real, virtual"),
        (["--exit-port", "none"], 2, "no I/O port"),
        (["--debugcon", "e9"], 2, "no I/O port; 0xe9 is"),
        (["--debugcon", "0x10000"], 2, "out of range"),
        (["--debugcon", "0x3f8"], 2, "whose output is shown anyway"),
        (["--debugcon", "0xe9,"], 2, "there is no file"),
        (["--debugcon", "0xe9,/missing/file"], 1, "/missing/file cannot be written: No such file or directory"),
        (["--timeout", "-1"], 2, "--timeout"),
        (["--bios", "rom"], 2, "exclude each other"),
        (["--module", "m"], 2, "for Multiboot kernels"),
        (["--kernel", "missing"], 1, "the kernel missing cannot be read: No such file or directory"),
        (["--kernel", "/"], 1, "Is a directory"),
        (["--initrd", "missing"], 1, "the initrd missing cannot be read"),
        (["--no-such-option"], 2, "No such option"),
    ],
)
def test_each_mistake_is_one_sentence_and_a_status(
    tmp_path: Path, options: list[str], status: int, sentence: str
) -> None:
    done = boot(tmp_path, "off=1", *options)
    assert done.returncode == status
    assert sentence in done.stderr.decode() and "Traceback" not in done.stderr.decode()


def test_kernel_that_the_machine_refuses_is_an_error(tmp_path: Path) -> None:
    done = boot(tmp_path, "bad program")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        b"limosa boot: the kernel is no program of the twin",
    )


def test_help_teaches_by_example() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node.foreground", "--help"], capture_output=True, timeout=BOUND_S, cwd=ROOT, check=True
    )
    text = done.stdout.decode()
    assert text.startswith("Usage: limosa boot") or "Usage: limosa boot" in text
    for word in ("Ctrl+]", "--exit-port", "124", "limosa boot --kernel"):
        assert word in text


def test_slow_reader_of_the_output_loses_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(tmp_path, "tick=1 off=20000 rate=2000"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        time.sleep(1)  # a pipe and the console log are full by now; the guest waits
        text = process.stdout.read()
        assert process.wait(BOUND_S) == 0
    assert text == b"".join(b"tick %d\n" % n for n in range(1, 20001))


def test_reader_that_goes_away_ends_the_machine(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(tmp_path, "tick=10"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        assert process.wait(BOUND_S) == 1
        assert b"output cannot be written" in process.stderr.read()


class Terminal:
    """A user at a pseudo-terminal."""

    def __init__(self, tmp_path: Path, program: str) -> None:
        self.master, slave = pty.openpty()
        self.slave = os.dup(slave)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            command(tmp_path, program), stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def read_until(self, text: bytes) -> None:
        deadline = time.monotonic() + BOUND_S
        while text not in self.seen:
            readable, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"{text!r} did not come: {self.seen!r}"
            self.seen += os.read(self.master, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """The exit status; the terminal must be as it was."""
        status = self.process.wait(BOUND_S)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return status


def test_keys_go_raw_to_the_guest_and_ctrl_bracket_leaves(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "echo tick=1000")
    terminal.read_until(b"tick 1\r\n")
    assert termios.tcgetattr(terminal.slave) != terminal.before
    terminal.type(b"a\x03b")
    terminal.read_until(b"b>")
    assert b"<a\x03b>" in terminal.seen, "Ctrl+C is the guest's"
    terminal.type(b"\x1d")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_terminal_is_restored_when_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    terminal = Terminal(tmp_path, "tick=1000")
    terminal.read_until(b"tick 1\r\n")
    terminal.process.send_signal(number)
    assert terminal.end() == 128 + number


def test_terminal_is_restored_when_the_guest_crashes(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "tick=1000 fault=2000")
    terminal.read_until(b"triple fault")
    assert terminal.end() == 1
