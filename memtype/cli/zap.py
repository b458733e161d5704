"""``memtype zap``: does an event change leaves, what does a release of KVM zap, and is anything left stale?"""

from __future__ import annotations

import argparse
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from memtype.analysis.ram import Span
from memtype.cli import fitting, guest, input, output, ram, zap_answer, zap_events
from memtype.cli.fitting import Fitting
from memtype.errors import InputError
from memtype.kvm import Replay, SetMtrrs, Vm, replay
from memtype.kvm.gfns import pages
from memtype.kvm.matrix import releases
from memtype.kvm.releases import NEWEST, PROFILES
from memtype.machine import Machine
from memtype.told import Asked, Assumption, Registers, ask
from memtype.told.asking import States

EXAMPLE = "memtype zap --kernel 6.4 --ncdma --mtrr wb --event pat=0x0007010600070106"
EVENTS = """events:
  pat=VALUE   msr:0x2ff=0xc06   mtrr:reg7=off   mtrr:reg3=0xc0000000+1G=uc
  mtrr:off   mtrr:default=wb   cd=on   ncdma=1   ncdma:0->1
  quirk=IGNORE_GUEST_PAT   init-vmcb (AMD)   "vcpu1 cd=on" for another vCPU"""


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
    words = [*args.event, *(zap_events.trace(args.trace) if args.trace else [])]
    if not words and len(args.states) < 2:
        raise InputError("nothing happens: give --event, --trace, or a second state")
    hang = [text for told in guest.registers(args, machine) for text in zap_events.hang_on(words, told)]
    if args.trace and args.kernel is None:
        return _every_release(args, machine, words)
    fits = Fitting(args, guest.find_profile(args.kernel), machine)
    memory = ram.known(args.memory, [machine] if machine is not None else [])
    new = _new_registers(args.states[1], args, len(fits.first.vcpus)) if len(args.states) == 2 else []
    asked = _ask(fits, words, new, args.states[1] if new else "", memory)
    if args.json:
        output.print_json("zap", _json(asked))
    else:
        output.say(_text(asked, args.why))
    extra = [] if args.kernel else [f"no --kernel given: the newest release read, {NEWEST}"]
    output.notes([*extra, *dict.fromkeys(hang), *guest.notes(machine, args.mtrr is not None, fits.first)])
    return 1 if any(one.done.stale or one.done.refused for one in asked.answers) else 0


_UNCHANGED = Assumption("unchanged", 0, "assume-unchanged", "what neither dump tells assumed unchanged")


def _ask(
    fits: Fitting, words: list[str], new: list[Registers], source: str, memory: list[Span]
) -> Asked[zap_answer.Outcome]:
    """What happens, over every VM that fits the dump, and every state that fits the new one beside it."""

    known: dict[Hashable, zap_answer.Outcome] = {}

    def happens(vm: Vm, states: States) -> zap_answer.Outcome:
        begun, done, said = _replayed(vm, words, states, source)
        return zap_answer.outcome(begun, done, said, memory, known)

    if not new:
        return fits.ask(lambda vm: happens(vm, ()))
    every = _flat(fits.ask(lambda vm: ask(new, lambda states: happens(vm, states))))
    if every.agreed or not fits.open_alike(new):
        return every
    same = fits.ask_with(new, happens)  # what is open holds the same before and after
    return replace(same, assumed=(*same.assumed, _UNCHANGED)) if same.agreed else every


def _flat(found: Asked[Asked[zap_answer.Outcome]]) -> Asked[zap_answer.Outcome]:
    return Asked(
        tuple(dict.fromkeys(one for inner in found.answers for one in inner.answers)),
        tuple(dict.fromkeys([*found.assumed, *(a for inner in found.answers for a in inner.assumed)])),
        tuple(dict.fromkeys([*found.missing, *(text for inner in found.answers for text in inner.missing)])),
    )


def _replayed(vm: Vm, words: list[str], states: States, source: str) -> tuple[Vm, Replay, list[str]]:
    """The VM, the events in order, then the loading of `states` (one for all vCPUs, or for each); their words."""
    vm, events = zap_events.events(vm, words)
    loaded = [SetMtrrs(state, n if len(states) > 1 else None) for n, state in enumerate(states)]
    said = [f"loading {source}" + (f" (vCPU {one.vcpu})" if one.vcpu is not None else "") for one in loaded]
    return vm, replay(vm, [*events, *loaded]), [*words, *said]


def _new_registers(source: str, args: argparse.Namespace, vcpus: int) -> list[Registers]:
    """What the new dump tells: one for all vCPUs, or one for each where its processors differ."""
    cpus = input.read_machine(source, args).cpus
    found = [cpu.registers for cpu in cpus if cpu.registers is not None]
    if len(found) < len(cpus):
        raise InputError(f"{source} does not tell the MTRRs" + (" of every processor" if found else ""))
    if len(set(found)) == 1:
        return found[:1]
    if len(found) != vcpus:
        raise InputError(f"{source}: {len(found)} processors that differ for {vcpus} vCPUs: which is whose is not told")
    return found


# --- the answer -----------------------------------------------------------------------------------------------------


def _text(asked: Asked[zap_answer.Outcome], why: bool) -> str:
    if not asked.agreed:
        return "\n".join(zap_answer.unknown(list(asked.answers), asked.missing))
    first = asked.answer
    answer, *rest = zap_answer.text(first).split("\n")
    lines = [answer + fitting.assumed_words(asked.assumed), *rest]
    cited = [rule for step in first.done.steps for rule in step.zap.reasons + step.zap.rules]
    return "\n".join([*lines, *(guest.sources(cited) if why else [])])


def _json(asked: Asked[zap_answer.Outcome]) -> dict[str, Any]:
    """The outcome; where VMs that fit differ: ``"answer": "?"`` with each as a candidate."""
    if asked.agreed:
        return zap_answer.as_json(asked.answer) | fitting.as_json(asked)
    return {"answer": "?", "candidates": [zap_answer.as_json(one) for one in asked.answers], **fitting.as_json(asked)}


# --- every release ----------------------------------------------------------------------------------------------


def _every_release(args: argparse.Namespace, machine: Machine | None, words: list[str]) -> int:
    """The cost of the trace under one release of each kind."""
    chosen = [name for name in releases() if any(p.first == _parts(name) for p in PROFILES.values())]
    heads = ("zaps", "pages", "stale_pages", "refused")
    rows: list[tuple[Any, ...]] = [("release", "zaps", "pages", "stale pages", "refused", "")]
    payload = []
    for name in chosen:
        fits = Fitting(args, name, machine)
        asked = fits.ask(lambda vm: _cost(vm, words))
        cost: tuple[Any, ...] = asked.answer if asked.agreed else ("?",) * len(heads)
        said = fitting.assumed_words(asked.assumed).strip() if asked.agreed else "; ".join(asked.missing)
        vm = fits.first
        rows.append((str(vm.profile), *cost, said))
        known = dict(zip(heads, cost if asked.agreed else (None,) * len(heads), strict=True))
        payload.append({"kernel": name, "profile": vm.profile.name, **known, **fitting.as_json(asked)})
    if args.json:
        output.print_json("zap", {"releases": payload})
    else:
        output.say(output.columns(rows if any(row[-1] for row in rows) else [row[:-1] for row in rows]))
    return 0


def _cost(vm: Vm, words: list[str]) -> tuple[int, int, int, int]:
    """Zaps, pages, stale pages at the end, refused events."""
    done = replay(*zap_events.events(vm, words))
    return done.zaps, done.pages, pages(done.stale), len(done.refused)


def _parts(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.removesuffix("-rc").split("."))
