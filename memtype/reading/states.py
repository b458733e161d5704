"""Several states in one text: boots, before and after, two machines, the sides of a diff, repeated commands.

A state begins where something is told again: a boot line, or a register, range or RAM entry that the text has told
already and now tells otherwise, or in another list. Equal copies of one state are one. What is told twice inside one
list, differently, is a contradiction, which the family that reads the list names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from memtype.errors import ParseError
from memtype.machine import Machine, Note
from memtype.reading.accounting import register_row
from memtype.reading.clues import holding, words
from memtype.reading.lines import bare
from memtype.reading.mail import is_classic_diff
from memtype.reading.marks import diff_signs
from memtype.reading.openings import opens_code
from memtype.reading.patterns import later
from memtype.reading.text import Text
from memtype.told import Registers

MOST = 256  # states in one text
_SHOWN = 8  # states that a note lists

_WORDS = words("linux version", "mtrr", "e820", "base", "msr", "0x", "cpu", "core", "proc", pattern=r"reg\d")
_BOOT = later(r"\s*Linux version (\S+)")
_BOOTS_ON = later(r"Command line:|BIOS-|e820|x86/fpu|KERNEL supported|MTRR|DMI")
_KINDS = (  # of what a log tells: by which words, and under which key
    ("log", r"MTRR (default type):\s*[a-z?]"),
    ("log", r"MTRR (fixed|variable) ranges (?:en|dis)abled"),
    ("log", r"([0-9a-f]{5}-[0-9a-f]{5})\s+[a-z]"),
    ("log", r"(TOM2):"),
    ("log", r"(\d{1,3}) (?:base [0-9a-f]+ mask|disabled\s*$)"),
    ("log", r"(MTRR map): \d+ entries"),
    ("ram", r"(?:BIOS-e820|efi-e820):\s+(?:\[mem )?(?:0x)?([0-9a-f]+)"),
    ("proc", r"reg(\d{1,3})\s*:\s*base\s*="),
    ("inteltool", r"CPU: (ID) 0x"),
    ("inteltool", r"=+ (SHARED) MSRs"),
)
_LOG = later(rf"\s*(?:{'|'.join(pattern for _, pattern in _KINDS)})", re.I)
_COMMAND = later(r"(?:^|[\s$#>])rdmsr((?:\s+-\w+(?:\s+\d+(?=\s))?)*\s+(?:0x[0-9a-f]+|\d+))\s*(?:[|;#].*)?$", re.I)
_WRITE = later(r"(?:^|[\s$#>])wrmsr((?:\s+-\w+(?:\s+\d+(?=\s))?)*\s+(?:0x[0-9a-f]+|\d+))\s+\w", re.I)
_CPU = later(r"(?:^|[\s\[(])(?:v?cpu|core|processor|thread|lcpu)(?:\s*[#:])?\s*(\d{1,6})\b", re.I)
_CPUS = later("cpu|core|proc|thread")
_FIRST = later(r"\s*(\d{1,6})\s*[,;\s]\s*0x[0-9a-f]+\s*[,;\s]\s*0x[0-9a-f]+\s*$", re.I)
_STAMP = later(r"\s*(?:<\d+>)?\[\s*(\d{1,7}\.\d+)\]")
_COMMENT = later(r"\s*(?:#|//|/\*)")
_DRESS = later(r"^[\s#=*\[\-:>$]+|[\s#=*\]\-:]+$")
_LABEL = 40  # characters
_REACH = 4096  # lines above a telling in which a clock that starts anew is looked for
_NEAR = 5  # lines


@dataclass(frozen=True, slots=True)
class State:
    """One state's lines; `line` is where it begins in the user's text, `label` what stands above it there."""

    text: Text
    label: str
    line: int


def split(text: Text, source: str) -> list[State]:
    """The states that a text holds, in its order; at least one."""
    sides = _sides(text)
    if sides:
        return sides
    tellings = list(_tellings(text))
    if any(telling.kind == "msr" for telling in tellings):  # beside reads, a write is an attempt
        tellings = [telling for telling in tellings if telling.kind != "wrmsr"]
    begins = _begins(tellings, text.lines)
    if len(begins) < 2:
        return [State(text, "", text.numbers[0] if text.numbers else 0)]
    found = _parts(text, begins)
    if len(found) > MOST:
        raise ParseError(f"{source}:{found[MOST].line}: more than {MOST} states (boots, dumps) in one text")
    return found


def _parts(text: Text, begins: Sequence[int]) -> list[State]:
    """The states from where each begins. What stands above a first heading is about all of them."""
    ends = [*begins[1:], len(text.lines)]
    labels = [_label(text, begin) for begin in begins]
    above = range(begins[0]) if labels[0] else range(0)
    first = 0 if not labels[0] else begins[0]
    found: dict[tuple[str, ...], State] = {}
    for begin, end, label in zip([first, *begins[1:]], ends, labels):
        number = text.numbers[begin]
        state = State(text.part([*above, *range(begin, end)]), label or f"line {number}", number)
        copy = tuple(" ".join(line.split()) for line in text.lines[begin + bool(label) : end] if line.strip())
        found.setdefault(copy, state)  # copies, word by word, are one
    return list(found.values())


# --- a diff -----------------------------------------------------------------------------------------------------------


def _sides(text: Text) -> list[State]:
    """Both sides of a diff; none where the text is no diff."""
    if is_classic_diff(text.lines):
        old, new = "<", ">"
    elif diff_signs(text.lines):
        old, new = "-", "+"
    else:
        return []
    names = {line[0]: line[4:].split()[0] for line in text.lines if line[:4] in ("--- ", "+++ ") and line[4:].strip()}
    return [_side(text, old, new, names.get("-", "before")), _side(text, new, old, names.get("+", "after"))]


def _side(text: Text, own: str, other: str, label: str) -> State:
    head = ("--- ", "+++ ", "@@", "diff ", "index ")
    places = [n for n, line in enumerate(text.lines) if not line.startswith((other, *head)) and line != "---"]
    kept = text.part(places)
    begins = next((kept.numbers[n] for n, line in enumerate(kept.lines) if line.startswith(own)), 0)
    return State(kept.changed([line[1:] if line[:1] in (own, " ") else line for line in kept.lines]), label, begins)


# --- where something is told again ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Telling:
    """A line that tells something: what (a register of a processor, a range of a list), and in which words."""

    place: int
    kind: str
    key: object
    words: str

    def repeats(self, words: str) -> bool:
        """Whether it says the same, or as much of it as a console that broke off left."""
        return self.words.startswith(words) or words.startswith(self.words)


def _tellings(text: Text) -> Iterator[_Telling]:
    cpu, lines = "0", text.lines
    for number, raw in holding(str(text), _WORDS):
        line, place = bare(raw), number - 1
        lower = line.lower()
        stream = "xen " if "(XEN)" in raw else ""
        if _BOOT.match(line) and (line != raw.rstrip() or any(map(_BOOTS_ON.search, lines[place + 1 : place + 13]))):
            yield _Telling(place, "boot", "boot", "")
        elif found := _log(line):
            cpu = "0" if found[0] == "inteltool" else cpu  # its list begins with what all cores share
            yield _Telling(place, stream + found[0], found[1], " ".join(line.split()))
        elif "rdmsr" in lower and (command := _COMMAND.search(line)):
            yield _Telling(place, "msr", ("rdmsr", *command[1].split()), f"line {place}")  # its answer stands below
        elif "wrmsr" in lower and (command := _WRITE.search(line)):
            yield _Telling(place, "wrmsr", tuple(command[1].split()), " ".join(line.split()))
        else:
            of = _FIRST.match(line) or (_CPUS.search(lower) and _CPU.search(line))
            index = register_row(line)
            if index is not None:
                yield _Telling(place, "msr", (of[1] if of else cpu, index), " ".join(line.split()))
            elif of:
                cpu = of[1]


def _log(line: str) -> tuple[str, str] | None:
    found = _LOG.match(line)
    if found is None or found.lastindex is None:
        return None
    return _KINDS[found.lastindex - 1][0], found[found.lastindex].lower()


@dataclass(slots=True)
class _Current:
    """The state that is being gone through."""

    told: dict[tuple[str, object], str] = field(default_factory=dict)
    first: dict[str, object] = field(default_factory=dict)  # of each kind, the key that was told first
    count: dict[str, int] = field(default_factory=dict)
    copies: list[_Telling] = field(default_factory=list)  # what was told again in the same words
    before: int = -1  # place of the last telling above the copies

    def put(self, telling: _Telling) -> None:
        words = self.told.setdefault((telling.kind, telling.key), telling.words)
        if words is telling.words:
            self.first.setdefault(telling.kind, telling.key)
            self.count[telling.kind] = self.count.get(telling.kind, 0) + 1
        elif telling.repeats(words):
            self.copies.append(telling)
            return
        if not self.copies:
            self.before = telling.place

    def restart(self, telling: _Telling) -> _Telling | None:
        """The telling that a new state begins with, if this one shows that there is one."""
        if telling.kind == "boot":
            return telling if self.told else None
        words = self.told.get((telling.kind, telling.key))
        again = words is not None and telling.repeats(words)
        # a list of registers that goes on otherwise is another one; a RAM map in pieces is no other machine's
        copied = telling.kind != "ram" and any(copy.kind == telling.kind for copy in self.copies[-1:])
        if words is None and not copied:
            return None
        begins = self.copies[0] if self.copies else telling
        apart = begins.place > self.before + 1  # a heading, a blank line, something else between
        anew = begins.key == self.first.get(begins.kind) and self.count[begins.kind] > 1
        if again:  # a whole list once more, which may be shorter than the first
            return begins if begins is telling and apart and anew and begins.kind != "ram" else None
        return begins if apart or anew else None


def _begins(tellings: Sequence[_Telling], lines: Sequence[str]) -> list[int]:
    """The places where states begin, the first one's included."""
    begins: list[int] = []
    now, first = _Current(), 0  # the state that is gone through, and which telling it begins with
    for at, telling in enumerate(tellings):
        if not begins:
            begins.append(_above(telling.place, -1, lines))
        begun = now.restart(telling)
        if begun is not None:
            first = _list_begins(tellings, tellings.index(begun, first, at + 1), first, lines)
            begins.append(_above(tellings[first].place, tellings[first - 1].place, lines))
            now = _Current()
            for earlier in tellings[first:at]:
                now.put(earlier)
        now.put(telling)
    return begins or [0]


