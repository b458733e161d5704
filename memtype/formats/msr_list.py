"""Lists of MSRs as tools print them: rdmsr, turbostat, x86info, AMDSEV's script, chipsec, bare index and value.

    # rdmsr -a 0x2ff
    c06
    c06
    MTRRphysBase0, 0x200, {'80000000'}
    0x201 0x000000ff80000800

Several processors give several states. An index or a name says which register a line is about; where a line
gives both and they mean two registers, neither is told.
"""

from __future__ import annotations

import getopt
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from memtype import rules
from memtype.machine import Machine, Note
from memtype.reading import registers as reg
from memtype.reading import values
from memtype.reading.clues import holding, words
from memtype.reading.headings import processor_named
from memtype.reading.lines import LONGEST_LINE, squeeze, squeezed
from memtype.reading.names import misnamed, msr_index
from memtype.reading.notes import MOST
from memtype.reading.once import Once, once
from memtype.reading.patterns import later
from memtype.reading.rows import plain_row
from memtype.reading.tellings import MSR, Found, Tells
from memtype.reading.width import encrypted_on, single_width, width_on
from memtype.told import Register, Width

NAME = "msr-list"

_CPU = r"(?:\[? ?(?:cpu|core|processor|thread|lcpu) ?[#:]? ?(?P<cpu>\d+) ?\]? ?[:,]? ?)"
_CPU2 = _CPU.replace("<cpu>", "<cpu2>")
_WORD = r"(?:(?:\[CHIPSEC\] )?(?:rdmsr|msr|reg(?:ister)?|ecx)\b ?(?:register ?)?[\[(:=]? ?)"
_HEX = r"0x[0-9a-z_]+"
_NAME = (
    r"(?:(?:MSR_|IA32_|AMD64_|AMD_|K8_)*(?:MTRR_?|(?:CR_)?PAT(?:_MSR)?\b|SYSCFG|TOP_?MEM2"
    r"|(?:SM|PRM)RR_?(?:PHYS)?_?(?:BASE|MASK)\b|TME_ACTIVATE|MKTME_KEYID|SMM_?(?:ADDR|MASK)|IORR_?(?:BASE|MASK)"
    r"|MMIO_?C(?:FG|ONF)_?BASE)[A-Za-z0-9_]*)"
)
_REGISTER = later(
    rf"(?:\[CHIPSEC\] )?{_CPU}?(?P<word>{_WORD})?{_CPU2}?(?:"
    rf"(?P<name>{_NAME}) ?[,\s]? ?(?:\(?(?:MSR ?)?(?P<named>{_HEX})\)?(?= ?[:=,]| {_HEX}$))?"
    rf"|(?P<index>{_HEX}) ?(?:[\[(]? ?(?P<naming>{_NAME}) ?[\])]?)?"
    r"|(?P<bare>[0-9a-f]{2,8})(?=\]? ?[:=])"
    r")[\s)\]]*(?P<sep>[:=,]|->|$|) ?(?P<rest>.*)",
    re.I,
)
_VALUE = later(
    r"(?:(?:0x)?(?P<high>[0-9a-f]{1,8})[:`](?:0x)?(?P<low>[0-9a-f]{8})|eax ?= ?(?:0x)?(?P<eax>[0-9a-f]{1,8})"
    r" ?,? ?edx ?= ?(?:0x)?(?P<edx>[0-9a-f]{1,8})"
    r"|edx ?= ?(?:0x)?(?P<edx_first>[0-9a-f]{1,8}) ?,? ?eax ?= ?(?:0x)?(?P<eax_last>[0-9a-f]{1,8})"
    r"|(?P<value>(?:0x)?[0-9a-f_]+)h?)"
    r"(?P<more> ?[(,;].*| ?//.*| [#/].*| \[.*\])?$",
    re.I,
)
_EAX_CUT = {"E", "EA"}  # no number: what a cut line leaves of "EAX = …"
_DIGITS = later(r"0x([0-9a-f]+)", re.I)
_SET = later(r"\{(?P<values>[^{}]*)\}$")
_VALUE_WORD = later(r"(?:value|val|data) ?[=:] ?", re.I)
_OWN = later(r"(?:0x)?([0-9a-f]{2,8})(?:[,:=)\]\s]+|$)", re.I)  # a register's number behind its name: 2FF, {'c06'}
_STRING = later(r"'[^']*'|\"[^\"]*\"")
_DUMPED = "".join(rf"(?![0-9a-f]{{{n}}}(?:\s[0-9a-f]{{{n}}})+$)" for n in (2, 4, 8))  # bytes and words of memory
_COLUMNS = later(rf"{_DUMPED}(?:0x)?[0-9a-f]{{1,16}}(?:\s(?:0x)?[0-9a-f]{{1,16}})+$", re.I)  # one for each processor
_NEXT = later(r" ?[,;] ?[\[{(]? ?['\"]?((?:0x)?[0-9a-f_]+h?)['\"]? ?(?:[,;\])}].*)?$", re.I)  # a column more
_TRIPLE = later(rf"(?P<cpu>\d{{1,9}}) ?[,;\s] ?(?P<index>{_HEX}) ?[,;\s] ?(?P<rest>{_HEX})$", re.I)
_COMMAND = later(r"(?:^|[\s$#>|&;])(?P<tool>rdmsr|wrmsr)(?P<arguments>(?: [-\w:=]+)+) ?(?:[#;&|].*)?$")
_ALONE = later(r"(?:.{0,80}[$#>])? ?(?:sudo )?(?:rdmsr|wrmsr)(?: (?:-[-\w:=]+|0x[0-9a-fA-F]+|\d+))*$")  # no prose
_LETTERS = {"rdmsr": "hVxXdoruc0ap:f:", "wrmsr": "hVap:"}  # options of msr-tools; those with ":" take a value
_FOR_BOTH = {"all": "a", "processor=": "p", "cpu=": "p", "help": "h", "version": "V"}
_NAMES = {
    "rdmsr": _FOR_BOTH | {
        "hexadecimal": "x", "capital-hexadecimal": "X", "decimal": "d", "signed-decimal": "d", "unsigned-decimal": "u",
        "octal": "o", "c-language": "c", "zero-fill": "0", "zero-pad": "0", "raw": "r", "bitfield=": "f",
    },
    "wrmsr": _FOR_BOTH,
}  # fmt: skip
_BASES = {"d": 10, "u": 10, "o": 8, "x": 16, "X": 16, "c": 16}
_UNREADABLE = later(r"(?:rdmsr|msr).{0,20}cannot read MSR (0x[0-9a-f]+)", re.I)
_AMD = later(r"AuthenticAMD|HygonGenuine|^\W*vendor\W{1,3}AMD\b", re.M)
_INTEL = later(r"GenuineIntel|^\W*vendor\W{1,3}Intel\b", re.M)
_PLAIN = later(r"(0x)?[0-9a-f]+$", re.I)
_HEADLESS = later(r"0[0-9a-f]+$", re.I)
_UNIQ = later(r"\| ?uniq (?:-\w+ )*(?:-\w*c\w*|--count)\b")  # how many processors in a row hold a value
_SORTED = later(r"\| ?sort\b")
_COUNTED = later(r"(?P<count>\d{1,9}) (?P<value>(?:0x)?[0-9a-f]+)$", re.I)
_JSON = later(r"\s*(?:\{|\[\s*[\[{\"\]])")
_OTHERS = tuple(f"{index:x}" for index in reg.KNOWN_MSRS if index >> 8 != 2)
_ELSE = {  # names that hold no MTRR and no PAT, numbers that are not 2xx
    "syscfg", "topmem2", "top_mem2", "tme_activate", *(digits for digits in _OTHERS if len(digits) > 2)
}  # fmt: skip
_BARE = "|".join(["2[0-9a-f]{2}", *(digits for digits in _OTHERS if len(digits) < 3)])
_WORDS = words("0x", "mtrr", "pat", "rdmsr", "wrmsr", *_ELSE, pattern=rf"(?:{_BARE})\]?\s*[:=]")
_FOREIGN = later(r"^[ \t]*MSR 0x[0-9A-F]{8} = 0x[0-9A-F]{8}:0x[0-9A-F]{8} \(", re.M)  # inteltool


