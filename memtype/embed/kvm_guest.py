"""WRMSR by a guest on this host's KVM: one page of memory, three bytes of code, and what the processor makes of them.

The guest is in real mode. It writes one register and halts behind it; where the write is refused #GP leads to another
HLT. It cannot reach anything but its own page.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import struct
from typing import Final

from memtype import rules
from memtype.embed.kvm import DEVICE, HostVm
from memtype.errors import LiveReadRefused

# linux/kvm.h
_GET_VCPU_MMAP_SIZE: Final = 0xAE04
_SET_USER_MEMORY_REGION: Final = 0x4020AE46
_SET_TSS_ADDR: Final = 0xAE47
_RUN: Final = 0xAE80
_SET_REGS: Final = 0x4090AE82
_GET_REGS: Final = 0x8090AE81
_GET_SREGS: Final = 0x8138AE83
_SET_SREGS: Final = 0x4138AE84
_EXIT_HLT: Final = 5

_REGION: Final = struct.Struct("<IIQQQ")  # slot, flags, guest address, size, address here
_REGS: Final = struct.Struct("<18Q")  # rax rbx rcx rdx rsi rdi rsp rbp, r8 to r15, rip rflags
_SREGS_SIZE: Final = 0x138
_CS_BASE, _CS_SELECTOR = 0, 12  # in struct kvm_sregs
_EXIT_REASON: Final = 8  # in struct kvm_run
_TSS: Final = 0x7FFB_D000  # where Intel processors without "unrestricted guest" keep three pages; beyond our page

_CODE, _REFUSED, _STACK = 0x600, 0x610, 0xF00
_WRMSR_HLT, _HLT = b"\x0f\x30\xf4", b"\xf4"
_GP_VECTOR: Final = 4 * 13  # a vector of real mode: offset and segment, two bytes each


class GuestVm(HostVm):
    """A `HostVm` whose virtual processor also runs; a context manager.

    Parameters
    ----------
    maxphyaddr, device : as of `HostVm`

    Raises
    ------
    LiveReadRefused
        When the device is absent or not permitted, or the guest cannot run here.

    Examples
    --------
    ::

        >>> with GuestVm(maxphyaddr=39) as vm:                             # doctest: +SKIP
        ...     vm.wrmsr(0x2FF, 0xC06), vm.wrmsr(0x2FF, 0xC07)
        (True, False)
    """

    def _open(self, device: str = DEVICE, width: int | None = None) -> None:
        super()._open(device, width)
        self._memory = mmap.mmap(-1, rules.PAGE_SIZE)
        self._memory[_CODE : _CODE + 3], self._memory[_REFUSED : _REFUSED + 1] = _WRMSR_HLT, _HLT
        self._memory[_GP_VECTOR : _GP_VECTOR + 4] = struct.pack("<HH", _REFUSED, 0)
        kvm, vm, _ = self._files
        here = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        fcntl.ioctl(vm, _SET_TSS_ADDR, _TSS)
        fcntl.ioctl(vm, _SET_USER_MEMORY_REGION, _REGION.pack(0, 0, 0, rules.PAGE_SIZE, here))
        self._run = mmap.mmap(self._vcpu, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE, 0))
        segments = bytearray(_SREGS_SIZE)
        fcntl.ioctl(self._vcpu, _GET_SREGS, segments, True)
        struct.pack_into("<Q", segments, _CS_BASE, 0)
        struct.pack_into("<H", segments, _CS_SELECTOR, 0)
        fcntl.ioctl(self._vcpu, _SET_SREGS, segments, True)

    def wrmsr(self, index: int, value: int) -> bool:
        """Whether WRMSR in the guest takes the value; False: it raises #GP.

        Raises
        ------
        LiveReadRefused
            When KVM does not run the guest to one of its two ends.
        """
        eax, ecx, edx, rsp, rip, rflags = 0, 2, 3, 6, 16, 17
        registers = [0] * 18
        registers[eax], registers[edx], registers[ecx] = value & 0xFFFF_FFFF, value >> 32, index
        registers[rsp], registers[rip], registers[rflags] = _STACK, _CODE, 1 << 1  # bit 1 is always set
        fcntl.ioctl(self._vcpu, _SET_REGS, bytearray(_REGS.pack(*registers)), True)
        try:
            fcntl.ioctl(self._vcpu, _RUN, 0)
        except OSError as error:
            raise LiveReadRefused(f"KVM does not run the guest: {error.strerror or error}") from None
        (reason,) = struct.unpack_from("<I", self._run, _EXIT_REASON)
        ended = bytearray(_REGS.size)
        fcntl.ioctl(self._vcpu, _GET_REGS, ended, True)
        end = _REGS.unpack(ended)[rip]
        taken = {_CODE + len(_WRMSR_HLT): True, _REFUSED + len(_HLT): False}
        if reason != _EXIT_HLT or end not in taken:
            raise LiveReadRefused(f"KVM does not run the guest: exit {reason} at 0x{end:x}")
        return taken[end]
