"""Several states in one text: boots, before and after, two machines, the sides of a diff, repeated commands.

A state begins where something is told again: a boot line, or a register, range or RAM entry that the text has told
already and now tells otherwise, or in another list. Equal copies of one state are one. What is told twice inside one
list, differently, is a contradiction, which the family that reads the list names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from memtype.errors import ParseError
from memtype.machine import Cpu, Machine, Note
from memtype.reading.json import documents
from memtype.reading.lines import bare
from memtype.reading.mail import is_classic_diff
from memtype.reading.marks import diff_signs
from memtype.reading.openings import opens_code
from memtype.reading.patterns import later
from memtype.reading.tellings import BOOT, MOST_ROWS, Telling, Tells, tellings
from memtype.reading.text import Text
from memtype.told import Registers

MOST = 256  # states in one text
_SHOWN = 8  # states that a note lists

_STAMP = later(r"\s*(?:<\d+>)?\[\s*(\d{1,7}\.\d+)\]")
_DIFF_COMMAND = later(r"\d+(?:,\d+)?[acd]\d+(?:,\d+)?$|\\ No newline at end of file$")
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


def split(
    text: Text, source: str, families: Sequence[Tells] | None = (), owned: Mapping[int, Sequence[Tells]] | None = None
) -> list[State]:
    """The states that a text holds, in its order; at least one.

    `families` say which lines tell something, `owned` of which lines one of them alone does. None: no family finds
    anything in the text; then only the sides of a diff and documents are looked for.
    """
    sides = _sides(text, source)
    if sides:
        return sides
    listed = _documents(text, source)
    if listed:
        return listed
    told = [] if families is None else tellings(text, families, owned or {}, source)
    begins = _begins(told, text.lines)
    if len(begins) < 2:
        return [State(text, "", text.numbers[0] if text.numbers else 0)]
    found = _parts(text, begins, {telling.place for telling in told})
    return _bounded(found, source)


def _bounded(found: list[State], source: str) -> list[State]:
    if len(found) > MOST:
        raise _too_many(found[MOST].line, source)
    return found


def _too_many(line: int, source: str) -> ParseError:
    return ParseError(f"{source}:{line}: more than {MOST} states (boots, dumps) in one text")


def _documents(text: Text, source: str) -> list[State]:
    """The JSON documents that stand one behind the other; none where there are no two."""
    whole = str(text)
    found, line, at = [], 0, 0
    for number, (begin, end) in enumerate(documents(whole), 1):
        line, at = line + whole.count("\n", at, begin), begin
        lines = whole[begin:end].split("\n")
        numbers = [text.numbers[line + n] for n in range(len(lines))]
        if number > MOST:
            raise _too_many(numbers[0], source)
        found.append(State(Text(lines, numbers), f"document {number}", numbers[0]))
    return found


def _parts(text: Text, begins: Sequence[int], told: set[int]) -> list[State]:
    """The states from where each begins. What stands above a first heading is about all of them.

    `told` are the places of lines that tell something: a heading that is one of them is no mere name.
    """
    ends = [*begins[1:], len(text.lines)]
    labels = [_label(text, begin) for begin in begins]
    above = range(begins[0]) if labels[0] else range(0)
    first = 0 if not labels[0] else begins[0]
    found: dict[tuple[str, ...], State] = {}
    for begin, end, label in zip([first, *begins[1:]], ends, labels):
        number = text.numbers[begin]
        state = State(text.part([*above, *range(begin, end)]), label or f"line {number}", number)
        body = text.lines[begin + (bool(label) and begin not in told) : end]
        copy = tuple(" ".join(line.split()) for line in body if line.strip())
        found.setdefault(copy, state)  # copies, word by word, are one
    return list(found.values())


# --- a diff -----------------------------------------------------------------------------------------------------------


def _sides(text: Text, source: str) -> list[State]:
    """Both sides of a diff; none where the text is no diff."""
    if is_classic_diff(text.lines):
        old, new = "<", ">"
    elif diff_signs(text.lines):
        old, new = "-", "+"
    else:
        return []
    if len(text.lines) > MOST_ROWS:
        raise ParseError(f"{source}:{text.numbers[MOST_ROWS]}: a diff of more than {MOST_ROWS} lines")
    if old == "-" and any(line.startswith("@@ -0,0 ") for line in text.lines):  # the whole file is new
        return [_side(text, new, old, "")]
    names = {line[0]: line[4:].split()[0] for line in text.lines if line[:4] in ("--- ", "+++ ") and line[4:].strip()}
    return [_side(text, old, new, names.get("-", "before")), _side(text, new, old, names.get("+", "after"))]


def _side(text: Text, own: str, other: str, label: str) -> State:
    head = ("--- ", "+++ ", "@@", "diff ", "index ", "new file mode ")
    places = [
        n for n, line in enumerate(text.lines)
        if not line.startswith((other, *head)) and line != "---" and not _DIFF_COMMAND.match(line)
    ]  # fmt: skip
    kept = text.part(places)
    begins = next((kept.numbers[n] for n, line in enumerate(kept.lines) if line.startswith(own)), 0)
    return State(kept.changed([line[1:] if line[:1] in (own, " ") else line for line in kept.lines]), label, begins)


# --- where something is told again ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Current:
    """The state that is being gone through."""

    told: dict[tuple[str, object], str] = field(default_factory=dict)
    first: dict[str, object] = field(default_factory=dict)  # of each kind, the key that was told first
    count: dict[str, int] = field(default_factory=dict)
    copies: list[Telling] = field(default_factory=list)  # what was told again in the same words
    before: dict[str, int] = field(default_factory=dict)  # of each kind, place of the last telling above the copies
    last: tuple[int, str, object] = (-1, "", "")  # the last telling: place, kind, key

    def put(self, telling: Telling) -> None:
        place, kind, key, said, _ = telling
        self.last = place, kind, key
        words = self.told.get((kind, key))
        if words is None:
            self.told[kind, key] = said
            self.first.setdefault(kind, key)
            self.count[kind] = self.count.get(kind, 0) + 1
        elif telling.repeats(words):
            self.copies.append(telling)
            return
        if not self.copies:
            self.before[kind] = place

    def restart(self, telling: Telling, lines: Sequence[str]) -> Telling | None:
        """The telling that a new state begins with, if this one shows that there is one."""
        if telling.kind == "boot":
            # /proc/cpuinfo above a log is about it
            return telling if any(kind != "processor" for kind, _ in self.told) else None
        words = self.told.get((telling.kind, telling.key))
        if telling.role == "head":  # next to each other, they are one line twice, or contradict each other
            twice = self.last == (telling.place - 1, telling.kind, telling.key)
            return telling if words is not None and not twice else None
        if telling.role == "list":
            headed = any(_is_title(line) for line in lines[self.last[0] + 1 : telling.place])
            return telling if words is not None and headed else None
        again = words is not None and telling.repeats(words)
        # a list of registers that goes on otherwise is another one; a RAM map in pieces is no other machine's
        copied = telling.kind != "ram" and any(copy.kind == telling.kind for copy in self.copies[-1:])
        if words is None and not copied:
            return None
        begins = self.copies[0] if self.copies else telling
        apart = begins.place > self.before.get(begins.kind, -2) + 1  # a heading, a blank line, something else between
        anew = begins.key == self.first.get(begins.kind) and self.count[begins.kind] > 1
        if again:  # a whole list once more, which may be shorter than the first
            return begins if begins is telling and apart and anew and begins.kind != "ram" else None
        return begins if apart or anew else None


def _begins(found: Sequence[Telling], lines: Sequence[str]) -> list[int]:
    """The places where states begin, the first one's included."""
    begins: list[int] = []
    now, first = _Current(), 0  # the state that is gone through, and which telling it begins with
    for at, telling in enumerate(found):
        if not begins:
            begins.append(_above(telling.place, -1, lines))
        begun = now.restart(telling, lines)
        if begun is not None:
            first = _list_begins(found, found.index(begun, first, at + 1), first, lines)
            begins.append(_above(found[first].place, found[first - 1].place, lines))
            now = _Current()
            for earlier in found[first:at]:
                now.put(earlier)
        now.put(telling)
    return begins or [0]


