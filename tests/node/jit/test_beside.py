"""Half of a computation in a process of its own: its result, or word of its end."""

import os

import pytest

from node.jit.beside import Failed, beside


def test_both_halves_are_computed_and_the_others_result_waits() -> None:
    here = os.getpid()
    other = beside(lambda: os.getpid().to_bytes(8, "little") + bytes(1 << 20))
    content = other()
    assert int.from_bytes(content[:8], "little") != here and len(content) == 8 + (1 << 20)


def test_an_other_half_that_ends_without_a_result_is_an_error_that_says_how() -> None:
    def ends() -> bytes:
        os._exit(7)

    other = beside(ends)
    with pytest.raises(Failed, match="status 7"):
        other()
