"""What a dump says of one machine: its processors, its RAM map, and what it does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from memtype import arguments, rules
from memtype.drawn import Drawn
from memtype.errors import InputError
from memtype.late import Late
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.readable import readable
from memtype.told import TYPES, Answer, Registers, Width, agreed
from memtype.types import MemoryType

if TYPE_CHECKING:
    import numpy as np
else:
    np = Late("numpy")

T = TypeVar("T")
WHICH_CPU = "which processor is meant: they differ (--cpu N)"
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
    _kinds: list[Registers] = field(default_factory=list, init=False, compare=False, repr=False)

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

    @property
    def _which_state(self) -> str:
        return f"which of the {len(self.parts)} states (boots, dumps) is meant"

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
        number = None if cpu is None else arguments.integer(cpu, "cpu", InputError)
        if number is not None and all(one.number != number for one in self.cpus):
            raise InputError(f"processor {number} is not in {self.source}")
        wanted = (one.registers for one in self.cpus if number is None or one.number == number)
        return next((registers for registers in wanted if registers is not None), None)

    def kinds(self, cpu: int | None = None) -> Sequence[Registers]:
        """The registers of the processors that tell any, each kind once; of processor number `cpu` its own alone.

        Raises
        ------
        InputError
            For a number that no processor of the dump has.
        """
        if cpu is not None:
            told = self.registers_of(cpu)
            return () if told is None else (told,)
        if not self._kinds:
            found = list(dict.fromkeys(one.registers for one in self.cpus if one.registers is not None))
            if len(found) > 1:  # of one width: what the masks of one need, the others have
                reach = max(each.maxphyaddr for each in found)
                found = [replace(each, reach=reach) if each.maxphyaddr != reach else each for each in found]
            self._kinds.extend(found)
        return self._kinds

    # --- answers ----------------------------------------------------------------------------------------------------

    def at(self, address: int, cpu: int | None = None, strict: bool = False) -> Answer:
        """The type of one address: told, assumed by a named rule, or NOT_TOLD with what it may be.

        Of a text with several states: the answer of all of them, NOT_TOLD where they differ. Ask one of `states`. So
        with processors that tell other registers than the first.

        Parameters
        ----------
        address : int
        cpu : int, optional
            A processor's number; without it all that tell registers.
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
        strict = arguments.flag(strict, "strict")
        if self.parts:
            return shared([part.at(address, cpu, strict) for part in self.parts], self._which_state)
        kinds = self.kinds(cpu)
        if len(kinds) > 1:
            widest = max(kinds, key=lambda each: each.maxphyaddr)
            answer = widest.at(address, strict)
            able = [each for each in kinds if each is not widest and address >> each.maxphyaddr == 0]
            return shared([answer, *(each.at(address, strict) for each in able)], WHICH_CPU)
        if kinds:
            return kinds[0].at(address, strict)
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
        """The address space of the processors that tell registers, else the printed map.

        Segments of type NOT_TOLD are those where machines that fit the dump differ, or its processors, or the states of
        a text with several of them.

        Raises
        ------
        InputError
            For a text of several states whose address spaces are not of one size.
        """
        if self.parts:
            maps = [part.map for part in self.parts]
            self._alike("MAXPHYADDR", [each.maxphyaddr for each in maps])
            return agreed(maps)
        maps = [each.map() for each in self.kinds()]
        return self._without_registers() if not maps else _shared_map(maps) if maps[1:] else maps[0]

    def _without_registers(self) -> MemoryMap:
        """What is known of a processor that tells no register: the map that the dump prints, else nothing."""
        if self.printed_map is not None:
            return self.printed_map
        width = self.maxphyaddr or rules.DEFAULT_MAXPHYADDR
        return MemoryMap.from_segments([(0, 1 << width, MemoryType.NOT_TOLD)], width)

    def types(self, addresses: Any, cpu: int | None = None, strict: bool = False, out: Any = None) -> Any:
        """The types of many addresses: as `MtrrState.types`, and NOT_TOLD (12) where the dump leaves them open."""
        strict = arguments.flag(strict, "strict")
        if self.parts:
            return self._shared_types(self.parts, addresses, cpu, strict, out)
        kinds = self.kinds(cpu)
        if len({each.maxphyaddr for each in kinds}) > 1:
            return (self.strict() if strict else self).map.types(addresses, out)
        if len(kinds) > 1:
            ones = [replace(self, cpus=(Cpu(registers=each),)) for each in kinds]
            return self._shared_types(ones, addresses, None, strict, out)
        return kinds[0].types(addresses, strict, out) if kinds else self._without_registers().types(addresses, out)

    def _shared_types(
        self, machines: Sequence[Machine], addresses: Any, cpu: int | None, strict: bool, out: Any
    ) -> Any:
        """The types that all of them have, NOT_TOLD where they differ."""
        if out is None and arguments.is_scalar(addresses):
            return self.at(addresses, cpu, strict).type
        rows = np.stack([np.asarray(each.types(addresses, cpu, strict)) for each in machines])
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
        width = Width(arguments.check_maxphyaddr(bits), arguments.given(by, str, "by"))
        made = replace(
            self._each(lambda registers: replace(registers, width=width)), width=width, maxphyaddr=width.bits
        )
        return replace(made, parts=tuple(part.with_width(bits, by) for part in self.parts)).with_used_width()

    def cbit(self, bit: int) -> Machine:
        """The machine with memory encryption whose C-bit is `bit`: addresses end below it (APM 2 7.10.5)."""
        bit = arguments.check_maxphyaddr(bit)

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
        """The machine with every processor's registers changed."""
        return replace(self, cpus=changed(self.cpus, change))


def changed(cpus: Iterable[Cpu], change: Callable[[Registers], Registers]) -> tuple[Cpu, ...]:
    """The processors with their registers changed; those that share one object do so behind it."""
    made: dict[int, Registers] = {}
    found = []
    for cpu in cpus:
        held = cpu.registers
        if held is not None and id(held) not in made:
            made[id(held)] = change(held)
        found.append(cpu if held is None else replace(cpu, registers=made[id(held)]))
    return tuple(found)


def shared(answers: Sequence[Answer], which: str) -> Answer:
    """The answer that several states or processors share; where they differ, `which` is missing."""
    kinds = {answer.type for answer in answers}
    assumed = tuple(dict.fromkeys(a for answer in answers for a in answer.assumed))
    if len(kinds) == 1 and MemoryType.NOT_TOLD not in kinds:
        return Answer(kinds.pop(), assumed=assumed)
    possible = {kind for one in answers for kind in (one.candidates or (one.type,))}
    missing = dict.fromkeys(
        [*([which] if len(kinds) > 1 else []), *(text for answer in answers for text in answer.missing)]
    )
    return Answer(MemoryType.NOT_TOLD, tuple(sorted(possible)), missing=tuple(missing))


def _shared_map(maps: Sequence[MemoryMap]) -> MemoryMap:
    """Where the processors' maps agree; above the width of one, those of the wider ones."""
    widths = sorted({each.maxphyaddr for each in maps})
    found: list[tuple[int, int, MemoryType]] = []
    for low, width in zip([0, *(1 << each for each in widths)], widths):
        able = [each for each in maps if each.maxphyaddr >= width]
        parts = [[(s.base, s.size, s.type) for s in each.within(0, 1 << width)] for each in able]
        alike = agreed([MemoryMap.from_segments(part, width) for part in parts])
        found += [(s.base, s.size, s.type) for s in alike.within(low, (1 << width) - low)]
    return MemoryMap.from_segments(found, widths[-1])
