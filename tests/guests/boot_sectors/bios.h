/* What the files of the BIOS share: where its variables lie (the BIOS data area) and how a service ends. */

        .code16
        .text

        BIOS_SEGMENT = 0xF000
        BIOS_START = 0xC000                     /* the ROM's last 16 KiB; before them lies the floppy */
        COM1 = 0x3F8

        BDA = 0x40                              /* segment; offsets: */
        BDA_COM1 = 0x00
        BDA_EQUIPMENT = 0x10
        BDA_MEMORY_KIB = 0x13
        BDA_SHIFT = 0x17
        BDA_KEYS_HEAD = 0x1A
        BDA_KEYS_TAIL = 0x1C
        BDA_KEYS = 0x1E
        BDA_KEYS_BEHIND = 0x3E
        BDA_FLOPPY_STATUS = 0x41
        BDA_FLOPPY_READS = 0x42                 /* of the bytes that hold a real controller's answer */
        BDA_VIDEO_MODE = 0x49
        BDA_COLUMNS = 0x4A
        BDA_CURSOR = 0x50
        BDA_CURSOR_SHAPE = 0x60
        BDA_CRTC = 0x63
        BDA_TICKS = 0x6C
        BDA_MIDNIGHT = 0x70
        BDA_KEYS_FIRST = 0x80
        BDA_KEYS_LAST = 0x82
        BDA_LAST_ROW = 0x84

        CARRY = 0x01
        ZERO = 0x40

        /* in a handler whose BP was pushed first: the flags that its caller gets */
        .macro  caller_flag instruction, flag
        \instruction $\flag, 6(%bp)
        .endm
        .macro  clear_caller_flag flag
        andb    $0xFF & ~\flag, 6(%bp)
        .endm
