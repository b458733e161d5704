"""How the lines begin that some family reads: what stands behind a quoting or a list mark, and what continues nothing.

Broad on purpose: a line that opens like this may still be prose ("MTRR code in Linux"). It is never read because
of that; only marks in front of it are undone, and it is not joined to the line above.
"""

from __future__ import annotations

import re

from memtype.reading.lines import bare
from memtype.reading.patterns import later

_STAMP = (
    r"\[\s*\d+\.\d+|\[[^\[\]]{0,40}\d:\d{2}:\d{2}|<\d{1,3}>\s?\[|\(XEN\)|[A-Z][a-z]{2}\s+\d{1,2} \d{2}:\d{2}:\d{2} "
)
_LINUX = (
    r"(?:x86/)?(?:mm/)?(?:mtrr|PAT)\b|MTRRs?\b|TOM2:|BIOS-|e820|efi-e820|Xen:|Linux version\b|last_pfn\b|Address sizes"
    r"|reg\d{1,3}\s*:\s*base|reg\s+\d+,\s*base|\*BAD\*|gran_size|total RAM covered|(?:original|New) variable"
    r"|[0-9a-f]{5}-[0-9a-f]{5}\s+[a-z?]|\d+\s+(?:base\s+(?:0x)?[0-9a-f]|disabled\s*$|\[[0-9a-f]{7})|\d+:\s*[0-9a-f]{9,}-"
    r"|WARNING: BIOS bug|ioremap error|\S{1,40}:\d+ (?:conflicting|map pfn)"
)
_REGISTERS = (
    r"(?:MSR|IA32|SYSCFG|TOP_?MEM|CR_PAT)\w*|\[?(?:cpu|core|thread|processor)\s*#?\d+|0x[0-9a-f]{1,16}\s*[=:,\s(|]"
    r"|[0-9a-f]{2,8}\s*[=:]\s*(?:0x)?[0-9a-f]|physical address|MSR\("
)
_FIRMWARE = (
    r"(?:Fixed|Variable) MTRR\[|Memory Ranges|(?:U[C-]|W[CBTP])\w?:\s*[0-9a-f]{9,}-|Setting (?:fixed|variable)"
    r"|Reg \d+:|Reg\s+Valid|\d+\s+[YN]\s+[A-Z]\w+\s+[0-9a-f]|0x[0-9a-f]+/0x|0x[0-9a-f]+ - 0x"
    r"|(?:uncached|write)[a-z-]* @ 0x|var \d+ 0x|fixed \d+ 0x"
)
_CODE = r"[{}\[(]\s*(?:[\"\.}\]{]|0(?![0-9a-f])|$)|\"[\w.]+\"\s*:"
_OPENING = later(rf"\s*(?:{_STAMP}|{_LINUX}|{_REGISTERS}|{_FIRMWARE})", re.I)
_OPENING_LOG = later(rf"\s*(?!MTRR: PAT 0x)(?:{_STAMP}|{_LINUX})", re.I)  # that one is xen-hvmctx'
_SHELL = later(r"\s*(?:[#$>]\s+)?(?:sudo\s+)?(?:(?:rd|wr)msr\s|echo\s.{0,120}/proc/mtrr)")
_OPENING_CODE = later(rf"\s*(?:{_CODE})")
_DRESS = later(
    r"(?:[\s>|*#;:%+\"'`\u2022-]|//|[\[(]?\d{1,7}[\]):.|]|[A-Za-z]{1,3}>"
    r"|[\w./-]{1,40}(?: {0,8}\||:\d{1,7}:|\.\w{1,8}:)){1,16}"
)


def opens(line: str) -> bool:
    """Whether a line begins as those that some family reads."""
    return _OPENING.match(line) is not None


def opens_log(line: str) -> bool:
    """Whether a line begins as those of a kernel's or a hypervisor's log do."""
    return _OPENING_LOG.match(line) is not None


def opens_code(line: str) -> bool:
    """Whether a line begins as a piece of JSON or of source code."""
    return _OPENING_CODE.match(line) is not None


def opens_any(line: str) -> bool:
    """Whether a line begins as any that is read: a dump's, code, or a command that reads or writes registers."""
    return opens(line) or opens_code(line) or _SHELL.match(line) is not None


def opens_behind(line: str) -> bool:
    """The same, behind whatever else a line has in front: a stamp, quoting, marks, numbers, names."""
    if line.isalnum():  # a word, a number
        return False
    dress = _DRESS.match(line)
    return opens_any(line) or opens_any(bare(line[dress.end() :] if dress else line))
