"""What each workload prints and how it ends, on a CPU that is not ours."""

import hashlib

import pytest

from tests.support.builtin_guest import guest

FAILED = 0x7F


def lines(console: str) -> list[str]:
    return console.replace("\r\n", "\n").splitlines()


def test_the_kernel_says_what_it_runs_on() -> None:
    assert lines(guest("exit code=1").run_to_end()) == ["Limosa guest, 16384 KiB of memory: kernel.elf exit code=1"]


@pytest.mark.parametrize("code", [0, 1, 0x31, 255])
def test_exit_writes_its_code_to_the_debug_exit_port(code: int) -> None:
    machine = guest(f"exit code={code}")
    machine.run_to_end()
    assert machine.exit_value == code


def test_idle_sleeps_for_ever() -> None:
    machine = guest("idle")
    assert lines(machine.run(ticks=500))[-1] == "idle: ready"
    assert not machine.ended


def test_tick_prints_a_line_a_hundred_timer_interrupts() -> None:
    machine = guest("tick")
    assert lines(machine.run(ticks=350))[1:] == ["tick 1", "tick 2", "tick 3"]


def test_tick_ends_after_its_count() -> None:
    machine = guest("tick count=2 exit=9")
    assert lines(machine.run_to_end())[1:] == ["tick 1", "tick 2"]
    assert machine.exit_value == 9


def test_without_exit_the_guest_halts() -> None:
    machine = guest("tick count=1")
    assert lines(machine.run_to_end())[-1] == "halted"
    assert machine.halted


@pytest.mark.parametrize("kib", [0, 1, 7])
def test_work_prints_the_digest_that_the_host_computes(kib: int) -> None:
    machine = guest(f"work n={kib} exit=3")
    assert lines(machine.run_to_end())[-1] == f"work: n={kib} sha256={digest_of_work(kib)}"
    assert machine.exit_value == 3


def digest_of_work(kib: int) -> str:
    data, x = bytearray(), 2463534242
    for _ in range(kib * 256):
        x ^= x << 13 & 0xFFFF_FFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFF_FFFF
        data += x.to_bytes(4, "little")
    return hashlib.sha256(data).hexdigest()


def test_console_says_each_line_back() -> None:
    machine = guest("console exit=0")
    machine.run(ticks=1)
    machine.type("hello world\rab\x7fc\nquit\r")
    assert lines(machine.run_to_end())[2:] == [
        "> hello world",
        "line 1: hello world",
        "> ab\b \bc",
        "line 2: ac",
        "> quit",
    ]


def test_console_keeps_what_arrives_while_it_prints() -> None:
    """More than the driver's ring holds, in one go."""
    machine = guest("console exit=0")
    typed = [f"line number {n} of many" for n in range(100)]
    machine.type("".join(f"{line}\r" for line in typed) + "quit\r")
    said = [line.partition(": ")[2] for line in lines(machine.run_to_end()) if line.startswith("line ")]
    assert said == typed


def test_console_cuts_a_line_that_is_too_long() -> None:
    machine = guest("console exit=0")
    machine.type("x" * 300 + "\rquit\r")
    assert f"line 1: {'x' * 255}" in lines(machine.run_to_end())


def test_an_unknown_workload_is_answered_with_the_list() -> None:
    machine = guest("sing exit=1")
    said = lines(machine.run_to_end())
    assert said[1] == "unknown workload 'sing'"
    for name in ("idle", "tick", "dirty", "console", "work", "fault", "exit"):
        assert any(line.split()[:1] == [name] for line in said)
    assert machine.exit_value == FAILED


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", "unknown workload ''"),
        ("tick speed=2 exit=1", "tick: unknown option 'speed=2'; it takes: exit count"),
        ("tick count exit=1", "tick: unknown option 'count'; it takes: exit count"),
        ("tick count=ten", "tick: count=ten is not a number"),
        ("tick count=4294967296", "tick: count=4294967296 is not a number"),
        ("tick count=", "tick: count= is not a number"),
        ("tick exit=256", "exit=256 does not fit in the byte that the debug-exit port takes"),
        ("exit code=300", "exit: code=300 does not fit in a byte"),
        ("dirty pages=0", "dirty: pages=0 is not between 1 and 3072, which the memory allows"),
        ("dirty pages=3073", "dirty: pages=3073 is not between 1 and 3072, which the memory allows"),
        ("dirty pages=1 words=3", "dirty: words=3 is not between 4 and 1024"),
    ],
)
def test_a_wrong_command_line_is_explained(line: str, answer: str) -> None:
    assert answer in lines(guest(line).run_to_end())


@pytest.mark.parametrize("file_name", ["guest.elf", "/boot/guest", ""])
def test_the_file_name_that_most_loaders_put_first_is_skipped(file_name: str) -> None:
    machine = guest("exit code=0x20", file_name=file_name)
    machine.run_to_end()
    assert machine.exit_value == 0x20


def test_dirty_keeps_its_rate_and_ends_with_a_full_sweep() -> None:
    machine = guest("dirty rate=150 pages=20 sweep=1 seconds=2 exit=0")
    assert lines(machine.run_to_end())[1:] == [
        "dirty: 20 pages ready",
        "dirty: seq=1 pages=20 written=150 sweeps=1 errors=0",
        "dirty: seq=2 pages=20 written=300 sweeps=2 errors=0",
        "dirty: seq=3 pages=20 written=300 sweeps=3 errors=0",
    ]
    assert machine.exit_value == 0


def test_dirty_without_a_limit_writes_all_the_time() -> None:
    slow = guest("dirty rate=1000 words=8 pages=16").run(ticks=210)
    for unlimited in ("0", "max"):
        fast = guest(f"dirty rate={unlimited} words=8 pages=16", instructions_per_tick=20_000).run(ticks=210)
        assert written(fast) > 5 * written(slow)


def written(console: str) -> int:
    return int(lines(console)[-1].split("written=")[1].split()[0])


def test_dirty_takes_all_memory_on_request() -> None:
    machine = guest("dirty pages=max words=4 rate=100 seconds=1 exit=0", mib=8)
    assert "dirty: 1024 pages ready" in machine.run_to_end()
    assert machine.exit_value == 0
