"""Fifty migrations in a row, to and fro, of guests that never stop working: nothing is lost, repeated or damaged.

Real guests in a real cluster; the medians are printed.
"""

import itertools
import re
from pathlib import Path

import pytest

from controller.cli.demo import check_dirty
from controller.cli.tap import ConsoleTap
from tests.support.debian import debian_image
from tests.support.endurance import summary, to_and_fro
from tests.support.foreground_guest import PROMPT, READY_S
from tests.support.real_cluster import real_cluster

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]

MIGRATIONS = 50
MIB = 1 << 20
LINE_S = 120.0

# A counter that the console shows, with work between the lines, beside a job that keeps copying and comparing a file.
COPIES = (
    "while :; do cp /tmp/a /tmp/b; cmp /tmp/a /tmp/b || echo damaged >>/tmp/bad; echo >>/tmp/copies; rm /tmp/b; done &"
)
LOOP = "i=0; while :; do i=$((i+1)); j=0; while [ $j -lt 100 ]; do j=$((j+1)); done; echo loop $i; done"
DAMAGE = re.compile(r"\bBUG\b|Oops|Call Trace|general protection|segfault|Kernel panic|lockup|[Cc]orrupt")


class Shell:
    """The shell on a VM's console."""

    def __init__(self, tap: ConsoleTap) -> None:
        self.tap = tap

    def until(self, text: str, bound_s: float = LINE_S, *, since: int = 0) -> str:
        """Everything from `since`, once it contains the text."""
        output = self.tap.until(lambda received: text.encode() in received[since:], bound_s)
        return output[since:].decode(errors="replace").replace("\r", "")

    def begin(self, command: str) -> None:
        self.tap.type(f"{command}\n".encode())

    def run(self, command: str) -> str:
        """What a command prints."""
        since = len(self.tap.received())
        self.begin(f"echo begin-of-'output'; {command}; echo end-of-'output'")
        text = self.until("end-of-output\r\n", since=since)
        return text.partition("begin-of-output\n")[2].partition("end-of-output\n")[0]

    def interrupt(self) -> None:
        """Ctrl+C, and the prompt that follows."""
        since = len(self.tap.received())
        self.tap.type(b"\x03")
        self.until(PROMPT, since=since)


def in_order(numbers: list[int], first: int = 1) -> bool:
    return numbers == list(range(first, first + len(numbers)))


def test_debian_survives_fifty_migrations_in_the_middle_of_its_work(tmp_path: Path) -> None:
    debian_image(tmp_path / "state")
    with real_cluster(tmp_path, native=True) as c:
        c.limosa("create", "a", "--image", "debian-12", "--memory", "64M", "--node", "n1", "--start")
        with c.session() as session:
            shell = Shell(ConsoleTap(session, "a"))
            shell.until(PROMPT, READY_S)
            before = shell.run(
                "dd if=/dev/urandom of=/tmp/a bs=64k count=64 2>/dev/null; sha256sum /tmp/a /bin/busybox"
            )
            assert before.count("\n") == 2
            shell.begin(COPIES)
            shell.begin(LOOP)
            shell.until("loop 3\r\n")
            plain, slow = {"algorithm": "pre-copy"}, {"algorithm": "pre-copy", "bandwidth_bytes_per_s": 100_000_000}
            options = list(itertools.islice(itertools.cycle([plain, {"algorithm": "stop-and-copy"}, slow]), MIGRATIONS))
            rows = to_and_fro(session, "a", options)
            _goes_on(shell)
            shell.interrupt()
            _assert_memory_is_whole(shell, before)
            counted = [int(n) for n in re.findall(rb"^loop (\d+)\r\n", shell.tap.received(), re.MULTILINE)]
        assert len(counted) > MIGRATIONS and in_order(counted), "the loop's lines have a gap or a repetition"
        assert c.vm("a")["migrations"] == len(rows) == MIGRATIONS
        assert len({row["digest"] for row in rows}) == MIGRATIONS, "each at another moment of a busy guest"
        print(f"\nDebian, 64 MiB, busy: {len(counted)} lines")
        for algorithm in ("pre-copy", "stop-and-copy"):
            print(summary([row for row in rows if row["algorithm"] == algorithm]))


def _goes_on(shell: Shell) -> None:
    """Fresh lines of the loop."""
    since = len(shell.tap.received())
    shell.tap.until(lambda received: received[since:].count(b"\nloop ") > 3, LINE_S)


def _assert_memory_is_whole(shell: Shell, before: str) -> None:
    assert shell.run("sha256sum /tmp/a /bin/busybox") == before
    assert shell.run("kill %1; wait; cat /tmp/bad") == "cat: can't open '/tmp/bad': No such file or directory\n"
    assert int(shell.run("wc -l </tmp/copies")) >= 1  # how many depends on the host
    assert not DAMAGE.search(shell.run("dmesg"))


def test_built_in_guest_survives_fifty_migrations_of_several_rounds_each(tmp_path: Path) -> None:
    with real_cluster(tmp_path, native=True) as c:
        guest = ("--append", "dirty rate=1500 pages=3000", "--memory", "48M")
        c.limosa("create", "a", *guest, "--node", "n1", "--start")
        with c.session() as session:
            tap = ConsoleTap(session, "a")
            _status_line(tap)
            pre_copy = {
                "algorithm": "pre-copy",
                "bandwidth_bytes_per_s": 12_500_000,
                "max_downtime_ns": 200_000_000,
            }
            rows = to_and_fro(session, "a", [pre_copy] * MIGRATIONS)
            _status_line(tap)
            _status_line(tap)
            output = tap.received()
        print(f"\nbuilt-in guest, 48 MiB, 1500 pages/s of 3000 at 100 Mbit/s: {check_dirty(output)}\n{summary(rows)}")
        assert min(len(row["rounds"]) for row in rows) >= 3
        assert in_order([int(n) for n in re.findall(rb"seq=(\d+)", output)]) and b"ERROR" not in output
        assert c.vm("a")["migrations"] == MIGRATIONS


def _status_line(tap: ConsoleTap) -> None:
    """Wait for a fresh one."""
    since = len(tap.received())
    tap.until(lambda received: re.search(rb"seq=\d+ .*\n", received[since:]) is not None, LINE_S)
