"""What a dump says of one machine: its processors, its RAM map, and what it does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from memtype import arrays, rules
from memtype.drawn import Drawn
from memtype.errors import InputError
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.readable import readable
from memtype.told import TYPES, Answer, Registers, Width, agreed
from memtype.types import MemoryType

T = TypeVar("T")
_NAMED = 8  # states that an error names


class Note(str):
    """A note on what a dump does not say, contradicts, or what was inferred: its text, and what it is about.

    Attributes
    ----------
    id : str
        What it is about: "default", "fixed", "pairs", "maxphyaddr", "registers", …; "" for a remark.
    lines : tuple of int
        Lines of the dump that it is about.
    """

    id: str
    lines: tuple[int, ...]
    __slots__ = ("id", "lines")

    def __new__(cls, text: str, id: str = "", lines: Iterable[int] = ()) -> Note:
        made = super().__new__(cls, text)
        made.id, made.lines = id, tuple(lines)
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.id, self.lines


def note_on(notes: Iterable[str], id: str) -> str | None:
    """The text of the first note that is about this; None where none is."""
    return next((str(note) for note in notes if isinstance(note, Note) and note.id == id), None)


@readable
@dataclass(frozen=True, slots=True, init=False)
class Cpu:
    """One logical processor. `registers` or `pat` is None where the dump does not tell.

    A `MtrrState` may be given for `registers`: everything is told then.
    """

    number: int
    registers: Registers | None
    pat: Pat | None

    def __init__(self, number: int = 0, registers: Registers | MtrrState | None = None, pat: Pat | None = None) -> None:
        put = object.__setattr__
        put(self, "number", number)
        put(self, "registers", Registers.of(registers) if isinstance(registers, MtrrState) else registers)
        put(self, "pat", pat)

    @property
    def mtrrs(self) -> MtrrState | None:
        """The register file, completed by the named assumptions; None where more than they cover is not told."""
        return None if self.registers is None else self.registers.state


@readable
@dataclass(frozen=True, slots=True)
class RamRange:
    """One line of a firmware memory map: bytes [base, base + size), `kind` in the dump's own words."""

    base: int
    size: int
    kind: str

    @property
    def last(self) -> int:
        return self.base + self.size - 1


