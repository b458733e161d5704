"""The few pieces of HTML that the page is made of. Every text goes through `escape` here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from memtype.plot.colours import COLOURS
from memtype.types import MemoryType


class Safe(str):
    """HTML already; any other text is escaped."""

    __slots__ = ()


Text = str


def safe(text: Text) -> str:
    return text if isinstance(text, Safe) else escape(text)


def type_mark(kind: MemoryType) -> Safe:
    """The letters of a type on its colour."""
    return Safe(f'<b class="t t{int(kind)}">{escape(str(kind))}</b>')


def address(base: int, last: int) -> Safe:
    return Safe(f"<code>0x{base:016x}-0x{last:016x}</code>")


def section(title: str, *parts: Text) -> Safe:
    return Safe(f"<section><h2>{escape(title)}</h2>{''.join(map(safe, parts))}</section>")


def paragraph(text: Text, kind: str = "") -> Safe:
    return Safe(f"<p{f' class={kind}' if kind else ''}>{safe(text)}</p>")


def table(head: Sequence[str], rows: Iterable[Sequence[Text]]) -> Safe:
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{safe(cell)}</td>" for cell in row) for row in rows]
    return Safe("<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>") if lines[1:] else Safe("")


def style() -> str:
    """The page's style sheet: colours from the one table of them."""
    marks = "".join(f".t{int(kind)}{{background:{c.fill};color:{c.ink}}}" for kind, c in COLOURS.items())
    return _STYLE + marks


_STYLE = """\
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#ccc;--soft:#555;--well:#f5f5f5}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--paper:#161616;--line:#444;--soft:#aaa;--well:#222}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
p{margin:.4rem 0}.soft{color:var(--soft)}code,pre{font:13px/1.45 ui-monospace,monospace}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft)}td code,td:nth-child(2){white-space:nowrap}header code{white-space:pre-wrap}
small{display:block;color:var(--soft)}
pre{background:var(--well);padding:.8rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
.t{display:inline-block;min-width:2.4em;text-align:center;border-radius:3px;padding:0 .3em;
font:700 13px/1.5 ui-monospace,monospace;-webkit-print-color-adjust:exact;print-color-adjust:exact}
svg{display:block;margin:.6rem 0;-webkit-print-color-adjust:exact;print-color-adjust:exact}
@media print{:root{color-scheme:light;--ink:#000;--paper:#fff;--line:#bbb;--soft:#333;--well:#fff}
body{max-width:none;padding:0;font-size:11px}code,pre{font-size:10px}tr,svg{break-inside:avoid}h2,h2+p{break-after:avoid}}
"""
