"""``memtype schema``: the JSON Schema of every answer, for programs that read them."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = "memtype schema"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the same: a schema is JSON")


def run(args: argparse.Namespace) -> int:
    print(text(), end="")
    return 0


def text() -> str:
    """The schema of memtype/1, as it ships with the package."""
    return Path(__file__).with_name("memtype-1.schema.json").read_text("utf-8")
