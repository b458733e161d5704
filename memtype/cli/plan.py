"""``memtype plan``: the fewest variable ranges for a wanted map, and what is lost with too few."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from memtype import rules
from memtype.analysis import plan_target
from memtype.analysis.diff import Change
from memtype.analysis.plan import Plan, plan
from memtype.analysis.ram import spans_of
from memtype.cli import addresses, input, output
from memtype.cli.pages import source_of
from memtype.emit import FORMS, emit
from memtype.errors import InputError
from memtype.machine import Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.types import MemoryType

EXAMPLE = "memtype plan --vm --ram 4G --emit kvm"
_VCNT = 8  # what every processor with MTRRs has at least; many have 10
_LISTING_USED = ("proc-mtrr", "coreboot")  # formats that leave out the pairs that are not in use
_SOURCES = ("ranges", "registers", "map", "e820")  # what of a dump tells the wanted map, the first that it has


def add_arguments(parser: argparse.ArgumentParser) -> None:
    input.add_input(parser)
    add = parser.add_argument
    add("--from", dest="source", choices=_SOURCES, help="what of the dump is wanted (default: the first that it tells)")
    add("--set", metavar="RANGE=TYPE", action="append", default=[], help="a change: 0xe0000000+256M=WC; in order")
    add("--free", metavar="RANGE", action="append", default=[], help="any type will do there")
    add("--vm", action="store_true", help="a guest's registers, from nothing but its memory: --ram")
    add("--ram", metavar="SIZE", help="of the guest")
    add("--top", metavar="ADDR", help="where the guest's low RAM ends and devices begin (default: 3G)")
    words = "how many variable ranges the processor has (default: the dump's, else 8)"
    add("--registers", "--vcnt", type=int, metavar="N", help=words)
    add("--keep", type=int, default=0, metavar="N", help="variable ranges to leave unused, for the system")
    add("--pin", type=int, action="append", default=[], metavar="N", help="register N stays as it is")
    add("--default", default="best", metavar="TYPE", help="the default type: UC, WB, ..., or best (fewest ranges)")
    add("--no-fixed", action="store_true", help="variable ranges decide the first MiB too")
    add("--steps", action="store_true", help="how all processors must write the registers, in order")
    add("--emit", metavar="FORM", choices=FORMS, help=f"only the registers, for another tool: {', '.join(FORMS)}")
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    said: list[str] = []
    target, current, form = _guest(args, said) if args.vm else _dump(args, said)
    changes = [_change(text) for text in args.set]
    target = plan_target.changed(
        target, [*changes, *((*addresses.span(text), MemoryType.UNDEFINED) for text in args.free)]
    )
    registers = args.registers if args.registers is not None else _pairs(current, form, said)
    default = None if args.default.lower() == "best" else args.default
    made = plan(
        target, registers, default, keep=args.keep, pinned=args.pin, current=current,
        fixed=False if args.no_fixed else None,
    )  # fmt: skip
    if args.emit:
        _print_form(made, args.emit)
        said += [f"lost: {' '.join(map(str, _loss_row(change)))}" for change in made.losses]
    elif args.json:
        output.print_json("plan", {**_json(made, args), "notes": said})
    else:
        output.say("\n".join(_text(made, args)))
    if not args.json:
        output.notes(said)
    return 0 if made else 1


# --- what is wanted -------------------------------------------------------------------------------------------------


def _guest(args: argparse.Namespace, said: list[str]) -> tuple[MemoryMap, MtrrState | None, str]:
    """What is wanted, the present registers, the dump's format."""
    if args.ram is None or args.input is not None or args.source is not None:
        raise InputError("--vm takes --ram SIZE and no dump: memtype plan --vm --ram 4G")
    width = args.maxphyaddr
    if width is None:
        width = rules.DEFAULT_MAXPHYADDR
        said.append(f"MAXPHYADDR {width} is assumed for the guest: --maxphyaddr tells it")
    top = plan_target.VM_LOW_TOP if args.top is None else addresses.number(args.top)
    return plan_target.of_vm(addresses.number(args.ram), top, MtrrState(maxphyaddr=width).maxphyaddr), None, ""


