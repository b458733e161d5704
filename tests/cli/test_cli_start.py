"""What a command does not load: numpy takes longer than most answers, so it is there for arrays alone."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import memtype as mt
from memtype.late import Late

DUMP = str(ROOT / "tests" / "data" / "linux_dmesg" / "uc-hole.txt")
WITHOUT_ARRAYS = [
    ["--version"], ["--help"], ["at", "0xfed00000", DUMP], ["at", "--why", "0xa0000", DUMP],
    ["at", "0-0xffffffff", DUMP], ["show", DUMP], ["show", "--raw", DUMP], ["check", DUMP], ["diff", DUMP, DUMP],
    ["kvm", "--kernel", "6.4", DUMP], ["zap", "--kernel", "6.4", "--event", "pat=0x0007040600070106", DUMP],
    ["want", "WC", DUMP, "--at", "0xd0000000"], ["plan", DUMP, "--json"], ["pages", DUMP],
    ["alias", "--reserve", "UC-"], ["pte", "0x1f", "--pat", "linux"], ["rules"], ["kvm", "matrix"],
]  # fmt: skip


@pytest.mark.skipif(mt.backend != "native", reason="the fallback and the comparison are made of arrays")
@pytest.mark.parametrize("command", WITHOUT_ARRAYS, ids=lambda command: " ".join(Path(w).name for w in command))
def test_commands_about_single_addresses_load_no_numpy(command: list[str]) -> None:
    program = "import sys; sys.modules['numpy'] = None; from memtype.cli import main; sys.exit(main(sys.argv[1:]))"
    ended = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True)
    assert ended.returncode in (0, 1) and ended.stdout, ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_late_module_is_the_module() -> None:
    late = Late("json.decoder")
    import json.decoder

    assert late.JSONDecoder is json.decoder.JSONDecoder
    assert vars(late)["JSONDecoder"] is json.decoder.JSONDecoder  # the second time nothing is looked up
    for same in (copy.copy(late), pickle.loads(pickle.dumps(Late("json.decoder")))):
        assert same.JSONDecodeError is json.decoder.JSONDecodeError
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = late.no_such_name
