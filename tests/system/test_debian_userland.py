"""Debian's own programs for i386 in a guest: apt, dpkg, python3, perl, OpenSSL. What they compute, a host computes too:
another Python, other code for the same algorithm, or the same program on the host's own processor.

On two processors: an i686, on which OpenSSL takes its plain roads, and one with SSE2, which has others.
Nothing here asserts a time.
"""

import hashlib
import hmac
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.debian_userland import POWER_OFF, PROMPT, Userland, debian_userland
from tests.support.foreground_guest import COMPILED_S, ForegroundGuest, state_with_image
from tests.support.kernel_messages import complaints
from tests.support.scripted_guest import ScriptedGuest
from tests.support.userland_programs import (
    PERL_EXACT,
    PERL_ROUNDED,
    PYTHON_EXACT,
    PYTHON_ROUNDED,
    perl_exact,
)

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1200)]

ERRAND_S = 300.0
KEY, SALT, PASSWORD, TURNS = "000102030405060708090a0b0c0d0e0f", "0011223344556677", "godwit", 2000


@dataclass(frozen=True, slots=True)
class Booted:
    """A guest at its prompt. In its /root lie the programs, and `data`."""

    shell: ScriptedGuest
    userland: Userland
    data: bytes
    seed: int

    def run(self, command: str) -> str:
        return self.shell.run(command, ERRAND_S)

    def must_print(self, command: str, expected: str) -> None:
        """Only where it does not, all of what it printed comes over the serial port."""
        digest = self.run(f"{command} >/tmp/printed; sha256sum </tmp/printed")
        if digest != f"{hashlib.sha256(expected.encode()).hexdigest()}  -\n":
            assert self.run("cat /tmp/printed") == expected
            raise AssertionError(f"the guest's sha256sum gave {digest} to what {command} printed")


@pytest.fixture(scope="module", params=["i686", "pentium4"])
def booted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Afterwards it is powered off, which must end the command with status 0."""
    userland = debian_userland()
    seed = random.randrange(1 << 31)
    print(f"seed {seed}")
    data = random.Random(seed).randbytes(150_001) * 4
    scratch = tmp_path_factory.mktemp("userland")
    state, image = state_with_image(scratch, "debian-12")
    initrd = scratch / "initrd"
    programs = {
        "exact.py": PYTHON_EXACT,
        "rounded.py": PYTHON_ROUNDED,
        "exact.pl": PERL_EXACT,
        "rounded.pl": PERL_ROUNDED,
    }
    initrd.write_bytes(userland.archive({"data": data} | {name: text.encode() for name, text in programs.items()}))
    options = ("--kernel", str(image.kernel), "--initrd", str(initrd), "--append", image.command_line)
    with ForegroundGuest(state, *options, "--memory", "512M", "--cpu", request.param, "--stats") as guest:
        guest.wait_for(PROMPT, COMPILED_S)
        yield Booted(guest, userland, data, seed)
        guest.type(f"{POWER_OFF}\n")
        assert guest.exit_status() == 0
        print(guest.said())


def test_every_file_of_every_package_is_as_debian_packed_it(booted: Booted) -> None:
    """By dpkg's own lists; of what was left out of the tree, hundreds of files are not there."""
    checked = "cd /; cat var/lib/dpkg/info/*.md5sums | md5sum --check --ignore-missing"
    found = booted.run(f"({checked}) >/tmp/checked 2>&1; grep -c ': OK$' /tmp/checked; grep -v ': OK$' /tmp/checked")
    intact, _, complaints = found.partition("\n")
    assert not complaints and int(intact) > 3000


def test_apt_and_dpkg_know_what_is_installed(booted: Booted) -> None:
    form = "dpkg-query --show --showformat '${Package} ${Version} ${Status}\\n'"
    booted.must_print(form, _stanzas(booted.userland.root / "var/lib/dpkg/status"))
    version = booted.run("dpkg-query --show --showformat '${Version}' apt")
    assert booted.run("apt --version") == f"apt {version} (i386)\n"
    assert booted.run("dpkg --audit; apt-get check -qq && echo consistent").endswith("consistent\n")
    assert "0 upgraded, 0 newly installed" in booted.run("apt-get --simulate install perl")


def _stanzas(status: Path) -> str:
    """What dpkg-query is asked for, out of its database."""
    stanzas = [dict(re.findall(r"^([A-Z]\w+): (.*)$", text, re.MULTILINE)) for text in status.read_text().split("\n\n")]
    named = sorted((s for s in stanzas if "Package" in s), key=lambda s: s["Package"])
    return "".join(f"{s['Package']} {s['Version']} {s['Status']}\n" for s in named)


def test_python_finds_what_the_hosts_python_finds(booted: Booted) -> None:
    command = [sys.executable, "-c", PYTHON_EXACT, str(booted.seed)]
    expected = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    booted.must_print(f"python3 exact.py {booted.seed}", expected)
    assert booted.run("python3 -c 'print(2**200, 0.1 + 0.2, f\"{1 / 3:.20f}\")'") == (
        f"{2**200} {0.1 + 0.2} {1 / 3:.20f}\n"
    )


def test_perl_finds_what_python_finds(booted: Booted) -> None:
    booted.must_print(f"perl exact.pl {booted.seed}", perl_exact(booted.seed))


