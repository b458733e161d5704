"""One colour for each memory type, in the terminal, in SVG and in plots. The letters always stand beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from memtype.types import MemoryType


@dataclass(frozen=True, slots=True)
class Colour:
    """How a type is drawn.

    Attributes
    ----------
    fill, ink : str
        The colour of its area, and of letters on it: ``#rrggbb``.
    word : str
        The colour of its letters in a terminal, that reads on black and on white.
    """

    fill: str
    ink: str
    word: str


# The areas are those of a palette that the colour-blind tell apart; each is light or dark enough for its letters.
# The words have a luminance near 0.18, where the contrast to black and to white is the same.
COLOURS: Final[dict[MemoryType, Colour]] = {
    MemoryType.UC: Colour("#b83a00", "#ffffff", "#d7005f"),
    MemoryType.UC_MINUS: Colour("#a8487e", "#ffffff", "#af5faf"),
    MemoryType.CD: Colour("#7a1f1f", "#ffffff", "#d75f5f"),
    MemoryType.WC: Colour("#56b4e9", "#000000", "#008787"),
    MemoryType.WC_PLUS: Colour("#a6d8f3", "#000000", "#5f8787"),
    MemoryType.WT: Colour("#f0e442", "#000000", "#878700"),
    MemoryType.WP: Colour("#e69f00", "#000000", "#af5f00"),
    MemoryType.WB: Colour("#006aa8", "#ffffff", "#0087d7"),
    MemoryType.UNDEFINED: Colour("#222222", "#ffffff", "#808080"),
    MemoryType.MIXED: Colour("#8c8c8c", "#000000", "#808080"),
    MemoryType.NOT_TOLD: Colour("#f2f2f2", "#000000", "#808080"),
}


def luminance(colour: str) -> float:
    """Relative luminance, 0 (black) to 1 (white), as WCAG 2 defines it.

    >>> round(luminance("#ffffff"), 3), luminance("#000000")
    (1.0, 0.0)
    """
    channels = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21: 4.5 is enough for text, 3 for large letters (WCAG 2, 1.4.3)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
