"""This host, as far as it lets itself be read. Files and devices are opened for reading only; no program is run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from memtype import rules
from memtype.errors import MemtypeError, ParseError
from memtype.formats import linux_dmesg, pat_memtype_list, proc_mtrr
from memtype.machine import Cpu, Machine, Note, RamRange
from memtype.mtrr import MtrrState
from memtype.pat import Pat
from memtype.reading.bytes import read_bytes, text_of
from memtype.reading.merge import merge
from memtype.reading.notes import not_told, still_open
from memtype.told import Registers

NAME = "host-msr"
MAX_LOG = 32 << 20  # the largest ring buffer that Linux can be built with
_RECORD = re.compile(r"^\d+,\d+,\d+,[^;\n]*;", re.M)  # what /dev/kmsg puts in front of a message


def read(root: Path = Path("/")) -> Machine:
    """All sources below `root` (tests give another one) as one machine; what was refused is in the notes."""
    return _Host(root).machine()


@dataclass(slots=True)
class _Host:
    root: Path
    refused: list[str] = field(default_factory=list)

    def machine(self) -> Machine:
        processor = self._processor()
        log = self._parsed(linux_dmesg, f"{self._kernel_log()}\n{processor}", "/dev/kmsg") or Machine()
        if log.maxphyaddr is None:  # the log was refused
            log = self._parsed(linux_dmesg, processor, "/proc/cpuinfo") or Machine()
        machines = [*self._registers(log), log]
        for family, path in ((proc_mtrr, "proc/mtrr"), (pat_memtype_list, "sys/kernel/debug/x86/pat_memtype_list")):
            text = self._text(path)
            if family.sniff(text) and (machine := self._parsed(family, text, f"/{path}")):
                machines.append(machine)
        merged = merge([machine for machine in machines if machine is not log or _tells_something(log)] or [log])
        notes = list(merged.notes)
        if merged.mtrrs is None:
            notes = [*still_open(notes, ["registers"]), not_told("registers", "neither /dev/cpu/*/msr nor /proc/mtrr")]
        e820 = merged.e820 or self._memmap()
        if self.refused:
            notes.append(Note("not read on this host: " + ", ".join(self.refused), "refused-by-host"))
        kernel = merged.kernel or (os.uname().release if self.root == Path("/") else None)
        return replace(merged, kernel=kernel, e820=e820, notes=tuple(notes))

    # --- files --------------------------------------------------------------------------------------------------

    def _text(self, path: str) -> str:
        try:
            return text_of(read_bytes(self.root / path)[1], f"/{path}")
        except ParseError as error:
            cause = error.__cause__  # the system's own words; the error's name is that of a file below `root`
            self.refused.append(f"/{path} ({cause.strerror})" if isinstance(cause, OSError) else str(error))
            return ""

    def _parsed(self, family: ModuleType, text: str, name: str) -> Machine | None:
        try:
            machine: Machine = family.parse(text, name)
        except MemtypeError as error:
            self.refused.append(str(error))
            return None
        return machine

    def _processor(self) -> str:
        """The first processor's lines of /proc/cpuinfo: vendor and physical address width."""
        return self._text("proc/cpuinfo").split("\n\n")[0]

    def _kernel_log(self) -> str:
        """The kernel's ring buffer: what dmesg prints."""
        try:
            device = os.open(self.root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            self.refused.append(f"the kernel log ({error.strerror})")
            return ""
        try:
            return _RECORD.sub("", _drain(device).decode(errors="replace")).replace("\0", "")
        finally:
            os.close(device)

    def _memmap(self) -> tuple[RamRange, ...]:
        """The firmware's RAM map from /sys/firmware/memmap."""
        found = []
        for entry in sorted((self.root / "sys/firmware/memmap").glob("[0-9]*"), key=lambda path: int(path.name)):
            try:
                start, last, kind = ((entry / name).read_text().strip() for name in ("start", "end", "type"))
                base, size = int(start, 16), int(last, 16) - int(start, 16) + 1
            except (OSError, ValueError):
                self.refused.append("/sys/firmware/memmap")
                return ()
            found.append(RamRange(base, size, "usable" if kind.lower() in rules.E820_RAM else kind))
        return tuple(found)

    # --- registers ----------------------------------------------------------------------------------------------

    def _registers(self, log: Machine) -> list[Machine]:
        """The MSRs of every processor, where they may be read."""
        cpus = []
        numbers = sorted(int(path.name) for path in (self.root / "dev/cpu").glob("[0-9]*") if path.name.isdigit())
        for number in numbers:
            try:
                cpus.append(self._cpu(number, log))
            except (OSError, MemtypeError) as error:
                self.refused.append(f"/dev/cpu/{number}/msr ({getattr(error, 'strerror', None) or error})")
                break
        if not cpus:
            return []
        return [Machine(tuple(cpus), NAME, vendor=log.vendor, maxphyaddr=log.maxphyaddr, width=log.width)]

    def _cpu(self, number: int, log: Machine) -> Cpu:
        device = os.open(self.root / f"dev/cpu/{number}/msr", os.O_RDONLY)
        try:
            read = _reader(device)
            state = MtrrState.from_msrs(read, log.maxphyaddr, log.vendor or "intel")
            told = replace(Registers.of(state), width=log.width, vendor=log.vendor)
            return Cpu(number, told, Pat(read(rules.PAT_MSR)))
        finally:
            os.close(device)


def _tells_something(log: Machine) -> bool:
    return bool(log.mtrrs or log.pat or log.e820 or log.vendor or log.printed_map or log.facts)


def _reader(device: int) -> Callable[[int], int]:
    def read(index: int) -> int:
        try:
            data = os.pread(device, 8, index)
        except OSError:
            if index in (rules.SYSCFG_MSR, rules.TOP_MEM2_MSR):
                return 0  # guests often have none: then nothing is forced to WB
            raise
        if len(data) != 8:
            raise OSError(0, f"{rules.msr_name(index)} gave {len(data)} bytes")
        return int.from_bytes(data, "little")

    return read


def _drain(device: int) -> bytes:
    """All that is in the device now: /dev/kmsg gives one record a read, and blocks where the log ends."""
    parts, size = [], 0
    while size < MAX_LOG:
        try:
            part = os.read(device, 1 << 16)
        except BlockingIOError:
            break
        except BrokenPipeError:
            continue  # a record was overwritten while it was read
        except OSError:
            break
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)