@pytest.mark.parametrize(
    ("program", "text"), [("python3", PYTHON_ROUNDED), ("perl", PERL_ROUNDED)], ids=["python", "perl"]
)
def test_doubles_have_every_digit_of_the_same_program_on_the_host(booted: Booted, program: str, text: str) -> None:
    option, name = {"python3": ("-c", "rounded.py"), "perl": ("-e", "rounded.pl")}[program]
    expected = booted.userland.on_the_host(program, option, text, str(booted.seed))
    booted.must_print(f"{program} {name} {booted.seed}", expected)


def test_openssl_has_the_digests_of_another_library(booted: Booted) -> None:
    for name in ("md5", "sha1", "sha256", "sha512", "sha3-256", "blake2b512"):
        # by its own program and by Python's hashlib, which on another processor takes other code
        algorithm = {"sha3-256": "sha3_256", "blake2b512": "blake2b"}.get(name, name)
        expected = hashlib.new(algorithm, booted.data).hexdigest()
        assert booted.run(f"openssl {name} -r data").split() == [expected, "*data"]
    signed = hmac.new(bytes.fromhex(KEY), booted.data, "sha256").hexdigest()
    found = booted.run(f"openssl dgst -sha256 -mac HMAC -macopt hexkey:{KEY} -r data")
    assert found.split() == [signed, "*data"]


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-128-ctr", "chacha20", "camellia-256-cbc"])
def test_what_openssl_encrypts_it_decrypts_and_the_host_encrypts_the_same(booted: Booted, cipher: str) -> None:
    options = ("-pbkdf2", "-iter", str(TURNS), "-md", "sha256", "-S", SALT, "-pass", f"pass:{PASSWORD}")
    command = " ".join(("openssl", "enc", f"-{cipher}", *options))
    sealed = booted.userland.on_the_host("sh", "-c", f"{command} | sha256sum", given=booted.data)
    assert booted.run(f"{command} -in data -out /tmp/sealed; sha256sum </tmp/sealed") == sealed
    assert booted.run(f"{command} -d -in /tmp/sealed | cmp - data && echo same") == "same\n"
    derived = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), bytes.fromhex(SALT), TURNS, 48).hex().upper()
    key, iv = (re.search(rf"^{what} *=(\w+)", booted.run(f"{command} -P"), re.MULTILINE) for what in ("key", "iv "))
    assert key and iv and derived.startswith(key[1] + iv[1])


def test_aes_answers_as_in_fips_197(booted: Booted) -> None:
    block = "00112233445566778899aabbccddeeff"
    escaped = "".join(f"\\\\x{block[at : at + 2]}" for at in range(0, 32, 2))
    sealed = booted.run(
        f'perl -e "print qq({escaped})" | openssl enc -aes-128-ecb -nopad -K {KEY} | od -An -v -tx1 | tr -d " "'
    )
    assert sealed == "69c4e0d86a7b0430d8cdb78070b4c55a\n"


@pytest.mark.parametrize("kind", ["EC -pkeyopt ec_paramgen_curve:P-256", "ED25519"])
def test_openssl_verifies_what_it_signed_and_nothing_else(booted: Booted, kind: str) -> None:
    booted.run(f"openssl genpkey -algorithm {kind} -out key; head -c 999 data >message; tail -c 999 data >other")
    booted.run("openssl pkeyutl -sign -rawin -inkey key -in message -out signature")
    verify = "openssl pkeyutl -verify -rawin -inkey key -sigfile signature -in"
    assert booted.run(f"{verify} message") == "Signature Verified Successfully\n"
    assert booted.run(f"{verify} other 2>/dev/null") == "Signature Verification Failure\n"


def test_a_signature_by_rsa_is_what_the_hosts_integers_say(booted: Booted) -> None:
    booted.run("openssl genrsa -out key 1024 2>/dev/null; openssl dgst -sha256 -sign key -out signature data")
    modulus = int(booted.run("openssl rsa -in key -noout -modulus").strip().removeprefix("Modulus="), 16)
    signature = int(booted.run("od -An -v -tx1 signature | tr -d ' \\n'; echo"), 16)
    assert modulus.bit_length() == 1024
    opened = pow(signature, 65537, modulus).to_bytes(128, "big")
    name = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 §9.2: SHA-256's, before the digest
    digest = name + hashlib.sha256(booted.data).digest()
    assert opened == b"\0\1".ljust(127 - len(digest), b"\xff") + b"\0" + digest


@pytest.mark.parametrize("algorithm", ["sha256", "aes-128-cbc"])
def test_openssls_speed_is_what_it_counted_in_the_time_that_it_took(booted: Booted, algorithm: str) -> None:
    """Its second is an alarm's, what it divides by is CPU time: two of the guest's clocks, which go alike."""
    said = booted.run(f"openssl speed -mr -seconds 1 -bytes 8192 -evp {algorithm} 2>&1")
    counted = re.search(r"^\+R:(\d+):\S+:([\d.]+)$", said, re.MULTILINE)
    told = re.search(r"^\+F:\d+:\S+:([\d.]+)$", said, re.MULTILINE)
    assert counted and told, said
    turns, taken_s, speed = int(counted[1]), float(counted[2]), float(told[1])
    print(f"openssl speed {algorithm}: {speed / 1e6:.1f} MB/s")
    assert turns > 0 and abs(turns * 8192 / taken_s - speed) <= 0.01 * speed
    assert 0 < taken_s < 2


def test_the_kernel_saw_nothing_wrong_in_all_that(booted: Booted) -> None:
    messages = booted.run("dmesg")
    assert "Run /init as init process" in messages and complaints(messages) == []
