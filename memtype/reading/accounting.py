"""Lines that name a register and that no family of dumps understood: none is lost in silence.

A line names a register by its name ("IA32_MTRR_PHYSBASE0"), by its number in a row of a list, as a range ("reg01"),
or as a base with a mask; prose that speaks of MTRRs names none. What a lost line names is not told: the register, or,
where the number of a range cannot be read, whether there are more ranges.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace

from memtype import rules
from memtype.machine import Machine, Note, changed
from memtype.reading.clues import holding, words
from memtype.reading.frames import odd_lines
from memtype.reading.lines import bare, squeeze
from memtype.reading.names import msr_index
from memtype.reading.notes import MOST, settled
from memtype.reading.once import Once, once
from memtype.reading.patterns import later
from memtype.reading.rows import plain_row
from memtype.reading.text import Text
from memtype.reading.values import quoted
from memtype.told import Register, Registers, named, pair_numbers

_OURS = frozenset({rules.DEF_TYPE_MSR, rules.MTRRCAP, *rules.FIXED_MSRS}) | {
    index for n in range(rules.NUMBERED_PAIRS) for index in pair_numbers(n)
}
_BESIDE_PAIRS = frozenset({rules.DEF_TYPE_MSR, *rules.FIXED_MSRS})
_WORDS = words("mtrr", "reg", "mask", "msr", "0x2", "0xfe", "000-", "800", "size=", "range")
_QUICK = later(  # in lower case
    r"mtrr|reg ?(?!0x)\d|mask|size=|range ?[:=]|msr|0x2[0-9a-f]{2}\b|0xfe\b|000-[0-9a-f]{5} |800\b"
)
_VALUE = r"(?:0x)?[0-9a-f][0-9a-f_`]*h?"
_NAME = later(r"\b(?:MSR_|IA32_|AMD_|MSR )*MTRR[ _]?(?:phys?_?(?:base|mask)|fix|def|cap|variable)\w*", re.I)
_BEHIND = later(rf"\s*(?:\((?:MSR\s*)?0x[0-9a-f]+\))?\s*(?:[:=]|\bis\b|->|\s)\s*(?:{_VALUE}(?![\w-])|$)", re.I)
_NUMBERED = later(r"\s*\((?:MSR\s*)?0x[0-9a-f]+\)\s*:", re.I)
_DEFAULT = later(r"\bMTRR default type\s*:|\bMTRR: (?:WB|UC) selected\b|\bselected as default type", re.I)
_RANGE = later(r"reg(?<![\w.]reg) ?(\d{1,4})\s*(?::|,?\s*base\b)")  # in lower case
_MASKED = later(rf"(?:^|\s)(?:(\d{{1,3}})\W{{1,4}})?base[\s:=]*{_VALUE}\W.{{0,40}}?\bmask[\s:=]*{_VALUE}\b", re.I)
_SIZED = later(rf"\bbase[\s:=]+{_VALUE}\W.{{0,40}}?\bsize[\s:=]+\d+\s*[kmg]b\b.{{0,40}}?\b(?:write-|uncach)", re.I)
_DOTS = later(
    r"\s*[.:]$|[\W_]*(?:\.[\s.]*\.|[\u2026\u22ef\u22ee\u2702]|\u00b7{2,}|[-=_]\s*(?:8<|>8)|(?:8<|>8)\s*[-=_])[-\W_8]*$"
)
_OMITTED = later(
    r"\b(?:snip\w*|cut|omitted|skipped|truncated|elided|removed|deleted|redacted|trimmed|stripped|abridged|shortened"
    r"|hidden|dropped|suppressed|lost|missing|left out|not shown|etc|ditto|and so (?:on|forth)|(?:the|all) rest"
    r"|remaining|\d+ more|more (?:lines?|rows?|entries)|(?:same|as) (?:for|above|before))\b|^(?!--)\W*more\W*$",
    re.I,
)
_SCIENTIFIC, _ROUNDED = later(r"\b\d(?:\.\d+)?E\+\d\d"), 16  # digits
_SPANNED = later(r"\bbase ?[:=] ?\w{1,12},? range ?[:=] ?\w", re.I)  # mtrr_cleanup's list: "base: 3584MB, range: 512MB"
_MOST_WORDS, _MOST_LETTERS = 8, 80  # of a line that only says that others were left out
_FIXED = later(r"(?:^|\s)([0-9a-f]{2}000)-([0-9a-f]{2}fff)\s+\S", re.I)
_ROW = later(
    rf"\W*(?:(?:cpu|core|thread|processor|msr|rdmsr|register|index|ecx)\W{{0,3}}(?:\d{{1,5}}\W{{1,3}})?)*"
    rf"(?:0x(?P<index>[0-9a-f]{{2,8}})|(?P<bare>2[0-9a-f]{{2}})h)[\s\])]*(?:[:=,|]|->|\s)\s*(?:{_VALUE}|0x\S*)\s*(?:$|[(,;#\[|}}])",
    re.I,
)
_PAIR = later(r"\W*(?:0x)?([0-9a-f]{8,16})[\s,:;/-]{1,5}(?:0x)?([0-9a-f]{8,16})\W*$", re.I)
_LONGEST = 1 << 12  # characters: no line that names a register is longer


@dataclass(frozen=True, slots=True)
class Loss:
    """A line that names registers and was not understood; of a range without a number, no register is known.

    `others`: it stands in place of lines that were left out.
    """

    line: int
    registers: frozenset[int]
    text: str
    others: bool = False


def naming(text: Text, but: Container[int] = ()) -> Iterator[Loss]:
    """The lines that name registers, numbered as in the undone text, whoever understood them; `but` those lines."""
    named_on = Once(lambda line: _named_on(once(squeeze)[line]))
    for number, line in holding(str(text), _WORDS):
        if number not in but and len(line) <= _LONGEST and _QUICK.search(line.lower()):
            found = named_on[line]
            if found is not None:
                yield Loss(number, found, line.strip())


def _named_on(line: str) -> frozenset[int] | None:
    """The registers that a line names; None where it names none."""
    lower = line.lower()
    if "mtrr" in lower:
        if found := _names(line):
            return found
        if _DEFAULT.search(line):
            return frozenset({rules.DEF_TYPE_MSR})
    numbers: list[str | None] = _RANGE.findall(lower) if "reg" in lower else []
    if not numbers and "mask" in lower and (masked := _MASKED.search(line)):
        numbers = [masked[1]]
    if numbers:  # of two, one ran into the other's end
        return frozenset[int]().union(*map(_pair, numbers))
    if ("size=" in lower and _SIZED.search(line) and "echo" not in lower) or _SPANNED.search(line):
        return frozenset()
    if "000-" in line and (fixed := _FIXED.search(line)):
        return _fixed(int(fixed[1], 16), int(fixed[2], 16))
    index = register_row(line)
    return _unnumbered(line) if index is None else frozenset({index})


def register_row(line: str) -> int | None:
    """The number of the register on a row of a list, "0x2ff = 0xc06"; None on any other line."""
    if plain := plain_row(line):
        index = int(plain[2], 16)
    else:
        row = _ROW.match(line)
        index = int(row["index"] or row["bare"], 16) if row else 0
    return index if index in _OURS else None


def _names(line: str) -> frozenset[int]:
    """Registers that stand by their names, with a value, or as a list without values prints them."""
    found = set()
    for name in _NAME.finditer(line):
        index = msr_index(name[0])
        if index in _OURS and (_BEHIND.match(line, name.end()) or _NUMBERED.match(line, name.end())):
            found.add(index)
    return frozenset(found)


def _pair(number: str | None) -> frozenset[int]:
    """Both registers of a range; none where its number is not one."""
    return frozenset(pair_numbers(int(number))) if number and int(number) < rules.MAX_VARIABLE else frozenset()


def _fixed(first: int, last: int) -> frozenset[int] | None:
    """The registers of a row of the fixed ranges, "00000-9FFFF write-back"."""
    spans = (s for s in rules.FIXED_RANGES if first <= s.base and s.base + s.size - 1 <= last)
    return frozenset(rules.FIXED_MSRS[s.register] for s in spans) or None


def _unnumbered(line: str) -> frozenset[int] | None:
    """No register, yet a range: a base with a type and a mask with V, as programs print pairs without numbers."""
    found = _PAIR.match(line) if "800" in line else None  # V, and no other bit of the lowest twelve
    if not found:
        return None
    base, mask = int(found[1], 16), int(found[2], 16)
    low = rules.PAGE_SIZE - 1
    is_pair = mask & low == rules.MASK_VALID and mask > low and base & low in rules.MTRR_TYPES
    return frozenset() if is_pair else None


# --- what it does to a machine ----------------------------------------------------------------------------------------


def accounted(machine: Machine, text: Text) -> Machine:
    """The machine, read from the undone `text`, with what lost lines name not told, and a note on each."""
    known = lines_of(machine)
    losses = list(naming(text, known))
    read = _lines_of_registers(machine)
    losses += _odd(text, read, known | {loss.line for loss in losses})
    losses += _omitted(text, read | machine.taken)
    losses = [*_without_copies(sorted(losses, key=lambda loss: loss.line), known, text), *_rounded(machine, text)]
    if not losses:
        return machine
    cpus = changed(machine.cpus, lambda told: _without(told, losses))
    return settled(replace(machine, cpus=cpus, notes=(*machine.notes, *_notes(losses))))


def _without_copies(losses: list[Loss], known: Container[int], text: Text) -> list[Loss]:
    """The losses without lines that say, word by word, what a line says that was understood."""
    if not losses:
        return losses
    said = {_said(line) for number, line in enumerate(text.lines, 1) if number in known}
    return [loss for loss in losses if _said(loss.text) not in said]


def _said(line: str) -> str:
    return " ".join(bare(line).split())


def _odd(text: Text, read: set[int], known: set[int]) -> Iterator[Loss]:
    """Lines that look like those that were read but for one word, and the registers that they still name."""
    for odd in odd_lines(text.lines, read - {0, -1}):
        if odd.line not in known and len(odd.text) <= _LONGEST:
            theirs, now = ([_named_on(line) for line in lines] for lines in (odd.read, odd.mended))
            if None in theirs or now == theirs:  # such lines name no register in words, or the odd word is the number
                yield Loss(odd.line, frozenset(), odd.text.strip())
            elif now[0]:
                yield Loss(odd.line, now[0], odd.text.strip())


def _rounded(machine: Machine, text: Text) -> Iterator[Loss]:
    """Registers of 16 decimal digits of which a spreadsheet kept 15: the text shows so, 1.81818E+15 stands in it, or
    the number does.

    1919191919191919 comes back as 1919191919191910, which is a number of AMD's fixed ranges as well.
    """
    shown = "E+" in (whole := str(text)) and _SCIENTIFIC.search(whole) is not None
    held = {(index, each) for cpu in machine.cpus if cpu.registers for index, each in cpu.registers.held.items()}
    for index, register in sorted(held, key=lambda each: each[0]):
        digits = f"{register.value:x}"
        alike = digits[1:2] != "0" and digits[:-1] == (digits[:2] * 8)[:-1]  # but for the last digit
        if (
            register.line > 0
            and len(digits) == _ROUNDED
            and digits.isdecimal()
            and digits[-1] == "0"
            and (shown or alike)
        ):
            yield Loss(register.line, frozenset({index}), text.lines[register.line - 1].strip())


def _omitted(text: Text, read: set[int]) -> Iterator[Loss]:
    """Lines beside those that were read that say that others were left out: "[...]", "<snip>", "(3 rows not shown)"."""
    beside = {
        n for at in read if at > 0 for step in (-1, 1) if at + step not in read for n in _near(text, at, step, read)
    }
    for number in sorted(beside):
        if _says_omitted(text.lines[number - 1]):
            yield Loss(number, frozenset(), text.lines[number - 1].strip(), others=True)


def _near(text: Text, number: int, step: int, read: set[int]) -> Iterator[int]:
    """The next two lines in that direction that are not empty, up to one that was read: some rows have a head."""
    for _ in range(2):
        number += step
        while 0 < number <= len(text.lines) and not text.lines[number - 1].strip():
            number += step
        if number in read or not 0 < number <= len(text.lines):
            return
        yield number


def _says_omitted(line: str) -> bool:
    """Whether a line only says that others were left out."""
    line = bare(line)
    if len(line) > _MOST_LETTERS:
        return False
    return _DOTS.match(line) is not None or (len(line.split()) <= _MOST_WORDS and _OMITTED.search(line) is not None)


def _lines_of_registers(machine: Machine) -> set[int]:
    found: set[int] = set()
    for cpu in machine.cpus:
        if cpu.registers is not None:
            found |= {line for held in cpu.registers.held.values() for line in (held.line, held.against)}
            found |= {span.kind.line for span in cpu.registers.ranges.values()}
    return found


def lines_of(machine: Machine) -> set[int]:
    """The lines that a machine's registers and notes come from."""
    found = set(machine.taken) | _lines_of_registers(machine)
    return found | {line for note in machine.notes if isinstance(note, Note) for line in note.lines}