def _list_begins(tellings: Sequence[_Telling], at: int, first: int, lines: Sequence[str]) -> int:
    """The telling that begins the list in which the one `at` stands: the first behind a heading or an empty line."""
    for n in range(at, first, -1):
        if tellings[n - 1].kind != tellings[at].kind:
            break
        if any(_parts_lists(line) for line in lines[tellings[n - 1].place + 1 : tellings[n].place]):
            return n
    return at


def _parts_lists(line: str) -> bool:
    return not line.strip() or _is_heading(line)


def _above(place: int, before: int, lines: Sequence[str]) -> int:
    """Where the state begins whose first telling stands at `place`: at the clock's start, or at its heading."""
    between = range(max(before + 1, place - _REACH), place + 1)
    clocks = [(n, float(found[1])) for n in between if (found := _STAMP.match(lines[n]))]
    back = next((n for (_, one), (n, two) in pairwise(clocks) if two < one), None)
    if back is not None:
        return back
    if opens_code(lines[place]):  # a declaration stands above its rows
        return next((n for n in between if lines[n].strip(" \t;,)}]")), place)
    begin = place
    for above in range(place - 1, max(before, place - _NEAR), -1):
        if _is_heading(lines[above]) or _COMMENT.match(lines[above]):
            begin = above
        elif lines[above].strip() or begin != place:
            break
    return begin


