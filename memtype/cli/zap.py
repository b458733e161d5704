"""``memtype zap``: does an event change leaves, what does a release of KVM zap, and is anything left stale?"""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any

from memtype import rules
from memtype.analysis.ram import Span, totals
from memtype.cli import addresses, guest, input, output, ram
from memtype.cli.addresses import number
from memtype.cli.output import say
from memtype.errors import InputError, MemtypeError, ParseError
from memtype.kvm import DisableQuirks, InitVmcb, NoncoherentDma, Replay, SetCr0Cd, SetMtrrs, Vm, WriteMsr, Zap, replay
from memtype.kvm.gfns import Gfns, Ranges, pages
from memtype.kvm.matrix import releases
from memtype.kvm.releases import NEWEST, PROFILES
from memtype.kvm.replay import Step
from memtype.kvm.rules import KVM_RULES
from memtype.kvm.zap import Event
from memtype.mtrr import MtrrState, range_registers
from memtype.pat import Pat
from memtype.types import MemoryType

EXAMPLE = "memtype zap --kernel 6.4 --ncdma --mtrr wb --event pat=0x0007010600070106"
EVENTS = """events:
  pat=VALUE   msr:0x2ff=0xc06   mtrr:reg7=off   mtrr:reg3=0xc0000000+1G=uc
  mtrr:off   mtrr:default=wb   cd=on   ncdma=1   ncdma:0->1
  quirk=IGNORE_GUEST_PAT   init-vmcb (AMD)   "vcpu1 cd=on" for another vCPU"""
_SHOWN = 8  # ranges of one kind that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"{EVENTS}\n\n{parser.epilog}"
    parser.add_argument("states", nargs="*", metavar="STATE", help="a dump of the guest's registers; two: old and new")
    parser.add_argument("--kernel", metavar="RELEASE", help=f"6.4, 'ubuntu 6.8.0-140', kvm-6.7; default: {NEWEST}")
    parser.add_argument("--event", metavar="EVENT", action="append", default=[], help="what happens; several in order")
    parser.add_argument("--trace", metavar="FILE", help="events from a file, a line each; no --kernel: every release")
    ram.add_memory(parser, "no page outside counts")
    guest.add_vm(parser)
    output.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if len(args.states) > 2:
        raise InputError(f"{len(args.states)} states: give one, or an old and a new one")
    machine = guest.guest_machine(args, args.states[0] if args.states else None)
    words = [*args.event, *(_trace(args.trace) if args.trace else [])]
    if not words and len(args.states) < 2:
        raise InputError("nothing happens: give --event, --trace, or a second state")
    if args.trace and args.kernel is None:
        return _every_release(args, machine, words)
    vm = guest.make_vm(args, guest.find_profile(args.kernel), machine)
    vm, events = _events(vm, words)
    if len(args.states) == 2:
        loaded = _new_states(args.states[1], args, len(vm.vcpus))
        events += loaded
        words += [f"loading {args.states[1]}" + (f" (vCPU {e.vcpu})" if e.vcpu is not None else "") for e in loaded]
    done = replay(vm, events)
    memory = ram.known(args.memory, [machine] if machine is not None else [])
    if args.json:
        output.print_json("zap", _json(vm, done, words, memory))
    else:
        say(_text(vm, done, words, memory))
        if args.why:
            cited = [rule for step in done.steps for rule in step.zap.reasons + step.zap.rules]
            output.say("\n".join(guest.sources(cited)))
    extra = [] if args.kernel else [f"no --kernel given: the newest release read, {NEWEST}"]
    output.notes(extra + guest.notes(machine, args.mtrr is not None, vm))
    return 1 if done.stale or done.refused else 0


def _new_states(source: str, args: argparse.Namespace, vcpus: int) -> list[SetMtrrs]:
    """The new dump as events: one for all vCPUs, or one for each where its processors differ."""
    states = [cpu.mtrrs for cpu in input.read_machine(source, args).cpus if cpu.mtrrs is not None]
    if not states:
        raise InputError(f"{source} does not tell the MTRRs")
    if args.maxphyaddr is not None:
        states = [dataclasses.replace(state, maxphyaddr=args.maxphyaddr) for state in states]
    if len(states) != vcpus or len(set(states)) == 1:
        return [SetMtrrs(states[0])]
    return [SetMtrrs(state, n) for n, state in enumerate(states)]


# --- events in words --------------------------------------------------------------------------------------------


def _trace(path: str) -> list[str]:
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


def _events(vm: Vm, words: list[str]) -> tuple[Vm, list[Event]]:
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


# --- text -------------------------------------------------------------------------------------------------------


def _text(vm: Vm, done: Replay, words: list[str], memory: list[Span]) -> str:
    if len(done.steps) == 1:
        return _one(vm, done.steps[0], words[0], memory)
    lines = [f"{vm.profile}, {guest.setting(vm)}"]
    state = vm
    for word, step in zip(words, done.steps, strict=True):
        lines.append(f"{word}: {_verdict(step.zap)}; zaps {_ranges(step.zap.done)}")
        lines += _by_manual(state, step)
        state = step.vm
    lines.append(f"{done.zaps} zaps, {done.pages} pages; stale at the end: {_ranges(done.stale)}")
    return "\n".join(lines)


