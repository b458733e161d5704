"""``memtype sample``: the built-in machine as the log that prints it: something to try every other verb on."""

from __future__ import annotations

import argparse

from memtype.cli.output import print_json

EXAMPLE = "memtype sample | memtype at 0xe0000000 --why -"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON (schema memtype/1): the machine, not its log")


def run(args: argparse.Namespace) -> int:
    from memtype import host
    from memtype.formats import own_json
    from memtype.host.sample_machine import TEXT

    if args.json:
        print_json("sample", own_json.dump(host.sample()))
    else:
        print(TEXT, end="")
    return 0
