"""The local APIC's timer (SDM 3A 10.5.4) against one that counts tick by tick."""

import pytest

from node.ia32.apic_registers import NEVER
from node.ia32.apic_timer import expire
from tests.node.ia32.apic_board import (
    BY_1,
    CURRENT,
    DIVIDE,
    INITIAL,
    IRR,
    LVT_TIMER,
    MASKED,
    PERIODIC,
    SVR,
    Board,
)
from tests.support.seeds import random_for

DIVISORS = {0b0000: 2, 0b0001: 4, 0b0010: 8, 0b0011: 16, 0b1000: 32, 0b1001: 64, 0b1010: 128, 0b1011: 1}


class Ticking:
    """The manual's words, a nanosecond at a time."""

    def __init__(self) -> None:
        self.count = self.initial = self.phase = 0
        self.entry, self.divisor = MASKED, 2
        self.requests = 0

    def tick(self) -> None:
        self.phase = (self.phase + 1) % self.divisor
        if self.phase or not self.count:
            return
        self.count -= 1
        if self.count == 0:
            self.requests += not self.entry & MASKED
            self.count = self.initial if self.entry & PERIODIC else 0

    def start(self, initial: int) -> None:
        self.count = self.initial = initial
        self.phase = 0

    def divide(self, value: int) -> None:
        self.divisor, self.phase = DIVISORS[value], 0


@pytest.mark.parametrize(("value", "divisor"), DIVISORS.items())
def test_the_divide_configuration_slows_it_down(value: int, divisor: int) -> None:
    board = Board()
    board[LVT_TIMER], board[DIVIDE], board[INITIAL] = 0x40, value, 1000
    assert board.at(divisor - 1)[CURRENT] == 1000
    assert board.at(divisor)[CURRENT] == 999
    assert board.at(999 * divisor)[CURRENT] == 1 and board.bits(IRR) == set()
    assert board.at(1000 * divisor)[CURRENT] == 0 and board.bits(IRR) == {0x40}
    assert board.c.apic_due == NEVER and board[INITIAL] == 1000


def test_periodic_it_starts_again_with_the_initial_count_and_unseen_periods_are_one_interrupt() -> None:
    board = Board()
    board[DIVIDE], board[LVT_TIMER], board[INITIAL] = BY_1, PERIODIC | 0x40, 100
    assert board.at(100)[CURRENT] == 100 and board.take() == 0x40
    board.end()
    assert board.at(199)[CURRENT] == 1 and board.take() == 0
    board.m.tsc_now = 1050  # a machine that comes late
    expire(board.c, board.m, 1050)
    assert (board[CURRENT], board.take(), board.c.apic_due) == (50, 0x40, 1100)


def test_masked_it_counts_and_requests_nothing_and_disabling_the_apic_masks_it() -> None:
    board = Board()
    board[DIVIDE], board[LVT_TIMER], board[INITIAL] = BY_1, PERIODIC | MASKED | 0x40, 100
    assert board.at(250)[CURRENT] == 50 and board.bits(IRR) == set()
    board[LVT_TIMER] = PERIODIC | 0x40
    assert board.at(299)[CURRENT] == 1 and board.bits(IRR) == set()
    assert board.at(300).take() == 0x40
    board[SVR] = 0xFF
    assert board.c.apic_due == NEVER and board.at(350)[CURRENT] == 50


def test_an_initial_count_of_zero_stops_it() -> None:
    board = Board()
    board[DIVIDE], board[LVT_TIMER], board[INITIAL] = BY_1, PERIODIC | 0x40, 100
    board.at(50)[INITIAL] = 0
    assert board.at(1_000_000)[CURRENT] == 0 and board.bits(IRR) == set()


def test_it_does_what_one_does_that_counts_every_tick() -> None:
    rng, board, model = random_for("apic timer"), Board("pentium3"), Ticking()
    now = requests = 0
    for step in range(400):
        choice = rng.randrange(5)
        if choice == 0:
            initial = rng.choice((0, 1, 2, rng.randrange(200)))
            board[INITIAL] = initial
            model.start(initial)
        elif choice == 1:
            model.entry = board[LVT_TIMER] = rng.choice((0, MASKED)) | rng.choice((0, PERIODIC)) | 0x40
        elif choice == 2:
            board[DIVIDE] = value = rng.choice(list(DIVISORS))
            model.divide(value)
        for _ in range(rng.randrange(300)):
            now += 1
            model.tick()
            board.at(now)
            if board.take():
                board.end()
                requests += 1
            assert (board[CURRENT], requests) == (model.count, model.requests), f"step {step}, {now} ns"
