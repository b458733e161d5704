"""One question, asked of every machine that fits a text: the one answer, or what it may be and what is missing.

An answer is given only where every machine that fits the text has it. "Every machine that fits" is made concrete by
completions. Every verb asks through `ask`: what holds for an address holds for a leaf, a zap or a PAT entry.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from memtype.mtrr import MtrrState
from memtype.told import gaps
from memtype.told.answer import Answer, Assumption, likely
from memtype.told.completions import REST, varied
from memtype.types import MemoryType

if TYPE_CHECKING:
    from memtype.told.registers import Registers

T = TypeVar("T", bound=Hashable)
States = tuple[MtrrState, ...]  # a register file for each processor


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What a question gives over all machines that fit.

    Attributes
    ----------
    answers : tuple
        The distinct answers; one where all machines agree.
    assumed : tuple of Assumption
        Where all agree: the assumptions without which they would not.
    missing : tuple of str
        Where they differ: what is not told and decides here.
    """

    answers: tuple[T, ...]
    assumed: tuple[Assumption, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def agreed(self) -> bool:
        """Whether every machine that fits has the same answer."""
        return len(self.answers) == 1

    @property
    def answer(self) -> T:
        """The one answer. Only where `agreed`."""
        (found,) = self.answers
        return found


def ask(registers: Sequence[Registers], question: Callable[[States], T], strict: bool = False) -> Asked[T]:
    """The question over every machine that fits: `question` gets a register file for each of `registers`.

    Each processor's part of an answer must hang on its own registers alone: then they need not be varied against each
    other, and go through their completions side by side.

    Examples
    --------
    >>> from memtype import parse
    >>> told = parse("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: write-combining").registers
    >>> asked = ask([told], lambda states: states[0].at(0x40000000))
    >>> str(asked.answer), asked.assumed[0].text
    ('WB', 'default type assumed: no range is write-back')
    >>> len(ask([told], lambda states: states[0].at(0x40000000), strict=True).answers)
    5
    """
    known: dict[States, T] = {}

    def over(vary: frozenset[str]) -> list[T]:
        return list(dict.fromkeys(_once(known, states, question) for states in _together(registers, vary)))

    wanted, every = _varied(registers, strict), _varied(registers, True)
    found = over(wanted)
    if len(found) > 1:
        return Asked(tuple(found), missing=_missing(registers, wanted, over))
    if wanted == every or over(every) == found:
        return Asked(tuple(found))
    covered = dict.fromkeys(a for told in registers for what, a in told.covered.items() if what not in wanted)
    assumed = [a for a in covered if over(wanted | {gaps.gap_of(a)}) != found]
    return Asked(tuple(found), assumed=tuple(assumed or covered))


def typed(asked: Asked[MemoryType]) -> Answer:
    """The answer to a question for a type."""
    if asked.agreed:
        return Answer(asked.answer, assumed=asked.assumed)
    return Answer(MemoryType.NOT_TOLD, likely(set(asked.answers)), missing=asked.missing)


def machines(registers: Sequence[Registers], strict: bool = False) -> tuple[States, ...]:
    """Every machine that fits, as `ask` goes through them."""
    return tuple(_together(registers, _varied(registers, strict)))


def _varied(registers: Sequence[Registers], strict: bool) -> frozenset[str]:
    return frozenset().union(*(varied(told, strict) for told in registers))


def _together(registers: Sequence[Registers], vary: frozenset[str]) -> Iterator[States]:
    """The completions of all processors side by side; equal processors always have equal ones."""
    columns = [told.states(vary) for told in registers]
    for n in range(max(map(len, columns), default=0)):
        yield tuple(column[n % len(column)] for column in columns)


def _once(known: dict[States, T], states: States, question: Callable[[States], T]) -> T:
    if states not in known:
        known[states] = question(states)
    return known[states]


def _missing(
    registers: Sequence[Registers], vary: frozenset[str], over: Callable[[frozenset[str]], list[Any]]
) -> tuple[str, ...]:
    """The gaps that decide here: those which make a difference alone, else all."""
    texts: dict[str, str] = {}
    for told in registers:
        texts |= {what: told.open["fixed" if what == REST else what].text for what in vary if _is_open(told, what)}
    ordered = {what: texts[what] for told in registers for what in (*told.open, REST) if what in texts}
    alone = [text for what, text in ordered.items() if len(over(frozenset({what}))) > 1]
    return tuple(dict.fromkeys(alone or ordered.values()))


def _is_open(told: Registers, what: str) -> bool:
    return ("fixed" if what == REST else what) in told.open
