"""What a text does not tell of one processor's MTRRs and may decide, and which named rule stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from memtype import rules
from memtype.told import inference
from memtype.told.answer import Assumption, Gap
from memtype.told.register import ALL, NOTHING, named, pair_numbers, pair_of

if TYPE_CHECKING:
    from memtype.told.registers import Registers

RESTORED: Final = "assume-restored-zero"


def find(told: Registers) -> dict[str, Gap]:
    """All that is not told, by what it is about."""
    if told.off:
        return {}  # every address is UC, whatever the others hold
    base, def_type = told.register(rules.DEF_TYPE_MSR), rules.msr_name(rules.DEF_TYPE_MSR)
    log = "rdmsr 0x2ff, or the log line 'MTRR default type'"
    found = [
        None if base.tells(rules.DEF_TYPE_E)
        else Gap("enabled", (def_type,), "whether the MTRRs are on is not told", log),
        None if base.tells(rules.DEF_TYPE_TYPE)
        else Gap("default", (def_type,), "the default type is not told", log),
        _fixed(told), _pairs(told), _tom2(told),
    ]  # fmt: skip
    return {gap.what: gap for gap in found if gap is not None}


def _fixed(told: Registers) -> Gap | None:
    if not told.has_fixed or told.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE) is False:
        return None
    missing = [i for i in rules.FIXED_MSRS if not told.register(i).tells(ALL)]
    hint = "rdmsr 0x250, 0x258, 0x259 and 0x268 to 0x26f, or the log's 'MTRR fixed ranges'"
    if not missing:
        if told.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE) is None:
            return Gap("fixed", (), "whether the fixed ranges are on is not told", "rdmsr 0x2ff")
        return None
    names = tuple(map(rules.msr_name, missing))
    some = "the fixed ranges are" if len(missing) == len(rules.FIXED_MSRS) else f"{_few(names)} {_are(names)}"
    return Gap("fixed", names, f"{some} not told", hint)


def _pairs(told: Registers) -> Gap | None:
    lacking = open_pairs(told)
    names = tuple(named(index) for n in lacking for index in pair_numbers(n) if index not in told.held)
    hint = "rdmsr of the missing numbers (0xfe tells how many pairs there are), or the log's whole list"
    if lacking:
        if not told.listed and not told.ranges:
            return Gap("pairs", names, "no variable range is told", hint)
        return Gap("pairs", names, f"{_spans(lacking)} not told", hint)
    if told.cut:
        return Gap("pairs", (), "the list of variable ranges breaks off", hint)
    if _all_told(told):
        return None
    text = "whether there are more variable ranges is not told" if told.listed else "no variable range is told"
    return Gap("pairs", (), text, hint)


def counted(told: Registers) -> int | None:
    """How many pairs there are, where it is told."""
    cap = told.held.get(rules.MTRRCAP)
    vcnt = cap.value & rules.MTRRCAP_VCNT if cap is not None and cap.tells(rules.MTRRCAP_VCNT) else None
    return vcnt if told.count is None else told.count


def _all_told(told: Registers) -> bool:
    """Whether no pair can be in use beside those that are told."""
    known = counted(told)
    if not told.uncounted:
        return told.whole or known is not None
    return known is not None and len({*told.ranges, *told.held_pairs}) >= known


def open_pairs(told: Registers) -> list[int]:
    """Numbers of the pairs that may decide something and are not told."""
    known = counted(told)
    end = told.listed if told.whole or known is None else known
    return [n for n in range(end) if pair_open(told, n)]


def pair_open(told: Registers, n: int) -> bool:
    """Whether the pair may decide something, and is not told."""
    if n in told.ranges:
        return not told.ranges[n].kind.tells(rules.BASE_TYPE)
    low, high = (told.register(index) for index in pair_numbers(n))
    if high.tells(rules.MASK_VALID) and not high.value & rules.MASK_VALID:
        return False
    if low is NOTHING and high is NOTHING and told.whole:
        return any(index in told.lost for index in pair_numbers(n))
    return not (low.tells(ALL) and high.tells(ALL))


def _tom2(told: Registers) -> Gap | None:
    """AMD: what forces WB between 4 GiB and TOP_MEM2."""
    if told.vendor == "intel" or told.absent - told.lost - told.held.keys() >= {rules.SYSCFG_MSR, rules.TOP_MEM2_MSR}:
        return None
    bits = [told.bit(rules.SYSCFG_MSR, b) for b in (rules.SYSCFG_TOM2_EN, rules.SYSCFG_TOM2_FORCE_WB)]
    if False in bits or (None not in bits and told.register(rules.TOP_MEM2_MSR).tells(rules.TOM2_FIELD)):
        return None
    names = tuple(rules.msr_name(i) for i in (rules.SYSCFG_MSR, rules.TOP_MEM2_MSR) if i not in told.held)
    if told.vendor is None:
        return Gap("tom2", names, "the vendor is not told (AMD: TOP_MEM2)", "the line vendor_id of /proc/cpuinfo")
    return Gap("tom2", names, "TOP_MEM2 is not told", "rdmsr 0xc0010010 and 0xc001001d, or the log line 'TOM2'")


# --- what stands in for it --------------------------------------------------------------------------------------------


def assumptions(told: Registers, gaps: dict[str, Gap]) -> dict[str, Assumption]:
    """The rules that stand in for gaps, by the gap's name."""
    if told.restored:
        text = "a register that the list leaves out is 0 after a restore"
        return {what: Assumption(what, 0, RESTORED, text) for what in gaps if what != "tom2"}
    found = {what: _RULES[what](told) for what in gaps}
    return {what: assumption for what, assumption in found.items() if assumption is not None}


