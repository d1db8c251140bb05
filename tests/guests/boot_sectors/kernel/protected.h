/* The selectors of the kernel's own descriptor table (protected.S). */

        FLAT_CODE = 0x08
        FLAT_DATA = 0x10
        KERNEL_CODE = 0x18                      /* 16-bit, 64 KiB at the kernel's segment: the way back to real mode */
        KERNEL_DATA = 0x20
