"""A Debian 12 user land for i386: what debootstrap makes of the host's own mirror, packed as an initramfs.

Made once into the shared cache and kept under the digest of its recipe.
What no program looks at is left out: the guest's root lies in the guest's memory. The same tree serves as an oracle:
`on_the_host` runs its programs on the host's own CPU. A host that cannot make it skips the test, and says why.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.initramfs import CharDevice, Directory, Entry, File, Symlink, write_newc
from tests.support.shared_cache import shared_cache

SUITE, ARCHITECTURE = "bookworm", "i386"
PACKAGES = ("perl", "python3-minimal", "openssl")
UNSEEN = (  # besides what apt has fetched: nobody reads here, and there are as many megabytes of it as of all the rest
    *(
        "usr/share/doc",
        "usr/share/info",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/zoneinfo",
        "usr/share/lintian",
    ),
    *("usr/lib/i386-linux-gnu/gconv", "usr/lib/i386-linux-gnu/perl/5.36.0/CORE"),
    *("var/cache/apt", "var/lib/apt/lists", "var/log"),
)
PROMPT = "userland# "
INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=dumb PYTHONDONTWRITEBYTECODE=1 PS1='{PROMPT}'
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 5 >/proc/sys/kernel/printk # only warnings and worse may interrupt the shell
cd /root
exec setsid --ctty sh -i
"""
POWER_OFF = "perl -e 'syscall(88, 0xfee1dead, 672274793, 0x4321fedc)'"  # reboot(2): no package here brings poweroff
MADE_S = 580.0
HOST_S = 60.0
# What debootstrap says where there is no network, or a kernel without 32-bit programs.
UNREACHABLE = ("Failed getting release file", "Couldn't download", "Invalid Release file")
FOREIGN = ("Unable to execute target architecture", "Exec format error")


@dataclass(frozen=True, slots=True)
class Userland:
    """Its tree, not to be written to."""

    root: Path

    def archive(self, files: Mapping[str, bytes]) -> bytes:
        """The initramfs: the tree, our /init, and these files in /root."""
        tree = dict(_entries(self.root))
        tree |= {"init": File(INIT.encode(), 0o755), "dev/console": CharDevice(5, 1)}
        return write_newc(tree | {f"root/{name}": File(data) for name, data in files.items()})

    def on_the_host(self, *command: str, given: bytes = b"") -> str:
        """What a program of the tree prints when the host's CPU runs it; `given` is its standard input."""
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin", "PYTHONDONTWRITEBYTECODE=1"]
        done = subprocess.run(
            ["chroot", str(self.root), *environment, *command], input=given, capture_output=True, timeout=HOST_S
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


def debian_userland() -> Userland:
    """Made if it is not there."""
    if os.geteuid() != 0:
        pytest.skip("no Debian user land: debootstrap and chroot need root")
    recipe = repr((SUITE, ARCHITECTURE, PACKAGES, UNSEEN))
    directory = shared_cache() / "userland"
    directory.mkdir(parents=True, exist_ok=True)
    made = directory / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    with (directory / "lock").open("w") as lock:  # two test processes need not make it twice
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(made)
    return Userland(made)


def _make(made: Path) -> None:
    if shutil.which("debootstrap") is None:
        missing = "no Debian user land: debootstrap is not installed"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    mirror = _mirror()
    if mirror is None:
        pytest.skip("no Debian user land: apt knows no Debian mirror, or has not fetched its lists")
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=made.parent))
    try:
        draft.chmod(0o755)
        _debootstrap(draft, mirror)
        for unseen in UNSEEN:
            shutil.rmtree(draft / unseen, ignore_errors=True)  # not there, as good
            (draft / unseen).mkdir()
        draft.rename(made)
    finally:
        # A debootstrap that failed may have left /proc in it.
        subprocess.run(["rm", "-rf", "--one-file-system", str(draft)])


def _debootstrap(root: Path, mirror: str) -> None:
    options = ("--variant=minbase", f"--arch={ARCHITECTURE}", f"--include={','.join(PACKAGES)}")
    command = ["debootstrap", *options, SUITE, str(root), mirror]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=MADE_S)
    said = "\n".join(done.stdout.splitlines()[-20:])
    if any(sentence in said for sentence in UNREACHABLE):
        pytest.skip(f"no Debian user land: the mirror gave no {SUITE} for {ARCHITECTURE}: {said}")
    if any(sentence in said for sentence in FOREIGN):
        pytest.skip(f"no Debian user land: this host does not run {ARCHITECTURE} programs")
    assert done.returncode == 0, said


def _mirror() -> str | None:
    """Where the host's own apt finds Debian, of whatever release; suites of updates may lie elsewhere."""
    if shutil.which("apt-get") is None:
        return None
    form = "$(ORIGIN) $(CODENAME) $(REPO_URI)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=HOST_S).stdout
    found = [line.split() for line in said.splitlines()]
    return next((words[2] for words in found if len(words) == 3 and words[0] == "Debian" and "-" not in words[1]), None)


def _entries(root: Path) -> Iterator[tuple[str, Entry]]:
    """Of all that lies below; a device is the kernel's to give."""
    for path in root.rglob("*"):
        status = path.lstat()
        name, permissions = str(path.relative_to(root)), stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            yield name, Symlink(os.readlink(path))
        elif stat.S_ISDIR(status.st_mode):
            yield name, Directory(permissions)
        elif stat.S_ISREG(status.st_mode):
            yield name, File(path.read_bytes(), permissions)