def _verdict(zap: Zap) -> str:
    if not zap.accepted:
        return f"refused ({zap.refusal})"
    return f"{pages(zap.needed)} pages change" if zap.needed else "no leaf changes"


def _one(vm: Vm, step: Step, word: str, memory: list[Span]) -> str:
    """The answer in three lines: needed or not, why, what the release does; ranges below."""
    zap, after = step.zap, step.vm
    if not zap.accepted:
        refused = guest.wrapped(f"Refused: {word}: {zap.refusal}.")
        return "\n".join([*refused, f"{vm.profile} zaps nothing, the VM is unchanged."])
    answer = f"Yes: {word} changes {_count(pages(zap.needed))}." if zap.needed else f"No: {word} changes no leaf."
    lines = [*guest.wrapped(answer), *guest.wrapped(f"Why: {_cite(zap.reasons)}")]
    lines += guest.wrapped(f"{vm.profile} zaps {_ranges(zap.done)}: {_cite(zap.rules)}")
    if zap.warned:
        lines.append("The host's kernel log gets a WARN.")
    lines += [*_by_manual(vm, step), *_runs_on_entry_0(vm, zap, after), *_changes(vm, zap)]
    lines += ram.lines(_totals(vm, zap, memory))
    for name, ranges in (("stale, not zapped", zap.stale), ("zapped for nothing", zap.excess)):
        lines += [f"{name}: {_count(pages(ranges))}", *_listed(ranges)] if ranges else []
    return "\n".join(lines)


def _by_manual(vm: Vm, step: Step) -> list[str]:
    """Where guest MTRR types by the manual would make other leaves change: how many, and why KVM's do not."""
    found = _manual_answer(vm, step)
    if found is None:
        return []
    zap, deviations = found
    lines = guest.wrapped(f"By the manual's MTRR types {_verdict(zap)}.", "  ")
    return lines + guest.deviation_lines(deviations)


def _manual_answer(vm: Vm, step: Step) -> tuple[Zap, list[guest.Deviation]] | None:
    """The zap of the same VM by the manual's types, where it needs other pages; and what differs before and after."""
    if not vm.profile.honors_guest_mtrr or not step.zap.accepted:
        return None
    right = vm.replace(as_architected=True).apply(step.event)[1]
    if right.needed == step.zap.needed:
        return None
    places = {first for gfns in (right.needed, step.zap.needed) for first, _ in gfns.first(_SHOWN)}
    found = [
        state.deviation(gfn << rules.PAGE_SHIFT, n)
        for state in (vm, step.vm)
        for n in range(len(vm.vcpus))
        for gfn in sorted(places)
        if gfn < 1 << vm.vcpus[n].maxphyaddr - rules.PAGE_SHIFT
    ]
    return right, list(dict.fromkeys(one for one in found if one is not None))


def _runs_on_entry_0(vm: Vm, zap: Zap, after: Vm) -> list[str]:
    """Intel without EPT: no leaf names the PAT, yet its entry 0 is what every page gets."""
    entries = [state.hardware_pat(n)[0] for state in (vm, after) for n in range(len(vm.vcpus))]
    if "kvm-zap-pat" not in zap.rules or vm.tdp != "none" or vm.vendor != "intel" or len(set(entries)) == 1:
        return []
    return [f"But the CPU runs on the guest's PAT: entry 0, of every page, goes from {entries[0]} to {entries[-1]}."]


def _cite(rules_of: tuple[str, ...]) -> str:
    return "; ".join(map(guest.rule_text, rules_of))


def _count(many: int) -> str:
    return f"{many} page{'s' if many != 1 else ''} ({addresses.size_text(many << rules.PAGE_SHIFT)})"


def _ranges(ranges: Gfns) -> str:
    if not ranges:
        return "nothing"
    more = f" and {ranges.ranges - 2} more ranges" if ranges.ranges > 2 else ""
    return ", ".join(guest.range_text(*span) for span in ranges.first(2)) + more


def _listed(ranges: Gfns) -> list[str]:
    lines = [f"  {guest.range_text(*span)}" for span in ranges.first(_SHOWN)]
    return lines + ([f"  and {ranges.ranges - _SHOWN} more"] if ranges.ranges > _SHOWN else [])


def _changes(vm: Vm, zap: Zap) -> list[str]:
    """What becomes what; vCPUs with the same change share a line."""
    who = _by_change(zap)
    lines = []
    for (first, end, before, after), vcpus in list(who.items())[:_SHOWN]:
        some = "" if len(vcpus) == len(vm.vcpus) else f"  vCPU {', '.join(map(str, vcpus[:_SHOWN]))}"
        was, now = guest.leaf_text(vm, before), guest.leaf_text(vm, after)
        lines.append(f"  {guest.range_text(first, end)}  {was} -> {now}{some}")
    return lines + ([f"  and {len(who) - _SHOWN} more"] if len(who) > _SHOWN else [])


