"""Completion for shells and the manual page, both made from the parsers of the verbs."""

from __future__ import annotations

import argparse
from typing import Final

from memtype.cli import command, verbs
from memtype.errors import InputError, MissingExtra

SHELLS: Final = ("bash", "zsh", "tcsh")
_FILES: Final = frozenset({"input", "inputs", "words", "leaves", "output", "states"})  # arguments that may name a file


def whole() -> argparse.ArgumentParser:
    """One parser with every verb below it."""
    made = argparse.ArgumentParser("memtype", description="x86 memory types")
    made.add_argument("--version", action="store_true", help="print the version")
    below = made.add_subparsers(title="verbs", metavar="VERB")
    for name, text in verbs.HELP.items():
        verb = below.add_parser(name, help=text.replace("%", "%%"), description=text)
        verbs.load(name).add_arguments(verb)
    return made


def completion(shell: str) -> str:
    """A script for the shell: ``eval "$(memtype --completion bash)"``.

    Raises
    ------
    InputError
        For another shell.
    MissingExtra
        Where shtab is not installed.
    """
    if shell not in SHELLS:
        raise InputError(f"--completion {shell:.40}: one of {', '.join(SHELLS)}")
    try:
        import shtab
    except ImportError:
        raise MissingExtra("shtab is missing: pip install 'memtype[cli]'") from None
    made = whole()
    for verb in verbs.HELP:
        for action in _parser_of(made, verb)._actions:
            if action.dest in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(made, shell=shell))


def _parser_of(made: argparse.ArgumentParser, verb: str) -> argparse.ArgumentParser:
    below = next(action for action in made._actions if isinstance(action, argparse._SubParsersAction))
    found: argparse.ArgumentParser = below.choices[verb]
    return found


def manual() -> str:
    """The manual page in roff: ``memtype --man | man -l -``."""
    from memtype.cli.command import version

    lines = [f'.TH MEMTYPE 1 "" "{version()}" "User Commands"', ".SH NAME", "memtype \\- x86 memory types"]
    lines += [".SH SYNOPSIS", ".B memtype", "[VERB] [ARGUMENT ...]", ".SH DESCRIPTION", *_verbatim(command.overview())]
    lines += [".SH VERBS"]
    for verb in verbs.HELP:
        lines += [f".SS {verb}", *_verbatim(command.parser(verb).format_help())]
    return "\n".join(lines) + "\n"


def _verbatim(text: str) -> list[str]:
    """Lines as they are: a dot or quote at the start and a backslash mean something to roff."""
    escaped = (line.replace("\\", "\\e").replace("-", "\\-") for line in text.rstrip("\n").split("\n"))
    return [".nf", *(f"\\&{line}" if line[:1] in (".", "'") else line for line in escaped), ".fi"]
