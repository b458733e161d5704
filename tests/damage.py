"""Damage to a text, as copying, sending and quoting do it: each kind a function of the text and a source of chance.

`KINDS` lists them. A kind that a reader can undo changes no answer; the others lose something.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Callable

from ways import WAYS

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


def tail(text: str, rng: random.Random) -> str:
    """The last lines alone: a capture that began late, a terminal that kept no more."""
    lines = text.split("\n")
    return "\n".join(lines[rng.randrange(len(lines)) :])


def short_line(text: str, rng: random.Random) -> str:
    """One line cut at the edge of a terminal."""
    lines = text.split("\n")
    n = rng.randrange(len(lines))
    lines[n] = lines[n][: rng.randrange(len(lines[n]) + 1)]
    return "\n".join(lines)


def one_line(text: str, rng: random.Random) -> str:
    """Two lines run into one."""
    ends = [found.start() for found in re.finditer("\n", text)]
    at = rng.choice(ends) if ends else len(text)
    return text[:at] + text[at + 1 :]


def again(text: str, rng: random.Random) -> str:
    """One to three lines twice, the copy below or further down."""
    lines = text.split("\n")
    first = rng.randrange(len(lines))
    copy = lines[first : first + rng.randrange(1, 4)]
    at = first + len(copy) if rng.random() < 0.5 else rng.randrange(first + len(copy), len(lines) + 1)
    return "\n".join(lines[:at] + copy + lines[at:])


def swapped(text: str, rng: random.Random) -> str:
    """Two neighbouring lines in the other order."""
    lines = text.split("\n")
    n = rng.randrange(max(len(lines) - 1, 1))
    lines[n : n + 2] = lines[n : n + 2][::-1]
    return "\n".join(lines)


def merged(text: str, rng: random.Random) -> str:
    """Two columns of one line run into one."""
    gaps = [found.span() for found in re.finditer(r"(?<=\S)[ \t]+(?=\S)", text)]
    begin, end = rng.choice(gaps) if gaps else (0, 0)
    return text[:begin] + text[end:]


def lost_digit(text: str, rng: random.Random) -> str:
    """One digit of a long number gone."""
    places = [n for found in _LONG_NUMBER.finditer(text) for n in range(*found.span())]
    at = rng.choice(places) if places else len(text)
    return text[:at] + text[at + 1 :]


def window(text: str, rng: random.Random) -> str:
    """Every line cut at one column: a narrow terminal, ``less -S``."""
    width = rng.randrange(8, 80)
    return "\n".join(line[:width] for line in text.split("\n"))


def scrolled(text: str, rng: random.Random) -> str:
    """The first columns lost."""
    width = rng.choice((1, 1, 2, 3, 5, 9, 14, 15, 20))
    return "\n".join(line[width:] for line in text.split("\n"))


def split_hard(text: str, rng: random.Random) -> str:
    """Lines broken in the middle of a word, where the screen ended."""
    width = rng.choice((40, 60, 72, 80))
    return "\n".join(line[at : at + width] for line in text.split("\n") for at in range(0, max(len(line), 1), width))


def quoted_wrap(text: str, rng: random.Random) -> str:
    """Quoted, and broken at the mailer's margin; what was broken off is quoted too, or not."""
    width, mark, found = rng.choice((64, 72, 76, 80)), rng.choice(("> ", ">> ", "| ")), []
    for line in text.split("\n"):
        rest = mark + line
        while len(rest) > width and (at := rest.rfind(" ", len(mark) + 1, width + 1)) > len(mark):
            found.append(rest[:at])
            rest = rng.choice(("", mark)) + rest[at + 1 :]
        found.append(rest)
    return "\n".join(found)


def told_otherwise(text: str, rng: random.Random) -> str:
    """A line again, below or elsewhere, with one digit or type changed."""
    lines = text.split("\n")
    n = rng.randrange(len(lines))
    row, digits = lines[n], [found.start() for found in re.finditer(r"(?<=[0-9a-fA-Fx])[0-9a-fA-F]", lines[n])]
    for kind in ("write-back", "uncachable", "WB", "UC", "nabled", "isabled"):
        if kind in row and rng.random() < 0.3:
            row = row.replace(
                kind, {"write-back": "uncachable", "WB": "UC", "nabled": "isabled"}.get(kind, "write-back")
            )
            digits = []
    if digits:
        at = rng.choice(digits)
        row = row[:at] + rng.choice("0123456789abcdef") + row[at + 1 :]
    lines.insert(n + 1 if rng.random() < 0.5 else rng.randrange(len(lines) + 1), row)
    return "\n".join(lines)


def hidden_digits(text: str, rng: random.Random) -> str:
    """Digits of one long number, or of all, made unreadable."""
    sign = rng.choice("xX*?#")
    numbers = list(_LONG_NUMBER.finditer(text))
    for found in reversed(numbers if rng.random() < 0.5 else numbers[:1]):
        keep = found.start() + rng.randrange(2, len(found[0]))
        text = text[:keep] + sign * (found.end() - keep) + text[found.end() :]
    return text


def spelled(text: str, rng: random.Random) -> str:
    """An editor's dashes and quotes, invisible characters inside words."""
    text = text.replace("-", rng.choice("\u2212\u2013\u2014\u2010")).replace('"', rng.choice('"\u201c'))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice("\u200b\xad\u2060\ufeff") + text[at:]
    return text


