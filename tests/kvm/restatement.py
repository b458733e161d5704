"""KVM's rules once more, for tests: written from the specification's text, page by page, with dictionaries alone.

It shares no code with `memtype.kvm`: registers are a dictionary, a release is a tuple of numbers, a leaf is a pair.
Section numbers are those of the specification (spec/kvm.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field

FIXED = (0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F)
ALL_GFNS = (1 << 52) - 1
UC, WC, WT, WP, WB = 0, 1, 4, 5, 6
VALID = {UC, WC, WT, WP, WB}


@dataclass
class Cpu:
    """One vCPU: its MSRs, whether a mask was ever written, and the order in which pairs were last written."""

    width: int
    has_mtrr: bool = True
    cd: bool = False
    msrs: dict[int, int] = field(default_factory=dict)
    masks: set[int] = field(default_factory=set)
    writes: list[int] = field(default_factory=list)  # pairs, the latest write last

    def get(self, index: int) -> int:
        return self.msrs.get(index, 0)


@dataclass
class Machine:
    """A VM under an upstream release: (6, 4), or (6, 11, "rc")."""

    release: tuple
    vendor: str
    tdp: str  # ept, npt, none
    cpus: list[Cpu]
    devices: int = 0
    snoop: bool = True
    asked: set[str] = field(default_factory=set)  # quirks that userspace disabled
    tdx: bool = False

    @property
    def number(self) -> tuple:
        return tuple(self.release[:2])

    @property
    def rc(self) -> bool:
        return "rc" in self.release

    def since(self, *number: int) -> bool:
        return self.number >= number


# --- 3.6: is a quirk effective? -----------------------------------------------------------------------------------


def supported(vm: Machine) -> set[str]:
    found = set()
    if vm.since(4, 4):
        found |= {"CD_NW_CLEARED"}
    if vm.since(6, 16):
        found |= {"IGNORE_GUEST_PAT"}
    if vm.since(7, 2):
        found |= {"NESTED_SVM_SHARED_PAT"}
    if (vm.vendor == "intel" and not vm.snoop) or vm.tdp == "none":
        found -= {"IGNORE_GUEST_PAT"}
    return found


def quirk(vm: Machine, name: str) -> bool:
    if name == "CD_NW_CLEARED" and not vm.since(4, 4):
        return False
    if name == "IGNORE_GUEST_PAT" and not vm.since(6, 16):
        return False
    if not vm.since(6, 16):
        return name not in vm.asked
    inapplicable = {"CD_NW_CLEARED", "IGNORE_GUEST_PAT"}
    inapplicable -= {"IGNORE_GUEST_PAT"} if vm.vendor == "intel" else {"CD_NW_CLEARED"}
    disabled = inapplicable & supported(vm) | vm.asked & supported(vm)
    if vm.tdx:
        disabled |= {"IGNORE_GUEST_PAT"}
    return name not in disabled


# --- 2: the guest's MTRR type -------------------------------------------------------------------------------------


def slot_type(cpu: Cpu, gpa: int) -> int:
    table = b"".join(cpu.get(index).to_bytes(8, "little") for index in FIXED)
    if gpa < 0x80000:
        return table[gpa >> 16]
    return table[8 + (gpa - 0x80000 >> 14)] if gpa < 0xC0000 else table[24 + (gpa - 0xC0000 >> 12)]


def list_range(cpu: Cpu, n: int) -> tuple[int, int]:
    """2.2, with the stored mask extended once it was written; the end is taken modulo 2**64."""
    start = cpu.get(0x200 + 2 * n) >> 12 << 12
    stored = cpu.get(0x201 + 2 * n) >> 12 << 12
    if n in cpu.masks:
        stored |= (1 << 64) - (1 << cpu.width)
    return start, ((start | ~stored & (1 << 64) - 1) + 1) % (1 << 64)


def list_order(cpu: Cpu) -> list[int]:
    """2.3: descending raw base; of equal bases the one written last comes first."""
    valid = [n for n in range(8) if cpu.get(0x201 + 2 * n) & 0x800]
    latest = {n: place for place, n in enumerate(cpu.writes)}
    return sorted(valid, key=lambda n: (-cpu.get(0x200 + 2 * n), -latest.get(n, -1)))


def list_type(cpu: Cpu, gpa: int) -> int:
    default = cpu.get(0x2FF)
    if not default & 0x800:
        return UC if cpu.has_mtrr else WB
    if default & 0x400 and gpa < 1 << 20:
        return slot_type(cpu, gpa)
    found = None
    for n in list_order(cpu):
        start, end = list_range(cpu, n)
        if not start <= gpa < end:
            continue
        kind = cpu.get(0x200 + 2 * n) & 0xFF
        if found is None or kind == found:
            found = kind
        elif kind == UC:
            return UC
        elif {kind, found} == {WB, WT}:
            found = WT
        else:
            return WB
    return default & 0xFF if found is None else found


def legacy_type(cpu: Cpu, gpa: int) -> int:
    default = cpu.get(0x2FF)
    if not default & 0xC00:
        return WB
    if gpa < 1 << 20:
        return slot_type(cpu, gpa)
    if not default & 0x800:
        return default & 0xFF
    kinds = set()
    for n in range(8):
        base, mask = cpu.get(0x200 + 2 * n), cpu.get(0x201 + 2 * n)
        if mask & 0x800 and gpa & mask >> 12 << 12 == base & mask >> 12 << 12:
            kinds.add(base & 0xFF)
    if not kinds:
        return default & 0xFF
    if len(kinds) == 1:
        return kinds.pop()
    return WT if kinds == {WT, WB} else UC


def mtrr_type(vm: Machine, cpu: Cpu, gpa: int) -> int:
    if vm.since(6, 11):
        return WB
    return list_type(cpu, gpa) if vm.since(4, 4) else legacy_type(cpu, gpa)


# --- 3, 4, 5: the leaf --------------------------------------------------------------------------------------------


def leaf(vm: Machine, cpu: Cpu, gpa: int) -> tuple[int, int]:
    """(type, IPAT) of a page that is not host MMIO; without EPT PAT entry 0, WB."""
    if vm.tdp != "ept":
        return WB, 0
    if not vm.devices:
        if vm.rc:
            return WB, int(not vm.snoop)
        if vm.since(6, 16):
            return WB, int(quirk(vm, "IGNORE_GUEST_PAT"))
        return WB, 1
    if vm.since(6, 11):
        return WB, 0
    if cpu.cd and vm.since(4, 4):
        if quirk(vm, "CD_NW_CLEARED"):
            return WB, int(not vm.since(6, 7))
        return UC, 1
    return mtrr_type(vm, cpu, gpa), 0


# --- 2.6: how large a page may be ---------------------------------------------------------------------------------


def consistent(cpu: Cpu, gpa: int, size: int) -> bool:
    default = cpu.get(0x2FF)
    if not default & 0x800:
        return True
    found = None
    if default & 0x400 and gpa < 1 << 20:
        place = gpa
        while place < min(gpa + size, 1 << 20):
            kind = slot_type(cpu, place)
            if found is not None and kind != found:
                return False
            found = kind
            place += 0x1000
        if gpa + size <= 1 << 20:
            return True
    partial, cover = False, gpa
    for n in list_order(cpu):
        start, end = list_range(cpu, n)
        if end <= gpa or start >= gpa + size:
            continue
        partial = partial or cover < start
        cover = max(cover, end)
        kind = cpu.get(0x200 + 2 * n) & 0xFF
        if found is not None and kind != found:
            return False
        found = kind
    partial = partial or cover < gpa + size
    return not partial or found is None or found == default & 0xFF


def level(vm: Machine, cpu: Cpu, gfn: int) -> int:
    if not vm.since(4, 4) or vm.since(6, 11):
        return 3
    gate = vm.tdp == "ept" and bool(vm.devices) if vm.since(6, 0) else vm.tdp != "none"
    for wanted, pages in ((3, 1 << 18), (2, 1 << 9)):
        if not gate or consistent(cpu, gfn // pages * pages << 12, pages << 12):
            return wanted
    return 1


# --- 1: which writes are taken ------------------------------------------------------------------------------------


def takes(vm: Machine, cpu: Cpu, index: int, value: int) -> bool:
    entries = value.to_bytes(8, "little")
    if index == 0x277:
        unchecked = not vm.since(3, 18) and vm.vendor == "intel"
        return unchecked or all(entry in VALID | {7} for entry in entries)
    if index in FIXED:
        return all(entry in VALID for entry in entries)
    if index == 0x2FF:
        return not value & ~0xCFF and value & 0xFF in VALID
    if 0x200 <= index <= 0x20F or (index == 0x2F8 and vm.number <= (4, 6)):
        if not vm.since(3, 18):
            return value & 0xFF in VALID
        if value >> cpu.width:
            return False
        return not value & 0x7FF if index % 2 else value & 0xFF in VALID and not value & 0xF00
    return False


# --- 6: zaps ------------------------------------------------------------------------------------------------------


def mtrr_gate(vm: Machine) -> bool:
    if not vm.since(4, 4) or vm.since(6, 11) or not vm.devices:
        return False
    return vm.tdp == "ept" if vm.since(6, 7) else vm.tdp != "none"


def write(vm: Machine, cpu: Cpu, index: int, value: int) -> tuple[bool, list[tuple[int, int]]]:
    """(taken, zapped gfn ranges); the registers change where it is taken."""
    if not takes(vm, cpu, index, value):
        return False, []
    if index == 0x2F8:
        return True, []
    cpu.msrs[index] = value
    if 0x200 <= index <= 0x20F:
        n = (index - 0x200) // 2
        cpu.writes = [m for m in cpu.writes if m != n] + [n]
        if index % 2:
            cpu.masks.add(n)
    if index == 0x277 or not mtrr_gate(vm):
        return True, []
    if index == 0x2FF:
        return True, [(0, ALL_GFNS)]
    if not cpu.get(0x2FF) & 0x800:
        return True, []
    if index in FIXED:
        first = {0x250: 0, 0x258: 0x80, 0x259: 0xA0}.get(index, 0xC0 + 8 * (index - 0x268))
        pages = {0x250: 0x80, 0x258: 0x20, 0x259: 0x20}.get(index, 8)
        return True, [(first, first + pages)] if cpu.get(0x2FF) & 0x400 else []
    start, end = list_range(cpu, (index - 0x200) // 2)
    return True, [(start >> 12, end >> 12)] if start < end else []


def toggle(vm: Machine, cpu: Cpu, cd: bool) -> tuple[bool, list[tuple[int, int]]]:
    if vm.tdx and cd:
        return False, []
    changed, cpu.cd = cpu.cd != cd, cd
    if not changed or not vm.since(4, 4) or vm.since(6, 11) or not vm.devices or quirk(vm, "CD_NW_CLEARED"):
        return True, []
    return True, [(0, (1 << 64) - 1)] if vm.tdp == "ept" or not vm.since(6, 7) else []


def count(vm: Machine, devices: int) -> tuple[bool, list[tuple[int, int]]]:
    changed, vm.devices = bool(vm.devices) != bool(devices), devices
    if not changed or not vm.since(6, 7):
        return True, []
    if vm.rc:
        zaps = vm.tdp == "ept" and not vm.snoop
    elif vm.since(6, 16):
        zaps = quirk(vm, "IGNORE_GUEST_PAT")
    else:
        zaps = vm.tdp == "ept"
    return True, [(0, ALL_GFNS)] if zaps else []


def disable(vm: Machine, names: set[str], checked: bool) -> tuple[bool, list[tuple[int, int]]]:
    if not vm.since(5, 19) if checked else not vm.since(4, 2):
        return False, []
    if checked and names - supported(vm):
        return False, []
    vm.asked = vm.asked | names if vm.since(6, 16) else set(names)
    return True, []
