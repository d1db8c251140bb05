"""`python -m deploy.grafana.generate` (`make dashboards`): write dashboards/*.json, which Grafana is provisioned with.

The JSON is committed, so that neither a cluster nor its users need the generator; a test regenerates and compares.
"""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import cluster, migrations, one_migration, storage
from deploy.grafana.board import Board

DIRECTORY = Path(__file__).parent / "dashboards"
BOARDS = (migrations.BOARD, one_migration.BOARD, cluster.BOARD, storage.BOARD)


def rendered(board: Board) -> str:
    """As it stands in the file."""
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


def path_of(board: Board) -> Path:
    return DIRECTORY / f"{board.uid.removeprefix('limosa-')}.json"


def main() -> None:
    for board in BOARDS:
        path_of(board).write_text(rendered(board))


if __name__ == "__main__":
    main()
