"""The local APIC's registers, priorities, pins and messages, sentence by sentence of SDM 3A chapter 10."""

import random

import pytest

from node.ia32.apic import read_apic, write_apic
from node.ia32.apic_interrupts import set_base
from node.ia32.cpuid import cpuid_answer
from node.ia32.faults import FAULT
from node.ia32.features import APIC
from node.ia32.state import EAX, EDX, EXIT_INIT, EXIT_NONE, GP
from tests.node.ia32.apic_board import (
    APR,
    DFR,
    ESR,
    ICR,
    ICR_HIGH,
    ID,
    IRR,
    ISR,
    LDR,
    LEVEL,
    LINT0,
    LINT1,
    LVT_COUNTERS,
    LVT_ERROR,
    LVT_THERMAL,
    LVT_TIMER,
    MASKED,
    PERIODIC,
    PPR,
    REMOTE_IRR,
    SELF,
    SVR,
    TMR,
    TPR,
    VERSION,
    Board,
)
from tests.support.seeds import random_for

ON, OFF = 0xFEE0_0900, 0xFEE0_0100  # IA32_APIC_BASE
EXTINT, NMI = 0x700, 0x400


@pytest.mark.parametrize(
    ("model", "version", "entries"), [("pentium", 0x3_0010, 4), ("pentium3", 0x4_0011, 5), ("pentium4", 0x5_0014, 6)]
)
def test_the_version_says_how_many_lvt_entries_there_are(model: str, version: int, entries: int) -> None:
    board = Board(model)
    assert board[VERSION] == version and version >> 16 == entries - 1
    there = []
    for register in (LVT_TIMER, LVT_THERMAL, LVT_COUNTERS, LINT0, LINT1, LVT_ERROR):
        board[register] = 0xFFFF_FFFF
        there += [register] if board[register] else []
    assert len(there) == entries


def test_registers_have_the_bits_of_the_manual() -> None:
    board = Board()
    writable = {
        ID: 0xFF00_0000, TPR: 0xFF, LDR: 0xFF00_0000, ICR_HIGH: 0xFF00_0000, SVR: 0x3FF,
        LVT_TIMER: 0x3_00FF, LVT_THERMAL: 0x1_07FF, LVT_COUNTERS: 0x1_07FF, LVT_ERROR: 0x1_00FF, LINT1: 0x1_A7FF,
    }  # fmt: skip
    for register, bits in writable.items():
        board[register] = 0xFFFF_FFFF
        assert board[register] == bits, hex(register)
    board[DFR] = 0
    assert board[DFR] == 0x0FFF_FFFF
    for register in (VERSION, PPR, ISR, TMR, IRR):
        before = board[register]
        board[register] = 0xFFFF_FFFF
        assert board[register] == before, hex(register)


def test_the_p6_family_has_a_spurious_vector_that_ends_in_ones_and_a_four_bit_id() -> None:
    board = Board("pentium2")
    board[SVR], board[ID] = 0x140, 0xFF00_0000
    assert (board[SVR], board[ID]) == (0x14F, 0x0F00_0000)


def test_interrupts_are_taken_in_the_order_of_their_classes_and_one_class_holds_back_itself() -> None:
    board = Board()
    for vector in (0x41, 0x62, 0x6F, 0x50):
        board[ICR] = SELF | vector
    assert board.take() == 0x6F and board[PPR] == 0x60
    assert board.take() == 0, "62 is of the class in service"
    board[ICR] = SELF | 0x71
    assert board.take() == 0x71 and board.bits(ISR) == {0x71, 0x6F}
    board.end()
    assert board.bits(ISR) == {0x6F}, "EOI ends the highest"
    assert board.take() == 0
    board.end()
    assert [board.take(), board.end(), board.take(), board.end(), board.take()] == [0x62, 0, 0x50, 0, 0x41]


