"""QEMU's migration stream itself (``migrate file:…``, ``savevm`` images of the state), also gzipped.

    "QEVM" 00000003                          magic, version of the stream
    04 00000003 03 "cpu" 00000000 0000000c   a section: number, name, instance, version
    0007040600070406 0000000000000c06        its fields, as the description lists them: PAT, default type
    7e 00000003                              its footer: the number again
    00                                       end of the stream; behind it the description, with its length
    06 000000b8
    '{"devices": [{"name": "cpu", "instance_id": 0, "version": 12, "fields": ['
    '{"name": "env.pat", "type": "uint64", "size": 8}, {"name": "env.mtrr_deftype", "type": "uint64", "size": 8}]}]}'

Numbers are big endian. The ``cpu`` sections are found by their header, walked by the description, and proven by the
footer behind them.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from memtype import rules
from memtype.errors import ParseError
from memtype.formats.kvm_msrs import guest
from memtype.machine import Machine
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.patterns import later
from memtype.told import Register

NAME = "qemu-migration"

MAX_UNPACKED = 256 << 20  # bytes of a gzipped stream that are unpacked
MAX_TRIES = 16  # places that look like the description
MAX_FIELDS = 1 << 20  # array elements walked per section

_MAGIC = b"QEVM"
_GZIP = b"\x1f\x8b"
_PAIR = later(r"env\.mtrr_var\[(?P<n>\d{1,9})\]\.(?P<half>base|mask)")
_COUNTS = {"array_len": 1, "size": 0, "index": 0}  # of a field, where the description leaves them out
_FULL, _SUBSECTION, _DESCRIPTION, _FOOTER = 4, 5, 6, 0x7E  # section types of the stream


def sniff(text: str) -> bool:
    return False  # binary only


def parse(text: str, source: str = "<text>") -> Machine:
    raise ParseError(f"{source}: a migration stream is binary, not text")


def sniff_bytes(head: bytes) -> bool:
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(31).decompress(head, len(_MAGIC))
        except zlib.error:
            return False
    return head.startswith(_MAGIC)


def parse_bytes(data: bytes, source: str = "<bytes>") -> Machine:
    """One processor per ``cpu`` section. MAXPHYADDR is not in the stream, and QEMU may have filled the masks."""
    stream = _unpacked(data, source)
    if not stream.startswith(_MAGIC):
        raise ParseError(f"{source}: no QEMU migration stream (it begins with {_MAGIC.decode()})")
    registers: dict[int, dict[int, Register]] = {}
    for device in _devices(stream, source):
        if device.get("name") == "cpu":
            number = values.integer(device.get("instance_id"), source, "instance_id", 16)
            held = _Section(stream, source, device).registers()
            registers[number] = {index: Register(value) for index, value in held.items()}
    if not registers:
        raise ParseError(f"{source}: the stream holds no x86 cpu section")
    return reg.machine_of(registers, NAME, source, listing=guest(registers))


def _unpacked(data: bytes, source: str) -> bytes:
    if not data.startswith(_GZIP):
        return data
    unpacker = zlib.decompressobj(31)
    try:
        stream = unpacker.decompress(data, MAX_UNPACKED + 1)
    except zlib.error as error:
        raise ParseError(f"{source}: broken gzip data: {error}") from None
    if len(stream) > MAX_UNPACKED:
        raise ParseError(f"{source}: unpacks to more than {MAX_UNPACKED >> 20} MiB")
    if not unpacker.eof:
        raise ParseError(f"{source}: truncated gzip data")
    return stream


def _devices(stream: bytes, source: str) -> list[dict[str, Any]]:
    """The devices of the description at the stream's end: type byte, big-endian length, JSON."""
    at, tries = len(stream), MAX_TRIES
    while tries and (at := stream.rfind(bytes([_DESCRIPTION]), 0, at)) >= 0:
        length = int.from_bytes(stream[at + 1 : at + 5], "big")  # of fewer bytes: too long in any case
        if length < 2 or at + 5 + length > len(stream) or stream[at + 5] != ord("{"):
            continue
        tries -= 1
        try:
            devices = json.loads(stream[at + 5 : at + 5 + length])["devices"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(devices, list) and all(isinstance(device, dict) for device in devices):
            return devices
    raise ParseError(f"{source}: no device description at its end: cut off, or made with suppress-vmdesc")


class _Section:
    """A walk through one ``cpu`` section: where it is, how many steps are left, what it found."""

    at: int
    left: int
    found: dict[int, int]

    def __init__(self, stream: bytes, source: str, device: dict[str, Any]) -> None:
        self.stream = stream
        self.source = source
        self.device = device

    def registers(self) -> dict[int, int]:
        for start in self._starts():
            self.at, self.left, self.found = start, MAX_FIELDS, {}
            try:
                self._struct(self.device)
            except _Astray:
                continue
            section_id = self._start_id
            if self.stream[self.at : self.at + 5] == bytes([_FOOTER]) + section_id:
                return self.found
        instance = self.device.get("instance_id")
        raise ParseError(f"{self.source}: cpu section {instance} does not match the stream's description")

    def _starts(self) -> Iterator[int]:
        """Where the fields may begin: behind type, section id, name, instance and version."""
        version = values.integer(self.device.get("version"), self.source, "version", 32)
        instance = values.integer(self.device.get("instance_id"), self.source, "instance_id", 32)
        head = b"\x03cpu" + struct.pack(">II", instance, version)
        for found in re.finditer(bytes([_FULL]) + b"(?=(.{4})" + re.escape(head) + b")", self.stream, re.DOTALL):
            self._start_id = found[1]
            yield found.end(1) + len(head)

    def _struct(self, description: Any, prefix: str = "") -> None:
        fields = description.get("fields", []) if isinstance(description, dict) else None
        subsections = description.get("subsections", []) if isinstance(description, dict) else None
        if not isinstance(fields, list) or not isinstance(subsections, list) or prefix.count(".") > 16:
            raise _Astray
        for field in fields:
            self._field(field, prefix)
        for subsection in subsections:
            self._subsection(subsection, prefix)

    def _field(self, field: Any, prefix: str) -> None:
        if not isinstance(field, dict):
            raise _Astray
        name = field.get("name")
        count, size, first = (_count(field.get(key, other)) for key, other in _COUNTS.items())
        if not isinstance(name, str):
            raise _Astray
        if "struct" not in field:
            self._values(prefix + name, count, size, first)
            return
        for n in range(first, first + count):
            self._spend()
            self._struct(field["struct"], f"{prefix}{name}[{n}].")

    def _values(self, name: str, count: int, size: int, first: int) -> None:
        if self.at + count * size > len(self.stream):
            raise _Astray
        if size == 8 and name.startswith("env."):
            for n in range(count):
                self._spend()
                index = _msr(name, n + first)
                if index is not None:
                    self.found[index] = int.from_bytes(self.stream[self.at + 8 * n : self.at + 8 * n + 8], "big")
        self.at += count * size

    def _subsection(self, subsection: Any, prefix: str) -> None:
        """Type byte, length and name, version, fields."""
        name = subsection.get("vmsd_name") if isinstance(subsection, dict) else None
        if not isinstance(name, str):
            raise _Astray
        head = bytes([_SUBSECTION, len(name.encode()) & 0xFF]) + name.encode()
        if self.stream[self.at : self.at + len(head)] != head:
            raise _Astray
        self.at += len(head) + 4
        self._spend()
        self._struct(subsection, f"{prefix}{name}.")

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _Astray


class _Astray(Exception):
    """The walk does not fit the stream: not this place."""


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Astray
    return value


def _msr(name: str, element: int) -> int | None:
    """The register that a field holds, as in ``env.mtrr_var[3].mask``."""
    if name == "env.mtrr_deftype":
        return rules.DEF_TYPE_MSR
    if name == "env.pat":
        return rules.PAT_MSR
    if name == "env.mtrr_fixed":
        return rules.FIXED_MSRS[element] if element < len(rules.FIXED_MSRS) else None
    pair = _PAIR.fullmatch(name)
    if pair is None or int(pair["n"]) >= rules.NUMBERED_PAIRS:
        return None
    return rules.PHYSBASE0 + 2 * int(pair["n"]) + (pair["half"] == "mask")
