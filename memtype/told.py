"""What a text tells of one processor's MTRRs, what is assumed, what is not told, and what follows for an address.

An answer is given only where every machine that fits the text has it. "Every machine that fits" is made concrete by
completions: whole `MtrrState`s that fill what the text leaves open, few but enough. For each address the answer hangs
on one open thing at a time, so a diagonal does instead of the product of all values: unknown default, unknown fixed
bytes and unknown ranges all go through the five types, side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from memtype import arrays, rules
from memtype.errors import AddressError, InputError, ShatteredMapError
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState, Problem, infer_maxphyaddr, vendor_name
from memtype.types import MemoryType

ALL: Final = (1 << 64) - 1
TYPES: Final = tuple(sorted(rules.MTRR_TYPES))
LEGACY: Final = range(0xA0000, rules.FIXED_END)  # video memory and ROMs: no rule says what the fixed ranges hold there
_RESTORED: Final = "assume-restored-zero"
RESERVED: Final = 2  # completes a type that is printed as "?": some reserved encoding


@dataclass(frozen=True, slots=True)
class Register:
    """One MSR as a text holds it.

    Attributes
    ----------
    value : int
        Bits that are not known are 0 here and are nobody's answer.
    known : int
        Mask of the bits that the text tells; all 64 for a raw value.
    line : int
        The line that told it; 0 where there are no lines.
    hidden : int
        Mask of type fields that the text prints as "?": a reserved encoding, but not which. Not in `known`.
    """

    value: int
    known: int = ALL
    line: int = field(default=0, compare=False)
    hidden: int = 0

    @property
    def told(self) -> bool:
        """Whether every bit is known."""
        return self.known == ALL

    def tells(self, bits: int) -> bool:
        """Whether these bits are known, or known to be a reserved type."""
        return not bits & ~(self.known | self.hidden)

    def joined(self, other: Register) -> Register:
        """This register with the bits that only `other` knows."""
        more = other.known & ~(self.known | self.hidden)
        hidden = self.hidden | other.hidden & ~self.known
        return Register(self.value | other.value & more, self.known | more, self.line or other.line, hidden)

    def contradicts(self, other: Register) -> bool:
        return bool((self.value ^ other.value) & self.known & other.known)


NOTHING: Final = Register(0, 0)


@dataclass(frozen=True, slots=True)
class Range:
    """A variable range by its size, as /proc/mtrr prints it: no register, since its mask depends on the width.

    `kind` holds the type in bits 7:0, known or not.
    """

    base: int
    size: int
    kind: Register

    def pair(self, maxphyaddr: int) -> tuple[Register, Register]:
        """PHYSBASE and PHYSMASK on a processor of that width."""
        low = Register(self.base | self.kind.value, self.kind.known | ~rules.BASE_TYPE & ALL, self.kind.line)
        mask = rules.page_bits(maxphyaddr) & ~(self.size - 1) | rules.MASK_VALID
        return replace(low, hidden=self.kind.hidden), Register(mask, line=self.kind.line)


@dataclass(frozen=True, slots=True)
class Width:
    """A physical address width that was told.

    Attributes
    ----------
    bits : int
        As printed.
    by : str
        Who told it: "line 3", "--maxphyaddr".
    reduced : bool
        The printing program has taken off the bits that memory encryption uses: Linux in /proc/cpuinfo.
    """

    bits: int
    by: str = field(default="", compare=False)
    reduced: bool = False


@dataclass(frozen=True, slots=True)
class Assumption:
    """A named rule that stands in for what was not told; `text` is printed on the answer's own line."""

    what: str
    value: int
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Gap:
    """What is not told, of which registers, and what would tell it."""

    what: str
    registers: tuple[str, ...]
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The type of one address, or `NOT_TOLD` and what it may be.

    Attributes
    ----------
    type : MemoryType
    candidates : tuple of MemoryType
        Where `type` is NOT_TOLD: the types that machines which fit the text have here.
    assumed : tuple of Assumption
        The assumptions without which the answer would be another, or NOT_TOLD.
    missing : tuple of str
        Where `type` is NOT_TOLD: what is not told and decides here.
    """

    type: MemoryType
    candidates: tuple[MemoryType, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.type is not MemoryType.NOT_TOLD:
            return f"{self.type} ({'; '.join(a.text for a in self.assumed)})" if self.assumed else str(self.type)
        return f"? ({either(self.candidates)}): {'; '.join(self.missing)}"


def either(kinds: Iterable[MemoryType]) -> str:
    """``UC, WC or WB``"""
    words = [str(kind) for kind in kinds]
    return " or ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])


def pair_numbers(n: int) -> tuple[int, int]:
    """The numbers of pair n's registers. Pairs from 40 on have none: numbers that are no MSR's stand for them."""
    base = rules.PHYSBASE0 + 2 * n if n < rules.NUMBERED_PAIRS else (1 << 32) + 2 * n
    return base, base + 1


_PAIRS: Final = {number: n for n in range(rules.MAX_VARIABLE) for number in pair_numbers(n)}


def pair_of(index: int) -> int | None:
    """The number of the pair that a register belongs to."""
    return _PAIRS.get(index)


def named(index: int) -> str:
    """The register's name, also of a pair without an MSR number."""
    n = pair_of(index)
    return rules.msr_name(index) if n is None else f"IA32_MTRR_PHYS{'MASK' if index & 1 else 'BASE'}{n}"


