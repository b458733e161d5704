"""``memtype at``: the type of addresses and ranges, and why."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any

from memtype import rules
from memtype.analysis.system_ranges import SystemRange, overlaid, system_notes, system_ranges
from memtype.cli import output, tracked
from memtype.cli.addresses import hexadecimal, mem, size_text, span, span_json
from memtype.cli.input import add_supplied, read_machine
from memtype.cli.output import add_json, columns, notes, print_json, say
from memtype.effective import effective
from memtype.errors import InputError, ShatteredMapError
from memtype.explanation import Explanation
from memtype.machine import WHICH_CPU, Machine, note_on, shared
from memtype.memory_map import MemoryMap, Segment
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.told import Answer, Registers, agreed, ask, typed
from memtype.types import MemoryType

_MOST = 128  # pieces of a range whose reasons are printed
EXAMPLE = "dmesg | memtype at 0xe0000000 4G-5G 0xfd000000+16M --why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs="+", metavar="ADDR|FILE", help="addresses (0xe0000000, 4G), ranges (A-B, A+SIZE); the dump"
    )
    parser.add_argument("--why", action="store_true", help="print the rules that decided, with their sources")
    parser.add_argument("--view", metavar="NAME", help="as a program reads the registers: linux-6.5, kvm-6.4, xen, ...")
    parser.add_argument(
        "--pat", metavar="TYPE|VALUE", help="the effective type too: for a PAT type (wc), or each entry of IA32_PAT"
    )
    add_supplied(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    spans, file = sort_words(args.words)
    pats = pat_types(args.pat)
    machine = read_machine(file, args)
    if tracked.alone(machine) and args.view is None:
        return _from_list(machine, spans, args.json)
    lookup = _Lookup.of(machine, args.view)
    answers = [_answer(lookup, base, size, args.why) for base, size in spans]
    if args.json:
        found = [_json(a, pats, lookup) | _tracked_json(machine, a) for a in answers]
        payload = {"source": machine.source, "view": args.view, "answers": found}
        print_json("at", {**payload, "notes": lookup.notes})
        return 0
    for answer in answers:
        listed = tracked.beside(machine, answer.base, answer.size, answer.type, lookup.vendor)
        say("\n".join([*_text(answer, pats, lookup), *listed]))
    notes(lookup.notes)
    return 0


def _from_list(machine: Machine, spans: list[tuple[int, int]], as_json: bool) -> int:
    """Nothing but Linux' list is told: what it tracks."""
    if as_json:
        found = [tracked.answer_json(machine, base, size) for base, size in spans]
        print_json("at", {"source": machine.source, "view": None, "answers": found, "notes": [tracked.NOTE]})
        return 0
    for base, size in spans:
        say("\n".join(tracked.text(machine, base, size)))
    notes([tracked.NOTE])
    return 0


def _tracked_json(machine: Machine, answer: _Answer) -> dict[str, Any]:
    entries = tracked.as_json(machine, answer.base, answer.size)
    return {} if entries is None else {"tracked": entries}


# --- arguments ------------------------------------------------------------------------------------------------------


def sort_words(words: list[str]) -> tuple[list[tuple[int, int]], str | None]:
    """((base, size) of each address or range, the dump's name). An existing file's name is no address."""
    spans, files = [], []
    for word in words:
        found = None if word == "-" or os.path.exists(word) else _span(word)
        if found is None:
            files.append(word)
        else:
            spans.append(found)
    missing = [word for word in files if word != "-" and not os.path.exists(word)]
    if missing:
        hint = f"; write 0x{missing[0]}" if re.fullmatch(r"[0-9a-fA-F]+", missing[0]) else ""
        raise InputError(f"{missing[0]!r} is neither an address (0xe0000000, 4G, A-B, A+SIZE) nor a file{hint}")
    if len(files) > 1:
        raise InputError(f"one dump at a time: {' and '.join(map(repr, files))}")
    if not spans:
        raise InputError(f"no address given beside {files[0]!r}")
    return spans, files[0] if files else None


def _span(word: str) -> tuple[int, int] | None:
    """None where the word does not read as an address or range; an empty or backward range is an error."""
    try:
        return span(word)
    except InputError as error:
        if re.fullmatch(r"0x.*|\d.*[-+]\d.*", word, re.I) and "/" not in word:
            raise InputError(f"{word!r}: {error}") from None
        return None


def pat_types(word: str | None) -> list[MemoryType]:
    """The PAT types to combine with: one, or the eight of a register value, of a list or of a known layout."""
    if word is None:
        return []
    try:
        return [MemoryType.parse(word)]
    except InputError:
        return list(Pat(word).types)


