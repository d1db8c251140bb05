"""Unicorn as an oracle for one `Case`: flat 32-bit code, or real mode."""

# unicorn ships without types
# mypy: disable-error-code="no-untyped-call,attr-defined"

from typing import Any

import unicorn
from unicorn import x86_const as x86

from node.ia32.state import CS, DS, ES, FS, GS, SS, UD
from tests.support.cpu_case import CODE, CODE_BYTES, CODE_END, PAGE_FAULT, REAL, WINDOW, WINDOW_BYTES, Case, Outcome

NOWHERE = 0xFFFF_FFFF
NAMES = ("EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI")
REGISTERS = tuple(getattr(x86, f"UC_X86_REG_{name}") for name in NAMES)
SEGMENTS = {
    CS: x86.UC_X86_REG_CS, SS: x86.UC_X86_REG_SS, DS: x86.UC_X86_REG_DS,
    ES: x86.UC_X86_REG_ES, FS: x86.UC_X86_REG_FS, GS: x86.UC_X86_REG_GS,
}  # fmt: skip


def run_on_unicorn(case: Case) -> Outcome:
    """In a unicorn of its own: one that has been stopped keeps more than registers, and making one is quick.

    TF is set, so that it stops itself after one instruction, with exception 1. PAGE_FAULT, without more, stands for
    any access to what is not mapped.
    """
    real = case.setting == "real"
    cpu: Any = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_16 if real else unicorn.UC_MODE_32)
    vectors: list[int] = []

    def interrupted(_cpu: Any, vector: int, _data: object) -> None:
        vectors.append(vector)
        cpu.emu_stop()

    cpu.hook_add(unicorn.UC_HOOK_INTR, interrupted)
    cpu.mem_map(CODE, CODE_BYTES)
    cpu.mem_map(WINDOW, WINDOW_BYTES)
    cpu.mem_write(case.code_linear, case.code[: CODE_END - case.code_linear])
    cpu.mem_write(WINDOW, case.window)
    if real:
        for seg, register in SEGMENTS.items():
            cpu.reg_write(register, REAL[seg].selector)
    for register, value in zip(REGISTERS, case.gpr, strict=True):
        cpu.reg_write(register, value)
    cpu.reg_write(x86.UC_X86_REG_EFLAGS, case.eflags)
    try:
        cpu.emu_start(case.code_linear, NOWHERE)
    except unicorn.UcError as error:
        vectors.append(UD if error.errno == unicorn.UC_ERR_INSN_INVALID else PAGE_FAULT)
    gpr = tuple(cpu.reg_read(register) for register in REGISTERS)
    eip, eflags = cpu.reg_read(x86.UC_X86_REG_EIP), cpu.reg_read(x86.UC_X86_REG_EFLAGS)
    assert len(vectors) == 1, f"unicorn ended with {vectors} at {eip:x}: {case}"
    return Outcome(vectors[0], 0, gpr, eip, eflags, 0, bytes(cpu.mem_read(WINDOW, WINDOW_BYTES)))
