"""Begins `limosa boot`, quickly: a machine waits for it."""

import gc
import os

from node.domain.one_thread import ONE_THREAD

# What is imported and made for a machine stays as long as the machine; looking through it for garbage took a tenth of
# the time until its first instruction. The command turns it on again.
gc.disable()
os.environ |= ONE_THREAD  # so that the compiler of regions is forked: started afresh, it takes a third of a second

from node.foreground.command import main  # noqa: E402

if __name__ == "__main__":
    main()
