"""Texts that take the turns which whole samples do not: what is off, unknown, doubled, cut, or told in other words."""

from __future__ import annotations

ODD: dict[str, str | bytes] = {}
