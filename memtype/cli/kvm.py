"""``memtype kvm``: the leaf and the effective type of guest memory, release by release; what two releases differ in."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from memtype import rules
from memtype.cli import addresses, guest, hypervisor, nested_guest, output
from memtype.errors import InputError
from memtype.kvm import KVM_RULES, Leaf, NoncoherentDma, SetCr0Cd, Vm, WriteMsr, guest_mtrr, is_mmio, profile
from memtype.kvm.gfns import Ints, combine
from memtype.kvm.history import OVERLAYS, QUIRK_BITS, Fixed
from memtype.kvm.matrix import COLUMNS, knobs, matrix
from memtype.kvm.releases import NEWEST, PROFILES
from memtype.kvm.vm import MAX_LEVEL
from memtype.kvm.zap import Event
from memtype.machine import Machine
from memtype.types import MemoryType

EXAMPLE = "memtype kvm --kernel 6.12.77 --mtrr wb --at 0xa0000 --pat uc --host uc"
_PTE_TYPES = ("UC", "UC-", "WC", "WT", "WP", "WB")
_SHOWN = 64  # segments that are printed of a map that is too long
_LEVELS = {1: "4 KiB", 2: "2 MiB", 3: "1 GiB"}
_CACHED = frozenset({MemoryType.WB, MemoryType.WT, MemoryType.WP})

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
        return _diff(args)
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
    vm = guest.make_vm(args, args.kernel, machine)
    if args.wbinvd:
        return _wbinvd(vm, args)
    if args.host_page is not None:
        args.mmio = _is_mmio(args)
    segments, more = _segments(vm, args)
    conflicts = [s for s in segments if s.conflict]
    if args.json:
        output.print_json(
            "kvm", {**_setting_json(vm), "map": [_segment_json(vm, s, args) for s in segments], **_more_json(more)}
        )
    else:
        output.say(_text(vm, segments, more, args))
    output.notes(guest.notes(machine, args.mtrr is not None, vm))
    return 1 if conflicts else 0


def _wbinvd(vm: Vm, args: argparse.Namespace) -> int:
    found = vm.wbinvd()
    if args.json:
        why = output.why([KVM_RULES[found.rule]])
        output.print_json("kvm", {**_setting_json(vm), "wbinvd": found.executed, "why": why})
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
    made = [(one, guest.make_vm(one, args.kernel or NEWEST, machine)) for one in asked]
    found = [(one, vm, *_segments(vm, one)) for one, vm in made]
    if args.json:
        modes = [{**_setting_json(vm), "map": [_segment_json(vm, s, one) for s in segments], **_more_json(more)}
                 for one, vm, segments, more in found]  # fmt: skip
        output.print_json("kvm", {"modes": modes})
    else:
        output.say("\n\n".join(_text(vm, segments, more, one) for one, vm, segments, more in found))
    extra = [] if args.kernel else [f"no --kernel given: the newest release read, {NEWEST}"]
    output.notes([*extra, *dict.fromkeys(note for _, vm in made for note in guest.notes(machine, bool(args.mtrr), vm))])
    return 1 if any(s.conflict for _, _, segments, _ in found for s in segments) else 0


# --- one release ------------------------------------------------------------------------------------------------


Deviation = tuple[MemoryType, MemoryType, str]  # KVM's MTRR type, the manual's, the rule


@dataclass(frozen=True, slots=True)
class LeafSegment:
    """Bytes [base, base + size) with one leaf: for every vCPU its leaf and effective type."""

    base: int
    size: int
    leaves: tuple[Leaf, ...]
    effective: tuple[MemoryType, ...]
    conflict: bool
    deviations: tuple[Deviation | None, ...] = ()


def _segments(vm: Vm, args: argparse.Namespace) -> tuple[list[LeafSegment], int]:
    """The segments of what is asked for, and how many more there are: masks with holes may make millions."""
    base, size = addresses.span(args.at) if args.at else (0, vm.gfn_end << rules.PAGE_SHIFT)
    vm.leaf(base)
    vm.leaf(base + size - 1)
    alike = _alike(vm, args.mmio)
    count = alike.count(base >> rules.PAGE_SHIFT, -(-(base + size) >> rules.PAGE_SHIFT))
    shown = count if count <= rules.MAP_SEGMENT_LIMIT else _SHOWN
    return list(islice(_each_segment(vm, args, alike, base, size), shown)), count - shown


def _each_segment(vm: Vm, args: argparse.Namespace, alike: Ints, base: int, size: int) -> Iterator[LeafSegment]:
    host = MemoryType.parse(args.host) if args.host else None
    for first, end, _ in alike.within(base >> rules.PAGE_SHIFT, -(-(base + size) >> rules.PAGE_SHIFT)):
        low = max(base, first << rules.PAGE_SHIFT)
        high = min(base + size, end << rules.PAGE_SHIFT)
        numbers = [n for n, vcpu in enumerate(vm.vcpus) if low < 1 << vcpu.maxphyaddr]
        leaves = tuple(vm.leaf(low, args.mmio, n, args.private) for n in numbers)
        kinds = tuple(_effective(vm, low, args, n) for n in numbers)
        conflict = host is not None and any((kind in _CACHED) != (host in _CACHED) for kind in kinds)
        deviations = () if args.mmio else tuple(vm.deviation(low, n) for n in numbers)
        yield LeafSegment(low, high - low, leaves, kinds, conflict, deviations)


def _alike(vm: Vm, mmio: bool) -> Ints:
    """A number for every gfn, the same where all vCPUs have the same leaf and the manual the same type."""
    distinct = {id(vcpu): n for n, vcpu in enumerate(vm.vcpus)}.values()
    layers = [vm.leaf_pieces(n, mmio) for n in distinct]
    if not mmio and vm.profile.honors_guest_mtrr:
        layers += [guest_mtrr.pieces(guest_mtrr.MANUAL, vm.vcpus[n]) for n in distinct]
    numbers: dict[tuple[int, ...], int] = {}
    return combine(layers, vm.gfn_end, lambda *held: numbers.setdefault(held, len(numbers)), absent=-1)


def _effective(vm: Vm, gpa: int, args: argparse.Namespace, vcpu: int = 0) -> MemoryType:
    return vm.effective(gpa, args.pat or "WB", vcpu, args.mmio, args.host_mtrr, private=args.private)


def _text(vm: Vm, segments: list[LeafSegment], more: int, args: argparse.Namespace) -> str:
    selected = MemoryType.parse(args.pat or "WB")
    lines = [f"{vm.profile}, {guest.setting(vm)}", f"page-table entry selects {selected}; leaf -> effective type:"]
    for s in segments:
        pairs = dict.fromkeys(zip(s.leaves, s.effective, strict=True))
        shown = " or ".join(f"{guest.leaf_text(vm, leaf.bits)} -> {kind}" for leaf, kind in pairs)
        lines.append(f"{addresses.mem(s.base, s.size)}  {shown}")
        if len(pairs) > 1:
            lines.append("  the vCPU that faults first decides")
        lines += guest.deviation_lines(s.deviations)
        lines += [f"  {_level_text(vm, s.base)}"] if args.level else []
        if s.conflict:
            lines.append(f"  alias: the host maps it {MemoryType.parse(args.host)}; conflicting types, "
                         "machine checks are possible")  # fmt: skip
    lines += [f"and {more} more segments: masks with holes; ask for a part with --at"] if more else []
    decided = list(dict.fromkeys(leaf.rule for s in segments for leaf in s.leaves))
    lines += [line for rule in decided for line in guest.wrapped(guest.rule_text(rule), "  ")]
    return "\n".join(lines + (guest.sources(decided) if args.why else []))


def _level(vm: Vm, gpa: int) -> int:
    """The largest level that every vCPU may map the page at."""
    numbers = [n for n, vcpu in enumerate(vm.vcpus) if gpa < 1 << vcpu.maxphyaddr]
    return min(vm.max_level(gpa >> rules.PAGE_SHIFT, n) for n in numbers)


def _level_text(vm: Vm, gpa: int) -> str:
    """``0x80000000 is mapped by 2 MiB at most: the guest's MTRR types differ within the 1 GiB around it``"""
    level = _level(vm, gpa)
    at_most = f"0x{gpa:x} is mapped by {_LEVELS[level]} at most"
    if not vm.limits_level:
        return f"{at_most}: guest MTRRs limit no mapping of this release"
    if level == MAX_LEVEL:
        return f"{at_most}: the guest's MTRR types are alike in all of it"
    return f"{at_most}: the guest's MTRR types differ within the {_LEVELS[level + 1]} around it"


