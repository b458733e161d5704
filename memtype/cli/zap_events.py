"""The events of ``memtype zap`` in words: ``pat=VALUE``, ``mtrr:reg7=off``, ``cd=on``, the lines of a trace."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from memtype import rules
from memtype.cli import addresses
from memtype.cli.addresses import number
from memtype.errors import InputError, MemtypeError, ParseError
from memtype.kvm import DisableQuirks, InitVmcb, NoncoherentDma, SetCr0Cd, SetMtrrs, Vm, WriteMsr
from memtype.kvm.releases import NEWEST
from memtype.kvm.zap import Event
from memtype.mtrr import MtrrState, range_registers
from memtype.pat import Pat
from memtype.told import Registers, pair_of
from memtype.types import MemoryType


def trace(path: str) -> list[str]:
    """The events of a file: one a line, # begins a comment."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParseError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    found = []
    for place, line in enumerate(lines, 1):
        word = line.partition("#")[0].strip()
        if word:
            try:
                _check(word)
            except MemtypeError as error:
                raise ParseError(f"{path}:{place}: {error}") from None
            found.append(word)
    return found


def _check(word: str) -> None:
    """Whether the word is an event at all; against which state matters only for what registers it names."""
    event(word, Vm(NEWEST, vcpus=None), any_vcpu=True)


def events(vm: Vm, words: list[str]) -> tuple[Vm, list[Event]]:
    """The events, each read against the VM that it meets; ``ncdma:0->1`` first also says what the VM begins with."""
    found: list[Event] = []
    start, state = vm, vm
    for place, word in enumerate(words):
        before = re.fullmatch(r"ncdma:(\d+)->(\d+)", word.replace(" ", ""))
        if before and int(before[1]) != state.noncoherent_dma:
            if place:
                raise InputError(f"{word}: the VM has {state.noncoherent_dma} non-coherent devices by then")
            start = state = vm.replace(noncoherent_dma=int(before[1]))
        found.append(event(word, state))
        if len(words) > 1:
            state = state.apply(found[-1])[0]
    return start, found


def event(text: str, vm: Vm, any_vcpu: bool = False) -> Event:
    """One event in words, against the VM that it happens to."""
    word = text.strip()
    vcpu = 0
    led = re.fullmatch(r"v?cpu ?=?(\d+)[ :,]+(.*)", word, re.I)
    if led:
        vcpu, word = int(led[1]), led[2]
    state = vm.vcpu(0 if any_vcpu else vcpu).mtrrs
    name, _, value = (part.strip() for part in word.partition("="))
    if name.lower() in ("pat", "ia32_pat"):
        return WriteMsr(rules.PAT_MSR, Pat(value).value if value else _other_pat(vm, vcpu), vcpu)
    if name.lower() in ("cd", "cr0.cd"):
        return SetCr0Cd(_switch(value, text), vcpu)
    if word.lower() == "init-vmcb":
        return InitVmcb(vcpu)
    if name.lower() == "quirk":
        return DisableQuirks(value.split(","))
    if name.lower() in ("ncdma", "noncoherent-dma"):
        return NoncoherentDma(int(_switch(value, text)) if not value.isdigit() else int(value))
    if word.lower().startswith("ncdma:"):
        counts = re.fullmatch(r"(\d+)->(\d+)", word[6:].replace(" ", ""))
        if counts:
            return NoncoherentDma(int(counts[2]))
    msr = re.fullmatch(r"(?:(?:wr)?msr[ :]*)?(0x[0-9a-f]+)[ =]+(\S+)", word, re.I)
    if msr:
        return WriteMsr(number(msr[1]), number(msr[2]), vcpu)
    return _mtrr_event(word, state, vcpu, text)


def _mtrr_event(word: str, state: MtrrState, vcpu: int, text: str) -> WriteMsr | SetMtrrs:
    """``mtrr:reg7=off``, ``mtrr:reg3=0xc0000000+1G=uc``, ``mtrr:off``, ``mtrr:default=wb``."""
    found = re.fullmatch(r"mtrr:reg(\d+)=(.+)", word, re.I)
    if found:
        pair = int(found[1])
        mask = state.variable[pair][1] if pair < len(state.variable) else 0
        if found[2].lower() == "off":
            return WriteMsr(rules.PHYSMASK0 + 2 * pair, mask & ~rules.MASK_VALID, vcpu)
        place, _, kind = found[2].partition("=")
        if pair >= len(state.variable) or not kind:
            raise InputError(f"{text!r}: mtrr:regN=off, or mtrr:regN=BASE+SIZE=TYPE with N below {len(state.variable)}")
        new = range_registers(*addresses.span(place), kind, state.maxphyaddr)
        variable = (*state.variable[:pair], new, *state.variable[pair + 1 :])
        return SetMtrrs(dataclasses.replace(state, variable=variable), vcpu)
    default = re.fullmatch(r"mtrr:default=(\S+)", word, re.I)
    if default:
        kind_bits = MemoryType.parse(default[1])
        return WriteMsr(rules.DEF_TYPE_MSR, state.def_type & ~rules.DEF_TYPE_TYPE | kind_bits, vcpu)
    if word.lower() in ("mtrr:off", "mtrr:on"):
        kept = state.def_type & ~rules.DEF_TYPE_E
        return WriteMsr(rules.DEF_TYPE_MSR, kept | (rules.DEF_TYPE_E if word.lower() == "mtrr:on" else 0), vcpu)
    raise InputError(f"{text!r} is no event (pat=…, msr:0x…=…, mtrr:reg7=off, cd=on, ncdma:0->1, quirk=…)")


def _other_pat(vm: Vm, vcpu: int) -> int:
    """Any other value, for ``pat`` alone: no leaf depends on which."""
    wanted = Pat("linux").value
    return wanted if vm.msr(rules.PAT_MSR, vcpu) != wanted else Pat().value


def _switch(value: str, text: str) -> bool:
    if value.lower() not in ("on", "off", "1", "0", "true", "false"):
        raise InputError(f"{text!r}: {value!r} is neither on nor off")
    return value.lower() in ("on", "1", "true")


def hang_on(words: list[str], told: Registers) -> list[str]:
    """Refuses an event on a variable range that is not told; what else the events assume of the list of ranges.

    Raises
    ------
    InputError
        For a range that the dump leaves open: what its register held before the event decides.
    """
    named = {n: word for word in words for n in _pairs_named(word)}
    unlisted = "pairs" in told.open and "pairs" not in told.covered
    for n, word in named.items():
        if n in told.open_pairs or (unlisted and n >= told.listed):
            raise InputError(f"{word}: variable range {n} is not told")
    beyond = any(n >= told.listed for n in named) and "pairs" in told.covered
    return [told.covered["pairs"].text] if beyond else []


def _pairs_named(word: str) -> list[int]:
    """The variable ranges whose registers an event writes."""
    if found := re.search(r"mtrr:reg(\d+)=", word, re.I):
        return [int(found[1])]
    found = re.search(r"(0x[0-9a-f]+)[ =]", word, re.I)
    pair = pair_of(int(found[1], 16)) if found else None
    return [] if pair is None else [pair]