def _dump(args: argparse.Namespace, said: list[str]) -> tuple[MemoryMap, MtrrState | None, str]:
    if args.ram is not None or args.top is not None:
        raise InputError("--ram and --top describe a guest: with --vm")
    machine = input.read_machine(args.input, args, alike=True)
    said += machine.notes
    told = _told(machine)
    source = next((name for name in _SOURCES if told[name]), None) if args.source is None else args.source
    if source is None or not told[source]:
        raise InputError(f"{machine.source}: no {source or 'registers, map or RAM map'} in it to plan for")
    current = machine.mtrrs
    args.no_fixed |= machine.registers is not None and not machine.registers.has_fixed
    width = current.maxphyaddr if current is not None else args.maxphyaddr or machine.maxphyaddr
    if width is None:
        reach = max(((sum(span) - 1).bit_length() for span in spans_of(machine.e820)), default=0)
        width = max(rules.CPUID_ABSENT_MAXPHYADDR, reach)
        width = machine.printed_map.maxphyaddr if machine.printed_map is not None else width
        said.append(f"MAXPHYADDR not told: {width} is assumed; --maxphyaddr tells it")
    target = _target(machine, source, width, said)
    if "fixed" in machine.inferred and source == "registers":
        target = plan_target.changed(target, [(0, rules.FIXED_END, MemoryType.UNDEFINED)])
        said.append("the first MiB is not planned: its fixed ranges are not told; keep them, and DEF_TYPE.FE")
    return target, current, machine.format


def _told(machine: Machine) -> dict[str, bool]:
    return {
        "ranges": bool((machine.facts or {}).get("ranges")),
        "registers": machine.mtrrs is not None,
        "map": machine.printed_map is not None,
        "e820": bool(machine.e820),
    }


def _target(machine: Machine, source: str, width: int, said: list[str]) -> MemoryMap:
    if source == "e820":
        said.append("wanted: WB for RAM, UC for the rest, a PC's first MiB")
        return plan_target.of_ram(machine.e820, width)
    if source == "ranges":
        amd = machine.vendor == "amd"
        if amd:
            said.append("WB above 4 GiB is left to TOP_MEM2, as coreboot leaves it")
        ranges: Any = (machine.facts or {})["ranges"]
        said.append("wanted: the ranges that coreboot planned for")
        return plan_target.of_ranges([tuple(entry) for entry in ranges], width, amd)
    if machine.mtrrs is not None and source == "registers":
        found: MtrrState | MemoryMap = machine.mtrrs.map.listed()
    else:
        found = source_of(machine)
    if source == "map" and machine.printed_map is not None:
        found = machine.printed_map
    assert isinstance(found, MemoryMap)
    for segment in plan_target.holes(found):
        said.append(f"{addresses.mem(segment.base, segment.size)} is undefined: any type will do there")
    return found


def _change(text: str) -> tuple[int, int, MemoryType]:
    where, found, kind = text.rpartition("=")
    if not found:
        raise InputError(f"--set {text}: RANGE=TYPE, as 0xe0000000+256M=WC")
    base, size = addresses.span(where)
    if size == 1:
        raise InputError(f"--set {text}: a range, A-B or A+SIZE")
    return base, size, MemoryType.parse(kind)


def _pairs(current: MtrrState | None, form: str, said: list[str]) -> int:
    """The dump's number of pairs: MTRRCAP tells it, or as many as are listed where all are."""
    if current is not None and current.cap is not None:
        return current.cap & rules.MTRRCAP_VCNT
    listed = 0 if current is None else len(current.variable)
    if listed and form not in _LISTING_USED:
        return listed
    said.append(f"{max(listed, _VCNT)} variable ranges are assumed: --registers tells how many there are")
    return max(listed, _VCNT)


# --- the answer -----------------------------------------------------------------------------------------------------


