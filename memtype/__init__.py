"""x86 memory types: which type an address gets, why, and what changes when a register changes."""

from memtype.backends import active as _active
from memtype.errors import (
    AddressError,
    ArrayError,
    BackendMismatch,
    BackendUnavailable,
    InputError,
    LiveReadRefused,
    MemtypeError,
    MissingExtra,
    ParseError,
    RegisterError,
    ShatteredMapError,
)
from memtype.explanation import Explanation
from memtype.formats import load, parse
from memtype.machine import Cpu, Machine
from memtype.memory_map import MemoryMap, Segment
from memtype.mtrr import MtrrState, msr_valid, range_registers
from memtype.types import MemoryType

backend: str = _active.name

__all__ = [
    "AddressError",
    "ArrayError",
    "BackendMismatch",
    "BackendUnavailable",
    "Cpu",
    "Explanation",
    "InputError",
    "LiveReadRefused",
    "Machine",
    "MemoryMap",
    "MemoryType",
    "MemtypeError",
    "MissingExtra",
    "MtrrState",
    "ParseError",
    "RegisterError",
    "Segment",
    "ShatteredMapError",
    "backend",
    "load",
    "msr_valid",
    "parse",
    "range_registers",
]
