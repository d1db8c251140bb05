"""Control and debug registers, MSRs, CPUID, the TSC, SYSENTER, HLT, RESET: checks, side effects, reserved bits."""

import pytest

from node.ia32.features import CMOV, FXSR, MMX, NX, PAE, SEP, SSE, SSE2
from node.ia32.models import DEFAULT, MODELS
from node.ia32.msr import (
    MSR_APIC_BASE,
    MSR_EFER,
    MSR_MISC_ENABLE,
    MSR_SYSENTER_CS,
    MSR_SYSENTER_EIP,
    MSR_SYSENTER_ESP,
    MSR_TSC,
)
from node.ia32.reset import enter_flat32, reset
from node.ia32.segments import refresh
from node.ia32.semantics.control_registers import clts, lmsw, mov_from_cr, mov_from_dr, mov_to_cr, mov_to_dr, smsw
from node.ia32.semantics.system import (
    cpuid,
    hlt,
    invalidate_caches,
    invlpg,
    rdmsr,
    rdpmc,
    rdtsc,
    sysenter,
    sysexit,
    wrmsr,
)
from node.ia32.state import (
    CR0_CD,
    CR0_ET,
    CR0_MP,
    CR0_NW,
    CR0_PE,
    CR0_PG,
    CR0_TS,
    CR0_WP,
    CR4_OSFXSR,
    CR4_OSXMMEXCPT,
    CR4_PAE,
    CR4_PGE,
    CR4_PSE,
    CR4_TSD,
    CS,
    DB,
    EAX,
    EBX,
    ECX,
    EDX,
    ESP,
    GP,
    IF,
    LEAVE_AFTER,
    M32,
    SS,
    UD,
    VM,
)
from node.ia32.tlb import GLOBAL, READ_KERNEL, READ_USER, entry_of, install
from tests.node.ia32.model_specific import msr
from tests.node.ia32.protected_world import CODE, CODE0, CODE3, DATA0, DATA3, FLAT, World

REG, MEM = 0, 1


def to_cr(world: World, number: int, value: int) -> tuple[int, int] | None:
    world.c.gpr[EBX] = value
    return world.do(mov_to_cr, length=3, a=number, b=EBX)


@pytest.mark.parametrize(
    "value",
    [CR0_PG, CR0_PG | CR0_NW, CR0_PE | CR0_NW],
)
def test_cr0_refuses_paging_without_protection_and_nw_without_cd(value: int) -> None:
    assert to_cr(World(), 0, value) == (GP, 0)


def test_cr0_ignores_reserved_bits_and_et_stays_set() -> None:
    world = World()
    assert to_cr(world, 0, CR0_PE | CR0_WP | 0x1FFAFFC0) is None
    assert (world.c.cr0, world.c.eip) == (CR0_PE | CR0_WP | CR0_ET, CODE + 3)


@pytest.mark.parametrize(("changed", "kept"), [(CR0_WP, 0), (CR0_TS, 1), (CR0_MP, 1)])
def test_only_what_paging_depends_on_flushes_the_tlb(changed: int, kept: int) -> None:
    world = World()
    install(world.m, 0x7000, READ_KERNEL)
    assert to_cr(world, 0, int(world.c.cr0) | changed) is None
    assert entry_of(world.m, 0x7000) == kept


def test_cr3_keeps_global_pages_only_while_pge_is_set() -> None:
    world = World()
    world.c.cr4 = CR4_PGE
    install(world.m, 0x7000, READ_KERNEL | GLOBAL)
    install(world.m, 0x8000, READ_KERNEL)
    assert to_cr(world, 3, 0x10000) is None
    assert (entry_of(world.m, 0x7000), entry_of(world.m, 0x8000)) == (READ_KERNEL | GLOBAL, 0)
    assert to_cr(world, 4, 0) is None
    assert entry_of(world.m, 0x7000) == 0


@pytest.mark.parametrize("bit", [0, 1, 3, 6, 9, 10, 11, 13, 20, 31])
def test_cr4_refuses_features_that_cpuid_does_not_offer(bit: int) -> None:
    assert to_cr(World(), 4, 1 << bit) == (GP, 0)


