"""What CPUID offers, bit by bit: leaf 1's EDX as the manual numbers it (SDM 2A, table 3-11), and leaf 80000001h's.

A row of the opcode table names the bits that its instruction needs; a processor model says which bits it has.
"""

FPU, VME, DE, PSE, TSC, MSR, PAE, CX8, APIC, SEP, PGE, CMOV = (
    1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 15)
)
MTRR, PAT, PSE36 = (1 << bit for bit in (12, 16, 17))
CLFSH, MMX, FXSR, SSE, SSE2 = (1 << bit for bit in (19, 23, 24, 25, 26))
P6 = CMOV  # instructions that came with it, unannounced: FCMOV, FCOMI, multi-byte NOP
EVERY = (1 << 32) - 1

NX = 0x10_0000  # leaf 80000001h
