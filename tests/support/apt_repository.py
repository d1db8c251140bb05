"""An apt repository on the disk, with packages that look like Debian 12's: for pulls with the real apt, offline."""

import hashlib
import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from storage.busybox import NEEDED

APT_IS_HERE = all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg-deb"))
KERNEL_VERSION = "6.1.176-1"
BUSYBOX_VERSION = "1:1.35.0-4+b1"


def fake_busybox(extra: list[str] | None = None) -> bytes:
    """An ELF header for i386 and a table of applet names."""
    header = b"\x7fELF\x01\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 2, 3)
    names = sorted({"[", "[[", "busybox", *NEEDED, *(extra or [])})
    return header + b"text\0" + b"".join(name.encode() + b"\0" for name in names) + b"\0more\0"


def fake_kernel(text: str) -> bytes:
    """What has a bzImage's magic number."""
    return bytes(0x202) + b"HdrS" + text.encode()


@dataclass
class Repository:
    """Packages under `directory`; `write_index` makes them visible to apt."""

    directory: Path
    stanzas: list[str] = field(default_factory=list)

    def add(self, name: str, version: str, files: dict[str, bytes], depends: str = "") -> Path:
        """Builds a package and lists it."""
        tree = self.directory / "build"
        for path, data in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: i386\nMaintainer: Nobody <nobody@invalid>\n"
        control += f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(f"{control}Description: a test\n")
        package = (
            self.directory / f"package-{len(list(self.directory.iterdir()))}.deb"
        )  # apt escapes what is special in URIs
        build = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(package)]
        subprocess.run(build, check=True, capture_output=True, timeout=60)
        shutil.rmtree(tree)
        data = package.read_bytes()
        listing = f"Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        self.stanzas.append(f"{control}{listing}Description: a test\n")
        return package

    def add_kernel(self, flavour: str, version: str = KERNEL_VERSION, abi: str = "6.1.0-50") -> None:
        """A kernel package and the meta package that depends on it."""
        real = f"linux-image-{abi}-{flavour}"
        self.add(real, version, {f"boot/vmlinuz-{abi}-{flavour}": fake_kernel(f"{flavour} {version}")})
        self.add(f"linux-image-{flavour}", version, {}, f"{real} (= {version})")

    def add_busybox(self, version: str = BUSYBOX_VERSION) -> None:
        """A busybox package."""
        self.add("busybox-static", version, {"bin/busybox": fake_busybox()})

    def write_index(self) -> None:
        """Writes the package list that apt reads."""
        (self.directory / "Packages").write_text("\n".join(self.stanzas))

    def source(self) -> str:
        """A .sources file for this repository."""
        return f"Types: deb\nURIs: copy:{self.directory}\nSuites: ./\nTrusted: yes\n"


def debian_12(directory: Path) -> Repository:
    """A repository that offers everything a pull needs."""
    directory.mkdir(parents=True)
    repository = Repository(directory)
    repository.add_kernel("686")
    repository.add_kernel("686-pae")
    repository.add_busybox()
    repository.write_index()
    return repository
