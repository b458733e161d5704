"""Real kernels as the judge: random MTRRs in a guest, and five answers of its own compared with ours.

    python tests/qemu/linux_boots.py 50 [SEED] [--kernel PACKAGE or FOLDER] ...

Compared are: the map that the kernel prints (``mtrr=debug``, Linux 6.5 and newer) with our view of that release at
every boundary and its neighbours; the registers in its log; the migration stream; and of every fourth machine, which
boots to its shell, /proc/mtrr and the MSRs as the guest reads them. Where no mask has holes and the manual defines the
overlap, the kernel's map is compared with the manual's answer too.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import guest

import memtype as mt
from memtype import rules
from memtype.types import MemoryType

PACKAGE = "linux-image-6.12.107+deb12-amd64"  # one that prints its map
WORDS = {"uncachable": 0, "write-combining": 1, "write-through": 4, "write-protect": 5, "write-back": 6}
PAIRS = 8
WHOLE = 4  # of so many machines one boots to its shell


@dataclass(slots=True)
class Found:
    """What was compared, and what differs."""

    points: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def compare(self, way: str, where: str, said: object, right: object) -> None:
        self.points[way] += 1
        if said != right:
            self.differences.append(f"{way} {where}: {said}, ours {right}")


def machine(seed: int) -> mt.MtrrState:
    """Registers as a firmware could leave them, and some that none would: overlaps of any kind, holes, E or FE off."""
    rng = random.Random(seed)
    field = rules.page_bits(guest.WIDTH)
    fixed = []
    for _ in rules.FIXED_MSRS:
        same = rng.random() < 0.5
        kinds = [rng.choice((0, 1, 4, 5, 6))] * 8 if same else [rng.choice((0, 1, 4, 5, 6)) for _ in range(8)]
        fixed.append(int.from_bytes(bytes(kinds), "little"))
    pairs = []
    for _ in range(PAIRS):
        bits = rng.randrange(rng.choice((12, 20, 28)), rng.choice((30, 33, 37)))
        mask = field & ~((1 << bits) - 1)
        if rng.random() < 0.08:
            mask &= ~(1 << rng.randrange(bits, 37))
        base = rng.getrandbits(rng.choice((32, 36, 37))) & mask
        on = rng.random() < 0.6
        pairs.append((base | rng.choice((0, 0, 1, 4, 5, 6, 6)), mask | rules.MASK_VALID) if on else (0, 0))
    def_type = rng.choice((0xC06, 0xC06, 0xC00, 0x806, 0x800, 0xC04, 0x406))
    return mt.MtrrState(def_type, fixed, pairs, maxphyaddr=guest.WIDTH)


def writes(s: mt.MtrrState) -> list[tuple[int, int]]:
    """MTRRs off, each register, and on again."""
    values = s.msrs()
    last = values.pop(rules.DEF_TYPE_MSR)
    values.pop(rules.MTRRCAP, None)
    return [(rules.DEF_TYPE_MSR, 0), *values.items(), (rules.DEF_TYPE_MSR, last)]


def compared(s: mt.MtrrState, seen: guest.Seen, release: str) -> Found:
    """All that the guest told beside what we say of the registers that were put in."""
    found = Found()
    want = {index: value for index, value in s.msrs().items() if index != rules.MTRRCAP}
    for index, value in want.items() if seen.whole else ():
        found.compare("MSR", hex(index), seen.msrs.get(index), value)
    told = mt.parse(seen.stream)
    found.compare("stream", "cpus", len(told.cpus), 1)
    registers = told.cpus[0].registers
    for index, value in want.items():
        held = registers.held.get(index) if registers else None
        found.compare("stream", hex(index), held and held.value, value)
    _compare_log(s, seen, found)
    _compare_map(s, seen.log, release, found)
    if seen.whole:
        _compare_proc(s, seen.proc_mtrr, found)
    return found


def boundaries(s: mt.MtrrState) -> list[int]:
    """Every base and end that a register can mean, with both neighbours, and every page below 1 MiB."""
    end = 1 << s.maxphyaddr
    cuts = {0, 1 << 20, 1 << 32, *range(0, 1 << 20, 1 << 12)}
    for base, mask in s.variable:
        start, size = base & mask & rules.page_bits(s.maxphyaddr), end - (mask & rules.page_bits(s.maxphyaddr))
        lowest = mask & -mask & rules.page_bits(s.maxphyaddr)
        cuts |= {start, start + size, start + size // 2, start + lowest}
    points = {cut + step for cut in cuts for step in (-1, 0, 1)}
    return sorted(point for point in points if 0 <= point < end)


def _compare_log(s: mt.MtrrState, seen: guest.Seen, found: Found) -> None:
    """Our reading of the log: it prints every register, so nothing may stay open."""
    told = mt.parse(seen.log.partition("@@proc-mtrr")[0])
    if not re.search(r"MTRR (variable ranges|default type)", seen.log):
        return
    for address in boundaries(s)[::7]:
        answer, right = told.at(address), s.at(address)
        if answer.type is not MemoryType.NOT_TOLD:
            found.compare("log", hex(address), answer.type, right)
        else:
            found.points["log, not told"] += 1


def _compare_map(s: mt.MtrrState, log: str, release: str, found: Found) -> None:
    lines = re.findall(r"^\[[^]]*\]\s+\d+: ([0-9a-f]{16})-([0-9a-f]{16}) (\S+)", log, re.M)
    if "MTRR map" not in log:
        return
    segments = [(int(first, 16), int(last, 16), WORDS[word]) for first, last, word in lines]
    default = re.search(r"MTRR default type: (\S+)", log)
    if default is None:
        return
    view = s.view(f"linux-{release}")
    plain = all(not _holey(mask, s.maxphyaddr) for _, mask in s.variable)
    for address in boundaries(s):
        said = next((kind for first, last, kind in segments if first <= address <= last), WORDS[default[1]])
        found.compare("map", hex(address), said, int(view.at(address)))
        right = s.at(address)
        if plain and right is not MemoryType.UNDEFINED:
            found.compare("map by the manual", hex(address), said, int(right))


def _holey(mask: int, width: int) -> bool:
    field = mask & rules.page_bits(width)
    return bool(field) and field + (field & -field) != 1 << width


def _compare_proc(s: mt.MtrrState, text: str, found: Found) -> None:
    """/proc/mtrr: base and size of each valid range, a hole in the mask repaired as the kernel does."""
    lines = re.findall(r"^reg(\d+): base=0x([0-9a-f]+) \( *\d+MB\), size= *(\d+)([KM])B, count=\d+: (\S+)$", text, re.M)
    said = {int(number): (int(base, 16), int(size) << (20 if unit == "M" else 10), WORDS[word])
            for number, base, size, unit, word in lines}  # fmt: skip
    for number, (base, mask) in enumerate(s.variable):
        right = None
        if mask & rules.MASK_VALID and s.def_type & rules.DEF_TYPE_E:
            start, end = mt.views.linux.proc_span(base, mask, s.maxphyaddr)
            size = end - start
            right = (start, size if size < 1 << 20 else size >> 20 << 20, base & 0xFF)
        found.compare("/proc/mtrr", f"reg{number:02}", said.get(number), right)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first machine: a run can be parted")
    parser.add_argument("--kernel", action="append", help=f"a package, or a folder with one unpacked; {PACKAGE}")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "memtype-kernels")
    args = parser.parse_args()
    if missing := guest.tools_missing():
        print(f"apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    kernels = [guest.unpacked(Path(name)) if Path(name).is_dir() else guest.fetched(name, args.cache)
               for name in args.kernel or [PACKAGE]]  # fmt: skip
    print(guest.emulator_version(), *(f"Linux {kernel.release}" for kernel in kernels), sep=", ")
    total, began, failed = Counter[str](), time.monotonic(), 0
    for number in range(args.first, args.first + args.count):
        kernel, s = kernels[(number + number // WHOLE) % len(kernels)], machine(args.seed * 1_000_003 + number)
        seen = guest.boot(kernel, writes(s), sorted(i for i in s.msrs() if i != rules.MTRRCAP), number % WHOLE == 0)
        found = compared(s, seen, kernel.release)
        total += found.points
        failed += bool(found.differences)
        print(f"{number} Linux {kernel.release}: {dict(found.points)}, {len(found.differences)} differ", flush=True)
        for line in found.differences[:5]:
            print(f"  {line}\n    {s!r}", flush=True)
    print(f"{args.count} machines, {failed} differ, {time.monotonic() - began:.0f} s: {dict(total)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
