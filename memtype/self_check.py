"""Self-check (`memtype verify`): the C core against the reference, and the rules against this host's KVM.

Whatever differs is a finding, and none is hidden: a KVM that takes a value which the manual refuses is one too, with
the kernel's name, since a report is about this machine.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice, product
from pathlib import Path
from typing import Any, Final

import numpy as np

from memtype import arguments, arrays, backends, rules
from memtype.backends import reference
from memtype.embed.kvm import DEVICE, HostVm
from memtype.embed.kvm_guest import GuestVm
from memtype.errors import InputError, LiveReadRefused, MemtypeError
from memtype.mtrr import MtrrState
from memtype.vectors.addresses import chosen
from memtype.vectors.draw import Draw
from memtype.vectors.states import WIDTHS, random_pair, registers

DEFAULT_SECONDS: Final = 10.0
_SHOWN: Final = 5  # findings of one kind that a report keeps; the others are counted
_FIRST_PLAIN: Final = 200  # register files between two lines of progress
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference: what kind, in words, with all that is needed to see it again."""

    kind: str
    text: str


@dataclass(slots=True)
class Part:
    """One comparison: how much was asked in how long, what differed, or why it was not asked."""

    name: str
    text: str
    count: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)  # how many findings of each kind there are
    skipped: str = ""

    @property
    def rate(self) -> float:
        """Comparisons in a second."""
        return self.count / self.seconds if self.seconds else 0.0

    def differ(self, kind: str, text: str) -> None:
        """Count a finding, and keep the first of its kind."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] <= _SHOWN:
            self.findings.append(Finding(kind, text))


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared on which machine.

    Attributes
    ----------
    seed : with the same seed the same states are asked, as far as the time goes
    kernel, modules, processor : this host; `modules` are those of KVM
    backend, isas : the implementation that was compared, and the instruction sets that run here
    parts : the comparisons
    """

    seed: int
    kernel: str
    modules: tuple[str, ...]
    processor: str
    backend: str
    isas: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def differs(self) -> bool:
        return any(part.kinds for part in self.parts)