# --- answers --------------------------------------------------------------------------------------------------------


_MOST_PLACES = 512  # of a part, where another thing that is not told may decide


@dataclass(frozen=True)
class _Lookup:
    """Who answers: the registers, a view of them, or a map that the dump prints ready-made."""

    machine: Machine
    view: str | None
    maxphyaddr: int
    notes: list[str]
    taken: tuple[SystemRange, ...] = ()  # ranges that other registers take over or route

    @classmethod
    def of(cls, machine: Machine, view: str | None) -> _Lookup:
        told = machine.registers
        if told is not None:
            said = [*machine.notes, *system_notes(machine)]
            return cls(machine, view, told.maxphyaddr, said, system_ranges(machine) if view is None else ())
        if machine.printed_map is None:
            raise InputError(f"{machine.source}: {note_on(machine.notes, 'registers') or 'registers not told'}")
        if view not in (None, machine.printed_view):
            raise InputError(f"{machine.source}: registers not told, only a map: no view {view!r}")
        said = [*machine.notes, f"answered from the map that the dump prints (view {machine.printed_view})"]
        return cls(machine, None, machine.printed_map.maxphyaddr, said)

    @property
    def vendor(self) -> str:
        return self.machine.vendor or "intel"

    @property
    def map(self) -> MemoryMap:
        state = self.whole
        if state is not None:
            return state.map if self.view is None else state.view(self.view).map
        if self.view is None:
            return self.machine.map
        return agreed([state.view(self.view).map for each in self.machine.kinds() for state in each.completions()])

    @property
    def whole(self) -> MtrrState | None:
        """The registers where every one that decides is told."""
        kinds = self.machine.kinds()
        return kinds[0].state if len(kinds) == 1 and not kinds[0].untold else None

    def at(self, address: int) -> Answer:
        """The type of one address, as the view reads the registers, or what is not told."""
        kinds, view = self.machine.kinds(), self.view
        if view is None or not kinds:
            return self.machine.at(address)
        found = [typed(ask([each], lambda states: states[0].view(view).at(address))) for each in kinds]
        return found[0] if len(found) == 1 else shared(found, WHICH_CPU)

    def over(self, part: Segment) -> Answer:
        """The answer of a part of the map, with all that any address of it hangs on."""
        places = [part.base, *(s.base for s in islice(self._strict_map.within(part.base, part.size), 1, _MOST_PLACES))]
        found = [self.at(place) for place in places]
        if any(one.type is not part.type for one in found):
            return Answer(part.type)  # another register takes over here
        return Answer(part.type, *(tuple(dict.fromkeys(chain(*one))) for one in zip(*map(_hangs_on, found))))

    @cached_property
    def _strict_map(self) -> MemoryMap:
        """The map without assumptions: where it changes, an answer may hang on something else."""
        if self.view is None or self.machine.registers is None:
            return self.machine.strict().map
        states = [state for each in self.machine.kinds() for state in each.completions(strict=True)]
        return agreed([state.view(self.view).map for state in states])

    def explain(self, part: Segment, answer: Answer) -> list[_Piece]:
        """Why, piece by piece; from one of the register files that fit, since all give this answer."""
        if self.machine.registers is None or answer.type is MemoryType.NOT_TOLD:
            return []
        view = self._states()[0].view(self.view or "sdm")
        try:
            found = list(view.pieces(part.base, part.end))
        except ShatteredMapError:
            found = [(part.base, part.base + min(part.size, rules.PAGE_SIZE), view.explain(part.base))]
        return [(Segment(base, end - base, part.type), why) for base, end, why in found]

    def _told(self) -> Registers:
        assert self.machine.registers is not None
        return self.machine.registers

    def _states(self) -> tuple[MtrrState, ...]:
        return self._told().completions()


_Piece = tuple[Segment, Explanation]


@dataclass(frozen=True, slots=True)
class _Answer:
    base: int
    size: int
    told: Answer  # of the whole range; MIXED where its parts differ
    parts: tuple[tuple[Segment, Answer], ...]  # of a range that holds several types
    why: tuple[_Piece, ...]  # of each piece that the same registers decide
    taken: tuple[SystemRange, ...]  # those that hold a part of it

    @property
    def type(self) -> MemoryType:
        return self.told.type


