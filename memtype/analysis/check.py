"""What is wrong with a machine's memory types: RAM that is not WB, cached devices, processors that disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from memtype import arguments, rules
from memtype.analysis import ram as ram_terms
from memtype.analysis.diff import as_machine, diff_cpus
from memtype.analysis.system_ranges import system_ranges
from memtype.errors import InputError, ShatteredMapError
from memtype.machine import Machine
from memtype.memory_map import Answers, MemoryMap
from memtype.readable import readable
from memtype.types import MemoryType

REQUIREMENTS = ("snp",)
PLATFORMS = ("bare", "tdx")
_CACHED = frozenset({MemoryType.WB, MemoryType.WT, MemoryType.WP, MemoryType.MIXED})
_MOST = 64  # findings of one rule; the last then says how many more there are

Span = ram_terms.Span


@readable
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong ("error", "warning") or worth knowing ("note"), and the rule that says so.

    `base` and `size` tell the range it is about, None where it is about no range.
    """

    rule: str
    severity: str
    text: str
    base: int | None = None
    size: int | None = None

    @property
    def last(self) -> int | None:
        """The last byte, inclusive."""
        return None if self.base is None or self.size is None else self.base + self.size - 1

    @property
    def source(self) -> str:
        """Where the rule stands."""
        return rules.RULES[self.rule].source

    def __str__(self) -> str:
        place = "" if self.base is None else f"[mem 0x{self.base:016x}-0x{self.last:016x}] "
        return f"{self.severity}: {place}{self.text}  [{self.rule}: {self.source}]"


@readable
@dataclass(frozen=True, slots=True)
class Report:
    """The findings, worst first. True where none is an error or a warning."""

    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        return all(finding.severity == "note" for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)


def check(
    machine: Machine | Answers,
    mmio: Iterable[Span] = (),
    ram: Iterable[Span] = (),
    require: str | None = None,
    platform: str = "bare",
) -> Report:
    """Look for what is wrong.

    Parameters
    ----------
    machine : Machine, MtrrState, MemoryMap or View
        A parsed dump, or bare registers, or a map.
    mmio : iterable of (base, size)
        Device ranges, which no cacheable type may cover.
    ram : iterable of (base, size)
        RAM beside what the dump's own map (e820) lists.
    require : {"snp"}, optional
        What the machine is meant for: "snp" needs the same registers in every processor.
    platform : {"bare", "tdx"}
        "tdx": the registers are those of a TDX guest.

    Returns
    -------
    Report, true where nothing is wrong; iterating over it gives the findings.

    Raises
    ------
    InputError
        For a dump that tells neither MTRRs nor a map, or a range outside the address space.

    Examples
    --------
    >>> from memtype import MtrrState
    >>> state = MtrrState(0xC06, (0x0606060606060606,) * 11, maxphyaddr=36)
    >>> print(*check(state, mmio=[(0xFEE00000, 0x1000)]))
    error: [mem 0x00000000fee00000-0x00000000fee00fff] device registers are WB  [check-mmio: SDM 3A 12.3.1, 12.11]
    """
    machine = as_machine(machine, "machine")
    devices, more = _spans(mmio, "mmio"), _spans(ram, "ram")
    _known(require, (None, *REQUIREMENTS), "require")
    _known(platform, PLATFORMS, "platform")
    found = [*_registers(machine), *_cpus(machine, require), *_platform(machine, platform), *_losing(machine)]
    if machine.registers is None and machine.printed_map is None and not found:
        raise InputError(f"{machine.source}: neither MTRRs nor a map in it: nothing to check")
    config = [held.span for held in system_ranges(machine) if held.rule == "mmio-config" and held.span]
    devices += _below(config, machine)
    found += _ranges(machine, [*ram_terms.spans_of(machine.e820), *more], devices, platform == "tdx")
    order = {"error": 0, "warning": 1, "note": 2}
    return Report(tuple(sorted(found, key=lambda finding: order[finding.severity])))


def _below(spans: Iterable[Span], machine: Machine) -> list[Span]:
    """Those that lie within the address space of what is checked: a register may say more than the processor has."""
    width = machine.maxphyaddr or rules.MIN_MAXPHYADDR
    return [(base, size) for base, size in spans if (base + size - 1) >> width == 0]


def _known(value: str | None, names: tuple[str | None, ...], what: str) -> None:
    if not isinstance(value, (str, type(None))) or value not in names:
        raise InputError(
            f"{what} = {arguments.shown(value)}: one of {', '.join(name for name in names if name)} is known"
        )


def _spans(values: Iterable[Span], what: str) -> list[Span]:
    """(base, size) of each range, as integers."""
    found = []
    for index, value in enumerate(arguments.items(values, what, "(base, size)")):
        try:
            base, size = value
        except (TypeError, ValueError):
            raise InputError(f"{what}[{index}] = {arguments.shown(value)} is not (base, size)") from None
        found.append(
            (arguments.integer(base, f"{what}[{index}]: base"), arguments.integer(size, f"{what}[{index}]: size"))
        )
    return found


