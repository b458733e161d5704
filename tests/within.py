"""The C core as CBMC reads it, with claims of ``tests/proofs/within.h`` written in. Line numbers are kept.

CBMC asks of ``block->base[i]`` only that it lies in the struct. Here each such index is ``WITHIN(block->base, i)``: a
claim that it is one of the array (a pointer has no such bound). A loop begins with ``TURN``: a false claim that shows
whether a proof ever comes there.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from conftest import ROOT

Fault = tuple[str, str, str]  # file, what stands there once, what stands there then
Last = tuple[str, str, int]  # struct, its array that is put last, by how many elements it is short

HEADER = ROOT / "tests" / "proofs" / "within.h"


def other_end(text: str, at: int, step: int) -> int:
    """Where the bracket at this place closes (step 1) or opens (-1)."""
    depth = 0
    while True:
        depth += (text[at] in "([") - (text[at] in ")]")
        if depth == 0:
            return at
        at += step


def begin(text: str, at: int) -> int:
    """Where the expression begins that is indexed at this place."""
    while True:
        if text[at - 1] == "]" or (text[at - 1] == ")" and not re.match(r"\w", text[at])):  # no cast
            at = other_end(text, at - 1, -1)
        elif re.match(r"[\w.]", text[at - 1]):
            at -= 1
        elif text[at - 2 : at] == "->":
            at -= 2
        else:
            return at


def blank(text: str) -> str:
    """Without comments and strings, every place where it was."""
    comment = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    return re.sub(comment, lambda found: re.sub(r"[^\n]", " ", found[0]), text, flags=re.S)


def with_turns(text: str) -> str:
    """Each loop but one of do, whose body comes before, says when it turns."""
    bare = blank(text)
    for head in reversed(list(re.finditer(r"\b(for|while) \(", bare))):
        end = other_end(bare, head.end() - 1, 1) + 1
        text = text if bare[end] == ";" else f"{text[:end]} TURN{text[end:]}"
    return text


@cache
def claimed(text: str) -> str:
    """The text with its claims; indices from the last to the first, so that those inside others are bounded too."""
    at = len(text := with_turns(text))
    while (at := text.rfind("[", 0, at)) >= 0:
        array = text[begin(text, at) : at]
        index = text[at + 1 : other_end(text, at, 1)]
        if ("->" in array or "]." in array) and not index.isdigit():
            text = f"{text[: at + 1]}WITHIN({array}, {index}){text[at + 1 + len(index) :]}"
    return f'#include "{HEADER}"\n#line 1\n{text}'


def with_last(text: str, struct: str, member: str, fewer: int) -> str:
    """The text with an array at the very end of its struct, where CBMC sees what lies behind; some elements short."""
    begin = text.index(f"struct {struct} {{") + len(f"struct {struct} {{")
    end = text.index("}", begin)
    body = re.sub(r"_Alignas\(\d+\)", "", blank(text[begin:end]))
    declared = re.search(rf"(\w+)([^;]*?),?\s*\b{member}\[([^]]*)\]((?:\[[^]]*\])*),?([^;]*);", body)
    assert declared, f"{struct} has no {member}"
    kind, before, places, rows, after = declared.groups()
    others = ", ".join(part.strip() for part in (before, after) if part.strip())
    rest = f"{kind} {others};" if others else ""
    lines = "\n" * (declared[0].count("\n") - rest.count("\n"))
    body = body.replace(declared[0], rest + lines) + f"{kind} {member}[{places} - {fewer}]{rows}; "
    return f"{text[:begin]}{body}}} __attribute__((packed)){text[end + 1 :]}"


def copy_core(into: Path, fault: Fault | None = None, last: Last | None = None) -> None:
    """The core with its claims, and a fault planted before, in a folder that is made; without the generated binding."""
    into.mkdir(parents=True)
    file, before, after = fault or ("", "", "")
    for path in (ROOT / "csrc").glob("*.[ch]"):
        text = path.read_text()
        assert path.name != file or text.count(before) == 1
        text = text.replace(before, after) if path.name == file else text
        if last and f"struct {last[0]} {{" in text:
            text = with_last(text, *last)
        if path.name != "_native.c":
            (into / path.name).write_text(claimed(text))
