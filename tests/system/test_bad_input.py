"""What users get wrong, told from outside: an exit status, a sentence that names the mistake, and nothing left over.

A real cluster with real machines; no foreign file is needed. What the other system tests refuse already is not here.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from node.guests.builtin import builtin_kernel
from tests.support.kernel_images import PACKERS, Load, bzimage, elf32
from tests.support.node_process import ROOT, listening_ports
from tests.support.real_cluster import RealCluster, real_cluster

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(600)]

BOUND_S = 60
MIB = 1 << 20
CODE = b"\xeb\xfe" * 64  # a loop
GOOD_ELF = elf32([Load(MIB, CODE)], MIB)
GOOD_BZIMAGE = bzimage(PACKERS["gzip"](GOOD_ELF))
X86_64, ARM, SPARC = 62, 40, 2
ARM_ELF = elf32([Load(MIB, CODE)], MIB, machine=ARM)
BIG_ENDIAN, SIXTY_FOUR_BITS, RELOCATABLE = 2, 2, 1


@dataclass(frozen=True, slots=True)
class BadKernel:
    """A file that must not boot, and what the sentence must say."""

    name: str
    content: bytes
    says: str


BAD_KERNELS = [
    BadKernel("empty", b"", "neither"),
    BadKernel("text", b"#!/bin/sh\necho hello\n" * 500, "neither"),
    BadKernel("bzimage-cut-in-setup", GOOD_BZIMAGE[:700], "truncated"),
    BadKernel("bzimage-cut-in-payload", GOOD_BZIMAGE[:-40], "truncated"),
    BadKernel("bzimage-of-an-old-protocol", bzimage(PACKERS["gzip"](GOOD_ELF), protocol=0x200), "protocol 2.00"),
    BadKernel("bzimage-around-garbage", bzimage(bytes(range(256)) * 8), "compression"),
    BadKernel("bzimage-around-an-arm-kernel", bzimage(PACKERS["gzip"](ARM_ELF)), "ARM"),
    BadKernel("elf-x86-64", elf32([Load(MIB, CODE)], MIB, machine=X86_64, bits=SIXTY_FOUR_BITS), "x86-64"),
    BadKernel("elf-arm", ARM_ELF, "ARM"),
    BadKernel("elf-sparc-big-endian", elf32([Load(MIB, CODE)], MIB, machine=SPARC, byte_order=BIG_ENDIAN), "SPARC"),
    BadKernel("elf-relocatable", elf32([Load(MIB, CODE)], MIB, kind=RELOCATABLE), "not an executable"),
    BadKernel("elf-cut", elf32([Load(MIB, CODE)], MIB)[:90], "truncated"),
    BadKernel("elf-segment-past-its-file", elf32([Load(MIB, CODE, file_size=1 << 20)], MIB), "segment"),
    BadKernel("elf-beyond-memory", elf32([Load(200 * MIB, CODE)], 200 * MIB), "16 MiB"),
    BadKernel("elf-entry-nowhere", elf32([Load(MIB, CODE)], 7 * MIB), "entry point"),
    BadKernel("multiboot-cut", builtin_kernel()[:5000], "truncated"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A node with one VM that must not notice any of this."""
    with real_cluster(tmp_path_factory.mktemp("bad"), nodes=1, native=True) as c:
        c.limosa("create", "bystander", "--append", "tick", "--memory", "16M", "--start")
        yield c
        before = c.vm("bystander")["console_bytes"]
        c.until(lambda: c.vm("bystander")["console_bytes"] > before)


@dataclass(frozen=True, slots=True)
class Held:
    """What the cluster's processes have."""

    vms: list[str]
    processes: int
    ports: int
    descriptors: int
    memory_files: int


def held(c: RealCluster) -> Held:
    ours = [psutil.Process(process.pid) for process in c.processes()]
    links = [link for p in ours for link in _links(p)]
    agent = psutil.Process(c.part("n1").pid)
    return Held(
        vms=c.vms(),
        processes=len(ours),
        ports=sum(len(listening_ports(p)) for p in ours),
        descriptors=agent.num_fds(),
        memory_files=sum("memfd:" in link for link in links),
    )


def _links(process: psutil.Process) -> list[str]:
    directory = Path(f"/proc/{process.pid}/fd")
    found = []
    for entry in directory.iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue  # closed meanwhile
    return found


def assert_refused(status: int, err: str, expected: set[int], says: str) -> None:
    """One sentence that names the mistake, nothing of our inside, the right status."""
    assert status in expected, f"{status}: {err}"
    assert says in err and err.strip() and "Traceback" not in err, err
    assert len(err.split()) > 5, f"no sentence: {err}"


def boot(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node.foreground", "--state", str(state), "--timeout", "20", *options]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500, cwd=ROOT, check=False
    )


