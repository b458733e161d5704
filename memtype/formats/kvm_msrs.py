"""``struct kvm_msrs`` as KVM_GET_MSRS fills it: its bytes, a hex dump of them, or its entries as text.

    00000000: 0200 0000 0000 0000 ff02 0000 0000 0000  ................
    00000010: 060c 0000 0000 0000 7702 0000 0000 0000  ........w.......
    00000020: 0604 0700 0604 0700                      ........

Header: u32 nmsrs, u32 pad; entry: u32 index, u32 reserved, u64 data; little endian. Programs that show it, such as
``xxd``, print the bytes. Entries as text are C initializers (``{ .index = 0x2ff, .data = 0xc06 }``), Rust's debug
form and what tracers print.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping

from memtype import rules
from memtype.errors import ParseError
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.bytes import HEAD
from memtype.reading.headings import processor_named
from memtype.reading.names import msr_index, word_behind
from memtype.reading.patterns import later
from memtype.reading.tellings import tells
from memtype.told import Register

NAME = "kvm-msrs"

HEADER = struct.Struct("<II")
ENTRY = struct.Struct("<IIQ")
MAX_ENTRIES = 4096  # KVM takes no more in one call

_NUMBER = r"(?:0x[0-9a-zA-Z_]{1,80}|\d\w{0,80})"
_GAP = r"\s{0,40}"
_INDEX = rf"\bindex{_GAP}[=:]?{_GAP}(?P<index>{_NUMBER}){_GAP},?{_GAP}"
_RESERVED = rf"(?:\.?\breserved{_GAP}[=:]?{_GAP}\w{{1,20}}{_GAP},?{_GAP})?"
_TEXT = later(rf"{_INDEX}{_RESERVED}\.?\bdata{_GAP}[=:]?{_GAP}(?P<data>{_NUMBER})(?![^\s,;}})\]])")
TELLS = tells(
    NAME, "index", "0000000", by_cpu=True,
    pattern=r"\bindex ?[=:]? ?(?P<list>0x[0-9a-f]+|\d+),? ?(?:\.?reserved ?[=:]? ?\w+,? ?)?\.?data\b"
            r"|^(?P<head>0{8}):? [0-9a-f]{2}",
)  # fmt: skip
_TOKEN = later(
    rf"{_TEXT.pattern}|\bindex{_GAP}[=:]?{_GAP}(?P<alone>{_NUMBER}){_GAP}(?:[,}}]|\.?data\b)"
    r"|\bvcpu\s{0,9}#?(?P<vcpu>\d{1,40})",
    re.I,
)
_CLOSED = later(r"\s*,?\s*[})\]]")
_HEX_LINE = later(
    r"\s*(?:(?P<offset>[0-9a-f]{8}):?\s+)?(?P<bytes>[0-9a-f]{2}(?:\s?[0-9a-f]{2})*)\s*(?:\s\s\S.*|\|.*\|)?$", re.I
)


def sniff(text: str) -> bool:
    start = text[:64].lstrip()[:1]
    if start in ("{", "[") and '"' in text[:512]:
        return False  # JSON
    if "index" in text and any(_known(match["index"]) for match in _TEXT.finditer(text)):
        return True
    data = _hex(text.split("\n", HEAD)[:HEAD], HEAD)
    return data is not None and sniff_bytes(data)


def sniff_bytes(head: bytes) -> bool:
    """A plausible header, and entries whose reserved words are 0, an MTRR or the PAT among them."""
    if len(head) < HEADER.size + ENTRY.size:
        return False
    count, pad = HEADER.unpack_from(head)
    if pad or not 1 <= count <= MAX_ENTRIES:
        return False
    held = min(count, (len(head) - HEADER.size) // ENTRY.size)
    entries = [ENTRY.unpack_from(head, HEADER.size + n * ENTRY.size) for n in range(held)]
    return not any(reserved for _, reserved, _ in entries) and any(index in reg.KNOWN_MSRS for index, _, _ in entries)


def parse(text: str, source: str = "<text>") -> Machine:
    """Entries as text, else a hex dump of the structure."""
    if _TEXT.search(text):
        return _entries(text, source)
    data = _hex(text.split("\n"), len(text))
    if data is None:
        raise ParseError(f"{source}: neither KVM MSR entries nor a hex dump of struct kvm_msrs")
    return parse_bytes(data, source)


def parse_bytes(data: bytes, source: str = "<bytes>") -> Machine:
    """One structure per processor, one behind the other. What a list leaves out is 0 in a machine made from it."""
    registers: dict[int, dict[int, Register]] = {}
    at = 0
    while at < len(data):
        if len(data) - at < HEADER.size:
            raise ParseError(f"{source}: {len(data) - at} bytes behind the last entry, at offset {at}")
        count, pad = HEADER.unpack_from(data, at)
        if pad or not 1 <= count <= MAX_ENTRIES:
            what = f"nmsrs {count} (limit {MAX_ENTRIES}), pad {pad}"
            raise ParseError(f"{source}: no struct kvm_msrs at offset {at}: {what}")
        end = at + HEADER.size + count * ENTRY.size
        if end > len(data):
            raise ParseError(f"{source}: {count} entries need {end - at} bytes, {len(data) - at} are there: cut off")
        msrs = registers.setdefault(len(registers), {})
        for place in range(at + HEADER.size, end, ENTRY.size):
            index, reserved, value = ENTRY.unpack_from(data, place)
            if reserved:
                raise ParseError(f"{source}: the entry at offset {place} has reserved = 0x{reserved:x}, not 0")
            if index in reg.READ_MSRS:
                reg.put(msrs, index, Register(value))
        at = end
    listing = guest(registers)
    listing.restored = True
    return reg.machine_of(registers, NAME, source, listing=listing)


def _hex(lines: Iterable[str], most: int) -> bytes | None:
    """The bytes of hex dumps (plain, xxd, hexdump -C), each from offset 0; None where a line is none of its place.

    Lines behind the first `most` bytes are not looked at.
    """
    found, begin = bytearray(), 0
    for line in lines:
        row = line.strip()
        if not row or row.startswith(("#", "//")) or processor_named(row):
            continue  # the structures come in the processors' order
        if found and re.fullmatch(r"[0-9a-f]{8}", row, re.I) and int(row, 16) == len(found) - begin:
            continue  # the last line of hexdump -C: the length
        match = _HEX_LINE.match(line.rstrip())
        if not match:
            return None
        row_bytes, offset = bytes.fromhex(re.sub(r"\s", "", match["bytes"])), match["offset"]
        if offset and int(offset, 16) == 0:
            begin = len(found)  # the next dump
        elif offset and int(offset, 16) != len(found) - begin:
            return None  # a row is lost, doubled or at another's place
        found += row_bytes
        if len(found) >= most:
            break
    return bytes(found) or None


def _known(text: str) -> bool:
    try:
        return values.number(text, "", 0, "", 32, base=10) in reg.KNOWN_MSRS
    except ParseError:
        return False


def _entries(text: str, source: str) -> Machine:
    """Entries as text; a remark tells what they cannot hold, a line ``vcpu N`` the processor."""
    remark = reg.read_remark(text, source)
    registers: dict[int, dict[int, Register]] = {}
    cpu, named, line, at = 0, False, 1, 0
    braced = "{" in text or "}" in text  # then no entry ends with its value
    for match in _TOKEN.finditer(text):
        line, at = line + text.count("\n", at, match.start()), match.start()
        if match["vcpu"]:
            cpu, named = values.cpu_number(match["vcpu"], source, line), True
            continue
        index = values.number(match["index"] or match["alone"], source, line, "MSR index", 32, base=10)
        if index not in reg.READ_MSRS:
            continue
        name = rules.msr_name(index)
        if match["alone"]:
            raise values.refusal(source, line, f"{name} (0x{index:x}) has no data")
        if (match.end() == len(text) and remark.counts) or (braced and not _CLOSED.match(text, match.end())):
            continue  # the text, or this entry, breaks off in its value
        word = word_behind(text, match.end())
        if word is not None and msr_index(word) not in (None, index):
            raise values.refusal(source, line, f"the comment says {word}, the entry 0x{index:x}")
        mine = registers.setdefault(cpu, {})
        if not named and len(mine) > 1 and index == next(iter(mine)):  # the next processor's list begins
            cpu += 1
        reg.put(registers.setdefault(cpu, {}), index, reg.told(match["data"], source, line, index, base=10))
    registers = {number: msrs for number, msrs in registers.items() if msrs}
    return reg.machine_of(
        reg.with_cap(registers, remark), NAME, source, (), remark.width, remark.vendor, guest(registers, remark)
    )


def guest(registers: Mapping[int, reg.Held], remark: reg.Remark | None = None) -> reg.Listing:
    """The list of a KVM guest: it has eight pairs and no TOP_MEM2. What a list leaves out is not told."""
    listing = reg.listed(registers, remark or reg.Remark())
    pairs = set(range(rules.PHYSBASE0, rules.PHYSBASE0 + 2 * reg.KVM_PAIRS))
    listing.whole |= all(msrs.keys() >= pairs for msrs in registers.values())
    listing.absent |= reg.TOM2_MSRS
    return listing
