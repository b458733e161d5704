"""One boot's lines on their way to a `Machine`: what was told, what was inferred, and the notes on both."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from memtype import rules
from memtype.errors import InputError, ParseError
from memtype.formats.linux_dmesg.boots import Boot
from memtype.formats.linux_dmesg.registers import digits_width
from memtype.machine import Cpu, Machine
from memtype.memory_map import MemoryMap
from memtype.mtrr import infer_maxphyaddr
from memtype.reading.notes import differed, not_told, settled
from memtype.reading.registers import TOM2_MSRS, Listing, contradictions, def_type, whole_numbers
from memtype.reading.values import type_register
from memtype.told import Range, Register, Registers, Width, pair_numbers
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
        self.newer = bool(self.listing.counts) or _at_least(boot.kernel, (6, 5))

    def machine(self) -> Machine:
        boot = self.boot
        vendor = self._vendor()
        registers = self._registers(boot.width, vendor)
        self._remarks(registers)
        machine = Machine(
            cpus=(Cpu(0, registers, boot.pat.pat),),
            format=NAME,
            e820=boot.ram.ranges,
            kernel=boot.kernel,
            vendor=vendor,
            maxphyaddr=None if boot.width is None else boot.width.bits,
            width=boot.width,
            taken=frozenset(boot.taken),
        ).with_used_width()
        printed = self._printed_map(machine)
        view = None if printed is None else "linux-6.5"
        facts = self._facts() or None
        return settled(replace(machine, printed_map=printed, printed_view=view, facts=facts, notes=tuple(self.notes)))

    def _vendor(self) -> str | None:
        if self.listing.tom2 is None and not self.listing.tom2_cut:
            return self.boot.vendor
        if self.boot.vendor == "intel":
            self.notes.append("the log names an Intel processor and prints TOM2: taken as AMD")
        return "amd"

    # --- address bits ---------------------------------------------------------------------------------------------

    def _reach(self) -> int:
        """Address bits that RAM, the printed map and the digits of the masks need."""
        tops = [*self.boot.ram.tops, *(last + 1 for _, last, _ in self.listing.segments)]
        tops += [base + size for base, size, _ in self.boot.cleanup.left.values()]
        return max([self._printed_width(), *(min((top - 1).bit_length(), rules.MAX_MAXPHYADDR) for top in tops)])

    def _printed_width(self) -> int:
        """The width that so many digits are printed for, where the masks stop below it; 0 where they do not."""
        told = [high.value for _, high in self.listing.variable.values() if high.told]
        masks = [mask for mask in told if mask & ~rules.MASK_VALID]
        if not masks:
            return 0
        width, digits = infer_maxphyaddr(masks), max(self.listing.digits)
        if min(self.listing.digits) != digits:
            return 0
        ages = [self.newer] if self.newer or self.boot.kernel else [False, True]
        spans = [digits_width(digits, newer) for newer in ages]
        known = [span for span in spans if span[1] >= rules.MIN_MAXPHYADDR]
        if not known or any(low <= width <= high for low, high in known):
            return 0
        low, high = known[0]
        self.notes.append(f"MAXPHYADDR: the masks reach bit {width - 1}, printed as if {low} to {high}")
        return min(high, rules.MAX_MAXPHYADDR) if width < low else 0

    # --- registers ------------------------------------------------------------------------------------------------

    def _registers(self, width: Width | None, vendor: str | None) -> Registers | None:
        """The registers as far as the log has them; None where it has no line about any."""
        listing, originals = self.listing, self.boot.cleanup.left
        held = dict(self._def_type())
        if listing.off:
            self.notes.append("the kernel found the MTRRs disabled: every address is UC; their values are not told")
        tom2 = self._tom2()
        if not (held or listing.fixed or listing.listed or originals or tom2):
            return None
        held |= listing.fixed_registers() | tom2
        for n, pair in listing.variable.items():
            held |= dict(zip(pair_numbers(n), pair, strict=True))
        self.notes += contradictions({0: held})
        kept, made = whole_numbers({0: held}, self._list(), self.notes)  # base and mask: of one length in one list
        return Registers(kept[0], self._borrowed(), width, vendor, **made.fields())

    def _def_type(self) -> dict[int, Register]:
        listing, cleanup = self.listing, self.boot.cleanup
        kind = listing.default
        if kind is None and (cleanup.left or cleanup.covered is not None):
            self.notes.append("the default type is missing: UC, because mtrr_cleanup runs with no other")
            kind = Register(MemoryType.UC, rules.DEF_TYPE_TYPE)
        on = False if listing.off else listing.variable_on
        if on is None and cleanup.left:
            on = True  # mtrr_cleanup looks at enabled MTRRs alone
        told = def_type(kind, on, listing.fixed_on if on is not False else None)
        if (remark := self.boot.remark.def_type) is not None:
            told = {rules.DEF_TYPE_MSR: told.get(rules.DEF_TYPE_MSR, remark).joined(remark)}
        return told

    def _tom2(self) -> dict[int, Register]:
        if self.listing.tom2 is None or self.listing.tom2_cut:
            return {}
        forced = rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB
        tom2 = self.listing.tom2
        return {rules.SYSCFG_MSR: Register(forced, forced, tom2.line), rules.TOP_MEM2_MSR: tom2}

    def _borrowed(self) -> dict[int, Range]:
        """Pairs that mtrr_cleanup lists and the kernel's own list, where there is one, lost."""
        listing, originals = self.listing, self.boot.cleanup.left
        if listing.listed and not _below(listing.variable) - listing.variable.keys():
            return {}
        borrowed = {n: entry for n, entry in originals.items() if n not in listing.variable}
        if borrowed:
            self.notes.append(f"variable ranges {_numbers(borrowed)} are those that mtrr_cleanup lists")
        return {n: _range(base, size, kind) for n, (base, size, kind) in borrowed.items()}

    def _list(self) -> Listing:
        """What the log's list is worth: a kernel prints every pair, unless the log lost lines."""
        listing = self.listing
        on = "the fixed ranges are printed as enabled" if listing.fixed_on else ""
        filled = max(listing.digits, default=0)
        made = Listing(count=self.boot.remark.registers, on=on, reach=self._reach(), filled=filled)
        if not listing.listed and self.boot.cleanup.left:
            made.whole = made.uncounted = True  # mtrr_cleanup leaves out those that are off
        ends = listing.listed and (listing.last_line == self.boot.last_line and listing.open)
        if self.boot.fragment and listing.listed and self.boot.last_line == listing.last_line + 1:
            self.notes.append(f"line {self.boot.last_line} is cut off: the list of variable ranges may lack entries")
            made.cut = True
        elif listing.cut is not None:
            self.notes.append(f"line {listing.cut} is cut off: the list of variable ranges may lack entries")
            made.cut = True
        elif ends:
            self.notes.append("the log ends with the list of variable ranges: it may lack entries")
        elif len(listing.variable) in rules.USUAL_PAIRS and not self._lost_lines() and made.count is None:
            made.whole = True
        if self._holes():
            self.notes.append(f"the log does not show variable ranges {_numbers(self._holes())}")
        if listing.default is None and listing.listed:
            made.listing = "linux-log"  # the kernel prints the default type above the list: the log lost its head
        if listing.variable and not made.on:
            made.on = "ranges are listed"
        if listing.tom2_cut:
            made.lost |= TOM2_MSRS
        elif listing.listed and listing.tom2 is None:
            made.tom2_off = "the log prints no TOM2"  # nor does one that lost the line; no remark counts it
        if self._without_fixed() and listing.variable_on:
            self.notes.append(
                "no fixed ranges in the list: the processor has none (--assume fixed=absent), or their lines are lost"
            )
        return made

    def _holes(self) -> set[int]:
        return _below(self.listing.variable) - {*self.listing.variable, *self.boot.cleanup.left}

    def _lost_lines(self) -> bool:
        """Whether the log shows that it lost lines: of ten rows the last two may be lost as well."""
        listing = self.listing
        printed = bool(listing.fixed) or listing.fixed_on is not None  # the kernel then prints all of them
        few = printed and len(listing.fixed) < len(rules.FIXED_RANGES)
        return bool(self._holes()) or listing.copied or few

    def _without_fixed(self) -> bool:
        """The kernel prints headlines for the default type, the fixed and the variable ranges, in this order. A log
        without the second is that of a processor without fixed ranges, or of one whose lines were left out."""
        listing = self.listing
        between = listing.fixed_on is None and not listing.fixed
        return between and listing.default is not None and listing.variable_on is not None

    # --- the map, facts and remarks -----------------------------------------------------------------------------

    def _printed_map(self, machine: Machine) -> MemoryMap | None:
        """The map of ``mtrr=debug``. It leaves out what has the default type."""
        listing, told = self.listing, machine.registers
        if not listing.segments:
            return None
        whole = len(listing.segments) == listing.counts["map_entries"]
        if not whole:
            self.notes.append(f"the printed map has only {len(listing.segments)} of its entries")
            if told is not None and told.listed:
                return None
        default = listing.default if whole else None
        gap = MemoryType.NOT_TOLD if default is None else _type(default)
        if whole and told is None:
            self.notes.append("the printed map leaves out what has the default type, which the log does not tell")
        width = machine.maxphyaddr or max(rules.DEFAULT_MAXPHYADDR, self._reach())
        segments = [(base, last - base + 1, _type(kind)) for base, last, kind in listing.segments]
        try:
            return MemoryMap.from_segments(segments, width, gap)
        except InputError as error:
            raise ParseError(f"{self.boot.source}:{listing.last_line}: {error}") from None

    def _facts(self) -> dict[str, object]:
        listing, boot = self.listing, self.boot
        found: dict[str, object] = {**listing.counts, **boot.cleanup.facts(), **boot.pat.facts()}
        if listing.segments:
            names = [_type(kind).linux_name for _, _, kind in listing.segments]
            found["segments"] = [[base, last + 1, name] for (base, last, _), name in zip(listing.segments, names)]
        if boot.ram.last_pfn:
            found["last_pfn"] = f"0x{boot.ram.last_pfn:x}"
        if boot.ram.trimmed:
            found["mtrr_trim_e820_updates"] = [list(span) for span in boot.ram.trimmed]
        if listing.tom2 is not None:
            found["tom2"] = listing.tom2.value
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

    def _remarks(self, state: Registers | None) -> None:
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
        kinds = [listing.default, *listing.fixed.values(), *(base for base, _ in listing.variable.values())]
        if any(kind is not None and kind.hidden for kind in kinds):
            self.notes.append('the log prints "?" for a reserved type: which one is not told, it decides nothing')
        if listing.inconsistent:
            self.notes.append(differed(listing.inconsistent))
        if listing.repaired:
            self.notes.append("the kernel found a mask with holes: /proc/mtrr then shows it repaired")
        if boot.cleanup.mixed:
            self.notes.append("mtrr_cleanup lists one register twice, differently: its lists are mixed, and left out")
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


def _below(which: Iterable[int]) -> set[int]:
    """Every number below one of these."""
    return {number for one in which for number in range(one)}


def _range(base: int, size: int, kind: str) -> Range:
    """A row of mtrr_cleanup. "Other" is any type but UC, WP and WB: which one is not told."""
    told = Register(0, 0) if kind.lower() == "other" else type_register(kind)
    return Range(base, 1 << (size - 1).bit_length(), told)


def _type(kind: Register) -> MemoryType:
    return MemoryType.UNDEFINED if kind.hidden else rules.type_of(kind.value)


def _numbers(which: object) -> str:
    return ", ".join(str(n) for n in sorted(which))  # type: ignore[call-overload]


def _at_least(kernel: str | None, version: tuple[int, int]) -> bool:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", kernel or "")
    return found is not None and (int(found[1]), int(found[2])) >= version
