"""Random programs for a platform: sequences of port accesses, passing time, input and interrupts, drawn from a seed.

A step is data, so that one program can be run on several platforms; `run` gives what each step let the guest see.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from node.devices.platform import Exit, Reset
from tests.node.devices.pc import Pc

PORTS = [
    *(0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1),
    *(0x40, 0x41, 0x42, 0x43, 0x61),
    *(0x70, 0x71, 0x71, 0x71),
    *range(0x3F8, 0x400),
    *(0x60, 0x64, 0x92, 0xCF9, 0xF0, 0xB2, 0x80),
    *(0x510, 0x511),
    *(0xCF8, 0xCFC, 0xCFD, 0xCFE, 0xCFF, 0xF4),
    *range(0x00, 0x10),
    *range(0xC0, 0xE0),
]
LIVELY = [  # (port, value): what makes devices do something in time
    *((0x43, control) for control in (0x30, 0x34, 0x36, 0x38, 0x3A, 0x14, 0xB0, 0xB4, 0xB6, 0xE2, 0xC2, 0x00)),
    *((0x40, count) for count in (0x00, 0x02, 0x10, 0xA9)),
    *((0x21, 0x00), (0xA1, 0x00), (0x20, 0x20), (0xA0, 0x20), (0x20, 0x11), (0x21, 0x01)),
    *((0x70, index) for index in (0x00, 0x0A, 0x0B, 0x0C, 0x01, 0x03, 0x05, 0x04, 0x32)),
    *((0x71, value) for value in (0x26, 0x2F, 0x02, 0x42, 0x72, 0x82, 0xFF)),
    *((0x3F9, 0x0F), (0x3FA, 0x01), (0x3FA, 0x81), (0x3FA, 0x07), (0x3FB, 0x03), (0x3FC, 0x0B), (0x3FC, 0x1B)),
    *((0x510, selector) for selector in (0x00, 0x19, 0x20)),
    *((0x61, 0x01), (0x61, 0x00), (0x64, 0xAA), (0x64, 0xD1)),
    *((0x60, byte) for byte in (0xFF, 0xF2, 0xF0, 0x01, 0xFE)),
    *((0x64, command) for command in (0xAD, 0xAE, 0x60, 0x20)),
]


def seeds(fast: int, slow: int) -> list[Any]:
    """`fast` seeds for every run, `slow` more for the long one."""
    return [pytest.param(seed, marks=[pytest.mark.slow] if seed >= fast else []) for seed in range(fast + slow)]


@dataclass(frozen=True, slots=True)
class Step:
    kind: str  # read write wait deadline input acknowledge ferr request
    port: int = 0
    width: int = 1
    value: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Seen:
    answer: int | Reset | Exit | None  # what the step's access gave
    inputs: tuple[bool, ...]  # the CPU's: INTR, A20, IGNNE#, NMI mask
    deadline: int | None
    sent: bytes


def program(rng: random.Random, length: int, *, any_port: bool = False) -> list[Step]:
    return [_step(rng, any_port=any_port) for _ in range(length)]


def _step(rng: random.Random, *, any_port: bool) -> Step:
    kind = rng.choices(
        ("write", "lively", "read", "wait", "deadline", "input", "acknowledge", "ferr", "request"),
        (25, 30, 25, 8, 12, 3, 8, 1, 1),
    )[0]
    width = rng.choice((1, 1, 1, 1, 2, 4))
    port = rng.randrange(0x10000) if any_port and rng.random() < 0.3 else rng.choice(PORTS)
    match kind:
        case "lively":
            port, value = rng.choice(LIVELY)
            return Step("write", port, 1, value)
        case "write":
            return Step("write", port, width, rng.getrandbits(8 * width))
        case "read":
            return Step("read", port, width)
        case "wait":
            return Step("wait", value=int(10 ** rng.uniform(0, 10)))
        case "input":
            return Step("input", data=rng.randbytes(rng.randrange(40)))
        case _:
            return Step(kind, value=rng.randrange(2))


def run(pc: Pc, steps: Sequence[Step]) -> Iterator[Seen]:
    """Run `steps`, yielding what each let the guest or the machine see."""
    platform = pc.platform
    for step in steps:
        seen: int | Reset | Exit | None = None
        match step.kind:
            case "read":
                seen = platform.read(step.port, step.width, pc.now)
            case "write":
                platform.write(step.port, step.width, step.value, pc.now)
            case "wait":
                pc.now += step.value
                platform.tick(pc.now)
            case "deadline":
                due = platform.deadline()
                if due is not None:
                    pc.now = max(pc.now, due)
                    platform.tick(pc.now)
            case "input":
                seen = platform.serial_input(step.data, pc.now)
            case "acknowledge":
                seen = platform.acknowledge() if platform.intr else None
            case "ferr":
                platform.ferr(bool(step.value))
            case "request":
                seen = platform.take_request()
        inputs = (platform.intr, platform.a20, platform.ignne, platform.nmi_masked)
        yield Seen(seen, inputs, platform.deadline(), bytes(pc.sent))
        pc.sent.clear()