def sniff(text: str) -> bool:
    if _JSON.match(text) or ("MSR 0x" in text and _FOREIGN.search(text)):
        return False
    names = once(_names_register)
    return any(names[line] for _, line in holding(text, _WORDS) if len(line) <= LONGEST_LINE)


def _names_register(raw: str) -> bool:
    """Whether a line is a register's, or a command that reads or writes one."""
    line = once(squeeze)[raw]
    found = once(_split)[line]
    if found is not None and (found.index in reg.KNOWN_MSRS or found.index >> 32 > 0):
        return True
    return _command(line) is not None


def _tells(line: str) -> Found | None:
    """The register of a line."""
    found = once(_split)[line]
    if found is None or found.index not in reg.READ_MSRS:
        return None
    return Found("row", found.index, found.cpu)


TELLS = Tells(MSR, tuple(_ELSE), _tells, by_cpu=True)


@dataclass(slots=True)
class _Line:
    """One line: which processor and register, and what stands behind."""

    cpu: str | None
    index: int
    label: str
    rest: str
    other: int | None = None  # the register that the line's name means, where that is another one
    plain: tuple[int, int] | None = None  # of a row that is nothing but numbers: the value and its digits


@dataclass(slots=True)
class _Reader:
    """The lines so far. `command` is the rdmsr whose bare output lines come next."""

    source: str
    registers: dict[int, dict[int, Register]] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)  # how often, by kind of note
    written: list[tuple[int, int, int, int, int]] = field(default_factory=list)  # by wrmsr: processor, number, value,
    # line, digits
    prefixed: bool = False  # a value is printed with 0x
    answers: list[int] = field(default_factory=list)  # lines with what a command gave
    unanswered: list[int] = field(default_factory=list)  # lines with commands that have none
    prompted: bool = False  # a prompt stands in front of a command
    headless: bool = False  # one is what no register takes, or begins with a zero, as rdmsr prints with -0 alone
    decimal: bool = False  # a number of decimal digits, without 0x, is in hexadecimal none that a register takes
    plain: list[int] = field(default_factory=list)  # lines with such digits
    naked: list[int] = field(default_factory=list)  # lines with the value "0": what a cut leaves of 0x…
    sets: dict[int, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)  # by register: line, and values
    # with their digits
    cpu: int = 0
    command: _Command | None = None
    interrupted: bool = False  # a line that is no value stands below a command: what follows it is whose?
    cut: bool = False
    widths: list[Width] = field(default_factory=list)
    encrypted: int | None = None
    parts: Once[_Line | None] = field(default_factory=lambda: once(_split))

    def put(self, cpu: int, index: int, value: int, line: int, digits: int = 0) -> None:
        mine = self.registers.get(cpu)
        if mine is None:
            mine = self.registers[cpu] = {}
            if len(self.registers) > values.MOST_CPUS:
                raise values.refusal(self.source, line, f"more than {values.MOST_CPUS} processors")
        self.taken.add(line)
        held = mine.get(index)
        if held is None or held.value != value or not held.told:  # otherwise another line says the same
            reg.put(mine, index, Register(value, line=line, digits=digits))

    def forget(self, cpu: int, index: int) -> None:
        """What was read is not the register's value, or not known to be."""
        self.registers[cpu].pop(index, None)
        self.lost.add(index)

    def say(self, kind: str, note: str) -> None:
        """A note on a line: the first of each kind; the others are counted."""
        self.said[kind] += 1
        if self.said[kind] <= MOST:
            self.notes.append(note)

    def all_notes(self) -> list[str]:
        more = {kind: count - MOST for kind, count in self.said.items() if count > MOST}
        return [*self.notes, *(f"{count} more lines of registers that are {kind}" for kind, count in more.items())]


