"""`import memtype` brings what a lookup needs; the rest comes when it is asked for, and is there all the same."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import memtype

LATER = ["memtype.analysis", "memtype.formats", "memtype.kvm", "memtype.views", "memtype.fleet", "concurrent.futures"]


def fresh(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_lookup_brings_no_other_room() -> None:
    code = "import sys, numpy; before = set(sys.modules); import memtype; memtype.MtrrState(0x806).types([0]);"
    assert fresh(f"{code} print([m for m in {LATER} if m in sys.modules and m not in before])") == "[]"


@pytest.mark.parametrize("name", memtype.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert name in dir(memtype)
    assert getattr(memtype, name) is not None
    assert getattr(memtype, name) is getattr(memtype, name)


def test_every_public_name_is_there_at_first_sight() -> None:
    code = "import memtype; assert set(memtype.__all__) <= set(dir(memtype));"
    fresh(f"{code} from memtype import *; missing = set(memtype.__all__) - set(globals()); assert not missing, missing")
    fresh("import memtype, memtype.cli.want; assert callable(memtype.want) and callable(memtype.effective)")
    fresh("import memtype; assert memtype.kvm.Vm and callable(memtype.check) and callable(memtype.check)")


def test_a_function_that_is_sent_elsewhere_may_name_the_package() -> None:
    assert pickle.loads(pickle.dumps(memtype)) is memtype


def test_other_names_are_refused() -> None:
    assert not hasattr(memtype, "no_such_name")
    with pytest.raises(AttributeError, match="module 'memtype' has no attribute 'Chek'"):
        memtype.Chek  # noqa: B018
    with pytest.raises(ImportError):
        from memtype import Chek  # noqa: F401


def test_the_type_checker_sees_what_comes_later() -> None:
    tree = ast.parse(Path(memtype.__file__).read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        name.name: node.module for node in typed.body if isinstance(node, ast.ImportFrom) for name in node.names
    }  # fmt: skip
    rooms = {"arrow", "hypervisors", "kvm", "scale"}
    assert {seen.pop(room) for room in rooms} == {"memtype"}
    assert {*seen, *rooms, "backend", "isa"} == set(memtype.__all__)
    assert seen == memtype._ROOM_OF
