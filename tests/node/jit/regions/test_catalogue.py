"""The shapes of which translations were made, found again by how their code begins."""

from pathlib import Path

from node.jit.regions.catalogue import SHAPES_MOST, Catalogue, decoded, encoded, head_of
from node.jit.regions.formation import Former, Limits, pages_of
from node.jit.regions.shape import PAGE, Shape
from node.jit.regions.store import DiskStore
from tests.support.code_twin import CodeTwin

LINEAR, BACKING = 0x40_0000, 0x9000
LOOP = bytes.fromhex("01d8 89c3 4a 75f9 e9f40f0000".replace(" ", ""))  # add, mov, dec, jnz; jmp to the next page
NEXT = bytes.fromhex("41 eb fd".replace(" ", ""))  # inc ecx; jmp to itself


def twin(loop: bytes = LOOP, following: int = BACKING + 0x5000) -> CodeTwin:
    return CodeTwin({LINEAR: (BACKING, loop), LINEAR + PAGE: (following, NEXT)})


def formed(code: CodeTwin) -> tuple[Shape, tuple[int, ...]]:
    made = Former(code, Limits(), LINEAR, BACKING, 5).form()
    assert made is not None
    return made


def test_a_shape_is_the_same_after_a_file() -> None:
    shape, _ = formed(twin())
    assert len(shape.page_numbers) == 2
    assert decoded(encoded((shape,))) == (shape,)
    assert decoded(encoded((shape,)))[0].key() == shape.key()


def test_a_later_process_finds_the_latest_shapes_of_a_head(tmp_path: Path) -> None:
    shape, _ = formed(twin())
    head = head_of(5, 0, LOOP)
    first = Catalogue(DiskStore(tmp_path))
    others = [Shape(5, 0, shape.blocks, (number,), shape.pieces, shape.page_numbers) for number in range(SHAPES_MOST)]
    for one in (shape, *others, others[-1]):
        first.add(head, one)
    assert Catalogue(DiskStore(tmp_path)).shapes(head) == tuple(reversed(others))
    assert Catalogue(DiskStore(tmp_path)).shapes(head_of(4, 0, LOOP)) == ()


def test_a_shape_fits_where_the_same_code_lies_and_nowhere_else() -> None:
    shape, pages = formed(twin())
    assert pages_of(shape, twin(), LINEAR, BACKING) == pages == (BACKING, BACKING + 0x5000)
    assert pages_of(shape, twin(following=0x3000), LINEAR, BACKING) == (BACKING, 0x3000)
    assert pages_of(shape, twin(LOOP[:-1] + b"\x01"), LINEAR, BACKING) is None
    assert pages_of(shape, CodeTwin({LINEAR: (BACKING, LOOP)}), LINEAR, BACKING) is None
