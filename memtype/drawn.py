"""What can be looked at: a picture by ``.plot()``, SVG in a notebook. The one way down from results to pictures."""

from __future__ import annotations

from typing import Any


class Drawn:
    """A result that the `plot` room knows to draw."""

    __slots__ = ()

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