def _by_change(zap: Zap) -> dict[tuple[int, int, int, int], list[int]]:
    """The vCPUs of each change."""
    who: dict[tuple[int, int, int, int], list[int]] = {}
    for first, end, before, after, vcpu in zap.changes:
        who.setdefault((first, end, before, after), []).append(vcpu)
    return who


def _totals(vm: Vm, zap: Zap, memory: list[Span]) -> dict[str, tuple[int, int]]:
    """(bytes of RAM, other bytes) by what becomes what, or of all that changes where the vCPUs do not change alike.

    Nothing where no RAM is known, or where holey masks make too many ranges to be listed.
    """
    if not memory or len(zap.changes) >= rules.MAP_SEGMENT_LIMIT or not isinstance(zap.needed, Ranges):
        return {}
    by_change = _by_change(zap)
    if any(len(vcpus) < len(vm.vcpus) for vcpus in by_change.values()):
        return totals((_bytes(first, end, "changes") for first, end in zap.needed), memory)
    return totals(
        (
            _bytes(first, end, f"{guest.leaf_text(vm, before)} -> {guest.leaf_text(vm, after)}")
            for first, end, before, after in by_change
        ),
        memory,
    )


def _bytes(first: int, end: int, key: str) -> tuple[int, int, str]:
    return first << rules.PAGE_SHIFT, (end - first) << rules.PAGE_SHIFT, key


# --- JSON -------------------------------------------------------------------------------------------------------


def _json(vm: Vm, done: Replay, words: list[str], memory: list[Span]) -> dict[str, Any]:
    states = [vm, *(step.vm for step in done.steps)]
    steps = [
        {"event": word, **_zap_json(vm, step.zap), **_manual_json(state, step), **_ram_json(vm, step.zap, memory)}
        for word, step, state in zip(words, done.steps, states)
    ]
    totals = {"zaps": done.zaps, "pages": done.pages, "stale_at_end": _spans_json(done.stale)}
    setting = {"kernel": vm.profile.release, "profile": vm.profile.name, "vendor": vm.vendor, "tdp": vm.tdp,
               "noncoherent_dma": vm.has_noncoherent_dma}  # fmt: skip
    return {**setting, **(steps[0] if len(steps) == 1 else {"events": steps}), **totals}


def _zap_json(vm: Vm, zap: Zap) -> dict[str, Any]:
    named = {"needed": zap.needed, "done": zap.done, "stale": zap.stale, "excess": zap.excess}
    ranges = {name: _spans_json(found) for name, found in named.items()}
    long = {name: {"ranges": found.ranges, "pages": found.count()} for name, found in named.items()
            if found.ranges > rules.MAP_SEGMENT_LIMIT}  # fmt: skip
    changes = [
        {**guest.range_json(change.first, change.end), "vcpu": change.vcpu,
         "before": guest.leaf_json(vm, change.before), "after": guest.leaf_json(vm, change.after)}
        for change in zap.changes
    ]  # fmt: skip
    why = output.why(KVM_RULES[rule] for rule in zap.reasons + zap.rules)
    verdict = {"accepted": zap.accepted, "refusal": zap.refusal, "warned": zap.warned}
    return {**verdict, **ranges, "changes": changes, "why": why, **({"counts": long} if long else {})}


def _ram_json(vm: Vm, zap: Zap, memory: list[Span]) -> dict[str, Any]:
    """How much of what changes is RAM, where RAM is known."""
    sizes = _totals(vm, zap, memory)
    return {"totals": [{"change": key, "ram": inside, "rest": rest} for key, (inside, rest) in sizes.items()]}


def _manual_json(vm: Vm, step: Step) -> dict[str, Any]:
    """What the manual's MTRR types would need, where that is something else."""
    found = _manual_answer(vm, step)
    if found is None:
        return {}
    zap, deviations = found
    return {
        "manual": {
            "needed": _spans_json(zap.needed),
            "deviations": [guest.deviation_json(one)["manual"] for one in deviations],
        }
    }


def _spans_json(found: Gfns) -> list[dict[str, str]]:
    """The ranges; of a set that is too long to be listed the first of them, and `counts` tells the rest."""
    return [guest.range_json(*span) for span in found.first(rules.MAP_SEGMENT_LIMIT)]


# --- every release ----------------------------------------------------------------------------------------------


def _every_release(args: argparse.Namespace, machine: Any, words: list[str]) -> int:
    """The cost of the trace under one release of each kind."""
    chosen = [name for name in releases() if any(p.first == _parts(name) for p in PROFILES.values())]
    rows: list[tuple[Any, ...]] = [("release", "zaps", "pages", "stale pages", "refused")]
    payload = []
    for name in chosen:
        vm, events = _events(guest.make_vm(args, name, machine), words)
        done = replay(vm, events)
        rows.append((str(vm.profile), done.zaps, done.pages, pages(done.stale), len(done.refused)))
        payload.append({"kernel": name, "profile": vm.profile.name, "zaps": done.zaps, "pages": done.pages,
                        "stale_pages": pages(done.stale), "refused": len(done.refused)})  # fmt: skip
    if args.json:
        output.print_json("zap", {"releases": payload})
    else:
        output.say(output.columns(rows))
    return 0


def _parts(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.removesuffix("-rc").split("."))
