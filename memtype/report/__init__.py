"""One HTML page about a machine: self-contained, no scripts, no network; it prints, and it knows dark mode."""

from __future__ import annotations

from memtype.report.page import page

__all__ = ["page"]
