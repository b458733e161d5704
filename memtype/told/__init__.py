"""What a text tells of one processor's MTRRs, what is assumed, what is not told, and what follows.

`register`: one register as read; `registers`: a processor's; `inference`: width, default type and fixed ranges where
they are not told; `gaps`: what is open, and which rule stands in; `completions`: the machines that fit; `asking`: a
question to all of them; `answer`: what comes of it.
"""

from memtype.told.answer import Answer, Assumption, Gap, agreed, bordered, either
from memtype.told.asking import Asked, ask, machines, typed
from memtype.told.completions import RESERVED, TYPES
from memtype.told.register import ALL, NOTHING, Range, Register, Width, named, pair_numbers, pair_of
from memtype.told.registers import Registers

__all__ = [
    "ALL", "NOTHING", "RESERVED", "TYPES", "Answer", "Asked", "Assumption", "Gap", "Range", "Register", "Registers",
    "Width", "agreed", "ask", "bordered", "either", "machines", "named", "pair_numbers", "pair_of", "typed",
]  # fmt: skip