@pytest.mark.parametrize(
    ("pdpte", "refused"),
    [
        (0x0000_0000_0000_2001, False),
        (0x0000_000F_FFFF_F019, False),
        (0x0000_0000_0000_2003, True),
        (0x0000_0000_0000_20E1, True),
        (0x0000_0010_0000_2001, True),
        (0x8000_0000_0000_2001, True),
        (0x8000_0000_0000_01E6, False),  # not present: nothing is reserved
    ],
)
@pytest.mark.parametrize("by", ["cr0", "cr3", "cr4"])
def test_pae_pointers_are_loaded_and_checked_by_every_way_into_pae(pdpte: int, refused: bool, by: str) -> None:
    world = World()
    world.map_pages(absent=set(), supervisor=set(), read_only=set())
    world.poke(0x15018, pdpte, 8)
    if by == "cr0":
        world.c.cr0 &= ~CR0_PG
        world.c.cr4, world.c.cr3 = CR4_PAE, 0x15000
        result = to_cr(world, 0, int(world.c.cr0) | CR0_PG)
    elif by == "cr3":
        world.c.cr4 = CR4_PAE
        result = to_cr(world, 3, 0x15000)
    else:
        world.c.cr3 = 0x15000
        result = to_cr(world, 4, CR4_PAE)
    assert result == ((GP, 0) if refused else None)
    assert world.c.pdpte[3] == (0 if refused or pdpte & 1 == 0 else pdpte)


@pytest.mark.parametrize("number", [1, 5, 6, 7])
def test_absent_control_registers_are_undefined(number: int) -> None:
    world = World()
    assert to_cr(world, number, 0) == (UD, -1)
    assert world.do(mov_from_cr, a=number) == (UD, -1)


def test_control_registers_read_back() -> None:
    world = World()
    world.c.cr2, world.c.cr3, world.c.cr4 = 0x1234, 0x5000, CR4_PSE
    for number, value in ((0, CR0_PE | CR0_ET), (2, 0x1234), (3, 0x5000), (4, CR4_PSE)):
        assert world.do(mov_from_cr, a=number, b=EAX) is None
        assert world.c.gpr[EAX] == value


@pytest.mark.parametrize("level", [1, 3])
def test_privileged_instructions_are_refused_outside_level_0(level: int) -> None:
    world = World()
    world.enter_level(level)
    plain = (mov_to_cr, mov_from_cr, mov_to_dr, mov_from_dr, clts, hlt, invlpg, invalidate_caches, rdmsr, wrmsr, rdpmc)
    for semantic in plain:
        assert world.do(semantic) == (GP, 0), semantic.__name__
    assert world.do(lmsw, REG) == (GP, 0)


def test_lmsw_sets_pe_but_cannot_clear_it() -> None:
    world = World()
    world.c.cr0 = CR0_PE | CR0_TS | CR0_ET | CR0_CD
    world.c.gpr[EBX] = CR0_MP | 0xFFF0
    assert world.do(lmsw, REG, b=EBX) is None
    assert world.c.cr0 == CR0_PE | CR0_MP | CR0_ET | CR0_CD


def test_smsw_and_clts() -> None:
    world = World()
    world.c.cr0 |= CR0_TS | CR0_CD
    assert world.do(clts) is None
    assert world.c.cr0 & CR0_TS == 0
    world.enter_level(3)
    assert world.do(smsw, 4, REG, b=EAX) is None
    assert world.c.gpr[EAX] == world.c.cr0
    world.poke(0x7000, M32)
    assert world.do(smsw, 4, MEM, disp=0x7000) is None
    assert world.peek(0x7000) == 0xFFFF_0000 | int(world.c.cr0) & 0xFFFF


def test_debug_registers_have_their_fixed_bits_and_aliases() -> None:
    world = World()
    world.c.gpr[EBX] = M32
    for number in (3, 4, 5):
        assert world.do(mov_to_dr, a=number, b=EBX) is None if number < 5 else True
    assert (world.c.dr[3], world.c.dr[6]) == (M32, 0xFFFF_EFFF)
    world.c.gpr[EBX] = 0xFFFF_DFFF
    assert world.do(mov_to_dr, a=5, b=EBX) is None
    assert world.c.dr[7] == 0xFFFF_07FF
    assert world.do(mov_from_dr, a=7, b=EAX) is None
    assert world.c.gpr[EAX] == 0xFFFF_07FF


def test_general_detect_catches_debug_register_accesses() -> None:
    world = World()
    world.c.dr[7] |= 0x2000
    assert world.do(mov_from_dr, a=0, b=EAX) == (DB, -1)
    assert world.c.dr[6] & 0x2000


# MSRs, TSC, CPUID


@pytest.mark.parametrize("index", [MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP])
def test_sysenter_msrs_hold_32_bits(index: int) -> None:
    world = World()
    assert msr(world, index, 0x1_8765_4321) == 0
    assert msr(world, index) == 0x8765_4321


