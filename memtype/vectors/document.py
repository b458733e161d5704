"""All sections of the vectors, in their order."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from memtype import rules
from memtype.backends import reference
from memtype.errors import InputError
from memtype.vectors import addresses, guests, kvm, machines, museum, museum_others, states, tables
from memtype.vectors.cited import row
from memtype.vectors.section import NUMBER, ROW, TEXT, TYPE, VENDOR, VENDORS, WORD, Column, Section
from memtype.vectors.states import Case
from memtype.views import reasons
from memtype.views.decide import decide
from memtype.views.programs import PROGRAMS, Program

# Register files of which the views are asked too: where programs differ.
_VIEWED: Final = (
    "off-WB", "off-WT", "fixed-over-variable-WB", "fixed-FE-clear-W", "fixed-FIX-clear-WP", "base-unaligned-2^20",
    "hole-30", "hole-34", "two-nested-W", "three-WB-W", "tom2-41f000000", "tom2-default-W", "machine-default-UC-8G",
    *(f"museum-{exhibit.id}" for exhibit in museum.EXHIBITS if exhibit.view), "anything-00",
)  # fmt: skip


@lru_cache(maxsize=1)
def document() -> tuple[Section, ...]:
    """Every section with every case; made once.

    >>> [len(section.rows) >= 2000 for section in document() if section.name == "mtrr"]
    [True]
    """
    cases = [*states.cases(), *museum.cases()]
    asked = [addresses.chosen(case.state, case.id, case.near) for case in cases]
    places = {case.id: place for place, case in enumerate(cases)}
    return (
        _mtrr(cases, asked),
        _views(cases, asked),
        *tables.sections(),
        *machines.sections(cases),
        *kvm.sections(),
        *guests.sections(),
        *museum.sections(places),
        *museum_others.sections(places),
    )


def section(name: str) -> Section:
    """One section by its name. Raises `InputError` where there is none."""
    for found in document():
        if found.name == name:
            return found
    raise InputError(f"no section {name!r:.40}; one of {', '.join(found.name for found in document())}")


def sections(names: Iterable[str]) -> tuple[Section, ...]:
    """The named sections in the document's order, and the register files where one of them refers to those.

    Raises
    ------
    InputError
        For a name that no section has.

    Examples
    --------
    >>> [section.name for section in sections(["museum", "ept"])]
    ['mtrr', 'ept', 'museum']
    """
    wanted = {section(name).name for name in names}
    if any(column.kind == ROW for name in wanted for column in section(name).columns):
        wanted.add(document()[0].name)
    return tuple(found for found in document() if found.name in wanted)


def _mtrr(cases: list[Case], asked: list[tuple[int, ...]]) -> Section:
    given = (
        Column("maxphyaddr", NUMBER), Column("vendor", VENDOR), Column("def_type", WORD), Column("cap", WORD),
        Column("syscfg", WORD), Column("tom2", WORD), Column("fixed", WORD, len(rules.FIXED_MSRS)),
        Column("pairs", WORD, 0, 2), Column("addresses", WORD, addresses.COUNT),
    )  # fmt: skip
    text = "the memory type of 64 addresses under these MTRRs (10: the manuals leave it open, any answer is right)"
    answer = (Column("types", TYPE, addresses.COUNT),)
    return Section("mtrr", text, given, answer, [_state(*pair) for pair in zip(cases, asked, strict=True)])


def _state(case: Case, asked: tuple[int, ...]) -> tuple[Any, ...]:
    s = case.state
    registers = (s.maxphyaddr, VENDORS.index(s.vendor), s.def_type, s.cap, s.syscfg, s.tom2, s.fixed, s.variable)
    return row(case.id, case.rule, *registers, asked, tuple(reference.at(s, address) for address in asked))


# --- views ------------------------------------------------------------------------------------------------------


def _views(cases: list[Case], asked: list[tuple[int, ...]]) -> Section:
    programs = [program for program in PROGRAMS.values() if program.name != "sdm"]
    text = "what a program makes of the same registers and addresses (10: it has no answer)"
    given = (Column("program", TEXT), Column("state", ROW))
    rows = [
        _view(program, place, case, asked[place])
        for place, case in enumerate(cases)
        if case.id.startswith(_VIEWED)
        for program in programs
    ]
    return Section("views", text, given, (Column("types", TYPE, addresses.COUNT),), rows)


def _view(program: Program, place: int, case: Case, asked: tuple[int, ...]) -> tuple[Any, ...]:
    """Types by page, as programs look them up; the rule is the first by which the program differs from the manual."""
    kinds = {page: decide(program, case.state, page).type for page in {a & -rules.PAGE_SIZE for a in asked}}
    types = tuple(kinds[a & -rules.PAGE_SIZE] for a in asked)
    place_of = next((n for n, a in enumerate(asked) if types[n] != reference.at(case.state, a)), 0)
    rule = reasons.cause(program, case.state, asked[place_of] & -rules.PAGE_SIZE)
    return row(f"view-{program.name}-{case.id}", rule, program.name, place, types)