def _list_begins(found: Sequence[Telling], at: int, first: int, lines: Sequence[str]) -> int:
    """The telling that begins the list in which the one `at` stands: the first behind a heading or an empty line."""
    for n in range(at, first, -1):
        if found[n].role == "head":
            return n
        if found[n - 1].kind != found[at].kind:
            break
        if any(_parts_lists(line) for line in lines[found[n - 1].place + 1 : found[n].place]):
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
    words = bare(line).strip()
    return 0 < len(words) <= 2 * _LABEL and not _STAMP.match(line) and (words[-1] in ":#=-" or words[0] in "#=*$[")


def _is_title(line: str) -> bool:
    """Whether a line is a heading in words: "before:", "machine 1:"."""
    return _is_heading(line) and line.strip()[-1] == ":" and line.strip()[0].isalpha()


def _label(text: Text, begin: int) -> str:
    """What a heading says, or the kernel of a boot."""
    line = text.lines[begin]
    boot = next((found[1] for n in text.lines[begin : begin + _NEAR] if (found := BOOT.match(bare(n)))), None)
    if boot is not None:
        return f"Linux {boot[:_LABEL]}"
    return _DRESS.sub("", bare(line))[:_LABEL] if _is_heading(line) else ""


# --- the states as machines -------------------------------------------------------------------------------------------


