"""The KVM API of this host, with the standard library alone: a virtual machine whose MSRs are set and read.

KVM is an independent judge of which values a register takes. Nothing runs in the virtual machine, and no
register of the host is touched.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Final

from memtype import rules
from memtype.arguments import check_maxphyaddr
from memtype.errors import LiveReadRefused, RegisterError
from memtype.mtrr import MtrrState
from memtype.pat import Pat

DEVICE: Final = "/dev/kvm"

# linux/kvm.h
_API_VERSION: Final = 12
_GET_API_VERSION: Final = 0xAE00
_CREATE_VM: Final = 0xAE01
_GET_SUPPORTED_CPUID: Final = 0xC008AE05
_CREATE_VCPU: Final = 0xAE41
_GET_MSRS: Final = 0xC008AE88
_SET_MSRS: Final = 0x4008AE89
_SET_CPUID2: Final = 0x4008AE90

_MSRS: Final = struct.Struct("<IIIIQ")  # struct kvm_msrs with one entry: nmsrs, pad, index, reserved, data
_CPUID_HEAD: Final = struct.Struct("<II")  # nent, padding
_CPUID_ENTRY: Final = struct.Struct("<7I12x")  # function, index, flags, eax, ebx, ecx, edx, padding
_CPUID_ROOM: Final = 256  # entries; KVM fills about 60
_WIDTH_LEAF: Final = 0x8000_0008
_PAIRS: Final = 8  # KVM's MTRRCAP.VCNT


class HostVm:
    """A virtual machine with one virtual processor; a context manager.

    Parameters
    ----------
    maxphyaddr : int, optional
        Physical address width that CPUID tells the guest; the host's without it.
    device : path of the KVM device

    Raises
    ------
    LiveReadRefused
        When the device is absent, not permitted, or not KVM.

    Examples
    --------
    ::

        >>> with HostVm(maxphyaddr=39) as vm:                              # doctest: +SKIP
        ...     vm.set_msr(0x2FF, 0xC06), vm.set_msr(0x2FF, 0xC07)
        (True, False)
    """

    def __init__(self, maxphyaddr: int | None = None, device: str = DEVICE) -> None:
        self._files: list[int] = []
        width = None if maxphyaddr is None else check_maxphyaddr(maxphyaddr)
        try:
            self._open(device, width)
        except OSError as error:
            self.close()
            raise LiveReadRefused(f"{device}: {error.strerror or error}") from None
        except BaseException:
            self.close()
            raise

    def _open(self, device: str, width: int | None) -> None:
        kvm = self._keep(os.open(device, os.O_RDWR | os.O_CLOEXEC))
        version = fcntl.ioctl(kvm, _GET_API_VERSION, 0)
        if version != _API_VERSION:
            raise LiveReadRefused(f"{device}: KVM API version {version}, not {_API_VERSION}")
        vm = self._keep(fcntl.ioctl(kvm, _CREATE_VM, 0))
        self._vcpu = self._keep(fcntl.ioctl(vm, _CREATE_VCPU, 0))
        entries = _supported_cpuid(kvm)
        widths = [eax & 0xFF for function, _, _, eax, *_ in entries if function == _WIDTH_LEAF]
        self.maxphyaddr = width or (*widths, rules.CPUID_ABSENT_MAXPHYADDR)[0]
        fcntl.ioctl(self._vcpu, _SET_CPUID2, _cpuid(entries, self.maxphyaddr), True)

    def _keep(self, file: int) -> int:
        self._files.append(file)
        return file

    def __enter__(self) -> HostVm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the virtual machine back to the kernel."""
        while self._files:
            os.close(self._files.pop())

    def set_msr(self, index: int, value: int) -> bool:
        """Whether KVM took the value, as user space writes it (KVM_SET_MSRS counts what it took)."""
        buffer = bytearray(_MSRS.pack(1, 0, index, 0, value))
        return bool(fcntl.ioctl(self._vcpu, _SET_MSRS, buffer, True) == 1)

    def get_msr(self, index: int) -> int | None:
        """The register's value; None where KVM has no such register."""
        buffer = bytearray(_MSRS.pack(1, 0, index, 0, 0))
        if fcntl.ioctl(self._vcpu, _GET_MSRS, buffer, True) != 1:
            return None
        value: int = _MSRS.unpack(buffer)[4]
        return value

    def read(self, index: int) -> int:
        """The register's value, as `MtrrState.from_msrs` asks for it.

        Raises
        ------
        RegisterError
            When KVM has no such register.
        """
        value = self.get_msr(index)
        if value is None:
            raise RegisterError(f"KVM does not read {rules.msr_name(index)} (0x{index:x})")
        return value

    def load(self, state: MtrrState, pat: Pat | None = None) -> list[int]:
        """Write a state's registers; the indexes of those that KVM refused.

        The default type is written last, so that no half-written state is ever in force. KVM has 8 pairs: of
        others only valid ones count as refused.
        """
        values = state.msrs() | ({} if pat is None else {rules.PAT_MSR: pat.value})
        absent = [i for i in values if rules.PHYSBASE0 + 2 * _PAIRS <= i < rules.FIXED_MSRS[0]]
        refused = [i for i in absent if values[i | 1] & rules.MASK_VALID]
        for index in rules.saved_msrs(_PAIRS):
            if index in values and not self.set_msr(index, values[index]):
                refused.append(index)
        return sorted(refused)

    @property
    def state(self) -> MtrrState:
        """The virtual processor's MTRRs."""
        return MtrrState.from_msrs(self.read, self.maxphyaddr)

    @property
    def pat(self) -> Pat:
        """The virtual processor's PAT."""
        return Pat(self.read(rules.PAT_MSR))


def _supported_cpuid(kvm: int) -> list[tuple[int, ...]]:
    buffer = bytearray(_CPUID_HEAD.pack(_CPUID_ROOM, 0) + bytes(_CPUID_ENTRY.size * _CPUID_ROOM))
    fcntl.ioctl(kvm, _GET_SUPPORTED_CPUID, buffer, True)
    count = _CPUID_HEAD.unpack_from(buffer)[0]
    return [_CPUID_ENTRY.unpack_from(buffer, _CPUID_HEAD.size + _CPUID_ENTRY.size * n) for n in range(count)]


def _cpuid(entries: Iterable[tuple[int, ...]], maxphyaddr: int) -> bytearray:
    """KVM_SET_CPUID2's argument: what KVM supports, with that address width."""
    listed = []
    for function, index, flags, eax, *rest in entries:
        width = eax & ~0xFF | maxphyaddr if function == _WIDTH_LEAF else eax
        listed.append(_CPUID_ENTRY.pack(function, index, flags, width, *rest))
    return bytearray(_CPUID_HEAD.pack(len(listed), 0) + b"".join(listed))