@dataclass(frozen=True, slots=True, eq=False)
class Registers:
    """One processor's MTRRs as a text tells them. Kept as read: nothing widens, fills or changes a value.

    Attributes
    ----------
    held : mapping of register number to `Register`
    ranges : mapping of pair number to `Range`
        Pairs that the text prints by their size.
    width, vendor
        None where the text does not tell them.
    whole : bool
        The text lists every pair in use: a pair that it does not name is off.
    count : int, optional
        How many pairs the text says that it lists: those below that are missing are lost.
    lost : frozenset of int
        Registers that the text names and does not tell.
    cut : bool
        The list of pairs breaks off.
    absent : frozenset of int
        Registers that the processor does not have, or that hold 0.
    listing : str, optional
        The text is a list of ranges by this program, which never prints a default type.
    on : str
        Why the MTRRs are assumed to be on where the text does not tell; "" where nothing speaks for it.
    default : (int, str), optional
        What stands in for a default type that a `listing` does not tell, and why: from the RAM map.
    restored : bool
        A virtual machine is made from the list: what it leaves out is 0 then.
    reach : int
        Address bits that RAM and printed addresses need.
    encrypted : int, optional
        CPUID 8000001F EBX[11:6]: by how many bits AMD's memory encryption narrows the width.
    assuming : bool
        False: no assumption stands in for anything.
    """

    held: Mapping[int, Register] = field(default_factory=dict)
    ranges: Mapping[int, Range] = field(default_factory=dict)
    width: Width | None = None
    vendor: str | None = None
    whole: bool = False
    count: int | None = None
    lost: frozenset[int] = frozenset()
    cut: bool = False
    absent: frozenset[int] = frozenset()
    listing: str | None = None
    on: str = ""
    default: tuple[int, str] | None = None
    restored: bool = False
    reach: int = 0
    encrypted: int | None = None
    assuming: bool = True
    _seen: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)  # what was worked out already

    def __post_init__(self) -> None:
        object.__setattr__(self, "held", MappingProxyType(dict(self.held)))
        object.__setattr__(self, "ranges", MappingProxyType(dict(self.ranges)))

    @classmethod
    def of(cls, state: MtrrState) -> Registers:
        """A whole register file: everything told."""
        held = {rules.DEF_TYPE_MSR: state.def_type, **dict(zip(rules.FIXED_MSRS, state.fixed, strict=True))}
        for n, pair in enumerate(state.variable):
            held |= dict(zip(pair_numbers(n), pair, strict=True))
        held |= {rules.SYSCFG_MSR: state.syscfg, rules.TOP_MEM2_MSR: state.tom2}
        held |= {} if state.cap is None else {rules.MTRRCAP: state.cap}
        made = cls(
            {index: Register(value) for index, value in held.items()},
            width=Width(state.maxphyaddr, reduced=True), vendor=state.vendor, whole=True,
        )  # fmt: skip
        made._seen["state"] = state
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self._key(dict),)

    def _key(self, of: Any = None) -> dict[str, Any]:
        names = [name for name in self.__dataclass_fields__ if name != "_seen"]
        return {n: dict(v) if isinstance(v := getattr(self, n), MappingProxyType) else v for n in names}

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Registers) else NotImplemented

    def __hash__(self) -> int:
        return hash((frozenset(self.held.items()), frozenset(self.ranges.items()), self.width, self.vendor))

    def _once(self, key: Any, make: Any) -> Any:
        if key not in self._seen:
            self._seen[key] = make()
        return self._seen[key]

    # --- single registers -----------------------------------------------------------------------------------------

    def register(self, index: int) -> Register:
        """The register as far as it is known; one that is absent holds 0."""
        return self.held.get(index, Register(0) if index in self.absent else NOTHING)

    def bit(self, index: int, bit: int) -> bool | None:
        """One bit of a register, None where it is not told."""
        found = self.register(index)
        return bool(found.value & bit) if found.tells(bit) else None

    @property
    def off(self) -> bool:
        """Whether the MTRRs are told to be off (E = 0): every address is UC."""
        return self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_E) is False

    @property
    def has_fixed(self) -> bool:
        """Whether fixed ranges exist, as far as is told; taken as yes."""
        return self.bit(rules.MTRRCAP, rules.MTRRCAP_FIX) is not False and not self.absent >= set(rules.FIXED_MSRS)

    def pair(self, n: int) -> tuple[Register, Register]:
        """PHYSBASE and PHYSMASK of pair n, as far as known; of a range with the mask for the width in use."""
        if n in self.ranges:
            return self.ranges[n].pair(self.maxphyaddr)
        low, high = pair_numbers(n)
        return self.register(low), self.register(high)

    @property
    def listed(self) -> int:
        """One more than the highest pair that the text names."""
        counted = self._counted()
        lost = [n for i in self.lost if (n := pair_of(i)) is not None and (counted is None or n < counted)]
        held = [n for i in self.held if (n := pair_of(i)) is not None]
        return max((n + 1 for n in (*self.ranges, *held, *lost)), default=0)

    # --- width ----------------------------------------------------------------------------------------------------

    @property
    def maxphyaddr(self) -> int:
        """Bits that address memory: told or inferred, less those that memory encryption uses."""
        found: int = self._once("maxphyaddr", lambda: self._width()[0])
        return found

    @property
    def width_text(self) -> str:
        """How the width is known, in words."""
        return str(self._width()[1])

    def _width(self) -> tuple[int, str]:
        if self.width is None:
            return self._inferred()
        bits, text = self.width.bits, f"told{f' by {self.width.by}' if self.width.by else ''}"
        taken, who = (0, "") if self.width.reduced else self._encryption()
        if taken:
            text = f"{bits} {text}, less {taken} for {who}"
        return max(bits - taken, rules.MIN_MAXPHYADDR), text

    def _encryption(self) -> tuple[int, str]:
        """How many address bits memory encryption uses, and whose (SDM 3A 1.4 of TME-MK; APM 2 7.10.5)."""
        tme = self.held.get(rules.TME_ACTIVATE)
        if tme is not None and tme.value & rules.TME_ENABLE and tme.tells(rules.TME_KEYID_BITS | rules.TME_ENABLE):
            keys = (tme.value & rules.TME_KEYID_BITS) >> rules.TME_KEYID_SHIFT
            return keys, "KeyIDs (IA32_TME_ACTIVATE)"
        if self.encrypted and self.bit(rules.SYSCFG_MSR, rules.SYSCFG_SMEE):
            return self.encrypted, "memory encryption (SYSCFG bit 23, CPUID 8000001F)"
        return 0, ""

    def _inferred(self) -> tuple[int, str]:
        masks = [self.held[i].value for i in self.held if pair_of(i) is not None and i & 1 and self.held[i].told]
        tops = [r.base + r.size for r in self.ranges.values()]
        tops += [1 + (self.pair(n)[0].value & ~rules.high_bits(rules.MAX_MAXPHYADDR)) for n in self._valid_held()]
        reach = max([self.reach, *((top - 1).bit_length() for top in tops)])
        reach = min(reach, rules.MAX_MAXPHYADDR)
        if not any(mask & rules.MASK_VALID for mask in masks):
            width = max(rules.DEFAULT_MAXPHYADDR, reach)
            return (
                width,
                f"{'no mask to infer it from' if not self.ranges else 'sizes do not show it'}: {width} assumed",
            )
        width = infer_maxphyaddr(masks)
        filled = {filled_width(mask) for mask in masks if not mask & rules.MASK_VALID} - {None}
        if width == rules.MAX_MAXPHYADDR and len(filled) == 1:
            width = filled.pop() or width
            return max(width, reach), f"QEMU filled the masks from bit {width} on, as an unused one shows"
        if width == rules.MAX_MAXPHYADDR:
            return width, "the masks reach bit 51, which QEMU fills: 52 taken, perhaps less"
        if reach > width:
            return reach, f"the masks say {width}, but RAM or a register needs {reach}"
        return width, f"{width} inferred from the masks"

    def _valid_held(self) -> list[int]:
        """Pairs held as registers, whose V is set."""
        numbers = {n for i in self.held if (n := pair_of(i)) is not None}
        return sorted(n for n in numbers if self.held.get(pair_numbers(n)[1], NOTHING).value & rules.MASK_VALID)

    # --- what is open, and what stands in for it --------------------------------------------------------------------

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is not told and no assumption covers."""
        return tuple(gap for what, gap in self._open().items() if what not in self._assumable())

    @property
    def untold(self) -> tuple[Gap, ...]:
        """All that is not told, assumed or not."""
        return tuple(self._open().values())

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What stands in for what is not told."""
        return tuple(self._assumable().values())

    def _open(self) -> dict[str, Gap]:
        found: dict[str, Gap] = self._once("open", self._find_gaps)
        return found

    def _find_gaps(self) -> dict[str, Gap]:
        base = self.register(rules.DEF_TYPE_MSR)
        if self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_E) is False:
            return {}  # every address is UC, whatever the others hold
        def_type = rules.msr_name(rules.DEF_TYPE_MSR)
        log = "rdmsr 0x2ff, or the log line 'MTRR default type'"
        found = [
            None if base.tells(rules.DEF_TYPE_E)
            else Gap("enabled", (def_type,), "whether the MTRRs are on is not told", log),
            None if base.tells(rules.DEF_TYPE_TYPE)
            else Gap("default", (def_type,), "the default type is not told", log),
            self._fixed_gap(), self._pairs_gap(), self._tom2_gap(),
        ]  # fmt: skip
        return {gap.what: gap for gap in found if gap is not None}

    def _fixed_gap(self) -> Gap | None:
        if not self.has_fixed or self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE) is False:
            return None
        missing = [i for i in rules.FIXED_MSRS if not self.register(i).tells(ALL)]
        hint = "rdmsr 0x250, 0x258, 0x259 and 0x268 to 0x26f, or the log's 'MTRR fixed ranges'"
        if not missing:
            if self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE) is None:
                return Gap("fixed", (), "whether the fixed ranges are on is not told", "rdmsr 0x2ff")
            return None
        names = tuple(map(rules.msr_name, missing))
        some = "the fixed ranges are" if len(missing) == len(rules.FIXED_MSRS) else f"{_few(names)} {_are(names)}"
        return Gap("fixed", names, f"{some} not told", hint)

    def _pairs_gap(self) -> Gap | None:
        lacking = self.open_pairs
        names = tuple(named(index) for n in lacking for index in pair_numbers(n) if index not in self.held)
        hint = "rdmsr of the missing numbers (0xfe tells how many pairs there are), or the log's whole list"
        if lacking:
            if not self.listed and not self.ranges:
                return Gap("pairs", names, "no variable range is told", hint)
            return Gap("pairs", names, f"{_spans(lacking)} not told", hint)
        if self.cut:
            return Gap("pairs", (), "the list of variable ranges breaks off", hint)
        if self.whole or self._counted() is not None:
            return None
        text = "whether there are more variable ranges is not told" if self.listed else "no variable range is told"
        return Gap("pairs", (), text, hint)

    def _counted(self) -> int | None:
        """How many pairs there are, where it is told."""
        cap = self.held.get(rules.MTRRCAP)
        told = cap.value & rules.MTRRCAP_VCNT if cap is not None and cap.tells(rules.MTRRCAP_VCNT) else None
        return told if self.count is None else self.count

    def _pairs_end(self) -> int:
        counted = self._counted()
        if self.whole or counted is None:
            return self.listed
        return counted

    def _pair_open(self, n: int) -> bool:
        """Whether the pair may decide something, and what is not told."""
        if n in self.ranges:
            return not self.ranges[n].kind.tells(rules.BASE_TYPE)
        low, high = (self.register(index) for index in pair_numbers(n))
        if high.tells(rules.MASK_VALID) and not high.value & rules.MASK_VALID:
            return False
        if low is NOTHING and high is NOTHING and self.whole:
            return any(index in self.lost for index in pair_numbers(n))
        return not (low.tells(ALL) and high.tells(ALL))

    def _tom2_gap(self) -> Gap | None:
        """AMD: what forces WB between 4 GiB and TOP_MEM2."""
        if self.vendor == "intel" or self.absent >= {rules.SYSCFG_MSR, rules.TOP_MEM2_MSR}:
            return None
        bits = [self.bit(rules.SYSCFG_MSR, b) for b in (rules.SYSCFG_TOM2_EN, rules.SYSCFG_TOM2_FORCE_WB)]
        if False in bits or (None not in bits and self.register(rules.TOP_MEM2_MSR).tells(rules.TOM2_FIELD)):
            return None
        names = tuple(rules.msr_name(i) for i in (rules.SYSCFG_MSR, rules.TOP_MEM2_MSR) if i not in self.held)
        if self.vendor is None:
            return Gap("tom2", names, "the vendor is not told (AMD: TOP_MEM2)", "the line vendor_id of /proc/cpuinfo")
        hint = "rdmsr 0xc0010010 and 0xc001001d, or the log line 'TOM2'"
        return Gap("tom2", names, "TOP_MEM2 is not told", hint)

    def _assumable(self) -> dict[str, Assumption]:
        if not self.assuming:
            return {}
        found: dict[str, Assumption] = self._once("assumable", self._find_assumptions)
        return found

    def _find_assumptions(self) -> dict[str, Assumption]:
        if self.restored:
            text = "a register that the list leaves out is 0 after a restore"
            return {what: Assumption(what, 0, _RESTORED, text) for what in self._open() if what != "tom2"}
        able = {
            "enabled": self._assumed_on, "default": self._assumed_default, "fixed": self._assumed_fixed,
            "pairs": self._assumed_pairs, "tom2": self._assumed_vendor,
        }  # fmt: skip
        found = {what: able[what]() for what in self._open()}
        return {what: assumption for what, assumption in found.items() if assumption is not None}

    def _assumed_on(self) -> Assumption | None:
        if not self.on or rules.DEF_TYPE_MSR in self.lost:
            return None
        return Assumption("enabled", 1, "assume-enabled", f"MTRRs assumed on: {self.on}")

    def _assumed_default(self) -> Assumption | None:
        if self.listing is None or rules.DEF_TYPE_MSR in self.lost or not (self.listed or self.default):
            return None
        kind, why = self._default_rule()
        return Assumption("default", int(kind), f"assume-default-{self.listing}", f"default type assumed: {why}")

    @property
    def default_why(self) -> str:
        """Why the default type is assumed to be what it is."""
        return self._default_rule()[1]

    def _default_rule(self) -> tuple[int, str]:
        return self.default or infer_default(self._kinds())

    def _kinds(self) -> list[int]:
        pairs = [self.pair(n) for n in range(self.listed)]
        return [low.value & rules.BASE_TYPE for low, high in pairs if high.value & rules.MASK_VALID]

    def _assumed_fixed(self) -> Assumption | None:
        """Below 640 KiB lies RAM in every PC, and firmware gives it one type. Nothing speaks for what is above."""
        if any(index in self.held or index in self.lost for index in rules.FIXED_MSRS):
            return None
        if self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE) is None and not self._enabled_told():
            return None
        text = "fixed ranges assumed to say the same below 640 KiB"
        return Assumption("fixed", 0, "assume-fixed-low", text)

    def _enabled_told(self) -> bool:
        return self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_E) is not None or bool(self.on)

    def _assumed_pairs(self) -> Assumption | None:
        """A list that begins with pair 0, leaves out none and holds each whole is taken for all in use."""
        listed = range(self.listed)
        if not listed or self.cut or self.count is not None or any(pair_of(i) is not None for i in self.lost):
            return None
        if any(self._pair_open(n) for n in listed):
            return None
        text = "no further variable range assumed" if len(listed) > 1 else "no other variable range assumed"
        return Assumption("pairs", len(listed), "assume-pairs-listed", text)

    def _assumed_vendor(self) -> Assumption | None:
        if self.vendor is not None:
            return None
        return Assumption("vendor", 0, "assume-vendor-intel", "vendor assumed: intel, without TOP_MEM2")

    # --- completions ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> MtrrState | None:
        """The register file, completed by assumptions; None while the default type, E or a pair is open.

        A program that wants a whole register file gets one where only what stands beside the listed registers is not
        told: no fixed ranges where none is told, a reserved type where some are not, no TOP_MEM2. What follows for
        an address, `at` says.
        """
        if "state" not in self._seen:
            whole = not {gap.what for gap in self.gaps} - {"fixed", "tom2"}
            self._seen["state"] = self._states(frozenset())[0] if whole else None
        found: MtrrState | None = self._seen["state"]
        return found

    @property
    def known(self) -> MtrrState:
        """The register file with one value for what is open: for words on what is told, not for answers."""
        return self._states(frozenset())[0]

    @property
    def open_pairs(self) -> list[int]:
        """Numbers of the pairs that may decide something and are not told."""
        return [n for n in range(self._pairs_end()) if self._pair_open(n)]

    def completions(self, strict: bool = False) -> tuple[MtrrState, ...]:
        """Register files that fit the text: where they agree, all that fit do."""
        return self._states(self._varied(strict))

    def _varied(self, strict: bool) -> frozenset[str]:
        return frozenset(what for what in self._open() if strict or what not in self._assumable())

    def _states(self, vary: frozenset[str]) -> tuple[MtrrState, ...]:
        """Completions in which the open things named in `vary` take every value, and the others one."""
        found: tuple[MtrrState, ...] = self._once(("states", vary), lambda: tuple(self._complete(vary)))
        return found

    def _complete(self, vary: frozenset[str]) -> list[MtrrState]:
        kinds = TYPES if vary & {"default", "fixed"} else TYPES[:1]
        decide = self._fixed_decide(vary)
        made = [self._filled(vary, kind, None, fixed) for kind in kinds for fixed in decide]
        if "pairs" in vary:
            made += [self._filled(vary, TYPES[0], cover, fixed) for cover in self._pair_types() for fixed in decide]
        if "tom2" in vary:
            made += [self._forced(state) for state in made]
        if "enabled" in vary:
            made.append(replace(made[0], def_type=made[0].def_type & ~rules.DEF_TYPE_E))
        return list(dict.fromkeys(made))

    def _fixed_decide(self, vary: frozenset[str]) -> tuple[bool, ...]:
        """Whether the fixed ranges decide below 1 MiB, as far as it is told or assumed."""
        told = self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_FE)
        off = self.bit(rules.DEF_TYPE_MSR, rules.DEF_TYPE_E) is False and told is None
        if not self.has_fixed or told is False or off:
            return (False,)
        if "fixed" not in self._open():
            return (True,)
        if "fixed" not in vary:
            return (not self._fixed_low(),)
        return (True, False) if told is None else (True,)

    def _fixed_low(self) -> bool:
        """Whether the fixed ranges are assumed not to differ from the variable ones, which holds below 640 KiB."""
        assumed = self._assumable().get("fixed")
        return assumed is not None and assumed.rule != _RESTORED

    def _pair_types(self) -> Iterable[int]:
        """The types that a range which is not told may have."""
        lacking = self.open_pairs
        bases = [self.pair(n)[0] for n in lacking]
        whole = lacking and not self.cut and (self.whole or self._counted() is not None)
        if whole and all(base.tells(rules.BASE_TYPE) for base in bases):
            return sorted({base.value & rules.BASE_TYPE for base in bases})
        return TYPES

    def _filled(self, vary: frozenset[str], kind: int, cover: int | None, fixed: bool) -> MtrrState:
        """One completion: `kind` for an unknown default type and unknown fixed bytes.

        With `cover`, one more range, of that type, covers every address: wherever the range that is not told lies.
        """
        default = self._assumable().get("default") if "default" not in vary else None
        def_type = self._def_type(kind if default is None else default.value, fixed)
        pairs = [self._known_pair(n) for n in range(self.listed)]
        pairs += [] if cover is None else [(cover, rules.MASK_VALID)]
        cap = self.held[rules.MTRRCAP].value if rules.MTRRCAP in self.held else None
        if not fixed and def_type & rules.DEF_TYPE_FE:
            cap = (rules.MTRRCAP_WC | min(len(pairs), rules.MTRRCAP_VCNT) if cap is None else cap) & ~rules.MTRRCAP_FIX
        syscfg, tom2 = (self.register(i).value for i in (rules.SYSCFG_MSR, rules.TOP_MEM2_MSR))
        return MtrrState(
            def_type, self._fixed_values(self._filler(kind, vary)), tuple(pairs[-rules.MAX_VARIABLE :]),
            self.maxphyaddr,
            self.vendor or "intel", syscfg, tom2, cap,
        )  # fmt: skip

    def _filler(self, kind: int, vary: frozenset[str]) -> int:
        """What stands for a byte of the fixed ranges that is not told."""
        if "fixed" in vary:
            return kind
        return RESERVED if "fixed" in self._open() and "fixed" not in self._assumable() else 0

    def _def_type(self, kind: int, fixed: bool) -> int:
        found = self.register(rules.DEF_TYPE_MSR)
        value = found.value
        if found.hidden & rules.DEF_TYPE_TYPE:
            value |= RESERVED
        elif not found.tells(rules.DEF_TYPE_TYPE):
            value |= kind
        value |= 0 if found.tells(rules.DEF_TYPE_E) or self.restored else rules.DEF_TYPE_E
        return value | (0 if found.tells(rules.DEF_TYPE_FE) or not fixed else rules.DEF_TYPE_FE)

    def _fixed_values(self, kind: int) -> tuple[int, ...]:
        fill, hide = (each * 0x0101_0101_0101_0101 for each in (kind, RESERVED))
        held = [self.register(index) for index in rules.FIXED_MSRS]
        return tuple(r.value | fill & ~(r.known | r.hidden) & ALL | hide & r.hidden for r in held)

    def _known_pair(self, n: int) -> tuple[int, int]:
        """The pair where it is whole; one that is not told is off, and `cover` stands for what it may be."""
        low, high = self.pair(n)
        if self._pair_open(n) or (n not in self.ranges and low is NOTHING):
            return 0, 0
        return low.value | (RESERVED & low.hidden), high.value

    def _forced(self, state: MtrrState) -> MtrrState:
        """The same on an AMD processor that forces WB up to the top of the address space, or to TOP_MEM2 as told."""
        told = self.register(rules.TOP_MEM2_MSR)
        top = told.value if told.tells(rules.TOM2_FIELD) else min(1 << self.maxphyaddr, rules.TOM2_FIELD)
        syscfg = state.syscfg | rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
        return replace(state, vendor="amd", syscfg=syscfg, tom2=top)

    # --- answers ----------------------------------------------------------------------------------------------------

    def at(self, address: int, strict: bool = False) -> Answer:
        """The type of one address, or what is missing.

        Raises
        ------
        AddressError
            For an address beyond the width; the text says how the width is known.
        """
        address = self._checked(address)
        wanted = self._vary_at(address, self._varied(strict))
        kinds = self._kinds_at(address, wanted)
        if len(kinds) > 1:
            return Answer(MemoryType.NOT_TOLD, _likely(kinds), missing=self._missing(address, wanted))
        assumed = [a for what, a in self._assumable().items() if what not in wanted]
        if assumed and self._kinds_at(address, self._vary_at(address, self._varied(True))) != kinds:
            assumed = [a for a in assumed if self._kinds_at(address, wanted | {_gap_of(a)}) != kinds] or assumed
            return Answer(kinds.pop(), assumed=tuple(assumed))
        return Answer(kinds.pop())

    def _checked(self, address: Any) -> int:
        try:
            return arrays.address(address, self.maxphyaddr)
        except AddressError as error:
            raise AddressError(f"{error} (MAXPHYADDR {self.width_text})") from None

    def _vary_at(self, address: int, vary: frozenset[str]) -> frozenset[str]:
        """What the fixed ranges are assumed to be holds below 640 KiB alone."""
        return vary | {"fixed"} if address in LEGACY and self._fixed_low() else vary

    def _kinds_at(self, address: int, vary: frozenset[str]) -> set[MemoryType]:
        return {state.at(address) for state in self._states(vary)}

    def _missing(self, address: int, vary: frozenset[str]) -> tuple[str, ...]:
        """The gaps that decide here: those which make a difference alone, else all."""
        texts = {what: gap.text for what, gap in self._open().items() if what in vary}
        alone = [text for what, text in texts.items() if len(self._kinds_at(address, frozenset({what}))) > 1]
        return tuple(alone or texts.values())

    def map(self, strict: bool = False) -> MemoryMap:
        """The whole address space; segments are NOT_TOLD where machines that fit the text differ.

        Raises
        ------
        ShatteredMapError
            When holey masks make more segments than a map may hold.
        """
        found: MemoryMap = self._once(("map", strict), lambda: self._map(self._varied(strict)))
        return found

    def _map(self, vary: frozenset[str]) -> MemoryMap:
        found = agreed([state.map.listed() for state in self._states(vary)])
        low = self._vary_at(LEGACY.start, vary)
        if low == vary:
            return found
        return _spliced(found, agreed([state.map.listed() for state in self._states(low)]), LEGACY)

    def types(self, addresses: Any, strict: bool = False, out: arrays.U8Array | None = None) -> Any:
        """The types of many addresses, NOT_TOLD (12) where machines that fit the text differ: as `MtrrState.types`."""
        try:
            return self.map(strict).types(addresses, out)
        except ShatteredMapError:
            if arrays.is_scalar(addresses):
                return self.at(addresses, strict).type
        kinds = [self.at(int(a), strict).type for a in np.asarray(addresses).flat]
        shaped = np.array(kinds, np.uint8).reshape(np.shape(addresses))
        if out is None:
            return shaped
        out[...] = shaped
        return out

    def problems(self) -> list[Problem]:
        """What hardware would refuse among the registers that are told (`MtrrState.problems`)."""
        told = {named(index) for index, register in self.held.items() if register.told}
        return [problem for problem in self._states(frozenset())[0].problems() if problem.register in told]

    # --- what a user supplies ---------------------------------------------------------------------------------------

    def strict(self) -> Registers:
        """The same without assumptions."""
        return replace(self, assuming=False)

    def supplied(
        self,
        default: str | None = None,
        fixed: str | None = None,
        pairs: str | None = None,
        vendor: str | None = None,
        enabled: str | None = None,
    ) -> Registers:
        """What a user says of things that are not told; what is told stays (`Machine.assume`)."""
        held = dict(self.held)
        base = held.get(rules.DEF_TYPE_MSR, NOTHING)
        if default is not None:
            base = base.joined(Register(arrays.memory_type(default, "default"), rules.DEF_TYPE_TYPE))
        if enabled is not None:
            on = {"yes": rules.DEF_TYPE_E, "no": 0}[_one_of(enabled, "enabled", ("yes", "no"))]
            base = base.joined(Register(on, rules.DEF_TYPE_E))
        held |= {rules.DEF_TYPE_MSR: base} if base.known else {}
        made = replace(self, held=held)
        if fixed is not None and _one_of(fixed, "fixed", ("absent",)):
            if held.keys() & set(rules.FIXED_MSRS):
                raise InputError("fixed=absent: the dump tells some of the fixed ranges")
            made = replace(made, absent=made.absent | frozenset(rules.FIXED_MSRS))
        if pairs is not None and _one_of(pairs, "pairs", ("all",)):
            lost = frozenset(i for i in made.lost if pair_of(i) is None)
            made = replace(made, whole=True, cut=False, count=None, lost=lost)
        if vendor is not None and made.vendor is None:
            made = replace(made, vendor=vendor_name(vendor))
        return made

    def merged(self, other: Registers) -> Registers:
        """These registers with what only `other` tells of the same processor."""
        held = {i: self.held[i].joined(other.held[i]) if i in other.held else r for i, r in self.held.items()}
        held |= {i: r for i, r in other.held.items() if i not in held}
        lists = self.whole or self.listed > 0
        taken = {i for i in held if i not in self.held and pair_of(i) is not None} if lists else set()
        ranges = dict(self.ranges) if lists else dict(other.ranges)
        if lists:  # a list is taken from one of them, and completed only where it says that it lost something
            mended = {n for i in self.lost if (n := pair_of(i)) is not None and n in other._named()}
            held = {i: r for i, r in held.items() if i not in taken or pair_of(i) in mended}
            ranges |= {n: other.ranges[n] for n in mended if n in other.ranges}
        list_of = self if lists else other
        named_now = {*held, *(i for n in ranges for i in pair_numbers(n))}
        return replace(
            self, held=held, ranges=ranges, width=self.width or other.width, vendor=self.vendor or other.vendor,
            whole=list_of.whole, count=list_of.count, cut=list_of.cut, listing=self.listing and other.listing,
            lost=frozenset((self.lost | other.lost) - named_now), absent=(self.absent | other.absent) - set(held),
            on=self.on or other.on, default=self.default or other.default, reach=max(self.reach, other.reach),
            encrypted=self.encrypted if self.encrypted is not None else other.encrypted,
        )  # fmt: skip

    def _named(self) -> set[int]:
        """Numbers of the pairs that are told."""
        return {*self.ranges, *(n for i in self.held if (n := pair_of(i)) is not None)}


