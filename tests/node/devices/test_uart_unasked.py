"""What the UART says beforehand is what an access would do: a read that it answers changes nothing and gives that
answer, and a byte that it takes later changes nothing and requests nothing that the write before it has not."""

import random
from collections.abc import Iterator

import pytest

from node.devices.io_apic import BASE, SELECT, WINDOW, Message
from tests.node.devices.pc import Pc
from tests.node.devices.programs import Step, run, seeds
from tests.node.devices.test_uart import DATA, FCR, IER, IIR, LCR, LSR, MCR, MSR, listening

INPUT_4 = 0x10 + 2 * 4  # the I/O APIC's register that says what COM1's line does
REGISTERS = (DATA, IER, FCR, LCR, MCR, LSR, MSR, 0x20, 0x21)
TELLING = ((IER, 0), (IER, 2), (IER, 7), (MCR, 0x0B), (MCR, 0x03), (MCR, 0x1B), (LCR, 3), (LCR, 0x83), (0x21, 0))


def steps(rng: random.Random, length: int) -> Iterator[Step]:
    """As a driver's, in any order; bytes mostly come in bursts."""
    for _ in range(length):
        match rng.randrange(8):
            case 0 | 1:
                for _ in range(rng.randrange(5)):
                    yield Step("write", DATA, 1, rng.getrandbits(8))
            case 2 | 3:
                yield Step("read", rng.choice(REGISTERS))
            case 4:
                yield Step("write", *_telling(rng))
            case 5:
                yield Step("write", rng.choice(REGISTERS), rng.choice((1, 1, 2)), rng.getrandbits(16))
            case 6:
                yield Step("input", data=rng.randbytes(rng.randrange(30)))
            case _:
                yield Step(rng.choice(("deadline", "acknowledge")))


def _telling(rng: random.Random) -> tuple[int, int, int]:
    port, value = rng.choice(TELLING)
    return port, 1, value


def check_answers(pc: Pc) -> int:
    """How many ports have one."""
    before = pc.save()
    answers = {port: answer for port, answer in pc.platform.standing_answers() if answer is not None}
    for port, answer in answers.items():
        assert pc.inb(port) == answer, hex(port)
        assert pc.save() == before, hex(port)
    return len(answers)


@pytest.mark.parametrize("seed", seeds(10, 150))
def test_no_access_shows_that_it_was_not_asked(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    messages: list[Message] = []
    is_accepted = rng.random() < 0.5

    def send(message: Message) -> bool:
        messages.append(message)
        return is_accepted

    pc = Pc(send=send)
    pc.start_pics()
    answered = taken = 0
    for step in steps(rng, 1000):
        if rng.random() < 0.02:
            pc.platform.write_memory(BASE + SELECT, 4, INPUT_4, pc.now)
            pc.platform.write_memory(BASE + WINDOW, 4, rng.getrandbits(16) | 0x30, pc.now)
        messages.clear()
        for _ in run(pc, [step]):
            pass
        if pc.platform.serial_takes_bytes_later():
            taken += 1
            requested = messages.copy()
            before = pc.save()
            messages.clear()
            pc.outb(DATA, taken & 0xFF)
            assert (pc.save(), bytes(pc.sent)) == (before, bytes([taken & 0xFF])), step
            assert messages == [] or messages == requested, step
            pc.sent.clear()
            pc.platform.overwritten()
        answered += check_answers(pc)
    assert answered > 1000 and taken > 50


def test_polls_are_answered_until_something_has_come_in() -> None:
    pc = listening()
    assert dict(pc.platform.standing_answers()) == {IER: 1, IIR: 0xC1, LSR: 0x60, MSR: 0xB0}
    pc.platform.serial_input(b"x", pc.now)
    assert dict(pc.platform.standing_answers())[LSR] == 0x60  # still on the line
    pc.run_until(pc.now + 1_000_000)
    assert dict(pc.platform.standing_answers()) == {IER: 1, IIR: 0xC4, LSR: 0x61, MSR: 0xB0}


def test_reads_that_change_something_are_asked() -> None:
    pc = listening(ier=0x02)
    assert dict(pc.platform.standing_answers())[IIR] is None  # clears the request
    assert pc.inb(IIR) == 0xC2
    assert dict(pc.platform.standing_answers())[IIR] == 0xC1
    pc.outb(MCR, 0x10)
    assert dict(pc.platform.standing_answers())[MSR] is None  # clears the changes of the lines
    pc.outb(DATA, *range(20))
    assert dict(pc.platform.standing_answers())[LSR] is None  # clears the overrun


def test_output_waits_for_nobody_while_the_transmitter_does_not_interrupt() -> None:
    pc = listening(ier=0x05)
    pc.outb(DATA, 0x41)
    assert [pc.platform.serial_takes_bytes_later() for _ in range(3)] == [True] * 3
    pc.outb(MCR, 0x1B)
    assert not pc.platform.serial_takes_bytes_later()  # looped back
    pc.outb(MCR, 0x0B)
    pc.outb(LCR, 0x83)
    assert not pc.platform.serial_takes_bytes_later()  # the divisor's


def test_a_request_that_somebody_may_take_is_made_at_once() -> None:
    pc = listening(ier=0x02)
    assert pc.inb(IIR) == 0xC2
    pc.outb(DATA, 0x41)
    assert not pc.platform.serial_takes_bytes_later()  # the first byte raised the line, the second makes an edge
    pc.outb(DATA, 0x42)
    assert pc.platform.serial_takes_bytes_later()
    assert not pc.platform.serial_takes_bytes_later()  # by now the edge may have been taken
    assert pc.take_interrupts() == [0x34]
    pc.outb(DATA, 0x43)
    assert pc.take_interrupts() == [0x34]


def test_state_that_was_overwritten_remembers_no_access() -> None:
    pc = listening(ier=0x02)
    pc.outb(DATA, 0x41, 0x42)
    pc.platform.overwritten()
    assert not pc.platform.serial_takes_bytes_later()