def together(machines: Sequence[Machine]) -> Machine:
    """One machine that holds all states as `parts`, and itself what all of them tell alike.

    States that tell the same are one; a piece of one, without ranges and without contradiction, belongs to it.
    """
    states: list[Machine] = []
    for machine in machines:
        twin = next((n for n, other in enumerate(states) if _alike(machine, other)), None)
        if twin is None:
            states.append(machine)
        else:
            states[twin] = _both(states[twin], machine)
    if len(states) == 1:
        return replace(states[0], label="", line=0)
    listed = ", ".join(f"{n}: {part.label}, line {part.line}" for n, part in enumerate(states[:_SHOWN], 1))
    more = ", …" if len(states) > _SHOWN else ""
    text = f"{len(states)} states (boots, dumps) in the text ({listed}{more}): which is meant is not told"
    return _shared(states, Note(text, "states", [state.line for state in states]))


def _both(state: Machine, piece: Machine) -> Machine:
    """Two that tell the same, or one of which is a piece of the other, as one that tells what any of them does."""
    better, other = (piece, state) if _worth(piece) > _worth(state) else (state, piece)
    facts = {**(other.facts or {}), **(better.facts or {})}
    told = {name: getattr(better, name) or getattr(other, name) for name in ("kernel", "e820", "printed_map")}
    return replace(better, facts=facts or None, label=state.label, line=state.line, **told)


def _shared(states: Sequence[Machine], note: Note) -> Machine:
    """What all states tell alike, and nothing else."""
    first, others = states[0], states[1:]
    same = {
        name: getattr(first, name)
        for name in ("e820", "kernel", "vendor", "maxphyaddr", "printed_map", "printed_view", "width")
        if all(getattr(first, name) == getattr(other, name) for other in others)
    }
    facts = {
        key: fact for key, fact in (first.facts or {}).items()
        if all(key in (o.facts or {}) and _bare_fact((o.facts or {})[key]) == _bare_fact(fact) for o in others)
    }  # fmt: skip
    cpus = [{cpu.number: cpu for cpu in state.cpus} for state in states]
    numbers = [number for number in cpus[0] if all(number in held for held in cpus)]
    alike = tuple(_alike_cpu([held[number] for held in cpus]) for number in numbers) or (Cpu(),)
    notes = tuple(text for text in first.notes if all(text in other.notes for other in others))
    formats = "+".join(dict.fromkeys(name for state in states for name in state.format.split("+")))
    return Machine(alike, formats, facts=facts or None, notes=(*notes, note), source=first.source,
                   parts=tuple(states), **same)  # fmt: skip


def _alike_cpu(cpus: Sequence[Cpu]) -> Cpu:
    """A processor as all states tell it; None for what they do not tell alike."""
    first = cpus[0]
    registers = first.registers if all(cpu.registers == first.registers for cpu in cpus) else None
    return Cpu(first.number, registers, first.pat if all(cpu.pat == first.pat for cpu in cpus) else None)


def _alike(one: Machine, other: Machine) -> bool:
    """Whether two states tell the same, or one of them is a piece of the other."""
    names = ("kernel", "e820", "printed_map")
    if _unread(one) or _unread(other):
        return False
    if not all(_agree(getattr(one, name), getattr(other, name)) for name in names) or not _same_facts(one, other):
        return False
    mine, theirs = ({cpu.number: cpu for cpu in machine.cpus} for machine in (one, other))
    pieces = mine.keys() == theirs.keys() or one.registers is None or other.registers is None
    both = [(mine[number], theirs[number]) for number in mine.keys() & theirs.keys()]
    return pieces and all(_agree(a.pat, b.pat) and _fit(a.registers, b.registers) for a, b in both)


def _unread(machine: Machine) -> bool:
    """Whether its registers stand in the text and could not be read: then it is no piece without any."""
    return machine.registers is None and any(isinstance(n, Note) and n.id == "refused" for n in machine.notes)


def _agree(one: object, other: object) -> bool:
    return one == other or not one or not other


def _same_facts(one: Machine, other: Machine) -> bool:
    mine, theirs = one.facts or {}, other.facts or {}
    return all(_bare_fact(mine[name]) == _bare_fact(theirs[name]) for name in mine.keys() & theirs.keys())


def _bare_fact(fact: object) -> object:
    """What was printed, wherever it stood."""
    if isinstance(fact, dict):
        return {key: _bare_fact(value) for key, value in fact.items() if key not in ("line", "lines")}
    return [_bare_fact(item) for item in fact] if isinstance(fact, (list, tuple)) else fact


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
