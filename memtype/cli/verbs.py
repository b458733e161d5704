"""The verbs: which there are, in which group, and what each does, in one line. Nothing is loaded to list them."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Final

DEFAULT: Final = "show"

GROUPS: Final[dict[str, dict[str, str]]] = {
    "look": {
        "show": "show a dump: registers in use, PAT, memory map, what is odd, what is missing (the default verb)",
        "at": "the memory type of addresses and ranges, and why",
        "table": "the truth tables: MTRR with PAT, EPT, nested paging; the 'most restrictive wins' myth refuted",
        "pat": "decode IA32_PAT and what each entry gives; 'pat diff A B' compares two",
        "pte": "decode a page-table entry on every paging mode; with a dump its effective type",
    },
    "ask": {
        "want": "which PAT entry and page-table bits give a type at an address, or why none does",
        "check": "what is wrong: RAM that is not WB, cached devices, processors that differ, bad values",
        "alias": "'conflicting memory types' in a log, overlaps in pat_memtype_list: who, which pair, is it harmful",
        "pages": "the largest pages of one memory type: how many of 1 GiB, 2 MiB, 4 KiB, what splits them",
        "plan": "the fewest variable ranges, proved, for a map: a dump's with changes, a RAM map's, a guest's",
        "verify-ept": "compare a dumped EPT with the MTRRs: wrong types, misconfigured entries, pages that span types",
    },
    "compare": {
        "diff": "compare dumps, or the processors of one (--cpus), by what their registers mean",
    },
    "KVM": {
        "kvm": "what KVM puts into a leaf and what the guest gets; matrix: who honours what; diff A B: two releases",
        "zap": "must KVM zap when an MSR, CR0.CD, a device or a quirk changes - and does it?",
        "msrs": "the registers that define memory types: what a virtual machine monitor saves and restores",
    },
    "make": {
        "plot": "pictures as SVG or PNG: the map, before and after, pages, processors, tables, KVM's releases and zaps",
        "report": "one HTML page about a dump, or two: map with reasons, findings, PAT, processors; no scripts",
        "capture": "read this host (more with root) and print one JSON that every verb reads; nothing is ever written",
        "classify": "the types of the addresses in files of any size: counted, by group, written beside them",
        "sample": "print the log of a machine that is built in, to try the other verbs on",
        "verify": "compare the C core with the reference, and this host's KVM with the rules; what differs is printed",
        "vectors": "conformance vectors for other projects as JSON, C, Rust or Go; --check judges a program's answers",
        "schema": "the JSON Schema of what --json prints",
        "rules": "every rule that an answer can cite: identifier, what it says, where it stands",
    },
}

HELP: Final[dict[str, str]] = {name: text for group in GROUPS.values() for name, text in group.items()}


def load(name: str) -> ModuleType:
    """The module of a verb: ``verify-ept`` is ``verify_ept``."""
    return importlib.import_module(f"memtype.cli.{name.replace('-', '_')}")
