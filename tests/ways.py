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


def in_front(front: str):
    """`front` before every line, which may show the line's number as ``{n}``."""
    return lambda text: "\n".join(front.format(n=n) + line for n, line in enumerate(text.split("\n"), 1))


def log_lines(key: str, **more: str):
    """A document a line, as ``journalctl -o json`` and docker write them."""
    return lambda text: "\n".join(json.dumps({**more, key: line}) for line in text.split("\n"))


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
    "numbers and colons": in_front("{n}: "),
    "grep -n": in_front("{n}:"),
    "grep -n, from a line on": lambda text: "\n".join(f"{n}:{line}" for n, line in enumerate(text.split("\n"), 98)),
    "grep -n over files": in_front("/var/log/dmesg.0:{n}:"),
    "grep over files": in_front("host-1/dmesg.txt:"),
    "cat -n": in_front("{n:6}\t"),
    "numbers and bars": in_front("{n:4} | "),
    "numbers in brackets": in_front("[{n}] "),
    "a host and a bar": in_front("node-7 | "),
    "a service and a bar": in_front("app_1  | "),
    "pluses": in_front("+ "),
    "pluses without a blank": in_front("+"),
    "hyphens without a blank": in_front("-"),
    "shell comments without a blank": in_front("#"),
    "comments without a blank": in_front("//"),
    "a board's code": lambda text: f"[code]\n{text}\n[/code]",
    "a board's code, in lines": lambda text: f"[CODE]{text}[/CODE]",
    "a tracker's code": lambda text: f"{{noformat}}\n{text}\n{{noformat}}",
    "line ends as vi shows them": lambda text: text.replace("\n", "^M\n"),
    "line ends as cat -A shows them": lambda text: text.replace("\n", "$\n"),
    "one JSON string": json.dumps,
    "a JSON document's string": lambda text: json.dumps({"id": 7, "comments": [{"by": "x", "body": text}]}),
    "journal documents": log_lines("MESSAGE", PRIORITY="6", _TRANSPORT="kernel"),
    "container documents": log_lines("log", stream="stdout"),
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

# what one program does to a whole text: undone alone, not always behind or below another way
WHOLE_TEXT = frozenset({
    "numbers and colons", "grep -n", "grep -n, from a line on", "grep -n over files", "grep over files", "cat -n",
    "numbers and bars", "numbers in brackets", "a host and a bar", "a service and a bar", "pluses without a blank",
    "hyphens without a blank", "shell comments without a blank", "comments without a blank", "a board's code",
    "a board's code, in lines", "a JSON document's string", "journal documents", "container documents",
    "one JSON string", "line ends as vi shows them", "line ends as cat -A shows them",
})  # fmt: skip