@dataclass(slots=True)
class _Command:
    index: int
    cpu: int | None  # None: every processor, one line each
    base: int
    line: int
    padded: bool  # -0: zeros stand in front
    counted: bool  # each line says how many processors in a row hold its value
    sorted: bool  # ... once they were sorted: which ones is not told
    above: int | None = None  # register of the command on the line above, which has no value: this one may be its
    lines: int = 0


_PROMPT = later(r"(?:.{0,80}[#$>]) \S")


def parse(text: str, source: str = "<text>") -> Machine:
    """Every register line; other lines are passed over. Values are hexadecimal, as rdmsr prints them."""
    reader = _Reader(source)
    remark = reg.read_remark(text, source)
    for number, line in squeezed(text):
        _take(reader, number, line)
    _unanswered(reader)
    _forget_naked(reader)
    _forget_decimal(reader)
    _forget_headless(reader, text)
    _spread_sets(reader)
    _take_writes(reader)
    end = text.rfind("\n") + 1
    commented = "#" in text[end:]  # where the comment stands, the value does
    if (remark.counts and not commented) or _falls_short(text[:end], text[end:]):
        _forget(reader, [text.count("\n") + 1])
    listing = reg.listed(reader.registers, remark)
    listing.lost |= reader.lost
    listing.cut |= reader.cut
    listing.encrypted = reader.encrypted
    registers = reg.with_cap(reader.registers, remark)
    width, vendor = remark.width or single_width(reader.widths, reader.notes), remark.vendor or _vendor(text)
    taken = frozenset(reader.taken)
    return reg.machine_of(registers, NAME, source, reader.all_notes(), width, vendor, listing, taken=taken)


