"""IA32_PAT as people hold it: `Pat`, eight types that page-table bits choose from."""

from __future__ import annotations

from dataclasses import dataclass

from memtype import rules
from memtype.errors import RegisterError
from memtype.types import MemoryType


@dataclass(frozen=True, slots=True)
class Pat:
    """IA32_PAT (0x277), raw: a reserved entry is kept and reads as UNDEFINED.

    Examples
    --------
    >>> p = Pat(0x0007040600070406)
    >>> p[1], " ".join(map(str, p.types))
    (<MemoryType.WT: 4>, 'WB WT UC- UC WB WT UC- UC')
    """

    value: int = rules.PAT_RESET

    def __post_init__(self) -> None:
        if not 0 <= self.value < 1 << 64:
            raise RegisterError(f"IA32_PAT = {self.value:#x} is not a 64-bit value")

    @property
    def types(self) -> tuple[MemoryType, ...]:
        """The eight types, entry 0 first."""
        entries = self.value.to_bytes(8, "little")
        return tuple(MemoryType(e) if e in rules.PAT_TYPES else MemoryType.UNDEFINED for e in entries)

    def __getitem__(self, index: int) -> MemoryType:
        return self.types[index]

    @classmethod
    def from_types(cls, types: list[MemoryType] | tuple[MemoryType, ...]) -> Pat:
        """From eight types, entry 0 first."""
        return cls(int.from_bytes(bytes(types), "little"))
