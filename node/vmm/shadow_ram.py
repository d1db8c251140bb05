"""Shadow RAM: who answers between 0xC0000 and 0xFFFFF, as the host bridge's PAM registers say (82441FX, PAM0-PAM6).

    PAM0 bits 5-4   0xF0000, 64 KiB        bit 0 of an attribute, RE: reads come from RAM
    PAM1 bits 1-0   0xC0000, 16 KiB        bit 1, WE: writes go to RAM
    PAM1 bits 5-4   0xC4000, 16 KiB        neither: the ROM, or whatever lies on the bus
    ...             up to PAM6: 0xEC000

Firmware copies itself into this RAM, to run there and keep its variables. An area that reads the ROM and writes the RAM
under it (WE alone) would need two places for one page: its writes are lost, as under QEMU.
"""

FIRST_PAGE = 0xC0
READ_RAM, WRITE_RAM = 1, 2
_PAGES_OF_16_KIB = 4


def page_attributes(pam: bytes) -> bytes:
    """READ_RAM and WRITE_RAM of each page from FIRST_PAGE to 0xFF."""
    areas = [register >> shift & 3 for register in pam[1:] for shift in (0, 4)]
    areas += [pam[0] >> 4 & 3] * 4
    return bytes(area for area in areas for _ in range(_PAGES_OF_16_KIB))