def filled_width(mask: int) -> int | None:
    """MAXPHYADDR where QEMU filled an unused mask: bits 51:MAXPHYADDR set and no other (`fill-mtrr-mask`).

    >>> filled_width(0x000F_FFF0_0000_0000), filled_width(0)
    (36, None)
    """
    low = (mask & -mask).bit_length() - 1
    whole = mask and mask == (1 << rules.MAX_MAXPHYADDR) - (1 << low)
    return low if whole and low >= rules.MIN_MAXPHYADDR else None


def infer_default(kinds: Iterable[int]) -> tuple[MemoryType, str]:
    """The default type that makes sense of the listed ones: firmware that lists RAM as WB defaults to UC."""
    if MemoryType.WB in kinds:
        return MemoryType.UC, "RAM is listed as write-back"
    return MemoryType.WB, "no range is write-back"


def _remade(fields: dict[str, Any]) -> Registers:
    return Registers(**fields)


def _one_of(word: str, what: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise InputError(f"{what}={word!r:.40}: {' or '.join(words)} can be supplied")
    return word


def _gap_of(assumption: Assumption) -> str:
    return "tom2" if assumption.what == "vendor" else assumption.what


def _likely(kinds: set[MemoryType]) -> tuple[MemoryType, ...]:
    """The candidates; an undefined overlap with a range that is not told is left out where others remain."""
    known = kinds - {MemoryType.UNDEFINED}
    return tuple(sorted(known if len(known) > 1 else kinds))


def agreed(maps: list[MemoryMap]) -> MemoryMap:
    """The map that all agree on, NOT_TOLD where they do not."""
    if len(maps) == 1:
        return maps[0]
    parts = [memory.as_arrays() for memory in maps]
    bases = np.unique(np.concatenate([base for base, _ in parts]))
    rows = np.stack([kinds[np.searchsorted(base, bases, "right") - 1] for base, kinds in parts])
    types = np.where((rows == rows[0]).all(axis=0), rows[0], np.uint8(MemoryType.NOT_TOLD))
    return _joined(bases, types, maps[0].maxphyaddr)


def _spliced(memory: MemoryMap, inside: MemoryMap, where: range) -> MemoryMap:
    """`memory` with [where) as `inside` has it."""
    borders = np.array([where.start, where.stop], np.uint64)
    parts = [each.as_arrays() for each in (memory, inside)]
    bases = np.unique(np.concatenate([*(base for base, _ in parts), borders]))
    outer, inner = (kinds[np.searchsorted(base, bases, "right") - 1] for base, kinds in parts)
    here = (bases >= borders[0]) & (bases < borders[1])
    return _joined(bases, np.where(here, inner, outer), memory.maxphyaddr)


def _joined(bases: arrays.U64Array, types: arrays.U8Array, maxphyaddr: int) -> MemoryMap:
    first = np.ones(len(types), bool)
    first[1:] = types[1:] != types[:-1]
    return MemoryMap([int(b) for b in bases[first]], [int(t) for t in types[first]], maxphyaddr)


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