@pytest.mark.parametrize("index", [0xFE, 0x179, 0x277, 0x2FF, 0x1A0, 0xC000_0081, 0xC000_0100, M32])
def test_absent_msrs_are_refused(index: int) -> None:
    assert msr(World(), index) == (GP, 0)
    assert msr(World(), index, 0) == (GP, 0)


def test_the_apics_base_is_an_msr_except_of_a_pentium() -> None:
    world = World()
    assert msr(world, MSR_APIC_BASE) == 0xFEE0_0900
    assert msr(world, MSR_APIC_BASE, 0xE_FEE0_1800) == 0 and msr(world, MSR_APIC_BASE) == 0xE_FEE0_1900
    for reserved in (1 << 36, 1 << 10, 1 << 9, 0xFF):
        assert msr(world, MSR_APIC_BASE, 0xFEE0_0800 | reserved) == (GP, 0)
    assert msr(World("pentium"), MSR_APIC_BASE) == (GP, 0)
    assert msr(World("pentium"), MSR_APIC_BASE, 0xFEE0_0900) == (GP, 0)


def test_a_pentium_4_has_fast_strings() -> None:
    world = World("pentium4")
    reset(world.c, world.m)
    assert msr(world, MSR_MISC_ENABLE) == 1
    assert msr(world, MSR_MISC_ENABLE, 0) == 0
    assert msr(world, MSR_MISC_ENABLE) == 0
    assert msr(world, MSR_MISC_ENABLE, 1 << 22) == (GP, 0)


def test_efer_takes_nxe_alone_and_flushes() -> None:
    world = World()
    install(world.m, 0x7000, READ_KERNEL)
    assert msr(world, MSR_EFER, 0x800) == 0
    assert (msr(world, MSR_EFER), entry_of(world.m, 0x7000)) == (0x800, 0)
    for value in (0x100, 0x801, 1 << 32):
        assert msr(world, MSR_EFER, value) == (GP, 0)


@pytest.mark.parametrize("value", [0, 1, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF])
def test_the_time_stamp_can_be_set_and_counts_on(value: int) -> None:
    world = World()
    world.m.tsc_now, world.m.tsc_per_instruction = 1 << 40, 3 << 16
    assert msr(world, MSR_TSC, value) == 0
    assert msr(world, MSR_TSC) == value
    world.m.slice, world.m.left = 10, 6  # four instructions of this slice are executed
    assert world.do(rdtsc) is None
    assert int(world.c.gpr[EDX]) << 32 | int(world.c.gpr[EAX]) == (value + 12) % (1 << 64)


def test_tsd_keeps_rdtsc_for_level_0() -> None:
    world = World()
    world.c.cr4 = CR4_TSD
    assert world.do(rdtsc) is None
    world.enter_level(3)
    assert world.do(rdtsc) == (GP, 0)
    world.c.cr4 = 0
    assert world.do(rdtsc) is None


def ask(leaf: int, model: str = DEFAULT.name) -> list[int]:
    world = World(model)
    world.c.gpr[EAX] = leaf
    assert world.do(cpuid) is None
    return [int(world.c.gpr[i]) for i in (EAX, EBX, ECX, EDX)]


def test_cpuid_names_an_i686_and_its_leaves() -> None:
    highest, *vendor = ask(0)
    assert b"".join(vendor[i].to_bytes(4, "little") for i in (0, 2, 1)) == b"GenuineIntel"
    assert ask(1) == [0x652, 0, 0, 0xAB79]
    assert ask(0x8000_0000)[0] == 0x8000_0001
    assert ask(0x8000_0001) == [0, 0, 0, NX]
    for beyond in (highest + 1, 0x4000_0000, 0x8000_0002, M32):
        assert ask(beyond) == ask(highest)


@pytest.mark.parametrize(
    ("name", "signature", "has", "lacks"),
    [
        ("pentium", 0x543, MMX, PAE | SEP | CMOV | FXSR | SSE),
        ("pentium2", 0x652, MMX | PAE | SEP | CMOV | FXSR, SSE | SSE2),
        ("pentium3", 0x673, MMX | FXSR | SSE, SSE2),
        ("pentium4", 0xF29, MMX | FXSR | SSE | SSE2, 0),
    ],
)
def test_cpuid_names_the_model(name: str, signature: int, has: int, lacks: int) -> None:
    eax, _, _, edx = ask(1, name)
    assert (eax, edx & (has | lacks)) == (signature, has)
    world = World(name)
    reset(world.c, world.m)
    assert world.c.gpr[EDX] == signature


