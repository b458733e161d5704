"""A register file as other tools take it. Everything is text (or bytes) for others to use; nothing is ever run.

Each form can be read back by this package: what a form cannot hold, its comments say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from memtype import arguments, rules
from memtype.errors import InputError
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.told import ALL, RESERVED, Registers, Width, pair_numbers
from memtype.types import MemoryType

_LINUX_FIXED_DIGITS = 5


def emit(what: Machine | MtrrState, form: str) -> str | bytes:
    """A machine or a state in another tool's form.

    Parameters
    ----------
    what : `Machine` or `MtrrState`
        Of a machine, forms that hold one processor take the first that has MTRRs.
    form : str
        One of ``json c rust edk2 kvm kvm-bytes wrmsr proc-mtrr dmesg``.

    Returns
    -------
    str; bytes for ``kvm-bytes``.

    Raises
    ------
    InputError
        For an unknown form, a machine without MTRRs, or a state that the form cannot hold.

    Examples
    --------
    >>> s = MtrrState(def_type=0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
    >>> print(emit(s, "proc-mtrr").splitlines()[-1])
    echo "base=0x80000000 size=0x80000000 type=uncachable" > /proc/mtrr
    """
    writer = FORMS.get(form) if isinstance(form, str) else None
    if writer is None:
        raise InputError(f"{arguments.shown(form)} is no form to emit (one of {', '.join(FORMS)})")
    machine = what.one_state() if isinstance(what, Machine) else _machine(arguments.given(what, MtrrState, "what"))
    if form != "json" and machine.registers is None:
        raise InputError(f"no MTRRs to emit: {'; '.join(machine.notes) or 'the machine tells none'}")
    return writer(machine)


def _machine(state: MtrrState) -> Machine:
    from memtype.formats import own_json

    width = Width(state.maxphyaddr, reduced=True)
    cpu = Cpu(0, state)
    return Machine((cpu,), own_json.NAME, vendor=state.vendor, maxphyaddr=state.maxphyaddr, width=width)


def _remark(told: Registers, written: int, def_type: bool = False) -> str:
    """What a form says beside its registers, and how many it wrote, as `memtype.reading` takes it back."""
    from memtype.reading.registers import Remark

    width = None if told.width is None else Width(told.maxphyaddr, reduced=True)
    base = told.register(rules.DEF_TYPE_MSR) if def_type else None
    whole = base if base is not None and base.told else None
    return str(Remark(written, width, told.vendor, told.held.get(rules.MTRRCAP), whole))


def _first(machine: Machine) -> tuple[Registers, Pat | None]:
    cpu = next(cpu for cpu in machine.cpus if cpu.registers is not None)
    assert cpu.registers is not None
    return cpu.registers, cpu.pat if cpu.pat is not None else machine.pat


def _writable(told: Registers, pat: Pat | None) -> list[tuple[int, int]]:
    """(index, value) of every register that was told and can be written; MTRRCAP, which cannot, is in the remark."""
    listed = told.listed
    if listed > rules.NUMBERED_PAIRS:
        raise InputError(f"{listed} pairs; only {rules.NUMBERED_PAIRS} have MSR numbers")
    single = (rules.DEF_TYPE_MSR, *rules.FIXED_MSRS)
    msrs = {i: told.held[i].value for i in single if i in told.held and told.held[i].told}
    for n in range(listed):
        for index, half in zip(pair_numbers(n), _pair(told, n), strict=True):
            msrs |= {} if half is None else {index: half}
    if pat is not None:
        msrs[rules.PAT_MSR] = pat.value
    extra = {i: told.held[i] for i in (rules.SYSCFG_MSR, rules.TOP_MEM2_MSR) if i in told.held}
    if told.vendor == "amd" or any(register.value for register in extra.values()):
        msrs |= {i: register.value for i, register in extra.items() if register.told}
    return sorted(msrs.items())


def _pair(told: Registers, n: int) -> tuple[int | None, int | None]:
    """PHYSBASE and PHYSMASK of pair n to write, each None where it is not told; a pair that is off is 0."""
    if n in told.ranges and told.width is None:
        raise InputError(f"range {n}: its mask depends on MAXPHYADDR, which is not told (--maxphyaddr)")
    low, high = told.pair(n)
    if high.tells(rules.MASK_VALID) and not high.value & rules.MASK_VALID and not high.told:
        return 0, 0
    return low.value if low.told else None, high.value if high.told else None


def _pairs(told: Registers, form: str) -> list[tuple[int, int]]:
    """All pairs, for a form that holds no gap."""
    gap = next((gap for gap in told.gaps if gap.what == "pairs"), None)
    if gap is not None:
        raise InputError(f"{form} cannot hold a gap: {gap.text}")
    found = []
    for n in range(told.listed):
        base, mask = _pair(told, n)
        if n not in told.ranges and not any(index in told.held for index in pair_numbers(n)):
            base, mask = 0, 0  # the list is whole: it leaves out what is off
        if base is None or mask is None:
            raise InputError(f"{form} cannot hold a gap: variable range {n} is not told")
        found.append((base, mask))
    return found


def _told(told: Registers, index: int, bits: int, form: str) -> int:
    """A register's value, for a form that holds no gap."""
    register = told.register(index)
    if not register.tells(bits):
        raise InputError(f"{form} cannot hold a gap: {rules.msr_name(index)} (0x{index:x}) is not told")
    return register.value | (RESERVED * 0x0101_0101_0101_0101 & register.hidden)


# --- the forms ----------------------------------------------------------------------------------------------------


def _json_text(machine: Machine) -> str:
    import json

    from memtype.formats import own_json

    return json.dumps(own_json.dump(machine), indent=2) + "\n"


def _c(machine: Machine) -> str:
    msrs = _writable(*_first(machine))
    rows = [f"\t{{ 0x{i:08x}, 0x{v:016x}ULL }}, /* {rules.msr_name(i)} */" for i, v in msrs]
    head = f"/* {_remark(_first(machine)[0], len(msrs))} */"
    declaration = "static const struct { uint32_t index; uint64_t value; } mtrr_msrs[] = {"
    return "\n".join((head, declaration, *rows, "};")) + "\n"


def _rust(machine: Machine) -> str:
    msrs = _writable(*_first(machine))
    rows = [f"    (0x{i:08x}, 0x{v:016x}), // {rules.msr_name(i)}" for i, v in msrs]
    declaration = f"pub const MTRR_MSRS: [(u32, u64); {len(msrs)}] = ["
    return "\n".join((f"// {_remark(_first(machine)[0], len(msrs))}", declaration, *rows, "];")) + "\n"


def _edk2(machine: Machine) -> str:
    told, _ = _first(machine)
    held = [_told(told, i, ALL, "edk2") if told.has_fixed or i in told.held else 0 for i in rules.FIXED_MSRS]
    fixed = [f"    0x{value:016X}ULL, // {rules.msr_name(i)}" for i, value in zip(rules.FIXED_MSRS, held)]
    both = _pairs(told, "edk2")
    pairs = [f"    {{ 0x{base:016X}ULL, 0x{mask:016X}ULL }}, // {n}" for n, (base, mask) in enumerate(both)]
    if len(pairs) > rules.NUMBERED_PAIRS:
        raise InputError(f"{len(pairs)} pairs; MTRR_SETTINGS as written here holds {rules.NUMBERED_PAIRS}")
    written = len(rules.FIXED_MSRS) + 2 * len(pairs) + 1
    return "\n".join(
        (
            f"// {_remark(told, written)}",
            "MTRR_SETTINGS  mMtrrSettings = {",
            "  { {", *fixed, "  } },",
            "  { {", *(pairs or ["    { 0 }"]), "  } },",
            f"  0x{_told(told, rules.DEF_TYPE_MSR, ALL, 'edk2'):016X}ULL // MtrrDefType",
            "};",
        )
    ) + "\n"  # fmt: skip


def _each(machine: Machine) -> list[tuple[int, Registers, list[tuple[int, int]]]]:
    """(number, registers, what to write) of every processor that tells registers."""
    told = [(cpu.number, cpu.registers, cpu.pat) for cpu in machine.cpus if cpu.registers is not None]
    return [(number, registers, _writable(registers, pat)) for number, registers, pat in told]


def _kvm_text(machine: Machine) -> str:
    blocks = []
    for number, told, msrs in _each(machine):
        rows = [f"{{ .index = 0x{i:08x}, .data = 0x{v:016x} }}, /* {rules.msr_name(i)} */" for i, v in msrs]
        blocks += [f"/* {_remark(told, len(msrs))} */", f"/* vcpu {number} */", *rows]
    return "\n".join(blocks) + "\n"


def _kvm_bytes(machine: Machine) -> bytes:
    from memtype.formats import kvm_msrs

    found = b""
    for _, _, msrs in _each(machine):
        found += kvm_msrs.HEADER.pack(len(msrs), 0)
        found += b"".join(kvm_msrs.ENTRY.pack(index, 0, value) for index, value in msrs)
    return found


def _wrmsr(machine: Machine) -> str:
    blocks = []
    each = _each(machine)
    for number, told, msrs in each:
        where = f"-p {number}" if len(each) > 1 or number else "-a"
        blocks += [f"# {_remark(told, len(msrs))}"]
        # IA32_MTRR_DEF_TYPE, the highest number below the AMD registers, comes last of the MTRRs
        blocks += [f"wrmsr {where} 0x{i:x} 0x{v:016x}  # {rules.msr_name(i)}" for i, v in msrs]
    return "\n".join(blocks) + "\n"


def _proc_mtrr(machine: Machine) -> str:
    told, _ = _first(machine)
    spans = []
    for n, (base, mask) in enumerate(_sized(told)):
        if mask & rules.MASK_VALID:
            start, size, kind = _span(n, base, mask, told.maxphyaddr)
            spans.append(f'echo "base=0x{start:x} size=0x{size:x} type={kind.linux_name}" > /proc/mtrr')
    spans = list(dict.fromkeys(spans))  # a command once more takes no register: Linux counts a user
    def_type = told.register(rules.DEF_TYPE_MSR)
    unset = "not to be set here: the default type, E, FE, the fixed ranges"
    if def_type.told:
        kind = rules.type_of(def_type.value & rules.DEF_TYPE_TYPE)
        e, fe = _bit(def_type.value, rules.DEF_TYPE_E), _bit(def_type.value, rules.DEF_TYPE_FE)
        unset = f"not to be set here: default type {kind.linux_name}, E {e}, FE {fe}, the fixed ranges"
    return "\n".join([f"# {_remark(told, len(spans), True)}", f"# {unset}", *spans]) + "\n"


def _sized(told: Registers) -> list[tuple[int, int]]:
    """All pairs; those that were printed by their size need no width."""
    if told.width is None:
        told = replace(told, width=Width(told.maxphyaddr, reduced=True))
    return _pairs(told, "proc-mtrr")


def _bit(value: int, bit: int) -> int:
    return int(bool(value & bit))


def _span(n: int, base: int, mask: int, maxphyaddr: int) -> tuple[int, int, MemoryType]:
    """A register as base, size and type; refused where it denotes more than one block or no type."""
    bits = rules.page_bits(maxphyaddr)
    size = (~mask & bits) + rules.PAGE_SIZE
    kind = rules.type_of(base & rules.BASE_TYPE)
    if size & (size - 1):
        raise InputError(f"range {n}: mask 0x{mask:x} has holes: it is no base and size")
    if kind is MemoryType.UNDEFINED:
        raise InputError(f"range {n}: type {base & rules.BASE_TYPE} is reserved")
    return base & mask & bits, size, kind


def _dmesg(machine: Machine) -> str:
    """The lines of Linux up to 6.4: raw base and mask, fixed ranges merged."""
    told, _ = _first(machine)
    base = _told(told, rules.DEF_TYPE_MSR, rules.DEF_TYPE_TYPE | rules.DEF_TYPE_E, "dmesg")
    enabled, fixed = base & rules.DEF_TYPE_E, base & rules.DEF_TYPE_FE
    pairs = _pairs(told, "dmesg")
    rows = [f"# {_remark(told, len(pairs), True)}", f"MTRR default type: {_linux(base & rules.DEF_TYPE_TYPE)}"]
    if told.has_fixed:
        held = [_told(told, index, ALL, "dmesg") for index in rules.FIXED_MSRS]
        rows.append(f"MTRR fixed ranges {'enabled' if enabled and fixed else 'disabled'}:")
        rows += _fixed_lines(held, told.vendor)
    rows.append(f"MTRR variable ranges {'enabled' if enabled else 'disabled'}:")
    digits = (told.maxphyaddr - 32 + 3) // 4 + 8
    for n, (low, mask) in enumerate(pairs):
        if mask & rules.MASK_VALID:
            start, field = (value & ~(rules.PAGE_SIZE - 1) for value in (low, mask))
            rows.append(f"  {n} base {start:0{digits}X} mask {field:0{digits}X} {_linux(low & rules.BASE_TYPE)}")
        else:
            rows.append(f"  {n} disabled")
    syscfg, tom2 = told.register(rules.SYSCFG_MSR).value, told.register(rules.TOP_MEM2_MSR).value & rules.TOM2_FIELD
    if told.vendor == "amd" and syscfg & rules.SYSCFG_TOM2_EN and syscfg & rules.SYSCFG_TOM2_FORCE_WB:
        rows.append(f"TOM2: {tom2:016x} aka {tom2 >> 20}M")
    return "\n".join(rows) + "\n"


def _linux(encoding: int) -> str:
    kind = rules.type_of(encoding)
    return "?" if kind is MemoryType.UNDEFINED else kind.linux_name


def _fixed_lines(fixed: list[int], vendor: str | None) -> list[str]:
    kinds = b"".join(value.to_bytes(8, "little") for value in fixed)
    if vendor == "amd":
        kinds = bytes(kind & ~rules.AMD_FIXED_ROUTING for kind in kinds)
    rows, start = [], 0
    for n, span in enumerate(rules.FIXED_RANGES):
        if n + 1 == len(kinds) or kinds[n + 1] != kinds[n]:
            last = span.base + span.size - 1
            width = _LINUX_FIXED_DIGITS
            rows.append(f"  {start:0{width}X}-{last:0{width}X} {_linux(kinds[n])}")
            start = last + 1
    return rows


FORMS: Final[dict[str, Callable[[Machine], str | bytes]]] = {
    "json": _json_text,
    "c": _c,
    "rust": _rust,
    "edk2": _edk2,
    "kvm": _kvm_text,
    "kvm-bytes": _kvm_bytes,
    "wrmsr": _wrmsr,
    "proc-mtrr": _proc_mtrr,
    "dmesg": _dmesg,
}
