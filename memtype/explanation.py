"""Why an address has its type: the rules that decided, in the order in which they were asked."""

from __future__ import annotations

from dataclasses import dataclass

from memtype import rules
from memtype.backends import reference
from memtype.backends.reference import Registers
from memtype.drawn import Drawn
from memtype.readable import readable
from memtype.types import MemoryType


@readable
@dataclass(frozen=True, slots=True)
class Step:
    """One rule that spoke: what it says here, which registers it read, where it stands."""

    text: str
    registers: tuple[str, ...]
    rule: str
    source: str
    pairs: tuple[int, ...] = ()  # the variable ranges among `registers`, by number

    def __str__(self) -> str:
        return f"{self.text}  [{self.rule}: {self.source}]"


@readable
@dataclass(frozen=True, slots=True)
class Explanation(Drawn):
    """The answer and its reasons; ``str()`` reads as a short list."""

    address: int
    type: MemoryType
    steps: tuple[Step, ...]

    @property
    def registers(self) -> tuple[str, ...]:
        """The registers that decided, by name."""
        return self.steps[-1].registers

    def __str__(self) -> str:
        return "\n".join([f"0x{self.address:x}: {self.type}", *(f"  {step}" for step in self.steps)])


def step(rule: str, text: str, *registers: str) -> Step:
    return Step(text, registers, rule, rules.RULES[rule].source)


def pairs_step(rule: str, text: str, *pairs: int) -> Step:
    """A step whose registers are variable ranges."""
    return Step(text, tuple(map(pair_name, pairs)), rule, rules.RULES[rule].source, pairs)


def explain(s: Registers, address: int) -> Explanation:
    """Follow SDM 3A 12.11.4.1 for one address below 2**MAXPHYADDR."""
    return Explanation(address, reference.at(s, address), tuple(_steps(s, address)))


def _steps(s: Registers, address: int) -> list[Step]:
    def_type = rules.msr_name(rules.DEF_TYPE_MSR)
    if not s.def_type & rules.DEF_TYPE_E:
        text = f"{def_type} = 0x{s.def_type:x}: E = 0, every address is {rules.TYPE_WHILE_OFF}"
        return [step("mtrr-disabled", text, def_type)]
    if reference.fixed_decides(s, address):
        return [_fixed_step(s, address)]
    matching = reference.matching_pairs(s, address)
    if not matching:
        return [_default_step(s, address)]
    return [*(_match_step(s, n) for n in matching), *_combine_steps(s, matching)]


def _fixed_step(s: Registers, address: int) -> Step:
    span = rules.FIXED_RANGES[reference.fixed_slot(address)]
    name = rules.msr_name(rules.FIXED_MSRS[span.register])
    entry = s.fixed[span.register] >> 8 * span.byte & 0xFF
    kind = reference.fixed_type(s, address)
    text = f"{name} byte {span.byte} = 0x{entry:02x}: [0x{span.base:x}-0x{span.base + span.size - 1:x}] is {kind}"
    if s.vendor == "amd" and entry & rules.AMD_FIXED_ROUTING:
        routes = [word for bit, word in ((rules.AMD_RDMEM, "RdMem"), (rules.AMD_WRMEM, "WrMem")) if entry & bit]
        return step("mtrr-fixed-amd", f"{text} ({'+'.join(routes)})", name)
    if kind is MemoryType.UNDEFINED:
        return step("mtrr-reserved", f"{text}: 0x{entry:02x} is no MTRR type", name)
    return step("mtrr-fixed", text, name)


def pair_name(n: int) -> str:
    return f"PHYSBASE{n}/PHYSMASK{n}"


def _match_step(s: Registers, n: int) -> Step:
    base, mask = s.variable[n]
    encoding = base & rules.BASE_TYPE
    kind = rules.type_of(encoding)
    word = str(kind) if kind is not MemoryType.UNDEFINED else f"type {encoding}, which is reserved"
    return pairs_step("mtrr-variable", f"{pair_name(n)} (0x{base:x}/0x{mask:x}) matches: {word}", n)


def _combine_steps(s: Registers, matching: list[int]) -> list[Step]:
    encodings = [s.variable[n][0] & rules.BASE_TYPE for n in matching]
    kind = reference.combine(encodings)
    kinds = {rules.type_of(encoding) for encoding in encodings}
    if kinds == {MemoryType.UNDEFINED}:
        return [pairs_step("mtrr-reserved", "a reserved type decides nothing: ??", *matching)]
    if len(kinds) == 1:
        return [] if len(matching) == 1 else [pairs_step("mtrr-one", f"all say {kind}", *matching)]
    if kind is MemoryType.UC:
        deciding = [n for n, e in zip(matching, encodings, strict=True) if e == MemoryType.UC]
        return [pairs_step("mtrr-uc-wins", "UC wins over the others", *deciding)]
    if kind is MemoryType.WT:
        return [pairs_step("mtrr-wt-wb", "WT with WB is WT", *matching)]
    listed = ", ".join(sorted(str(kind) for kind in kinds))
    return [pairs_step("mtrr-undefined", f"the manuals leave {{{listed}}} undefined: ??", *matching)]


def _default_step(s: Registers, address: int) -> Step:
    name = rules.msr_name(rules.DEF_TYPE_MSR)
    limit = reference.tom2_limit(s)
    if rules.GIB4 <= address < limit:
        tom2 = rules.msr_name(rules.TOP_MEM2_MSR)
        return step("mtrr-tom2", f"no range matches; below {tom2} = 0x{limit:x} the default is WB", tom2, "SYSCFG")
    entry = s.def_type & rules.DEF_TYPE_TYPE
    if entry not in rules.MTRR_TYPES:
        return step("mtrr-reserved", f"no range matches and the default type {entry} is reserved: ??", name)
    return step("mtrr-default", f"no range matches: the default type is {rules.type_of(entry)}", name)
