"""``memtype vectors``: conformance vectors for other projects, and a judge of their answers."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from memtype.cli import output

EXAMPLE = "memtype vectors --section effective --section ept --format rust"
_SHOWN = 3  # wrong answers of each rule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--format", "--lang", choices=("json", "c", "rust", "go"), metavar="FORM", dest="form",
        help="print all vectors as json, c (a header, C++ too), rust (a module) or go (a package); the same bytes "
             "each time")  # fmt: skip
    add(
        "--section",
        action="append",
        metavar="NAME",
        default=[],
        help="this section only, and the register files that it refers to; may be given several times",
    )
    add(
        "--check",
        metavar="ANSWERS.json",
        help='judge a program\'s answers (- is standard input): {"schema": "memtype-answers/1", "answers": {"ID": '
        'ANSWER}}; an answer is what the JSON form has under the names that its section lists in "answer", a '
        "list where these are several; types by name or number, null is no answer. Exit 1: some are wrong",
    )
    output.add_json(parser, without=["--format"])


def run(args: argparse.Namespace) -> int:
    from memtype import vectors
    from memtype.errors import InputError

    if args.check is not None:
        if args.form or args.section:
            raise InputError("--check takes neither --format nor --section")
        return _check(args)
    chosen = vectors.sections(args.section) if args.section else vectors.document()
    if args.form:
        if args.json:
            raise InputError("--json is the list of sections; --format json prints the vectors")
        for piece in vectors.text(chosen, args.form):
            sys.stdout.write(piece)
        return 0
    if args.json:
        rows: list[dict[str, Any]] = [{"name": s.name, "count": len(s.rows), "text": s.text} for s in chosen]
        output.print_json("vectors", {"vectors": vectors.SCHEMA, "sections": rows})
    else:
        listed = [(part.name, f"{len(part.rows):,}", part.text) for part in chosen]
        output.say(f"{vectors.SCHEMA}; --format json, c, rust or go prints them\n\n{output.columns(listed, '  ')}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from memtype import vectors
    from memtype.reading import bytes as files
    from memtype.reading import json

    name, held = files.read_bytes(args.check)
    found = vectors.judge(json.load(files.text_of(held, name), name), name)
    if args.json:
        output.print_json("vectors", _payload(found))
    else:
        output.say("\n".join(_lines(found)))
    return 1 if found.wrong else 0


def _payload(found: Any) -> dict[str, Any]:
    broken = [
        {"id": rule, "source": wrong[0].source, "count": len(wrong), "first": [str(one) for one in wrong[:_SHOWN]]}
        for rule, wrong in found.rules.items()
    ]
    answered = [{"name": name, "count": count} for name, count in found.cases.items()]
    return {
        "count": found.answers,
        "answered": answered,
        "not_answered": found.unanswered,
        "wrong": len(found.wrong),
        "broken": broken,
    }


def _lines(found: Any) -> list[str]:
    answered = ", ".join(f"{count:,} of {name}" for name, count in found.cases.items())
    lines = [
        f"{found.answers:,} answers to {sum(found.cases.values()):,} cases ({answered}): {len(found.wrong):,} wrong"
        + (f"; {found.unanswered:,} cases not answered" if found.unanswered else "")
    ]
    for rule, wrong in found.rules.items():
        lines += ["", f"{rule}: {len(wrong):,} wrong  [{wrong[0].source}]", *(f"  {one}" for one in wrong[:_SHOWN])]
        if len(wrong) > _SHOWN:
            lines.append(f"  and {len(wrong) - _SHOWN:,} more")
    return lines