@dataclass(frozen=True, slots=True)
class Machine(Drawn):
    """Parsed input.

    Attributes
    ----------
    cpus : at least one `Cpu`, in the dump's order
    format : the name of the parser that read it, e.g. "linux-dmesg"; several are joined by "+"
    e820 : the firmware's RAM map
    kernel : the kernel's release as printed, e.g. "6.4.0-rc1"
    vendor, maxphyaddr : as told or inferred; None where nothing speaks for one
    printed_map : a map that the dump prints ready-made, and whose view it is (`printed_view`)
    facts : what else the dump prints and a test or a verb can use, by name, e.g. ``{"map_entries": 4}``
    notes : what the dump does not say, contradicts, or what was inferred; one line each (`Note`)
    source : the file's name, "<stdin>", "<text>", "this host" or "the built-in sample"
    width : the physical address width where it was told, and by what
    taken : numbers of the lines that a family of dumps understood
    parts : where one text holds several states: each as a machine of its own (`states`)
    label, line : of one of several states: its name, and the line where it begins
    """

    cpus: tuple[Cpu, ...] = (Cpu(),)
    format: str = ""
    e820: tuple[RamRange, ...] = ()
    kernel: str | None = None
    vendor: str | None = None
    maxphyaddr: int | None = None
    printed_map: MemoryMap | None = None
    printed_view: str | None = None
    facts: dict[str, object] | None = None
    notes: tuple[str, ...] = ()
    source: str = "<text>"
    width: Width | None = None
    taken: frozenset[int] = field(default=frozenset(), compare=False, repr=False)
    parts: tuple[Machine, ...] = ()
    label: str = ""
    line: int = 0

    def __repr__(self) -> str:
        told = self.registers
        mtrrs = "not told" if told is None else "told in part" if told.untold else "told"
        count = f"{len(self.cpus)} processor{'s' * (len(self.cpus) > 1)}"
        states = f"{len(self.parts)} states" if self.parts else ""
        width = "" if self.maxphyaddr is None else f"MAXPHYADDR {self.maxphyaddr}"
        parts = (self.format, states, count, f"MTRRs {mtrrs}", width, self.vendor)
        return f"<Machine {self.source}: {', '.join(part for part in parts if part)}>"

    @property
    def mtrrs(self) -> MtrrState | None:
        """The MTRRs of the first processor that tells them all, as far as named assumptions go (`Registers.state`).

        For a program that wants a whole register file. What follows for an address `at` says: it knows what is open
        beside the listed registers, which this fills (fixed ranges, TOP_MEM2).

        Raises
        ------
        InputError
            For a text of several states that differ in them: ask one of `states`.
        """
        if self.parts:
            return self._alike("MTRRs", [part.mtrrs for part in self.parts])
        return next((state for cpu in self.cpus if (state := cpu.mtrrs) is not None), None)

    @property
    def pat(self) -> Pat | None:
        """The PAT of the first processor that has one.

        Raises
        ------
        InputError
            For a text of several states that differ in it: ask one of `states`.
        """
        if self.parts:
            return self._alike("PAT", [part.pat for part in self.parts])
        return next((cpu.pat for cpu in self.cpus if cpu.pat is not None), None)

    @property
    def registers(self) -> Registers | None:
        """The registers of the first processor that tells any. Of several states, those that all of them hold."""
        return self.registers_of(None)

    @property
    def states(self) -> tuple[Machine, ...]:
        """The states that the text holds; of a text with one state the machine itself.

        The machine of a text with several states holds what all of them tell alike, and answers as all of them do.
        """
        return self.parts or (self,)

    def _alike(self, what: str, values: list[T]) -> T:
        """What all states hold alike."""
        if any(value != values[0] for value in values):
            raise InputError(f"{self.source}: its {len(values)} states differ in their {what}: ask one of .states")
        return values[0]

    def one_state(self) -> Machine:
        """The machine itself, where the text holds one state.

        Raises
        ------
        InputError
            For a text of several states: which of them is meant is not told.
        """
        if not self.parts:
            return self
        named = "; ".join(f"{n}: {part.label}, line {part.line}" for n, part in enumerate(self.parts[:_NAMED], 1))
        more = "; …" if len(self.parts) > _NAMED else ""
        raise InputError(f"{self.source}: {len(self.parts)} states ({named}{more}): ask one of .states")

    @property
    def inferred(self) -> tuple[str, ...]:
        """Which of "vendor", "maxphyaddr", "default", "fixed" the dump does not tell."""
        told = self.registers
        if told is None:
            known = {"vendor": self.vendor, "maxphyaddr": self.width, "default": None, "fixed": None}
            return tuple(name for name, value in known.items() if value is None)
        gaps = {gap.what for gap in told.untold}
        found = {"vendor": told.vendor is None, "maxphyaddr": told.width is None}
        return tuple(name for name, open_ in (found | {n: n in gaps for n in ("default", "fixed")}).items() if open_)

    def registers_of(self, cpu: int | None) -> Registers | None:
        """The registers of processor number `cpu`; without a number, of the first that tells any.

        Raises
        ------
        InputError
            For a number that no processor of the dump has.
        """
        number = None if cpu is None else arrays.integer(cpu, "cpu", InputError)
        if number is not None and all(one.number != number for one in self.cpus):
            raise InputError(f"processor {number} is not in {self.source}")
        wanted = (one.registers for one in self.cpus if number is None or one.number == number)
        return next((registers for registers in wanted if registers is not None), None)

    # --- answers ----------------------------------------------------------------------------------------------------

    def at(self, address: int, cpu: int | None = None, strict: bool = False) -> Answer:
        """The type of one address: told, assumed by a named rule, or NOT_TOLD with what it may be.

        Of a text with several states: the answer of all of them, NOT_TOLD where they differ. Ask one of `states`.

        Parameters
        ----------
        address : int
        cpu : int, optional
            A processor's number; without it the first that tells registers.
        strict : bool
            No assumption stands in for what is not told.

        Raises
        ------
        AddressError
            For an address outside [0, 2**maxphyaddr).

        Examples
        --------
        >>> from memtype import parse
        >>> machine = parse("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: write-combining")
        >>> str(machine.at(0x80000000)), machine.at(0x40000000).type
        ('WC (no other variable range assumed)', <MemoryType.WB: 6>)
        >>> str(machine.at(0x40000000))
        'WB (default type assumed: no range is write-back; no other variable range assumed)'
        >>> print(machine.at(0x40000000, strict=True))
        ? (UC, WC, WT, WP or WB): the default type is not told; whether there are more variable ranges is not told
        """
        strict = arrays.flag(strict, "strict")
        if self.parts:
            return _over_states([part.at(address, cpu, strict) for part in self.parts])
        told = self.registers_of(cpu)
        if told is not None:
            return told.at(address, strict)
        kind = self._without_registers().at(address)
        if kind is not MemoryType.NOT_TOLD:
            return Answer(kind)
        return Answer(kind, tuple(MemoryType(each) for each in TYPES), missing=(self._nothing_told(),))

    def _nothing_told(self) -> str:
        if self.printed_map is not None:
            return "the printed map leaves out what has the default type, which is not told"
        return note_on(self.notes, "registers") or "registers not told"

    @property
    def map(self) -> MemoryMap:
        """The address space of the first processor that tells registers, else the printed map.

        Segments of type NOT_TOLD are those where machines that fit the dump differ, or the states of a text with
        several of them.

        Raises
        ------
        InputError
            For a text of several states whose address spaces are not of one size.
        """
        if self.parts:
            maps = [part.map for part in self.parts]
            self._alike("MAXPHYADDR", [each.maxphyaddr for each in maps])
            return agreed(maps)
        told = self.registers
        return self._without_registers() if told is None else told.map()

    def _without_registers(self) -> MemoryMap:
        """What is known of a processor that tells no register: the map that the dump prints, else nothing."""
        if self.printed_map is not None:
            return self.printed_map
        width = self.maxphyaddr or rules.DEFAULT_MAXPHYADDR
        return MemoryMap.from_segments([(0, 1 << width, MemoryType.NOT_TOLD)], width)

    def types(self, addresses: Any, cpu: int | None = None, strict: bool = False, out: Any = None) -> Any:
        """The types of many addresses: as `MtrrState.types`, and NOT_TOLD (12) where the dump leaves them open."""
        strict = arrays.flag(strict, "strict")
        if self.parts:
            return self._types_over_states(addresses, cpu, strict, out)
        told = self.registers_of(cpu)
        return self._without_registers().types(addresses, out) if told is None else told.types(addresses, strict, out)

    def _types_over_states(self, addresses: Any, cpu: int | None, strict: bool, out: Any) -> Any:
        """The types that all states have, NOT_TOLD where they differ."""
        if out is None and arrays.is_scalar(addresses):
            return self.at(addresses, cpu, strict).type
        rows = np.stack([np.asarray(part.types(addresses, cpu, strict)) for part in self.parts])
        found = np.where((rows == rows[0]).all(axis=0), rows[0], np.uint8(MemoryType.NOT_TOLD))
        if out is None:
            return found
        out[...] = found
        return out

    # --- what a user supplies -----------------------------------------------------------------------------------------

    def strict(self) -> Machine:
        """The machine without assumptions: what they cover is NOT_TOLD."""
        made = self._each(lambda registers: registers.strict())
        return replace(made, parts=tuple(part.strict() for part in self.parts)) if self.parts else made

    def assume(self, **given: str) -> Machine:
        """The machine with what a user supplies: ``default="UC"``, ``fixed="absent"``, ``pairs="all"``,
        ``vendor="amd"``, ``enabled="yes"``. What the dump tells stays.

        Raises
        ------
        InputError
            For another name or value, or fixed="absent" where the dump tells some of them.
        """
        made = self._each(lambda registers: registers.supplied(**given))
        vendor = made.registers.vendor if made.registers is not None else given.get("vendor", self.vendor)
        return replace(made, vendor=self.vendor or vendor, parts=tuple(part.assume(**given) for part in self.parts))

    def with_width(self, bits: int, by: str = "--maxphyaddr") -> Machine:
        """The machine with that MAXPHYADDR. Registers stay as they are."""
        width = Width(arrays.check_maxphyaddr(bits), arrays.given(by, str, "by"))
        made = replace(
            self._each(lambda registers: replace(registers, width=width)), width=width, maxphyaddr=width.bits
        )
        return replace(made, parts=tuple(part.with_width(bits, by) for part in self.parts)).with_used_width()

    def cbit(self, bit: int) -> Machine:
        """The machine with memory encryption whose C-bit is `bit`: addresses end below it (APM 2 7.10.5)."""
        bit = arrays.check_maxphyaddr(bit)

        def narrowed(registers: Registers) -> Registers:
            return replace(registers, width=Width(min(bit, registers.maxphyaddr), f"--cbit {bit}", reduced=True))

        made = self._each(narrowed)
        width = Width(min(bit, self.maxphyaddr or bit), f"--cbit {bit}", reduced=True)
        made = replace(made, width=width, maxphyaddr=width.bits)
        return replace(made, parts=tuple(part.cbit(bit) for part in self.parts)).with_used_width()

    def with_used_width(self) -> Machine:
        """The machine whose `maxphyaddr` is the one that its registers are read with."""
        return self if self.registers is None else replace(self, maxphyaddr=self.registers.maxphyaddr)

    def _each(self, change: Callable[[Registers], Registers]) -> Machine:
        """The machine with every processor's registers changed; equal ones stay one object."""
        made: dict[int, Registers] = {}
        cpus = []
        for cpu in self.cpus:
            held = cpu.registers
            if held is not None and id(held) not in made:
                made[id(held)] = change(held)
            cpus.append(cpu if held is None else replace(cpu, registers=made[id(held)]))
        return replace(self, cpus=tuple(cpus))


def _over_states(answers: list[Answer]) -> Answer:
    """The answer that several states give."""
    kinds = {answer.type for answer in answers}
    assumed = tuple(dict.fromkeys(a for answer in answers for a in answer.assumed))
    if len(kinds) == 1 and MemoryType.NOT_TOLD not in kinds:
        return Answer(kinds.pop(), assumed=assumed)
    possible = {kind for one in answers for kind in (one.candidates or (one.type,))}
    which = (f"which of the {len(answers)} states (boots, dumps) is meant",) if len(kinds) > 1 else ()
    missing = dict.fromkeys([*which, *(text for answer in answers for text in answer.missing)])
    return Answer(MemoryType.NOT_TOLD, tuple(sorted(possible)), missing=tuple(missing))
