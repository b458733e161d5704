"""Pictures of KVM: what changed from release to release, and which event zaps what."""

from __future__ import annotations

from typing import Any, Final

from memtype import rules
from memtype.kvm import NoncoherentDma, SetCr0Cd, Vcpu, Vm, WriteMsr, Zap
from memtype.kvm.history import HISTORY, NEWEST_READ, Fixed, Release
from memtype.mtrr import MtrrState
from memtype.plot.figures import bare, new_axes

KNOBS: Final = {
    "honors_guest_mtrr": "honours guest MTRRs",
    "coherent_ipat": "IPAT without non-coherent DMA",
    "cd_quirk_on": "leaf at CR0.CD = 1, quirk on",
    "cd_quirk_off": "leaf at CR0.CD = 1, quirk off",
    "huge_page_check": "guest MTRRs limit huge pages",
    "zap_mtrr": "an MTRR write zaps",
    "zap_cd": "a CR0.CD toggle zaps",
    "zap_nc": "a non-coherent device zaps",
    "g_pat_follows": "AMD: guest PAT reaches g_pat",
    "nested_svm_pat": "AMD: L2's PAT",
}
_SHADES: Final = ("#dfe8f2", "#9fc1e0", "#5b92c4", "#2b6194")


def timeline(ax: Any = None) -> Any:
    """Knobs by release: each value by its name from the release on that brought it."""
    starts = sorted({since.release for knob in KNOBS for since in HISTORY[knob]})
    places = {release: n for n, release in enumerate(starts)}
    ax = new_axes(11, 4.6) if ax is None else ax
    for y, knob in enumerate(KNOBS):
        rows = HISTORY[knob]
        ends = [*(places[since.release] for since in rows[1:]), len(starts)]
        names = list(dict.fromkeys(value_text(since.value) for since in rows))
        for since, end in zip(rows, ends):
            x, text = places[since.release], value_text(since.value)
            shade = names.index(text) % len(_SHADES)
            ax.broken_barh([(x, end - x)], (y + 0.08, 0.84), facecolor=_SHADES[shade], edgecolor="white")
            ink = "white" if shade > 1 else "black"
            ax.text((x + end) / 2, y + 0.5, text, ha="center", va="center", fontsize=7.5, color=ink)
    ax.set_xlim(0, len(starts))
    ax.set_ylim(len(KNOBS), 0)
    bare(ax, f"KVM, release by release (read up to {_name(NEWEST_READ)})")
    ax.set_yticks([y + 0.5 for y in range(len(KNOBS))], list(KNOBS.values()), fontsize=8.5)
    ax.set_xticks(list(range(len(starts))), [_name(release) for release in starts], fontsize=8.5)
    ax.tick_params(left=False)
    ax.annotate(_WORDS, (0, 0), (0, -24), xycoords="axes fraction", textcoords="offset points", va="top", fontsize=8)
    return ax


_WORDS: Final = (
    "nc: with non-coherent DMA   tdp: with EPT or NPT   quirk: as KVM_CAP_DISABLE_QUIRKS2 says   "
    "root-reset, context-reset: a new root, no zap"
)


def value_text(value: Any) -> str:
    """A knob's value in words."""
    if isinstance(value, Fixed):
        return f"{value.type} IPAT={int(value.ipat)}"
    return {True: "yes", False: "no", None: "not looked at"}.get(value, str(value))


def _name(release: Release) -> str:
    return ".".join(map(str, release))


# --- events ---------------------------------------------------------------------------------------------------------

MARKS: Final = {
    "·": ("#eeeeee", "black", "no leaf changes, nothing zapped"),
    "Z": ("#006aa8", "white", "leaves change, all of them zapped"),
    "+": ("#f0c75e", "black", "zapped though no leaf changes"),
    "S": ("#b83a00", "white", "stale: leaves change and are not zapped"),
    "R": ("#ffffff", "black", "refused by this release"),
}
_STATE = MtrrState(0xC06, (0x0606060606060606,) * 11, ((0x80000000, 0x3FFF80000800),), 46)
_EVENTS: Final = {
    "IA32_PAT written": WriteMsr(rules.PAT_MSR, 0x0007010600070106),
    "MTRR range written": WriteMsr(rules.PHYSBASE0, 0x80000001),
    "MTRRs off (DEF_TYPE.E = 0)": WriteMsr(rules.DEF_TYPE_MSR, 0),
    "CR0.CD = 1": SetCr0Cd(True),
    "non-coherent device comes or goes": None,
}
_SETTINGS: Final = (("intel", "ept"), ("amd", "npt"), ("intel", "none"))


def zap_matrix(kernel: str = "6.8", ax: Any = None) -> Any:
    """Events by kind of VM: does a release zap what must be zapped? One symbol a cell, told below.

    Raises
    ------
    InputError
        For a release that is not modelled.
    """
    ax = new_axes(10, 3.6) if ax is None else ax
    columns = [(vendor, tdp, dma) for vendor, tdp in _SETTINGS for dma in (False, True)]
    for x, column in enumerate(columns):
        for y, words in enumerate(_EVENTS):
            mark = judged(kernel, *column, words)
            fill, ink, _ = MARKS[mark]
            ax.broken_barh([(x, 1)], (y, 1), facecolor=fill, edgecolor="#888888", linewidth=0.6)
            ax.text(x + 0.5, y + 0.5, mark, ha="center", va="center", fontsize=13, weight="bold", color=ink)
    ax.set_xlim(0, len(columns))
    ax.set_ylim(len(_EVENTS), 0)
    bare(ax, f"Linux {kernel}: event → zap")
    names = [
        f"{'shadow' if tdp == 'none' else tdp.upper()}\n{'non-coherent' if dma else 'coherent'}"
        for _, tdp, dma in columns
    ]
    ax.set_xticks([x + 0.5 for x in range(len(columns))], names, fontsize=8.5)
    ax.set_yticks([y + 0.5 for y in range(len(_EVENTS))], list(_EVENTS), fontsize=8.5)
    ax.tick_params(left=False, bottom=False)
    told = [f"{mark} {words}" for mark, (_, _, words) in MARKS.items()]
    legend = "   ".join(told[:3]) + "\n" + "   ".join(told[3:])
    ax.annotate(legend, (0, 0), (-120, -38), xycoords="axes fraction", textcoords="offset points", va="top", fontsize=8)
    return ax


def judged(kernel: str, vendor: str, tdp: str, noncoherent: bool, event: str) -> str:
    """The mark of one cell: what the release does about the event, against what it would need."""
    vm = Vm(kernel, vendor=vendor, tdp=tdp, noncoherent_dma=noncoherent, vcpus=[Vcpu(mtrrs=_STATE)])
    what = _EVENTS[event] or NoncoherentDma(0 if noncoherent else 1)
    zap: Zap = vm.apply(what)[1]
    if not zap.accepted:
        return "R"
    if zap.stale:
        return "S"
    return "Z" if zap.needed else "+" if zap.done else "·"