# --- registers and processors -------------------------------------------------------------------------------------


def _registers(machine: Machine) -> Iterator[Finding]:
    """Values that hardware refuses, each once however many processors hold it."""
    told: dict[str, list[int]] = {}
    for cpu in machine.cpus:
        problems = [*(cpu.registers.problems() if cpu.registers else ()), *(cpu.pat.problems() if cpu.pat else ())]
        for problem in problems:
            told.setdefault(str(problem), []).append(cpu.number)
    for text, cpus in told.items():
        yield Finding("check-register", "error", text + ("" if len(machine.cpus) == 1 else f" (CPU {_list(cpus)})"))
    yield from _most(_reserved_routing(machine))


def _reserved_routing(machine: Machine) -> Iterator[Finding]:
    """Fixed-range bytes whose RdMem, WrMem and type AMD reserves together (APM 2 7.9.1).

    A byte without the two bits proves nothing but where SYSCFG shows them (MtrrFixDramModEn): 0x06 is then WB in MMIO.
    """
    seen: set[tuple[int, int]] = set()
    done: set[int] = set()
    for cpu in machine.cpus:
        if cpu.registers is None or cpu.registers.vendor != "amd" or id(cpu.registers) in done:
            continue
        done.add(id(cpu.registers))  # processors that hold the same share one object
        shown = cpu.registers.bit(rules.SYSCFG_MSR, rules.SYSCFG_FIX_DRAM_MOD_EN)
        for place in rules.FIXED_RANGES:
            held = cpu.registers.register(rules.FIXED_MSRS[place.register])
            entry = held.value >> 8 * place.byte & 0xFF
            if not held.tells(0xFF << 8 * place.byte):
                continue
            routed = (entry >> 4 & 1, entry >> 3 & 1)
            if not (shown or any(routed)) or entry >> 5 or entry & 7 not in rules.MTRR_TYPES:
                continue  # what WRMSR refuses anyway was said
            if entry & 7 not in rules.AMD_FIXED_TYPES[routed] and (place.base, entry) not in seen:
                seen.add((place.base, entry))
                what = f"RdMem {routed[0]}, WrMem {routed[1]} with {rules.type_of(entry & 7)} is reserved"
                name = rules.msr_name(rules.FIXED_MSRS[place.register])
                text = f"{name} byte {place.byte} = 0x{entry:02x}: {what}"
                yield Finding("check-fixed-amd", "error", text, place.base, place.size)


def _cpus(machine: Machine, require: str | None) -> Iterator[Finding]:
    told = sum(cpu.registers is not None for cpu in machine.cpus)
    if require == "snp" and told < 2:
        yield Finding("check-snp", "warning", "one processor told: whether all hold the same registers stays open")
    groups: dict[int, tuple[str, bool, list[int]]] = {}
    try:
        for _, other, difference in diff_cpus(machine):
            groups.setdefault(id(difference), (difference.summary, bool(difference), []))[2].append(other.number)
    except ShatteredMapError as error:
        yield Finding("check-cpus", "error", f"the processors hold different registers, and {error}")
        return
    if what := inconsistent(machine):
        text = f"the kernel found the processors' MTRRs different ({what})"
        yield Finding("check-snp" if require == "snp" else "check-cpus", "error", text)
    for summary, in_effect, cpus in groups.values():
        text = f"CPU {_list(cpus)} and the first: {summary}"
        if require == "snp":
            yield Finding("check-snp", "error", text)
        else:
            yield Finding("check-cpus", "error" if in_effect else "note", text)
    if require == "snp" and told > 1 and not groups:
        yield Finding("check-snp", "note", f"all {told} processors hold the same MTRRs")
    if require == "snp" and (routed := _routed(machine)):
        yield Finding("check-snp", "note", routed)


def inconsistent(machine: Machine) -> str | None:
    """What Linux found to differ between the processors when it started them: "fixed, variable"; None for nothing."""
    what = (machine.facts or {}).get("inconsistent")
    return ", ".join(map(str, _several(what))) if what else None


def _losing(machine: Machine) -> Iterator[Finding]:
    """What Linux says itself of RAM that the MTRRs do not make WB."""
    lost = (machine.facts or {}).get("losing_mb")
    if lost is not None:
        yield Finding("check-ram", "warning", f"the kernel gave up {lost} MiB of RAM that no range makes WB")


def _several(what: object) -> list[object]:
    return list(what) if isinstance(what, (list, tuple)) else [what]


