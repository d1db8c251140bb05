"""Which code becomes a region, and that a region's name depends on nothing else."""

from node.jit.regions.formation import Former, Limits
from node.jit.regions.shape import Shape
from tests.support.code_twin import CodeTwin

BASE, BACKING = 0x40_0000, 0x9000
# mov eax,[esi]; add ebx,eax; dec ecx; jnz back; ret
LOOP = bytes.fromhex("8b06 01c3 49 75f9 c3")
CALL_AT, CALLEE_AT = 0x20, 0x80


def formed(
    twin: CodeTwin, at: int = 0, limits: Limits | None = None, base: int = BASE
) -> tuple[Shape, tuple[int, ...]]:
    found = Former(twin, limits or Limits(), base + at, BACKING + at, 1).form()
    assert found is not None
    return found


def test_a_loop_is_closed_and_what_follows_it_is_left_out_when_nobody_goes_there() -> None:
    shape, pages = formed(CodeTwin({BASE: (BACKING, LOOP)}, cold=(BACKING + 7,)))
    (block,) = shape.blocks
    assert (block.at, block.target, block.following, len(block.instructions)) == (0, 0, 7, 4)
    assert pages == (BACKING,) and [p.code for p in shape.pieces] == [LOOP[:7]]


def test_what_follows_a_loop_is_taken_in_when_it_is_executed_too() -> None:
    shape, _ = formed(CodeTwin({BASE: (BACKING, LOOP)}))
    assert [b.at for b in shape.blocks] == [0, 7]


def test_a_call_and_the_place_that_it_returns_to_belong_to_the_region() -> None:
    call = b"\xe8" + (CALLEE_AT - CALL_AT - 5).to_bytes(4, "little") + b"\xeb" + bytes([0x100 - 7])
    page = bytearray(0x100)
    page[CALL_AT : CALL_AT + len(call)] = call
    page[CALLEE_AT : CALLEE_AT + 2] = b"\x40\xc3"  # inc eax; ret
    shape, _ = formed(CodeTwin({BASE: (BACKING, bytes(page))}), CALL_AT)
    assert {b.at for b in shape.blocks} == {0, 5, CALLEE_AT - CALL_AT}
    assert shape.returns == (5,)


def test_a_jump_to_another_page_is_followed_if_that_page_is_mapped() -> None:
    jump = b"\xe9" + (0x1000 - 5).to_bytes(4, "little")
    there = b"\x40\xeb\xfd"  # inc eax; jmp back
    shape, pages = formed(CodeTwin({BASE: (BACKING, jump), BASE + 0x1000: (0x3000, there)}))
    assert [(b.at, b.page) for b in shape.blocks] == [(0, 0), (0x1000, 1)]
    assert pages == (BACKING, 0x3000) and shape.page_numbers == (0, 1)
    shape, pages = formed(CodeTwin({BASE: (BACKING, jump)}))
    assert [b.at for b in shape.blocks] == [0] and pages == (BACKING,)


def test_an_instruction_that_always_ends_a_block_is_not_part_of_any() -> None:
    assert Former(CodeTwin({BASE: (BACKING, b"\xf4")}), Limits(), BASE, BACKING, 1).form() is None  # HLT
    shape, _ = formed(CodeTwin({BASE: (BACKING, b"\x40\xf4")}))
    assert shape.blocks[0].following == 1 and len(shape.blocks[0].instructions) == 1


def test_a_region_does_not_grow_without_end() -> None:
    code = b"".join(b"\x40\x75\x00" for _ in range(1300))  # inc eax; jnz next
    shape, _ = formed(CodeTwin({BASE: (BACKING, code)}), limits=Limits(instructions=30))
    assert 30 <= shape.instructions < 40


def test_the_name_follows_the_code_and_its_layout_but_not_the_place() -> None:
    twin = CodeTwin({BASE: (BACKING, LOOP)})
    key = formed(twin)[0].key()
    elsewhere = CodeTwin({0x80_0000: (0x2000, LOOP)})
    found = Former(elsewhere, Limits(), 0x80_0000, 0x2000, 1).form()
    assert found is not None and found[0].key() == key
    other_code = CodeTwin({BASE: (BACKING, LOOP.replace(b"\x01\xc3", b"\x01\xc2"))})
    assert formed(other_code)[0].key() != key
    other_mode = Former(twin, Limits(), BASE, BACKING, 3).form()
    assert other_mode is not None and other_mode[0].key() != key
    moved = CodeTwin({BASE: (BACKING, b"\x90" + LOOP)})
    assert formed(moved, 1)[0].key() != key, "where pages end is part of it"
