"""The independent verifier: agrees with the codec on what migrations write, and refuses what was changed."""

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from node.migration.modelled import LinkModel
from node.migration.policy import Limits
from node.migration.rehearsal import Scenario, rehearse
from node.migration.twin import Writes
from node.migration.verify import Invalid, main, verify

SCENARIO = Scenario(
    ram_bytes=1 << 20,
    rom=b"rom" * 1500,
    link=LinkModel(bandwidth_bytes_per_s=20e6),
    writes=Writes(pages=120, per_tick=2),
    limits=Limits(max_downtime_ns=4_000_000),
)


def stream(scenario: Scenario) -> bytes:
    result = rehearse(scenario)
    result.close()
    return result.forward


SMALL = stream(replace(SCENARIO, ram_bytes=8192, rom=b"", writes=None))


@pytest.mark.parametrize("algorithm", ["pre-copy", "stop-and-copy"])
def test_it_reads_what_random_migrations_write_and_finds_their_figures(algorithm: str) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(10):
        scenario = replace(SCENARIO, seed=rng.randrange(1 << 32), filled=rng.random(), algorithm=algorithm)
        result = rehearse(scenario)
        summary, report = verify(result.forward), result.report
        assert report is not None and summary.ending == "complete"
        assert summary.rounds == [(r.pages_normal, r.pages_zero) for r in report.rounds]
        assert (summary.digest, summary.octets) == (report.digest, report.bytes_sent)
        assert (summary.ram_bytes, summary.rom_bytes) == (1 << 20, 8192)
        result.close()


def test_it_rejects_every_flipped_bit() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for at in [*range(200), *range(len(SMALL) - 900, len(SMALL)), *rng.sample(range(len(SMALL)), 500)]:
        data = bytearray(SMALL)
        data[at] ^= 1 << rng.randrange(8)
        with pytest.raises(Invalid):
            verify(bytes(data))


def test_a_truncated_stream_is_invalid_or_said_to_be_truncated() -> None:
    for end in range(len(SMALL)):
        with suppress(Invalid):
            assert verify(SMALL[:end]).ending == "truncated"


def test_it_rejects_records_dropped_or_swapped() -> None:
    records = split(SMALL)
    for at in range(1, len(records) - 1):
        with pytest.raises(Invalid):
            verify(b"".join(records[:at] + records[at + 1 :]))
        with pytest.raises(Invalid):
            verify(b"".join([*records[:at], records[at + 1], records[at], *records[at + 2 :]]))


def split(data: bytes) -> list[bytes]:
    """The opening and the records."""
    parts, at = [data[:16]], 16
    while at < len(data):
        size = 24 + int.from_bytes(data[at + 8 : at + 12], "little")
        parts.append(data[at : at + size])
        at += size
    return parts


def test_it_finds_a_missed_dirty_page_by_playing_the_stream() -> None:
    forgetful = replace(SCENARIO, forget=frozenset(range(30)))
    with pytest.raises(Invalid, match="chunk 0 has another digest"):
        verify(stream(forgetful))


def test_an_aborted_stream_is_valid_and_said_to_be_aborted() -> None:
    assert verify(stream(replace(SCENARIO, cancel_at_ns=20_000_000))).ending == "aborted"


def test_the_command_prints_a_summary_and_exits_by_the_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(SMALL)
    bad.write_bytes(SMALL[:-1])
    assert main([str(good)]) == 0
    assert "round 1: 1 pages with octets, 1 of zeros" in capsys.readouterr().out
    assert main([str(bad)]) == 1
    assert "ends inside END" in capsys.readouterr().err
    assert main([str(tmp_path / "none")]) == 2


def test_it_shares_no_code_with_the_first_reader() -> None:
    import node.migration.verify as module

    source = Path(module.__file__).read_text()
    assert "from node" not in source and "import node" not in source
