"""Guest memory and the host's."""

from pathlib import Path

import numpy as np
import pytest

from node.memory.ram import PAGE, GuestMemory

LARGE = 2 << 20  # a host's large page: memory may be given in such pieces


def test_what_was_written_is_touched_and_what_is_far_from_it_is_not() -> None:
    memory = GuestMemory(16 * LARGE)
    first, other = 3 * LARGE // PAGE, 11 * LARGE // PAGE
    memory.write(first * PAGE + 5, b"x")
    memory.page(other)[17] = 1
    touched = memory.touched(0, memory.pages)
    assert touched[first] and touched[other]
    near = np.abs(np.arange(memory.pages)[:, None] - [first, other]).min(axis=1) < LARGE // PAGE
    assert not touched[~near].any()
    assert list(memory.touched(first, 1)) == [True] and not memory.touched(0, 512).any()


def test_on_a_host_that_does_not_tell_every_page_may_have_been_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object, **_named: object) -> None:
        raise PermissionError

    memory = GuestMemory(LARGE)
    monkeypatch.setattr("builtins.open", refused)
    assert memory.touched(3, 5).tolist() == [True] * 5


def test_reading_gives_zeros_and_takes_no_memory_of_the_host() -> None:
    memory = GuestMemory(64 * LARGE)
    before = _resident()
    assert not memory.bytes[::PAGE].any()
    assert _resident() - before < 16 * LARGE


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
