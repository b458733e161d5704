"""``memtype alias``: pages that two mappings hold in different types, from a kernel's log."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from memtype import rules
from memtype.analysis.alias import Alias, alias
from memtype.analysis.conflicts import Conflict, conflicts
from memtype.analysis.reserve import CALLERS, Grant, reserve, tracked_entries
from memtype.cli import addresses, input, output
from memtype.errors import InputError
from memtype.machine import Note
from memtype.types import MemoryType

EXAMPLE = "memtype alias --reserve UC- --over WC"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    input.add_input(parser)
    parser.add_argument("--pair", nargs=2, metavar="TYPE", help="judge two effective types instead of a dump")
    parser.add_argument("--vendor", choices=("intel", "amd"), help="whose rules (default: the dump's, else intel)")
    parser.add_argument("--self-snoop", action="store_true", help="the processor has self-snoop (CPUID.1:EDX[27])")
    asking = parser.add_argument_group("what would Linux grant")
    asking.add_argument("--reserve", metavar="TYPE", help="a new mapping of this type: is it granted, and as what?")
    asking.add_argument("--over", nargs="+", metavar="TYPE", help="the types on record there, by start address")
    asking.add_argument("--at", metavar="RANGE", help="where: A-B, A+SIZE; of a pat_memtype_list the entries there")
    asking.add_argument("--by", choices=CALLERS, default="ioremap", help="who asks (default: ioremap)")
    asking.add_argument("--mtrr", metavar="TYPE", help="the MTRR type there (it counts where WB is asked for)")
    asking.add_argument("--ram", action="store_true", help="the range is RAM: --over then is its pages' type")
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.reserve is not None:
        return _reserve(args)
    if args.over or args.at or args.mtrr or args.ram:
        raise InputError("--over, --at, --mtrr and --ram belong to --reserve")
    if args.pair:
        return _pair(args)
    machine = input.read_machine(args.input, args)
    found = conflicts(machine, args.vendor, self_snoop=args.self_snoop)
    said = [note for note in machine.notes if not (isinstance(note, Note) and note.id == "registers")]
    if any(conflict.mtrr is None and conflict.outcome != "granted" for conflict in found):
        said.append("where the MTRR type is not told, the pair is that of the PAT types alone")
    if args.json:
        listed = [_json(conflict) for conflict in found]
        output.print_json("alias", {"source": machine.source, "conflicts": listed, "notes": said})
    else:
        lines = [line for conflict in found for line in _text(conflict)]
        output.say("\n".join(lines or ["no conflicting memory types found"]))
        output.notes(said)
    return 1 if any(conflict.outcome != "granted" for conflict in found) else 0


def _reserve(args: argparse.Namespace) -> int:
    """The answer to --reserve: 0 where Linux grants it, 1 where it refuses or that is not told."""
    if args.pair:
        raise InputError("--reserve and --pair are two questions: ask one")
    at = None if args.at is None else addresses.span(args.at)
    over, mtrr, source = args.over, args.mtrr, None
    if over is None and at is None and args.input is not None:
        raise InputError("--reserve over a dump needs --at RANGE")
    if over is None and at is not None and args.input is not None:
        machine = input.read_machine(args.input, args)
        entries = tracked_entries(machine, *at)
        if entries is None:
            raise InputError(f"{machine.source}: no pat_memtype_list in it; give --over TYPE")
        over, source = [kind for _, _, kind in entries], machine.source
    place = "ram" if args.ram else "device"
    grant = reserve(args.reserve, over or (), by=args.by, mtrr=mtrr, place=place, at=at)
    if args.json:
        output.print_json("alias", {"source": source, "reserve": _grant_json(grant, args, over or ())})
    else:
        output.say("\n".join(_grant_text(grant, args, over or ())))
    return 0 if grant else 1


def _grant_text(grant: Grant, args: argparse.Namespace, over: Sequence[Any]) -> list[str]:
    met = ", then ".join(str(MemoryType.parse(kind)) for kind in over) or ("WB" if args.ram else "nothing")
    lines = [f"{MemoryType.parse(args.reserve)} over {met}, by {args.by}: {grant}"]
    used = dict.fromkeys(rule for one in (grant, *grant.candidates) for rule in one.rules)
    return lines + [f"  {rules.RULES[rule]}" for rule in used]


def _grant_json(grant: Grant, args: argparse.Namespace, over: Sequence[Any]) -> dict[str, Any]:
    used = dict.fromkeys(rule for one in (grant, *grant.candidates) for rule in one.rules)
    return {
        "want": MemoryType.parse(args.reserve),
        "over": [MemoryType.parse(kind) for kind in over],
        "by": args.by,
        "type": grant.type,
        "error": grant.error,
        "candidates": [{"type": one.type, "error": one.error} for one in grant.candidates],
        "why": output.why(rules.RULES[rule] for rule in used),
    }


def _pair(args: argparse.Namespace) -> int:
    a, b = map(MemoryType.parse, args.pair)
    verdict = alias(a, b, args.vendor or "intel", self_snoop=args.self_snoop)
    if args.json:
        output.print_json("alias", {"pair": [a, b], **_verdict(verdict)})
    else:
        output.say(str(verdict))
    return 0 if verdict else 1


def _text(conflict: Conflict) -> list[str]:
    first, second = (_name(kind) for kind in conflict.types)
    lines = [
        f"{addresses.mem(conflict.base, conflict.size)}  {addresses.size_text(conflict.size)}",
        f"  {conflict.users[0]}: {first}; {conflict.users[1]}: {second}",
    ]
    if conflict.outcome == "granted":
        got = conflict.effective[1]
        lines.append(f"  granted as {second}: one type, no alias" + (f"; effective {got}" if conflict.mtrr else ""))
    else:
        if len(conflict.held) > 1:
            lines.append(f"  on record are {', then '.join(map(_name, conflict.held))}")
        if conflict.mtrr is not None:
            pair = f"{conflict.effective[0]} and {conflict.effective[1]}"
            hangs = f" ({'; '.join(conflict.assumed)})" if conflict.assumed else ""
            lines.append(f"  the MTRRs say {conflict.mtrr}{hangs}: effective are {pair}")
        lines += [f"  {conflict.verdict}"] if MemoryType.NOT_TOLD not in conflict.types else []
    if conflict.refused:
        lines.append(f"  refused: {rules.RULES['alias-refused']}")
    if conflict.rule not in (None, "alias-refused"):
        lines.append(f"  {rules.RULES[str(conflict.rule)]}")
    return lines


def _name(kind: MemoryType) -> str:
    return "a type that is not told" if kind is MemoryType.NOT_TOLD else kind.linux_name


def _verdict(verdict: Alias) -> dict[str, Any]:
    return {"verdict": verdict.verdict, "why": output.why([(verdict.rule, verdict.text, verdict.source)])}


def _json(conflict: Conflict) -> dict[str, Any]:
    return {
        **addresses.span_json(conflict.base, conflict.size),
        "users": list(conflict.users),
        "pat": list(conflict.types),
        "mtrr": conflict.mtrr,
        "assumed": list(conflict.assumed),
        "effective": list(conflict.effective),
        "held": list(conflict.held),
        "refused": conflict.refused,
        "outcome": conflict.outcome,
        "lines": list(conflict.lines),
        **_verdict(conflict.verdict),
    }