def test_priorities_agree_with_the_manuals_formulas_on_random_traffic() -> None:
    rng, board = random_for("apic priorities"), Board("pentium3")
    waiting: set[int] = set()
    served: list[int] = []
    task = 0
    for _ in range(600):
        choice = rng.randrange(4)
        if choice == 0:
            vector = rng.randrange(16, 256)
            board[ICR] = SELF | vector
            waiting.add(vector)
        elif choice == 1:
            task = board[TPR] = rng.choice((0, rng.randrange(256)))
        elif choice == 2 and served:
            board.end()
            served.remove(max(served))
        elif taken := board.take():
            assert taken == max(waiting)
            waiting.remove(taken)
            served.append(taken)
        class_served = max(served, default=0) >> 4
        priority = task if task >> 4 >= class_served else class_served << 4
        best = max(waiting, default=0)
        assert board[PPR] == priority
        assert board.m.apic_vector == (best if best >> 4 > priority >> 4 else 0)
        assert (board.bits(IRR), board.bits(ISR)) == (waiting, set(served))
        arbitration = max(task & class_served << 4 & 0xF0, best & 0xF0)
        if task >> 4 >= best >> 4 and task >> 4 > class_served:
            arbitration = task
        assert board[APR] == arbitration


def test_a_vector_below_16_is_an_error_which_can_interrupt_once_until_the_next_write_of_esr() -> None:
    board = Board()
    board[LVT_ERROR] = 0xFE
    board[ICR] = SELF | 15
    assert board[ESR] == 0, "what has happened shows after a write"
    assert board.take() == 0xFE
    board.end()
    board[LINT1] = 3
    board.drive(1, True)
    assert board.take() == 0
    board[ESR] = 0
    assert board[ESR] == 0x60, "one was to be sent, one was received"
    board[ESR] = 0
    assert board[ESR] == 0
    board[ICR] = SELF | 1
    assert board.take() == 0xFE


def test_a_register_that_does_not_exist_is_an_error_except_on_a_pentium() -> None:
    for model, error in (("pentium4", 0x80), ("pentium3", 0x80), ("pentium", 0)):
        board = Board(model)
        assert board[0x40] == 0
        board[ESR] = 0
        assert board[ESR] == error
        board[0x3F0] = 1
        board[ESR] = 0
        assert board[ESR] == error


def test_disabled_by_software_it_masks_the_lvt_takes_nothing_new_and_keeps_what_it_has() -> None:
    board = Board()
    board[LVT_TIMER], board[LINT0] = PERIODIC | 0x40, EXTINT
    board[ICR] = SELF | 0x50
    board[SVR] = 0xFF
    assert [board[r] & MASKED for r in (LVT_TIMER, LINT0, LINT1, LVT_ERROR)] == [MASKED] * 4
    board[LINT0] = EXTINT
    assert board[LINT0] == EXTINT | MASKED
    board[ICR] = SELF | 0x60
    assert board.bits(IRR) == {0x50} and board.take() == 0x50
    board[ICR] = SELF | NMI
    assert board.c.nmi_pending


def test_lint0_is_the_processors_interrupt_pin_only_as_its_entry_says() -> None:
    board = Board()
    board.drive(0, True)
    for entry, passes in ((EXTINT, 1), (EXTINT | MASKED, 0), (NMI, 0), (EXTINT, 1)):
        board[LINT0] = entry
        assert board.m.interrupt_line == passes, hex(entry)
    board.drive(0, False)
    assert board.m.interrupt_line == 0


def test_a_rising_edge_at_a_pin_is_an_nmi_or_a_fixed_interrupt() -> None:
    board = Board()
    board[LINT1] = NMI | MASKED
    board.drive(1, True)
    assert not board.c.nmi_pending
    board[LINT1] = NMI
    assert not board.c.nmi_pending, "the edge was before"
    board.drive(1, False)
    board.drive(1, True)
    assert board.c.nmi_pending
    board[LINT0] = 0x44
    board.drive(0, True)
    board.drive(0, True)
    assert (board.bits(IRR), board.bits(TMR)) == ({0x44}, set())
    assert board.take() == 0x44 and board.end() == 0 and board.take() == 0


def test_a_level_at_a_pin_interrupts_again_after_eoi_while_it_stays() -> None:
    board = Board()
    board.drive(0, True)
    board[LINT0] = LEVEL | 0x44
    assert board[LINT0] == LEVEL | REMOTE_IRR | 0x44 and board.bits(TMR) == {0x44}
    assert board.take() == 0x44 and board.bits(IRR) == set()
    assert board.end() == 0x44, "I/O APICs hear of it"
    assert board[LINT0] & REMOTE_IRR and board.take() == 0x44
    board.drive(0, False)
    board.end()
    assert board[LINT0] == LEVEL | 0x44 and board.take() == 0


