"""``memtype alias``: pages that two mappings hold in different types, from a kernel's log."""

from __future__ import annotations

import argparse
from typing import Any

from memtype import rules
from memtype.analysis.alias import Alias, alias
from memtype.analysis.conflicts import Conflict, conflicts
from memtype.cli import _common
from memtype.types import MemoryType

HELP = "'conflicting memory types' in a log, overlaps in pat_memtype_list: who, which pair, is it harmful"
EXAMPLE = "dmesg | memtype alias -"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _common.add_input(parser)
    parser.add_argument("--pair", nargs=2, metavar="TYPE", help="judge two effective types instead of a dump")
    parser.add_argument("--vendor", choices=("intel", "amd"), help="whose rules (default: the dump's, else intel)")
    parser.add_argument("--self-snoop", action="store_true", help="the processor has self-snoop (CPUID.1:EDX[27])")
    _common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.pair:
        return _pair(args)
    machine = _common.read_machine(args.input)
    found = conflicts(machine, args.vendor, self_snoop=args.self_snoop)
    said = [note for note in machine.notes if not note.startswith("registers")]
    if any(conflict.mtrr is None for conflict in found):
        said.append("where the MTRR type is not told, the pair is that of the PAT types alone")
    if args.json:
        listed = [_json(conflict) for conflict in found]
        _common.print_json("alias", {"source": machine.source, "conflicts": listed, "notes": said})
    else:
        lines = [line for conflict in found for line in _text(conflict)]
        _common.say("\n".join(lines or ["no conflicting memory types found"]))
        _common.notes(said)
    return 1 if found else 0


def _pair(args: argparse.Namespace) -> int:
    a, b = map(MemoryType.parse, args.pair)
    verdict = alias(a, b, args.vendor or "intel", self_snoop=args.self_snoop)
    if args.json:
        _common.print_json("alias", {"pair": [a, b], **_verdict(verdict)})
    else:
        print(verdict)
    return 0 if verdict else 1


def _text(conflict: Conflict) -> list[str]:
    first, second = (kind.linux_name for kind in conflict.types)
    lines = [
        f"{_common.mem(conflict.base, conflict.size)}  {_common.size_text(conflict.size)}",
        f"  {conflict.users[0]}: {first}; {conflict.users[1]}: {second}",
    ]
    if conflict.mtrr is not None:
        pair = f"{conflict.effective[0]} and {conflict.effective[1]}"
        lines.append(f"  the MTRRs say {conflict.mtrr}: effective are {pair}")
    lines.append(f"  {conflict.verdict}")
    if conflict.refused:
        lines.append(f"  {rules.RULES['alias-refused'].text}  [alias-refused: {rules.RULES['alias-refused'].source}]")
    return lines


def _verdict(verdict: Alias) -> dict[str, Any]:
    return {"verdict": verdict.verdict, "text": verdict.text, "rule": verdict.rule, "source": verdict.source}


def _json(conflict: Conflict) -> dict[str, Any]:
    spans = {"base": conflict.base, "size": conflict.size, "last": conflict.last}
    return {
        **{key: _common.hexadecimal(value) for key, value in spans.items()},
        "users": list(conflict.users),
        "pat": list(conflict.types),
        "mtrr": conflict.mtrr,
        "effective": list(conflict.effective),
        "refused": conflict.refused,
        **_verdict(conflict.verdict),
    }
