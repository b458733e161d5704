"""Another program's answers, judged: which are wrong, and which rules that breaks.

Answers are a JSON object, ``{"schema": "memtype-answers/1", "answers": {"<id>": <answer>}}``. An answer is the value of
the section's answer column; a list of them where a section has several or where the column is a list. A type is its
name or its number, a register or an address a number or a hexadecimal string. ``null``, in place of an answer or of one
in a list, and a case that is left out are not answered: a program need not know everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from memtype import explanation, rules
from memtype.errors import InputError
from memtype.mtrr import MtrrState
from memtype.types import MemoryType
from memtype.vectors.document import document
from memtype.vectors.section import ANSWERS, FLAG, TYPE, VENDORS, WORD, Column, Section
from memtype.views import reasons
from memtype.views.programs import PROGRAMS


class Wrong(NamedTuple):
    """A wrong answer: of which case, where in it, by which rule, what was said and what is right."""

    case: str
    rule: str
    source: str
    where: str
    said: str
    right: str
    bug: str = ""  # the published bug that gives just this answer

    def __str__(self) -> str:
        known = f"; that is the bug of {self.bug}" if self.bug else ""
        return f"{self.case}{self.where}: {self.said}, should be {self.right}{known}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was answered, and all that was wrong.

    Attributes
    ----------
    cases : cases answered, by section
    answers : answers given (64 of a register file)
    unanswered : cases that were left out
    wrong : the wrong ones, in the order of the document
    """

    cases: dict[str, int]
    answers: int
    unanswered: int
    wrong: tuple[Wrong, ...]

    @property
    def rules(self) -> dict[str, list[Wrong]]:
        """The wrong answers by the rule that they break, the most broken first."""
        found: dict[str, list[Wrong]] = {}
        for one in self.wrong:
            found.setdefault(one.rule, []).append(one)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def judge(value: Any, source: str = "answers") -> Judgement:
    """Compare answers with the document.

    Raises
    ------
    InputError
        For what is not such an object, an answer to a case that is not there, or one of the wrong form.

    Examples
    --------
    >>> found = judge({"schema": "memtype-answers/1", "answers": {"effective-intel-UC-WC": "UC"}})
    >>> print(*found.wrong)
    effective-intel-UC-WC: UC, should be WC; that is the bug of two newsletters, many talks
    """
    answers = _answers(value, source)
    cases: dict[str, int] = {}
    given, wrong = 0, []
    left = dict(answers)
    for section in document():
        for row in section.rows:
            if row[0] not in left:
                continue
            cells = _cells(section, left.pop(row[0]), row, source)
            answered = [cell for cell in cells if cell.said is not None]
            given += len(answered)
            cases[section.name] = cases.get(section.name, 0) + bool(answered)
            wrong += [_wrong(section, row, cell) for cell in answered if not _right(section, cell)]
    if left:
        raise InputError(
            f"{source}: {len(left)} answers to cases that are not there, the first {next(iter(left))!r:.60}"
        )
    if not given:
        raise InputError(f"{source}: answers no case; the names of the cases are in 'memtype vectors --format json'")
    held = sum(len(section.rows) for section in document())
    return Judgement(cases, given, held - sum(cases.values()), tuple(wrong))


def _answers(value: Any, source: str) -> dict[str, Any]:
    if not isinstance(value, dict) or "schema" not in value:
        raise InputError(f'{source}: not {{"schema": "{ANSWERS}", "answers": {{…}}}}')
    if value["schema"] != ANSWERS:
        raise InputError(f"{source}: schema {value['schema']!r:.40}: only {ANSWERS!r} is judged")
    answers = value.get("answers")
    if not isinstance(answers, dict):
        raise InputError(f"{source}: 'answers' is no object")
    return answers


# --- one case ---------------------------------------------------------------------------------------------------


class _Cell(NamedTuple):
    column: Column
    place: int
    said: Any  # as the document holds it; None: not answered
    right: Any


def _cells(section: Section, value: Any, row: tuple[Any, ...], source: str) -> Iterator[_Cell]:
    where = f"{source}: {row[0]}"
    columns, right = section.answer, section.answered(row)
    said = [value] if len(columns) == 1 else _list(value, len(columns), where)
    for column, one, answer in zip(columns, said, right, strict=True):
        if one is None or column.length == 1:
            yield _Cell(column, 0, _read(column, one, where), answer)
        elif column.length:
            for place, item in enumerate(_list(one, column.length, where)):
                yield _Cell(column, place, _read(column, item, where), answer[place])
        else:
            pairs = [_list(pair, column.width, where) for pair in _list(one, None, where)]
            ranges = sorted(tuple(_number(column, item, where) for item in pair) for pair in pairs)
            yield _Cell(column, 0, ranges, [tuple(pair) for pair in answer])


