"""The answer of ``memtype zap`` as text and as JSON."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from typing import Any

from memtype import rules
from memtype.analysis.ram import Span, totals
from memtype.cli import addresses, guest, output, ram
from memtype.kvm import KVM_RULES, Replay, Vm, Zap
from memtype.kvm.gfns import Gfns, Ranges, intersect, pages, set_key, union
from memtype.kvm.replay import Step

_SHOWN = 8  # ranges of one kind that are printed
_LISTED = 1024  # ranges in JSON of a set that is too long to be a list


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the events do to one VM. Outcomes are equal where they are told alike.

    How many calls it took may hang on registers that change nothing: `costs` collects (zaps, pages) of equal outcomes.
    """

    key: Hashable
    costs: set[tuple[int, int]] = field(compare=False)
    vm: Vm = field(compare=False)
    done: Replay = field(compare=False)
    words: tuple[str, ...] = field(compare=False)
    memory: tuple[Span, ...] = field(compare=False)


def outcome(vm: Vm, done: Replay, words: list[str], memory: list[Span], known: dict[Hashable, Outcome]) -> Outcome:
    """The outcome; that of `known` which is told alike."""
    states = (vm, *(step.vm for step in done.steps))
    steps = tuple((step.zap.key, _manual_key(state, step)) for state, step in zip(states, done.steps))
    key = steps, set_key(done.stale)
    made = known.setdefault(key, Outcome(key, set(), vm, done, tuple(words), tuple(memory)))
    made.costs.add((done.zaps, done.pages))
    return made


def as_json(one: Outcome) -> dict[str, Any]:
    """The outcome; null for the calls and their pages where these hang on what is not told."""
    zaps, calls = next(iter(one.costs)) if len(one.costs) == 1 else (None, None)
    payload = _payload(one.vm, one.done, list(one.words), list(one.memory))
    stale = payload.pop("stale_at_end")
    return {**payload, "zaps": zaps, "pages": calls, "stale_at_end": stale}


def unknown(outcomes: list[Outcome], missing: tuple[str, ...]) -> list[str]:
    """Where the VMs that fit a dump differ: what is sure of each event, what is possible, and what is not told."""
    vm = outcomes[0].vm
    lines = [f"{vm.profile}, {guest.setting(vm)}"]
    for place, word in enumerate(outcomes[0].words):
        zaps = [one.done.steps[place].zap for one in outcomes]
        verdicts = list(dict.fromkeys(map(_verdict, zaps)))
        if len(verdicts) == 1 and len({str(list(zap.needed.first(_SHOWN))) for zap in zaps}) == 1:
            lines.append(f"{word}: {verdicts[0]}")
        else:
            lines += guest.wrapped(f"{word}: ? ({' or '.join(verdicts[:_SHOWN])})") + _bounds(zaps)
            lines += _sure_changes(vm, zaps)
        lines.append(f"  zaps {_either(_ranges(zap.done) for zap in zaps)}")
    lines.append(f"stale at the end: {_either(_ranges(one.done.stale) for one in outcomes)}")
    return lines + guest.wrapped(f"not told: {'; '.join(missing)}")


def _either(found: Iterable[str]) -> str:
    """The one text; ``? (nothing or everything)`` of several."""
    texts = list(dict.fromkeys(found))
    return texts[0] if len(texts) == 1 else f"? ({' or '.join(texts[:_SHOWN])})"


def _bounds(zaps: list[Zap]) -> list[str]:
    """The pages that change in every VM that fits, and those that change in some; nothing for sets without a list."""
    needed = [zap.needed for zap in zaps]
    if not all(isinstance(found, Ranges) for found in needed):
        return []
    sure = reduce(intersect, needed)
    bounds = f"surely: {_ranges(union(sure))}; possibly: {_ranges(union(span for found in needed for span in found))}"
    return guest.wrapped(bounds, "  ")