def _answer(lookup: _Lookup, base: int, size: int, why: bool) -> _Answer:
    limit = 1 << lookup.maxphyaddr
    if base + size > limit:
        told = lookup.machine.registers
        known = "" if told is None else f": {told.width_text}"
        text = f"0x{base + size - 1:x} is beyond MAXPHYADDR {lookup.maxphyaddr} (limit 0x{limit - 1:x}){known}"
        raise InputError(text)
    segments = [Segment(base, 1, lookup.at(base).type)] if size == 1 else _clipped(lookup.map, base, size)
    taken = tuple(held for held in lookup.taken if _meets(held, base, size))
    parts = [(segment, _part(lookup, segment)) for segment in overlaid(segments, taken)]
    whole = parts[0][1] if len(parts) == 1 else Answer(MemoryType.MIXED)
    said = [piece for part in parts for piece in lookup.explain(*part)] if why else []
    return _Answer(base, size, whole, tuple(parts) if len(parts) > 1 else (), tuple(said), taken)


def _hangs_on(answer: Answer) -> tuple[tuple[Any, ...], ...]:
    return answer.candidates, answer.assumed, answer.missing


def _part(lookup: _Lookup, segment: Segment) -> Answer:
    """What the MTRRs answer for a segment, with what it hangs on; the type alone where another register takes over."""
    return Answer(segment.type) if lookup.whole is not None else lookup.over(segment)


def _meets(held: SystemRange, base: int, size: int) -> bool:
    """Whether a range of another register holds a part of [base, base + size); with holes in its mask: it may."""
    if size == 1:
        return held.covers(base)
    return held.span is None or (held.span[0] < base + size and base < sum(held.span))


def _clipped(memory: MemoryMap, base: int, size: int) -> list[Segment]:
    """The map's segments inside [base, base + size)."""
    found = list(islice(memory.within(base, size), rules.MAP_SEGMENT_LIMIT + 1))
    if len(found) > rules.MAP_SEGMENT_LIMIT:
        raise ShatteredMapError(f"holey masks cut it into more than {rules.MAP_SEGMENT_LIMIT} segments; ask for less")
    return found


def _text(answer: _Answer, pats: list[MemoryType], lookup: _Lookup) -> list[str]:
    range_text = f"{mem(answer.base, answer.size)}  {size_text(answer.size)}"
    one = answer.size == 1
    taken = "".join(f"  {held.text}" for held in answer.taken) if one else ""
    found = [f"{hexadecimal(answer.base) if one else range_text}  {_headline(answer, pats, lookup)}{taken}"]
    found += [f"  {text}" for text in [_beside(answer, lookup)] if text]
    if answer.parts:
        rows = [(mem(s.base, s.size), size_text(s.size), told) for s, told in answer.parts]
        found += columns(rows, "  ").splitlines()
    found += [] if one else [f"  {_where(held)}: {held.text}" for held in answer.taken]
    for assumption in answer.told.assumed if answer.why else ():
        found.append(f"  {assumption.text}  [{assumption.rule}]")
    found += _why_lines(answer.why)
    found += [f"  {rules.RULES[held.rule]}" for held in answer.taken] if answer.why else []
    if pats and (len(pats) > 1 or answer.why):
        found += [f"  {line}" for line in _effective_lines(answer.type, pats, lookup.vendor)]
    return found


def _why_lines(pieces: Sequence[_Piece]) -> list[str]:
    """A block for each piece; the bytes of fixed ranges that say the same, one behind the other, are one."""
    blocks: list[list[_Piece]] = []
    for piece in pieces:
        if blocks and _goes_on(blocks[-1][-1], piece):
            blocks[-1].append(piece)
        else:
            blocks.append([piece])
    indent = "    " if len(blocks) > 1 else "  "
    found = []
    for block in blocks[:_MOST]:
        (first, explanation), (last, _) = block[0], block[-1]
        found += [f"  {mem(first.base, last.end - first.base)} {first.type}:"] if len(blocks) > 1 else []
        steps = explanation.steps if len(block) == 1 else [replace(explanation.steps[0], text=_all_bytes(block))]
        found += [f"{indent}{step}" for step in steps]
    return found + ([f"  and {len(blocks) - _MOST} more pieces: --json has them"] if len(blocks) > _MOST else [])


def _goes_on(one: _Piece, other: _Piece) -> bool:
    """Whether two pieces are neighbours that bytes of fixed ranges give the same type."""
    (before, why), (after, too) = one, other
    fixed = all([step.rule for step in explanation.steps] == ["mtrr-fixed"] for explanation in (why, too))
    return fixed and before.end == after.base and before.type is after.type


