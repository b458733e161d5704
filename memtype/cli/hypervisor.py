"""``memtype kvm --hypervisor NAME``: what another hypervisor than KVM puts into the leaf, and what the guest gets."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from memtype import arrays, rules
from memtype.cli import addresses, guest, output
from memtype.ept import effective_ept
from memtype.errors import InputError
from memtype.hypervisors import EptLeaf, Policy, policy
from memtype.machine import Machine
from memtype.memory_map import Segment
from memtype.types import MemoryType

Answer = tuple[Segment, EptLeaf, MemoryType]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hypervisor", metavar="NAME", help="not KVM: xen, bhyve or virtualbox, under EPT")
    words = "xen: the page is special (Xen's own), foreign (grant, foreign map) or read-only (MMIO)"
    parser.add_argument("--page", choices=("special", "foreign", "read-only"), help=words)
    parser.add_argument("--pinned", metavar="TYPE", help="xen: the type that the tool stack pinned")


def run(args: argparse.Namespace, machine: Machine | None) -> int:
    asked = policy(args.hypervisor)
    if args.kernel or args.tdp not in (None, "ept") or args.vendor == "amd":
        raise InputError(f"--hypervisor {asked.name}: a policy for EPT, without --kernel")
    answers = list(_answers(asked, args, machine))
    if args.json:
        setting = {"hypervisor": asked.name, "tdp": "ept", "noncoherent_dma": args.noncoherent_dma}
        output.print_json("kvm", {**setting, "map": [_json(*answer) for answer in answers]})
    else:
        output.say("\n".join(_text(asked, args, answers)))
    output.notes(machine.notes if machine is not None else ())
    return 0


def _answers(asked: Policy, args: argparse.Namespace, machine: Machine | None) -> Iterator[Answer]:
    pat = arrays.memory_type(args.pat or "WB", "--pat")
    for segment in _segments(asked, args, machine):
        leaf = asked.leaf(
            guest=segment.type, host=args.host_mtrr, mmio=args.mmio, noncoherent_dma=args.noncoherent_dma,
            special="all" if args.page == "special" else "none", foreign=args.page == "foreign",
            read_only="all" if args.page == "read-only" else "none", pinned=args.pinned,
        )  # fmt: skip
        kind = MemoryType.MIXED if leaf.type is None else MemoryType(effective_ept(leaf.type, leaf.ipat, pat, args.cd))
        yield segment, leaf, kind


def _segments(asked: Policy, args: argparse.Namespace, machine: Machine | None) -> list[Segment]:
    """The segments of what is asked for in which the guest's type is the same, as that hypervisor reads MTRRs."""
    if asked.view is not None and machine is None and args.mtrr is None:
        raise InputError(f"--hypervisor {asked.name} looks at the guest's MTRRs: give a dump or --mtrr TYPE")
    state = guest.vcpus(args, machine)[0].mtrrs
    limit = 1 << state.maxphyaddr
    base, size = addresses.span(args.at) if args.at else (0, limit)
    if base + size > limit:
        raise InputError(f"0x{base + size - 1:x} is beyond MAXPHYADDR {state.maxphyaddr} (limit 0x{limit - 1:x})")
    if asked.view is None:
        return [Segment(base, size, MemoryType.WB)]
    seen = state.view(asked.view)
    if size == 1:
        return [Segment(base, 1, seen.at(base))]
    inside = (s for s in seen.map.segments if s.base < base + size and s.end > base)
    return [Segment(max(s.base, base), min(s.end, base + size) - max(s.base, base), s.type) for s in inside]


def _text(asked: Policy, args: argparse.Namespace, answers: list[Answer]) -> list[str]:
    dma = "non-coherent DMA" if args.noncoherent_dma else "no non-coherent DMA"
    lines = [f"{asked.name}, intel, EPT, {dma}"]
    lines.append(f"page-table entry selects {MemoryType.parse(args.pat or 'WB')}; leaf -> effective type:")
    for segment, leaf, kind in answers:
        lines.append(f"{addresses.mem(segment.base, segment.size)}  {leaf.type} IPAT={int(leaf.ipat)} -> {kind}")
    used = dict.fromkeys(leaf.rule for _, leaf, _ in answers)
    lines += [line for rule in used for line in guest.wrapped(f"{rule.text} [{rule.id}]", "  ")]
    return lines + ([f"  {rule.id}: {rule.source}" for rule in used] if args.why else [])


def _json(segment: Segment, leaf: EptLeaf, kind: MemoryType) -> dict[str, Any]:
    bits = None if leaf.bits is None else f"0x{leaf.bits:x}"
    said: list[rules.Rule] = [leaf.rule]
    made = {"type": leaf.type, "ipat": leaf.ipat, "bits": bits, "effective": kind, "why": output.why(said)}
    return {**addresses.span_json(segment.base, segment.size), **made}