def _sure_changes(vm: Vm, zaps: list[Zap]) -> list[str]:
    """What becomes what in every VM that fits."""
    found: list[dict[tuple[int, int, int], Ranges]] = []
    for zap in zaps:
        by: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for first, end, before, after, vcpu in zap.changes:
            by.setdefault((before, after, vcpu), []).append((first, end))
        found.append({key: union(ranges) for key, ranges in by.items()})
    shared = [key for key in found[0] if all(key in other for other in found)]
    sure = {key: reduce(intersect, (one[key] for one in found)) for key in shared}
    lines = {
        f"    {guest.range_text(*span)}  {guest.leaf_text(vm, before)} -> {guest.leaf_text(vm, after)}": None
        for (before, after, _), ranges in sure.items()
        for span in ranges[:_SHOWN]
    }
    return list(lines)[:_SHOWN]


def text(one: Outcome) -> str:
    vm, done, memory = one.vm, one.done, list(one.memory)
    if len(done.steps) == 1:
        return _one(vm, done.steps[0], one.words[0], memory)
    lines = [f"{vm.profile}, {guest.setting(vm)}"]
    state = vm
    for word, step in zip(one.words, done.steps, strict=True):
        lines.append(f"{word}: {_verdict(step.zap)}; zaps {_ranges(step.zap.done)}")
        lines += _by_manual(state, step)
        state = step.vm
    calls = f"{done.zaps} zaps, {done.pages} pages" if len(one.costs) == 1 else "zaps ? times"
    lines.append(f"{calls}; stale at the end: {_ranges(done.stale)}")
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


def _manual_key(vm: Vm, step: Step) -> Hashable:
    found = _manual_answer(vm, step)
    return None if found is None else (set_key(found[0].needed), tuple(found[1]))


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
    if isinstance(zap.needed, Ranges):
        who = _by_change(zap)
        more = len(who) - _SHOWN
    else:  # too many to be put together
        who = {change[:4]: vcpus for change, vcpus in zap.first_changes(_SHOWN)}
        more = zap.needed.ranges - _SHOWN
    lines = []
    for (first, end, before, after), vcpus in list(who.items())[:_SHOWN]:
        some = "" if len(vcpus) == len(vm.vcpus) else f"  vCPU {', '.join(map(str, vcpus[:_SHOWN]))}"
        was, now = guest.leaf_text(vm, before), guest.leaf_text(vm, after)
        lines.append(f"  {guest.range_text(first, end)}  {was} -> {now}{some}")
    return lines + ([f"  and {more} more"] if more > 0 else [])


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
    if not memory or not isinstance(zap.needed, Ranges) or len(zap.changes) >= rules.MAP_SEGMENT_LIMIT:
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


def _payload(vm: Vm, done: Replay, words: list[str], memory: list[Span]) -> dict[str, Any]:
    states = [vm, *(step.vm for step in done.steps)]
    steps = [
        {"event": word, **_zap_json(vm, step.zap), **_manual_json(state, step), **_ram_json(vm, step.zap, memory)}
        for word, step, state in zip(words, done.steps, states)
    ]
    at_end = {"stale_at_end": _spans_json(done.stale)}
    setting = {"kernel": vm.profile.release, "profile": vm.profile.name, "vendor": vm.vendor, "tdp": vm.tdp,
               "noncoherent_dma": vm.has_noncoherent_dma}  # fmt: skip
    return {**setting, **(steps[0] if len(steps) == 1 else {"events": steps}), **at_end}


def _zap_json(vm: Vm, zap: Zap) -> dict[str, Any]:
    named = {"needed": zap.needed, "done": zap.done, "stale": zap.stale, "excess": zap.excess}
    ranges = {name: _spans_json(found) for name, found in named.items()}
    long = {name: {"ranges": found.ranges, "pages": found.count()} for name, found in named.items()
            if found.ranges > rules.MAP_SEGMENT_LIMIT}  # fmt: skip
    listed = zap.changes if isinstance(zap.needed, Ranges) else islice(zap.each_change(), _LISTED)
    changes = [
        {**guest.range_json(change.first, change.end), "vcpu": change.vcpu,
         "before": guest.leaf_json(vm, change.before), "after": guest.leaf_json(vm, change.after)}
        for change in listed
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
    return [
        guest.range_json(*span)
        for span in found.first(rules.MAP_SEGMENT_LIMIT if isinstance(found, Ranges) else _LISTED)
    ]
