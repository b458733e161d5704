"""``memtype rules``: every rule that an answer can cite, with its source."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable

from memtype.cli.output import add_json, print_json, say, short
from memtype.rules import Rule

EXAMPLE = "memtype rules mtrr-uc-wins kvm-pat-ept"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", nargs="*", help="an identifier, or a part of one; default: all")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    found = [rule for rule in every() if not args.rule or any(word in rule.id for word in args.rule)]
    if args.json:
        print_json("rules", {"rules": [{"id": rule.id, "text": rule.text, "source": rule.source} for rule in found]})
    elif found:
        say("\n".join(_block(rule) for rule in found))
    else:
        say(short(f"no rule is named {' or '.join(args.rule)}"))
    return 0 if found else 1


def _block(rule: Rule) -> str:
    """The rule in lines of 80 columns, what it says and its source indented."""
    said = (textwrap.wrap(text, 76) for text in (rule.text, f"source: {rule.source}"))
    return "\n".join([rule.id, *(f"  {line}" for lines in said for line in lines)])


def every() -> Iterable[Rule]:
    """Hardware's, then KVM's, then those of other hypervisors, each in its own order."""
    from memtype import hypervisors
    from memtype.kvm import KVM_RULES
    from memtype.rules import RULES

    return dict.fromkeys((*RULES.values(), *KVM_RULES.values(), *hypervisors.RULES.values()))
