"""The program `limosa`: its first lines, which import as little as may be.

What supervisors ask every few seconds is answered here; everything else is main.py's.
"""

import sys


def main() -> None:
    """The entry point."""
    if sys.argv[1:2] == ["healthcheck"]:
        from controller.cli.health import hurried

        status = hurried(sys.argv[1:])
        if status is not None:
            sys.exit(status)
    from controller.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
