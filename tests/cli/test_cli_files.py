"""What commands write: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import ROOT

from memtype import cli
from memtype.cli import files
from memtype.errors import InputError

DUMP = str(ROOT / "tests" / "data" / "linux_dmesg" / "uc-hole.txt")


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("error", [Interrupted, ValueError, OSError])
def test_what_ends_early_leaves_what_was_there(
    tmp_path: Path, before: bytes | None, error: type[BaseException]
) -> None:
    place = tmp_path / "leaves.npy"
    if before:
        place.write_bytes(before)
    with pytest.raises(InputError if error is OSError else error), files.written(str(place)) as file:
        file.write(b"half")
        file.flush()
        raise error
    assert [path.name for path in tmp_path.iterdir()] == [place.name] * (before is not None)
    assert before is None or place.read_bytes() == before


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with files.written(str(tmp_path / "link")) as file:
        file.write(b"whole")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"whole"


def test_who_may_read_and_write_stays(tmp_path: Path) -> None:
    place = tmp_path / "private"
    place.write_bytes(b"old")
    place.chmod(0o600)
    with files.written(str(place)) as file:
        file.write(b"new")
        assert place.read_bytes() == b"old"
    assert place.read_bytes() == b"new" and place.stat().st_mode & 0o777 == 0o600
    place.chmod(0o400)
    if not os.access(place, os.W_OK):  # root may write all
        with pytest.raises(InputError, match="cannot be written: Permission denied"), files.written(str(place)):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["private"]


def test_what_is_open_or_a_device_is_written_as_it_is(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as opened:
        with files.written(f"/dev/fd/{opened.fileno()}") as file:
            file.write(b"whole")
        assert opened.read() == b"whole"
    before = os.stat(os.devnull)
    with files.written(os.devnull) as file:
        file.write(b"gone")
    assert os.stat(os.devnull).st_rdev == before.st_rdev


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    "command", [["pages", DUMP, "--leaves", "/dev/full"], ["report", DUMP, "-o", "/dev/full"]], ids=lambda c: str(c[0])
)
def test_a_full_disk_is_one_line(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(command) == 2
    assert capsys.readouterr().err == "memtype: error: /dev/full: cannot be written: No space left on device\n"
