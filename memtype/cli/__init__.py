"""The command line: ``memtype VERB …``. `verbs` lists the verbs; a verb's module is loaded when it is asked for.

A verb module has ``EXAMPLE`` (a command that runs), ``add_arguments(parser)`` and ``run(args) -> int`` (the exit
status: 0 yes or same, 1 findings, differs or unreachable).

Nothing is imported at the head of this file: an interrupt finds the program inside `main`.
"""

from __future__ import annotations


def main(argv: list[str] | None = None) -> int:
    """Run one verb and give the exit status. Whatever goes wrong is one short line on standard error."""
    try:
        from memtype.cli import command

        return command.run(argv)
    except KeyboardInterrupt:
        return 130
