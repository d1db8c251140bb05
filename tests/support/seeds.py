"""Where randomness in tests comes from: one printed seed, fixed unless LIMOSA_SEED says otherwise."""

import os
from random import Random

DEFAULT = 19_850_1017


def seed() -> int:
    return int(os.environ.get("LIMOSA_SEED", DEFAULT))


def random_for(name: str) -> Random:
    """A generator of its own for each named test, and what to say to have it again (shown when the test fails)."""
    print(f"LIMOSA_SEED={seed()} {name}")
    return quiet_random_for(name)


def quiet_random_for(name: str) -> Random:
    """The same for who tells it in another way."""
    return Random(f"{seed()} {name}")
