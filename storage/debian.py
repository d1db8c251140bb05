"""The images `debian-12` and `debian-12-686`: Debian 12's own kernels and busybox, with an initramfs of ours.

    debian-12      linux-image-686-pae, for a Pentium Pro or later: PAE, Xen, PVH
    debian-12-686  linux-image-686, the kernel without PAE

Both boot to a busybox shell on the first serial port. The initramfs is plain cpio: 2.1 MB against 1.1 MB as gzip, and
the guest need not decompress it. The command line keeps the guest's work small: the crypto self-tests are nine tenths
of the kernel's boot, the ISA bus has no plug-and-play cards, our CPU does not speculate, and after a panic a reset
tells more than a busy loop. The time-stamp counter's speed is told: a kernel measures it by polling the 8254, and each
poll leaves native code, which on a loaded host is too slow for it to believe the result (`tsc=reliable`: nor need it
watch the counter, which is the machine's one clock). It measures the local APIC's timer by that counter itself, and
takes its interrupts through the APICs. `limosa.image=` is for our /init, which says the name when the guest is ready.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from protos.common_pb2 import BlobRef, BootSource, LinuxBoot
from protos.storage_pb2 import Image
from storage.apt import Apt, Package
from storage.busybox import root_tree
from storage.deb import read_member
from storage.errors import PackagesMissing, PullFailed
from storage.images import ImageStore
from storage.initramfs import write_newc

COMMAND_LINE = "console=ttyS0 cryptomgr.notests noisapnp mitigations=off panic=-1 tsc_early_khz=1000000 tsc=reliable"
MEMORY_BYTES_MIN = 48 << 20
BUSYBOX = "busybox-static"
BUSYBOX_VERSION = re.compile(r"1:1\.35\.0-")  # Debian 12's


@dataclass(frozen=True, slots=True)
class Flavour:
    """One of Debian's kernels for i386 and the image made of it."""

    image: str
    package: str  # the meta package, which depends on the kernel of the day
    description: str


FLAVOURS = (
    Flavour("debian-12", "linux-image-686-pae", "Debian 12, kernel 686-pae, busybox shell on ttyS0"),
    Flavour("debian-12-686", "linux-image-686", "Debian 12, kernel 686 (no PAE), busybox shell on ttyS0"),
)


def choose_kernel(apt: Apt, flavour: Flavour) -> Package | None:
    """Debian 12's newest kernel package of the flavour among those offered."""
    suffix = flavour.package.removeprefix("linux-image-")
    for meta in apt.offered(flavour.package):
        real = re.search(rf"\blinux-image-6\.1\.0-\d+-{suffix}(?![\w.-])", meta.depends)
        if real and "~bpo" not in meta.version:  # no backport to an older release
            for package in apt.offered(real[0]):
                if package.version == meta.version:
                    return package
    return None


def choose_busybox(apt: Apt) -> Package | None:
    """Debian 12's static busybox among those offered."""
    return next((package for package in apt.offered(BUSYBOX) if BUSYBOX_VERSION.match(package.version)), None)


def choose(apt: Apt) -> tuple[list[Package], Package] | None:
    """The kernels in the order of FLAVOURS, and busybox; None if any is missing."""
    kernels = [kernel for flavour in FLAVOURS if (kernel := choose_kernel(apt, flavour)) is not None]
    busybox = choose_busybox(apt)
    return (kernels, busybox) if len(kernels) == len(FLAVOURS) and busybox is not None else None


def missing(apt: Apt, complaint: str | None) -> PackagesMissing:
    """The error that says which of Debian 12's packages are not offered, and what to do."""
    wanted = {flavour.package: choose_kernel(apt, flavour) for flavour in FLAVOURS} | {BUSYBOX: choose_busybox(apt)}
    names = ", ".join(name for name, package in wanted.items() if package is None)
    failed = f" (fetching its package lists failed: {complaint})" if complaint else ""
    return PackagesMissing(
        f"this host's apt offers no {names} of Debian 12 for i386{failed}. If its sources are not Debian 12's, put a "
        f".sources file for bookworm (component main, Signed-By Debian's keyring) into {apt.own_sources}, which "
        f"only Limosa reads, and pull again; or boot files of your own with --kernel and --initrd"
    )


def build(
    store: ImageStore,
    apt: Apt,
    kernels: Sequence[Package],
    busybox: Package,
    progress: Callable[[str], None],
    *,
    now_unix_ns: int,
) -> list[Image]:
    """Downloads what is not here yet and puts the images into the store."""
    if absent := apt.absent([*kernels, busybox]):
        megabytes = sum(package.size_bytes for package in absent) / 1e6
        progress(f"downloading {', '.join(map(str, absent))} ({megabytes:.1f} MB)")
    *kernel_files, busybox_file = apt.download([*kernels, busybox])
    progress("building the initramfs")
    initrd = store.blobs.put_bytes(write_newc(root_tree(read_member(busybox_file, "bin/busybox"))))
    images = []
    for flavour, package, file in zip(FLAVOURS, kernels, kernel_files, strict=True):
        kernel = store.blobs.put_bytes(_kernel(file, package))
        source = f"{package}; {busybox}"
        images.append(store.put(_image(flavour, kernel, initrd, source, now_unix_ns)))
        progress(f"image {flavour.image}: {source}")
    return images


def _kernel(file: Path, package: Package) -> bytes:
    data = read_member(file, f"boot/vmlinuz-{package.name.removeprefix('linux-image-')}")
    if data[0x202:0x206] != b"HdrS":
        raise PullFailed(f"the kernel in {package} is no bzImage")
    return data


def _image(flavour: Flavour, kernel: BlobRef, initrd: BlobRef, source: str, now_unix_ns: int) -> Image:
    command_line = f"{COMMAND_LINE} limosa.image={flavour.image}"
    return Image(
        name=flavour.image,
        description=flavour.description,
        boot=BootSource(linux=LinuxBoot(kernel=kernel, initrd=initrd, command_line=command_line)),
        memory_bytes_min=MEMORY_BYTES_MIN,
        created_unix_ns=now_unix_ns,
        source=source,
    )
