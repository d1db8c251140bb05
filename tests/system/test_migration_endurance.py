"""Fifty migrations in a row, to and fro, of guests that never stop working: nothing is lost, repeated or damaged.

Real guests in a real cluster; the medians are printed.
"""

import re
from pathlib import Path

import pytest

from controller.cli.demo import check_dirty
from controller.cli.tap import ConsoleTap
from tests.support.debian import debian_image
from tests.support.endurance import COPIES, LOOP, busy_debian, summary, to_and_fro
from tests.support.foreground_guest import PROMPT, READY_S
from tests.support.guest_shell import LINE_S, Shell
from tests.support.real_cluster import real_cluster

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]

MIGRATIONS = 50

# Half as fast as the link: each round leaves half of the last, and there are four.
DIRTY = "dirty rate=1500 pages=1500"
PRE_COPY = {"algorithm": "pre-copy", "bandwidth_bytes_per_s": 12_500_000, "max_downtime_ns": 100_000_000}

DAMAGE = re.compile(r"\bBUG\b|Oops|Call Trace|general protection|segfault|Kernel panic|lockup|[Cc]orrupt")


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
            rows = to_and_fro(session, "a", busy_debian(MIGRATIONS))
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
        c.limosa("create", "a", "--append", DIRTY, "--memory", "48M", "--node", "n1", "--start")
        with c.session() as session:
            tap = ConsoleTap(session, "a")
            _status_line(tap)
            rows = to_and_fro(session, "a", [PRE_COPY] * MIGRATIONS)
            _status_line(tap)
            _status_line(tap)
            output = tap.received()
        print(f"\nbuilt-in guest, 48 MiB, {DIRTY} at 100 Mbit/s: {check_dirty(output)}\n{summary(rows)}")
        assert min(len(row["rounds"]) for row in rows) >= 3
        assert in_order([int(n) for n in re.findall(rb"seq=(\d+)", output)]) and b"ERROR" not in output
        assert c.vm("a")["migrations"] == MIGRATIONS


def _status_line(tap: ConsoleTap) -> None:
    """Wait for a fresh one."""
    since = len(tap.received())
    tap.until(lambda received: re.search(rb"seq=\d+ .*\n", received[since:]) is not None, LINE_S)
