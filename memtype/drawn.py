"""What can be looked at: text by ``str()``, a picture by ``.plot()``, SVG in a notebook.

The one way down from results to what shows them.
"""

from __future__ import annotations

from typing import Any


class Drawn:
    """A result that the rooms `cli` and `plot` know to show."""

    __slots__ = ()

    def __str__(self) -> str:
        """As the command line prints it."""
        from memtype.cli import printed

        return printed.text(self) or repr(self)

    def plot(self, ax: Any = None) -> Any:
        """Draw with matplotlib (extra ``plot``).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; without it a new figure is made.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        MissingExtra
            Where matplotlib is not installed.
        """
        from memtype.plot import draw

        return draw(self, ax)

    def _repr_html_(self) -> str:
        """What a notebook shows; needs no matplotlib."""
        from memtype.plot import html

        return html(self)
