"""Two mappings of one page with different types: is that allowed? (SDM 3A 12.12.4, APM 2 7.8.7)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memtype import arguments, rules
from memtype.mtrr import vendor_name
from memtype.readable import readable
from memtype.types import MemoryType

_UNCACHED = frozenset({MemoryType.UC, MemoryType.CD})


@readable
@dataclass(frozen=True, slots=True)
class Alias:
    """The verdict on a pair: "ok", "warn" or "error", and the rule. True where it is "ok"."""

    verdict: str
    text: str
    rule: str

    def __bool__(self) -> bool:
        return self.verdict == "ok"

    @property
    def source(self) -> str:
        """Where the rule stands."""
        return rules.RULES[self.rule].source

    def __str__(self) -> str:
        return f"{self.verdict}: {self.text}  [{self.rule}: {self.source}]"


def alias(a: Any, b: Any, vendor: str = "intel", *, self_snoop: bool = False) -> Alias:
    """Judge two effective types of one physical page.

    Parameters
    ----------
    a, b : type
        The effective types of the two mappings, in any order. UC- counts as UC.
    vendor : {"intel", "amd"}
    self_snoop : bool
        CPUID.1:EDX[27]. On such Intel processors UC beside a cacheable type works, though it is not supported.

    Returns
    -------
    Alias

    Examples
    --------
    >>> alias("WB", "WC").verdict, alias("WB", "WT").verdict, alias("UC", "CD").verdict
    ('error', 'warn', 'ok')
    >>> print(alias("WB", "UC", vendor="amd"))
    error: AMD forbids UC with WB on one page  [alias-uc-cached: SDM 3A 12.12.4, APM 2 7.8.7]
    """
    maker, snoops = vendor_name(vendor), arguments.flag(self_snoop, "self_snoop")
    kinds = (arguments.memory_type(a, "a"), arguments.memory_type(b, "b"))
    first, second = sorted(MemoryType.UC if kind is MemoryType.UC_MINUS else kind for kind in kinds)
    pair = f"{first} with {second}"
    if {first, second} & {MemoryType.UNDEFINED, MemoryType.MIXED, MemoryType.NOT_TOLD}:
        return Alias("warn", f"{pair}: nothing can be promised", "alias-unknown")
    if first == second or {first, second} <= _UNCACHED:
        return Alias("ok", f"{pair}: the same type", "alias-same")
    cacheable = {first, second} & rules.CACHEABLE
    if MemoryType.WC_PLUS in (first, second) and cacheable:
        return Alias("ok", f"{pair}: WC+ probes the caches", "alias-coherent")
    if len(cacheable) == 2:
        return Alias("warn", f"{pair}: {_unsupported(maker)}", "alias-cached")
    if not cacheable:
        return Alias("warn", f"{pair}: {_unsupported(maker)}; the order of accesses differs", "alias-uncached")
    if MemoryType.WC in (first, second):
        return Alias("error", f"{pair}: WC writes may not check the caches", "alias-wc-cached")
    if maker == "amd":
        return Alias("error", f"AMD forbids {pair} on one page", "alias-uc-cached")
    if snoops:
        return Alias("warn", f"{pair}: Intel does not support it; self-snoop keeps it coherent", "alias-uc-cached")
    return Alias("error", f"{pair}: Intel does not support it, and without self-snoop data is lost", "alias-uc-cached")


def _unsupported(maker: str) -> str:
    return "AMD allows it" if maker == "amd" else "Intel does not support it"