def _falls_short(above: str, last: str) -> bool:
    """Whether the last line, which no line feed ends, holds fewer digits than the 16 of each value above."""
    found = _DIGITS.findall(last)
    if not found or len(found[-1]) >= 16:
        return False
    rows = (line for line in above.splitlines() if _command(line) is None)
    values = [of[-1] for line in rows if (of := _DIGITS.findall(line))]
    return bool(values) and all(len(value) == 16 for value in values)


def _forget(reader: _Reader, lines: Iterable[int]) -> None:
    """What these lines told is not told: of a list that ends without a line feed, the last value may lack digits."""
    lines = frozenset(lines)
    for cpu, held in reader.registers.items():
        for index in [index for index, register in held.items() if register.line in lines]:
            reader.forget(cpu, index)


def _forget_naked(reader: _Reader) -> None:
    """A "0" among values with "0x" is what a line that was cut leaves of one, and so is a list of nothing else.

    Where several lines were cut so, those whose words stand closer show a digit or two.
    """
    digits = {register.line: register.digits for held in reader.registers.values() for register in held.values()}
    told = digits.keys()
    naked = sorted(told & set(reader.naked))
    if reader.prefixed and len(naked) > 1 and all(digits[line] <= 2 for line in told):
        naked = sorted(told)
    if naked and (reader.prefixed or told <= set(naked)):
        what = "a 0 without 0x, which a line that was cut leaves of any value: it is not told"
        reader.notes.append(Note(f"line {naked[0]}: {what}", "lost", naked))
        _forget(reader, naked)


def _forget_decimal(reader: _Reader) -> None:
    """Numbers without 0x, where one of them in hexadecimal is what no register takes: 3072 is 0xc00, not 0x3072."""
    if reader.decimal:
        what = "a number without 0x that no register takes: the list may be decimal, such numbers are not told"
        reader.notes.append(Note(f"line {reader.plain[0]}: {what}", "lost", reader.plain))
        _forget(reader, reader.plain)


def _forget_headless(reader: _Reader, text: str) -> None:
    """What commands gave, where one value or an empty line in its place shows that columns of the text are lost."""
    hollow = _hollow(reader, text)
    if hollow:
        what = "an empty line below rdmsr: columns of the text may be lost, no value is told"
        reader.notes.insert(0, Note(f"line {hollow[0]}: {what}", "lost", hollow))
    if hollow or reader.headless:
        _forget(reader, reader.answers)


