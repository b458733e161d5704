"""Mutations of Python source: small changes of its syntax tree, each of which should turn some test red.

A change names the function or the table that it is in, what kind it is and what it reads before and after,
so that a survivor can be named in a file that outlives other edits. Messages, annotations and docstrings stay: prose is
not a rule.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

TYPES = ("UC", "WC", "WT", "WP", "WB", "UC-", "CD", "WC+")  # cells of a table that is written as text
MEMBERS = {"UC": "WC", "WC": "WT", "WT": "WP", "WP": "WB", "WB": "UC", "UC_MINUS": "UC", "CD": "UC", "WC_PLUS": "WC",
           "UNDEFINED": "UC", "MIXED": "UNDEFINED", "NOT_TOLD": "UNDEFINED"}  # fmt: skip
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd, ast.Pow: ast.Mult,
}  # fmt: skip
SEARCHES = {"startswith", "endswith", "find", "partition", "rpartition", "split", "removeprefix", "removesuffix",
            "index", "strip", "replace"}  # fmt: skip
PATTERNS = {"compile", "later", "match", "fullmatch", "search", "sub", "finditer", "findall", "word"}
# Keywords that say how something is held, not what it says.
NO_RULES = {"frozen", "slots", "strict", "order", "repr", "eq", "kw_only", "maxsize"}
ALWAYS_EQUIVALENT = {"overload", "TYPE_CHECKING", "__all__", "__slots__"}


@dataclass(frozen=True, slots=True)
class Change:
    """One mutation: `owner.field` (`owner.field[place]`) becomes `node`."""

    scope: str
    line: int  # of the change
    start: int  # first line of the outermost function that holds it, 0 at module level
    kind: str
    text: str
    owner: ast.AST
    field: str
    place: int | None
    node: Any

    def make(self) -> None:
        """Change the tree that this was found in."""
        if self.place is None:
            setattr(self.owner, self.field, self.node)
        else:
            getattr(self.owner, self.field)[self.place] = self.node


class _Site(NamedTuple):
    owner: ast.AST
    field: str
    place: int | None
    node: Any


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk is: the function's name, its first line, the parents, whether strings are messages there."""

    scope: str = ""
    start: int = 0
    parents: tuple[ast.AST, ...] = ()
    prose: bool = False
    known: frozenset[str] = frozenset()  # names that the function has assigned so far


def changes(tree: ast.Module) -> list[Change]:
    """Every change of the module, in a fixed order; equal texts of one scope are numbered."""
    found, seen = list[Change](), Counter[tuple[str, str]]()
    for change in _walk(tree, _Place()):
        seen[change.scope, change.text] += 1
        number = seen[change.scope, change.text]
        text = change.text if number == 1 else f"{change.text} #{number}"
        found.append(Change(change.scope, change.line, change.start, change.kind, text, change.owner, change.field,
                            change.place, change.node))  # fmt: skip
    return found


def _walk(node: ast.AST, at: _Place) -> Iterator[Change]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_comment", "ctx", "op", "ops", "type_params"):
            continue
        children = value if isinstance(value, list) else [value]
        for place, child in enumerate(children):
            if isinstance(child, ast.AST) and not _skipped(child, place, field, node):
                site = _Site(node, field, place if isinstance(value, list) else None, child)
                yield from _at(site, _inside(child, at, node))
                yield from _walk(child, _inside(child, at, node))


def _skipped(child: ast.AST, place: int, field: str, node: ast.AST) -> bool:
    docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    names = {one.id for one in ast.walk(child) if isinstance(one, ast.Name)} if isinstance(child, ast.stmt) else set()
    whole = isinstance(child, (ast.Assign, ast.If)) and bool(names & ALWAYS_EQUIVALENT)
    overload = isinstance(child, ast.FunctionDef) and any(
        isinstance(one, ast.Name) and one.id == "overload" for one in child.decorator_list
    )
    typing_only = isinstance(child, ast.AnnAssign) and child.value is None
    return docstring or whole or overload or typing_only or isinstance(child, (ast.Import, ast.ImportFrom))


def _inside(child: ast.AST, at: _Place, parent: ast.AST) -> _Place:
    parents = (*at.parents, parent)
    if isinstance(child, ast.ClassDef) and not at.start:
        return _Place(f"{at.scope}.{child.name}".lstrip("."), 0, parents)
    if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)) and not at.start and child in parent.body:
        lines = [parent.lineno, *(one.lineno for one in parent.decorator_list)]
        return _Place(at.scope, min(lines), parents)
    if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not at.start:
        return _Place(f"{at.scope}.{child.name}".lstrip("."), 0, parents)  # its head runs when the module is loaded
    if isinstance(child, (ast.Assign, ast.AnnAssign)) and isinstance(parent, ast.Module):
        target = child.target if isinstance(child, ast.AnnAssign) else child.targets[0]
        return _Place(_said(target), 0, parents)
    prose = at.prose or isinstance(child, (ast.Raise, ast.JoinedStr)) or _is_message(child)
    return _Place(at.scope, at.start, parents, prose)


