"""What a translator may do, and what it has done."""

from dataclasses import dataclass, field

from node.jit.regions.formation import Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """A block is looked at after each `look_every` executions (a power of 2). Where no more than `copy_within`
    instructions lay between two of them on average, its stencils are copied; where no more than `note_within`, it may
    be translated, which takes more room and so pays only in loops. `glance`: executions after which its translation is
    looked for among those that exist; `patience`: after how many more one is made. `forced`: after `patience`,
    translate at once all that can be reached, in the guest's thread, for tests."""

    look_every: int = 32
    copy_within: int = 20_000
    note_within: int = 1_000
    glance: int = 100
    patience: int = 2000
    forced: bool = False
    stretch: int = 1 << 20  # instructions between looks at what is finished
    waiting: int = 1 << 14  # requests at most
    share: float = 0.3  # of the guest's own CPU time, what translating may take
    idle_share: float = 0.5  # of the time that neither guest nor translating has used: a guest at rest warms up
    head_start_ns: int = 100_000_000  # that it may take before
    saved_ns: int = 10_000_000_000  # of its shares, what it may have left to take later
    code_bytes: int = 64 << 20
    copies_bytes: int = 64 << 20
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class Figures:
    compiled: int = 0
    loaded: int = 0  # from disk
    reused: int = 0  # from this process
    refused: int = 0
    lost: int = 0  # of them: compilers' processes that did not come through
    installed: int = 0
    stale: int = 0
    dropped: int = 0  # requests, the queue being full
    emptied: int = 0
    translating_ns: int = 0  # CPU time, the compiler's process's too; besides that,
    beginning_ns: int = 0  # what such processes took to begin, which is no share of any guest's
    longest_pause_ns: int = 0  # for which the guest's thread did the translator's work between two stretches
