"""The root file system of the Debian images: busybox, a link for each of its applets, and our /init.

Which applets a busybox has is read from the table of names in the binary itself, so that nothing foreign is run to
build an image: an i386 program need not run on the host.
"""

from pathlib import Path

from storage.errors import PullFailed
from storage.initramfs import CharDevice, Directory, Entry, File, Symlink

INIT = Path(__file__).with_name("guest_init.sh")
TABLE_START = b"\0[\0[[\0"  # the applet names lie one after the other, sorted, and these two sort first
# cttyhack makes the console the shell's controlling terminal, for Ctrl-C and job control; init called setsid
INITTAB = b"::respawn:/bin/cttyhack /bin/sh -l\n::ctrlaltdel:/bin/reboot\n"
NEEDED = frozenset({"sh", "mount", "mkdir", "init", "cttyhack", "poweroff", "reboot", "sha256sum", "gzip", "awk", "dd"})
ELFCLASS32, EM_386 = 1, b"\3\0"


def applets(binary: bytes) -> list[str]:
    """The names under which this busybox answers."""
    if binary[:5] != b"\x7fELF" + bytes([ELFCLASS32]) or binary[18:20] != EM_386:
        raise PullFailed("the busybox package holds no 32-bit x86 program")
    start = binary.find(TABLE_START)
    end = binary.find(b"\0\0", start + 1)
    names = binary[start + 1 : end].decode("ascii", "replace").split("\0") if 0 <= start < end else []
    if names != sorted(names) or not NEEDED.issubset(names):
        raise PullFailed(f"the busybox package lacks what a guest needs: {', '.join(sorted(NEEDED.difference(names)))}")
    return names


def root_tree(busybox: bytes) -> dict[str, Entry]:
    """The files of the guest's root, ready for `write_newc`."""
    tree: dict[str, Entry] = {name: Directory() for name in ("bin", "dev", "proc", "sys", "etc")}
    tree |= {"root": Directory(0o700), "tmp": Directory(0o1777)}
    tree |= {"sbin": Symlink("bin"), "usr": Directory(), "usr/bin": Symlink("../bin"), "usr/sbin": Symlink("../bin")}
    tree["dev/console"] = CharDevice(5, 1)  # the kernel opens it before /init can mount devtmpfs
    tree["dev/null"] = CharDevice(1, 3, 0o666)
    tree["etc/passwd"] = File(b"root::0:0:root:/root:/bin/sh\n")
    tree["etc/group"] = File(b"root:x:0:\n")
    tree["etc/inittab"] = File(INITTAB)
    tree["init"] = File(INIT.read_bytes(), 0o755)
    tree |= {f"bin/{name}": Symlink("busybox") for name in applets(busybox)}
    tree["bin/busybox"] = File(busybox, 0o755)  # "busybox" is an applet too: the program comes last
    return tree