def _setting_json(vm: Vm) -> dict[str, Any]:
    return {"kernel": vm.profile.release, "profile": vm.profile.name, "vendor": vm.vendor, "tdp": vm.tdp,
            "noncoherent_dma": vm.has_noncoherent_dma, "vm_type": vm.vm_type}  # fmt: skip


def _segment_json(vm: Vm, s: LeafSegment, args: argparse.Namespace) -> dict[str, Any]:
    deviations = s.deviations or (None,) * len(s.leaves)
    leaves = [{**guest.leaf_json(vm, leaf.bits), "effective": kind, "why": output.why([KVM_RULES[leaf.rule]]),
               **guest.deviation_json(deviation)}
              for leaf, kind, deviation in zip(s.leaves, s.effective, deviations, strict=True)]  # fmt: skip
    found: dict[str, Any] = {**addresses.span_json(s.base, s.size), **leaves[0]}
    if len(vm.vcpus) > 1:
        found["vcpus"] = leaves
    if args.level:
        found |= {"level": _level(vm, s.base), "limited": vm.limits_level}
    return found | ({"alias": s.conflict} if args.host else {})


def _more_json(more: int) -> dict[str, int]:
    return {"more": more} if more else {}


# --- every profile ----------------------------------------------------------------------------------------------


def _every_profile(args: argparse.Namespace, machine: Machine | None) -> int:
    """One line per profile; profiles that such a VM does not exist under are left out, and named."""
    rows: list[tuple[Any, ...]] = [("release", "leaf", "effective", "rule")]
    payload, left_out, conflicts = [], {}, 0
    for name, known in PROFILES.items():
        try:
            vm = guest.make_vm(args, name, machine)
        except InputError as error:
            left_out[known.span] = str(error)
            continue
        found, more = _segments(vm, args)
        conflicts += any(s.conflict for s in found)
        leaves = list(dict.fromkeys(guest.leaf_text(vm, leaf.bits) for s in found for leaf in s.leaves))
        kinds = list(dict.fromkeys(str(kind) for s in found for kind in s.effective))
        decided = list(dict.fromkeys(leaf.rule for s in found for leaf in s.leaves))
        rows.append((known.span, " | ".join(leaves), " | ".join(kinds), ", ".join(decided)))
        shown = [_segment_json(vm, s, args) for s in found]
        payload.append({**_setting_json(vm), "releases": known.span, "map": shown, **_more_json(more)})
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