def _routed(machine: Machine) -> str | None:
    """What the extra bits of AMD's fixed ranges mean, where the dump shows them."""
    told = machine.registers
    fixed = [told.register(index).value for index in rules.FIXED_MSRS] if told is not None else []
    held = {entry for value in fixed for entry in value.to_bytes(8, "little")}
    shown = sorted(entry for entry in held if entry & rules.AMD_FIXED_ROUTING)
    words = [f"{entry:02x} = {_routing(entry)}{rules.type_of(entry & 7)}" for entry in shown]
    return f"fixed-range bytes: {', '.join(words)}" if words else None


def _routing(entry: int) -> str:
    bits = (("RdMem", rules.AMD_RDMEM), ("WrMem", rules.AMD_WRMEM))
    return "".join(f"{name} + " for name, bit in bits if entry & bit)


def _platform(machine: Machine, platform: str) -> Iterator[Finding]:
    off = machine.registers is not None and machine.registers.off
    if platform == "tdx":
        yield Finding("check-tdx", "note", "do not program the MTRRs; treat private memory as WB, with E = 0 too")
    elif off:
        yield Finding("check-off", "warning", "the MTRRs are off: every address is UC, RAM too")


# --- ranges -------------------------------------------------------------------------------------------------------


def _ranges(machine: Machine, ram: list[Span], mmio: list[Span], all_wb: bool) -> Iterator[Finding]:
    try:
        memory = machine.map.listed()
    except ShatteredMapError as error:
        yield Finding("check-shattered", "warning", f"no range was checked: {error}")
        return
    limit = 1 << memory.maxphyaddr
    for base, size in (*ram, *mmio):
        if base < 0 or size <= 0 or base + size > limit:
            raise InputError(f"range 0x{base:x}+0x{size:x} is not within [0, 2**{memory.maxphyaddr})")
    if all_wb:
        memory = MemoryMap.from_segments([(0, limit, MemoryType.WB)], memory.maxphyaddr)
    off = machine.registers is not None and machine.registers.off and not all_wb
    yield from _most([] if off else _uncached_ram(memory, ram, 0))
    yield from [] if off or ram else _below_last_pfn(memory, machine)
    yield from _most([] if all_wb else _cached_devices(memory, mmio))
    yield from _most(_undefined(memory, 0))


def _uncached_ram(memory: MemoryMap, ram: list[Span], start: int) -> Iterator[Finding]:
    for base, size, kind in _inside(memory, ram_terms.joined(ram), start):
        if kind not in (MemoryType.WB, MemoryType.NOT_TOLD):
            yield Finding("check-ram", "warning", f"RAM is {kind}, not WB", base, size)


def _below_last_pfn(memory: MemoryMap, machine: Machine) -> Iterator[Finding]:
    """Without a RAM map, the kernel's last_pfn tells where RAM ends: the page below it is RAM."""
    end = (machine.facts or {}).get("last_pfn")
    top = int(end, 16) << rules.PAGE_SHIFT if isinstance(end, str) else 0
    if not rules.FIXED_END < top <= 1 << memory.maxphyaddr:
        return
    kind, base, _ = memory.around(top - 1)
    if kind in (MemoryType.WB, MemoryType.NOT_TOLD):
        return
    parts = [each for _, _, each in _inside(memory, [(rules.FIXED_END, top - rules.FIXED_END)], 0)]
    if all(each not in (MemoryType.WB, MemoryType.NOT_TOLD) for each in parts):
        text = f"RAM lies up to 0x{top - 1:x} (last_pfn) and none of it is WB: it is {kind}"
        yield Finding("check-ram", "warning", text, rules.FIXED_END, top - rules.FIXED_END)
    else:
        yield Finding("check-ram", "warning", f"RAM is {kind}, not WB (its end is told by last_pfn)", base, top - base)


def _cached_devices(memory: MemoryMap, mmio: list[Span]) -> Iterator[Finding]:
    for base, size, kind in _inside(memory, ram_terms.joined(mmio), 0):
        if kind in _CACHED:
            yield Finding("check-mmio", "error", f"device registers are {kind}", base, size)


def _undefined(memory: MemoryMap, start: int) -> Iterator[Finding]:
    for segment in memory:
        if segment.type is MemoryType.UNDEFINED and segment.end > start:
            base = max(segment.base, start)
            text = "the type is undefined (a reserved type, or ranges that overlap)"
            yield Finding("check-undefined", "error", text, base, segment.end - base)


def _inside(memory: MemoryMap, spans: list[Span], start: int) -> Iterator[tuple[int, int, MemoryType]]:
    """Each span cut at the map's borders, from `start` on."""
    for base, size in spans:
        here, end = max(base, start), base + size
        while here < end:
            kind, _, behind = memory.around(here)
            yield here, min(behind, end) - here, kind
            here = min(behind, end)


def _most(findings: Iterable[Finding]) -> list[Finding]:
    found = list(findings)
    if len(found) <= _MOST:
        return found
    last = found[_MOST]
    return [*found[:_MOST], Finding(last.rule, last.severity, f"and {len(found) - _MOST} more such ranges")]


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
