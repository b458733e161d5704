"""A line that no machine prints is refused with its number, limit and value, wherever it stands; nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import memtype as mt
from memtype.formats import family

DATA = Path(__file__).parents[1] / "data"


def whole(name: str) -> str:
    return (DATA / f"{name}.txt").read_text().rstrip("\n")


COREBOOT, EDK2, XEN = whole("coreboot/wb-default"), whole("edk2/uc-hole"), whole("xen/uc-hole")
BSD, FWTS, WINDBG = whole("freebsd/frame-buffer"), whole("fwts/one-range"), whole("windbg/no-fixed")
RECORD = "MTRR: PAT 0x7040600070406, cap 0x508, default 0xc06\nvar 0 0xc0000000 0xfffc0000800"
# A family, a text that it reads, the line that follows, what is said of it.
LINES = {
    "coreboot, no fixed register": ("coreboot", COREBOOT, "MTRR: Fixed MSR 0x251 0x0606060606060606",
                                    "0x251 is no fixed-range register"),
    "coreboot, length": ("coreboot", COREBOOT, "0x0000000000000000 - 0x0000000000002000 size 0x1000 type 0",
                         "range 0x0 - 0x2000 is not 0x1000 bytes long"),
    "coreboot, empty": ("coreboot", COREBOOT, "0x0000000000001000 - 0x0000000000001000 size 0x0 type 0",
                        "range 0x1000+0x0 is empty or beyond 2**52"),
    "coreboot, beyond": ("coreboot", COREBOOT, "0x0010000000000000 - 0x0010000000001000 size 0x1000 type 0",
                         "range 0x10000000000000+0x1000 is empty or beyond 2**52"),
    "coreboot, pair": ("coreboot", COREBOOT, "MTRR: 40 base 0x0000000080000000 mask 0x0000000f80000000 type 0",
                       "MTRR 40 is not below 40"),
    "coreboot, type": ("coreboot", COREBOOT, "MTRR: 1 base 0x0000000080000000 mask 0x0000000f80000000 type 2",
                       "type 2 is no MTRR type"),
    "edk2, fixed": ("edk2", EDK2, "Fixed MTRR[11]   : 0606060606060606", "Fixed MTRR[11]: there are 11"),
    "edk2, pair": ("edk2", EDK2, "Variable MTRR[40]: Base=0000000080000000 Mask=000000FF80000800",
                   "Variable MTRR[40]: only 40 pairs have MSR numbers"),
    "freebsd, two types": ("freebsd", BSD, "0x80000000/0x10000000 drm write-back uncacheable active",
                           "more than one type: write-back uncacheable"),
    "freebsd, size": ("freebsd", BSD, "0x80000000/0x30000000 drm write-back active",
                      "0x80000000/0x30000000: no register holds this"),
    "freebsd, page": ("freebsd", BSD, "0x80000000/0x800 drm write-back active", "0x80000000/0x800: no register holds"),
    "freebsd, base": ("freebsd", BSD, "0x80000800/0x1000 drm write-back active", "0x80000800/0x1000: no regis"),
    "freebsd, beyond": ("freebsd", BSD, "0x10000000000000/0x1000 drm write-back active", "no register holds this"),
    "fwts, number": ("fwts", FWTS, "Reg 40: 0x0000000080000000 - 0x00000000c0000000 (  1024 MB)   Write-Back",
                     "Reg '40' is not below 40"),
    "fwts, length": ("fwts", FWTS, "Reg 1: 0x0000000080000000 - 0x00000000c0000000 (  1023 MB)   Write-Back",
                     "is not 1023 MB long"),
    "fwts, size": ("fwts", FWTS, "Reg 1: 0x0000000080000000 - 0x00000000b0000000 (   768 MB)   Write-Back",
                   "0x80000000 - 0xb0000000: no register holds this"),
    "fwts, twice": ("fwts", FWTS, "Reg 0: 0x0000000000000000 - 0x0000000040000000 (  1024 MB)   Write-Back",
                    "Reg 0 is listed twice, with different values"),
    "xen, pair": ("xen", XEN, "(XEN)   40 base 0080000000 mask ff80000000 uncachable", "number 40 is not below 40"),
    "xen record, pair": ("xen", RECORD, "var 40 0xc0000000 0xfffc0000800", "range number 40 is not below 40"),
    "xen record, fixed": ("xen", RECORD, "fixed 11 0x606060606060606", "fixed-range register 11 is not below 11"),
    "windbg, pair": ("windbg", WINDBG, "  40.   UC: 00000000:c0000000  000003ff:c0000000  00000000:40000000",
                     "range number 40 is not below 40"),
    "slim, twice": ("slim_bootloader", whole("slim_bootloader/uc-hole"), "Default....: Uncacheable",
                    "told again, otherwise than above"),
    "commands, size": ("proc_mtrr_commands", 'echo "base=0x0 size=0x1000000 type=write-back" > /proc/mtrr',
                       'echo "base=0x1000000 size=0x3000000 type=write-back" > /proc/mtrr',
                       "base 0x1000000 size 0x3000000: no register holds this"),
    "commands, base": ("proc_mtrr_commands", 'echo "base=0x0 size=0x1000000 type=write-back" > /proc/mtrr',
                       'echo "base=0x800000 size=0x1000000 type=write-back" > /proc/mtrr', "no register holds this"),
    "vcpu list, no data": ("kvm_msrs", "{ .index = 0x2ff, .data = 0xc06 },", "{ .index = 0x277 },", "has no data"),
}  # fmt: skip


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("case", LINES)
def test_an_impossible_line_is_refused_with_its_number(case: str, before: int) -> None:
    name, text, line, said = LINES[case]
    assert family(name).parse("\n" * before + text, "t").format
    number = before + text.count("\n") + 2
    with pytest.raises(mt.ParseError) as refused:
        family(name).parse("\n" * before + text + "\n" + line + "\n", "t")
    assert str(refused.value).startswith(f"t:{number}: ") and said in str(refused.value)
    with pytest.raises(mt.ParseError) as refused:  # from outside too, and never as another family's text
        mt.parse("\n" * before + text + "\n" + line + "\n", "t")
    assert said in str(refused.value) and "\n" not in str(refused.value)


OWN: dict[str, Any] = json.loads(whole("own_json/uc-hole"))


def changed(change: Any) -> str:
    """Our own JSON, one value to a line, with something changed in it."""
    copy = json.loads(json.dumps(OWN))
    change(copy.get("machine", copy))
    return json.dumps(copy, indent=1)


def registers(machine: dict[str, Any]) -> dict[str, Any]:
    return next(value for value in machine["cpus"][0].values() if isinstance(value, dict) and "msrs" in value)


NO_TYPE = {"base": "0x0", "size": "0x1000", "type": "XY"}
DOCUMENTS = {
    "no processor": (lambda m: m.update(cpus=[]), "0 processors; 1 to "),
    "a format that is a number": (lambda m: m.update(format=7), "format = '7' is not a string"),
    "a pair that is none": (lambda m: registers(m)["variable"].append(5), "is no pair"),
    "a list told by lists": (lambda m: registers(m)["list"].update(whole=[1]), "whole = '[1]' is not true or false"),
    "a map of no type": (lambda m: m.update(printed_map={"maxphyaddr": 36, "segments": [NO_TYPE]}), "printed_map: "),
}  # fmt: skip


@pytest.mark.parametrize("case", DOCUMENTS)
def test_our_own_json_with_a_wrong_value_is_refused_in_one_line(case: str) -> None:
    change, said = DOCUMENTS[case]
    with pytest.raises(mt.ParseError) as refused:
        mt.parse(changed(change), "t")
    assert said in str(refused.value) and str(refused.value).startswith("t:") and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[{"index": "0x2ff", "data": "0xc06"},\n {"index": "0x277"}]', 2, "half of an entry"),
        ('[{"index": "0x2ff", "data": "0xc06"},\n {"index": "0x277",\n "data": "0b102"}]', 3, "is not a 64-bit bitmap"),
        ('[{"index": "0x2ff", "data": "0xc06"},\n {"index": "0x277",\n "data": "0b"}]', 3, "is not a 64-bit bitmap"),
    ],
)
def test_half_an_entry_and_no_bits(text: str, line: int, said: str) -> None:
    with pytest.raises(mt.ParseError) as refused:
        mt.parse(text, "t")
    assert str(refused.value).startswith(f"t:{line}: ") and said in str(refused.value)


def test_a_bitmap_is_a_number() -> None:
    bits = mt.parse('[{"index": "0x2ff", "data": "0b1100_0000_0110"}, {"index": "0xfe", "data": "0x508"}]')
    assert bits.mtrrs is None or bits.mtrrs.def_type == 0xC06


def test_a_range_of_unknown_type_is_undefined_not_guessed() -> None:
    machine = mt.parse(BSD + "\n0x80000000/0x10000000 drm unknown active\n")
    assert any("reserved encoding" in str(note) for note in machine.notes)
    assert machine.at(0x80000000).type is mt.MemoryType.UNDEFINED
