"""sdist -> wheel -> fresh environment -> import, for each setting of the native switch. Slow: off by default."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(
    os.environ.get("MEMTYPE_TEST_PACKAGING") != "1", reason="builds and installs: set MEMTYPE_TEST_PACKAGING=1"
)


def run(*command: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    given = [str(part) for part in command]
    return subprocess.run(given, env=os.environ | environment, cwd=cwd, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    built = run(sys.executable, "-m", "build", "--sdist", "-o", out, ROOT)
    assert built.returncode == 0, built.stderr
    return next(out.glob("*.tar.gz"))


OFFLINE = ("--no-index", "--no-build-isolation", "--no-deps")  # the build's tools are here: the check extra has them


def wheel(sdist: Path, out: Path, switch: str, **environment: str) -> Path:
    command = (sys.executable, "-m", "pip", "wheel", *OFFLINE, "-w", out, sdist)
    built = run(*command, MEMTYPE_NATIVE=switch, **environment)
    assert built.returncode == 0, built.stderr
    return next(out.glob("*.whl"))


def modules(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if "_native" in name]


def installed(*what: object, place: Path, **environment: str) -> Path:
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    done = run(python, "-m", "pip", "install", "-q", *what, **environment)
    assert done.returncode == 0, done.stderr
    return python


def backend_of(python: Path, **environment: str) -> str:
    ran = run(
        python,
        "-I",
        "-W",
        "ignore",
        "-c",
        "import memtype; print(memtype.backend, memtype.MtrrState(0x806).at(0))",
        **environment,
    )
    return ran.stdout.strip() or ran.stderr.strip().splitlines()[-1]


def test_the_sdist_is_complete(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    sources = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "csrc").iterdir() if path.suffix in (".c", ".h", ".py")
    }
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "memtype").rglob("*.py")}
    assert sources | package | {"setup.py", "pyproject.toml", "README.md", "LICENSE", "memtype/py.typed"} <= names


def test_require_gives_an_abi3_wheel_that_runs_native(sdist: Path, tmp_path: Path) -> None:
    made = wheel(sdist, tmp_path, "require")
    assert "-cp310-abi3-linux_" in made.name
    assert modules(made) == ["memtype/_native.abi3.so"]
    python = installed(made, place=tmp_path / "venv")
    assert backend_of(python) == "native WB"
    assert backend_of(python, MEMTYPE_BACKEND="checked") == "checked WB"


def test_off_gives_a_pure_wheel_that_falls_back(sdist: Path, tmp_path: Path) -> None:
    made = wheel(sdist, tmp_path, "off")
    assert made.name.endswith("-py3-none-any.whl")
    assert modules(made) == []
    python = installed(made, place=tmp_path / "venv")
    assert backend_of(python) == "python WB"
    assert backend_of(python, MEMTYPE_BACKEND="native") == "python WB"
    refused = run(python, "-I", "-m", "memtype", "show", MEMTYPE_BACKEND="native")
    assert refused.returncode == 2 and "cannot be loaded" in refused.stderr


def broken_compiler(place: Path) -> Path:
    """A compiler that takes every file but the core's."""
    script = place / "cc"
    script.write_text(
        "#!/bin/sh\n"
        'case "$*" in *csrc/*) echo "csrc/mtrr.c:1:1: error: no such instruction set" >&2; exit 1;; esac\n'
        'exec gcc "$@"\n'
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("broken", [False, True], ids=["no compiler", "one that fails the core"])
def test_auto_without_a_fit_compiler_is_pure_and_says_why(sdist: Path, tmp_path: Path, broken: bool) -> None:
    compiler = broken_compiler(tmp_path) if broken else "/nonexistent/cc"
    made = wheel(sdist, tmp_path, "auto", CC=str(compiler))
    assert made.name.endswith("-py3-none-any.whl")
    assert modules(made) == []
    python = installed(made, place=tmp_path / "venv")
    assert backend_of(python) == "python WB"
    warned = run(python, "-I", "-c", "import memtype").stderr
    assert warned.count("the C core was not built: ") == 1
    assert "no such instruction set" in warned or not broken


def test_auto_with_a_compiler_is_native_and_small(sdist: Path, tmp_path: Path) -> None:
    """Nothing but what runs: no symbols, no debug information (with both the C core took 600 KB), no tests."""
    made = wheel(sdist, tmp_path, "auto")
    assert modules(made) == ["memtype/_native.abi3.so"]
    with zipfile.ZipFile(made) as archive:
        rest = {entry.filename for entry in archive.infolist() if not entry.filename.endswith(".py")}
        assert archive.getinfo("memtype/_native.abi3.so").compress_size < 140_000
    data = {"memtype/_native.abi3.so", "memtype/py.typed", "memtype/cli/memtype-1.schema.json"}
    assert {name for name in rest if ".dist-info/" not in name} == data
    assert made.stat().st_size < 860_000


def test_an_editable_install_is_seen_by_type_checkers(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    tree = next(tmp_path.glob("memtype-*"))
    python = installed("-e", tree, place=tmp_path / "venv", MEMTYPE_NATIVE="off")
    assert backend_of(python) == "python WB"
    place = tmp_path / "user"  # where neither these sources nor this project's settings are found
    place.mkdir()
    (place / "user.py").write_text("import memtype as mt\n\nreveal_type(mt.MtrrState().at(0))\n")
    checked = run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "user.py", cwd=place)
    assert "memtype.types.MemoryType" in checked.stdout and checked.returncode == 0, checked.stdout


def test_require_without_a_compiler_fails_loudly(sdist: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "pip", "wheel", *OFFLINE, "-w", tmp_path, sdist)
    assert run(*command, MEMTYPE_NATIVE="require", CC="/nonexistent/cc").returncode != 0
    assert not list(tmp_path.glob("*.whl"))


def test_a_misspelt_switch_is_refused(sdist: Path, tmp_path: Path) -> None:
    built = run(sys.executable, "-m", "pip", "wheel", *OFFLINE, "-w", tmp_path, sdist, MEMTYPE_NATIVE="yes")
    assert built.returncode != 0
    assert "MEMTYPE_NATIVE=yes: not one of auto, require, off" in built.stdout + built.stderr
