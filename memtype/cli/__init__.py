"""The command line: one module per verb, found by itself.

A verb module has ``HELP`` (one line), ``EXAMPLE`` (a command that runs), ``add_arguments(parser)`` and
``run(args) -> int`` (the exit status: 0 yes or same, 1 findings, differs or unreachable).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pkgutil
import sys
from types import ModuleType
from typing import Any

from memtype import backends
from memtype.errors import BackendUnavailable, InputError, LiveReadRefused, MemtypeError

DEFAULT_VERB = "show"


def verbs() -> dict[str, ModuleType]:
    """The verb modules by name: ``verify_ept.py`` is ``verify-ept``."""
    names = [info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name.replace("_", "-"): module for name, module in modules.items() if hasattr(module, "run")}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"memtype: error: {message} (see {self.prog} --help)\n")


class _VerbParser(_Parser):
    """Options may stand anywhere between the arguments: ``want wc --at 0x80000000 dump.txt``."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        nested = any(a.nargs in (argparse.PARSER, argparse.REMAINDER) for a in self._get_positional_actions())
        if self._inside or nested:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="memtype", description="x86 memory types: which type an address gets, and why.")
    parser.add_argument("--version", action="version", version=_version())
    choices = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_VerbParser)
    for name, module in sorted(verbs().items()):
        verb = choices.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"memtype {version('memtype')}"
    except PackageNotFoundError:
        return "memtype (not installed)"


def _with_default_verb(argv: list[str]) -> list[str]:
    """``memtype FILE`` is ``memtype show FILE``; options alone go to show too, but for the parser's own."""
    if argv and (argv[0] in verbs() or argv[0] in ("-h", "--help", "--version")):
        return argv
    if argv and argv[0].isalpha() and not os.path.exists(argv[0]):
        raise InputError(f"{argv[0]!r} is neither a verb ({', '.join(sorted(verbs()))}) nor a file")
    return [DEFAULT_VERB, *argv]


def _drop_output() -> None:
    """Nobody takes the rest: leave nothing for the interpreter to flush, and complain of, at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: list[str] | None = None) -> int:
    """Run one verb; errors made by this package end in one line on stderr and the documented exit status."""
    try:
        if backends.refused:
            raise BackendUnavailable(backends.refused)
        args = build_parser().parse_args(_with_default_verb(sys.argv[1:] if argv is None else argv))
        status: int = args.run(args)
        sys.stdout.flush()
    except LiveReadRefused as error:
        print(f"memtype: error: {error}", file=sys.stderr)
        return 3
    except MemtypeError as error:
        print(f"memtype: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:  # reading wraps its own: this is standard output
        _drop_output()
        print(f"memtype: error: cannot write the answer: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status