def _print_form(made: Plan, form: str) -> None:
    given = emit(made.state, form)
    if isinstance(given, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(given)
    else:
        print(given, end="")


def _text(made: Plan, args: argparse.Namespace) -> list[str]:
    found = [_headline(made), f"  {_counts(made)}", ""]
    rows = [
        (
            f"reg{n}",
            addresses.mem(base, size),
            addresses.size_text(size),
            kind,
            _raw(made, n),
            _marks(made, n, args.pin),
        )
        for n, base, size, kind in made.ranges
    ]  # fmt: skip
    found += output.columns(rows).splitlines() if rows else ["no variable range is needed"]
    found += [f"IA32_MTRR_DEF_TYPE = 0x{made.state.def_type:x}", *_fixed_lines(made)]
    if made.losses:
        found += ["", "lost:", *output.columns([_loss_row(change) for change in made.losses], "  ").splitlines()]
    if args.steps:
        found += ["", "steps:", *(f"  {number}. {step}" for number, step in enumerate(made.steps, 1))]
        found += [] if made.steps else ["  none: the registers hold this already"]
    return found


def _fixed_lines(made: Plan) -> list[str]:
    """The fixed ranges, where they decide: of a dump's those that change."""
    if not made.state.def_type & rules.DEF_TYPE_FE:
        return []
    held = made.current.msrs() if made.current is not None else {}
    values = {index: made.state.msrs()[index] for index in rules.FIXED_MSRS}
    return [
        f"{rules.msr_name(index)} = {addresses.hexadecimal(value, 16)}{'  new' if held else ''}"
        for index, value in values.items()
        if held.get(index) != value
    ]


def _headline(made: Plan) -> str:
    have = f"{made.used} of {len(made.state.variable)} variable ranges, default {made.default}"
    if made.lost:
        needs = "cannot be had beside the pinned registers" if made.needed is None else f"needs {made.needed}"
        return f"{have}: {addresses.size_text(made.lost)} lost (the whole map {needs})"
    return f"{have}: the fewest that can be" if made.proven_minimal else have


def _counts(made: Plan) -> str:
    counts = ", ".join(f"{kind} {'-' if count is None else count}" for kind, count in made.by_default.items())
    return f"needed by default type: {counts}"


def _raw(made: Plan, number: int) -> str:
    base, mask = made.state.variable[number]
    return f"{addresses.hexadecimal(base)}/{addresses.hexadecimal(mask)}"


def _marks(made: Plan, number: int, pinned: list[int]) -> str:
    if made.current is None:
        return ""
    return "pinned" if number in pinned else "as it is" if number in made.unchanged else "new"


def _loss_row(change: Change) -> tuple[Any, ...]:
    return addresses.mem(change.base, change.size), addresses.size_text(change.size), f"{change.old} -> {change.new}"


def _json(made: Plan, args: argparse.Namespace) -> dict[str, Any]:
    return {
        "used": made.used,
        "registers": len(made.state.variable),
        "proven_minimal": made.proven_minimal,
        "needed": made.needed,
        "default": made.default,
        "by_default": {str(kind): count for kind, count in made.by_default.items()},
        "ranges": [
            {"reg": n, **_span(base, size), "type": kind, "pinned": n in args.pin, "unchanged": n in made.unchanged}
            for n, base, size, kind in made.ranges
        ],
        "msrs": {addresses.hexadecimal(i): addresses.hexadecimal(v, 16) for i, v in made.state.msrs().items()},
        "lost": made.lost,
        "losses": [{**_span(c.base, c.size), "from": c.old, "to": c.new} for c in made.losses],
        "writes": [[addresses.hexadecimal(i), addresses.hexadecimal(v, 16)] for i, v in made.writes],
        "steps": list(made.steps),
    }


def _span(base: int, size: int) -> dict[str, str]:
    values = {"base": base, "size": size, "last": base + size - 1}
    return {name: addresses.hexadecimal(value) for name, value in values.items()}
