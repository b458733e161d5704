"""Lines that tell something which a text may tell again: in another boot, of another machine, before and after.

A family says which of its lines these are (`Tells`): rows of a list, heads of whole lists, and plans, which are what
a program tried and replaced. What kernels' logs and shells print, which several families read, stands here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from memtype.errors import ParseError
from memtype.reading.accounting import register_row
from memtype.reading.clues import Words, holding, words
from memtype.reading.lines import bare
from memtype.reading.once import Once, once
from memtype.reading.patterns import later
from memtype.reading.rows import plain_row
from memtype.reading.text import Text
from memtype.reading.values import quoted

MOST_ROWS = 40_000  # lines, but a log's, that may tell a register: 22 registers of each of 1,792 processors are fewer
_COMMAND_ROWS = 3  # as many rows is a command to be looked at, with its answer
MOST_TOLD = 2048  # times that one thing is told: of a text that is no paste, all the rest need not be looked at
BOOT = later(r"\s*Linux version (\S+)")

_WORDS = words(
    "linux version", "mtrr", "e820", "base", "msr", "0x", "cpu", "core", "proc", "tom2", "pat", "vendor_id",
    "vendor id", "address size", pattern=r"reg\d|(?<!\w)(?:2[0-9a-f]{2}|fe)\]?\s?[:=]",
)  # fmt: skip
_BOOTS_ON = later(r"Command line:|BIOS-|e820|x86/fpu|KERNEL supported|MTRR|DMI")
_KINDS = (  # of what a log tells: by which words, in lower case, and under which key
    ("log", r"mtrr (default type):\s*[a-z?]"),
    ("log", r"mtrr (fixed|variable) ranges (?:en|dis)abled"),
    ("log", r"([0-9a-f]{5}-[0-9a-f]{5})\s+[a-z]"),
    ("log", r"(tom2):"),
    ("log", r"(\d{1,3}) (?:base [0-9a-f]+ mask|disabled\s*$)"),
    ("log", r"(mtrr map): \d+ entries"),
    ("ram", r"(?:bios-e820|efi-e820):\s+(?:\[mem )?(?:0x)?([0-9a-f]+)"),
    ("proc", r"reg(\d{1,3})\s*:\s*base\s*="),
    ("pat", r"(?:x86/)?(?:mm/)?pat:?\s+(configuration)\s+\[0-7\]:"),
    ("pat", r"(?:x86\s+)?pat enabled: cpu (\d+), old"),
    ("trim", r"warning: bios bug: cpu mtrrs don't cover all of memory, (losing) \d"),
)
_LOG = later(rf"\s*(?:{'|'.join(pattern for _, pattern in _KINDS)})")
_PROCESSOR = later(r"\s*(?:(address sizes?)\s*:\s*(\d+) bits phys|(vendor[_ ]id)\s*:\s*(\w+))")
_COMMAND = later(r"(?:^|[\s$#>])rdmsr((?:\s+-[-\w=]+(?:\s+\d+(?=\s))?)*\s+(?:0x[0-9a-f]+|\d+))\s*(?:[|;#].*)?$", re.I)
_WRITE = later(r"(?:^|[\s$#>])wrmsr((?:\s+-[-\w=]+(?:\s+\d+(?=\s))?)*\s+(?:0x[0-9a-f]+|\d+))\s+\w", re.I)
_CPU = later(r"(?:^|[\s\[(])(?:v?cpu|core|processor|thread|lcpu)(?:\s*[#:])?\s*(\d{1,6})\b", re.I)
_CPUS = later("cpu|core|proc|thread")
_FIRST = later(r"\s*(\d{1,6})\s*[,;\s]\s*0x[0-9a-f]+\s*[,;\s]\s*0x[0-9a-f]+\s*$", re.I)
MSR = "msr"  # rows of lists of MSRs, whoever prints them


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
        A line that tells holds one of them, in any case, or one of `_WORDS`.
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


class Telling(NamedTuple):
    """A line that tells something: what (a register of a processor, a range of a list), and in which words."""

    place: int
    kind: str
    key: object
    words: str
    role: str = "row"

    def repeats(self, words: str) -> bool:
        """Whether it says the same, or as much of it as a console that broke off left."""
        return self.words.startswith(words) or words.startswith(self.words)


def tellings(text: Text, families: Sequence[Tells], owned: Mapping[int, Sequence[Tells]], source: str) -> list[Telling]:
    """The lines that tell something, but what a program tried: writes beside reads, plans beside what came of them.

    A line that is in `owned` tells what the families there find in it, and nothing else.
    """
    found: list[Telling] = []
    times: dict[tuple[str, object], int] = {}
    for telling in _all(text, families, owned, source):
        found.append(telling)
        told = times[telling.kind, telling.key] = times.get((telling.kind, telling.key), 0) + 1
        if told > MOST_TOLD and telling.kind != "processor":
            where = f"{source}:{text.numbers[telling.place]}"
            raise ParseError(f"{where}: told more than {MOST_TOLD} times: {quoted(telling.words)}")
    kinds = {telling.kind for telling in found}
    if {MSR, "wrmsr"} <= kinds:
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


class _Says(NamedTuple):
    """What a line says wherever it stands: a telling but for its place, and for a processor named above it."""

    kind: str = ""  # "" of a line that names the processor of those below, and tells nothing
    key: object = None
    words: str = ""  # "" of a command, whose answer stands below
    role: str = "row"
    by_cpu: bool = False  # whether it is about a processor: the one that it names, or that is named above
    cpu: str | None = None


def _all(text: Text, families: Sequence[Tells], owned: Mapping[int, Sequence[Tells]], source: str) -> Iterator[Telling]:
    cpu, named, lines, rows = "0", False, text.lines, 0
    wanted = Words(tuple(dict.fromkeys([*_WORDS.plain, *(w for each in families for w in each.words)])), _WORDS.pattern)
    everyone = Once(lambda raw: _says(raw, families))
    owners = {id(each): Once(partial(_says, readers=each, own=True)) for each in _distinct(owned.values())}
    for number, raw in holding(str(text), wanted):
        boots, says, logged = (owners[id(owned[number])] if number in owned else everyone)[raw]
        place = number - 1
        command = says is not None and (says.kind == "wrmsr" or (says.kind == MSR and not says.words))
        rows += 0 if logged else _COMMAND_ROWS if command else 1
        if rows > MOST_ROWS:
            raise ParseError(f"{source}:{text.numbers[place]}: more than {MOST_ROWS} lines that may tell a register")
        if boots and (logged or any(map(_BOOTS_ON.search, lines[place + 1 : place + 13]))):
            yield Telling(place, "boot", "boot", "")
        elif says is None:
            continue
        elif not says.kind:
            cpu, named = says.cpu or cpu, True
        else:
            role = "row" if says.role == "list" and named else says.role
            if role == "head" and not says.by_cpu:
                cpu, named = "0", False  # another list begins
            key = (says.cpu or cpu, says.key) if says.by_cpu else says.key
            yield Telling(place, says.kind, key, says.words or f"line {place}", role)


def _distinct(readers: Iterable[Sequence[Tells]]) -> Iterable[Sequence[Tells]]:
    return {id(each): each for each in readers}.values()


def _says(raw: str, readers: Sequence[Tells], own: bool = False) -> tuple[bool, _Says | None, bool]:
    """Whether a line may begin a boot, what it says to these readers, and whether a logger put something in front.

    Of their `own` lines, what they find.
    """
    if not own and plain_row(raw):
        return False, _told(readers, raw) or _listed(raw, raw), False
    line = once(bare)[raw]
    said, logged = " ".join(line.split()), line != raw.rstrip()
    if own and not any(each.find(said) for each in readers):
        return False, None, logged
    says = _logged(raw, line, said) or _told(readers, said) or _listed(line, said)
    return BOOT.match(line) is not None, says, logged


def _logged(raw: str, line: str, said: str) -> _Says | None:
    """What a kernel's log, /proc/cpuinfo or a shell's command says."""
    lower = line.lower()
    if found := _log(lower):
        return _Says(("xen " if "(XEN)" in raw else "") + found[0], found[1], said)
    if ("address" in lower or "vendor" in lower) and (processor := _PROCESSOR.match(lower)):
        return _Says("processor", "width" if processor[1] else "vendor", processor[2] or processor[4])
    if "rdmsr" in lower and (command := _COMMAND.search(line)):
        return _Says(MSR, ("rdmsr", *command[1].split()))
    if "wrmsr" in lower and (command := _WRITE.search(line)):
        return _Says("wrmsr", tuple(command[1].split()), said)
    return None


def _told(readers: Sequence[Tells], said: str) -> _Says | None:
    """What the first family says that a line tells."""
    for each in readers:
        found = each.find(said)
        if found is not None:
            kind = "" if found.role == "cpu" and found.cpu is not None else each.kind
            return _Says(kind, found.key, said, found.role, each.by_cpu, found.cpu)
    return None


def _listed(line: str, said: str) -> _Says | None:
    """A register's row that no family finds, or a processor's name."""
    of = _FIRST.match(line) or (_CPUS.search(line.lower()) and _CPU.search(line))
    index = register_row(line)
    if index is not None:
        return _Says(MSR, index, said, by_cpu=True, cpu=of[1] if of else None)
    return _Says(cpu=of[1]) if of else None


def _log(lower: str) -> tuple[str, str] | None:
    found = _LOG.match(lower)
    if found is None or found.lastindex is None:
        return None
    return _KINDS[found.lastindex - 1][0], found[found.lastindex]
