"""What keeps an x87 instruction from happening, and that it then changed nothing: #NM, #MF, #UD, #GP, #SS and #PF."""

from random import Random

import pytest

from node.ia32.host_fpu import HOST_HAS_X87, OPERATIONS, WITH_REGISTER, host_x87
from node.ia32.state import (
    ATTR_D,
    CR0_EM,
    CR0_MP,
    CR0_NE,
    CR0_PG,
    CR0_TS,
    DS,
    EDX,
    EXIT_NONE,
    EXIT_TIME,
    GP,
    LEAVE_AFTER,
    MF,
    NM,
    PAGE,
    UD,
    UNUSABLE,
)
from tests.support.native_x87 import Registers
from tests.support.x87_values import ONE, registers
from tests.support.x87_world import OPERAND, World

FAULT = 256
PENDING = Registers(0x37E, 0x8081, 0xFF, (ONE,) * 8)
WAITING = ("d8c1", "d902", "dd1a", "d9c9", "d9e8", "d9fe", "dbf1", "d9d0", "d92a", "d922", "dd22", "9b")
NOT_WAITING = ("d93a", "dd3a", "dfe0", "dbe0", "dbe1", "dbe2", "dbe3", "dbe4", "d932", "dd32")
EVERY_PAGE_BUT_ONE = 0x10_0000  # page directory; the table follows


def filled_world(seed: object = 0) -> World:
    world = World()
    world.set_registers(registers(Random(f"x87 faults {seed}")))
    world.c.fcw |= 0x3F
    return world


def architectural(world: World) -> bytes:
    return world.cpu_array.tobytes() + world.ram.tobytes()


@pytest.mark.parametrize("code", WAITING + NOT_WAITING)
@pytest.mark.parametrize("bit", (CR0_EM, CR0_TS))
def test_em_or_ts_raises_device_not_available(code: str, bit: int) -> None:
    world = filled_world(code)
    world.c.cr0 |= bit
    before = architectural(world)
    expected = 0 if code == "9b" else FAULT + NM
    assert world.step(bytes.fromhex(code)) == expected
    assert architectural(world) == before


@pytest.mark.parametrize("mp,ts,expected", ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, FAULT + NM)))
def test_wait_minds_ts_only_with_mp(mp: int, ts: int, expected: int) -> None:
    world = filled_world()
    world.c.cr0 |= mp * CR0_MP | ts * CR0_TS | CR0_EM
    assert world.step(b"\x9b") == expected


@pytest.mark.parametrize("code", WAITING)
def test_pending_exception_is_raised_by_the_next_waiting_instruction(code: str) -> None:
    world = World()
    world.set_registers(PENDING)
    before = architectural(world)
    assert world.step(bytes.fromhex(code)) == FAULT + MF
    assert architectural(world) == before


@pytest.mark.parametrize("code", NOT_WAITING)
def test_control_instructions_do_not_wait(code: str) -> None:
    world = World()
    world.set_registers(PENDING)
    assert world.step(bytes.fromhex(code)) == 0


def test_unmasked_exception_leaves_native_code_for_ferr_when_ne_is_clear() -> None:
    world = World()
    world.set_registers(Registers(0x37B, 0, 0xFF, (0,) * 8))  # ZE unmasked
    world.c.cr0 &= ~CR0_NE
    assert world.step(b"\xd9\xe8") == 0 and world.m.leave == 0  # fld1: stack overflow, masked
    world.set_registers(Registers(0x37B, 0, 0xFF, (0, ONE) * 4))
    assert world.step(b"\xd8\xf9") == 0  # fdivr: 1 / 0
    assert world.c.fsw & 0x8084 == 0x8084
    assert (world.m.leave, world.m.exit) == (LEAVE_AFTER, EXIT_TIME)
    world.m.exit = EXIT_NONE
    assert world.step(b"\xd9\xc0") == 0 and world.m.leave == 0  # as with IGNNE#: the next one goes on


@pytest.mark.parametrize("code", ("dbe2", "dbe3", "dd32", "d932"))
def test_clearing_the_exception_leaves_native_code_too(code: str) -> None:
    """A line that the host did not see fall could not rise again."""
    world = World()
    world.set_registers(PENDING)
    world.c.cr0 &= ~CR0_NE
    assert world.step(bytes.fromhex(code)) == 0
    assert world.c.fsw & 0x8080 == 0
    assert (world.m.leave, world.m.exit) == (LEAVE_AFTER, EXIT_TIME)