def _hollow(reader: _Reader, text: str) -> list[int]:
    """Empty lines where values should stand, if the text has no others: values of a digit or two. A prompt in front of
    a command shows that no column is lost."""
    if reader.prompted or not reader.unanswered:
        return []
    empty = [number for number, line in enumerate(text.rstrip().split("\n"), 1) if not line.strip()]
    return empty if empty and {number - 1 for number in empty} <= set(reader.unanswered) else []


def _vendor(text: str) -> str | None:
    amd, intel = _AMD.search(text) is not None, _INTEL.search(text) is not None
    return None if amd == intel else "amd" if amd else "intel"


def _take(reader: _Reader, number: int, line: str) -> None:
    row = reader.parts[line]
    if row is not None and row.plain is not None:
        _unanswered(reader)
        _register(reader, number, row)
        return
    width = width_on(line, reader.source, number)
    if width is not None:
        reader.widths.append(width)
    reader.encrypted = encrypted_on(line) if reader.encrypted is None else reader.encrypted
    command = _command(line)
    if reader.written and line.strip(" #$>") == "wrmsr":
        raise values.refusal(reader.source, number, "wrmsr without a register and a value: cut off")
    if command is not None:
        _run(reader, number, command, line)
        return
    if reader.command and reader.command.counted and (counted := _COUNTED.match(line)):
        _repeated(reader, number, counted)
        return
    if reader.command and _PLAIN.match(line):
        if reader.command.counted:
            reader.taken.add(reader.command.line)  # it has an answer
            _lose(reader, reader.command.index, number, "uniq -c prints a count and a value: one of them is lost")
        else:
            _output(reader, number, line)
        return
    if reader.interrupted and _PLAIN.match(line):
        what = f"a value {values.quoted(line.strip())} below no command: which register it is of is not told"
        reader.say("below no command", Note(f"line {number}: {what}", "lost", (number,)))
        reader.cut = True
        if reader.said["below no command"] > values.MOST_CPUS:
            raise values.refusal(reader.source, number, f"more than {values.MOST_CPUS} values below no command")
        return
    if line.strip():
        _unanswered(reader)
        _interrupt(reader, line)
    if "read" in line.lower() and (unreadable := _UNREADABLE.search(line)):
        reader.lost.add(_index(unreadable[1]))
        reader.say("not readable", f"line {number}: not readable: {values.quoted(line.strip())}")
        return
    if heading := processor_named(line):
        reader.cpu, reader.command = values.cpu_number(heading, reader.source, number), None
    elif row is not None:
        _register(reader, number, row)


def _split(line: str) -> _Line | None:
    """The parts of a register line; None for any other line."""
    row = plain_row(line)
    if row:
        cpu, label, value = row.groups()
        return _Line(cpu, int(label, 16), label, value, plain=(int(value, 16), len(value.removeprefix("0x"))))
    triple = _TRIPLE.match(line)
    if triple:
        return _Line(triple["cpu"], _index(triple["index"]), triple["index"], triple["rest"])
    found = _REGISTER.match(line)
    if not found:
        return None
    number = found["named"] or found["index"] or found["bare"]
    index = _index(number) if number else once(msr_index)[found["name"]]
    if index is None:
        return None
    rest = found["rest"].strip().removeprefix("=").removeprefix("->").strip()
    if named_value := _VALUE_WORD.match(rest):
        rest = rest[named_value.end() :]
    if not number and (own := _OWN.match(rest)) and int(own[1], 16) == index:
        number, rest = own[1], rest[own.end() :]
    elif not number and index >> 8 == 2 and _begins_number(rest, index):
        number, rest = rest, ""
    columns = found["bare"] is None and index in reg.READ_MSRS and _COLUMNS.match(rest) is not None
    whole = columns or bool(_VALUE.match(rest) or _SET.match(rest))
    marked = bool(found["word"] or found["cpu"] or found["cpu2"])
    if found["bare"] and not (marked or (index in reg.KNOWN_MSRS and whole)):
        return None
    cut = not rest or rest[:2].lower() == "0x" or (bool(found["sep"]) and bool(number or len(found["name"]) > 4))
    # something else behind a bare index or a space is prose, not a broken register line
    if not whole and not (cut and (marked or index in reg.KNOWN_MSRS or index >> 32)):
        return None
    if not (whole or marked or found["name"] or found["naming"]) and rest and rest[:2].lower() != "0x":
        return None
    named = (found["name"] or found["naming"]) if number else None
    other = misnamed(index, named) if named else None
    return _Line(found["cpu"] or found["cpu2"], index, number or found["name"], rest, other)


