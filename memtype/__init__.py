"""x86 memory types: which type an address gets, why, and what changes when a register changes."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

TYPE_CHECKING = False  # typing's own would cost more than all of this
if TYPE_CHECKING:
    from memtype import arrow, hypervisors, kvm, scale
    from memtype.analysis.alias import Alias, alias
    from memtype.analysis.check import Finding, Report, check
    from memtype.analysis.conflicts import Conflict, conflicts
    from memtype.analysis.diff import Change, Diff, diff
    from memtype.analysis.page_type import PageType, page_type
    from memtype.analysis.pages import PageRun, Pages, Split, pages
    from memtype.analysis.plan import Plan, plan
    from memtype.analysis.reserve import Grant, reserve
    from memtype.analysis.verify import LeafFault, Verification, verify
    from memtype.analysis.want import Want, want
    from memtype.arrays import names
    from memtype.effective import effective, effective_npt, effective_pcd_pwt, effective_types
    from memtype.emit import emit
    from memtype.ept import (
        effective_ept,
        effective_ept_types,
        ept_decode,
        ept_leaf,
        ept_misconfigured,
        ept_types,
        ept_walk_type,
        eptp_valid,
    )
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
    from memtype.fleet import StateArray, types_by, types_of_states
    from memtype.formats import load, parse
    from memtype.machine import Cpu, Machine
    from memtype.memory_map import MemoryMap, Segment
    from memtype.mtrr import MtrrState, msr_valid, range_registers
    from memtype.pat import Pat, pat_valid
    from memtype.types import MemoryType

    __version__: str
    backend: str
    isa: str
else:
    # The same names, each imported when it is first asked for: a program pays for what it uses, and the command
    # line is there to be interrupted before numpy is.
    _LATER = {
        "memtype.analysis.alias": ("Alias", "alias"),
        "memtype.analysis.check": ("Finding", "Report", "check"),
        "memtype.analysis.conflicts": ("Conflict", "conflicts"),
        "memtype.analysis.diff": ("Change", "Diff", "diff"),
        "memtype.analysis.page_type": ("PageType", "page_type"),
        "memtype.analysis.pages": ("PageRun", "Pages", "Split", "pages"),
        "memtype.analysis.plan": ("Plan", "plan"),
        "memtype.analysis.verify": ("LeafFault", "Verification", "verify"),
        "memtype.analysis.want": ("Want", "want"),
        "memtype.analysis.reserve": ("Grant", "reserve"),
        "memtype.arrays": ("names",),
        "memtype.effective": ("effective", "effective_npt", "effective_pcd_pwt", "effective_types"),
        "memtype.emit": ("emit",),
        "memtype.ept": (
            "effective_ept",
            "effective_ept_types",
            "ept_decode",
            "ept_leaf",
            "ept_misconfigured",
            "ept_types",
            "ept_walk_type",
            "eptp_valid",
        ),
        "memtype.errors": (
            "AddressError",
            "ArrayError",
            "BackendMismatch",
            "BackendUnavailable",
            "InputError",
            "LiveReadRefused",
            "MemtypeError",
            "MissingExtra",
            "ParseError",
            "RegisterError",
            "ShatteredMapError",
        ),
        "memtype.explanation": ("Explanation",),
        "memtype.fleet": ("StateArray", "types_by", "types_of_states"),
        "memtype.formats": ("load", "parse"),
        "memtype.machine": ("Cpu", "Machine"),
        "memtype.memory_map": ("MemoryMap", "Segment"),
        "memtype.mtrr": ("MtrrState", "msr_valid", "range_registers"),
        "memtype.pat": ("Pat", "pat_valid"),
        "memtype.types": ("MemoryType",),
    }
    _ROOM_OF = {name: room for room, names in _LATER.items() for name in names}

    class _Package(ModuleType):
        """The package. A module binds itself here when it is imported, and ``memtype.effective`` would then be the
        module of that name where the function belongs: such a binding is left out."""

        def __getattr__(self, name):
            if name in ("arrow", "hypervisors", "kvm", "scale"):
                return importlib.import_module(f"memtype.{name}")
            if name in ("backend", "isa"):
                active = importlib.import_module("memtype.backends").active
                found = active.name if name == "backend" else active.isa
            elif name == "__version__":
                found = importlib.import_module("importlib.metadata").version("memtype")
            elif name in _ROOM_OF:
                found = getattr(importlib.import_module(_ROOM_OF[name]), name)
            else:
                raise AttributeError(f"module 'memtype' has no attribute {name!r}")
            self.__dict__[name] = found
            return found

        def __setattr__(self, name, value):
            if not (name in _ROOM_OF and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

        def __reduce__(self):  # a function that is sent to another process may name the package: Dask, Spark, Ray
            return importlib.import_module, (self.__name__,)

        def __dir__(self):
            own = (name for name in self.__dict__ if name.startswith("__") and name.endswith("__"))
            return sorted({*__all__, "__version__", *own})

    sys.modules[__name__].__class__ = _Package

    if os.path.exists(os.path.join(__path__[0], "backends", "not_built.txt")):
        importlib.import_module("memtype.backends")  # an installation without its C core says so at once

__all__ = [
    "AddressError",
    "Alias",
    "ArrayError",
    "BackendMismatch",
    "BackendUnavailable",
    "Change",
    "Conflict",
    "Cpu",
    "Diff",
    "Explanation",
    "Finding",
    "Grant",
    "InputError",
    "LeafFault",
    "LiveReadRefused",
    "Machine",
    "MemoryMap",
    "MemoryType",
    "MemtypeError",
    "MissingExtra",
    "MtrrState",
    "PageRun",
    "PageType",
    "Pages",
    "ParseError",
    "Pat",
    "Plan",
    "RegisterError",
    "Report",
    "Segment",
    "ShatteredMapError",
    "Split",
    "StateArray",
    "Verification",
    "Want",
    "alias",
    "arrow",
    "backend",
    "check",
    "conflicts",
    "diff",
    "effective",
    "effective_ept",
    "effective_ept_types",
    "effective_npt",
    "effective_pcd_pwt",
    "effective_types",
    "emit",
    "ept_decode",
    "ept_leaf",
    "ept_misconfigured",
    "ept_types",
    "ept_walk_type",
    "eptp_valid",
    "hypervisors",
    "isa",
    "kvm",
    "load",
    "msr_valid",
    "names",
    "page_type",
    "pages",
    "parse",
    "pat_valid",
    "plan",
    "range_registers",
    "reserve",
    "scale",
    "types_by",
    "types_of_states",
    "verify",
    "want",
]
