"""The page: what `show`, `check`, `diff` and `kvm` tell of a dump, with pictures, in one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from memtype.analysis.check import check
from memtype.analysis.diff import Diff, diff, diff_cpus
from memtype.errors import InputError, ShatteredMapError
from memtype.kvm import Vcpu, Vm
from memtype.machine import Machine
from memtype.memory_map import MemoryMap, Segment
from memtype.pat import pte_bits
from memtype.plot.ram import overlap, top_of, usable
from memtype.plot.svg import ribbons
from memtype.readable import binary_size
from memtype.report import html
from memtype.report.html import Safe, paragraph, section, table, type_mark
from memtype.report.summary import header
from memtype.types import MemoryType

_MOST_SEGMENTS, _MOST_ROWS = 128, 64  # with their reasons; of anything else
_MOST_QUOTED = 48_000  # characters of the input


def page(machines: Sequence[Machine], quoted: Sequence[str] = (), kernel: str | None = None, dma: bool = True) -> str:
    """The report as HTML.

    Parameters
    ----------
    machines : sequence of Machine
        One, or two to compare: before and after. The last one is described.
    quoted : sequence of str
        The texts that they were read from; what is too long is cut, and said so.
    kernel : str, optional
        A release of Linux, "6.8": KVM's view of these registers as a guest's.
    dma : bool
        With `kernel`: the VM has non-coherent DMA.

    Raises
    ------
    InputError
        Without a machine, or for a release that is not modelled.

    Examples
    --------
    >>> from memtype import parse
    >>> made = page([parse("reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable")])
    >>> made.startswith("<!doctype html>"), "<script" in made, "http-equiv" in made
    (True, False, False)
    """
    if not 1 <= len(machines) <= 2:
        raise InputError(f"a report is about one or two dumps, not {len(machines)}")
    machine = machines[-1]
    parts = [_head(machine), *_pictured(machine)]
    if len(machines) == 2:
        parts.append(_compared(*machines))
    parts += [_findings(machine), _pat(machine), _cpus(machine)]
    if kernel is not None:
        parts.append(_kvm(machine, kernel, dma))
    parts += [_notes(machine), *_quoted(machines, quoted)]
    title = html.safe(f"memory types: {os.path.basename(machine.source)}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{html.style()}</style></head>\n'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _head(machine: Machine) -> Safe:
    kernel = f", Linux {machine.kernel}" if machine.kernel else ""
    about = f"{os.path.basename(machine.source)} ({machine.format}{kernel})"
    words = Safe(f"<code>{html.safe(header(machine))}</code>")
    return Safe(f"<header><h1>Memory types</h1>{paragraph(about, 'soft')}{paragraph(words)}</header>")


def _map(machine: Machine) -> MemoryMap | None:
    try:
        told = machine.registers  # of the first processor; the others are compared in a part of their own
        memory = machine.printed_map if told is None else told.map()
        return None if memory is None else memory.listed()
    except ShatteredMapError:
        return None


def _pictured(machine: Machine) -> list[Safe]:
    memory = _map(machine)
    if memory is None:
        return [section("Map", paragraph("no map can be drawn: the dump tells none, or masks with holes shatter it"))]
    ram = usable(machine)
    picture = Safe(ribbons([("", memory)], ram, top_of(ram, 1 << memory.maxphyaddr)))
    rows = [_segment(machine, s, ram) for s in memory.segments[:_MOST_SEGMENTS]]
    left = len(memory.segments) - len(rows)
    more = [paragraph(f"and {left} more segments: memtype show --json lists them all")] if left > 0 else []
    return [section("Map", picture, table(("range", "size", "type", "RAM", "why, at its first byte"), rows), *more)]


def _segment(machine: Machine, s: Segment, ram: list[tuple[int, int]]) -> tuple[str, ...]:
    held = overlap(ram, s.base, s.end)
    share = "" if not held else "all" if held == s.size else binary_size(held)
    return html.address(s.base, s.last), binary_size(s.size), type_mark(s.type), share, _why(machine, s)


def _why(machine: Machine, s: Segment) -> Safe:
    """The reasons at the segment's first byte; what is not told where the type is open."""
    told = machine.registers
    answer = machine.at(s.base) if told is None else told.at(s.base)
    if s.type is MemoryType.NOT_TOLD:
        return Safe(html.safe(f"not told ({', '.join(map(str, answer.candidates))}): {'; '.join(answer.missing)}"))
    lines = [f"assumed: {a.text}" for a in answer.assumed]
    if told is None:
        return Safe(html.safe("; ".join([*lines, f"as printed ({machine.printed_view})"])))
    steps = told.completions()[0].explain(s.base).steps
    cited = [Safe(f"{html.safe(step.text)}<small>{html.safe(f'{step.rule}: {step.source}')}</small>") for step in steps]
    return Safe("".join([*(f"{html.safe(line)}<br>" for line in lines), *cited]))


