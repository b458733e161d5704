"""``memtype want``: which PAT entry and page-table bits give a type at an address, or why none does."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from typing import Any

from memtype import rules
from memtype.analysis.want import Want, want
from memtype.cli import addresses, input, output
from memtype.cli.entries import (
    add_pat,
    add_under,
    add_why,
    ask_dump,
    bits_text,
    choose_pat,
    pat_text,
    under,
    used_rules,
    vendor_of,
    why_text,
)
from memtype.cli.fitting import as_json, assumed_words
from memtype.effective import effective
from memtype.errors import InputError
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import pte_bits
from memtype.told import Asked
from memtype.types import MemoryType

EXAMPLE = "memtype want wc --at 0xe0000000 --pat default --mtrr uc"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("type", help="the type to reach: UC, WC, WT, WP, WB (AMD also CD, WC+)")
    input.add_input(parser)
    parser.add_argument("--at", metavar="ADDR", help="the physical address, or a range A-B or A+SIZE")
    add_pat(parser)
    add_under(parser)
    add_why(parser)
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    base, size = addresses.span(args.at) if args.at else (None, 1)
    under(args)  # refuses what does not fit together
    needs_dump = args.mtrr is None and args.ept is None
    if needs_dump and base is None:
        raise InputError("--at ADDR is missing (or --mtrr TYPE, or --ept TYPE)")
    machine = input.read_machine(args.input, args, alike=True) if needs_dump or args.input is not None else None
    vendor = vendor_of(machine) if machine is not None and needs_dump else "intel"
    pat, notes = choose_pat(args.pat, machine)

    def solved(kind: MemoryType | str, state: MtrrState | MemoryMap | None) -> Want:
        return want(
            kind, state, base, pat, size=size if size > 1 else None, mtrr=args.mtrr, vendor=args.vendor or vendor,
            ept=args.ept, ipat=args.ipat, npt=args.npt, snp=args.snp,
        )  # fmt: skip

    def ask(kind: MemoryType | str) -> Asked[_Told]:
        if machine is None or not needs_dump:
            return Asked((_told(solved(kind, None), {}),))
        known: dict[_Told, _Told] = {}
        return ask_dump(machine, lambda state: _told(solved(kind, state), known))

    where = "" if base is None else f"0x{base:x}" if size == 1 else addresses.mem(base, size)
    asked = ask(args.type)
    if not asked.agreed:
        assert machine is not None
        return _unknown(asked, where, (base or 0, size), args.json, [*machine.notes, *notes])
    answer = asked.answer.want
    other = [] if answer else [ask(kind) for kind in answer.admits]
    instead = [one.answer.want for one in other if one.agreed]
    by_mtrr = args.ept is None and args.npt is None and not answer
    change = _other_mtrr(answer.type, args.vendor or vendor, f" at {where}" if where else "") if by_mtrr else []
    used = used_rules(args, args.vendor or vendor) if args.why else []
    if args.json:
        why = {"why": output.why(used)} if used else {}
        output.print_json("want", _payload(answer, base, size) | as_json(asked) | why)
    else:
        head, *rest = _text(answer, where, instead, change).split("\n")
        output.say("\n".join([head + assumed_words(asked.assumed), *rest]) + (why_text(used) if used else ""))
    told = machine.notes if machine is not None and needs_dump else ()
    output.notes([*told, *notes])
    return 0 if answer else 1


@dataclass(frozen=True, slots=True)
class _Told:
    """What one machine that fits the dump answers. Equal where the same entry gives the type, or none does."""

    key: tuple[Any, ...]
    want: Want = field(compare=False)


def _told(answer: Want, known: dict[_Told, _Told]) -> _Told:
    """The answer; of equal ones that differ in why, the first, with every reason."""
    key = (answer.type, answer.indexes, answer.reprogram, answer.new_pat, () if answer else answer.admits)
    made = _Told(key, answer)
    first = known.setdefault(made, made)
    if answer.reason in first.want.reason:
        return first
    both = _Told(key, replace(first.want, reason=f"{first.want.reason}; {answer.reason}"))
    known[made] = both
    return both


def _unknown(asked: Asked[_Told], where: str, place: tuple[int, int], as_json_: bool, said: list[str]) -> int:
    """What the machines that fit answer, each, and what is not told."""
    wants = [one.want for one in asked.answers]
    if as_json_:
        candidates = [_payload(one, *place) for one in wants]
        nothing = dict.fromkeys(("index", "reprogram", "new_pat", "bits_4k", "bits_large"))
        unknown: dict[str, Any] = {
            "possible": None,
            "reason": "; ".join(asked.missing),
            "admits": [],
            "indexes": [],
            **nothing,
        }
        output.print_json("want", candidates[0] | unknown | {"candidates": candidates} | as_json(asked))
    else:
        lines = [f"{wants[0].type} at {where}: ?: {'; '.join(asked.missing)}"]
        output.say("\n".join([*lines, *(f"  or  {one}" for one in wants)]))
    output.notes(said)
    return 1


def _text(answer: Want, where: str, instead: list[Want], change: list[str]) -> str:
    at = f" at {where}" if where else ""
    if not answer:
        lines = [f"{answer.type}{at}: impossible", f"  {answer.reason}", f"  PAT     {pat_text(answer.pat)}"]
        lines += [f"  instead {other}" for other in instead] + change
        return "\n".join(lines + _leaf_lines(answer))
    slot = answer.slot
    assert slot is not None
    lines = [f"{answer.type}{at}: {_headline(answer)}", f"  {answer.reason}", f"  PAT     {pat_text(answer.pat)}"]
    if answer.new_pat is not None:
        new = answer.new_pat
        lines.append(f"  set PA{slot} to {new[slot]} first: IA32_PAT (0x277) = 0x{new.value:016x}, on every processor")
    others = [f"PA{index}" for index in answer.indexes if index != slot]
    if others:
        lines.append(f"  also    {', '.join(others)}")
    for name, level in (("4 KiB leaf", 1), ("2 MiB, 4 MiB or 1 GiB leaf", 2)):
        lines.append(f"  {name}: bits 0x{pte_bits(slot, level):x}: {bits_text(slot, level)}")
    return "\n".join(lines + _leaf_lines(answer))


def _headline(answer: Want) -> str:
    """Whether the type can be had as things are, or after which change."""
    if answer.new_pat is None:
        return f"reachable as things are: PAT entry {answer.slot}"
    assert answer.slot is not None
    return f"reachable after a change of the PAT: entry {answer.slot} set to {answer.new_pat[answer.slot]}"


def _other_mtrr(kind: MemoryType, vendor: str, where: str) -> list[str]:
    """The MTRR types under which some PAT type gives it."""
    types = [MemoryType(code) for code in sorted(rules.MTRR_TYPES)]
    fitting = [t for t in types if any(effective(t, pat, vendor) is kind for pat in rules.PAT_TYPES)]
    if not fitting:
        return []
    words = " or ".join(map(str, sorted(fitting, key=lambda t: t is not kind)))
    return [f"  reachable after a change of the MTRRs: {words}{where} (memtype plan --set RANGE=TYPE)"]


def _leaf_lines(answer: Want) -> list[str]:
    if answer.leaf is None:
        return []
    return [f"  the hypervisor can force it: EPT leaf bits 6:3 = 0x{answer.leaf.bits:x} ({answer.type} with IPAT)"]


def _payload(answer: Want, base: int | None, size: int) -> dict[str, Any]:
    payload: dict[str, Any] = {"type": answer.type, "possible": bool(answer), "reason": answer.reason}
    if base is not None:
        payload |= addresses.span_json(base, size)
    payload |= {
        "admits": list(answer.admits),
        "pat": f"0x{answer.pat.value:016x}",
        "index": answer.index,
        "indexes": list(answer.indexes),
        "reprogram": answer.reprogram,
        "new_pat": None if answer.new_pat is None else f"0x{answer.new_pat.value:016x}",
        "bits_4k": None if answer.bits_4k is None else f"0x{answer.bits_4k:x}",
        "bits_large": None if answer.bits_large is None else f"0x{answer.bits_large:x}",
    }
    if answer.leaf is not None:
        payload["ept_leaf"] = {"type": answer.leaf.type, "ipat": answer.leaf.ipat,
                               "bits": f"0x{answer.leaf.bits:x}"}  # fmt: skip
    return payload
