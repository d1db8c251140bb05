"""Which record may follow which: two tables, one a direction, and nothing else.

    source -> target   opened -HEADER-> rounds -(PAGES, ZEROS, ROUND_END)*, last ROUND_END-> paused -STATE-> loaded
                       -DIGEST-> digested -END-> ended [-PAGE_DIGESTS-> ended]        ABORT ends it from anywhere
    target -> source   opened -ACCEPT-> accepted -TAKEN*, RECEIVED-> received -LOADED-> loaded -READY-> closed
                       or, loaded -DIFFERS-> differing -MISMATCH-> closed             FAILED ends it from anywhere

An unknown pair is an error; both the writer and the reader of a direction walk its table, so a bug at the one end and
an attack on the other are found by the same rows. STREAM.md §5 draws the same.
"""

from node.migration.errors import StreamCorrupt
from node.migration.wire import Type

Event = Type | str  # a record's type, or "LAST_ROUND_END"
LAST_ROUND_END = "LAST_ROUND_END"

SOURCE: dict[str, dict[Event, str]] = {
    "opened": {Type.HEADER: "rounds", Type.ABORT: "closed"},
    "rounds": {
        Type.PAGES: "rounds",
        Type.ZEROS: "rounds",
        Type.ROUND_END: "rounds",
        LAST_ROUND_END: "paused",
        Type.ABORT: "closed",
    },
    "paused": {Type.STATE: "loaded", Type.ABORT: "closed"},
    "loaded": {Type.DIGEST: "digested", Type.ABORT: "closed"},
    "digested": {Type.END: "ended", Type.ABORT: "closed"},
    "ended": {Type.PAGE_DIGESTS: "ended", Type.ABORT: "closed"},
    "closed": {},
}

TARGET: dict[str, dict[Event, str]] = {
    "opened": {Type.ACCEPT: "accepted", Type.REFUSE: "closed", Type.FAILED: "closed"},
    "accepted": {Type.TAKEN: "accepted", Type.RECEIVED: "received", Type.FAILED: "closed"},
    "received": {Type.LOADED: "loaded", Type.FAILED: "closed"},
    "loaded": {
        Type.READY: "closed",
        Type.DIFFERS: "differing",
        Type.MISMATCH: "closed",
        Type.FAILED: "closed",
    },
    "differing": {Type.MISMATCH: "closed", Type.FAILED: "closed"},
    "closed": {},
}

FIRST = "opened"
LAST = "closed"


def following(table: dict[str, dict[Event, str]], state: str, event: Event) -> str:
    """The state after `event`, or StreamCorrupt."""
    after = table[state].get(event)
    if after is None:
        name = event.name if isinstance(event, Type) else event
        raise StreamCorrupt(f"{name} may not come when the stream is {state}")
    return after
