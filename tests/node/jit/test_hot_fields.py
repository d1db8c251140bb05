"""What a function may touch of the fields that translated regions keep in registers, found in its source."""

from node.ia32 import access, faults, flags
from node.ia32.handlers import handlers
from node.ia32.segments import load_segment
from node.ia32.semantics import alu, control, stack, strings
from node.jit.hot_fields import ALL_HOT, CHANGEABLE, effects_of, inline_effects_of
from node.jitted import REGISTRY


def test_a_slow_path_of_memory_leaves_the_registers_alone() -> None:
    effects = effects_of(access.store_slow)
    assert effects.writes == {"fault", "leave"}
    assert not effects.touched & {"gpr", "eip", "cc_op", "cc_dst", "cc_src"}


def test_what_a_callee_touches_counts() -> None:
    assert "gpr" in effects_of(stack.push_all).touched, "by way of drop and get_reg"
    assert {"fault", "leave"} <= effects_of(faults.general_protection).writes


def test_an_element_of_an_array_stored_to_is_a_write_and_one_read_is_not() -> None:
    assert "gpr" in inline_effects_of(control.loop).writes
    assert "limit" in inline_effects_of(control.loop).reads
    assert "limit" not in inline_effects_of(control.loop).writes
    assert {"base", "limit", "seg_ok"} <= effects_of(load_segment).writes


def test_a_repeated_string_instruction_spends_the_budget() -> None:
    assert {"left", "gpr", "leave"} <= effects_of(strings.repeated).writes


def test_questions_about_flags_change_nothing() -> None:
    for question in (flags.parity, flags.overflow, flags.adjust, flags.status):
        assert not effects_of(question).writes
        assert effects_of(question).reads == {"cc_op", "cc_dst", "cc_src"}


def test_the_common_semantics_are_inlined() -> None:
    for semantic in (alu.alu_from_rm, alu.step_reg, control.jcc, control.ret, stack.push_reg, control.loop):
        assert REGISTRY[semantic].inline and inline_effects_of(semantic).writes <= CHANGEABLE


def test_effects_are_known_for_every_semantic() -> None:
    for handler in handlers():
        if handler is not None:
            assert effects_of(handler.semantic).touched <= ALL_HOT
