"""The small changes of C source that a mutation run makes, one at a time: ``mutations("mtrr.c", text)``.

Comparisons, arithmetic, bit operators, constants, conditions, statements, operands of shifts and cells of tables. A
change is named by file, function, the line before and after: a name that stays when lines move.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<skip>/\*.*?\*/|//[^\n]*|\s+|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|_Static_assert\s*\([^;]*;|__asm__\s*\([^;]*;)"
    r"|(?P<number>0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]#])",
    re.S,
)
_OTHERS = {
    "<": ("<=", ">="), ">": (">=", "<="), "<=": ("<", ">"), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
    "&&": ("||",), "||": ("&&",), "<<": (">>",), ">>": ("<<",), "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",),
    "%": ("/",), "&": ("|",), "|": ("&",), "^": ("|",), "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "/=": ("*=",),
    "|=": ("&=",), "&=": ("|=",), "^=": ("|=",), "<<=": (">>=",), ">>=": ("<<=",), "++": ("--",), "--": ("++",),
    "~": ("",), "!": ("",), "?": ("&& 0 ?", "|| 1 ?"),
}  # fmt: skip
_TYPES = {
    "char", "int", "long", "unsigned", "void", "const", "size_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t",
    "uintptr_t", "vec", "restrict", "memtype_mtrrs", "memtype_tables", "memtype_granules", "memtype_map",
    "memtype_fleet", "fleet_match",
}  # fmt: skip
_NO_STATEMENT = {"return", "if", "for", "while", "do", "else", "switch", "case", "default", "typedef", "static",
                 "struct", "enum", "extern", "union", "goto", "INLINE", "UNROLL", "TARGET"}  # fmt: skip
_LONG_LIST = 8  # numbers in a row from which on each is a cell of a table and changed once


@dataclass(frozen=True)
class Mutation:
    file: str
    function: str
    line: int
    before: str
    after: str
    start: int
    end: int
    text: str

    @property
    def key(self) -> str:
        return f"{self.file} | {self.function} | {self.before} => {self.after}"

    def applied(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.end :]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def _tokens(source: str) -> list[_Token]:
    """The code of it: comments, strings, assertions and directives are left out, the bodies of #define are in."""
    blank = re.compile(r"^[ \t]*#[ \t]*(?!define)[^\n]*$|^[ \t]*#[ \t]*define[ \t]+\w+(\([^)]*\))?", re.M)
    source = blank.sub(lambda found: " " * len(found[0]), source).replace("\\\n", "  ")
    found, at = [], 0
    while at < len(source):
        token = _TOKEN.match(source, at)
        if token is None:
            at += 1
            continue
        if token.lastgroup != "skip":
            found.append(_Token(str(token.lastgroup), token[0], at, token.end()))
        at = token.end()
    return found


def functions(source: str) -> list[tuple[int, int, str]]:
    """(start, end, name) of every function, table and macro."""
    macros = re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:[^\n]*\\\n)*[^\n]*", source, re.M)
    places = [(m.start(), m.end(), m[1]) for m in macros]
    found, depth, start, name = [], 0, 0, ""
    tokens = [token for token in _tokens(source) if not _name_at(places, token.start)]
    for before, token in zip([_Token("", "", 0, 0), *tokens], tokens):
        if depth == 0 and token.text == "(" and before.kind == "name":
            name = name or before.text
        if depth == 0 and token.text in "[=" and before.kind == "name" and not name:
            name = before.text
        if token.text == "{":
            name = name or (before.text if before.kind == "name" else "")
            depth += 1
        if token.text == "}":
            depth -= 1
        if depth == 0 and token.text in ";}":
            found.append((start, token.end, name))
            start, name = token.end, ""
    return places + found


def _name_at(places: list[tuple[int, int, str]], at: int) -> str:
    return next((name for start, end, name in places if start <= at < end and name), "")


def _binary(tokens: list[_Token], n: int) -> bool:
    """Whether the operator stands between two values."""
    before = tokens[n - 1] if n else _Token("", "", 0, 0)
    value = before.kind == "number" or before.text in (")", "]")
    return value or (before.kind == "name" and before.text not in _TYPES | {"return"})