def test_disabled_by_its_msr_it_leaves_the_pins_to_the_processor_and_forgets_everything() -> None:
    board = Board()
    board[LINT0], board[TPR] = MASKED, 0x20
    board.drive(0, True)
    assert board.m.interrupt_line == 0
    set_base(board.c, board.m, 0, OFF)
    assert board.m.interrupt_line == 1 and board.m.apic_page == -1
    board.drive(1, True)
    assert board.c.nmi_pending
    assert cpuid_edx(board) & APIC == 0
    set_base(board.c, board.m, 0, ON)
    assert cpuid_edx(board) & APIC and board[TPR] == 0 and board[SVR] == 0xFF


def cpuid_edx(board: Board) -> int:
    board.c.gpr[EAX] = 1
    cpuid_answer(board.c, board.m)
    return int(board.c.gpr[EDX])


def test_its_page_can_be_anywhere_and_reserved_bits_of_the_base_fault() -> None:
    board = Board()
    set_base(board.c, board.m, 0, 0x0008_0900 & ~0x100)
    assert board.m.apic_page == 0x80 and board.c.apic_base == 0x0008_0900, "BSP is not software's to change"
    for high, low in ((0x10, ON), (0, ON | 0x400), (0, ON | 1), (0, ON | 0x200)):
        set_base(board.c, board.m, high, low)
        assert board.m.fault == FAULT + GP and board.m.apic_page == 0x80
        board.m.fault = 0


@pytest.mark.parametrize(
    ("ldr", "dfr", "destination", "logical", "reaches"),
    [
        (0x00, 0xF, 0x00, 0, True), (0x00, 0xF, 0x01, 0, False), (0x00, 0xF, 0xFF, 0, True),
        (0x06, 0xF, 0x02, 1, True), (0x06, 0xF, 0x08, 1, False), (0x06, 0xF, 0xFF, 1, True),
        (0x32, 0x0, 0x32, 1, True), (0x32, 0x0, 0x33, 1, True), (0x32, 0x0, 0x22, 1, False),
        (0x32, 0x0, 0x31, 1, False), (0x32, 0x0, 0xF2, 1, True), (0x32, 0x0, 0xF1, 1, False),
    ],
)  # fmt: skip
def test_destinations_are_physical_flat_or_in_clusters(
    ldr: int, dfr: int, destination: int, logical: int, reaches: bool
) -> None:
    board = Board()
    board[LDR], board[DFR], board[ICR_HIGH] = ldr << 24, dfr << 28, destination << 24
    board[ICR] = logical << 11 | 0x55
    assert board.take() == (0x55 if reaches else 0)


def test_init_and_startup_to_others_arrive_nowhere_and_init_to_itself_ends_the_machine() -> None:
    board = Board()
    board.m.exit = EXIT_NONE
    for command in (
        0xC_4500,
        0xC_4608,
        0x8_8500,
        0x4_4608,
    ):  # others, others, de-assert to all, STARTUP to a running one
        board[ICR] = command
        assert (board.m.exit, board.take()) == (EXIT_NONE, 0), hex(command)
    board[ICR] = SELF | 0x4500
    assert board.m.exit == EXIT_INIT


def test_accesses_that_the_manual_leaves_undefined_change_nothing() -> None:
    board, rng = Board(), random.Random(1)
    board[TPR] = 0x5A
    before = bytes(board.processor.cpu_array.tobytes())
    for _ in range(200):
        offset, size = rng.randrange(0x1000), rng.choice((1, 2))
        write_apic(board.c, board.m, offset, size, rng.randrange(1 << 16))
        write_apic(board.c, board.m, offset | 4, 4, rng.randrange(1 << 32))
    assert board.processor.cpu_array.tobytes() == before
    assert [read_apic(board.c, board.m, TPR + at, 1) for at in range(5)] == [0x5A, 0, 0, 0, 0]