def verify(
    seconds: float = DEFAULT_SECONDS, seed: int = 0, progress: Progress | None = None, device: str = DEVICE
) -> Report:
    """Compare for about `seconds`, of which KVM gets at most a third.

    Parameters
    ----------
    seconds : float
        How long, from 0.1 to a day.
    seed : int
        Which random states and values.
    progress : function of one line, optional
        Called about once a second with what was compared so far.
    device : str
        The KVM device.

    Raises
    ------
    InputError
        For a time or a seed out of bounds.

    Examples
    --------
    >>> found = verify(0.1, device="/nonexistent")
    >>> [part.name for part in found.parts], found.differs
    (['tables', 'registers', 'addresses', 'kvm', 'guest'], False)
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0.1 <= seconds <= 86_400:
        raise InputError(f"seconds {arguments.shown(seconds)}: from 0.1 to 86400")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed {arguments.shown(seed)}: a number of 64 bits")
    tell = _once_a_second(progress)
    asked = backends.active
    parts = (
        _timed(Part("tables", "every cell of the tables of effective types"), lambda part: _tables(part, asked)),
        _timed(Part("registers", "WRMSR: which values are refused"),
               lambda part: _registers(part, asked, seed, seconds / 10, tell)),
        _timed(Part("addresses", "the types of 64 addresses of random register files, by each instruction set"),
               lambda part: _addresses(part, seed, seconds * 0.55, tell)),
        _timed(Part("kvm", "KVM_SET_MSRS and KVM_GET_MSRS of a virtual machine: what is taken, what is read back"),
               lambda part: _kvm(part, HostVm, seed, seconds / 6, tell, device)),
        _timed(Part("guest", "WRMSR by a guest that runs in it: what raises #GP, what is read back"),
               lambda part: _kvm(part, GuestVm, seed, seconds / 6, tell, device)),
    )  # fmt: skip
    return Report(seed, kernel(), kvm_modules(), _processor(), asked.name, tuple(_isas()), parts)


def _timed(part: Part, compare: Callable[[Part], None]) -> Part:
    began = time.monotonic()
    compare(part)
    part.seconds = time.monotonic() - began
    return part


def _once_a_second(progress: Progress | None) -> Callable[[Part, float], None]:
    last = [time.monotonic()]

    def tell(part: Part, began: float) -> None:
        now = time.monotonic()
        if progress is not None and now - last[0] >= 1:
            last[0] = now
            found = sum(part.kinds.values())
            progress(f"{part.name}: {part.count:,} compared, {part.count / (now - began):,.0f}/s, {found} differ")

    return tell


# --- this machine -----------------------------------------------------------------------------------------------


def kernel() -> str:
    """The running kernel as it names itself."""
    return " ".join((platform.system(), platform.release(), platform.machine()))


def kvm_modules() -> tuple[str, ...]:
    """The modules of KVM that are loaded or built in, in order: which implementation answers."""
    root = Path("/sys/module")
    return tuple(sorted(path.name for path in root.glob("kvm*"))) if root.is_dir() else ()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "not told"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "not told")


def _native() -> Any:
    """The C core, or None where it is not built."""
    try:
        return backends.load("native")
    except MemtypeError:
        return None


def _isas() -> list[str]:
    native = _native()
    return native.isas() if native else []


# --- the C core and the reference ---------------------------------------------------------------------------------

_INPUTS: Final = tuple(sorted(rules.MTRR_INPUTS)), tuple(sorted(rules.PAT_INPUTS))


def _tables(part: Part, asked: Any) -> None:
    """All of it: some thousands of cells."""
    mtrrs, pats = _INPUTS
    flags = (False, True)
    for vendor, cd, mtrr, pat in product(("intel", "amd"), flags, mtrrs, pats):
        _same(part, "effective", asked.effective, reference.effective, vendor, cd, mtrr, pat)
    for vendor, mtrr, pcd, pwt in product(("intel", "amd"), mtrrs, flags, flags):
        _same(part, "pcd-pwt", asked.effective_pcd_pwt, reference.effective_pcd_pwt, vendor, mtrr, pcd, pwt)
    for kind, ipat, pat, cd in product(mtrrs, flags, pats, flags):
        _same(part, "ept", asked.effective_ept, reference.effective_ept, kind, ipat, pat, cd)
    for guest, host, mtrr, snp, cd in product(pats, pats, mtrrs, flags, flags):
        _same(part, "npt", asked.effective_npt, reference.effective_npt, guest, host, mtrr, snp, cd)


def _same(part: Part, kind: str, one: Callable[..., Any], other: Callable[..., Any], *given: Any) -> None:
    part.count += 1
    said, right = one(*given), other(*given)
    if said != right:
        part.differ(kind, f"{kind} {given}: {said!s}, by the reference {right!s}")


def _values(seed: int) -> Iterator[tuple[int, int, int, str]]:
    """(MSR, value, width, vendor) without end: legal values, one bit or byte changed, and anything."""
    draw = Draw(f"verify values {seed}")
    indexes = (*rules.saved_msrs(8), *rules.saved_msrs(8), 0x20F, 0x210, 0x251, 0x270, rules.MTRRCAP)
    while True:
        index, width = draw.one_of(indexes), draw.one_of(WIDTHS)
        if index in rules.FIXED_MSRS or index == rules.PAT_MSR:
            value = int.from_bytes(bytes(draw.one_of((0, 1, 4, 5, 6)) for _ in range(8)), "little")
            if draw.chance(50):
                place = 8 * draw.below(8)
                value = value & ~(0xFF << place) | draw.one_of((2, 3, 7, 8, 0x18, draw.below(256))) << place
        else:
            value = draw.bits(width) & rules.page_bits(width) | draw.one_of((0, 1, 4, 5, 6)) * (index % 2 == 0)
            if index == rules.DEF_TYPE_MSR:
                value = draw.bits(12) & ~0x300
            if draw.chance(40):
                value ^= 1 << draw.below(64)
        yield index, draw.bits(64) if draw.chance(5) else value, width, draw.one_of(("intel", "amd"))


def _registers(part: Part, asked: Any, seed: int, seconds: float, tell: Callable[[Part, float], None]) -> None:
    began = time.monotonic()
    values = _values(seed)
    while time.monotonic() - began < seconds:
        for given in islice(values, _FIRST_PLAIN):
            part.count += 1
            said, right = asked.msr_fault(*given), reference.msr_fault(*given)
            if said != right:
                index, value, width, vendor = given
                where = f"MSR 0x{index:x} = 0x{value:x} ({vendor}, {width} bits)"
                part.differ(f"0x{index:x}", f"{where}: {said}, by the reference {right}")
        tell(part, began)


def _states(seed: int) -> Iterator[tuple[str, MtrrState]]:
    """Register files without end, as the vectors' "anything" are made."""
    number = 0
    while True:
        name = f"verify {seed} {number}"
        draw = Draw(name)
        width = draw.one_of(WIDTHS)
        slots = bytes(draw.one_of((0, 1, 4, 5, 6, 6, 0x1E, 2)) for _ in range(88))
        pairs = [random_pair(draw, width) for _ in range(draw.below(draw.one_of((3, 11, 24, 100))))]
        yield name, registers(
            draw.one_of((0xC00, 0xC06, 0x800, 0x806, 0xC04, 0x803, 0x406)), pairs, width,
            vendor=draw.one_of(("intel", "amd")), syscfg=draw.one_of((0, 0x60_0000, 0x20_0000)),
            tom2=draw.bits(draw.one_of((33, 36, 44, 64))),
            fixed=[int.from_bytes(slots[8 * n : 8 * n + 8], "little") for n in range(11)],
            cap=draw.one_of((0x508, 0x508, 0x408)),
        )  # fmt: skip
        number += 1


