"""One boot's lines on their way to a `Machine`: what was told, what was inferred, and the notes on both."""

from __future__ import annotations

import re

from memtype import rules
from memtype.errors import InputError, ParseError
from memtype.formats.linux_dmesg import registers
from memtype.formats.linux_dmesg.boots import Boot
from memtype.machine import Cpu, Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import MtrrState, infer_maxphyaddr
from memtype.reading.inference import infer_default
from memtype.reading.notes import differed, not_told
from memtype.reading.values import RESERVED, mtrr_type
from memtype.types import MemoryType

NAME = "linux-dmesg"

_HOW_TO_GET = (
    "boot with mtrr=debug, or add /proc/mtrr (variable ranges only), "
    "or read the registers as root (rdmsr -a, memtype capture)"
)


class Reading:
    """One boot's lines on their way to a `Machine`: what was told, what was inferred, and the notes on both."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.listing = boot.listing
        self.notes: list[str] = []
        self.inferred: list[str] = []
        self.newer = bool(self.listing.counts) or _at_least(boot.kernel, (6, 5))

    def machine(self) -> Machine:
        boot = self.boot
        vendor = self._vendor()
        width = self._width()
        state = self._state(width, vendor or "intel")
        printed = self._printed_map(width, state)
        self._remarks(state)
        facts = self._facts()
        return Machine(
            cpus=(Cpu(0, state, boot.pat.pat),),
            format=NAME,
            e820=tuple(boot.ram.ranges),
            kernel=boot.kernel,
            vendor=vendor,
            maxphyaddr=width,
            printed_map=printed,
            printed_view=None if printed is None else "linux-6.5",
            facts=facts or None,
            notes=tuple(self.notes),
            inferred=tuple(self.inferred) + (() if state else ("default", "fixed")),
        )

    def _vendor(self) -> str | None:
        if self.listing.tom2 is not None:
            if self.boot.vendor == "intel":
                self.notes.append("the log names an Intel processor and prints TOM2: taken as AMD")
            return "amd"
        if self.boot.vendor is None:
            self.inferred.append("vendor")
        return self.boot.vendor

    # --- MAXPHYADDR ---------------------------------------------------------------------------------------------

    def _width(self) -> int:
        if self.boot.maxphyaddr is not None:
            return self.boot.maxphyaddr
        self.inferred.append("maxphyaddr")
        masks = [mask for _, mask in self.listing.variable.values() if mask]
        reach = self._reach()
        if not masks:
            width = max(rules.DEFAULT_MAXPHYADDR, reach)
            if self.boot.worth:
                self.notes.append(not_told("maxphyaddr", f"no mask to infer it from: {width} assumed"))
            return width
        width = infer_maxphyaddr(masks)
        low, high = self._printed_width(width)
        if not low <= width <= high:
            self.notes.append(f"MAXPHYADDR: the masks reach bit {width - 1}, printed as if {low} to {high}")
            width = min(high, rules.MAX_MAXPHYADDR) if width < low else width
        if reach > width:
            self.notes.append(not_told("maxphyaddr", f"the masks say {width}, but RAM or a register needs {reach}"))
            return reach
        self.notes.append(not_told("maxphyaddr", f"{width} inferred from the masks"))
        return width

    def _printed_width(self, width: int) -> tuple[int, int]:
        """The widths for which the kernel would have printed so many digits; where its age is open, the fitting one."""
        digits = max(self.listing.digits)
        if min(self.listing.digits) != digits or digits > 16:
            return rules.MIN_MAXPHYADDR, rules.MAX_MAXPHYADDR
        ages = [self.newer] if self.newer or self.boot.kernel else [False, True]
        spans = [registers.digits_width(digits, newer) for newer in ages]
        known = [span for span in spans if span[1] >= rules.MIN_MAXPHYADDR] or [(0, rules.MAX_MAXPHYADDR)]
        return next((span for span in known if span[0] <= width <= span[1]), known[0])

    def _reach(self) -> int:
        """Address bits that RAM, registers and the printed map need."""
        tops = [self.boot.ram.usable_top, *(last + 1 for _, last, _ in self.listing.segments)]
        tops += [base + size for base, size, _ in self.boot.cleanup.original.values()]
        tops += [base + 1 for base, mask in self.listing.variable.values() if mask and not base >> rules.MAX_MAXPHYADDR]
        return min(max((top - 1).bit_length() for top in tops) if any(tops) else 0, rules.MAX_MAXPHYADDR)

    # --- registers ----------------------------------------------------------------------------------------------

    def _state(self, width: int, vendor: str) -> MtrrState | None:
        listing = self.listing
        pairs = self._pairs(width)
        if pairs is None:
            if listing.off:
                self.notes.append("the kernel found the MTRRs disabled: every address is UC; their values are not told")
                return MtrrState(maxphyaddr=width, vendor=vendor)
            return None
        default, enabled = self._default(pairs), listing.variable_on is not False
        def_type = default | (rules.DEF_TYPE_E if enabled else 0)
        fixed, fixed_on = self._fixed()
        syscfg = rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB if listing.tom2 else 0
        return MtrrState(
            def_type | (rules.DEF_TYPE_FE if fixed_on else 0), fixed, pairs, width, vendor, syscfg, listing.tom2 or 0
        )

    def _pairs(self, width: int) -> tuple[tuple[int, int], ...] | None:
        listing, originals = self.listing, self.boot.cleanup.original
        found = dict(listing.variable)
        missing = sorted(set(range(max(found, default=-1) + 1)) - found.keys())
        if (missing or not listing.listed) and originals:
            borrowed = {n: entry for n, entry in originals.items() if n not in found}
            for n, (base, size, kind) in borrowed.items():
                found[n] = _pair(base, size, kind, width)
            self.notes.append(f"variable ranges {_numbers(borrowed)} are those that mtrr_cleanup lists")
            missing = sorted(set(range(max(found) + 1)) - found.keys() - originals.keys()) if listing.listed else []
        elif not listing.listed:
            return None
        if missing:
            self.notes.append(f"the log does not show variable ranges {_numbers(missing)}: taken as disabled")
        if listing.cut is not None:
            self.notes.append(f"line {listing.cut} is cut off: the list of variable ranges may lack entries")
        elif listing.listed and listing.last_line == self.boot.last_line and listing.open:
            self.notes.append("the log ends with the list of variable ranges: it may lack entries")
        return tuple(found.get(n, (0, 0)) for n in range(max(found, default=-1) + 1))

    def _default(self, pairs: tuple[tuple[int, int], ...]) -> int:
        if self.listing.default is not None:
            return self.listing.default
        if self.boot.cleanup.original or self.boot.cleanup.covered is not None:
            self.notes.append("the default type is missing: UC, because mtrr_cleanup runs with no other")
            return int(MemoryType.UC)
        self.inferred.append("default")
        default, why = infer_default(base & rules.BASE_TYPE for base, mask in pairs if mask)
        self.notes.append(not_told("default", f"{default} inferred ({why})"))
        return int(default)

    def _fixed(self) -> tuple[tuple[int, ...], bool]:
        listing = self.listing
        if not listing.fixed:
            if listing.default is None or listing.fixed_on:
                self.inferred.append("fixed")
                self.notes.append(not_told("fixed", "below 1 MiB the variable ranges answer"))
            else:
                self.notes.append("the kernel lists no fixed ranges: there are none (MTRRCAP.FIX = 0)")
            return (0,) * len(rules.FIXED_MSRS), False
        lost = len(rules.FIXED_RANGES) - len(listing.fixed)
        if lost:
            self.inferred.append("fixed")
            self.notes.append(not_told("fixed", f"{lost} of {len(rules.FIXED_RANGES)} are missing: undefined"))
        return listing.fixed_registers(), listing.fixed_on is not False

    # --- the map, facts and remarks -----------------------------------------------------------------------------

    def _printed_map(self, width: int, state: MtrrState | None) -> MemoryMap | None:
        listing = self.listing
        if not listing.segments:
            return None
        whole = len(listing.segments) == listing.counts["map_entries"]
        if not whole:
            self.notes.append(f"the printed map has only {len(listing.segments)} of its entries")
            if state is not None:
                return None
        told = whole and listing.default is not None
        gap = rules.type_of(listing.default or 0) if told else MemoryType.UNDEFINED
        if whole and state is None and not told:
            self.notes.append("the printed map leaves out what has the default type, which the log does not tell")
        try:
            return MemoryMap.from_segments(
                [(base, last - base + 1, rules.type_of(kind)) for base, last, kind in listing.segments], width, gap
            )
        except InputError as error:
            raise ParseError(f"{self.boot.source}:{listing.last_line}: {error}") from None

    def _facts(self) -> dict[str, object]:
        listing, boot = self.listing, self.boot
        found: dict[str, object] = {**listing.counts, **boot.cleanup.facts(), **boot.pat.facts()}
        if listing.segments:
            names = [rules.type_of(kind).linux_name for _, _, kind in listing.segments]
            found["segments"] = [[base, last + 1, name] for (base, last, _), name in zip(listing.segments, names)]
        if boot.ram.trimmed:
            found["mtrr_trim_e820_updates"] = [list(span) for span in boot.ram.trimmed]
        if listing.tom2 is not None:
            found["tom2"] = listing.tom2
        if listing.inconsistent:
            found["inconsistent"] = list(listing.inconsistent)
        if listing.repaired:
            found["mask_repaired"] = True
        if boot.hypervisor:
            found["hypervisor"] = boot.hypervisor
        off = listing.off or listing.absent or listing.off_or_absent
        if off or listing.variable_on is not None:
            found["mtrr_enabled"] = bool(listing.variable_on) and not off
        return found

    def _remarks(self, state: MtrrState | None) -> None:
        listing, boot = self.listing, self.boot
        counts = listing.counts
        if state is None and listing.absent:
            self.notes.append(not_told("registers", "the kernel says that there are no MTRRs"))
        elif state is None and listing.off_or_absent:
            text = "the kernel says that they are disabled: there are none, or E = 0 and every address is UC"
            self.notes.append(not_told("registers", text))
        elif state is None and counts and not counts["built_from"]:
            self.notes.append(not_told("registers", "the kernel has no MTRRs (built from 0): a guest without them"))
        elif state is None and counts:
            made = f"{counts['map_entries']} map entries: {counts['fixed']} fixed + {counts['variable']} variable"
            self.notes.append(not_told("registers", f"Linux from 6.5 on prints what they make ({made}); {_HOW_TO_GET}"))
        elif state is None:
            self.notes.append(not_told("registers", f"no MTRR lines in the log; {_HOW_TO_GET}"))
        if state is not None and RESERVED in (*listing.fixed.values(), *(base & 0xFF for base, _ in state.variable)):
            self.notes.append(f'the log prints "?" for a reserved type: kept as {RESERVED}, it decides nothing')
        if listing.inconsistent:
            self.notes.append(differed(listing.inconsistent))
        if listing.repaired:
            self.notes.append("the kernel found a mask with holes: /proc/mtrr then shows it repaired")
        if boot.cleanup.new:
            self.notes.append("mtrr_cleanup rewrote the variable ranges after this: shown is what firmware had left")
        if boot.cleanup.losing is not None:
            self.notes.append(f"the kernel gave up {boot.cleanup.losing} MiB of RAM that the MTRRs do not make WB")
        if boot.pat.absent:
            self.notes.append("the kernel says that the processor has no PAT")
        if boot.pat.cut:
            self.notes.append("the PAT line is cut off")
        if boot.read_only:
            self.notes.append("the hypervisor lets this kernel read MTRRs, not write them")


def _pair(base: int, size: int, kind: str, width: int) -> tuple[int, int]:
    # "Other" is any type but UC, WP and WB: which one is not told.
    encoding = mtrr_type("?" if kind.lower() == "other" else kind, "")
    return base | encoding, rules.page_bits(width) & -(1 << (size - 1).bit_length()) | rules.MASK_VALID


def _numbers(which: object) -> str:
    return ", ".join(str(n) for n in sorted(which))  # type: ignore[call-overload]


def _at_least(kernel: str | None, version: tuple[int, int]) -> bool:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", kernel or "")
    return found is not None and (int(found[1]), int(found[2])) >= version
