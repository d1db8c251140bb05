"""The host's own apt, used as an ordinary user: every file that it writes lies in a directory of ours.

    DIR/apt.conf        our configuration, read after the host's
    DIR/lists, status   package lists of our architecture, and "nothing is installed"
    DIR/packages        downloaded packages
    DIR/sources.list.d  if it holds *.sources or *.list files, they replace the host's sources

The host's sources and keyrings decide what is fetched and whom to trust; its hooks, its status and its package caches
are left alone. On a host of another release a user without rights puts sources into DIR. A source that fails does not
stop the others: what counts is whether the wanted package was found.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.errors import AptMissing, PullFailed
from storage.files import make_directory, write_atomically

TOOLS = ("apt-get", "apt-cache", "dpkg-deb")
TIMEOUT_S = 1800

_CONFIGURATION = """\
#clear APT::Architectures;
#clear APT::Update;
#clear DPkg;
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb-src::Sources::DefaultEnabled "false";
Dir::State "{directory}";
Dir::State::lists "{directory}/lists";
Dir::State::status "{directory}/status";
Dir::Cache "{directory}";
Dir::Cache::archives "{directory}/packages";
"""
_OWN_SOURCES = """\
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{directory}/sources.list.d";
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package that the sources offer."""

    name: str
    version: str
    depends: str
    sha256: str
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Apt:
    """apt for packages of `architecture`, its state in `directory`."""

    def __init__(self, directory: Path, architecture: str) -> None:
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing:
            raise AptMissing(
                f"this host lacks {', '.join(missing)}, and Debian packages are fetched with the host's apt"
            )
        if not re.fullmatch(r"[\w/.+:@ -]+", str(directory.absolute())):
            raise PullFailed(f"apt cannot work in {directory}: its path may have no quotes or other special characters")
        self.directory = directory.absolute()
        self._architecture = architecture

    @property
    def own_sources(self) -> Path:
        """Where a user may put sources that only this apt reads."""
        return self.directory / "sources.list.d"

    def prepare(self) -> None:
        """Makes the directories and writes the configuration."""
        for name in ("lists/partial", "packages/partial", "sources.list.d"):
            make_directory(self.directory / name)
        text = _CONFIGURATION + (_OWN_SOURCES if any(self.own_sources.iterdir()) else "")
        text = text.format(architecture=self._architecture, directory=self.directory)
        write_atomically(self.directory / "apt.conf", text.encode())
        write_atomically(self.directory / "status", b"")

    def update(self) -> str | None:
        """Fetches the package lists; returns apt's complaint if a source failed."""
        done = self._run("apt-get", "-q", "update")
        return None if done.returncode == 0 else _complaint(done)

    def offered(self, name: str) -> list[Package]:
        """Every version of the package that the lists offer, newest first."""
        done = self._run("apt-cache", "show", "--all-versions", name)
        return [
            package for stanza in done.stdout.split("\n\n") for package in _packages(stanza) if package.name == name
        ]

    def absent(self, packages: Sequence[Package]) -> list[Package]:
        """Those of the packages that still have to be downloaded."""
        return [package for package in packages if not _is(self._file(package), package)]

    def download(self, packages: Sequence[Package]) -> list[Path]:
        """The packages' files, fetched where they are not here already, each as the signed lists describe it."""
        if absent := self.absent(packages):
            wanted = [f"{package.name}={package.version}" for package in absent]
            done = self._run("apt-get", "-q", "download", *wanted)
            if done.returncode != 0:
                raise PullFailed(f"apt could not download {', '.join(map(str, absent))}: {_complaint(done)}")
        if absent := self.absent(packages):
            raise PullFailed(f"what apt downloaded as {absent[0]} is not what its lists announce; pull again")
        return [self._file(package) for package in packages]

    def _file(self, package: Package) -> Path:
        version = package.version.replace(":", "%3a")
        return self.directory / "packages" / f"{package.name}_{version}_{self._architecture}.deb"

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        tool, *arguments = command
        configured = ["env", "LC_ALL=C", tool, "-c", str(self.directory / "apt.conf"), *arguments]
        try:
            return subprocess.run(
                configured,
                cwd=self.directory / "packages",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise PullFailed(f"{tool} did not end within {TIMEOUT_S // 60} minutes; try again") from error


def _packages(stanza: str) -> Iterator[Package]:
    fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))
    if {"Package", "Version", "SHA256", "Size"} <= fields.keys():  # what is only installed has no file to download
        depends = fields.get("Depends", "")
        yield Package(fields["Package"], fields["Version"], depends, fields["SHA256"], int(fields["Size"]))


def _is(path: Path, package: Package) -> bool:
    if not path.is_file() or path.stat().st_size != package.size_bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == package.sha256


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """What apt says went wrong, on one line."""
    lines = [line[3:].strip() for line in done.stderr.splitlines() if line.startswith("E: ")]
    return "; ".join(lines[:3]) or f"it ended with status {done.returncode}"
