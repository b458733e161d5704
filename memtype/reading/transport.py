"""How text travels, undone once before any family looks: mails, web pages, editors, terminals, lists and tables.

`undo` gives the text as its printer wrote it, and for every line of it the number of the line in the user's own text.
A text that nothing happened to comes back as it is. Undoing twice is undoing once: the steps are repeated until the
text stays. JSON documents and hex dumps hold every sign that a step looks for; steps leave them alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from memtype.reading import characters, fronts, inside, mail, marks, web, wraps
from memtype.reading.patterns import later
from memtype.reading.text import Text

_ROUNDS = 8  # transports behind one another: a mail that quotes a web page that shows a table


def undo(text: str) -> Text:
    """The text without what its way here did to it.

    Examples
    --------
    >>> undone = undo("> 0 base 000000000 mask F80000000 write-back<br>1 disabled")
    >>> list(undone.lines), list(undone.numbers)
    (['0 base 000000000 mask F80000000 write-back', '1 disabled'], [1, 1])
    """
    found = Text.of(text)
    for step in _CHARACTER_STEPS:
        found = step.take(found)
    stays: dict[_Step, Text] = {}  # the text in which each step found nothing
    for _ in range(_ROUNDS):
        before = found
        for step in _STEPS:
            if stays.get(step) is not found:
                stays[step], found = found, step.take(found)
        if found is before:
            break
    return wraps.joined(found)


@dataclass(frozen=True, slots=True)
class _Step:
    """One way that text travels: a quick look whether a text shows it, and how to undo it."""

    shows: Callable[[str], bool]
    undone: Callable[[Text], Text]
    spares_documents: bool = True  # JSON documents are left alone

    def take(self, text: Text) -> Text:
        """The text with this undone; itself where nothing is."""
        whole = str(text)
        if not self.shows(whole) or (self.spares_documents and _DOCUMENT.match(whole)):
            return text
        undone = self.undone(text)
        return text if str(undone) == whole else undone


_DOCUMENT = later(r"\s*(?:\{\s*[\"}]|\[\s*[\[{])(?![^\n]*<br ?/?>)")


def _any_of(*words: str) -> Callable[[str], bool]:
    return lambda text: any(word in text for word in words)


def _begins(pattern: str, *signs: str) -> Callable[[str], bool]:
    """Whether a line begins with the pattern, which holds one of the signs if there are any."""
    first = later(pattern, re.M)
    below = later(f"\n(?:{pattern})", re.M)  # one letter in front is found quickly

    def shows(text: str) -> bool:
        held = not signs or any(sign in text for sign in signs)
        return held and (first.match(text) or below.search(text)) is not None

    return shows


def _marked_up(text: str) -> bool:
    return ("<" in text or "&" in text) and _SIGN.search(text) is not None


def _strange(text: str) -> bool:
    """Whether a character is not what a keyboard types."""
    if text.isascii():
        return any(letter in text for letter in characters.ASCII)
    return _STRANGE.search(text) is not None


_SIGN, _STRANGE = later(web.SIGN, re.I), later(characters.STRANGE)


_CHARACTER_STEPS = (
    _Step(inside.shows, inside.opened, False),
    _Step(_any_of("^M", "$\n"), characters.shown_ends, False),
    _Step(characters.shouts, characters.spoken, False),
    _Step(_any_of("(xen)"), characters.xen, False),
    _Step(_any_of("\r"), characters.line_ends, False),
    _Step(_any_of("\x1b", "^[["), characters.colours, False),
    _Step(_strange, characters.typed, False),
)
_STEPS = (
    _Step(inside.shows, inside.opened, False),
    _Step(_any_of("^M", "$\n"), characters.shown_ends, False),
    _Step(characters.shouts, characters.spoken, False),
    _Step(_any_of("(xen)"), characters.xen, False),
    _Step(_begins(r" *(?:(?:[A-Z][A-Za-z]{0,3} ?)?>|\| )", ">", "| "), mail.unquoted),
    _Step(mail.shows, mail.decoded, False),
    _Step(_begins(r" *\[? *[\"']", '"', "'"), web.strings),
    _Step(_any_of("`", "~~~"), marks.ticks),
    _Step(_any_of("**", "__"), marks.bold),
    _Step(_marked_up, web.unmarked),
    _Step(web.coded, web.uncoded),
    _Step(_begins(r" *(?:\||:?-{2,}:? *\|)", "|"), marks.tables),
    _Step(_begins(fronts.SHOWN), fronts.undone),
    _Step(_begins(marks.MARK.pattern), marks.marks),
    _Step(_begins(marks.ITEMS.pattern, ",", ";"), marks.items),
)
