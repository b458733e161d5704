"""``memtype check``: what is wrong with a machine's memory types."""

from __future__ import annotations

import argparse
from typing import Any

from memtype.analysis.check import PLATFORMS, REQUIREMENTS, Finding, check
from memtype.cli import addresses, input, output
from memtype.errors import InputError

EXAMPLE = "dmesg | memtype check --mmio 0xfee00000+4K"
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
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    spans = {name: [addresses.span(text) for text in getattr(args, name)] for name in ("mmio", "ram")}
    machine = input.read_machine(args.input, args)
    if args.e820 and not machine.e820:
        raise InputError(f"{machine.source}: no e820 map in it; --ram names RAM by hand")
    report = check(machine, spans["mmio"], spans["ram"], args.require, args.platform)
    wanted = [rule for name, listed in _ONLY.items() if getattr(args, name) for rule in listed]
    findings = [f for f in report if not wanted or f.rule in wanted or (f.rule == "check-mmio" and spans["mmio"])]
    bad = sum(finding.severity != "note" for finding in findings)
    said = [*machine.notes, *_not_checked(machine, args, spans["ram"])]
    if args.json:
        payload = {"source": machine.source, "ok": not bad, "findings": [_json(finding) for finding in findings]}
        output.print_json("check", {**payload, "notes": said})
    else:
        total = f"{bad} finding{'s' * (bad > 1)}" if bad else "nothing wrong found"
        output.say("\n".join([*map(str, findings), total]))
        output.notes(said)
    return 1 if bad else 0


def _not_checked(machine: Any, args: argparse.Namespace, ram: list[Any]) -> list[str]:
    """What the answer leaves open."""
    found = []
    if not machine.e820 and not ram:
        found.append("RAM was not checked: the dump has no e820 map (--ram names RAM by hand)")
    told = machine.registers
    if told is not None and told.untold:
        found += [f"not checked where it decides: {gap.text}" for gap in told.untold]
    if not args.mmio:
        found.append("devices were not checked: --mmio names their ranges")
    return found


def _json(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {"id": finding.rule, "severity": finding.severity, "text": finding.text}
    for key in ("base", "size", "last"):
        value = getattr(finding, key)
        found |= {} if value is None else {key: addresses.hexadecimal(value)}
    return found | {"source": finding.source}
