"""`make fuzz`: random programs on two engines at once, and guests that mean harm, for as long as you like.

Every program has a name made of the seed; a failure prints it, and how to have it again. On the build that checks
every address a program that reaches for what is not its processor's ends this process: its name stands above.
"""

import argparse
import os
import sys
import time
from collections import Counter

from tests.support import seeds
from tests.support.comparison import compare
from tests.support.engine import CHECKED, engine_named
from tests.support.hostile import hostile_machine, run
from tests.support.soup import KINDS, SoupWorld, random_program

PLAIN_PIECES = 4  # plain Python executes some thousand instructions a second
HOSTILE = "hostile"
COMPILED = ("native", "copied", "translated")
HOSTILE_INSTRUCTIONS = {"native": 100_000, "copied": 100_000, "translated": 3_000}  # there each block is compiled first


def main() -> int:
    options = _options()
    if options.seed is not None:
        os.environ["LIMOSA_SEED"] = str(options.seed)
    build = CHECKED if options.checked else ""
    worlds = {name: SoupWorld(engine_named(build + name)) for name in COMPILED}
    worlds["plain"] = SoupWorld(engine_named("plain"))
    print(f"seed {seeds.seed()}", file=sys.stderr)
    done: Counter[str] = Counter()
    end = time.monotonic() + options.seconds
    number, last = options.first, options.first + (options.count or sys.maxsize)
    while number < last and time.monotonic() < end:
        for kind in options.kinds or (*KINDS, HOSTILE):
            print(f"\r{kind} {number}".ljust(24), end="", file=sys.stderr, flush=True)
            if not _passed(kind, number, worlds, build):
                return 1
            done[kind] += 1
        number += 1
    print(f"\nno difference in {done.total()} programs, seed {seeds.seed()}", file=sys.stderr)
    return 0 if done else 1


def _passed(kind: str, number: int, worlds: dict[str, SoupWorld], build: str) -> bool:
    try:
        if kind == HOSTILE:
            _hostile(number, build)
        else:
            _compared(kind, number, worlds)
    except Exception as error:  # whatever it is: the program is what matters
        print(f"\n{kind} {number}: {type(error).__name__}: {error}", file=sys.stderr)
        options = f"{'--checked ' if build else ''}--seed {seeds.seed()} --kind {kind} --first {number} --count 1"
        print(f"again: make fuzz OPTIONS='{options}'", file=sys.stderr)
        return False
    return True


def _compared(kind: str, number: int, worlds: dict[str, SoupWorld]) -> None:
    native = worlds["native"]
    for other, pieces in (("translated", 24), ("copied", 24), ("plain", PLAIN_PIECES)):
        name = f"fuzz {kind} {number}"
        rng = seeds.quiet_random_for(name)
        compare(rng, native, worlds[other], random_program(rng, kind), f"{name} on {other}", pieces)


def _hostile(number: int, build: str) -> None:
    for engine, instructions in HOSTILE_INSTRUCTIONS.items():
        machine = hostile_machine(seeds.quiet_random_for(f"fuzz {HOSTILE} {number}"), engine_named(build + engine))
        try:
            run(machine, instructions)
        finally:
            machine.memory.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (600)")
    parser.add_argument("--checked", action="store_true", help="on the build that checks every address")
    parser.add_argument("--seed", type=int, help="another one makes other programs")
    parser.add_argument("--kind", dest="kinds", action="append", choices=(*KINDS, HOSTILE), help="only these")
    parser.add_argument("--first", type=int, default=0, help="number of the first program of each kind")
    parser.add_argument("--count", type=int, help="how many of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
