"""A writer of Linux boot logs for tests: the words of the kernels' own printing, for states made up here."""

from __future__ import annotations

from memtype import MtrrState, rules


def name(encoding: int) -> str:
    names = {0: "uncachable", 1: "write-combining", 4: "write-through", 5: "write-protect", 6: "write-back"}
    return names.get(encoding, "?")


def digits(maxphyaddr: int, newer: bool) -> int:
    """Hex digits of base and mask: up to 6.4, and from 6.5 on."""
    return (maxphyaddr - 20 + 3) // 4 + 8 if newer else -((32 - maxphyaddr) // 4) + 8


def register_lines(state: MtrrState, newer: bool = False) -> list[str]:
    """ "MTRR default type" to the last variable range."""
    on = bool(state.def_type & rules.DEF_TYPE_E)
    fixed_on = on and state.def_type & rules.DEF_TYPE_FE
    lines = [f"MTRR default type: {name(state.def_type & 0xFF)}"]
    lines += [f"MTRR fixed ranges {'en' if fixed_on else 'dis'}abled:"]
    runs: list[list[int]] = []
    for place in rules.FIXED_RANGES:
        kind = state.fixed[place.register] >> 8 * place.byte & 0xFF
        if runs and runs[-1][2] == kind:
            runs[-1][1] = place.base + place.size - 1
        else:
            runs.append([place.base, place.base + place.size - 1, kind])
    lines += [f"  {first:05X}-{last:05X} {name(kind)}" for first, last, kind in runs]
    lines += [f"MTRR variable ranges {'en' if on else 'dis'}abled:"]
    width = digits(state.maxphyaddr, newer)
    for n, (base, mask) in enumerate(state.variable):
        if mask & rules.MASK_VALID:
            fields = (f"{value & -4096:0{width}X}" for value in (base, mask))
            lines.append("  {} base {} mask {} {}".format(n, *fields, name(base & 0xFF)))
        else:
            lines.append(f"  {n} disabled")
    if state.tom2:
        lines.append(f"TOM2: {state.tom2:016x} aka {state.tom2 >> 20}M")
    return lines
