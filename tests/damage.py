"""Damage to a text, as copying, sending and quoting do it: each kind a function of the text and a source of chance.

`KINDS` lists them. A kind that a reader can undo changes no answer; the others lose something.
"""

from __future__ import annotations

import html
import random
from collections.abc import Callable

PREFIXES = ("> ", "// ", "# ", "* ", "- ", "1. ", " AB> ", "| ", "[    0.000000] ", "Jun  2 15:53:16 host kernel: ")
WRAP = 60


def drop_lines(text: str, rng: random.Random) -> str:
    """One to three lines lost."""
    lines = text.split("\n")
    for _ in range(rng.randrange(1, 4)):
        lines.pop(rng.randrange(len(lines)))
        if not lines:
            break
    return "\n".join(lines)


def cut_end(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def cut_head(text: str, rng: random.Random) -> str:
    return text[rng.randrange(len(text) + 1) :]


def prefix_all(text: str, rng: random.Random) -> str:
    mark = rng.choice(PREFIXES)
    return "\n".join(mark + line for line in text.split("\n"))


def prefix_one(text: str, rng: random.Random) -> str:
    """A mark before one line alone."""
    lines = text.split("\n")
    n = rng.randrange(len(lines))
    lines[n] = rng.choice(PREFIXES) + lines[n]
    return "\n".join(lines)


def wrap(text: str, rng: random.Random) -> str:
    """Long lines broken at a blank, as mail programs do."""
    width = rng.randrange(30, WRAP)
    found = []
    for line in text.split("\n"):
        at = line.rfind(" ", 1, width) if len(line) > width else -1
        found += [line] if at < 1 else [line[:at], line[at + 1 :]]
    return "\n".join(found)


def entities(text: str, rng: random.Random) -> str:
    return html.escape(text).replace(" ", "&nbsp;" if rng.random() < 0.5 else " ")


def breaks(text: str, rng: random.Random) -> str:
    """HTML's line breaks at the end of some lines."""
    return "\n".join(line + ("<br>" if rng.random() < 0.7 else "") for line in text.split("\n"))


def blanks(text: str, rng: random.Random) -> str:
    """Runs of blanks collapsed."""
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "drop": drop_lines, "cut": cut_end, "head": cut_head, "prefix": prefix_all, "one prefix": prefix_one,
    "wrap": wrap, "entities": entities, "br": breaks, "blanks": blanks,
}  # fmt: skip


def damaged(text: str, rng: random.Random, most: int = 2) -> tuple[str, list[str]]:
    """The text after one to `most` damages, and which."""
    names = [rng.choice(list(KINDS)) for _ in range(rng.randrange(1, most + 1))]
    for name in names:
        text = KINDS[name](text, rng) if text else text
    return text, names


ENTRY = 16  # bytes of one entry of KVM's list: index, reserved, value


def damaged_entries(data: bytes, rng: random.Random) -> tuple[bytes, list[str]]:
    """A binary list of registers that lost entries, its head, or its end."""
    entries = [data[8 + at : 8 + at + ENTRY] for at in range(0, len(data) - 8, ENTRY)]
    name = rng.choice(("entries", "cut", "head", "swapped"))
    if name == "entries":
        kept = [entry for entry in entries if rng.random() < 0.8]
        return len(kept).to_bytes(4, "little") + data[4:8] + b"".join(kept), [name]
    if name == "swapped":
        rng.shuffle(entries)
        return data[:8] + b"".join(entries), [name]
    at = rng.randrange(len(data) + 1)
    return (data[:at] if name == "cut" else data[at:]), [name]