def _begins_number(text: str, index: int) -> bool:
    """Whether it is the front of the register's own number, which a line that breaks off leaves: 0x2 of 0x2ff. No
    register of 0x200 to 0x2ff takes such a value: the type 2, and bits about it, are reserved."""
    digits = text.lower().removeprefix("0x").rstrip(" ,")
    return digits != "" and f"{index:x}".startswith(digits)


def _index(text: str) -> int:
    """The number; what is far too large to be one stays recognizable (2**32 or above)."""
    digits = text if len(text) <= 8 else text.lower().removeprefix("0x").replace("_", "").lstrip("0") or "0"
    try:
        return int(digits, 16) if len(digits) <= 8 else 1 << 32
    except ValueError:
        return 1 << 32


def _register(reader: _Reader, number: int, found: _Line) -> None:
    if found.index >> 32:
        raise values.refusal(reader.source, number, f"register {values.quoted(found.label)} is not a 32-bit MSR number")
    if found.index not in reg.READ_MSRS:
        return
    if found.other is not None:
        reader.lost |= {found.index, found.other}
        reader.taken.add(number)
        reader.say("named otherwise", reg.misnaming(found.index, found.other, number))
        return
    cpu = reader.cpu if found.cpu is None else values.cpu_number(found.cpu, reader.source, number)
    if found.plain is not None:
        if found.rest[:2] != "0x":
            _without_prefix(reader, found.index, found.rest, found.plain[0], number)
        else:
            reader.prefixed = True
        reader.put(cpu, found.index, found.plain[0], number, found.plain[1])
        return
    several = _SET.match(found.rest)
    name = rules.msr_name(found.index)
    if several:
        words = [word.strip() for word in several["values"].split(",")]
        words = [word[1:-1] if _STRING.fullmatch(word) else word for word in words]
        held = [(values.number(word, reader.source, number, name), values.hex_digits(word)) for word in words if word]
        if not held:
            raise values.refusal(reader.source, number, f"{name} (0x{found.index:x}) has no value")
        if reader.sets.setdefault(found.index, (number, held))[1] != held:
            reader.lost.add(found.index)
            again = f"line {number}: {name} again, with other values: it is not told"
            reader.say("told again", Note(again, "contradiction", (number,)))
        return
    value = None if found.rest in _EAX_CUT else _VALUE.match(found.rest)
    if value is None and _COLUMNS.match(found.rest):
        _lose(reader, found.index, number, "more than one value")
        return
    if value is None:
        what = f"= {values.quoted(found.rest)} is not a number" if found.rest else "has no value"
        if re.match(_NAME, found.rest, re.I):
            what = "has no value: the line holds names of registers without their values"
        raise values.refusal(reader.source, number, f"{name} (0x{found.index:x}) {what}")
    if (column := _NEXT.match(value["more"] or "")) and not _again(value["value"] or "0", column[1]):
        _lose(reader, found.index, number, "more than one value")
        return
    high, low = value["high"] or value["edx"] or value["edx_first"], value["low"] or value["eax"] or value["eax_last"]
    if value["low"] is None and high and len(high) < len(low) == 8:
        _lose(reader, found.index, number, "EDX has fewer digits than EAX")
        return
    if high:
        whole = int(high, 16) << 32 | int(low, 16)
        digits = len(high) + len(low)
    else:
        whole = values.number(value["value"], reader.source, number, name)
        digits = values.hex_digits(value["value"])
        if value["value"][:2].lower() != "0x":
            _without_prefix(reader, found.index, value["value"], whole, number)
        else:
            reader.prefixed = True
    reader.put(cpu, found.index, whole, number, digits)


