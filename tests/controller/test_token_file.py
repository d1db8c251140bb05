"""The cluster's token: made once, whole, for its owner's eyes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controller import token_file
from controller.errors import InvalidArgument, NotFound


def test_a_token_is_made_once_and_then_kept(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token_file.create(path)
    made = token_file.read(path)
    token_file.create(path)
    assert token_file.read(path) == made and len(made) == 2 * token_file.TOKEN_BYTES
    assert list(tmp_path.iterdir()) == [path], "a file written aside was left behind"


def test_two_clusters_have_different_tokens(tmp_path: Path) -> None:
    for name in ("one", "other"):
        token_file.create(tmp_path / name)
    assert token_file.read(tmp_path / "one") != token_file.read(tmp_path / "other")


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    token_file.create(tmp_path / "token")
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_a_token_that_came_from_elsewhere_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("chosen by a person\n")
    token_file.create(tmp_path / "token")
    assert token_file.read(tmp_path / "token") == "chosen by a person"


def test_of_many_that_make_it_at_once_all_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "token"

    def make_and_read(_: int) -> str:
        token_file.create(path)
        return token_file.read(path)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make_and_read, range(64)))) == 1


def test_no_file_and_an_empty_file_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="--create-token makes one"):
        token_file.read(tmp_path / "token")
    (tmp_path / "token").write_text("\n")
    with pytest.raises(InvalidArgument, match="is empty"):
        token_file.read(tmp_path / "token")
