"""The level of x86-64 that code is made for: what this host has, and never more."""

from pathlib import Path

import pytest

from node.jit import native, object_cache
from node.jit.native import load
from node.jit.object_cache import object_path, store
from node.jit.target import LEVELS, level_of, target_machine

NAMES = list(LEVELS)  # the highest first


def features_of(level: str) -> dict[str, bool]:
    return {feature: True for name in NAMES[NAMES.index(level) :] for feature in LEVELS[name]}


@pytest.mark.parametrize("level", NAMES)
def test_a_host_with_just_a_levels_features_has_that_level(level: str) -> None:
    assert level_of(features_of(level)) == level


@pytest.mark.parametrize(
    ("level", "feature"), [(level, feature) for level in NAMES for feature in sorted(LEVELS[level])]
)
def test_one_feature_less_is_one_level_less(level: str, feature: str) -> None:
    """As under a hypervisor that hides AVX of a processor that has everything else."""
    below = NAMES[NAMES.index(level) + 1]
    assert level_of(features_of(level) | {feature: False}) == below
    assert level_of(features_of(NAMES[0]) | {feature: False}) == below


@pytest.mark.parametrize("level", NAMES)
def test_llvm_knows_the_levels_and_the_names_of_their_features(level: str) -> None:
    assert target_machine(level).triple.startswith("x86_64")
    known = native.llvm.get_host_cpu_features()
    assert LEVELS[level] <= known.keys()


def test_what_came_with_the_program_is_used_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "NativeEngine", lambda code, _cache: code)
    store(object_path(tmp_path / "image"), b"from the image")
    told: list[str] = []
    engine: object = load(tmp_path / "cache", lambda _, what: told.append(what), precompiled=tmp_path / "image")
    assert (engine, told) == (b"from the image", [])
    assert not (tmp_path / "cache").exists()


def test_an_image_for_a_higher_level_is_not_used_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "NativeEngine", lambda code, _cache: code)
    monkeypatch.setattr(object_cache, "host_level", lambda: NAMES[-1])
    for level in NAMES[:-1]:
        store(object_path(tmp_path / "image", level), b"would end in an illegal instruction")
    store(object_path(tmp_path / "cache"), b"compiled here")
    told: list[str] = []
    engine: object = load(tmp_path / "cache", lambda _, what: told.append(what), precompiled=tmp_path / "image")
    assert engine == b"compiled here"
    assert told == [f"{tmp_path / 'image'} holds no interpreter of this version for x86-64, this host's level"]