def _again(value: str, other: str) -> bool:
    """Whether a column holds the value once more, written alike: 0x06060606,06060606 are groups of one number."""
    alike = value[:2].lower() == "0x", other[:2].lower() == "0x"
    return alike[0] == alike[1] and int(value.rstrip("hH"), 16) == int(other.rstrip("hH"), 16)


def _lose(reader: _Reader, index: int, number: int, why: str) -> None:
    """The register is not told: its value is there in part."""
    reader.lost.add(index)
    reader.taken.add(number)
    reader.say("cut", Note(f"line {number}: {why}: {rules.msr_name(index)} is not told", "lost", (number,)))


def _without_prefix(reader: _Reader, index: int, text: str, value: int, number: int) -> None:
    """A number without "0x": what a cut leaves of one, or perhaps a decimal one."""
    if text == "0":
        reader.naked.append(number)
    elif len(text) > 1 and text.isdecimal():
        reader.plain.append(number)
        reader.decimal |= bool(value & reg.RESERVED.get(index, 0))


# --- shell transcripts: the command says which register, the lines below it hold the value --------------------------


def _command(line: str) -> tuple[str, list[str]] | None:
    found = _COMMAND.search(line) if "msr" in line else None
    if not found:
        return None
    arguments = found["arguments"].split()
    last = arguments[-1 if found["tool"] == "rdmsr" else -2] if len(arguments) > (found["tool"] == "wrmsr") else ""
    whole = re.fullmatch(r"(?:0x[0-9a-fA-F]+|\d+)", last) is not None or _ALONE.match(line) is not None
    return (found["tool"], arguments) if whole else None


