"""What a checked build adds to LLVM text and to primitives, and that the ordinary one has none of it."""

import re

import pytest

from node.ia32.host_fpu import host_x87
from node.ia32.latches import first_from_xmm
from node.jit.checks import CHECK, INDEX, Checked, Unchecked
from node.jit.packed import object_of, stencils_of, texts_of
from node.jitted import PRIMITIVES, peek16
from tests.support.engine import cache_directory

TEXT = """define void @f(ptr %c, ptr %m, ptr %e) {
  %own = alloca i64
  store i64 1, ptr %own
  %field = getelementptr i8, ptr %m, i64 16
  %table = load ptr, ptr %field
  %place = getelementptr i64, ptr %table, i64 %number
  store i64 %value, ptr %place, align 8
  %h = load ptr, ptr %e
  ret void
}"""


def checked_lines(text: str) -> list[str]:
    """Statements in front of which an address is checked."""
    lines = Checked().in_text(text).splitlines()
    return [lines[i + 1].strip() for i, line in enumerate(lines) if f"@{CHECK}(" in line]


def test_what_is_reached_through_a_number_is_checked_and_variables_and_fields_are_not() -> None:
    assert checked_lines(TEXT) == ["store i64 %value, ptr %place, align 8", "%h = load ptr, ptr %e"]


def test_a_size_is_that_of_the_type() -> None:
    narrow = "define void @f(ptr %e) {\n  %k = load i32, ptr %e\n  store i8 0, ptr %e, align 1\n  ret void\n}"
    calls = [line for line in Checked().in_text(narrow).splitlines() if CHECK in line]
    assert [call.rsplit("i64 ", 1)[1] for call in calls] == ["4)", "1)"]


def test_what_is_made_of_checked_primitives_is_not_checked_again() -> None:
    assert checked_lines(TEXT.replace("@f(", "@limosa_s17(")) == []


def test_primitives_check_what_they_say_they_touch() -> None:
    checks = Checked()
    assert checks.of_primitive(PRIMITIVES[peek16]) == f"call void @{CHECK}(i64 %0, i64 2)\n"
    assert f"@{INDEX}(i64 %2, i64 8)" in checks.of_primitive(PRIMITIVES[first_from_xmm])
    assert checks.of_primitive(PRIMITIVES[host_x87]).count(f"@{CHECK}(") == 3


def test_every_primitive_that_makes_a_pointer_of_a_number_says_what_it_touches() -> None:
    for function, primitive in PRIMITIVES.items():
        if "inttoptr" in (primitive.llvm or ""):
            called = re.findall(r"call \w+ %\w+\(", primitive.llvm or "")  # functions, which are no memory
            made = (primitive.llvm or "").count("inttoptr") - len(called)
            assert len(primitive.touches) == made, function.__name__


@pytest.mark.timeout(900)  # the first test may have to compile
def test_the_ordinary_interpreter_has_no_checks() -> None:
    from node.jit.object_cache import object_code, silent

    packed = object_code(cache_directory(), silent)
    for part in (object_of(packed), stencils_of(packed), "\n".join(texts_of(packed)).encode()):
        assert CHECK.encode() not in part and INDEX.encode() not in part
    assert Unchecked().in_text(TEXT) == TEXT