def _changes(tokens: list[_Token], n: int, long_lists: set[int]) -> Iterator[tuple[int, int, str]]:
    token = tokens[n]
    if token.kind == "number":
        digits = re.match(r"(0[xX][0-9a-fA-F]+|\d+)(.*)", token.text)
        assert digits
        value = int(digits[1], 16 if digits[1][:2] in ("0x", "0X") else 10)
        for other in {value + 1} if n in long_lists else {value + 1, value - 1} - {-1}:
            yield token.start, token.end, (hex(other) if "x" in digits[1].lower() else str(other)) + digits[2]
    elif token.text in _OTHERS:
        if token.text in "&*" and not _binary(tokens, n):
            return
        if token.text in ("++", "--") and tokens[n + 1].text == ")":
            return  # a step of a loop: the other way it does not end, and its condition is changed
        if token.text in ("+", "-") and not _binary(tokens, n):
            yield token.start, token.end, ""
            return
        for other in _OTHERS[token.text]:
            yield token.start, token.end, other
        if token.text in ("<<", ">>") and 1 < n < len(tokens) - 2:
            left, right, outer, after = tokens[n - 1], tokens[n + 1], tokens[n - 2].text, tokens[n + 2].text
            simple = (
                {left.kind, right.kind} <= {"name", "number"}
                and outer not in (".", "->")
                and after not in ("[", "(", "->")
            )
            if simple:
                yield left.start, right.end, f"{right.text} {token.text} {left.text}"


def _conditions(tokens: list[_Token]) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, '!(', ')') of the conditions of if and while."""
    for n, token in enumerate(tokens[:-1]):
        if token.text not in ("if", "while") or tokens[n + 1].text != "(":
            continue
        depth = 0
        for inner in tokens[n + 1 :]:
            depth += {"(": 1, ")": -1}.get(inner.text, 0)
            if depth == 0:
                yield tokens[n + 1].end, inner.start, "!(", ")"
                break


def _statements(tokens: list[_Token]) -> Iterator[tuple[int, int]]:
    """(start, end) of the statements that do something: calls, assignments, jumps; not of declarations."""
    inside = 0  # of parentheses: the header of a for
    for n, token in enumerate(tokens):
        inside += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind != "name" or token.text in _NO_STATEMENT | _TYPES or n == 0 or inside:
            continue
        if tokens[n - 1].text not in (";", "{", "}", ")", "else", "UNROLL"):
            continue
        depth = 0
        for last in range(n, len(tokens)):
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(tokens[last].text, 0)
            if depth < 0 or (depth == 0 and tokens[last].text == ";"):
                break
        words = tokens[n:last]
        declared = len(words) > 1 and words[1].kind == "name"
        if (
            tokens[last].text == ";"
            and depth == 0
            and not declared
            and (len(words) > 1 or token.text in ("break", "continue"))
        ):
            yield token.start, tokens[last].start


def _long_lists(tokens: list[_Token]) -> set[int]:
    """The places of numbers that stand in a row of many, divided by commas."""
    found: set[int] = set()
    row: list[int] = []
    for n, token in enumerate(tokens):
        if token.kind == "number":
            row.append(n)
        elif token.text not in (",", "}", "{") or token.kind == "name":
            if len(row) >= _LONG_LIST:
                found.update(row)
            row = []
    return found


def _spaced(text: str) -> str:
    return " ".join(text.split())


def mutations(file: str, source: str) -> list[Mutation]:
    tokens, places = _tokens(source), functions(source)
    long_lists = _long_lists(tokens)
    changes = [change for n in range(len(tokens)) for change in _changes(tokens, n, long_lists)]
    changes += [
        (start, end, f"{opening}{source[start:end]}{closing}") for start, end, opening, closing in _conditions(tokens)
    ]
    changes += [(start, end, "") for start, end in _statements(tokens)]
    made = {}
    for start, end, text in sorted(changes):
        first, last = source.rfind("\n", 0, start) + 1, source.find("\n", end)
        before, after = source[first:last], source[first:start] + text + source[end:last]
        line = source.count("\n", 0, start) + 1
        made[start, end, text] = Mutation(
            file, _name_at(places, start), line, _spaced(before), _spaced(after), start, end, text
        )
    return list(made.values())
