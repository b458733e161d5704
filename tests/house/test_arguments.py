"""Every parameter of the public surface, handed values of every wrong kind: an answer or an error of this package's
own in one line, and nothing else. A public function that is new is asked too; where it needs a value that is not in
`GOOD`, this test says so."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import memtype as mt
from memtype import errors
from memtype.arguments import shown

STATE = mt.MtrrState(0x806, variable=[(0x80000000, 0x3FFF80000800)], maxphyaddr=46)
PAT = mt.Pat("linux")
MACHINE = mt.Machine(cpus=(mt.Cpu(0, STATE, PAT),))
VM = mt.kvm.Vm("6.4", vendor="intel", tdp="ept", noncoherent_dma=True, vcpus=[mt.kvm.Vcpu(mtrrs=STATE, pat=PAT)])
ZAP = VM.apply(mt.kvm.WriteMsr(0x277, PAT.value, vcpu=0))[1]
HUGE = 10**5000, [-(10**5000)]  # more digits than Python prints
JUNK = (
    None, 1, -1, 2**70, 1.5, "x", b"x", [], {}, object(), [object()], [2**70], [-1], [1.5], [[1], [2, 3]], (1, 2, 3),
    np.uint8(1), np.int64(-1), np.uint64(2**64 - 1), np.float64(1.5), np.bool_(True), np.str_("x"),
    np.zeros(2), np.array(["x"]), np.array([None]), np.zeros((2, 2), np.uint64), True, float("nan"), 1j,
    *HUGE, "x" * 5000, "a\nb", bytearray(b"x"), np.array(1), np.ma.array([1], mask=[1]),
)  # fmt: skip

# Values that do, by the name of the parameter or by "function.parameter".
GOOD: dict[str, Any] = {
    "a": STATE, "b": STATE, "alias.a": "WB", "alias.b": "WC", "msrs": {0x2FF: 0x806}, "addresses": [0, 1 << 20],
    "codes": [6],
    "address": 0, "first_gfn": 0, "count": 1, "base": 0, "size": 4096, "name": "xen", "segments": [(0, 4096, "WB")],
    "kind": "WB", "pte": 0, "ptes": [0, 8], "eptes": [0x30], "eptp": 6, "entry": 0, "index": 0x277, "value": 6,
    "values": [6], "types": ["WB"] * 8, "type": "WB", "ipat": False, "pat": "WB", "mtrr": "WB", "ept_type": "WB",
    "guest_pat": "WB", "host_pat": "WB", "pcd": False, "pwt": False, "state": STATE, "states": [STATE],
    "def_type": 0x806, "fixed": [0] * 11, "variable": [], "text": "MTRRdefType: 0x806", "machine": MACHINE,
    "source": STATE, "wanted": "WC", "start": 0, "end": 4096, "form": "json", "maxphyaddr": 46, "place": 0, "stop": 1,
    "StateArray.def_type": [0x806], "StateArray.fixed": [[0] * 11], "StateArray.base": [[0]], "StateArray.mask": [[0]],
    "effective_types.pat": "linux", "effective_ept_types.pat": "linux", "want.pat": "linux", "want.at": 0, "leaf": 0,
    "gpa": 0, "gfn": 0, "gfns": [0, 1], "sptes": np.zeros(2, np.uint64), "level": 1, "release": "6.4", "vcpu": 0,
    "event": mt.kvm.WriteMsr(0x277, PAT.value, vcpu=0), "pages": 512, "MemoryMap.types": [6], "bases": [0],
    "MemoryMap.bases": [0], "what": STATE, "path": "no such file", "leaves": [0x30], "quirks": ["CD_NW_CLEARED"],
    "mtrrs": STATE, "profile": "6.4", "vm": VM, "mmio": False, "bits": 0x30, "number": 0, "l1_gpa": 0, "l1_entry": 0x30,
    "l2_pat": PAT, "events": [], "pfn_valid": True, "emit.form": "json", "NoncoherentDma.value": True,
    "target": STATE.map, "reserve.want": "UC-", "over": "WC", "ids": [0, 0],
    "vmcs12": mt.kvm.Vmcs12(), "gpat": PAT, "cpu": 0, "bit": 40,
    "column": [0], "found": [6], "collection": [0], "classify.ranges": [(0, 8192)], "classify.state": STATE,
    "parse.text": "6", "Vm.release": "6.4", "Pat.value": 6, "effective.pat": "WB",
}  # fmt: skip

# Records that the package makes and hands out: no one makes them by hand.
MADE = {
    "Alias", "Change", "Conflict", "Diff", "Explanation", "Finding", "PageType", "Report", "Segment", "Want", "Machine",
    "Cpu", "PageRun", "Pages", "Split", "LeafFault", "Verification", "Leaf", "Profile", "Replay", "Zap",
    "Plan", "RoundTrip", "Result",
}  # fmt: skip
INSTANCES = {
    "MtrrState": STATE, "MemoryMap": STATE.map, "Pat": PAT, "Explanation": STATE.explain(0), "View": STATE.view("xen"),
    "View of Linux": STATE.view("linux-6.5"), "StateArray": mt.StateArray.of([STATE]), "Machine": MACHINE,
    "MemoryType": mt.MemoryType.WB, "Want": mt.want("WC", mtrr="UC"), "PageType": mt.page_type(STATE, 0), "Vm": VM,
    "Zap": ZAP, "Vcpu": VM.vcpus[0],
}  # fmt: skip


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for room, prefix in ((mt, ""), (mt.kvm, ""), (mt.arrow, "arrow."), (mt.scale, "scale.")):
        for name in room.__all__:
            member = getattr(room, name)
            if not callable(member) or name in MADE or (isinstance(member, type) and issubclass(member, BaseException)):
                continue
            yield f"{prefix}{name}", member
    for label, instance in INSTANCES.items():
        for name, member in inspect.getmembers_static(type(instance)):
            plain = getattr(member, "__func__", member)
            if not name.startswith("_") and inspect.isfunction(plain) and plain.__module__.startswith("memtype"):
                yield f"{label}.{name}", getattr(instance, name)


CALLS = dict(functions())


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    if function is mt.MemoryType:  # the other parameters are those of `enum`, which makes new enumerations
        return [inspect.Parameter("value", inspect.Parameter.POSITIONAL_ONLY)]
    try:
        return [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    except ValueError:
        return []


def good(label: str, parameter: inspect.Parameter) -> Any:
    """A value that does; a parameter with a default is left to it, unless its default refuses."""
    last = label.rsplit(".", 1)[-1]
    for key in (f"{label}.{parameter.name}", f"{last}.{parameter.name}", parameter.name):
        if key in GOOD and (parameter.default is parameter.empty or "." in key):
            return GOOD[key]
    assert parameter.default is not parameter.empty, f"{label}: no good value for {parameter.name!r} in GOOD"
    return parameter.default


@pytest.mark.parametrize("label", CALLS)
def test_a_wrong_argument_gives_an_answer_or_an_error_of_ours(label: str) -> None:
    function, wanted = CALLS[label], parameters(CALLS[label])
    usual = {p.name: good(label, p) for p in wanted}
    leaks = []
    for parameter in wanted:
        for junk in JUNK:
            if function is mt.MemoryType and (isinstance(junk, np.ndarray) or any(junk is each for each in HUGE)):
                continue  # `enum` itself compares an array with ==, and prints every digit
            values = usual | {parameter.name: junk}
            positional = [values.pop(p.name) for p in wanted if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
            more = values.pop(parameter.name, None) if parameter.kind is parameter.VAR_POSITIONAL else ()
            try:
                function(*positional, *(more if isinstance(more, tuple) else (more,)), **values)
            except errors.MemtypeError as error:
                if not str(error).isprintable() or len(str(error)) > 800:
                    leaks.append(f"{parameter.name}={shown(junk)}: no short line")
            except Exception as error:
                leaks.append(f"{parameter.name}={shown(junk)}: {type(error).__name__}: {error!s:.80}")
    assert not leaks, "\n".join(leaks)
