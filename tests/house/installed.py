"""An installed package answers as its reference, by the instruction set that MEMTYPE_ISA names.

By command, under the Python that has the package: ``MEMTYPE_BACKEND=checked python tests/house/installed.py``; the
checked backend raises where the C core and the reference differ. `.ci/wheels` runs it for each wheel.
"""

from __future__ import annotations

import platform
import random

import memtype as mt

TYPES = (0, 1, 4, 5, 6)


def main(rounds: int = 200, width: int = 40) -> None:
    rng = random.Random(7)
    bits = (1 << width) - 1
    for _ in range(rounds):
        masks = [-(1 << rng.randrange(12, width)) & bits | 1 << 11 for _ in range(rng.randrange(11))]
        pairs = [(rng.randrange(1 << width - 12) << 12 | rng.choice(TYPES), mask) for mask in masks]
        fixed = [int.from_bytes(bytes(rng.choices(TYPES, k=8)), "little") for _ in range(11)]
        state = mt.MtrrState(0xC00 | rng.choice(TYPES), fixed, pairs, width)
        state.types([rng.randrange(1 << rng.choice((20, 32, width))) for _ in range(500)])
        state.page_types(rng.randrange(1 << width - 12), 500)
        mt.effective(rng.choices(TYPES, k=500), rng.choices((*TYPES, 7), k=500))
    assert mt.backend == "checked", mt.backend
    print(
        f"{platform.machine()}, {platform.libc_ver()[0] or 'musl'}, Python {platform.python_version()}: {mt.isa} alike"
    )


if __name__ == "__main__":
    main()
