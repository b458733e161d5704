"""The exported vectors compiled and run by programs of other languages, and a planted fault that must turn them red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT

from memtype import rules, vectors
from memtype.types import MemoryType
from memtype.vectors.document import document

CONSUMERS = Path(__file__).parent / "consumers"
CORE = sorted(path for path in (ROOT / "csrc").glob("*.c") if path.name != "_native.c")

TOOLS = {"c": "cc", "rust": "rustc", "go": "go"}
Texts = dict[str, str]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles and runs programs")


def run(*command: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=os.environ | environment, text=True, capture_output=True, check=False)


def built(*command: object, cwd: Path | None = None, **environment: str) -> None:
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The C core's objects."""
    place = tmp_path_factory.mktemp("core")
    made = [place / f"{path.stem}.o" for path in CORE]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda pair: built(TOOLS["c"], "-std=c11", "-O0", "-c", pair[0], "-o", pair[1]), zip(CORE, made)))
    return made


@pytest.fixture(scope="module")
def printed() -> tuple[Texts, Texts]:
    """The vectors in all languages; and with one cell of a table wrong: MTRR WP with PAT UC- is UC."""
    right = texts(document())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(rules.INTEL_MTRR_PAT[MemoryType.WP], MemoryType.UC_MINUS, MemoryType.UC)
        wrong = texts(document.__wrapped__())
    return right, wrong


def texts(held: tuple[vectors.Section, ...]) -> Texts:
    return {form: "".join(vectors.text(held, form)) for form in TOOLS if shutil.which(TOOLS[form])}


def c_consumer(place: Path, text: Texts, core: list[Path]) -> subprocess.CompletedProcess[str]:
    (place / "memtype_vectors.h").write_text(text["c"])
    flags = ("-std=c11", "-O0", "-Wall", "-Wextra", "-Werror", "-I", place, "-I", ROOT / "csrc")
    built(TOOLS["c"], *flags, CONSUMERS / "consumer.c", *core, "-o", place / "c")
    if shutil.which("c++"):  # the header is C++ too
        built("c++", "-std=c++11", "-fsyntax-only", "-x", "c++", place / "memtype_vectors.h")
    return run(place / "c")


def rust_consumer(place: Path, text: Texts) -> subprocess.CompletedProcess[str]:
    (place / "vectors.rs").write_text(text["rust"])
    source = CONSUMERS / "consumer.rs"
    built("rustc", "--edition", "2021", "-o", place / "r", source, MEMTYPE_VECTORS=str(place / "vectors.rs"))
    return run(place / "r")


def go_consumer(place: Path, text: Texts) -> subprocess.CompletedProcess[str]:
    (place / "vectors").mkdir(exist_ok=True)
    (place / "vectors" / "vectors.go").write_text(text["go"])
    (place / "go.mod").write_text("module consumer\n\ngo 1.16\n")
    shutil.copy(CONSUMERS / "consumer.go", place / "main.go")
    built("go", "build", "-o", place / "g", ".", cwd=place, GOFLAGS="-mod=mod", GOCACHE=str(place / "cache"))
    return run(place / "g")


def is_green(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(" answers, 0 wrong\n") and int(done.stdout.split()[0]) > 64 * 2000


def is_red(done: subprocess.CompletedProcess[str], answers: int) -> None:
    assert done.returncode == 1
    assert "effective-intel-WP-UC- (effective-intel)" in done.stdout
    assert done.stdout.endswith(f" answers, {answers} wrong\n"), done.stdout


@pytest.mark.skipif(not shutil.which(TOOLS["c"]), reason="no C compiler")
def test_c(tmp_path: Path, core: list[Path], printed: tuple[Texts, Texts]) -> None:
    is_green(c_consumer(tmp_path, printed[0], core))
    is_red(c_consumer(tmp_path, printed[1], core), 4)  # the cell, its EPT twin, and Bochs' answer is no bug any more


@pytest.mark.skipif(not shutil.which(TOOLS["rust"]), reason="no rustc")
def test_rust(tmp_path: Path, printed: tuple[Texts, Texts]) -> None:
    is_green(rust_consumer(tmp_path, printed[0]))
    is_red(rust_consumer(tmp_path, printed[1]), 3)


@pytest.mark.skipif(not shutil.which(TOOLS["go"]), reason="no go")
def test_go(tmp_path: Path, printed: tuple[Texts, Texts]) -> None:
    is_green(go_consumer(tmp_path, printed[0]))
    is_red(go_consumer(tmp_path, printed[1]), 2)