def test_only_a_pentium_4_tells_its_brand() -> None:
    words = [word for leaf in (0x8000_0002, 0x8000_0003, 0x8000_0004) for word in ask(leaf, "pentium4")]
    assert b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\0") == b"Intel(R) Pentium(R) 4 CPU"
    assert ask(0x8000_0000, "pentium3") == ask(2, "pentium3")


@pytest.mark.parametrize("name", MODELS)
def test_cr4_takes_what_the_model_has(name: str) -> None:
    features = MODELS[name].features
    for bit, feature in ((CR4_PAE, PAE), (CR4_OSFXSR, FXSR), (CR4_OSXMMEXCPT, SSE)):
        assert to_cr(World(name), 4, bit) == (None if features & feature else (GP, 0))


# SYSENTER, SYSEXIT, HLT, INVLPG, RESET


def test_sysenter_and_sysexit_go_there_and_back_on_flat_segments() -> None:
    world = World()
    world.c.sysenter_cs, world.c.sysenter_esp, world.c.sysenter_eip = CODE0, 0x7700, 0x1234
    world.enter_level(3)
    world.c.flags |= IF | VM
    assert world.do(sysenter) is None
    c = world.c
    assert (c.cpl, c.selector[CS], c.selector[SS], c.gpr[ESP], c.eip) == (0, CODE0, CODE0 + 8, 0x7700, 0x1234)
    assert (c.attr[CS], c.attr[SS], c.limit[SS], c.flags & (IF | VM)) == (0x9B | FLAT, 0x93 | FLAT, M32, 0)
    c.gpr[ECX], c.gpr[EDX] = 0x9000, 0x4321
    assert world.do(sysexit) is None
    assert (c.cpl, c.selector[CS], c.selector[SS], c.gpr[ESP], c.eip) == (3, CODE3, DATA3, 0x9000, 0x4321)
    assert (world.m.need_read, c.attr[CS]) == (READ_USER, 0xFB | FLAT)


def test_sysenter_without_a_code_segment_and_sysexit_outside_level_0_are_refused() -> None:
    world = World()
    assert world.do(sysenter) == (GP, 0)
    assert world.do(sysexit) == (GP, 0)
    world.c.sysenter_cs = CODE0
    world.enter_level(3)
    assert world.do(sysexit) == (GP, 0)


def test_hlt_stops_behind_itself() -> None:
    world = World()
    assert world.do(hlt, length=1) is None
    assert (world.c.halted, world.c.eip, world.m.leave) == (1, CODE + 1, LEAVE_AFTER)


@pytest.mark.parametrize(("cr4", "gone"), [(0, [0x40_7000]), (CR4_PSE, [0x40_7000, 0x40_0000, 0x7F_F000])])
def test_invlpg_drops_the_page_and_all_pieces_of_a_large_one(cr4: int, gone: list[int]) -> None:
    world = World()
    world.c.cr4 = cr4
    pages = [0x3F_F000, 0x40_0000, 0x40_7000, 0x7F_F000, 0x80_0000]
    for page in pages:
        install(world.m, page, READ_KERNEL)
    assert world.do(invlpg, disp=0x40_7123) is None
    assert [page for page in pages if entry_of(world.m, page) == 0] == sorted(gone)


def test_reset_starts_in_real_mode_below_4_gib() -> None:
    world = World()
    reset(world.c, world.m)
    c = world.c
    assert (c.base[CS] + c.eip, c.cr0, c.gpr[EDX], c.flags, c.cpl) == (0xFFFF_FFF0, 0x6000_0010, 0x652, 2, 0)
    assert (c.dr[6], c.dr[7], c.idt_limit, c.fcw, world.m.stack_mask) == (0xFFFF_0FF0, 0x400, 0xFFFF, 0x40, 0xFFFF)


def test_a_loader_can_start_flat() -> None:
    world = World()
    reset(world.c, world.m)
    enter_flat32(world.c, world.m, CODE0, DATA0, 0x10_0000)
    assert (world.m.stack_mask, [int(world.m.seg_ok[i]) for i in range(6)]) == (M32, [3, 1, 3, 3, 3, 3])
    assert (world.c.cr0, world.c.eip) == (CR0_PE | CR0_ET, 0x10_0000)
    before = world.cpu_array.tobytes()
    refresh(world.c, world.m)
    assert world.cpu_array.tobytes() == before