def page_world(missing: int) -> World:
    """Paging on, identity, without the page `missing`."""
    world = filled_world(missing)
    table = EVERY_PAGE_BUT_ONE + 0x1000
    world.write(EVERY_PAGE_BUT_ONE, (table | 7).to_bytes(4, "little"))
    for page in range(512):
        entry = 0 if page == missing else page << 12 | 0x67
        world.write(table + 4 * page, entry.to_bytes(4, "little"))
    world.c.cr3, world.c.cr0 = EVERY_PAGE_BUT_ONE, world.c.cr0 | CR0_PG
    world.ram[EVERY_PAGE_BUT_ONE] |= 0x20  # accessed already, so that a walk changes nothing
    return world


@pytest.mark.parametrize(
    "code,size", (("d91a", 4), ("dd1a", 8), ("db3a", 10), ("df32", 10), ("df1a", 2), ("dd02", 8), ("db2a", 10),
                  ("dc02", 8), ("dd32", 108), ("d932", 28), ("dd22", 108), ("d922", 28), ("66dd32", 94),
                  ("d93a", 2), ("d92a", 2))
)  # fmt: skip
def test_page_fault_in_the_operands_second_page_changes_nothing(code: str, size: int) -> None:
    second = (OPERAND >> 12) + 1
    for inside in {1, size // 2, size - 1}:
        world = page_world(second)
        world.c.gpr[EDX] = (second << 12) - inside
        world.c.ftw = 0x7F << (world.c.fsw >> 11 & 7) & 0xFF or 1
        before = architectural(world)
        assert world.step(bytes.fromhex(code)) == FAULT + PAGE
        assert world.c.cr2 == second << 12
        world.c.cr2 = 0
        assert architectural(world) == before


@pytest.mark.parametrize(
    "code,size", (("dd1a", 8), ("db3a", 10), ("dd32", 108), ("d8 02", 4), ("dd02", 8), ("dd22", 108))
)
def test_operand_beyond_the_segment_limit_changes_nothing(code: str, size: int) -> None:
    world = filled_world(code)
    world.m.seg_ok[DS], world.c.limit[DS] = 0, OPERAND + size - 2
    before = architectural(world)
    assert world.step(bytes.fromhex(code)) == FAULT + GP
    assert architectural(world) == before
    world.c.limit[DS] = OPERAND + size - 1
    assert world.step(bytes.fromhex(code)) == 0


def test_null_segment_faults() -> None:
    world = filled_world()
    world.m.seg_ok[DS], world.c.attr[DS] = 0, UNUSABLE | ATTR_D
    assert world.step(b"\xd9\x02") == FAULT + GP


RESERVED = [
    "d90a", *(f"d9{b:02x}" for b in (*range(0xD1, 0xD8), 0xE2, 0xE3, 0xE6, 0xE7, 0xEF)),
    *(f"da{b:02x}" for b in range(0xE0, 0x100) if b != 0xE9), "db0a", "db22", "db32",
    *(f"db{b:02x}" for b in (0xE5, 0xE6, 0xE7, *range(0xF8, 0x100))),
    "dd0a", "dd2a", *(f"dd{b:02x}" for b in range(0xF0, 0x100)),
    *(f"de{b:02x}" for b in range(0xD8, 0xE0) if b != 0xD9), "df0a", *(f"df{b:02x}" for b in range(0xE1, 0xE8)),
    *(f"df{b:02x}" for b in range(0xF8, 0x100)),
]  # fmt: skip


def test_exactly_the_reserved_encodings_are_undefined() -> None:
    """FISTTP (DB, DD, DF /1) is SSE3, which this processor does not have."""
    for escape in range(0xD8, 0xE0):
        for modrm in (*range(0x02, 0x40, 8), *range(0xC0, 0x100)):
            code = f"{escape:02x}{modrm:02x}"
            undefined = filled_world().step(bytes.fromhex(code)) == FAULT + UD
            assert undefined == (code in RESERVED), code


@pytest.mark.skipif(not HOST_HAS_X87, reason="asks the host's x87")
def test_host_unit_is_left_clean_after_every_operation() -> None:
    """Registers left on the host's stack would make the ninth operation overflow; a wrong control word would round."""
    world = filled_world()
    world.set_registers(Registers(0x37F, 0, 0xFF, (ONE,) * 8))
    first = world.m.cpu_address + world.cpu_array.dtype.fields["fpu"][1]  # type: ignore[index]
    scratch = world.m.ram + OPERAND
    for control in (0x37F, 0x340, 0xC7F, 0x07F):
        for operation in range(len(OPERATIONS)):
            for _ in range(9):
                host_x87(operation, control, 0, first, scratch, scratch + 32)
            world.write(OPERAND, b"\0" * 64)
            status = host_x87(WITH_REGISTER, 0x37F, 0, first, first + 16, scratch)
            assert status & 0x7F == 0 and world.read(OPERAND, 10) == (ONE + (1 << 64)).to_bytes(10, "little"), operation
