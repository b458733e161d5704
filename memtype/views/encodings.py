"""Raw encodings as registers hold them, and the two results of an overlap that are none."""

from typing import Final

from memtype.types import MemoryType

UC: Final = int(MemoryType.UC)
WT: Final = int(MemoryType.WT)
WB: Final = int(MemoryType.WB)
UNDEFINED: Final = int(MemoryType.UNDEFINED)  # no answer: no register holds it as a type
DEFAULT: Final = -1  # the default type decides
WORD: Final = (1 << 64) - 1