# --- comparing ------------------------------------------------------------------------------------------------------


def _compared(before: Machine, after: Machine) -> Safe:
    try:
        found = diff(before, after)
    except (InputError, ShatteredMapError) as error:
        return section("Before and after", paragraph(f"not compared: {error}"))
    named = [
        (f"{word}: {os.path.basename(each.source)}", each) for word, each in (("before", before), ("after", after))
    ]
    maps = [(name, _map(machine)) for name, machine in named]
    drawn = [(name, memory) for name, memory in maps if memory is not None]
    ram = usable(after)
    limit = 1 << max((memory.maxphyaddr for _, memory in drawn), default=0)
    changed = [(c.base, c.base + c.size) for c in found.changes[:_MOST_ROWS]]
    picture = Safe(ribbons(drawn, ram, top_of(ram, limit), changed)) if len(drawn) == 2 else Safe("")
    return section("Before and after", paragraph(found.summary), picture, *_change_tables(found))


def _change_tables(found: Diff) -> Iterator[Safe]:
    changes = found.changes[:_MOST_ROWS]
    yield table(
        ("range", "size", "before", "after"),
        [(html.address(c.base, c.last), binary_size(c.size), type_mark(c.old), type_mark(c.new)) for c in changes],
    )
    if len(found.changes) > _MOST_ROWS:
        yield paragraph(f"and {len(found.changes) - _MOST_ROWS} more ranges")
    yield table(
        ("not compared: not told on one side", "size"),
        [(html.address(c.base, c.last), binary_size(c.size)) for c in found.untold[:_MOST_ROWS]],
    )
    registers = (found.registers or ())[:_MOST_ROWS]
    yield table(("register", "before", "after"), [(r.name, _value(r.old), _value(r.new)) for r in registers])
    yield table(
        ("PAT entry", "before", "after"), [(f"PA{p.entry}", type_mark(p.old), type_mark(p.new)) for p in found.pat]
    )


def _value(value: int | None) -> str:
    return "none" if value is None else Safe(f"<code>0x{value:016x}</code>")


def _cpus(machine: Machine) -> Safe:
    told = [cpu for cpu in machine.cpus if cpu.registers is not None]
    if len(told) < 2:
        return Safe("")
    try:
        groups: dict[int, tuple[Diff, list[int]]] = {}
        for _, other, found in diff_cpus(machine):
            groups.setdefault(id(found), (found, []))[1].append(other.number)
    except ShatteredMapError as error:
        return section("Processors", paragraph(f"not compared: {error}"))
    if not groups:
        return section("Processors", paragraph(f"all {len(told)} hold the same registers"))
    rows = [(numbers(held), found.summary) for found, held in [*groups.values()][:_MOST_ROWS]]
    parts = [table((f"against CPU {told[0].number}", "what differs"), rows)]
    if len(groups) > _MOST_ROWS:
        parts.append(paragraph(f"and {len(groups) - _MOST_ROWS} more groups"))
    for found, held in [*groups.values()][:4]:
        parts += [paragraph(Safe(f"<b>{html.safe(numbers(held))}</b>")), *_change_tables(found)]
    return section("Processors", *parts)