def _addresses(part: Part, seed: int, seconds: float, tell: Callable[[Part, float], None]) -> None:
    began = time.monotonic()
    native = _native()
    for name, state in _states(seed):
        asked = chosen(state, name)
        right = [int(reference.at(state, address)) for address in asked]
        words = np.array(asked, arrays.U64)
        for isa in native.isas() if native else ["python"]:
            said = np.empty(len(asked), arrays.U8)
            if native:
                native.types_by_set(isa, state, words, said)
            else:
                backends.active.types(state, words, said)
            _compare(part, isa, state, asked, said.tolist(), right)
        _compare(part, "one by one", state, asked, [int(backends.active.at(state, a)) for a in asked], right)
        tell(part, began)
        if time.monotonic() - began >= seconds:
            return


def _compare(part: Part, way: str, s: MtrrState, asked: tuple[int, ...], said: list[int], right: list[int]) -> None:
    part.count += len(asked)
    if said == right:
        return
    for address, one, other in zip(asked, said, right, strict=True):
        if one != other:
            part.differ(way, f"{way}: 0x{address:x} is {one}, by the reference {other}, of {s!r}")


# --- the KVM of this host -----------------------------------------------------------------------------------------


def _kvm(
    part: Part, kind: type[HostVm], seed: int, seconds: float, tell: Callable[[Part, float], None], device: str
) -> None:
    """Values of every register at several widths. The guest's registers are KVM's: 8 pairs, no AMD extensions."""
    began = time.monotonic()
    values = _values(seed)
    try:
        for number in count():
            with kind(WIDTHS[(number * 5 + seed) % len(WIDTHS)], device) as vm:
                for index, value, _, _ in islice(values, _FIRST_PLAIN):
                    _ask(part, vm, index, value)
            tell(part, began)
            if time.monotonic() - began >= seconds:
                return
    except LiveReadRefused as error:
        part.skipped = str(error)


def _ask(part: Part, vm: HostVm, index: int, value: int) -> None:
    """One write, by the guest where it runs, else by user space. MTRRCAP is constant: KVM may take it from user space
    as a feature, so only its value is asked there."""
    part.count += 1
    name, where = rules.msr_name(index), f"MSR 0x{index:x} = 0x{value:x} at {vm.maxphyaddr} bits"
    write = vm.wrmsr if isinstance(vm, GuestVm) else vm.set_msr
    if index == rules.MTRRCAP and not isinstance(vm, GuestVm):
        if vm.get_msr(index) != rules.KVM_MTRRCAP:
            part.differ(f"{name} reads", f"{name} is {vm.get_msr(index)}, not 0x{rules.KVM_MTRRCAP:x}")
        return
    taken, right = (
        write(index, value),
        _has(index) and reference.msr_fault(index, value, vm.maxphyaddr, "intel") is None,
    )
    if taken != right:
        part.differ(f"{name} {'taken' if taken else 'refused'}", f"{where}: {'taken' if taken else 'refused'}, "
                    f"by the manual {'taken' if right else 'refused'}")  # fmt: skip
    if taken and vm.get_msr(index) != value:
        read = vm.get_msr(index)
        part.differ(f"{name} reads", f"{where}: reads back as {'nothing' if read is None else hex(read)}")


def _has(index: int) -> bool:
    """Whether KVM has the register: 8 pairs."""
    return not rules.PHYSBASE0 + 2 * rules.KVM_PAIRS <= index < rules.FIXED_MSRS[0]
