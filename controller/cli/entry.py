"""The program `limosa`: its first lines, which import as little as may be.

What supervisors ask every few seconds is answered here, and `limosa boot` begins here, so that no machine waits for
the other commands; everything else is main.py's.
"""

import sys


def main() -> None:
    """The entry point."""
    if sys.argv[1:2] == ["healthcheck"]:
        from controller.cli.health import hurried

        status = hurried(sys.argv[1:])
        if status is not None:
            sys.exit(status)
    if sys.argv[1:2] == ["boot"]:
        from controller.cli.foreground import become

        become(sys.argv[2:])
    from controller.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
