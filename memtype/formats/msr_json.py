"""MSRs in JSON: snapshots that cloud-hypervisor and Firecracker write, and plain mappings.

    {"0x2ff": "0xc06", "0x200": "0x80000000", "0x201": "0xff80000800", "IA32_PAT": "0x0007040600070406"}

Snapshots hold lists such as ``"msrs": [{"index": 767, "data": 3078}]``, the list that a virtual machine is restored
from: what it leaves out is 0 afterwards. JSON inside strings, as cloud-hypervisor nests it, is opened. A list that
names a register again begins the next processor.

Two members of an entry that could both be its number, or its value, and differ are refused: which one counts is not
told. A string of digits without 0x, as protobuf writes 64-bit numbers, is decimal where another of the text shows it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from memtype import rules
from memtype.errors import InputError
from memtype.formats import own_json
from memtype.formats.kvm_msrs import guest
from memtype.machine import Machine
from memtype.mtrr import vendor_name
from memtype.reading import json as checked
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.names import msr_index
from memtype.reading.patterns import later
from memtype.reading.width import single_width, told_width
from memtype.told import Register, Width

T = TypeVar("T")

NAME = "msr-json"

_INDEX_KEYS = ("index", "msr", "addr", "address", "register")
_DATA_KEYS = ("data", "value", "bitmap")
_WIDTH_LEAF = 0x8000_0008  # CPUID: EAX[7:0] is MAXPHYADDR
_VENDORS = {b"GenuineIntel": "intel", b"AuthenticAMD": "amd", b"HygonGenuine": "amd"}

_NUMBERS = "|".join(f"{index}|0x0*{index:x}" for index in sorted(reg.KNOWN_MSRS))
_SNIFF_LIST = later(rf'\\?"(?:{"|".join(_INDEX_KEYS)})\\?"\s*:\s*(?:\\?")?(?:{_NUMBERS})\b', re.I)
_HEX_NUMBERS = "|".join(f"{index:x}" for index in sorted(reg.KNOWN_MSRS))
_SNIFF_MAP = later(rf'"(?:0x0*(?:{_HEX_NUMBERS})|767|\w*MTRR\w+)"\s*:', re.I)
_OTHERS = later(r'"env\.(?:mtrr_|pat")')
_WIDTH_KEYS = ("maxphyaddr", "phys_bits", "physbits", "phys-bits")


_BARE = later(r"[0-9_]{2,}")  # a number of a string without 0x
_Found = tuple[int | None, dict[int, Register]]  # processor, where one is named; its registers


def sniff(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "[") or _OTHERS.search(text) or own_json.sniff(text):
        return False
    return _SNIFF_LIST.search(text) is not None or _SNIFF_MAP.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """Every MSR list or mapping; CPUID entries beside them tell the width and the vendor."""
    return checked.reading(text, source, lambda value: _machine(value, source), several=True)


def _machine(value: Any, source: str) -> Machine:
    value_of = _Values(source)
    lists: list[_Found] = []
    maps: list[_Found] = []
    widths: list[Width] = []
    vendors: set[str] = set()
    for cpu, item in checked.objects(value):
        if "" in item:
            found = _list(item[""], source, value_of)
            if found:
                lists.append((cpu, found))
        else:
            found = _mapping(item, source, value_of)
            if found:
                maps.append((cpu, found))
            _cpuid(item, widths, vendors, source)
            _told(item, widths, vendors, source)
    value_of.check()
    registers = _by_processor(lists or maps)
    facts: dict[str, object] = {"vcpus": len(registers)}
    maker = vendors.pop() if len(vendors) == 1 else None
    listing = guest(registers) if lists else reg.Listing()
    listing.restored = bool(lists)
    notes: list[str] = []
    width = single_width(widths, notes)
    return reg.machine_of(registers, NAME, source, notes, width, maker, listing, facts=facts)


def _list(items: Any, source: str, value_of: _Values) -> dict[int, Register]:
    """The entries of one list; {} where it is no MSR list."""
    found: dict[int, Register] = {}
    halves: list[dict[str, Any]] = []
    for entry in items if isinstance(items, list) else ():
        indexes, data = _members(entry, _INDEX_KEYS), _members(entry, _DATA_KEYS)
        if bool(indexes) != bool(data) and len(entry) == 1:
            halves.append(entry)
        if not (indexes and data):
            continue
        numbers = {values.integer(index, source, "MSR index", 32) for index in indexes.values()}
        if numbers & reg.READ_MSRS:
            number = _one(indexes, sorted(numbers), source)
            told = {value_of(value, number) for value in data.values()}
            reg.put(found, number, _one(data, list(told), source))
    if found and halves:
        line = values.line_of(halves[0])
        raise values.refusal(
            source, line, f"{values.quoted(halves[0])}: half of an entry, among entries of index and data"
        )
    return found


class _Values:
    """The registers that members hold, and which of them were strings of digits: decimal or hexadecimal."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._bare: list[tuple[str, int]] = []  # the digits and the register's number

    def __call__(self, value: Any, index: int) -> Register:
        name = rules.msr_name(index)
        if isinstance(value, str) and value[:2].lower() == "0b":
            bits = value[2:].replace("_", "")
            if not 1 <= len(bits) <= 64 or set(bits) - {"0", "1"}:
                text = f"{name} = {values.quoted(value)} is not a 64-bit bitmap"
                raise values.refusal(self.source, values.line_of(value), text)
            return Register(int(bits, 2))
        if isinstance(value, str) and _BARE.fullmatch(value):
            self._bare.append((value, index))
            return Register(values.integer(value, self.source, name))
        return reg.in_json(value, self.source, name)

    def check(self) -> None:
        """Refuse strings of digits that no processor holds as decimal ones, or where nothing shows which they are."""
        decimal = False
        for text, index in self._bare:
            reserved = reg.RESERVED.get(index, 0)
            decimal |= not values.integer(text, self.source, "") & reserved and int(text, 16) & reserved > 0
        for text, index in self._bare:
            if not decimal or values.integer(text, self.source, "") & reg.RESERVED.get(index, 0):
                said = f"{rules.msr_name(index)} = {values.quoted(text)}: decimal or hexadecimal (0x…) is not told"
                raise values.refusal(self.source, values.line_of(text), said)