def grouped(text: str, rng: random.Random) -> str:
    """Digits in groups: 4,294,967,296 and 0x00000000_80000000."""
    sign = rng.choice((",", "'", "_", " ", "\u202f"))
    if rng.random() < 0.5:
        return re.sub(r"(?<![\w.])[1-9]\d{3,}(?![\w.])", lambda n: f"{int(n[0]):,}".replace(",", sign), text)
    return re.sub(r"(?<=0x)[0-9a-fA-F]{16}(?!\w)", lambda n: n[0][:8] + sign + n[0][8:], text)


def unprefixed(text: str, rng: random.Random) -> str:
    """Hexadecimal numbers without 0x, in capitals."""
    return re.sub(r"0x([0-9a-fA-F]+)", lambda n: n[1].upper(), text)


def filtered(text: str, rng: random.Random) -> str:
    """The lines with a word, or without: ``grep``."""
    words = re.findall(r"[A-Za-z_]{3,}", text) or [""]
    word, without = rng.choice(words).lower(), rng.random() < 0.3
    return "\n".join(line for line in text.split("\n") if (word in line.lower()) != without)


def other_order(text: str, rng: random.Random) -> str:
    """Sorted, from the last to the first, or equal lines once."""
    lines = text.split("\n")
    return "\n".join(rng.choice((sorted(lines), lines[::-1], list(dict.fromkeys(lines)))))


def noise(text: str, rng: random.Random) -> str:
    """Other programs' lines between the text's own, or in the middle of one."""
    lines = text.split("\n")
    for _ in range(rng.randrange(1, 4)):
        n, said = rng.randrange(len(lines)), rng.choice(NOISE)
        at = rng.randrange(len(lines[n]) + 1) if rng.random() < 0.3 else 0
        lines[n : n + 1] = [lines[n][:at] + said + lines[n][at:]] if at else [said, lines[n]]
    return "\n".join(lines)


def suppressed(text: str, rng: random.Random) -> str:
    """One to three lines in whose place stands how many were lost."""
    lines = text.split("\n")
    n, count = rng.randrange(len(lines)), rng.randrange(1, 4)
    lines[n : n + count] = [rng.choice(LOST).format(count)]
    return "\n".join(lines)


def spreadsheet(text: str, rng: random.Random) -> str:
    """Decimal digits as a spreadsheet keeps them: no zeros in front, 15 digits, some with an exponent."""

    def kept(found: re.Match[str]) -> str:
        digits = str(int(found[0]))
        if len(digits) > 11 and rng.random() < 0.5:
            return f"{int(digits):.5E}"
        return digits[:15] + "0" * (len(digits) - 15)

    return re.sub(r"(?<![\w.-])\d+(?![\w.:-])", kept, text)


def crossed(text: str, rng: random.Random) -> str:
    """Two processors' lines printed into one another."""
    lines = text.split("\n")
    n = rng.randrange(max(len(lines) - 1, 1))
    one, two = lines[n], "".join(lines[n + 1 : n + 2])
    at, to = rng.randrange(len(one) + 1), rng.randrange(len(two) + 1)
    lines[n : n + 2] = rng.choice(
        ([one[:at] + two, one[at:]], [one[:at] + two[:to], two[to:] + one[at:]], [one[:at] + two + one[at:]])
    )
    return "\n".join(lines)


def travelled(text: str, rng: random.Random) -> str:
    """Sent, quoted, put on a page (`ways`): nothing is lost."""
    return WAYS[rng.choice(sorted(WAYS))](text)


_LONG_NUMBER = re.compile(r"(?<=0x)[0-9a-fA-F]{8,}|(?<![0-9a-zA-Z])[0-9a-fA-F]{8,}(?![0-9a-zA-Z])")

NOISE = (
    "[    0.000000] random: crng init done", "-- MARK --", "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
    "Jan  1 00:00:00 h last message repeated 3 times", "--More--", "lines 1-23", "~", "0", "0x0", "....",
)  # fmt: skip
LOST = (
    "[    0.000000] ** {} printk messages dropped **", "printk: {} messages dropped", "net_ratelimit: {} callbacks "
    "suppressed", "[...]", "<{} lines removed>", "\u2026", "(snip)",
)  # fmt: skip

KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "drop": drop_lines, "cut": cut_end, "head": cut_head, "prefix": prefix_all, "one prefix": prefix_one,
    "wrap": wrap, "entities": entities, "br": breaks, "blanks": blanks, "tail": tail, "short line": short_line,
    "one line": one_line, "again": again, "swapped": swapped, "merged": merged, "digit": lost_digit,
    "way": travelled, "window": window, "scrolled": scrolled, "split hard": split_hard, "quoted wrap": quoted_wrap,
    "told otherwise": told_otherwise, "hidden digits": hidden_digits, "spelled": spelled, "grouped": grouped,
    "unprefixed": unprefixed, "filtered": filtered, "other order": other_order, "noise": noise,
    "suppressed": suppressed, "crossed": crossed, "spreadsheet": spreadsheet,
}  # fmt: skip


def mixed(text: str, other: str, rng: random.Random) -> str:
    """The text with one to three lines of another machine's, in the same form, somewhere between its own."""
    lines, others = text.split("\n"), other.split("\n")
    for _ in range(rng.randrange(1, 4)):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(others))
    return "\n".join(lines)


def damaged(text: str, rng: random.Random, most: int = 2, but: frozenset[str] = frozenset()) -> tuple[str, list[str]]:
    """The text after one to `most` damages, none of them in `but`, and which."""
    kinds = [kind for kind in KINDS if kind not in but]
    names = [rng.choice(kinds) for _ in range(rng.randrange(1, most + 1))]
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
