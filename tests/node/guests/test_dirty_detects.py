"""The dirty workload finds every kind of damage to its pages, once each, and says what it is.

The pattern is written here a second time, from pattern.h's description, so guest and test check each other.
"""

import pytest

from tests.support.builtin_guest import MIB, guest
from tests.support.unicorn_pc import UnicornPc

PAGES, WORDS = 12, 32
LINE = f"dirty rate=600 pages={PAGES} words={WORDS} sweep=1 seconds=4 exit=0"
MASK = 0xFFFF_FFFF


def pattern(page: int, generation: int, words: int = WORDS) -> bytes:
    mixed = page * 0x9E3779B1 & MASK ^ generation * 0x85EBCA77 & MASK
    mixed ^= mixed >> 15
    mixed = mixed * 0x2C1B3C6D & MASK
    mixed ^= mixed >> 12
    step = mixed * 0x297A2D39 & MASK | 1
    content = [page, generation] + [(mixed + i * step) & MASK for i in range(2, words - 1)]
    content.append(sum(content) & MASK)
    return b"".join(word.to_bytes(4, "little") for word in content)


def address(page: int) -> int:
    """The area begins at 4 MiB and is mapped in reverse."""
    return 4 * MIB + (PAGES - 1 - page) * 4096


def content(machine: UnicornPc, page: int) -> bytes:
    return machine.memory.read(address(page), 4 * WORDS)


def generation(machine: UnicornPc, page: int) -> int:
    return int.from_bytes(machine.memory.read(address(page) + 4, 4), "little")


def running() -> UnicornPc:
    machine = guest(LINE)
    machine.run(ticks=130)
    return machine


def errors(machine: UnicornPc) -> list[str]:
    return [line for line in machine.run_to_end().splitlines() if line.startswith("ERROR")]


def test_pages_hold_the_pattern_of_their_index_and_generation() -> None:
    machine = running()
    generations = [generation(machine, page) for page in range(PAGES)]
    assert max(generations) - min(generations) <= 1 and min(generations) > 50
    assert [content(machine, page) for page in range(PAGES)] == [pattern(p, g) for p, g in enumerate(generations)]


def test_an_undamaged_run_reports_nothing_and_ends_well() -> None:
    machine = running()
    assert errors(machine) == []
    assert machine.exit_value == 0


def test_a_lost_page_is_found() -> None:
    machine = running()
    expected = generation(machine, 5)
    machine.memory.write(address(5), bytes(4096))
    assert errors(machine) == [
        f"ERROR page=5 expected page=5 generation={expected} found page=0 generation=0 word=0 (lost: all zeros)"
    ]


def test_a_stale_page_is_found() -> None:
    machine = guest(LINE)
    machine.run(ticks=100)
    old, before = machine.memory.read(address(3), 4096), generation(machine, 3)
    machine.run(ticks=30)
    expected = generation(machine, 3)
    machine.memory.write(address(3), old)
    assert expected > before
    assert errors(machine) == [
        f"ERROR page=3 expected page=3 generation={expected} found page=3 generation={before} word=1 "
        "(stale: an older content)"
    ]
    assert machine.exit_value == 0x7F


def test_two_exchanged_pages_are_both_found() -> None:
    machine = running()
    one, two = machine.memory.read(address(1), 4096), machine.memory.read(address(2), 4096)
    machine.memory.write(address(1), two)
    machine.memory.write(address(2), one)
    assert sorted(line.split()[1] for line in errors(machine)) == ["page=1", "page=2"]
    assert "misplaced: another page's content" in machine.console.decode()


@pytest.mark.parametrize("word", [0, 1, 2, WORDS - 2, WORDS - 1])
def test_a_single_flipped_bit_is_found(word: int) -> None:
    machine = running()
    damaged = bytearray(content(machine, 7))
    damaged[4 * word + 1] ^= 0x10
    machine.memory.write(address(7), bytes(damaged))
    (line,) = errors(machine)
    assert "page=7" in line and f" word={word} (corrupt: no pattern at all)" in line


def test_a_page_that_ran_ahead_of_the_count_is_found() -> None:
    """As if a write were done once more than the kernel remembers."""
    machine = running()
    expected = generation(machine, 4)
    machine.memory.write(address(4), pattern(4, expected + 1))
    assert errors(machine) == [
        f"ERROR page=4 expected page=4 generation={expected} found page=4 generation={expected + 1} word=1 "
        "(repeated: written more often than counted)"
    ]


def test_a_flood_of_errors_is_counted_but_not_printed_without_end() -> None:
    machine = guest("dirty rate=100 pages=300 words=8 sweep=1 seconds=3 exit=0")
    machine.run(ticks=110)
    machine.memory.write(4 * MIB, bytes(300 * 4096))
    said = errors(machine)
    assert len(said) == 100
    assert "errors=300" in machine.console.decode().splitlines()[-1]