def _without(told: Registers, losses: list[Loss]) -> Registers:
    """The registers without those that are lost: what another line said of them does not stand alone."""
    omitted = [loss.line for loss in losses if loss.others]
    lost = _displaced(told, omitted).union(*(loss.registers for loss in losses))
    lost |= {index for index in _BESIDE_PAIRS if omitted and index not in told.held}
    held: dict[int, Register] = {index: register for index, register in told.held.items() if index not in lost}
    ranges = {n: span for n, span in told.ranges.items() if not lost & set(pair_numbers(n))}
    cut = told.cut or not all(loss.registers for loss in losses)
    return replace(told, held=held, ranges=ranges, lost=told.lost | lost, cut=cut)


def _displaced(told: Registers, omitted: list[int]) -> frozenset[int]:
    """Registers that stand out of order where the rows of their own place were left out: those may tell otherwise.

    0x268, [...], 0x26a, 0x269, 0x26b: a row of 0x269 may be one that was left out.
    """
    rows = _rows_of(told) if omitted else {}
    lines = sorted(rows)
    firsts = [-1, *(min(rows[line]) for line in lines), max(_OURS) + 1]
    places = [bisect(lines, line) for line in omitted]
    found = set[int]()
    for line, before, here, behind in zip(lines, firsts, firsts[1:], firsts[2:]):
        astray = before < behind and not before < here < behind
        if astray and any(firsts[at] < here < firsts[at + 1] for at in places):
            found |= rows[line]
    return frozenset(found)


def _rows_of(told: Registers) -> dict[int, set[int]]:
    """The registers of MTRRs that each line tells."""
    found: dict[int, set[int]] = {}
    for index in told.held.keys() & _OURS:
        found.setdefault(told.held[index].line, set()).add(index)
    for n, span in told.ranges.items():
        found.setdefault(span.kind.line, set()).update(pair_numbers(n))
    return found


def _notes(losses: list[Loss]) -> list[Note]:
    """A note on each lost line, up to a number of them, and one on how many more there are."""
    found = [
        Note(f"line {loss.line} was not understood: {quoted(loss.text)}: {_what(loss)} not told", "lost", (loss.line,))
        for loss in losses[:MOST]
    ]
    if len(losses) > MOST:
        more = [loss.line for loss in losses[MOST:]]
        found.append(Note(f"{len(more)} more lines that name registers were not understood", "lost", more))
    return found


def _what(loss: Loss) -> str:
    names = [named(index) for index in sorted(loss.registers)]
    if loss.others:
        return "what stood there is"
    if not names:
        return "whether there are more variable ranges is"
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more are" if names[2:] else " are" if names[1:] else " is")
