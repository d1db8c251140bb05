"""A cluster of processes for all tests of a file, which each finds without a VM."""

from collections.abc import Iterator

import pytest

from tests.support.real_cluster import RealCluster, real_cluster


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with real_cluster(tmp_path_factory.mktemp("cluster")) as c:
        yield c


@pytest.fixture
def c(standing: RealCluster) -> Iterator[RealCluster]:
    """Two nodes and no VM; others have used them, and what this test leaves can be repaired and ended."""
    yield standing
    standing.emptied()