def _is_message(node: ast.AST) -> bool:
    """A call that makes an error, a note or a rule: its strings are for people."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.endswith(("Error", "Warning")) or name in (
        "Rule",
        "Note",
        "Commit",
        "warn",
        "note",
        "getLogger",
        "TypeVar",
    )


def _at(site: _Site, at: _Place) -> Iterator[Change]:
    node, owner = site.node, site.owner
    inside = at.start > 0

    def change(kind: str, new: Any, before: str = "", after: str = "") -> Change:
        old = before or _said(node)
        made = after or _said(new)
        ast.copy_location(new, node)
        ast.fix_missing_locations(new)
        return Change(at.scope, node.lineno, at.start, kind, f"{_context(site)}{old} -> {made}", owner, site.field,
                      site.place, new)  # fmt: skip

    if isinstance(node, ast.Compare):
        for number, op in enumerate(node.ops):
            ops = [*node.ops[:number], COMPARISONS[type(op)](), *node.ops[number + 1 :]]
            yield change("comparison", ast.Compare(node.left, ops, node.comparators))
    elif isinstance(node, ast.BoolOp):
        yield change("and/or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield change("operator", node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _of_types(node):
        yield change("operator", ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))
    elif isinstance(node, ast.IfExp):
        yield change("branches", ast.IfExp(node.test, node.orelse, node.body))
    elif isinstance(node, ast.Constant):
        yield from (change(kind, ast.Constant(new)) for kind, new in _constants(site, at))
    elif isinstance(node, ast.Attribute) and _said(node.value) in ("MemoryType", "types.MemoryType", "mt.MemoryType"):
        if node.attr in MEMBERS:
            yield change("type", ast.Attribute(node.value, MEMBERS[node.attr], node.ctx))
    elif isinstance(node, ast.Call) and not _is_message(node):
        yield from (change("arguments", new) for new in _swapped(node))
    elif isinstance(node, ast.Dict) and not inside:
        for one, (first, second) in enumerate(pairwise(node.values)):
            if ast.dump(first) != ast.dump(second) and None not in node.keys[one : one + 2]:
                values = [*node.values[:one], second, first, *node.values[one + 2 :]]
                label = f"{_said(node.keys[one])}, {_said(node.keys[one + 1])}"
                yield change("cells", ast.Dict(node.keys, values), label, f"values swapped from {_said(first)}")
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and not isinstance(owner, ast.Subscript):
        for one, (first, second) in enumerate(pairwise(node.elts)):
            if not inside and ast.dump(first) != ast.dump(second) and not _is_message(first):
                new = ast.Tuple([*node.elts[:one], second, first, *node.elts[one + 2 :]], ast.Load())
                yield change("cells", new)
    elif isinstance(node, ast.stmt) and inside:
        yield from _statements(change, site, at)


def _said(node: ast.AST) -> str:
    text = ast.unparse(node).replace("\n", " ")
    return text if len(text) <= 90 else text[:87] + "..."


def _context(site: _Site) -> str:
    """What makes a bare constant recognisable: the expression around it, where that is short."""
    if not isinstance(site.node, (ast.Constant, ast.Attribute)) or isinstance(site.owner, ast.stmt):
        return ""
    text = ast.unparse(site.owner).replace("\n", " ") if isinstance(site.owner, ast.expr) else ""
    return f"{text}: " if 0 < len(text) <= 70 else ""


def _of_types(node: ast.BinOp) -> bool:
    """``int | None`` as a value, string formatting."""
    kinds = {"None", "int", "str", "bytes"}
    return isinstance(node.op, ast.BitOr) and bool({_said(node.left), _said(node.right)} & kinds)


def _swapped(node: ast.Call) -> Iterator[ast.Call]:
    name = _said(node.func)
    if name in ("isinstance", "issubclass", "getattr", "hasattr", "zip", "max", "min", "cast", "NewType", "TypeVar"):
        return
    if name in ("tells", "words"):  # the words that a family looks for, in any order
        return
    for one, (first, second) in enumerate(pairwise(node.args)):
        if (
            not isinstance(first, ast.Starred)
            and not isinstance(second, ast.Starred)
            and ast.dump(first) != ast.dump(second)
        ):
            yield ast.Call(node.func, [*node.args[:one], second, first, *node.args[one + 2 :]], node.keywords)


def _constants(site: _Site, at: _Place) -> Iterator[tuple[str, Any]]:
    value, owner = site.node.value, site.owner
    if isinstance(owner, ast.keyword) and owner.arg in NO_RULES:
        return
    if isinstance(value, bool):
        yield "constant", not value
    elif isinstance(value, int):
        yield "constant", value + 1
        yield "constant", value - 1
    elif isinstance(value, (str, bytes)) and value:
        yield from _strings(value, site, at)


def _strings(value: Any, site: _Site, at: _Place) -> Iterator[tuple[str, Any]]:
    owner = site.owner
    if isinstance(value, str) and _is_pattern(owner if isinstance(owner, ast.JoinedStr) else site.node, at):
        yield from (("pattern", new) for new in patterns(value, *_around(site)))
    elif isinstance(value, str) and "\n" in value and len(set(value.split()) & set(TYPES)) > 3:
        for match in re.finditer(r"\S+", value):
            if match[0] in TYPES:
                other = TYPES[(TYPES.index(match[0]) + 1) % 5]
                yield "cell", value[: match.start()] + other + value[match.end() :]
    elif not at.prose and (not re.search(r"\s", value if isinstance(value, str) else "") or _called(owner) in SEARCHES
                           or isinstance(owner, ast.Compare)):  # fmt: skip
        yield "string", value + ("X" if isinstance(value, str) else b"X")


def _called(node: ast.AST) -> str:
    """The name of the function that a call calls."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_pattern(text: ast.AST, at: _Place) -> bool:
    """Whether a string, with what is put into it or not, is a regular expression."""
    parent = at.parents[-2 if isinstance(text, ast.JoinedStr) else -1]
    if isinstance(parent, ast.keyword):
        return parent.arg == "pattern"
    return isinstance(parent, ast.Call) and _called(parent) in PATTERNS and text is parent.args[0]