def _list(value: Any, count: int | None, where: str) -> list[Any]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        wanted = "a list" if count is None else f"a list of {count}"
        raise InputError(f"{where}: {value!r:.40} is not {wanted}")
    return value


def _read(column: Column, value: Any, where: str) -> Any:
    return None if value is None else _number(column, value, where)


def _number(column: Column, value: Any, where: str) -> int:
    """An answer as the document holds it."""
    try:
        if column.kind == TYPE and not isinstance(value, bool):
            return int(MemoryType.parse(value))
        number = int(value, 16) if isinstance(value, str) and column.kind == WORD else value
    except ValueError:
        number = None
    if isinstance(number, bool) and column.kind == FLAG:
        return int(number)
    limit = 1 if column.kind == FLAG else (1 << 64) - 1
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= limit:
        return number
    raise InputError(f"{where}: {value!r:.40} is no answer for {column.name!r}")


_OPEN: Final = frozenset({"mtrr", "large_page"})  # sections whose UNDEFINED means that the manuals leave it open


def _right(section: Section, cell: _Cell) -> bool:
    open_ = cell.column.kind == TYPE and cell.right == MemoryType.UNDEFINED and section.name in _OPEN
    return open_ or cell.said == cell.right


def _wrong(section: Section, row: tuple[Any, ...], cell: _Cell) -> Wrong:
    case = dict(zip((column.name for column in section.columns), row, strict=True))
    rule, source, where = case["rule"], case["source"], ""
    if cell.column.length > 1:
        address = _addresses(section, case)[cell.place]
        where = f" at 0x{address:x}"
        rule = _rule(section, case, address)
        source = rules.RULES[rule].source
    elif len(section.answer) > 1:
        where = f" {cell.column.name}"
    said, right = _shown(cell.column, cell.said), _shown(cell.column, cell.right)
    return Wrong(case["id"], rule, source, where, said, right, _bug(section, case, cell, where))


def _rule(section: Section, case: dict[str, Any], address: int) -> str:
    """What decides at one of 64 addresses: by the manual, or by which rule a program's answer is what it is."""
    if section.name == "mtrr":
        return explanation.explain(_state(case), address).steps[-1].rule
    names = [column.name for column in document()[0].columns]
    state = _state(dict(zip(names, document()[0].rows[case["state"]], strict=True)))
    return reasons.cause(PROGRAMS[case["program"]], state, address & -rules.PAGE_SIZE)


def _addresses(section: Section, case: dict[str, Any]) -> tuple[int, ...]:
    """The addresses of a register file, or of the one that a view names."""
    found: tuple[int, ...] = case["addresses"] if section.name == "mtrr" else document()[0].rows[case["state"]][-2]
    return found


def _state(case: dict[str, Any]) -> MtrrState:
    return MtrrState(
        case["def_type"], case["fixed"], case["pairs"], case["maxphyaddr"], VENDORS[case["vendor"]], case["syscfg"],
        case["tom2"], case["cap"],
    )  # fmt: skip


def _shown(column: Column, value: Any) -> str:
    if column.kind == TYPE:
        return str(MemoryType(value))
    if column.length == 0:
        return " ".join(f"[0x{first:x}, 0x{end:x})" for first, end in value) or "nothing"
    return f"0x{value:x}" if column.kind == WORD else str(value)


def _bug(section: Section, case: dict[str, Any], cell: _Cell, where: str) -> str:
    """Whose published bug gives this answer to this case."""
    if section.name.startswith("museum"):
        wrong = [tuple(pair) for pair in case["wrong"]] if cell.column.length == 0 else case["wrong"]
        return str(case["project"]) if wrong == cell.said else ""
    if section.name == "mtrr":
        return _bugs().get((case["id"], where, cell.said), "")
    if section.name == "effective" and not case["cr0_cd"]:
        return _bugs().get(("", f"{case['vendor']}-{case['mtrr']}-{case['pat']}", cell.said), "")
    return ""


@lru_cache(maxsize=1)
def _bugs() -> dict[tuple[str, str, int], str]:
    """The museum by (register file, address, wrong answer), and by ("", cell, wrong answer)."""
    found = {}
    states = document()[0].rows
    for section in document():
        for row in section.rows if section.name in ("museum", "museum_effective") else ():
            case = dict(zip((column.name for column in section.columns), row, strict=True))
            if section.name == "museum":
                key = states[case["state"]][0], f" at 0x{case['address']:x}", int(case["wrong"])
            else:
                key = "", f"{case['vendor']}-{case['mtrr']}-{case['pat']}", int(case["wrong"])
            found[key] = str(case["project"])
    return found
