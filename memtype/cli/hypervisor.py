"""``memtype kvm --hypervisor NAME``: what another hypervisor than KVM puts into the leaf, and what the guest gets."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from memtype import arguments
from memtype.cli import addresses, fitting, guest, output
from memtype.ept import effective_ept
from memtype.errors import InputError
from memtype.hypervisors import EptLeaf, Policy, policy
from memtype.machine import Machine
from memtype.memory_map import MemoryMap, Segment
from memtype.mtrr import MtrrState
from memtype.told import Asked, Registers, ask, bordered
from memtype.types import MemoryType

Found = tuple[Segment, int, Asked[EptLeaf]]  # where, the size of the pages, their leaf over every machine that fits
Answer = tuple[Segment, int, Asked[EptLeaf], Asked[MemoryType]]  # and the effective type
_SIZES = {"4K": (1 << 12,), "2M": (1 << 21, 1 << 12), "1G": (1 << 30, 1 << 21, 1 << 12)}  # and what they split into
_MIXED = MemoryType.MIXED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hypervisor", metavar="NAME", help="not KVM: xen, bhyve or virtualbox, under EPT")
    words = "xen: the page is special (Xen's own), foreign (grant, foreign map) or read-only (MMIO)"
    parser.add_argument("--page", choices=("special", "foreign", "read-only"), help=words)
    parser.add_argument("--part", action="store_true", help="xen: --page is true of a part of the page, not of all")
    parser.add_argument("--pinned", metavar="TYPE", help="xen: the type that the tool stack pinned; mixed: for a part")
    words = "by pages of that size: 4K, 2M or 1G; where one is split, the smaller ones follow"
    parser.add_argument("--page-size", metavar="SIZE", choices=_SIZES, help=words)


def run(args: argparse.Namespace, machine: Machine | None) -> int:
    asked = policy(args.hypervisor)
    if args.kernel or args.tdp not in (None, "ept") or args.vendor == "amd":
        raise InputError(f"--hypervisor {asked.name}: a policy for EPT, without --kernel")
    if args.part and args.page not in ("special", "read-only"):
        raise InputError("--part is for --page special or read-only")
    answers = list(_answers(asked, args, machine))
    if args.json:
        setting = {"hypervisor": asked.name, "tdp": "ept", "noncoherent_dma": args.noncoherent_dma}
        output.print_json("kvm", {**setting, "map": [_json(*answer) for answer in answers]})
    else:
        output.say("\n".join(_text(asked, args, answers)))
    output.notes(machine.notes if machine is not None else ())
    return 0


def _answers(asked: Policy, args: argparse.Namespace, machine: Machine | None) -> Iterator[Answer]:
    """The leaves of what is asked for; neighbours that are alike in one."""
    pat = arguments.memory_type(args.pat or "WB", "--pat")
    held: Answer | None = None
    for segment, page, leaf in _leaves(asked, args, machine):
        kinds = tuple(dict.fromkeys(_gets(one, pat, args.cd) for one in leaf.answers))
        kind = Asked(kinds, leaf.assumed, leaf.missing)
        if held and (held[0].end, *held[1:]) == (segment.base, page, leaf, kind):
            held = (Segment(held[0].base, held[0].size + segment.size, segment.type), *held[1:])
            continue
        if held:
            yield held
        held = segment, page, leaf, kind
    if held:
        yield held


def _gets(leaf: EptLeaf, pat: MemoryType, cd: bool) -> MemoryType:
    return _MIXED if leaf.type is None else MemoryType(effective_ept(leaf.type, leaf.ipat, pat, cd))


def _leaves(asked: Policy, args: argparse.Namespace, machine: Machine | None) -> Iterator[Found]:
    """Pages as large as they are asked for, and smaller ones where those are split; without a size, byte by byte."""
    told, memory, base, size = _asked(asked, args, machine)
    part = "some" if args.part else "all"

    def leaf(kind: MemoryType) -> EptLeaf:
        return asked.leaf(
            guest=kind, host=args.host_mtrr, mmio=args.mmio, noncoherent_dma=args.noncoherent_dma,
            special=part if args.page == "special" else "none", foreign=args.page == "foreign",
            read_only=part if args.page == "read-only" else "none", pinned=args.pinned,
        )  # fmt: skip

    over = _Over(told, asked.view, leaf)
    if args.page_size is None:
        return _mapped(memory, over, base, base + size, (1,))
    sizes = _SIZES[args.page_size]
    return _mapped(memory, over, base & -sizes[0], -(-(base + size) // sizes[0]) * sizes[0], sizes)


@dataclass(frozen=True, slots=True)
class _Over:
    """The leaf of a page over every machine that fits the dump."""

    told: Registers
    view: str | None
    leaf: Callable[[MemoryType], EptLeaf]

    def __call__(self, first: int, size: int) -> Asked[EptLeaf]:
        return ask([self.told], lambda states: self.leaf(self._type(states[0], first, size)))

    def _type(self, state: MtrrState, first: int, size: int) -> MemoryType:
        if self.view is None:
            return MemoryType.WB
        seen = state.view(self.view)
        return seen.at(first) if size == 1 else seen.map.uniform(first, size)


def _mapped(memory: MemoryMap, over: _Over, first: int, end: int, sizes: tuple[int, ...]) -> Iterator[Found]:
    """[first, end) by pages of the first size: as many as have one type at once, else one that holds several.

    `memory` has a border wherever a machine that fits the dump has one.
    """
    page = sizes[0]
    while first < end:
        kind, _, behind = memory.around(first)
        last = min(behind, end) & -page
        if last <= first:
            last, kind = first + page, _MIXED
        found = over(first, page)
        split = found.agreed and found.answer.split
        by_types = kind is _MIXED and not all(leaf.split for leaf in over(first, 1).answers)
        if split and by_types and len(sizes) > 1:  # else nobody said what the smaller ones are
            yield from _mapped(memory, over, first, last, sizes[1:])
        else:
            yield Segment(first, last - first, kind), page, found
        first = last


def _asked(asked: Policy, args: argparse.Namespace, machine: Machine | None) -> tuple[Registers, MemoryMap, int, int]:
    """What is told of the guest, borders of its types as that hypervisor reads MTRRs, and the range asked for."""
    if asked.view is not None and machine is None and args.mtrr is None:
        raise InputError(f"--hypervisor {asked.name} looks at the guest's MTRRs: give a dump or --mtrr TYPE")
    told = guest.registers(args, machine)[0]
    limit = 1 << told.maxphyaddr
    base, size = addresses.span(args.at) if args.at else (0, limit)
    if base + size > limit:
        raise InputError(f"0x{base + size - 1:x} is beyond MAXPHYADDR {told.maxphyaddr} (limit 0x{limit - 1:x})")
    if asked.view is None:
        return told, MemoryMap.from_segments([(0, limit, MemoryType.WB)], told.maxphyaddr), base, size
    states = dict.fromkeys((*told.completions(), *told.completions(strict=True)))
    return told, bordered([state.view(asked.view).map for state in states]), base, size


def _text(asked: Policy, args: argparse.Namespace, answers: list[Answer]) -> list[str]:
    dma = "non-coherent DMA" if args.noncoherent_dma else "no non-coherent DMA"
    lines = [f"{asked.name}, intel, EPT, {dma}"]
    lines.append(f"page-table entry selects {MemoryType.parse(args.pat or 'WB')}; leaf -> effective type:")
    for segment, page, leaf, kind in answers:
        by = f" by {addresses.size_text(page)}" if args.page_size else ""
        lines.append(f"{addresses.mem(segment.base, segment.size)}{by}  {_said(leaf, kind)}")
    used = dict.fromkeys(one.rule for _, _, leaf, _ in answers for one in leaf.answers)
    lines += [line for rule in used for line in guest.wrapped(f"{rule.text} [{rule.id}]", "  ")]
    return lines + ([f"  {rule.id}: {rule.source}" for rule in used] if args.why else [])


def _said(leaf: Asked[EptLeaf], kind: Asked[MemoryType]) -> str:
    """``WB IPAT=1 -> WB``, ``split``; ``? (… or …): what is not told``."""
    leaves = ["split" if one.split else f"{one.type} IPAT={int(one.ipat)}" for one in leaf.answers]
    if leaf.agreed:
        gets = "" if leaf.answer.split else f" -> {kind.answer}"
        return leaves[0] + gets + fitting.assumed_words(leaf.assumed)
    return f"? ({', or '.join(dict.fromkeys(leaves))}): {'; '.join(leaf.missing)}"


def _json(segment: Segment, page: int, leaf: Asked[EptLeaf], kind: Asked[MemoryType]) -> dict[str, Any]:
    by = {"page": addresses.hexadecimal(page)} if page > 1 else {}
    found = [_leaf_json(one) for one in leaf.answers]
    if leaf.agreed:
        made = {**found[0], "effective": kind.answer}
    else:
        unknown = MemoryType.NOT_TOLD
        made = {"split": False, "type": unknown, "ipat": None, "bits": None, "why": [], "candidates": found}
        made["effective"] = kind.answer if kind.agreed else unknown
    return {**addresses.span_json(segment.base, segment.size), **by, **made, **fitting.as_json(leaf)}


def _leaf_json(leaf: EptLeaf) -> dict[str, Any]:
    bits = None if leaf.bits is None else f"0x{leaf.bits:x}"
    return {"split": leaf.split, "type": leaf.type, "ipat": leaf.ipat, "bits": bits, "why": output.why([leaf.rule])}
