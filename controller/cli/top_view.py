"""What `limosa top` has on its screen, and how that changes: by a look at the cluster, a key, or no answer.

A pure function from picture to picture; the terminal brings the events and draws what comes of them.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller.cli.top_rows import SECOND_NS, Figures, Sample, figures

SORTS = {  # by what VMs can be sorted: the row's key, and whether the largest comes first
    "name": ("name", False),
    "node": ("node", False),
    "mips": ("instructions_per_s", True),
    "cpu": ("cpu_share", True),
    "memory": ("memory_bytes", True),
    "console": ("console_bytes_per_s", True),
}


@dataclass(frozen=True, slots=True)
class View:
    """What the user has chosen to see."""

    sort: str = "name"
    reverse: bool = False
    held: bool = False
    quit: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One character typed."""

    text: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A look that the controller did not answer."""

    unix_ns: int
    address: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What is shown; `last` is the sample that the next one is compared with."""

    last: Sample
    shown: Figures
    view: View = View()
    notice: str = ""
    looks: int = 1


def first(sample: Sample) -> Picture:
    """Before there is anything to compare with."""
    return Picture(sample, figures(None, sample))


def after(picture: Picture, event: object) -> Picture:
    """The picture after something happened; what it does not know changes nothing."""
    match event:
        case Sample():
            shown = picture.shown if picture.view.held else figures(picture.last, event)
            return replace(picture, last=event, shown=shown, notice="", looks=picture.looks + 1)
        case Unanswered():
            return replace(picture, notice=picture.notice or waiting(event))
        case Key():
            return replace(picture, view=pressed(picture.view, event.text))
        case _:
            return picture


def pressed(view: View, key: str) -> View:
    match key:
        case "q" | "Q":
            return replace(view, quit=True)
        case " " | "p":
            return replace(view, held=not view.held)
        case "s":
            names = list(SORTS)
            return replace(view, sort=names[(names.index(view.sort) + 1) % len(names)], reverse=False)
        case "r":
            return replace(view, reverse=not view.reverse)
        case _:
            return view


def waiting(lost: Unanswered) -> str:
    return f"no controller answers at {lost.address} since {clock(lost.unix_ns)}; waiting for it"


def clock(unix_ns: int) -> str:
    return f"{datetime.fromtimestamp(unix_ns / SECOND_NS, UTC):%H:%M:%S} UTC"