# --- diff -------------------------------------------------------------------------------------------------------


def _diff(args: argparse.Namespace) -> int:
    """What changes for this guest from one release to another: leaves, effective types, zaps, mapping levels."""
    rest = args.words[1:] if args.words[:1] == ["diff"] else args.words
    named = [args.old, args.new] if args.old or args.new else rest[:2]
    sources = rest if args.old or args.new else rest[2:]
    if len(named) != 2 or None in named or len(sources) > 1:
        raise InputError("kvm diff takes two releases and at most one dump: kvm diff 6.4 6.12 dump.txt")
    machine = guest.guest_machine(args, sources[0] if sources else None)
    old, new = (guest.make_vm(args, profile(name), machine) for name in named)
    leaves = list(islice(_leaf_changes(old, new, args), rules.MAP_SEGMENT_LIMIT))
    behaviour = [*_behaviour_changes(old, new)]
    if args.json:
        output.print_json("kvm", _diff_json(old, new, leaves, behaviour))
    else:
        output.say("\n".join(_diff_lines(old, new, leaves, behaviour)))
    given = [] if machine is not None or args.mtrr is not None else ["no dump given: the MTRRs are as KVM creates them"]
    output.notes([*old.profile.notes, *new.profile.notes, *given])
    return 1 if leaves or behaviour else 0


LeafChange = tuple[int, int, int, int, int, dict[str, tuple[MemoryType, MemoryType]]]


