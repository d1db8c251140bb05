"""The policy as the pure function it is: rounds in, a decision with a reason out."""

from hypothesis import given
from hypothesis import strategies as st

from node.migration.policy import Decision, Limits, bandwidth, decide, predict, stalled
from node.migration.report import Round

MS = 1_000_000
LIMITS = Limits(max_downtime_ns=100 * MS, max_rounds=10)


def rounds(*dirty: int, megabytes_per_s: int = 100) -> list[Round]:
    """Rounds that each send what the one before left dirty; the first sends 25,000 pages (100 MB)."""
    made, pages = [], 25_000
    for number, after in enumerate(dirty, 1):
        octets = pages * 4100
        made.append(Round(number, pages, 0, octets, octets * 1000 // megabytes_per_s, dirty_pages_after=after))
        pages = after
    return made


def test_what_fits_into_the_allowed_downtime_is_stopped_and_copied() -> None:
    decided = decide(rounds(2000), LIMITS, fixed_ns=0)
    assert decided.decision is Decision.STOP_AND_COPY
    assert decided.predicted_downtime_ns == 82 * MS
    assert decided.reason == (
        "2000 pages are dirty after round 1, 82.0 ms of downtime at 100.0 MB/s: within the 100.0 ms allowed"
    )


def test_what_does_not_fit_goes_another_round() -> None:
    decided = decide(rounds(3000), LIMITS, fixed_ns=0)
    assert decided.decision is Decision.CONTINUE and "another round" in decided.reason


def test_what_every_pause_costs_counts() -> None:
    assert decide(rounds(2000), LIMITS, fixed_ns=20 * MS).decision is Decision.CONTINUE
    assert decide(rounds(0, 0), LIMITS, fixed_ns=101 * MS).decision is Decision.CONTINUE
    impossible = decide(rounds(0, 0, 0), LIMITS, fixed_ns=101 * MS)
    assert impossible.decision is Decision.ABORT and "does not depend on the pages" in impossible.reason


def test_a_guest_that_stays_as_dirty_is_given_up_after_patience() -> None:
    assert decide(rounds(5000, 5100, 4900), LIMITS, fixed_ns=0).decision is Decision.CONTINUE
    decided = decide(rounds(5000, 5100, 4900, 5000), LIMITS, fixed_ns=0)
    assert decided.decision is Decision.ABORT and "no real progress in 3 rounds" in decided.reason


def test_progress_against_the_best_so_far_is_progress_though_it_oscillates() -> None:
    assert not stalled(rounds(9000, 12000, 8000, 12000, 7000, 12000), LIMITS)
    assert stalled(rounds(9000, 12000, 8500, 12000), LIMITS)


def test_the_last_round_is_the_last() -> None:
    shrinking = [25_000 * 85**n // 100**n for n in range(1, 11)]
    assert decide(rounds(*shrinking[:9]), LIMITS, fixed_ns=0).decision is Decision.CONTINUE
    decided = decide(rounds(*shrinking), LIMITS, fixed_ns=0)
    assert decided.decision is Decision.ABORT and "the last of 10 rounds" in decided.reason


def test_bandwidth_is_the_latest_rounds_that_sent_enough_to_tell() -> None:
    fast, slow = rounds(2000, megabytes_per_s=100)[0], rounds(2000, megabytes_per_s=50)[0]
    tiny = Round(3, 1, 0, 4100, 10 * MS)
    assert bandwidth([fast, slow, tiny]) == 50e6
    assert bandwidth([tiny]) == 410_000
    assert bandwidth([Round(1, 0, 1, 60, 0)]) == float("inf")


def test_no_pages_cost_only_what_is_fixed() -> None:
    assert predict(0, 1.0, 7) == 7
    assert predict(100, float("inf"), 7) == 7


@given(
    st.lists(st.integers(0, 30_000), min_size=1, max_size=40), st.integers(0, 500) | st.just(0), st.integers(1, 1000)
)
def test_it_always_decides_and_stops_only_when_it_keeps_the_promise(dirty: list[int], fixed: int, rate: int) -> None:
    history = rounds(*dirty, megabytes_per_s=rate)
    decided = decide(history, LIMITS, fixed * MS)
    assert decided.reason and decided == decide(list(history), LIMITS, fixed * MS)
    fits = decided.predicted_downtime_ns <= LIMITS.max_downtime_ns
    assert (decided.decision is Decision.STOP_AND_COPY) == fits
    if len(history) >= LIMITS.max_rounds:
        assert decided.decision is not Decision.CONTINUE
