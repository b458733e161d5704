"""A register file as other tools take it. Everything is text (or bytes) for others to use; nothing is ever run.

Each form can be read back by this package: what a form cannot hold, its comments say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from memtype import rules
from memtype.errors import InputError
from memtype.machine import Cpu, Machine
from memtype.mtrr import MtrrState
from memtype.pat import Pat
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
    writer = FORMS.get(form)
    if writer is None:
        raise InputError(f"{form!r} is no form to emit (one of {', '.join(FORMS)})")
    machine = what if isinstance(what, Machine) else _machine(what)
    if form != "json" and machine.mtrrs is None:
        raise InputError(f"no MTRRs to emit: {'; '.join(machine.notes) or 'the machine tells none'}")
    return writer(machine)


def _machine(state: MtrrState) -> Machine:
    from memtype.formats import own_json

    return Machine((Cpu(0, state),), own_json.NAME, vendor=state.vendor, maxphyaddr=state.maxphyaddr)


def _remark(state: MtrrState) -> str:
    """What a form says of the state beside its registers, as `memtype.reading` takes it back."""
    from memtype.reading import registers

    return registers.remark(state)


def _first(machine: Machine) -> tuple[MtrrState, Pat | None]:
    cpu = next(cpu for cpu in machine.cpus if cpu.mtrrs is not None)
    assert cpu.mtrrs is not None
    return cpu.mtrrs, cpu.pat if cpu.pat is not None else machine.pat


def _writable(state: MtrrState, pat: Pat | None) -> list[tuple[int, int]]:
    """(index, value) of every register that can be written; MTRRCAP, which cannot, is in the remark."""
    msrs = {index: value for index, value in state.msrs().items() if index != rules.MTRRCAP}
    if pat is not None:
        msrs[rules.PAT_MSR] = pat.value
    if state.syscfg or state.tom2:
        msrs |= {rules.SYSCFG_MSR: state.syscfg, rules.TOP_MEM2_MSR: state.tom2}
    return sorted(msrs.items())


# --- the forms ----------------------------------------------------------------------------------------------------


def _json_text(machine: Machine) -> str:
    import json

    from memtype.formats import own_json

    return json.dumps(own_json.dump(machine), indent=2) + "\n"


def _c(machine: Machine) -> str:
    state, pat = _first(machine)
    rows = [f"\t{{ 0x{i:08x}, 0x{v:016x}ULL }}, /* {rules.msr_name(i)} */" for i, v in _writable(state, pat)]
    head = f"/* {_remark(state)} */"
    declaration = "static const struct { uint32_t index; uint64_t value; } mtrr_msrs[] = {"
    return "\n".join((head, declaration, *rows, "};")) + "\n"


def _rust(machine: Machine) -> str:
    state, pat = _first(machine)
    msrs = _writable(state, pat)
    rows = [f"    (0x{i:08x}, 0x{v:016x}), // {rules.msr_name(i)}" for i, v in msrs]
    declaration = f"pub const MTRR_MSRS: [(u32, u64); {len(msrs)}] = ["
    return "\n".join((f"// {_remark(state)}", declaration, *rows, "];")) + "\n"


def _edk2(machine: Machine) -> str:
    state, _ = _first(machine)
    fixed = [f"    0x{value:016X}ULL, // {rules.msr_name(i)}" for i, value in zip(rules.FIXED_MSRS, state.fixed)]
    pairs = [f"    {{ 0x{base:016X}ULL, 0x{mask:016X}ULL }}, // {n}" for n, (base, mask) in enumerate(state.variable)]
    if len(state.variable) > rules.NUMBERED_PAIRS:
        raise InputError(f"{len(state.variable)} pairs; MTRR_SETTINGS as written here holds {rules.NUMBERED_PAIRS}")
    return "\n".join(
        (
            f"// {_remark(state)}",
            "MTRR_SETTINGS  mMtrrSettings = {",
            "  { {", *fixed, "  } },",
            "  { {", *(pairs or ["    { 0 }"]), "  } },",
            f"  0x{state.def_type:016X}ULL // MtrrDefType",
            "};",
        )
    ) + "\n"  # fmt: skip


def _kvm_text(machine: Machine) -> str:
    blocks = []
    for cpu in machine.cpus:
        if cpu.mtrrs is None:
            continue
        rows = [
            f"{{ .index = 0x{i:08x}, .data = 0x{v:016x} }}, /* {rules.msr_name(i)} */"
            for i, v in _writable(cpu.mtrrs, cpu.pat)
        ]
        blocks += [f"/* {_remark(cpu.mtrrs)} */", f"/* vcpu {cpu.number} */", *rows]
    return "\n".join(blocks) + "\n"


def _kvm_bytes(machine: Machine) -> bytes:
    from memtype.formats import kvm_msrs

    found = b""
    for cpu in machine.cpus:
        if cpu.mtrrs is not None:
            msrs = _writable(cpu.mtrrs, cpu.pat)
            found += kvm_msrs.HEADER.pack(len(msrs), 0)
            found += b"".join(kvm_msrs.ENTRY.pack(index, 0, value) for index, value in msrs)
    return found


def _wrmsr(machine: Machine) -> str:
    blocks = []
    several = sum(cpu.mtrrs is not None for cpu in machine.cpus) > 1
    for cpu in machine.cpus:
        if cpu.mtrrs is None:
            continue
        where = f"-p {cpu.number}" if several or cpu.number else "-a"
        blocks += [f"# {_remark(cpu.mtrrs)}"]
        # IA32_MTRR_DEF_TYPE, the highest number below the AMD registers, comes last of the MTRRs
        blocks += [f"wrmsr {where} 0x{i:x} 0x{v:016x}  # {rules.msr_name(i)}" for i, v in _writable(cpu.mtrrs, cpu.pat)]
    return "\n".join(blocks) + "\n"


def _proc_mtrr(machine: Machine) -> str:
    state, _ = _first(machine)
    kind = rules.type_of(state.def_type & rules.DEF_TYPE_TYPE)
    rows = [
        f"# {_remark(state)}",
        f"# not to be set here: default type {kind.linux_name}, E {_bit(state.def_type, rules.DEF_TYPE_E)}, "
        f"FE {_bit(state.def_type, rules.DEF_TYPE_FE)}, the fixed ranges",
    ]
    for n, (base, mask) in enumerate(state.variable):
        if mask & rules.MASK_VALID:
            start, size, kind = _span(n, base, mask, state.maxphyaddr)
            rows.append(f'echo "base=0x{start:x} size=0x{size:x} type={kind.linux_name}" > /proc/mtrr')
    return "\n".join(rows) + "\n"


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
    state, _ = _first(machine)
    enabled, fixed = state.def_type & rules.DEF_TYPE_E, state.def_type & rules.DEF_TYPE_FE
    rows = [f"MTRR default type: {_linux(state.def_type & rules.DEF_TYPE_TYPE)}"]
    if state.has_fixed:
        rows.append(f"MTRR fixed ranges {'enabled' if enabled and fixed else 'disabled'}:")
        rows += _fixed_lines(state)
    rows.append(f"MTRR variable ranges {'enabled' if enabled else 'disabled'}:")
    digits = (state.maxphyaddr - 32 + 3) // 4 + 8
    for n, (base, mask) in enumerate(state.variable):
        if mask & rules.MASK_VALID:
            start, field = (value & ~(rules.PAGE_SIZE - 1) for value in (base, mask))
            rows.append(f"  {n} base {start:0{digits}X} mask {field:0{digits}X} {_linux(base & rules.BASE_TYPE)}")
        else:
            rows.append(f"  {n} disabled")
    if state.vendor == "amd" and state.syscfg & rules.SYSCFG_TOM2_EN and state.syscfg & rules.SYSCFG_TOM2_FORCE_WB:
        tom2 = state.tom2 & rules.TOM2_FIELD
        rows.append(f"TOM2: {tom2:016x} aka {tom2 >> 20}M")
    return "\n".join(rows) + "\n"


def _linux(encoding: int) -> str:
    kind = rules.type_of(encoding)
    return "?" if kind is MemoryType.UNDEFINED else kind.linux_name


def _fixed_lines(state: MtrrState) -> list[str]:
    kinds = b"".join(value.to_bytes(8, "little") for value in state.fixed)
    if state.vendor == "amd":
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
