"""Printed answers, read as their words: where a line ends is the layout's business."""


def flat(text: str) -> str:
    """The text with each run of blanks and line ends as one blank."""
    return " ".join(text.split())