def _options(reader: _Reader, number: int, tool: str, arguments: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The options of a command by their letters, and its numbers, as getopt_long() gives them to msr-tools."""
    try:
        options, given = getopt.gnu_getopt(arguments, _LETTERS[tool], [*_NAMES[tool]])
    except getopt.GetoptError as error:
        raise values.refusal(reader.source, number, f"{tool}: {error.msg}: cut off, or another tool") from None
    names = {f"--{name.rstrip('=')}": letter for name, letter in _NAMES[tool].items()}
    return [(names.get(name, name[1:]), value) for name, value in options], given


def _run(reader: _Reader, number: int, command: tuple[str, list[str]], line: str) -> None:
    tool, arguments = command
    cpu, everywhere, base, zeros = 0, False, 16, False
    options, given = _options(reader, number, tool, arguments)
    for letter, word in options:
        if letter == "p":
            cpu = values.cpu_number(word, reader.source, number)
        elif letter in "fr":
            what = "a bit field" if letter == "f" else "bytes"
            raise values.refusal(reader.source, number, f"rdmsr -{letter} prints {what}, not the register")
        everywhere |= letter == "a"
        zeros |= letter == "0"
        base = _BASES.get(letter, base)
    reader.prompted |= not line.startswith((tool, "sudo "))
    above = reader.command
    _unanswered(reader)
    reader.interrupted = False
    wanted = ("a register",) if tool == "rdmsr" else ("a register", "a value")
    if len(given) != len(wanted):
        lacks = " and ".join(wanted[len(given) :])
        said = f"without {lacks}" if lacks else f"with {len(given)} numbers"
        raise values.refusal(reader.source, number, f"{tool} {said}: cut off")
    index = values.number(given[0], reader.source, number, "register", 32, base=10)
    if tool == "wrmsr":
        # msr-tools reads both arguments as C does: 0x for hexadecimal
        value = values.number(given[1], reader.source, number, rules.msr_name(index), base=10)
        digits = values.hex_digits(given[1]) if given[1][:2].lower() == "0x" else 0
        reader.prefixed |= given[1][:2].lower() == "0x"
        reader.naked += [number] if given[1] == "0" else []
        reader.written.append((cpu, index, value, number, digits))
        reader.command = None
    else:
        counted, ordered = bool(_UNIQ.search(line)), bool(_SORTED.search(line))
        asked = above.index if above is not None and not above.lines and above.line == number - 1 else None
        reader.command = _Command(index, None if everywhere else cpu, base, number, zeros, counted, ordered, asked)


def _unanswered(reader: _Reader) -> None:
    """A command without a value below it leaves its register not told."""
    asked = reader.command
    if asked and not asked.lines and asked.index in reg.READ_MSRS and asked.line not in reader.taken:
        reader.lost.add(asked.index)
        reader.taken.add(asked.line)
        reader.unanswered.append(asked.line)
        what = f"rdmsr 0x{asked.index:x} has no value below it: {rules.msr_name(asked.index)} is not told"
        reader.notes.append(Note(f"line {asked.line}: {what}", "lost", (asked.line,)))
        reader.command = None  # a value further down is another command's


def _take_writes(reader: _Reader) -> None:
    """A script of wrmsr alone is the state that it makes; beside reads, a write is an attempt, and no register."""
    if not reader.registers:
        for cpu, index, value, line, digits in reader.written:
            reader.put(cpu, index, value, line, digits)
        _forget_naked(reader)
    elif reader.written:
        lines = [line for *_, line, _ in reader.written]
        text = f"line {lines[0]}: wrmsr" + (f", and {len(lines) - 1} more" if lines[1:] else "")
        reader.notes.append(Note(f"{text}: what a write left behind is not told unless it is read", "written", lines))


def _interrupt(reader: _Reader, line: str) -> None:
    """End a command below which another line stands than a value, or that of a processor that could not be read."""
    if reader.command is not None and _UNREADABLE.search(line) is None:
        reader.command, reader.interrupted = None, _PROMPT.match(line) is None
    elif reader.interrupted:
        reader.interrupted = _PROMPT.match(line) is None  # another command's, whose answer is none of ours


def _output(reader: _Reader, number: int, line: str) -> None:
    command = reader.command
    assert command is not None
    cpu = command.lines if command.cpu is None else command.cpu
    if command.cpu is not None and command.lines:
        what = f"a second value {values.quoted(line.strip())} for register 0x{command.index:x}, read without -a"
        raise values.refusal(reader.source, number, what)
    value = values.number(line, reader.source, number, rules.msr_name(command.index), base=command.base)
    reader.answers.append(number)
    reader.headless |= not command.padded and _HEADLESS.match(line) is not None
    reader.headless |= bool(value & reg.RESERVED.get(command.index, 0))
    command.lines += 1
    fits = command.above is not None and not value & reg.RESERVED.get(command.above, 0)
    if fits and command.index in reg.READ_MSRS:
        _lose(reader, command.index, number, "the value may be that of the command above, which has none")
    else:
        reader.put(cpu, command.index, value, number)


def _repeated(reader: _Reader, number: int, counted: re.Match[str]) -> None:
    """A line of ``rdmsr -a … | uniq -c``: so many processors in a row hold the value."""
    command = reader.command
    assert command is not None
    count = int(counted["count"])
    limit = values.MOST_CPUS - command.lines if command.cpu is None else 1
    if not 1 <= count <= limit:
        what = f"{count} processors for register 0x{command.index:x}"
        raise values.refusal(reader.source, number, f"{what}: 1 to {limit} can hold it")
    if command.sorted and command.lines:
        reg.once(reader.notes, "the values were sorted: which processor holds which is not told")
    for _ in range(count):
        _output(reader, number, counted["value"])


# --- lists that give the set of values over all processors ----------------------------------------------------------


def _spread_sets(reader: _Reader) -> None:
    """One processor per distinct value: the list does not say which processor holds which."""
    known = reader.sets
    if not known:
        return
    count = max(len(held) for _, held in known.values())
    if count > values.MOST_CPUS:
        raise values.refusal(reader.source, 0, f"more than {values.MOST_CPUS} values of one register")
    if count > 1:
        reader.notes.append("the list gives sets of values: which processor holds which is not told")
    for cpu in range(count):
        for index, (line, held) in known.items():
            if index in reader.lost:
                continue
            value, digits = held[min(cpu, len(held) - 1)]
            reader.put(cpu, index, value, line, digits)
