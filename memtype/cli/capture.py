"""``memtype capture``: this host's registers, widths, RAM map and PAT list as one JSON."""

from __future__ import annotations

import argparse

from memtype.cli.output import notes, print_json
from memtype.formats import own_json
from memtype.host import capture

EXAMPLE = "memtype capture --anonymise"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--anonymise", action="store_true", help="leave out the names of host, user and kernel build")
    parser.add_argument("--json", action="store_true", help="a capture is always JSON (schema memtype/1)")


def run(args: argparse.Namespace) -> int:
    machine = capture.capture(anonymise=args.anonymise)
    print_json("capture", own_json.dump(machine))
    notes(machine.notes)
    return 0
