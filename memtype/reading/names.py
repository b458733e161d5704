"""Names of registers as programs spell them."""

from __future__ import annotations

import re

from memtype import rules
from memtype.reading.once import once
from memtype.reading.patterns import later
from memtype.told import pair_of

_PAIR_NAME = later(r"(?:MTRR)?(?:PHYS?|VARIABLE)(BASE|MASK)(\d{1,2})")
_FIXED_NAME = later(r"(?:MTRR)?FIX(?:ED)?((?:64K|16K|4K)[0-9A-F]{5})")
_FIXED_INDEX = {name.replace("FIX", "").replace("_", ""): msr for name, msr in zip(rules.FIXED_NAMES, rules.FIXED_MSRS)}
_OTHER_NAMES = {
    "MTRRCAP": rules.MTRRCAP, "MTRRCAPABILITY": rules.MTRRCAP,
    "MTRRDEFTYPE": rules.DEF_TYPE_MSR, "MTRRDEFAULTTYPE": rules.DEF_TYPE_MSR, "DEFTYPE": rules.DEF_TYPE_MSR,
    "PAT": rules.PAT_MSR, "CRPAT": rules.PAT_MSR,
    "SYSCFG": rules.SYSCFG_MSR, "TMEACTIVATE": rules.TME_ACTIVATE,
    "TOPMEM2": rules.TOP_MEM2_MSR, "TOM2": rules.TOP_MEM2_MSR,
    "SMRRPHYSBASE": rules.SMRR_MSRS[0], "SMRRPHYSMASK": rules.SMRR_MSRS[1],
    "SMRRBASE": rules.SMRR_MSRS[0], "SMRRMASK": rules.SMRR_MSRS[1],
    "PRMRRPHYSBASE": rules.PRMRR_MSRS[0], "PRMRRPHYSMASK": rules.PRMRR_MSRS[1],
    "MKTMEKEYIDPARTITIONING": rules.MKTME_PARTITION_MSR,
    "SMMADDR": rules.AMD_SMM_MSRS[0], "SMMMASK": rules.AMD_SMM_MSRS[1],
    "TSEGADDR": rules.AMD_SMM_MSRS[0], "TSEGMASK": rules.AMD_SMM_MSRS[1],
    **{f"IORRBASE{n}": pair[0] for n, pair in enumerate(rules.IORR_MSRS)},
    **{f"IORRMASK{n}": pair[1] for n, pair in enumerate(rules.IORR_MSRS)},
    "MMIOCFGBASE": rules.MMIO_CONFIG_MSR, "MMIOCONFBASE": rules.MMIO_CONFIG_MSR,
    "MMIOCFGBASEADDR": rules.MMIO_CONFIG_MSR,
}  # fmt: skip
_COMMENT = later(r"[ \t]*[})]?[\s,]{0,4}?(?://|/\*)[ \t]*\n?[ \t]*(?P<word>[A-Za-z_]\w{2,40}|\d{1,2})(?!\w)")
_PREFIXES = ("MSR", "IA32", "AMD64", "AMD", "K8", "K7")


def msr_index(name: str) -> int | None:
    """The register that a name means, in any spelling in use; None for other registers.

    Examples
    --------
    >>> [hex(msr_index(n)) for n in ("IA32_MTRR_PHYSBASE1", "MTRRphysMask0_MSR", "MTRRfix4K_C8000", "MTRRdefType")]
    ['0x202', '0x201', '0x269', '0x2ff']
    """
    word = re.sub(r"[^A-Z0-9]", "", name[:64].upper()).removesuffix("MSR")
    while any(word.startswith(prefix) and word != prefix for prefix in _PREFIXES):
        word = next(word.removeprefix(prefix) for prefix in _PREFIXES if word.startswith(prefix))
    pair = _PAIR_NAME.fullmatch(word)
    if pair and int(pair[2]) < rules.NUMBERED_PAIRS:
        return rules.PHYSBASE0 + 2 * int(pair[2]) + (pair[1] == "MASK")
    fixed = _FIXED_NAME.fullmatch(word)
    return _FIXED_INDEX.get(fixed[1]) if fixed else _OTHER_NAMES.get(word)


def misnamed(index: int, name: str) -> int | None:
    """The other register that a line's name means; None where the name fits the number, or is no MTRR's.

    Some releases of inteltool print a mask under its base's name: that tells the same range, and contradicts nothing.

    Examples
    --------
    >>> misnamed(0x268, "IA32_MTRR_FIX4K_C8000"), misnamed(0x201, "IA32_MTRR_PHYSBASE0"), misnamed(0x277, "IA32_PAT")
    (617, None, None)
    """
    other = once(msr_index)[name]
    if other is None or other == index:
        return None
    n = pair_of(index)
    return None if n is not None and n == pair_of(other) else other


def word_behind(text: str, end: int) -> str | None:
    """What a comment right behind a value says, in one word: ``0x06ULL, // IA32_MTRR_FIX64K_00000``.

    Examples
    --------
    >>> word_behind("{ 0x2ff, 0xc06 }, /* IA32_MTRR_DEF_TYPE */", 16)
    'IA32_MTRR_DEF_TYPE'
    """
    found = _COMMENT.match(text, end)
    return found["word"] if found else None