def _around(site: _Site) -> tuple[str, str]:
    """What stands in front of a piece of a string and behind it; a letter for what is put in there."""
    if not isinstance(site.owner, ast.JoinedStr) or site.place is None:
        return "", ""
    pieces = [one.value if isinstance(one, ast.Constant) else "x" for one in site.owner.values]
    return "".join(map(str, pieces[: site.place])), "".join(map(str, pieces[site.place + 1 :]))


_PIECE = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|\(\?(?:P<\w+>|[:=!]|<[=!]|[aimsx]+\))|[?*+]|\{\d+(?:,\d*)?\}|[\^$]|.", re.S
)


def patterns(text: str, front: str = "", behind: str = "") -> Iterator[str]:
    """A regular expression with one quantifier, anchor or class changed; only what still compiles and is another.

    Of a piece of one, what stands in front of it and behind it stays.
    """
    other = {
        "+": "*",
        "*": "+",
        "?": "",
        "^": "",
        "$": "",
        r"\b": "",
        r"\d": r"\w",
        r"\s": ".",
        r"\w": r"\d",
        r"\S": ".",
    }
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece in other and not (piece == "?" and text[: match.start()].endswith(("+", "*", "?", "}"))):
            changed = text[: match.start()] + other[piece] + text[match.end() :]
        elif piece.startswith("{"):
            first = int(re.findall(r"\d+", piece)[0])
            changed = text[: match.start()] + piece.replace(str(first), str(first + 1), 1) + text[match.end() :]
        else:
            continue
        try:
            re.compile(front + changed + behind)
        except (re.error, OverflowError):
            continue
        yield changed


def _statements(change: Any, site: _Site, at: _Place) -> Iterator[Change]:
    node = site.node
    nothing = ast.Pass()
    if isinstance(node, ast.Return) and node.value is not None and not (_is(node.value, None) or _is_no(node, at)):
        yield change("return", ast.Return(ast.Constant(None)))
    elif isinstance(node, (ast.Raise, ast.AugAssign, ast.Expr, ast.Delete)) and not _is(
        getattr(node, "value", node), ...
    ):
        yield change("deleted", nothing, after="pass")
    elif isinstance(node, ast.Assign) and not all(isinstance(one, ast.Name) for one in node.targets):
        if not any(isinstance(one, ast.Tuple) for one in node.targets):
            yield change("deleted", nothing, after="pass")
    elif isinstance(node, ast.Continue):
        yield change("deleted", ast.Break())
    elif isinstance(node, ast.Break):
        yield change("deleted", nothing, after="pass")
    if isinstance(node, (ast.AugAssign,)) and type(node.op) in ARITHMETIC:
        yield change("operator", ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value))
    if isinstance(node, (ast.If, ast.While)) and isinstance(
        node.test, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
    ):
        test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        new = type(node)(test, node.body, node.orelse)
        yield change("condition", new, f"if {_said(node.test)}", f"if {_said(test)}")


def _is_no(node: ast.Return, at: _Place) -> bool:
    """``return False`` of a function that is ``-> bool``: None would be no other answer."""
    inside = [parent for parent in at.parents if isinstance(parent, ast.FunctionDef)]
    kind = inside[-1].returns if inside else None
    return _is(node.value, False) and isinstance(kind, ast.Name) and kind.id == "bool"


def _is(node: ast.AST | None, value: Any) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
