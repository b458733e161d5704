"""Texts that take the turns which whole samples do not: what is off, unknown, doubled, cut, or told in other words.

They stand in ``tests/odd``, a file for each family, each text below a line ``=== its name``.
"""

from __future__ import annotations

import re
from pathlib import Path

from dump_samples import kvm_structure, migration_stream

_FOLDER = Path(__file__).with_name("odd")
_NO_END = " (no line feed)"  # behind the name of a text that breaks off in its last line


def _texts(path: Path) -> dict[str, str | bytes]:
    _, *parts = re.split(r"^=== (.*)\n", path.read_text(), flags=re.M)
    found: dict[str, str | bytes] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        found[f"{path.stem}: {name.removesuffix(_NO_END)}"] = text[:-1] if name.endswith(_NO_END) else text
    return found


ODD: dict[str, str | bytes] = {
    name: text for path in sorted(_FOLDER.glob("*.txt")) for name, text in _texts(path).items()
}
ODD["kvm_msrs: two structures"] = kvm_structure([(0x2FF, 0xC06), (0x10, 5)]) + kvm_structure([(0x2FF, 0x806)])
ODD["qemu_migration: 41 pairs"] = migration_stream([(0x80000000, 0xFF80000800)] * 41)
