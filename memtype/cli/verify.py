"""``memtype verify``: is this build right on this machine, and does this host's KVM follow the rules?

What it prints is the report to attach to a bug; progress goes to standard error, where that is a terminal.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from memtype.cli import output

EXAMPLE = "memtype verify --seconds 1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seconds", type=float, default=10.0, metavar="N", help="how long (default: 10)")
    add("--seed", type=int, default=0, metavar="N", help="which random states; the same number, the same states")
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from memtype.self_check import verify

    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    found = verify(args.seconds, args.seed, _progress if on_terminal else None)
    if args.json:
        output.print_json("verify", _payload(found))
    else:
        output.say("\n".join(_lines(found)))
    if found.interrupted:
        output.notes(["interrupted: this is what was compared until then"])
    return 1 if found.differs else 130 if found.interrupted else 0


def _progress(line: str) -> None:
    output.notes([line])


def _lines(found: Any) -> list[str]:
    modules = f", {' '.join(found.modules)}" if found.modules else ""
    sets = f" ({', '.join(found.isas)})" if found.isas else ""
    lines = [f"program    {found.program}", f"date       {found.date}", f"kernel     {found.kernel}{modules}",
             f"processor  {found.processor}", f"backend    {found.backend}{sets}, seed {found.seed}", ""]  # fmt: skip
    for part in found.parts:
        differ = sum(part.kinds.values())
        asked = f"{part.count:,} compared in {part.seconds:.1f} s ({part.rate:,.0f}/s), {differ:,} differ"
        lines += [f"{part.name}: {f'not asked: {part.skipped}' if part.skipped else asked}", f"  {part.text}"]
        for kind, count in part.kinds.items():
            lines.append(f"  {kind}: {count:,}")
            lines += [f"    {finding.text}" for finding in part.findings if finding.kind == kind]
    return lines


def _payload(found: Any) -> dict[str, Any]:
    parts = [
        {
            "name": part.name, "text": part.text, "count": part.count, "seconds": round(part.seconds, 3),
            "rate": round(part.rate), "not_asked": part.skipped or None,
            "differing": sum(part.kinds.values()), "kinds": [{"name": k, "count": n} for k, n in part.kinds.items()],
            "findings": [{"kind": finding.kind, "text": finding.text} for finding in part.findings],
        }
        for part in found.parts
    ]  # fmt: skip
    return {
        "program": found.program, "date": found.date, "interrupted": found.interrupted,
        "kernel": found.kernel, "modules": list(found.modules), "processor": found.processor,
        "backend": found.backend, "isas": list(found.isas), "seed": found.seed, "parts": parts,
    }  # fmt: skip
