"""A second reader of the migration stream, for captured forward streams: `python -m node.migration.verify FILE`.

Written from STREAM.md alone; it imports nothing of the first one, so that a mistake in both the writer and the reader
has somebody to contradict it. It checks everything that can be checked from one direction, and then plays the stream:
it builds the guest's memory from the pages and compares it with the source's digest.
"""

import argparse
import json
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from xxhash import xxh3_64_intdigest, xxh3_128_digest

KNOWN_VERSIONS = (1,)
PAGE = 4096
CHUNK = 1 << 20
MEMORY_BYTES_MAX = 1 << 40

# type: (name, shortest body, longest body)
SHAPES = {
    1: ("HEADER", 36, 2084),
    2: ("PAGES", 4108, 1049608),
    3: ("ZEROS", 16, 32776),
    4: ("ROUND_END", 32, 32),
    5: ("STATE", 1, 16777216),
    6: ("DIGEST", 64, 16777264),
    7: ("END", 32, 32),
    8: ("PAGE_DIGESTS", 24, 4104),
    9: ("ABORT", 4, 1028),
}
# state: {record: next state}; "ROUND_END!" is the last one
ORDER = {
    "opened": {"HEADER": "rounds"},
    "rounds": {"PAGES": "rounds", "ZEROS": "rounds", "ROUND_END": "rounds", "ROUND_END!": "paused"},
    "paused": {"STATE": "loaded"},
    "loaded": {"DIGEST": "digested"},
    "digested": {"END": "ended"},
    "ended": {"PAGE_DIGESTS": "ended"},
    "aborted": {},
}