def _all_bytes(block: list[_Piece]) -> str:
    """``IA32_MTRR_FIX4K_C0000 to IA32_MTRR_FIX4K_F8000: 64 bytes, each WP``."""
    first, last = (explanation.registers[0] for _, explanation in (block[0], block[-1]))
    named = first if first == last else f"{first} to {last}"
    return f"{named}: {len(block)} bytes, each {block[0][0].type}"


def _beside(answer: _Answer, lookup: _Lookup) -> str:
    """Where a view's answer is not the manual's: both, and the rule that makes the difference."""
    found = _deviation(answer, lookup)
    return f"{found[0]} (the manual: {found[1]}; {found[2]} [{found[3]}])" if found else ""


def _deviation(answer: _Answer, lookup: _Lookup) -> tuple[MemoryType, MemoryType, str, str] | None:
    told = lookup.machine.registers
    if lookup.view is None or told is None or answer.parts or answer.type is MemoryType.NOT_TOLD:
        return None
    manual = ask([told], lambda states: states[0].at(answer.base))
    if not manual.agreed:
        return None
    view, right = told.completions()[0].view(lookup.view), manual.answer
    if right in (answer.type, MemoryType.UNDEFINED):  # of most overlaps the manual says nothing
        return None
    from memtype.kvm.rules import DEVIATIONS  # the room is imported only where it has something to say

    rule = view.explain(answer.base).steps[-1].rule
    return answer.type, right, DEVIATIONS.get(rule, rules.RULES[rule].text), rule


def _where(held: SystemRange) -> str:
    return f"{held.name} {'(a mask with holes: ask single addresses)' if held.span is None else mem(*held.span)}"


def _headline(answer: _Answer, pats: list[MemoryType], lookup: _Lookup) -> str:
    """The MTRRs' type, or with one PAT type the effective one and both it was made of."""
    if len(pats) != 1:
        return str(answer.told)
    return f"{effective(answer.type, pats[0], lookup.vendor)}  (MTRR {answer.told}, PAT {pats[0]})"


def _effective_lines(mtrr: MemoryType, pats: list[MemoryType], vendor: str) -> list[str]:
    source = "APM 2 table 7-11" if vendor == "amd" else "SDM 3A table 12-7"
    return [
        f"PA{n} {pat!s:<3} with MTRR {mtrr}: {effective(mtrr, pat, vendor)}  [{source}]"
        if len(pats) > 1
        else f"PAT {pat} with MTRR {mtrr}: {effective(mtrr, pat, vendor)}  [{source}]"
        for n, pat in enumerate(pats)
    ]


def _json(answer: _Answer, pats: list[MemoryType], lookup: _Lookup) -> dict[str, Any]:
    found: dict[str, Any] = {**span_json(answer.base, answer.size)}
    found |= _told_json(answer.told)
    deviation = _deviation(answer, lookup)
    if deviation:
        why = [{"id": deviation[3], "text": deviation[2], "source": rules.RULES[deviation[3]].source}]
        found["manual"] = {"type": str(deviation[1]), "why": why}
    found["segments"] = [{**span_json(s.base, s.size), **_told_json(told)} for s, told in answer.parts]
    if answer.taken:
        found["system"] = [
            {"name": held.name, "text": held.text, "type": held.type, "inside_smm": held.inside, "rule": held.rule}
            for held in answer.taken
        ]
    if pats:
        found["effective"] = [
            {"pat": str(pat), "type": str(effective(answer.type, pat, lookup.vendor))} for pat in pats
        ]
    pieces = [_piece_json(*piece) for piece in answer.why]
    for place in found["segments"] or [found]:  # its own, or that of the piece it begins with
        begun = next((piece for piece in pieces if piece["base"] == place["base"]), {})
        place |= {key: begun[key] for key in ("why", "registers") if begun}
    return found | ({"pieces": pieces} if len(pieces) > 1 else {})


def _piece_json(piece: Segment, explanation: Explanation) -> dict[str, Any]:
    why = output.why((step.rule, step.text, step.source) for step in explanation.steps)
    named = {"type": str(piece.type), "why": why, "registers": list(explanation.registers)}
    return {**span_json(piece.base, piece.size), **named}


def _told_json(told: Answer) -> dict[str, Any]:
    """The type, and where it is assumed or not told, by what: ``"type": "?"`` with ``"candidates"``."""
    found: dict[str, Any] = {"type": str(told.type), "type_id": int(told.type)}
    if told.type is MemoryType.NOT_TOLD:
        found["candidates"] = [str(kind) for kind in told.candidates]
        found["missing"] = list(told.missing)
    found["assumed"] = [{"id": a.rule, "text": a.text} for a in told.assumed]
    return found