def numbers(held: list[int]) -> str:
    """``numbers([1, 2, 3, 7]) == 'CPU 1-3, 7'``."""
    runs: list[list[int]] = []
    for number in sorted(held):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "CPU " + ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


# --- the rest -------------------------------------------------------------------------------------------------------


def _findings(machine: Machine) -> Safe:
    try:
        report = check(machine)
    except InputError as error:
        return section("Findings", paragraph(str(error)))
    rows = [
        (
            found.severity,
            Safe("") if found.base is None else html.address(found.base, found.last or found.base),
            Safe(f"{html.safe(found.text)}<small>{html.safe(f'{found.rule}: {found.source}')}</small>"),
        )
        for found in [*report][:_MOST_ROWS]
    ]
    left = len(report) - len(rows)
    more = [paragraph(f"and {left} more findings")] if left > 0 else []
    ram = [] if machine.e820 else [paragraph("RAM was not checked: the dump has no RAM map", "soft")]
    nothing = [] if rows else [paragraph("nothing wrong found")]
    return section("Findings", *nothing, table(("", "range", "what"), rows), *more, *ram)


def _pat(machine: Machine) -> Safe:
    pat = machine.pat
    if pat is None:
        return section("PAT", paragraph("not told"))
    rows = [
        (
            f"PA{n}",
            type_mark(kind),
            Safe(f"<code>0x{pte_bits(n, 1):02x}</code>"),
            Safe(f"<code>0x{pte_bits(n, 2):04x}</code>"),
        )
        for n, kind in enumerate(pat.types)
    ]
    name = f" ({pat.name})" if pat.name else ""
    value = Safe(f"<code>0x{pat.value:016x}</code>{html.safe(name)}")
    return section("PAT", paragraph(value), table(("entry", "type", "bits of a 4 KiB leaf", "of a larger one"), rows))


def _kvm(machine: Machine, kernel: str, dma: bool) -> Safe:
    state = machine.mtrrs
    if state is None:
        return section("KVM", paragraph("the registers are not told"))
    vm = Vm(kernel, vendor=state.vendor, noncoherent_dma=dma, vcpus=[Vcpu(mtrrs=state, pat=machine.pat)])
    memory = _map(machine)
    rows = []
    for s in memory.segments[:_MOST_SEGMENTS] if memory is not None else ():
        leaf = vm.leaf(s.base)
        rows.append((html.address(s.base, s.last), type_mark(s.type), type_mark(leaf.type), f"IPAT={int(leaf.ipat)}",
                     type_mark(vm.effective(s.base, pat="WB")), str(leaf.why)))  # fmt: skip
    devices = "non-coherent" if dma else "no non-coherent"
    about = f"{vm.profile}, {state.vendor}, {devices} DMA: a guest with these registers"
    head = ("range", "guest MTRR", "leaf", "", "effective, entry WB", "why")
    return section("KVM", paragraph(about), table(head, rows))


def _notes(machine: Machine) -> Safe:
    if not machine.notes:
        return Safe("")
    items = "".join(f"<li>{html.safe(str(note))}</li>" for note in machine.notes)
    return section("Notes", Safe(f"<ul>{items}</ul>"))


def _quoted(machines: Sequence[Machine], quoted: Sequence[str]) -> Iterator[Safe]:
    room = _MOST_QUOTED // max(len(quoted), 1)
    for machine, text in zip(machines, quoted):
        if not text:
            continue
        shown = text[:room]
        left = len(text) - len(shown)
        cut = [paragraph(f"and {left:,} more characters")] if left else []
        title = f"Input: {os.path.basename(machine.source)}"
        yield section(title, Safe(f"<pre>{html.safe(shown)}</pre>"), *cut)
