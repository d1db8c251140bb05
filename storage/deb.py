"""Reading single files out of a Debian package, through the host's dpkg-deb: nothing is unpacked to the disk."""

import subprocess
import tarfile
from pathlib import Path

from storage.errors import PullFailed

FILE_BYTES_MAX = 64 << 20


def read_member(package: Path, name: str) -> bytes:
    """The bytes of the file `name` ("boot/vmlinuz-…") in the package."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    if member.isreg() and member.name.removeprefix("./") == name:
                        return _contents(archive, member, package)
        except (tarfile.TarError, EOFError) as error:
            raise PullFailed(f"the package {package} cannot be read: {error}; remove it and pull again") from error
        finally:
            process.kill()  # what follows the file is not needed
    raise PullFailed(f"the package {package.name} holds no {name}")


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo, package: Path) -> bytes:
    file = archive.extractfile(member)
    if file is None or member.size > FILE_BYTES_MAX:
        raise PullFailed(f"{member.name} in {package.name} is no file of a sensible size")
    return file.read()
