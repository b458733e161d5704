"""One command from its words to its exit status: which verb is meant, its options, and every way to fail."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from typing import Any

from memtype.cli import layout, output, shared, verbs
from memtype.errors import BackendUnavailable, InputError, LiveReadRefused, MemtypeError

_COLUMNS = 80


def run(argv: list[str] | None = None) -> int:
    """The exit status of ``memtype *argv``; errors made by this package are one line on standard error."""
    if sys.stdout is None:
        output.complain("cannot write the answer: standard output is closed")
        return 2
    try:
        status = _answer(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except LiveReadRefused as error:
        output.complain(error)
        status = 3
    except MemtypeError as error:
        output.complain(error)
        status = 2
    except BrokenPipeError:
        output.drop(sys.stdout)
        status = 0
    except OSError as error:  # reading wraps its own: this is standard output
        output.drop(sys.stdout)
        output.complain(f"cannot write the answer: {error.strerror or error}")
        status = 2
    finally:
        layout.choose()
    return status


def _answer(words: list[str]) -> int:
    first = words[0] if words else ""
    if first not in _LIGHT or any(map(os.environ.get, _SETTINGS)):
        _check_backend()
    if first in ("-h", "--help", "help"):
        return _help(words[1:] if first == "help" else [])
    if first == "--version":
        print(version())
        return 0
    if first in ("--completion", "--man"):
        return _made(words)
    verb, rest = _verb(words)
    module = verbs.load(verb)
    try:
        args = parser(verb).parse_intermixed_args(rest)
    except SystemExit as stop:  # --help, or a line on standard error
        return int(stop.code or 0)
    args.bare = not words
    layout.choose(args)
    args.json = getattr(args, "json", False) or layout.style.form is not None
    try:
        status: int = module.run(args)
    except shared.SeveralStatesError as error:
        if verb not in shared.VERBS:
            raise
        status = shared.answer(module.run, args, error)
    return status


_LIGHT = ("-h", "--help", "help", "--version")  # what needs no numpy
_SETTINGS = ("MEMTYPE_BACKEND", "MEMTYPE_ISA")


def _check_backend() -> None:
    """What the environment asks for and cannot have ends every command."""
    from memtype import backends

    if backends.refused:
        raise BackendUnavailable(backends.refused)


def _verb(words: list[str]) -> tuple[str, list[str]]:
    """``memtype FILE`` is ``memtype show FILE``; options alone go to show too."""
    if not words:
        return verbs.DEFAULT, []
    if words[0] in verbs.HELP:
        return words[0], words[1:]
    if words[0].replace("-", "").isalpha() and words[0][0] != "-" and not os.path.exists(words[0]):
        raise InputError(f"{words[0]!r} is neither a verb ({', '.join(sorted(verbs.HELP))}) nor a file")
    return verbs.DEFAULT, words


# --- options and help -----------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        output.complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="", file=file)  # argparse's own hides that the disk is full


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """The example is printed as it is written, everything else in lines of at most 80 columns."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(_COLUMNS, shutil.get_terminal_size().columns) - 2)


def parser(verb: str) -> argparse.ArgumentParser:
    """The options of one verb; they may stand anywhere between its arguments."""
    module = verbs.load(verb)
    made = _Parser(
        prog=f"memtype {verb}", formatter_class=_Formatter,
        description=textwrap.fill(verbs.HELP[verb], _COLUMNS), epilog=f"example:\n  {module.EXAMPLE}",
    )  # fmt: skip
    module.add_arguments(made)
    return made


def _help(words: list[str]) -> int:
    if len(words) > 1:
        raise InputError(f"help takes one verb, not {len(words)}")
    if words and words[0] not in verbs.HELP:
        raise InputError(f"{words[0]!r} is no verb ({', '.join(sorted(verbs.HELP))})")
    print(parser(words[0]).format_help() if words else overview(), end="")
    return 0


_HEAD = """\
usage: memtype [VERB] [ARGUMENT ...]    memtype help VERB    memtype --version
       memtype --completion bash|zsh|tcsh    memtype --man

x86 memory types: which type an address gets, why, and what a change does to it.

  dmesg | memtype                            the map of a machine, from its log
  memtype at 0xe0000000 --why dump.txt       one address, and why
  memtype want wc --at 0xe0000000 dump.txt   the page-table bits for a type

Addresses: 0xe0000000  4G  fee00000h  A-B (the last byte belongs to it)  A+SIZE.
A dump is a file, - or a pipe; without one this host is read.
"""

_FOOT = """
Exit status: 0 yes or same; 1 findings, differs, impossible; 2 bad usage or
unreadable input; 3 the live read was refused. Every verb has --json and --help.
"""


def overview() -> str:
    """``memtype --help``: the verbs by group."""
    lines = []
    for group, listed in verbs.GROUPS.items():
        lines += ["", f"{group}:"]
        for name, text in listed.items():
            lines += textwrap.wrap(text, _COLUMNS, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13)
    return _HEAD + "\n".join(lines) + "\n" + _FOOT


def _made(words: list[str]) -> int:
    """What is made from the parsers."""
    from memtype.cli import manual

    if len(words) != (2 if words[0] == "--completion" else 1):
        raise InputError(f"{words[0]} takes {'one shell' if words[0] == '--completion' else 'nothing'}")
    print(manual.completion(words[1]) if words[0] == "--completion" else manual.manual(), end="")
    return 0


def version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"memtype {version('memtype')}"
    except PackageNotFoundError:
        return "memtype (not installed)"