def _leaf_changes(old: Vm, new: Vm, args: argparse.Namespace) -> Iterator[LeafChange]:
    """(base, size, vCPU, bits before, bits after, effective types that change by the entry's type)."""
    base, size = addresses.span(args.at) if args.at else (0, old.gfn_end << rules.PAGE_SHIFT)
    old.leaf(base)
    old.leaf(base + size - 1)
    window = base >> rules.PAGE_SHIFT, -(-(base + size) >> rules.PAGE_SHIFT)
    for n in range(len(old.vcpus)):
        selected = [str(MemoryType.parse(args.pat))] if args.pat else _selectable(old, new, n)
        pieces = [vm.leaf_pieces(n, args.mmio) for vm in (old, new)]
        for first, end, both in combine(pieces, pieces[0].end, lambda was, now: was << 8 | now).within(*window):
            before, after = both >> 8, both & 0xFF
            low, high = max(base, first << rules.PAGE_SHIFT), min(base + size, end << rules.PAGE_SHIFT)
            kinds = {pte: tuple(vm.effective(low, pte, n, args.mmio, args.host_mtrr) for vm in (old, new))
                     for pte in selected}  # fmt: skip
            changed = {pte: (was, now) for pte, (was, now) in kinds.items() if was != now}
            if before != after or changed:
                yield low, high - low, n, before, after, changed


def _selectable(old: Vm, new: Vm, vcpu: int) -> list[str]:
    """The types to compare entries of; where hardware runs on another PAT than the guest's, those the guest's has."""
    held = [vm.vcpus[vcpu].pat for vm in (old, new)]
    follows = all(vm.hardware_pat(vcpu) == pat for vm, pat in zip((old, new), held, strict=True))
    return [kind for kind in _PTE_TYPES if follows or all(pat and pat.slots(kind) for pat in held)]


def _behaviour_changes(old: Vm, new: Vm) -> Iterator[tuple[str, str, str]]:
    """(what happens, what the old release does, what the new one does)."""
    state = old.vcpus[0].mtrrs
    toggled = NoncoherentDma(0 if old.has_noncoherent_dma else 1)
    events: tuple[tuple[str, Event], ...] = (
        ("write of IA32_MTRR_DEF_TYPE", WriteMsr(rules.DEF_TYPE_MSR, state.def_type)),
        ("CR0.CD toggle", SetCr0Cd(not old.vcpus[0].cr0_cd)),
        ("last non-coherent device goes" if old.has_noncoherent_dma else "first non-coherent device comes", toggled),
    )
    for words, event in events:
        was, now = ("zaps everything" if vm.apply(event)[1].done else "zaps nothing" for vm in (old, new))
        if was != now:
            yield words, was, now
    was, now = ("limited by guest MTRRs" if vm.limits_level else "not limited" for vm in (old, new))
    if was != now:
        yield "huge pages", was, now


def _diff_lines(old: Vm, new: Vm, leaves: list[LeafChange], behaviour: list[tuple[str, str, str]]) -> list[str]:
    lines = [f"{old.profile} -> {new.profile}, {guest.setting(old)}"]
    for base, size, vcpu, before, after, changed in leaves:
        who = f" (vCPU {vcpu})" if len(old.vcpus) > 1 else ""
        lines.append(
            f"{addresses.mem(base, size)}{who}  {guest.leaf_text(old, before)} -> {guest.leaf_text(new, after)}"
        )
        lines += [f"  entry {pte}: {was} -> {now}" for pte, (was, now) in changed.items()]
        lines += [] if changed else ["  no effective type changes"]
    lines += [f"{words}: {was} -> {now}" for words, was, now in behaviour]
    return lines if leaves or behaviour else [*lines, "no difference for this guest"]


def _diff_json(old: Vm, new: Vm, leaves: list[LeafChange], behaviour: list[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "from": _setting_json(old),
        "to": _setting_json(new),
        "leaves": [
            {"base": f"0x{base:x}", "size": f"0x{size:x}", "last": f"0x{base + size - 1:x}", "vcpu": vcpu,
             "before": guest.leaf_json(old, before), "after": guest.leaf_json(new, after),
             "effective": {pte: {"before": was, "after": now} for pte, (was, now) in changed.items()}}
            for base, size, vcpu, before, after, changed in leaves
        ],
        "behaviour": [{"what": words, "before": was, "after": now} for words, was, now in behaviour],
    }  # fmt: skip
