"""Raw encodings as registers hold them, and the two results of an overlap that are none."""

from typing import Final

from memtype.types import MemoryType

UC: Final = int(MemoryType.UC)
WT: Final = int(MemoryType.WT)
WB: Final = int(MemoryType.WB)
UNDEFINED: Final = -1  # no answer
DEFAULT: Final = -2  # the default type decides
WORD: Final = (1 << 64) - 1