def gap_of(assumption: Assumption) -> str:
    """The name of the gap that the assumption covers."""
    return "tom2" if assumption.what == "vendor" else assumption.what


def _on(told: Registers) -> Assumption | None:
    if not told.on or rules.DEF_TYPE_MSR in told.lost:
        return None
    return Assumption("enabled", 1, "assume-enabled", f"MTRRs assumed on: {told.on}")


def _default(told: Registers) -> Assumption | None:
    if told.listing is None or rules.DEF_TYPE_MSR in told.lost or not (told.listed or told.default):
        return None
    kind, why = inference.default(told)
    return Assumption("default", int(kind), f"assume-default-{told.listing}", f"default type assumed: {why}")


def _low(told: Registers) -> Assumption | None:
    if not inference.fixed_low(told):
        return None
    return Assumption("fixed", 0, "assume-fixed-low", "fixed ranges assumed to say the same below 640 KiB")


def _listed(told: Registers) -> Assumption | None:
    """A list that begins with pair 0, leaves out none and holds each whole is taken for all in use."""
    listed = range(told.listed)
    if not listed or told.cut or told.count is not None or any(pair_of(i) is not None for i in told.lost):
        return None
    if any(pair_open(told, n) for n in listed):
        return None
    text = "no further variable range assumed" if len(listed) > 1 else "no other variable range assumed"
    return Assumption("pairs", len(listed), "assume-pairs-listed", text)


def _vendor(told: Registers) -> Assumption | None:
    if told.tom2_off:
        return Assumption("tom2", 0, "assume-tom2-off", f"TOP_MEM2 assumed off: {told.tom2_off}")
    if told.vendor is not None:
        return None
    return Assumption("vendor", 0, "assume-vendor-intel", "vendor assumed: intel, without TOP_MEM2")


_RULES: Final[dict[str, Callable[[Registers], Assumption | None]]] = {
    "enabled": _on, "default": _default, "fixed": _low, "pairs": _listed, "tom2": _vendor,
}  # fmt: skip


# --- words ------------------------------------------------------------------------------------------------------------


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _are(names: tuple[str, ...]) -> str:
    return "are" if len(names) > 1 else "is"


def _spans(numbers: list[int]) -> str:
    """``variable range 1 is``, ``variable ranges 1-3, 7 are``"""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][-1] == n - 1:
            runs[-1][1:] = [n]
        else:
            runs.append([n])
    listed = ", ".join("-".join(map(str, run)) for run in runs)
    return f"variable ranges {listed} are" if len(numbers) > 1 else f"variable range {listed} is"
