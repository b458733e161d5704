"""``memtype kvm``: the leaf and the effective type of guest memory, release by release; what two releases differ in."""

from __future__ import annotations

import argparse
import re
from typing import Any

from memtype import rules
from memtype.cli import addresses, guest, hypervisor, kvm_diff, nested_guest, output
from memtype.cli.fitting import Fitting, assumed_words
from memtype.cli.leaf_segments import Given, LeafSegment, segment_json, segments
from memtype.errors import InputError
from memtype.kvm import KVM_RULES, Vm, is_mmio
from memtype.kvm.history import OVERLAYS, QUIRK_BITS, Fixed
from memtype.kvm.matrix import COLUMNS, knobs, matrix
from memtype.kvm.releases import NEWEST, PROFILES
from memtype.kvm.vm import MAX_LEVEL
from memtype.machine import Machine
from memtype.types import MemoryType

EXAMPLE = "memtype kvm --kernel 6.12.77 --mtrr wb --at 0xa0000 --pat uc --host uc"
_LEVELS = {1: "4 KiB", 2: "2 MiB", 3: "1 GiB"}


_HOST_PAGE = {
    "no-struct-page": {"pfn_valid": False},
    "reserved": {"reserved": True},
    "zero": {"zero_page": True},
    "e820-ram": {"e820_ram": True},
    "no-pat": {"host_pat_enabled": False},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "a dump of the guest's registers; or 'matrix'; or 'diff A B' and a dump"
    parser.add_argument("words", nargs="*", metavar="STATE", help=words)
    parser.add_argument("--kernel", metavar="RELEASE", help="6.4, 'ubuntu 6.8.0-140', kvm-6.7; default: every profile")
    parser.add_argument("--from", dest="old", metavar="RELEASE", help="diff: the first release")
    parser.add_argument("--to", dest="new", metavar="RELEASE", help="diff: the second release")
    parser.add_argument("--at", metavar="ADDR", help="a guest-physical address, A-B or A+SIZE; default: all")
    parser.add_argument("--pat", metavar="TYPE", help="the type that the guest's page-table entry selects; default: WB")
    parser.add_argument("--mmio", action="store_true", help="the host's page is MMIO, as a passed-through BAR is")
    words = f"instead of --mmio, what the host knows of it: {', '.join(_HOST_PAGE)} (with commas)"
    parser.add_argument("--host-page", metavar="WORDS", help=words)
    parser.add_argument("--wbinvd", action="store_true", help="does the host execute the guest's WBINVD?")
    parser.add_argument("--host", metavar="TYPE", help="the type of the host's own mapping: is the page aliased?")
    parser.add_argument("--host-mtrr", metavar="TYPE", default="WB", help="the host's MTRR type of it; default: WB")
    parser.add_argument("--long", action="store_true", help="matrix: every knob, its values, since when, which commit")
    parser.add_argument("--level", action="store_true", help="the largest level that may map it, and why")
    parser.add_argument("--private", action="store_true", help="a TDX guest's private page (default: a shared one)")
    hypervisor.add_arguments(parser)
    nested_guest.add_arguments(parser)
    guest.add_vm(parser)
    output.add_json(parser, without=["--long"])


def run(args: argparse.Namespace) -> int:
    if args.words[:1] == ["matrix"]:
        return _matrix(args)
    if args.words[:1] == ["diff"] or args.old or args.new:
        return kvm_diff.answer(args)
    if len(args.words) > 1:
        raise InputError(f"{len(args.words)} dumps: give one (or 'matrix', or 'diff A B')")
    machine = guest.guest_machine(args, args.words[0] if args.words else None)
    if args.hypervisor:
        return hypervisor.run(args, machine)
    if args.nested:
        return nested_guest.run(args, machine)
    args.guest_pat, args.host_pat = args.gpat or args.guest_pat, args.hpat or args.host_pat
    if "," in (args.tdp or ""):
        return _beside(args, machine)
    if args.kernel is None and (args.wbinvd or args.host_page):
        args.kernel = NEWEST
    if args.kernel is None:
        return _every_profile(args, machine)
    fitting = Fitting(args, args.kernel, machine)
    if args.wbinvd:
        return _wbinvd(fitting.first, args)
    if args.host_page is not None:
        args.mmio = _is_mmio(args)
    found, more = segments(fitting, args)
    if args.json:
        output.print_json("kvm", _map_json(fitting, found, more, args))
    else:
        output.say(_text(fitting, found, more, args))
    output.notes(guest.notes(machine, args.mtrr is not None, fitting.first))
    return 1 if any(s.conflict for s in found) else 0


def _wbinvd(vm: Vm, args: argparse.Namespace) -> int:
    found = vm.wbinvd()
    if args.json:
        why = output.why([KVM_RULES[found.rule]])
        output.print_json("kvm", {**guest.setting_json(vm), "wbinvd": found.executed, "why": why})
        return 0
    executed = "executed on the host" if found.executed else "not executed"
    answer = [f"WBINVD of the guest: {executed}", *guest.wrapped(guest.rule_text(found.rule), "  ")]
    output.say(
        "\n".join([f"{vm.profile}, {guest.setting(vm)}", *answer, *(guest.sources([found.rule]) if args.why else [])])
    )
    return 0


def _is_mmio(args: argparse.Namespace) -> bool:
    """Whether that release takes the host's page for MMIO (kvm_is_mmio_pfn())."""
    known: dict[str, bool] = {"pfn_valid": True}
    for word in args.host_page.split(","):
        if word not in _HOST_PAGE:
            raise InputError(f"--host-page {args.host_page:.60}: of {', '.join(_HOST_PAGE)}")
        known |= _HOST_PAGE[word]
    return is_mmio(args.kernel, host_pat=args.host or "WB", **known)


def _beside(args: argparse.Namespace, machine: Machine | None) -> int:
    """Several paging modes under one release, one below the other."""
    asked = [argparse.Namespace(**vars(args) | {"tdp": mode}) for mode in args.tdp.split(",")]
    made = [(one, Fitting(one, args.kernel or NEWEST, machine)) for one in asked]
    found = [(one, fitting, *segments(fitting, one)) for one, fitting in made]
    if args.json:
        output.print_json("kvm", {"modes": [_map_json(fitting, part, more, one) for one, fitting, part, more in found]})
    else:
        output.say("\n\n".join(_text(fitting, part, more, one) for one, fitting, part, more in found))
    extra = [] if args.kernel else [f"no --kernel given: the newest release read, {NEWEST}"]
    output.notes(
        [*extra, *dict.fromkeys(note for _, one in made for note in guest.notes(machine, bool(args.mtrr), one.first))]
    )
    return 1 if any(s.conflict for _, _, part, _ in found for s in part) else 0


# --- one release ------------------------------------------------------------------------------------------------


def _text(fitting: Fitting, found: list[LeafSegment], more: int, args: argparse.Namespace) -> str:
    vm, selected = fitting.first, MemoryType.parse(args.pat or "WB")
    lines = [f"{vm.profile}, {guest.setting(vm)}", f"page-table entry selects {selected}; leaf -> effective type:"]
    for s in found:
        lines.append(f"{addresses.mem(s.base, s.size)}  {s.text(vm)}")
        if s.given is not None:
            lines += _beside_leaf(s.given, args)
        lines += [f"  {_level_text(fitting, s.base)}"] if args.level else []
    lines += [f"and {more} more segments: masks with holes; ask for a part with --at"] if more else []
    decided = list(dict.fromkeys(leaf.rule for s in found for leaf in s.leaves))
    lines += [line for rule in decided for line in guest.wrapped(guest.rule_text(rule), "  ")]
    return "\n".join(lines + (guest.sources(decided) if args.why else []))


def _beside_leaf(given: Given, args: argparse.Namespace) -> list[str]:
    """What else is to be said of a segment: vCPUs that differ, the manual's type, an alias."""
    differ = len(set(zip(given.leaves, given.effective, strict=True))) > 1
    lines = ["  the vCPU that faults first decides"] if differ else []
    lines += guest.deviation_lines(given.deviations)
    if given.conflict:
        host = MemoryType.parse(args.host)
        lines.append(f"  alias: the host maps it {host}; conflicting types, machine checks are possible")
    return lines


def _level(vm: Vm, gpa: int, numbers: list[int]) -> int:
    """The largest level that every vCPU may map the page at."""
    able = [n for n in numbers if gpa < 1 << vm.vcpus[n].maxphyaddr]
    return min(vm.max_level(gpa >> rules.PAGE_SHIFT, n) for n in able)


def _level_text(fitting: Fitting, gpa: int) -> str:
    """``0x80000000 is mapped by 2 MiB at most: the guest's MTRR types differ within the 1 GiB around it``"""
    asked = fitting.ask(lambda vm: _level(vm, gpa, fitting.numbers))
    if not asked.agreed:
        names = " or ".join(_LEVELS[level] for level in sorted(asked.answers))
        return f"0x{gpa:x} is mapped by ? ({names}) at most: {'; '.join(asked.missing)}"
    level, assumed = asked.answer, assumed_words(asked.assumed)
    at_most = f"0x{gpa:x} is mapped by {_LEVELS[level]} at most"
    if not fitting.first.limits_level:
        return f"{at_most}: guest MTRRs limit no mapping of this release"
    if level == MAX_LEVEL:
        return f"{at_most}: the guest's MTRR types are alike in all of it{assumed}"
    return f"{at_most}: the guest's MTRR types differ within the {_LEVELS[level + 1]} around it{assumed}"


def _map_json(fitting: Fitting, found: list[LeafSegment], more: int, args: argparse.Namespace) -> dict[str, Any]:
    rows = [segment_json(fitting, s, bool(args.host)) | _level_json(fitting, s.base, args) for s in found]
    return {**guest.setting_json(fitting.first), "map": rows, **_more_json(more)}


def _level_json(fitting: Fitting, gpa: int, args: argparse.Namespace) -> dict[str, Any]:
    if not args.level:
        return {}
    asked = fitting.ask(lambda vm: _level(vm, gpa, fitting.numbers))
    return {"level": asked.answer if asked.agreed else None, "limited": fitting.first.limits_level}


def _more_json(more: int) -> dict[str, int]:
    return {"more": more} if more else {}


# --- every profile ----------------------------------------------------------------------------------------------


def _every_profile(args: argparse.Namespace, machine: Machine | None) -> int:
    """One line per profile; profiles that such a VM does not exist under are left out, and named."""
    rows: list[tuple[Any, ...]] = [("release", "leaf", "effective", "rule")]
    payload, left_out, conflicts = [], {}, 0
    for name, known in PROFILES.items():
        try:
            fitting = Fitting(args, name, machine)
        except InputError as error:
            left_out[known.span] = str(error)
            continue
        vm, (found, more) = fitting.first, segments(fitting, args)
        conflicts += any(s.conflict for s in found)
        rows.append((known.span, *_profile_cells(vm, found)))
        payload.append({**_map_json(fitting, found, more, args), "releases": known.span})
    if not payload:
        same = len(set(left_out.values())) == 1  # then it is not about any release
        raise InputError(left_out[known.span] if same else f"{known.span}: {left_out[known.span]}")
    if args.json:
        output.print_json("kvm", {"profiles": payload})
    else:
        output.say(output.columns(rows))
    given = [] if machine is not None or args.mtrr is not None else ["no dump given: the MTRRs are as KVM creates them"]
    output.notes([*(f"{span}: {reason}" for span, reason in left_out.items()), *given])
    return 1 if conflicts else 0


def _profile_cells(vm: Vm, found: list[LeafSegment]) -> tuple[str, str, str]:
    """Leaves, effective types and rules of one profile; what they hang on stands behind them."""
    leaves = dict.fromkeys(guest.leaf_text(vm, leaf.bits) for s in found for leaf in s.leaves)
    kinds = dict.fromkeys(str(kind) for s in found for kind in s.effective)
    decided = dict.fromkeys(leaf.rule for s in found for leaf in s.leaves)
    missing = dict.fromkeys(text for s in found for text in s.asked.missing)
    assumed = dict.fromkeys(a for s in found for a in s.asked.assumed)
    open_ = [f"?: {'; '.join(missing)}"] if missing else []
    return " | ".join(leaves) or "?", " | ".join(kinds), ", ".join([*decided, *open_]) + assumed_words(tuple(assumed))


# --- matrix -----------------------------------------------------------------------------------------------------


def _matrix(args: argparse.Namespace) -> int:
    if len(args.words) > 1:
        raise InputError("kvm matrix takes no dump: it does not depend on the guest")
    if args.long:
        return _long(args)
    rows = matrix()
    if args.json:
        output.print_json("kvm", {"matrix": [_row_json(row) for row in rows], "backports": _backports()})
        return 0
    table: list[tuple[Any, ...]] = [("", "Intel, EPT", "", "AMD, NPT", "Intel, shadow", "AMD, shadow"),
                                    ("release", "coherent", "non-coherent", "", "", "")]  # fmt: skip
    for row in rows:
        by = dict(zip(COLUMNS, row.cells, strict=True))
        nested = [_either(by[vendor, tdp, False], by[vendor, tdp, True])
                  for vendor, tdp in (("amd", "npt"), ("intel", "none"), ("amd", "none"))]  # fmt: skip
        table.append((row, by["intel", "ept", False], by["intel", "ept", True], *nested))
    output.say(output.columns(table))
    output.say("what of the guest's own settings takes effect; * once the quirk about it is disabled")
    for line in _backports():
        output.say(line)
    return 0


def _long(args: argparse.Namespace) -> int:
    """Every knob with its values, since when, and by which commit: what a maintainer reviews."""
    rows = knobs()
    if args.json:
        listed = [{"knob": row.knob, "value": _value(row.value), "since": row.since, "commit": row.commit,
                   "subject": row.subject} for row in rows]  # fmt: skip
        output.print_json("kvm", {"knobs": listed})
        return 0
    table = [
        ("knob", "value", "since", "commit"),
        *((row.knob, _value(row.value), row.since, _commit(row.commit)) for row in rows),
    ]
    output.say("quirks: " + ", ".join(f"{name} 0x{bit:x}" for name, bit in QUIRK_BITS.items()))
    output.say(output.columns(table))
    return 0


def _commit(known: str) -> str:
    """The commit; where none is known, the release whose source shows it."""
    return f"seen in {known}" if re.fullmatch(r"\d+(\.\d+)+", known) else known


def _value(value: Any) -> str:
    if isinstance(value, Fixed):
        return f"{value.type} IPAT={int(value.ipat)}"
    if isinstance(value, frozenset):
        return f"0x{sum(QUIRK_BITS[name] for name in value):x}"
    return {True: "yes", False: "no", None: "-"}.get(value, str(value))


def _either(coherent: Any, noncoherent: Any) -> str:
    return str(coherent) if coherent == noncoherent else f"{coherent} / {noncoherent}"


def _backports() -> list[str]:
    found = []
    for port in OVERLAYS:
        if port.vendor != "candidate" and port.group:
            series = f"{port.series[0]}.{port.series[1]}"
            update = f"{series}.{port.since}" if port.vendor == "stable" else f"{series}.0-{port.since}"
            found.append(f"{port.vendor} {update} and later: as {PROFILES[port.group].span}")
    return found


def _row_json(row: Any) -> dict[str, Any]:
    cells = [
        {"vendor": vendor, "tdp": tdp, "noncoherent_dma": dma, "mtrr": cell.mtrr, "pat": cell.pat, "cd": cell.cd}
        for (vendor, tdp, dma), cell in zip(COLUMNS, row.cells, strict=True)
    ]
    return {"first": row.first, "last": row.last, "honored": cells}