def _is_heading(line: str) -> bool:
    words = line.strip()
    return 0 < len(words) <= 2 * _LABEL and not _STAMP.match(line) and (words[-1] in ":#=-" or words[0] in "#=*$[")


def _label(text: Text, begin: int) -> str:
    """What a heading says, or the kernel of a boot."""
    line = text.lines[begin]
    boot = next((found[1] for n in text.lines[begin : begin + _NEAR] if (found := _BOOT.match(bare(n)))), None)
    if boot is not None:
        return f"Linux {boot[:_LABEL]}"
    return _DRESS.sub("", line)[:_LABEL] if _is_heading(line) else ""


# --- the states as machines -------------------------------------------------------------------------------------------


def together(machines: Sequence[Machine]) -> Machine:
    """One machine that holds all states as `parts`; it answers as the last of those that tell the most.

    States that tell the same are one; a piece of one, without ranges and without contradiction, belongs to it.
    """
    states: list[Machine] = []
    for machine in machines:
        twin = next((n for n, other in enumerate(states) if _alike(machine, other)), None)
        if twin is None:
            states.append(machine)
        elif _worth(machine) > _worth(states[twin]):
            states[twin] = replace(machine, label=states[twin].label, line=states[twin].line)
    if len(states) == 1:
        return replace(states[0], label="", line=0)
    shown = max(reversed(states), key=_worth)
    listed = ", ".join(f"{n}: {part.label}, line {part.line}" for n, part in enumerate(states[:_SHOWN], 1))
    more = ", …" if len(states) > _SHOWN else ""
    text = f"{len(states)} states (boots, dumps) in the text ({listed}{more}); shown is {states.index(shown) + 1}"
    return replace(shown, parts=tuple(states), notes=(*shown.notes, Note(text, "states", [s.line for s in states])))


def _alike(one: Machine, other: Machine) -> bool:
    """Whether two states tell the same, or one of them is a piece of the other."""
    if not (_agree(one.kernel, other.kernel) and _agree(one.e820, other.e820) and _agree(one.pat, other.pat)):
        return False
    mine, theirs = ({cpu.number: cpu.registers for cpu in machine.cpus} for machine in (one, other))
    pieces = mine.keys() == theirs.keys() or one.registers is None or other.registers is None
    return pieces and all(_fit(mine.get(number), told) for number, told in theirs.items())


def _agree(one: object, other: object) -> bool:
    return one == other or not one or not other


def _fit(one: Registers | None, other: Registers | None) -> bool:
    if one is None or other is None:
        return True
    if any(one.register(index).contradicts(register) for index, register in other.held.items()):
        return False
    for mine, theirs in ((one.vendor, other.vendor), (one.width, other.width), (one.count, other.count)):
        if None not in (mine, theirs) and mine != theirs:
            return False  # another processor, or a list that says of itself that it is another one
    if not (one.listed and other.listed):
        return True
    return one.ranges == other.ranges and all(
        one.pair(n) == other.pair(n) for n in range(max(one.listed, other.listed))
    )


def _worth(machine: Machine) -> tuple[bool, ...]:
    told = machine.registers
    pairs, more = (0, 0) if told is None else (told.listed, len(told.held))
    return (
        told is not None,
        pairs > 0,
        machine.printed_map is not None,
        more > 1,
        machine.pat is not None,
        bool(machine.e820),
    )
