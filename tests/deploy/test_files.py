"""The files that bring up a cluster in containers, as their own specifications and linters read them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COMPOSE = ROOT / "docker-compose.yml"
FILES = [
    path
    for room in (".ci", "deploy", "storage", "tests")
    for path in sorted((ROOT / room).rglob("*"))
    if path.is_file()
]
SCRIPTS = [path for path in FILES if re.match(rb"#!\S*(/| )(ba)?sh\b", path.read_bytes()[:64])]
DOCKERFILES = [path for path in FILES if path.name.endswith("Dockerfile")]


def checked(*command: str) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def services() -> Any:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def variables() -> dict[str, str]:
    lines = (ROOT / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_compose_reads_the_file_as_its_specification_says() -> None:
    checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    checked("shellcheck", str(script))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_hadolint_has_nothing_to_say(dockerfile: Path) -> None:
    checked("hadolint", "--no-color", str(dockerfile))


def test_the_linters_are_given_something() -> None:
    assert len(SCRIPTS) >= 5 and len(DOCKERFILES) >= 2


def test_every_variable_has_its_default_and_every_default_its_use() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    assert used == set(variables())
    assert re.findall(r"\$\{\w+[^\w}]", COMPOSE.read_text()) == [], "a second default, beside that of .env"


@pytest.mark.parametrize("name", services())
def test_an_image_has_a_fixed_tag(name: str) -> None:
    image = re.sub(r"\$\{(\w+)\}", lambda found: variables()[found[1]], services()[name]["image"])
    assert re.fullmatch(r"[\w./-]+:v?\d[\w.-]*", image), image


@pytest.mark.parametrize("name", services())
def test_a_service_has_few_rights_and_a_measure(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "mem_limit", "restart", "init"} <= service.keys()


@pytest.mark.parametrize("name", services())
def test_a_published_port_is_on_loopback_unless_somebody_says_otherwise(name: str) -> None:
    assert all(port.startswith("${LIMOSA_PUBLISH}:") for port in services()[name].get("ports", []))
    assert variables()["LIMOSA_PUBLISH"] == "127.0.0.1"


def test_guests_memory_has_a_network_of_nodes_only() -> None:
    on_pages = {name for name, service in services().items() if "pages" in service["networks"]}
    assert on_pages == {"node", "node1", "node2", "node3"}
    assert yaml.safe_load(COMPOSE.read_text())["networks"]["pages"]["internal"] is True


def test_prometheus_scrapes_where_the_images_listen() -> None:
    listening = {}
    for role, port in re.findall(r"^FROM runtime AS (\w+)\n(?:.*\n)*?EXPOSE \d+ (\d+)$", _dockerfile(), re.MULTILINE):
        listening[role] = f"{role}:{port}"
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    scraped = {target for job in jobs for config in job.get("static_configs", []) for target in config["targets"]}
    assert scraped == {listening["controller"], listening["storage"]}


def test_what_only_nodes_install_nobody_else_imports() -> None:
    installed = {
        role: set(
            subprocess.run(
                [sys.executable, ROOT / "deploy/dependencies", ROOT / "pyproject.toml", role],
                capture_output=True,
                text=True,
                check=True,
                timeout=30,
            ).stdout.splitlines()
        )
        for role in ("service", "node")
    }
    only_nodes = {re.split(r"[^\w-]", line)[0] for line in installed["node"] - installed["service"]}
    assert installed["service"] < installed["node"] and {"numba", "numpy"} <= only_nodes
    importing = re.compile(rf"^\s*(?:import|from) (?:{'|'.join(only_nodes)})\b", re.MULTILINE)
    others = [path for room in ("controller", "service", "storage", "protos") for path in (ROOT / room).rglob("*.py")]
    assert [path for path in others if importing.search(path.read_text())] == []


def _dockerfile() -> str:
    return (ROOT / "deploy/Dockerfile").read_text()