@pytest.mark.parametrize("bad", BAD_KERNELS, ids=lambda bad: bad.name)
def test_a_kernel_that_is_none_is_refused_by_create_and_by_boot(
    cluster: RealCluster, tmp_path: Path, bad: BadKernel
) -> None:
    file = tmp_path / bad.name
    file.write_bytes(bad.content)
    before = held(cluster)
    created = cluster.limosa("create", "b", "--kernel", str(file), "--memory", "16M", "--start", status=None)
    booted = boot(cluster.state.root, "--kernel", str(file), "--memory", "16M")
    print(f"create {created.status}: {created.err}boot {booted.returncode}: {booted.stderr}")
    assert_refused(created.status, created.err, {2, 4}, bad.says)
    assert_refused(booted.returncode, booted.stderr, {1}, bad.says)
    cluster.until(lambda: held(cluster) == before)


def test_the_kernels_that_the_bad_ones_were_made_of_do_boot(cluster: RealCluster, tmp_path: Path) -> None:
    for name, content in (("elf", GOOD_ELF), ("bzimage", GOOD_BZIMAGE)):
        file = tmp_path / name
        file.write_bytes(content)
        booted = boot(cluster.state.root, "--kernel", str(file), "--memory", "16M", "--timeout", "1")
        assert booted.returncode == 124, booted.stderr


@pytest.mark.parametrize(
    ("expected", "says", "options"),
    [
        ({1}, "ROM", ["--bios", "{empty}"]),
        ({1}, "ROM", ["--bios", "{odd}"]),
        ({1}, "initrd", ["--kernel", "{elf}", "--initrd", "{large}", "--memory", "16M"]),
        ({1}, "command line", ["--kernel", "{bzimage}", "--append", "x" * 5000]),
        ({2}, "out of range", ["--memory", "0"]),
        ({2}, "out of range", ["--memory", "4G"]),
        ({2}, "no size", ["--memory", "-16M"]),
        ({1}, "no-such-image", ["--image", "no-such-image"]),
        ({1}, "image", ["--image", "../../etc/passwd"]),
    ],
)
def test_what_boot_cannot_do_it_says(
    cluster: RealCluster, tmp_path: Path, expected: set[int], says: str, options: list[str]
) -> None:
    files = {"empty": b"", "odd": bytes(1000), "large": bytes(17 * MIB), "elf": GOOD_ELF, "bzimage": GOOD_BZIMAGE}
    paths = {name: tmp_path / name for name in files}
    for name, content in files.items():
        paths[name].write_bytes(content)
    done = boot(cluster.state.root, *(option.format(**paths) for option in options))
    print(done.stderr)
    assert_refused(done.returncode, done.stderr, expected, says)


@pytest.mark.parametrize(
    ("status", "says", "arguments"),
    [
        (4, "1 MiB to 3 GiB", ["create", "b", "--memory", "1"]),
        (4, "1 MiB to 3 GiB", ["create", "b", "--memory", "64G"]),
        (4, "kvm", ["create", "b", "--vmm", "kvm"]),
        (4, "clock", ["create", "b", "--clock", "sundial"]),
        (2, "port", ["create", "b", "--exit-port", "0x10000"]),
        (3, "n9", ["create", "b", "--node", "n9"]),
        (3, "nobody", ["start", "nobody"]),
        (3, "nobody", ["stop", "nobody"]),
        (3, "nobody", ["pause", "nobody"]),
        (3, "nobody", ["resume", "nobody"]),
        (3, "nobody", ["destroy", "nobody"]),
        (3, "nobody", ["console", "nobody"]),
        (3, "m-0", ["cancel", "m-0"]),
        (3, "no-such", ["image", "remove", "no-such"]),
        (4, "already on n1", ["migrate", "bystander", "n1"]),
        (2, "--nodes", ["up", "--nodes", "65"]),
    ],
)
def test_names_and_values_that_mean_nothing_are_named(
    cluster: RealCluster, status: int, says: str, arguments: list[str]
) -> None:
    before = held(cluster)
    ran = cluster.limosa(*arguments, status=None)
    print(ran.err)
    assert_refused(ran.status, ran.err, {status}, says)
    assert ran.out == ""
    cluster.until(lambda: held(cluster) == before)


@pytest.mark.parametrize("part", ["storage", "controller", "node"])
def test_a_part_whose_port_is_taken_says_so_and_ends(tmp_path: Path, part: str) -> None:
    token = tmp_path / "token"
    token.write_text("token\n")
    needs = {
        "storage": [],
        "controller": ["--storage", "127.0.0.1:1", "--token-file", str(token)],
        "node": ["--name", "n1"],
    }
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        address = tmp_path / "address"
        command = [sys.executable, "-m", part, "--state", str(tmp_path), "--listen", listen, *needs[part]]
        done = subprocess.run(
            [*command, "--address-file", str(address)], capture_output=True, text=True, timeout=BOUND_S, cwd=ROOT
        )
    assert done.returncode == (4 if part == "controller" else 1), done.stderr
    last = done.stderr.strip().splitlines()[-1]
    print(last)
    assert listen in last and "in use" in last and "Traceback" not in done.stderr
    assert not address.exists()