def _members(entry: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """The members of these names; one that is no single value is none."""
    held = {key: entry[key] for key in keys if key in entry} if isinstance(entry, dict) else {}
    return {key: value for key, value in held.items() if value is not None and not isinstance(value, (dict, list))}


def _one(members: dict[str, Any], told: Sequence[T], source: str) -> T:
    """What the members tell, which could all be meant; a refusal where they differ."""
    if len(told) > 1:
        names = " and ".join(f"{key} {values.quoted(value)}" for key, value in members.items())
        line = max(map(values.line_of, members.values()))
        raise values.refusal(source, line, f"{names} in one entry: which one counts is not told")
    return told[0]


def _mapping(item: dict[str, Any], source: str, value_of: _Values) -> dict[int, Register]:
    """An object whose keys name registers; {} for any other."""
    found: dict[int, Register] = {}
    for key, value in item.items():
        index = _key(key, source)
        if index is not None and index in reg.READ_MSRS and not isinstance(value, (dict, list)):
            reg.put(found, index, value_of(value, index))
    return found


def _key(key: str, source: str) -> int | None:
    if re.fullmatch(r"0x[0-9a-f]+|[0-9]{3,10}", key, re.I):
        return values.number(key, source, 0, "MSR index", 32, base=10)
    return msr_index(key) if re.search("mtrr|pat|syscfg|tom2|top_mem2", key, re.I) else None


def _by_processor(found: list[_Found]) -> dict[int, dict[int, Register]]:
    """Registers by processor. Where no number stands at a list, one that names a register again begins the next.

    Long lists are kept in pieces, so pieces of one processor are put together.
    """
    cpus: dict[int, dict[int, Register]] = {}
    last = -1
    for cpu, msrs in found:
        if cpu is None:
            cpu = last if last in cpus and not cpus[last].keys() & msrs.keys() else last + 1
        elif cpu in cpus and cpus[cpu].keys() & msrs.keys():
            cpu = max(cpus) + 1  # the number was not a processor's
        cpus.setdefault(cpu, {}).update(msrs)
        last = cpu
    return cpus


def _told(item: dict[str, Any], widths: list[Width], vendors: set[str], source: str) -> None:
    """Width and vendor where an object names them beside its registers."""
    for width in (item[key] for key in _WIDTH_KEYS if key in item):
        if isinstance(width, (int, str)) and not isinstance(width, bool) and width:
            widths.append(Width(told_width(width, source, values.line_of(width)), "its JSON"))
    if isinstance(item.get("vendor"), str):
        with contextlib.suppress(InputError):
            vendors.add(vendor_name(item["vendor"]))


def _cpuid(item: dict[str, Any], widths: list[Width], vendors: set[str], source: str) -> None:
    leaf = item.get("function", item.get("leaf"))
    words = [item.get(name) for name in ("eax", "ebx", "edx", "ecx")]
    if isinstance(leaf, bool) or not all(isinstance(word, int) and 0 <= word < 1 << 32 for word in words):
        return
    eax, *letters = (int(str(word)) for word in words)
    if leaf == _WIDTH_LEAF and eax & 0xFF:
        widths.append(Width(told_width(eax & 0xFF, source, values.line_of(words[0])), "CPUID 80000008"))
    elif leaf == 0:
        name = b"".join(letter.to_bytes(4, "little") for letter in letters)
        vendors.update({_VENDORS[name]} if name in _VENDORS else ())
