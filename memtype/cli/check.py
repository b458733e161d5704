"""``memtype check``: what is wrong with a machine's memory types."""

from __future__ import annotations

import argparse
import json
from typing import Any

from memtype.analysis.check import PLATFORMS, REQUIREMENTS, Finding, check
from memtype.analysis.ram import Span, joined, spans_of, totals
from memtype.cli import addresses, input, output, ram
from memtype.cli.findings import FORMATS, as_json, as_junit, as_sarif
from memtype.errors import InputError, ShatteredMapError
from memtype.machine import Machine
from memtype.types import MemoryType

EXAMPLE = "dmesg | memtype check --mmio 0xfee00000+4K"
_LAYOUT_LIMIT = 1 << 24  # bytes of a layout file
_ONLY = {
    "e820": ("check-ram", "check-off", "check-shattered", "check-tdx"),
    "cpus": ("check-cpus", "check-snp"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    input.add_input(parser)
    parser.add_argument("--mmio", metavar="RANGE", action="append", default=[], help="a device range (A-B, A+SIZE)")
    parser.add_argument("--ram", metavar="RANGE", action="append", default=[], help="RAM beside the dump's e820 map")
    parser.add_argument("--e820", action="store_true", help="only: is all RAM of the dump's e820 map WB?")
    parser.add_argument("--cpus", action="store_true", help="only: are all processors alike?")
    parser.add_argument("--require", choices=REQUIREMENTS, help="snp: every processor must hold the same registers")
    parser.add_argument("--platform", choices=PLATFORMS, default="bare", help="tdx: the registers of a TDX guest")
    words = 'a JSON file of what lies where: {"ram": [RANGE, ...], "mmio": [...]}, a RANGE as above or {base, size}'
    parser.add_argument("--layout", metavar="FILE", help=words)
    ram.add_memory(parser, "as --ram, in one word")
    words = "how to print: text, json, sarif (code scanning), junit (test reports)"
    parser.add_argument("--format", choices=FORMATS, default="text", help=words)
    output.add_json(parser, without=["--format"])


def run(args: argparse.Namespace) -> int:
    spans = _spans(args)
    machine = input.read_machine(args.input, args)
    if args.e820 and not machine.e820:
        raise InputError(f"{machine.source}: no e820 map in it; --ram names RAM by hand")
    report = check(machine, spans["mmio"], spans["ram"], args.require, args.platform)
    wanted = [rule for name, listed in _ONLY.items() if getattr(args, name) for rule in listed]
    findings = [f for f in report if not wanted or f.rule in wanted or (f.rule == "check-mmio" and spans["mmio"])]
    bad = sum(finding.severity != "note" for finding in findings)
    said = [*machine.notes, *_not_checked(machine, spans)]
    if args.json or args.format == "json":
        payload = {"source": machine.source, "ok": not bad, "findings": [as_json(finding) for finding in findings]}
        sizes = [{"type": kind, "ram": inside} for kind, inside in ram_types(machine, spans["ram"]).items()]
        output.print_json("check", {**payload, "totals": sizes, "notes": said})
        return 1 if bad else 0
    if args.format == "text":
        output.say("\n".join(_text(findings, machine, spans["ram"])))
    else:
        print((as_sarif if args.format == "sarif" else as_junit)(findings, machine.source))
    output.notes(said)
    return 1 if bad else 0


def _text(findings: list[Finding], machine: Machine, more: list[Span]) -> list[str]:
    bad = sum(finding.severity != "note" for finding in findings)
    uncached = any(finding.rule == "check-ram" for finding in findings)
    types = ram_types(machine, more) if uncached else {}
    sizes = ram.lines({kind: (inside, 0) for kind, inside in types.items()})
    return [*map(str, findings), *sizes, f"{bad} finding{'s' * (bad > 1)}" if bad else "nothing wrong found"]


def _spans(args: argparse.Namespace) -> dict[str, list[Span]]:
    """The ranges of RAM and of devices that the options name."""
    spans = {name: [addresses.span(text) for text in getattr(args, name)] for name in ("mmio", "ram")}
    spans["ram"] += ram.memory(args.memory) or []
    for name, more in (read_layout(args.layout) if args.layout else {}).items():
        spans[name] += more
    return spans


# --- in terms of RAM ------------------------------------------------------------------------------------------------


def ram_types(machine: Machine, more: list[Span]) -> dict[MemoryType, int]:
    """Bytes of RAM of each type; nothing where no RAM is known, or where holey masks shatter the map."""
    held = joined([*spans_of(machine.e820), *more])
    try:
        parts = machine.map.listed() if held else ()
    except ShatteredMapError:
        return {}
    found = totals(((segment.base, segment.size, segment.type) for segment in parts), held)
    return {kind: inside for kind, (inside, _) in found.items() if inside}


# --- layouts --------------------------------------------------------------------------------------------------------


def read_layout(path: str) -> dict[str, list[Span]]:
    """RAM and device ranges of a layout file."""
    try:
        with open(path, "rb") as file:
            held = json.loads(file.read(_LAYOUT_LIMIT))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON: {str(error)[:80]}") from None
    if not isinstance(held, dict) or not all(isinstance(listed, list) for listed in held.values()):
        raise InputError(f'{path}: a layout is {{"ram": [...], "mmio": [...]}}')
    if unknown := sorted(set(held) - {"ram", "mmio"}):
        raise InputError(f"{path}: {unknown[0]!r} is neither ram nor mmio")
    return {
        name: [_layout_span(entry, f"{path}: {name}[{n}]") for n, entry in enumerate(listed)]
        for name, listed in held.items()
    }


def _layout_span(entry: Any, where: str) -> Span:
    try:
        if isinstance(entry, str):
            return addresses.span(entry)
        if isinstance(entry, dict) and {"base", "size"} <= entry.keys():
            return _layout_number(entry["base"]), _layout_number(entry["size"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    raise InputError(f"{where} = {entry!r:.60}: a range is A-B, A+SIZE or {{base, size}}")


def _layout_number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        return addresses.number(value)
    raise InputError(f"{value!r:.60} is no number")


def _not_checked(machine: Machine, spans: dict[str, list[Span]]) -> list[str]:
    """What the answer leaves open."""
    found = []
    if not machine.e820 and not spans["ram"]:
        found.append("RAM was not checked: the dump has no e820 map (--ram names RAM by hand)")
    told = machine.registers
    if told is not None and told.untold:
        found += [f"not checked where it decides: {gap.text}" for gap in told.untold]
    if not spans["mmio"]:
        found.append("devices were not checked: --mmio names their ranges")
    return found
