"""`python -m tests.support.implemented`: write node/ia32/IMPLEMENTED.md from the opcode table and the processor models.

What cannot be derived, how faithful a facility is, stands in `FACILITIES` below; a test compares the file with this.
"""

from collections import defaultdict
from pathlib import Path

from node.ia32 import features
from node.ia32.encodings import rows
from node.ia32.models import MODELS
from node.ia32.rows import Row

FILE = Path(__file__).resolve().parent.parent.parent / "node" / "ia32" / "IMPLEMENTED.md"
NAMES = (
    "FPU",
    "VME",
    "DE",
    "PSE",
    "TSC",
    "MSR",
    "PAE",
    "CX8",
    "APIC",
    "SEP",
    "PGE",
    "MTRR",
    "CMOV",
    "PAT",
    "PSE36",
    "CLFSH",
    "MMX",
    "FXSR",
    "SSE",
    "SSE2",
)
NEEDS = {getattr(features, name): name for name in NAMES}
EVERYBODY = "every model"

IMPLEMENTED, PARTLY, ABSENT = "yes", "partly", "no"
FACILITIES = (
    ("real mode, unreal mode, A20", IMPLEMENTED, ""),
    ("protected mode: segment limits, types, privilege", IMPLEMENTED, "checked at every access"),
    ("call gates, interrupt, trap and task gates", IMPLEMENTED, "32- and 16-bit"),
    ("task switches by JMP, CALL, IRET, gates; T bit", IMPLEMENTED, "32- and 16-bit TSS"),
    ("virtual-8086 mode", IMPLEMENTED, ""),
    ("virtual interrupts (VME, PVI), redirection bitmap", IMPLEMENTED, "not i686: CR4.VME and CR4.PVI raise #GP(0)"),
    ("paging: 4 KiB, 4 MiB, PAE, 2 MiB, global pages, WP, accessed and dirty bits", IMPLEMENTED, ""),
    ("no-execute pages", IMPLEMENTED, "i686 and pentium4; elsewhere EFER raises #GP(0)"),
    ("PSE-36, PAT, MTRR", IMPLEMENTED, "not i686 and pentium: bits reserved for them raise #PF, the MSRs #GP(0)"),
    ("double faults, triple fault (shutdown)", IMPLEMENTED, ""),
    ("alignment check (#AC)", IMPLEMENTED, "of 16-byte moves that may be unaligned, 16 bytes are asked for"),
    ("breakpoints on data, code and ports, single stepping, RF, general detect", IMPLEMENTED, "see debug.py"),
    ("branch trace, last-branch records, DEBUGCTL", ABSENT, "the MSRs raise #GP(0)"),
    ("machine check, performance counters", ABSENT, "not offered; the MSRs and RDPMC raise #GP(0)"),
    ("system management mode", ABSENT, "RSM raises #UD; nothing raises SMI"),
    ("SYSENTER, SYSEXIT", IMPLEMENTED, ""),
    ("local APIC and its timer, IA32_APIC_BASE", IMPLEMENTED, "no MSR in a Pentium; no SMI, no remote read"),
    ("TSC deadline, x2APIC, several processors", ABSENT, "not offered by CPUID; their MSRs raise #GP(0)"),
    ("x87, 80-bit, with deferred exceptions and FERR#", IMPLEMENTED, "bit-exact with the host's, transcendentals too"),
    ("MMX, SSE, SSE2, MXCSR, #XM", IMPLEMENTED, "bit-exact with the host's; RCPPS and RSQRTPS are its approximations"),
    ("MXCSR.PE when #XM reports overflow or underflow", PARTLY, "also set where a wider exponent would make it exact"),
    ("SSE3 and later, 64-bit mode, VMX", ABSENT, "#UD"),
    ("CPUID, RDTSC, RDMSR, WRMSR", IMPLEMENTED, "MSRs as listed in msr.py; all others raise #GP(0)"),
)  # fmt: skip


def render() -> str:
    parts = [
        "# What of the architecture is implemented",
        "Written by `python -m tests.support.implemented` from the opcode table and the processor models; do not edit.",
        "What is absent is not offered by CPUID and raises the exception named here: nothing is silently wrong.",
        "## Facilities",
        _table(("facility", "there", "remark"), FACILITIES),
        "## Processor models",
        _table(("model", "signature", "CPUID(1).EDX", "more"), [_model(name) for name in MODELS]),
        "## Instructions",
        "Opcodes by the feature that brings them, in the notation of `rows.py`: `/n` is modrm.reg, `+r` eight\n"
        "registers, `+cc` sixteen conditions, NP 66 F3 F2 a mandatory prefix. Every other opcode raises #UD.",
        *(f"**{need}**: {', '.join(codes)}" for need, codes in _opcodes().items()),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, ...], lines: "list[tuple[str, ...]] | tuple[tuple[str, ...], ...]") -> str:
    every = [head, tuple("---" for _ in head), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in every)


def _model(name: str) -> tuple[str, ...]:
    model = MODELS[name]
    has = " ".join(bit_name for bit, bit_name in NEEDS.items() if model.features & bit)
    more = ["NX"] if model.features_extended & features.NX else []
    return f"`{name}`", f"{model.signature:X}h", has, ", ".join([*more, model.brand] if model.brand else more)


def _opcodes() -> dict[str, list[str]]:
    by_need: dict[str, list[str]] = defaultdict(list)
    for row in rows():
        code = _code(row)
        if code not in by_need[NEEDS.get(row.feature, EVERYBODY)]:
            by_need[NEEDS.get(row.feature, EVERYBODY)].append(code)
    order = [EVERYBODY, *(name for name in NAMES if name in by_need)]
    return {need: sorted(by_need[need], key=_without_prefix) for need in order}


def _code(row: Row) -> str:
    return f"`{row.code}`"


def _without_prefix(code: str) -> tuple[str, str]:
    text = code.strip("`")
    head, _, rest = text.partition(" 0F ")
    return (f"0F {rest}", head) if rest else (text, "")


if __name__ == "__main__":
    FILE.write_text(render())
