"""MSRs in JSON: snapshots that cloud-hypervisor and Firecracker write, and plain mappings.

    {"0x2ff": "0xc06", "0x200": "0x80000000", "0x201": "0xff80000800", "IA32_PAT": "0x0007040600070406"}

Snapshots hold lists such as ``"msrs": [{"index": 767, "data": 3078}]``, the list that a virtual machine is restored
from: what it leaves out is 0 afterwards. JSON inside strings, as cloud-hypervisor nests it, is opened. A list that
names a register again begins the next processor.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

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

NAME = "msr-json"

_INDEX_KEYS = ("index", "msr", "addr", "address", "register")
_DATA_KEYS = ("data", "value", "bitmap")
_WIDTH_LEAF = 0x8000_0008  # CPUID: EAX[7:0] is MAXPHYADDR
_VENDORS = {b"GenuineIntel": "intel", b"AuthenticAMD": "amd", b"HygonGenuine": "amd"}

_NUMBERS = "|".join(f"{index}|0x0*{index:x}" for index in sorted(reg.KNOWN_MSRS))
_SNIFF_LIST = later(rf'\\?"(?:{"|".join(_INDEX_KEYS)})\\?"\s*:\s*(?:\\?")?(?:{_NUMBERS})\b', re.I)
_HEX_NUMBERS = "|".join(f"{index:x}" for index in sorted(reg.KNOWN_MSRS))
_SNIFF_MAP = later(rf'"(?:0x0*(?:{_HEX_NUMBERS})|767|(?:IA32_|MSR_)*MTRR\w+)"\s*:', re.I)
_OTHERS = later(r'"env\.(?:mtrr_|pat")')
_WIDTH_KEYS = ("maxphyaddr", "phys_bits", "physbits", "phys-bits")


_Found = tuple[int | None, dict[int, Register]]  # processor, where one is named; its registers


def sniff(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "[") or _OTHERS.search(text) or own_json.sniff(text):
        return False
    return _SNIFF_LIST.search(text) is not None or _SNIFF_MAP.search(text) is not None


def parse(text: str, source: str = "<text>") -> Machine:
    """Every MSR list or mapping; CPUID entries beside them tell the width and the vendor."""
    return checked.reading(text, source, lambda value: _machine(value, source), several=True)


def _machine(value: Any, source: str) -> Machine:
    lists: list[_Found] = []
    maps: list[_Found] = []
    widths: list[Width] = []
    vendors: set[str] = set()
    for cpu, item in checked.objects(value):
        if "" in item:
            found = _list(item[""], source)
            if found:
                lists.append((cpu, found))
        else:
            found = _mapping(item, source)
            if found:
                maps.append((cpu, found))
            _cpuid(item, widths, vendors, source)
            _told(item, widths, vendors, source)
    registers = _by_processor(lists or maps)
    facts: dict[str, object] = {"vcpus": len(registers)}
    maker = vendors.pop() if len(vendors) == 1 else None
    listing = guest(registers) if lists else reg.Listing()
    listing.restored = bool(lists)
    notes: list[str] = []
    width = single_width(widths, notes)
    return reg.machine_of(registers, NAME, source, notes, width, maker, listing, facts=facts)


def _list(items: Any, source: str) -> dict[int, Register]:
    """The entries of one list; {} where it is no MSR list."""
    found: dict[int, Register] = {}
    halves: list[dict[str, Any]] = []
    for entry in items if isinstance(items, list) else ():
        index, data = _member(entry, _INDEX_KEYS), _member(entry, _DATA_KEYS)
        if (index is None) != (data is None) and len(entry) == 1:
            halves.append(entry)
        if index is None or data is None or isinstance(index, (dict, list)) or isinstance(data, (dict, list)):
            continue
        number = values.integer(index, source, "MSR index", 32)
        if number in reg.READ_MSRS:
            reg.put(found, number, _data(data, source, rules.msr_name(number)))
    if found and halves:
        line = values.line_of(halves[0])
        raise values.refusal(
            source, line, f"{values.quoted(halves[0])}: half of an entry, among entries of index and data"
        )
    return found


def _data(value: Any, source: str, name: str) -> Register:
    if isinstance(value, str) and value[:2].lower() == "0b":
        bits = value[2:].replace("_", "")
        if not 1 <= len(bits) <= 64 or set(bits) - {"0", "1"}:
            raise values.refusal(
                source, values.line_of(value), f"{name} = {values.quoted(value)} is not a 64-bit bitmap"
            )
        return Register(int(bits, 2))
    return reg.in_json(value, source, name)


def _member(entry: Any, keys: tuple[str, ...]) -> Any:
    return next((entry[key] for key in keys if key in entry), None) if isinstance(entry, dict) else None


def _mapping(item: dict[str, Any], source: str) -> dict[int, Register]:
    """An object whose keys name registers; {} for any other."""
    found: dict[int, Register] = {}
    for key, value in item.items():
        index = _key(key, source)
        if index is not None and index in reg.READ_MSRS and not isinstance(value, (dict, list)):
            reg.put(found, index, reg.in_json(value, source, rules.msr_name(index)))
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
    width = next((item[key] for key in _WIDTH_KEYS if key in item), None)
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
