"""Ways that text travels: each a function from a text to what arrives. Every one of them can be undone."""

from __future__ import annotations

import html
import json
import quopri


def every_line(mark: str):
    return lambda text: "\n".join(mark + line for line in text.split("\n"))


def in_mail(text: str) -> str:
    return "Content-Transfer-Encoding: quoted-printable\n\n" + quoted_printable(text)


def quoted_printable(text: str) -> str:
    return quopri.encodestring(text.encode()).decode()


def numeric_entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c in "<>&\"'=: " else f"&#x{ord(c):x};" if c in "-[]" else c for c in text)


def json_lines(text: str) -> str:
    return "\n".join(json.dumps(line) + "," for line in text.rstrip("\n").split("\n"))


def numbered(text: str) -> str:
    return "\n".join(f"{n}. {line}" for n, line in enumerate(text.split("\n"), 1))


def coloured(text: str) -> str:
    return "\n".join(f"\x1b[32m{line[:9]}\x1b[0m{line[9:]}" for line in text.split("\n"))


WAYS = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "no-break blanks": lambda text: text.replace(" ", "\xa0"),
    "ideographic blanks": lambda text: text.replace(" ", "\u3000"),
    "thin blanks": lambda text: text.replace(" ", "\u2009"),
    "a zero-width blank in front": every_line("\u200b"),
    "zero-width joiners": lambda text: text.replace(":", "\u2060:"),
    "byte order mark": lambda text: "\ufeff" + text,
    "line separators": lambda text: text.replace("\n", "\u2028"),
    "colours": coloured,
    "quoted": every_line("> "),
    "quoted without a blank": every_line(">"),
    "quoted twice": every_line("> > "),
    "initials": every_line("AB> "),
    "initials, twice": every_line("> TG> "),
    "a bar": every_line("| "),
    "comments": every_line("// "),
    "shell comments": every_line("# "),
    "assembler comments": every_line("; "),
    "stars": every_line("* "),
    "hyphens": every_line("- "),
    "bullets": every_line("• "),
    "numbers": numbered,
    "back-ticks": lambda text: "\n".join(f"`{line}`" if line else "" for line in text.split("\n")),
    "a fence": lambda text: f"```text\n{text}\n```",
    "entities": lambda text: html.escape(text),
    "blanks as entities": lambda text: html.escape(text).replace(" ", "&nbsp;"),
    "numeric entities": numeric_entities,
    "entities, twice": lambda text: html.escape(html.escape(text)),
    "breaks": lambda text: html.escape(text, quote=False).replace("\n", "<br>\n"),
    "breaks alone": lambda text: html.escape(text, quote=False).replace("\n", "<br />"),
    "paragraphs": lambda text: "".join(f"<p>{html.escape(line)}</p>\n" for line in text.split("\n")),
    "code": lambda text: f'<pre class="log"><code>{html.escape(text)}</code></pre>',
    "quoted-printable": quoted_printable,
    "a mail": in_mail,
    "JSON strings": json_lines,
    "a list of JSON strings": lambda text: json.dumps(text.split("\n")),
    "a list of JSON strings, indented": lambda text: json.dumps(text.split("\n"), indent=2),
}  # fmt: skip
