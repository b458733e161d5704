"""Lines that tell something which a text may tell again: in another boot, of another machine, before and after.

A family says which of its lines these are (`Tells`): rows of a list, heads of whole lists, and plans, which are what
a program tried and replaced. What kernels' logs and shells print, which several families read, stands here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from memtype.reading.accounting import register_row
from memtype.reading.clues import Words, holding, words
from memtype.reading.lines import bare
from memtype.reading.once import Once
from memtype.reading.patterns import later
from memtype.reading.text import Text

BOOT = later(r"\s*Linux version (\S+)")

_WORDS = words(
    "linux version", "mtrr", "e820", "base", "msr", "0x", "cpu", "core", "proc", "tom2", "pat", "vendor",
    "address size", pattern=r"reg\d",
)  # fmt: skip
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
    ("pat", r"(?:x86/)?(?:mm/)?PAT:?\s+(configuration)\s+\[0-7\]:"),
    ("pat", r"(?:x86\s+)?PAT enabled: cpu (\d+), old"),
    ("trim", r"WARNING: BIOS bug: CPU MTRRs don't cover all of memory, (losing) \d"),
)
_LOG = later(rf"\s*(?:{'|'.join(pattern for _, pattern in _KINDS)})", re.I)
_PROCESSOR = later(r"\s*(?:(address sizes?)\s*:\s*(\d+) bits phys|(vendor[_ ]id)\s*:\s*(\w+))", re.I)
_COMMAND = later(r"(?:^|[\s$#>])rdmsr((?:\s+-\w+(?:\s+\d+(?=\s))?)*\s+(?:0x[0-9a-f]+|\d+))\s*(?:[|;#].*)?$", re.I)
_WRITE = later(r"(?:^|[\s$#>])wrmsr((?:\s+-\w+(?:\s+\d+(?=\s))?)*\s+(?:0x[0-9a-f]+|\d+))\s+\w", re.I)
_CPU = later(r"(?:^|[\s\[(])(?:v?cpu|core|processor|thread|lcpu)(?:\s*[#:])?\s*(\d{1,6})\b", re.I)
_CPUS = later("cpu|core|proc|thread")
_FIRST = later(r"\s*(\d{1,6})\s*[,;\s]\s*0x[0-9a-f]+\s*[,;\s]\s*0x[0-9a-f]+\s*$", re.I)
_MSR = "msr"  # rows of lists of MSRs, whoever prints them


class Found(NamedTuple):
    """What a line tells, and as what.

    The role is "row"; "head" of what begins a whole list; "plan" of what begins a list that the program replaces;
    "list" of what another processor's list tells again, unless a heading stands between; "cpu" of a line that says
    which processor those below are about. `cpu` is the processor that the line names itself.
    """

    role: str
    key: object
    cpu: str | None = None


@dataclass(frozen=True, slots=True)
class Tells:
    """A family's lines that tell something: how they are found.

    Attributes
    ----------
    kind : str
        Whose lists these are: those of one kind are told apart from others.
    words : tuple of str
        A line that tells holds one of them, in any case.
    find : callable
        What a line tells whose runs of blanks are one; None where it tells nothing.
    by_cpu : bool
        Whether a line is about the processor that a heading above it names.
    """

    kind: str
    words: tuple[str, ...]
    find: Callable[[str], Found | None]
    by_cpu: bool = False


def tells(kind: str, *words: str, pattern: str, by_cpu: bool = False) -> Tells:
    """The lines that a pattern finds, in any case; its groups, named by roles, hold what is told.

    Examples
    --------
    >>> tells("u-boot", "write-type", pattern=r"(?P<head>Reg Valid)").find("Reg Valid Write-type Base")
    Found(role='head', key=('head', 'reg valid'), cpu=None)
    """
    wanted = later(pattern, re.I)

    def find(line: str) -> Found | None:
        match = wanted.search(line)
        if match is None or match.lastgroup is None:
            return None
        name = match.lastgroup
        return Found(name.rstrip("0123456789"), (name, match[name].lower()))

    return Tells(kind, words, find, by_cpu)


@dataclass(frozen=True, slots=True)
class Telling:
    """A line that tells something: what (a register of a processor, a range of a list), and in which words."""

    place: int
    kind: str
    key: object
    words: str
    role: str = "row"

    def repeats(self, words: str) -> bool:
        """Whether it says the same, or as much of it as a console that broke off left."""
        return self.words.startswith(words) or words.startswith(self.words)


def tellings(text: Text, families: Sequence[Tells], owned: Mapping[int, Sequence[Tells]]) -> list[Telling]:
    """The lines that tell something, but what a program tried: writes beside reads, plans beside what came of them.

    A line that is in `owned` tells what the families there find in it, and nothing else.
    """
    found = list(_all(text, families, owned))
    kinds = {telling.kind for telling in found}
    if {_MSR, "wrmsr"} <= kinds:
        found = [telling for telling in found if telling.kind != "wrmsr"]
    if any(telling.role == "plan" for telling in found):
        found = _without_plans(found)
    return found


def _without_plans(found: Sequence[Telling]) -> list[Telling]:
    """The tellings without those between a plan and the next head of its kind, where something came of the plans."""
    planning: set[str] = set()
    planned: list[bool] = []
    for telling in found:
        if telling.role == "plan":
            planning.add(telling.kind)
        elif telling.role == "head":
            planning.discard(telling.kind)
        planned.append(telling.kind in planning)
    done = {telling.kind for telling, plan in zip(found, planned) if not plan}
    return [telling for telling, plan in zip(found, planned) if not plan or telling.kind not in done]


def _all(text: Text, families: Sequence[Tells], owned: Mapping[int, Sequence[Tells]]) -> Iterator[Telling]:
    cpu, named, lines = "0", False, text.lines
    wanted = Words(tuple(dict.fromkeys([*_WORDS.plain, *(w for each in families for w in each.words)])), _WORDS.pattern)
    bared, rows, logged = Once(bare), Once(register_row), Once(_log)
    finders = Once(lambda said: _told(families, said))
    for number, raw in holding(str(text), wanted):
        line, place = bared[raw], number - 1
        lower, said = line.lower(), " ".join(line.split())
        stream = "xen " if "(XEN)" in raw else ""
        readers = owned.get(number, families)
        if number in owned and not any(each.find(said) for each in readers):
            continue
        if BOOT.match(line) and (line != raw.rstrip() or any(map(_BOOTS_ON.search, lines[place + 1 : place + 13]))):
            yield Telling(place, "boot", "boot", "")
        elif found := logged[line]:
            yield Telling(place, stream + found[0], found[1], said)
        elif processor := _PROCESSOR.match(line):  # /proc/cpuinfo and lscpu word it differently
            what = "width" if processor[1] else "vendor"
            yield Telling(place, "processor", what, (processor[2] or processor[4]).lower())
        elif "rdmsr" in lower and (command := _COMMAND.search(line)):
            yield Telling(place, _MSR, ("rdmsr", *command[1].split()), f"line {place}")  # its answer stands below
        elif "wrmsr" in lower and (command := _WRITE.search(line)):
            yield Telling(place, "wrmsr", tuple(command[1].split()), said)
        elif told := finders[said] if readers is families else _told(readers, said):
            family, (role, key, of_cpu) = told
            if role == "cpu" and of_cpu is not None:
                cpu, named = of_cpu, True
                continue
            role = "row" if role == "list" and named else role
            if role == "head" and not family.by_cpu:
                cpu, named = "0", False  # another list begins
            yield Telling(place, family.kind, (of_cpu or cpu, key) if family.by_cpu else key, said, role)
        else:
            of = _FIRST.match(line) or (_CPUS.search(lower) and _CPU.search(line))
            index = rows[line]
            if index is not None:
                yield Telling(place, _MSR, (of[1] if of else cpu, index), said)
            elif of:
                cpu, named = of[1], True


def _told(readers: Sequence[Tells], said: str) -> tuple[Tells, Found] | None:
    """What the first family says that a line tells."""
    for each in readers:
        found = each.find(said)
        if found is not None:
            return each, found
    return None


def _log(line: str) -> tuple[str, str] | None:
    found = _LOG.match(line)
    if found is None or found.lastindex is None:
        return None
    return _KINDS[found.lastindex - 1][0], found[found.lastindex].lower()
