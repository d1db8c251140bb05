"""Pulling Debian 12 with the host's real apt, from a repository on the disk, as far as possible without root."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import pull as pulling
from storage.apt import Apt
from storage.errors import AptMissing, InvalidRequest, PackagesMissing, PullFailed
from storage.images import ImageStore
from storage.local import open_local_image
from storage.pull import pull
from tests.support.apt_repository import APT_IS_HERE, Repository, debian_12, fake_kernel
from tests.support.cpio import read_newc

needs_apt = pytest.mark.skipif(not APT_IS_HERE, reason="this host has no apt")


def store_reading(repository: Repository, tmp_path: Path) -> Path:
    """A store whose private apt knows only `repository`."""
    sources = tmp_path / "state" / "images" / "cache" / "debian-12" / "sources.list.d"
    sources.mkdir(parents=True, exist_ok=True)
    (sources / "test.sources").write_text(repository.source())
    return tmp_path / "state" / "images"


def silent(line: str) -> None:
    """Nobody watches."""


@needs_apt
def test_both_images_are_made_and_name_their_packages(tmp_path: Path) -> None:
    store_dir = store_reading(debian_12(tmp_path / "repository"), tmp_path)
    lines: list[str] = []
    assert pull("debian-12", store_dir, lines.append) == ["debian-12", "debian-12-686"]
    image = open_local_image(tmp_path / "state", "debian-12")
    assert image.kernel.read_bytes() == fake_kernel("686-pae 6.1.176-1")
    assert image.command_line.endswith(" limosa.image=debian-12") and "console=ttyS0" in image.command_line
    assert image.initrd is not None
    assert {"init", "bin/sh"} <= {member.name for member in read_newc(image.initrd.read_bytes())}
    assert open_local_image(tmp_path / "state", "debian-12-686").kernel.read_bytes() == fake_kernel("686 6.1.176-1")
    source = ImageStore(store_dir).get("debian-12").source
    assert source == "linux-image-6.1.0-50-686-pae 6.1.176-1; busybox-static 1:1.35.0-4+b1"
    assert any("downloading" in line for line in lines)


@needs_apt
def test_a_second_pull_needs_neither_apt_nor_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_dir = store_reading(debian_12(tmp_path / "repository"), tmp_path)
    pull("debian-12", store_dir, silent)
    monkeypatch.setenv("PATH", str(tmp_path))
    lines: list[str] = []
    assert pull("debian-12", store_dir, lines.append) == ["debian-12", "debian-12-686"]
    assert lines == ["the images debian-12, debian-12-686 are here already"]


@needs_apt
def test_a_removed_image_comes_back_without_the_repository_from_what_was_downloaded(tmp_path: Path) -> None:
    repository = debian_12(tmp_path / "repository")
    store_dir = store_reading(repository, tmp_path)
    pull("debian-12", store_dir, silent)
    before = open_local_image(tmp_path / "state", "debian-12")
    ImageStore(store_dir).remove("debian-12", now_s=0)
    repository.directory.rename(tmp_path / "gone")
    lines: list[str] = []
    pull("debian-12", store_dir, lines.append)
    assert open_local_image(tmp_path / "state", "debian-12") == before
    assert any("not every package list could be fetched" in line for line in lines)


@needs_apt
def test_a_damaged_blob_is_pulled_anew(tmp_path: Path) -> None:
    store_dir = store_reading(debian_12(tmp_path / "repository"), tmp_path)
    pull("debian-12", store_dir, silent)
    kernel = open_local_image(tmp_path / "state", "debian-12").kernel
    kernel.chmod(0o644)
    kernel.write_bytes(b"rotten")
    pull("debian-12", store_dir, silent)
    assert open_local_image(tmp_path / "state", "debian-12").kernel.read_bytes() == fake_kernel("686-pae 6.1.176-1")


@needs_apt
def test_a_truncated_download_is_fetched_again(tmp_path: Path) -> None:
    store_dir = store_reading(debian_12(tmp_path / "repository"), tmp_path)
    packages = store_dir / "cache" / "debian-12" / "packages"
    packages.mkdir(parents=True)
    (packages / "linux-image-6.1.0-50-686_6.1.176-1_i386.deb").write_bytes(b"half of it")
    pull("debian-12", store_dir, silent)
    assert open_local_image(tmp_path / "state", "debian-12-686").kernel.read_bytes() == fake_kernel("686 6.1.176-1")


@needs_apt
def test_the_newest_kernel_of_debian_12_is_taken_and_no_other_release(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.directory.mkdir()
    for flavour in ("686", "686-pae"):
        repository.add_kernel(flavour, "6.1.90-1", "6.1.0-20")
        repository.add_kernel(flavour, "6.1.176-1", "6.1.0-50")
        repository.add_kernel(flavour, "6.12.9-1~bpo12+1", "6.12.9+bpo")
        repository.add_kernel(flavour, "6.1.200-1~bpo11+1", "6.1.0-60")
    repository.add_busybox("1:1.37.0-6")
    repository.add_busybox()
    repository.write_index()
    pull("debian-12", store_reading(repository, tmp_path), silent)
    source = ImageStore(tmp_path / "state" / "images").get("debian-12").source
    assert source == "linux-image-6.1.0-50-686-pae 6.1.176-1; busybox-static 1:1.35.0-4+b1"


@needs_apt
def test_a_host_of_another_release_is_told_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.directory.mkdir()
    repository.add_busybox("1:1.37.0-6")
    repository.add_kernel("686-pae", "6.12.9-1", "6.12.9")
    repository.add_kernel("686")
    repository.write_index()
    store_dir = store_reading(repository, tmp_path)
    with pytest.raises(PackagesMissing) as caught:
        pull("debian-12", store_dir, silent)
    assert "no linux-image-686-pae, busybox-static of Debian 12" in str(caught.value)
    assert "sources.list.d" in str(caught.value) and "--kernel" in str(caught.value)
    assert ImageStore(store_dir).all() == []


@needs_apt
def test_without_any_package_list_the_error_carries_apts_complaint(tmp_path: Path) -> None:
    store_dir = store_reading(Repository(tmp_path / "unreachable"), tmp_path)
    with pytest.raises(PackagesMissing, match=r"fetching its package lists failed: .*unreachable"):
        pull("debian-12", store_dir, silent)


@needs_apt
def test_two_pulls_at_once_do_not_meet(tmp_path: Path) -> None:
    store_dir = store_reading(debian_12(tmp_path / "repository"), tmp_path)
    lines: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(pull, "debian-12", store_dir, lines.append) for _ in range(2)]
        assert [future.result(60) for future in done] == [["debian-12", "debian-12-686"]] * 2
    assert sum(line.startswith("downloading") for line in lines) == 1
    assert "another pull is at work; waiting for it" in lines


@needs_apt
def test_a_package_that_is_not_what_the_lists_announce_is_refused(tmp_path: Path) -> None:
    repository = debian_12(tmp_path / "repository")
    store_dir = store_reading(repository, tmp_path)
    for package in repository.directory.glob("package-*.deb"):
        package.write_bytes(package.read_bytes().replace(b"686", b"586"))
    with pytest.raises(PullFailed, match="could not download"):
        pull("debian-12", store_dir, silent)
    assert ImageStore(store_dir).all() == []


@needs_apt
def test_a_kernel_package_without_a_kernel_is_refused(tmp_path: Path) -> None:
    repository = debian_12(tmp_path / "repository")
    repository.stanzas = [stanza for stanza in repository.stanzas if "6.1.0-50-686\n" not in stanza.split("Version")[0]]
    repository.add("linux-image-6.1.0-50-686", "6.1.176-1", {"boot/vmlinuz-6.1.0-50-686": b"not a kernel" * 100})
    repository.write_index()
    with pytest.raises(PullFailed, match="no bzImage"):
        pull("debian-12", store_reading(repository, tmp_path), silent)


@needs_apt
def test_apt_writes_nothing_outside_its_directory_and_reads_only_our_sources(tmp_path: Path) -> None:
    repository = debian_12(tmp_path / "repository")
    store_dir = store_reading(repository, tmp_path)
    apt = Apt(store_dir / "cache" / "debian-12", "i386")
    apt.prepare()
    assert apt.update() is None
    assert [str(package) for package in apt.offered("busybox-static")] == ["busybox-static 1:1.35.0-4+b1"]
    assert apt.offered("no-such-package") == []
    assert apt.offered("coreutils") == []  # the host's own sources and status are not looked at


def test_without_apt_the_error_says_what_to_do_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AptMissing, match=r"lacks apt-get, apt-cache, dpkg-deb.*--kernel and --initrd"):
        pull("debian-12", tmp_path / "images", silent)


@pytest.mark.parametrize("name", ["debian-13", "", "../debian-12", "x" * 1000])
def test_an_unknown_image_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="there are: debian-12, debian-12-686"):
        pull(name, tmp_path / "images", silent)
    assert list(tmp_path.iterdir()) == []


@needs_apt
def test_an_interrupted_pull_leaves_nothing_broken(tmp_path: Path) -> None:
    store_dir = store_reading(debian_12(tmp_path / "repository"), tmp_path)
    for total in range(20):  # interrupt it after 0, 1, 2… progress lines
        lines: list[str] = []

        def interrupt(line: str, lines: list[str] = lines, total: int = total) -> None:
            lines.append(line)
            if len(lines) > total:
                raise KeyboardInterrupt

        try:
            pull("debian-12", store_dir, interrupt)
            break
        except KeyboardInterrupt:
            for image in ImageStore(store_dir).all():
                open_local_image(tmp_path / "state", image.name)
    assert total >= 3
    assert {image.name for image in ImageStore(store_dir).all()} == set(pulling.KNOWN)
    assert not list((store_dir / "drafts").iterdir())