class Invalid(ValueError):
    """Where the stream departs from STREAM.md, and how."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(f"octet {at}: {why}")


@dataclass(slots=True)
class Summary:
    """What a valid stream holds."""

    version: int = 0
    migration_id: str = ""
    algorithm: str = ""
    ram_bytes: int = 0
    rom_bytes: int = 0
    records: int = 0
    octets: int = 0
    rounds: list[tuple[int, int]] = field(default_factory=list)  # pages with octets, pages of zeros
    digest: str = ""
    ending: str = "truncated"  # complete | aborted | truncated (it stops at a record's end)


class Verifier:
    """Walks one stream from its first octet to its last."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.state = "opened"
        self.summary = Summary(octets=len(data))
        self.memory: dict[int, bytes] = {}  # pages that are not zero
        self.pages = 0
        self.seen: set[int] = set()
        self.counts = [0, 0]  # of this round
        self.snapshot = b""

    def run(self) -> Summary:
        self.opening()
        while self.at < len(self.data):
            self.record()
        self.summary.ending = {"ended": "complete", "aborted": "aborted"}.get(self.state, "truncated")
        return self.summary

    def need(self, holds: bool, why: str) -> None:
        if not holds:
            raise Invalid(self.at, why)

    def opening(self) -> None:
        self.need(len(self.data) >= 16, "shorter than an opening")
        self.need(self.data[:8] == b"\x89LIMOSA\n", "the magic is not there")
        self.need(_low32(self.data[:12]) == _u32(self.data, 12), "the opening's checksum is wrong")
        (version,) = struct.unpack_from("<H", self.data, 8)
        self.need(version in KNOWN_VERSIONS, f"stream version {version} is not known here")
        self.need(self.data[10] == 1, "not a source's stream")
        self.need(self.data[11] == 0, "a reserved octet is not zero")
        self.summary.version = version
        self.at = 16

    def record(self) -> None:
        head = self.data[self.at : self.at + 24]
        self.need(len(head) == 24, "ends inside a head")
        self.need(_low32(head[:12] + bytes(4) + head[16:]) == _u32(head, 12), "the head's checksum is wrong")
        kind, layout, sequence, length = struct.unpack_from("<HHII", head)
        self.need(kind in SHAPES, f"record type {kind} is not a source's")
        name, least, most = SHAPES[kind]
        self.need(layout == 1, f"{name} of layout {layout}")
        self.need(sequence == self.summary.records, f"{name} is numbered {sequence}")
        self.need(least <= length <= most, f"{name} of {length} octets")
        body = self.data[self.at + 24 : self.at + 24 + length]
        self.need(len(body) == length, f"ends inside {name}")
        self.need(struct.pack("<Q", xxh3_64_intdigest(body)) == head[16:], f"{name}'s body checksum is wrong")
        self.follow(name + ("!" if name == "ROUND_END" and body[4] & 1 else ""))
        getattr(self, "on_" + name.lower())(body)
        self.summary.records += 1
        self.at += 24 + length

    def follow(self, name: str) -> None:
        if name == "ABORT" and self.state != "aborted":
            self.state = "aborted"
            return
        self.need(name in ORDER[self.state], f"{name} when the stream is {self.state}")
        self.state = ORDER[self.state][name]

    def on_header(self, body: bytes) -> None:
        page, zero, self.pages, ram, rom = struct.unpack_from("<IIQQQ", body)
        self.need(page == PAGE and zero == 0, "pages of another size, or a reserved field")
        self.need(ram % PAGE == 0 and rom % PAGE == 0 and ram + rom == self.pages * PAGE, "the sizes contradict")
        self.need(ram + rom <= MEMORY_BYTES_MAX, f"a machine of {ram + rom} octets")
        texts = self.texts(body[32:], 2)
        self.summary.migration_id, self.summary.algorithm = texts
        self.summary.ram_bytes, self.summary.rom_bytes = ram, rom

    def on_pages(self, body: bytes) -> None:
        number, count = struct.unpack_from("<II", body)
        self.need(len(body) == 8 + 4100 * count, f"PAGES of {count} pages in {len(body)} octets")
        self.in_round(number)
        numbers = struct.unpack_from(f"<{count}I", body, 8)
        self.need(list(numbers) == sorted(set(numbers)), "page numbers do not ascend")
        for place, page in enumerate(numbers):
            self.page_comes(page)
            at = 8 + 4 * count + place * PAGE
            self.memory[page] = body[at : at + PAGE]
        self.counts[0] += count

    def on_zeros(self, body: bytes) -> None:
        number, count = struct.unpack_from("<II", body)
        self.need(len(body) == 8 + 8 * count, f"ZEROS of {count} runs in {len(body)} octets")
        self.in_round(number)
        end = 0
        for first, length in struct.iter_unpack("<II", body[8:]):
            self.need(length > 0 and end <= first, "a run is empty or out of order")
            end = first + length
            self.need(end <= self.pages, f"a run ends at page {end} of {self.pages}")
            for page in range(first, end):
                self.page_comes(page)
                self.memory.pop(page, None)
            self.counts[1] += length

    def page_comes(self, page: int) -> None:
        self.need(page < self.pages, f"page {page} of {self.pages}")
        self.need(page not in self.seen, f"page {page} comes twice in a round")
        self.seen.add(page)

    def in_round(self, number: int) -> None:
        self.need(number == len(self.summary.rounds) + 1, f"a record of round {number}")

    def on_round_end(self, body: bytes) -> None:
        number, flags, normal, zero, octets = struct.unpack("<IIQQQ", body)
        self.in_round(number)
        self.need(flags in (0, 1), "reserved flags")
        self.need([normal, zero] == self.counts, f"the round has {self.counts} pages, not {[normal, zero]}")
        self.need(octets == self.at, f"ROUND_END says that it is at octet {octets}")
        self.need(number > 1 or len(self.seen) == self.pages, "round 1 does not bring every page")
        self.summary.rounds.append((normal, zero))
        self.counts = [0, 0]
        self.seen.clear()

    def on_state(self, body: bytes) -> None:
        self.need(body[:8] == b"LIMOSNAP" and len(body) >= 16, "no snapshot")
        version, zero, length = struct.unpack_from("<HHI", body, 8)
        self.need((version, zero) == (1, 0), f"a snapshot of version {version}")
        try:
            schema = json.loads(body[16 : 16 + length])
            names = [record["record"] for record in schema]
            size = sum(_size(kind, shape) for record in schema for _, kind, shape in record["fields"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Invalid(self.at, "the snapshot's schema is malformed") from None
        self.need(names == sorted(set(names)), "the snapshot's records are not in order")
        self.need(16 + length + size == len(body), "the snapshot's values are not as long as its schema says")
        self.snapshot = body

    def on_digest(self, body: bytes) -> None:
        algorithm, chunk, count, zero = struct.unpack_from("<IIII", body)
        self.need((algorithm, chunk, zero) == (1, CHUNK, 0), "a digest of another kind")
        self.need(len(body) == 48 + 16 * count, f"DIGEST of {count} chunks in {len(body)} octets")
        self.need(count == -(-self.pages * PAGE // CHUNK), f"{count} chunks for {self.pages} pages")
        total, state, chunks = body[16:32], body[32:48], body[48:]
        self.need(state == xxh3_128_digest(self.snapshot), "the state's digest is not the snapshot's")
        for number in range(count):
            mine = xxh3_128_digest(self.chunk(number))
            self.need(chunks[16 * number : 16 * number + 16] == mine, f"chunk {number} has another digest")
        head = struct.pack("<QQ", self.summary.ram_bytes, self.summary.rom_bytes)
        self.need(total == xxh3_128_digest(head + state + chunks), "the total digest is not its parts'")
        self.summary.digest = total.hex()

    def chunk(self, number: int) -> bytes:
        first = number * CHUNK // PAGE
        last = min(first + CHUNK // PAGE, self.pages)
        return b"".join(self.memory.get(page, bytes(PAGE)) for page in range(first, last))

    def on_end(self, body: bytes) -> None:
        records, zero, *counted = struct.unpack("<IIQQQ", body)
        self.need(zero == 0, "a reserved field is not zero")
        self.need(records == self.summary.records, f"END says that {records} records came before it")
        sums = [sum(each[place] for each in self.summary.rounds) for place in (0, 1)]
        self.need(counted == [*sums, self.at], f"END counts {counted}, here it is {[*sums, self.at]}")

    def on_page_digests(self, body: bytes) -> None:
        chunk, count = struct.unpack_from("<II", body)
        self.need(len(body) == 8 + 16 * count, f"PAGE_DIGESTS of {count} pages in {len(body)} octets")
        self.need(chunk * CHUNK < self.pages * PAGE, f"PAGE_DIGESTS of chunk {chunk}")
        data = self.chunk(chunk)
        self.need(count == len(data) // PAGE, f"PAGE_DIGESTS of {count} pages for chunk {chunk}")
        for place in range(count):
            mine = xxh3_128_digest(data[place * PAGE : (place + 1) * PAGE])
            self.need(
                body[8 + 16 * place : 24 + 16 * place] == mine, f"page {place} of chunk {chunk} has another digest"
            )

    def on_abort(self, body: bytes) -> None:
        (kind,) = struct.unpack_from("<H", body)
        self.need(1 <= kind <= 7, f"ABORT of kind {kind}")
        self.texts(body[2:], 1)

    def texts(self, data: bytes, count: int) -> list[str]:
        texts = []
        for _ in range(count):
            self.need(len(data) >= 2, "a text is missing")
            (length,) = struct.unpack_from("<H", data)
            self.need(length <= 1024 and len(data) >= 2 + length, "a text is too long")
            try:
                texts.append(data[2 : 2 + length].decode())
            except UnicodeDecodeError:
                raise Invalid(self.at, "a text is not UTF-8") from None
            data = data[2 + length :]
        self.need(not data, "octets after a text")
        return texts


def _low32(data: bytes) -> int:
    return int(xxh3_64_intdigest(data)) & 0xFFFF_FFFF


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _size(kind: str, shape: list[int]) -> int:
    """Octets of a field: `<u4` of shape [1, 8] are 32."""
    size = int(kind[2:])
    if kind[0] not in "<|" or kind[1] not in "biuf" or size not in (1, 2, 4, 8):
        raise ValueError(kind)
    for extent in shape:
        if not 0 <= extent < 1 << 32:
            raise ValueError(shape)
        size *= extent
    return size


def verify(data: bytes) -> Summary:
    """Read a captured forward stream; raises Invalid where it departs from STREAM.md."""
    return Verifier(data).run()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m node.migration.verify", description="Verify a captured stream.")
    parser.add_argument("file", type=Path)
    path = parser.parse_args(arguments).file
    try:
        summary = verify(path.read_bytes())
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 2
    except Invalid as error:
        print(f"{path}: invalid at {error}", file=sys.stderr)
        return 1
    print(f"version {summary.version}, {summary.algorithm}, migration {summary.migration_id}")
    print(f"machine of {summary.ram_bytes} octets of RAM and {summary.rom_bytes} of ROM")
    for number, (normal, zero) in enumerate(summary.rounds, 1):
        print(f"round {number}: {normal} pages with octets, {zero} of zeros")
    print(f"{summary.records} records, {summary.octets} octets, {summary.ending}; digest {summary.digest or 'none'}")
    return 0 if summary.ending == "complete" else 1


if __name__ == "__main__":
    sys.exit(main())
