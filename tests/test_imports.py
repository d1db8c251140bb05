"""Who may import whom: ARCHITECTURE.md's rules, checked on every import statement, also those inside functions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("node", "controller", "service", "storage")

# package prefix -> the only prefixes of ours that it may import
ONLY = {
    "node.memory": ("node.memory", "node.jitted"),
    "node.ia32": ("node.ia32", "node.memory", "node.jitted"),
    "node.jit": ("node.jit", "node.ia32", "node.memory", "node.jitted"),
    "node.devices": ("node.devices", "node.memory", "node.jitted"),
    "node.boot": ("node.boot", "node.memory"),
    "node.guests": ("node.guests",),
    "node.migration": ("node.migration", "node.memory"),
    "service": ("service",),
    "node.vmm": (
        "node.vmm",
        "node.devices",
        "node.ia32",
        "node.memory",
        "node.boot.entry",
        "node.boot.memory_map",
        "node.jitted",
    ),
}
# package prefix -> prefixes (of anything) that it must not import
NEVER = {
    "node": ("controller",),
    "controller": ("node", "numba", "llvmlite"),
    "storage": ("node", "controller", "numba", "llvmlite"),
    "node.agent": ("numba", "llvmlite", "node.ia32", "node.jit", "node.vmm"),
    "node.domain": ("grpc", "storage"),
    "node.migration": ("grpc", "asyncio", "socket", "time", "protos"),
    "node.ia32": ("numba", "grpc", "asyncio", "time"),
    "node.devices": ("time", "asyncio", "random"),
    "node.vmm": ("time", "asyncio", "random", "grpc"),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{path}: relative import"
            found |= {f"{statement.module}.{alias.name}" for alias in statement.names}
    return found


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


SOURCES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_obey_the_architecture(path: Path) -> None:
    module = module_of(path)
    for name in imports_of(path):
        ours = any(within(name, package) for package in (*PACKAGES, "protos"))
        for prefix, allowed in ONLY.items():
            if within(module, prefix) and ours:
                assert any(within(name, a) for a in allowed), f"{module} imports {name}"
        for prefix, forbidden in NEVER.items():
            if within(module, prefix):
                assert not any(within(name, f) for f in forbidden), f"{module} imports {name}"


def test_only_the_rim_of_the_node_imports_the_storage_client() -> None:
    users = {module_of(p) for p in SOURCES if any(within(i, "storage") for i in imports_of(p))}
    strangers = {
        u for u in users if not within(u, "storage") and not within(u, "node.agent") and not within(u, "controller")
    }
    assert strangers <= {"node.foreground.files"}, strangers


def test_there_is_no_utils_anywhere() -> None:
    assert not [p for p in SOURCES if p.stem in ("utils", "util", "misc", "helpers", "common")]
