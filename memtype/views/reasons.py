"""Why a view gives its answer: the same `Explanation` as of a state, in the words of that program's rules."""

from __future__ import annotations

from collections.abc import Iterator

from memtype import rules
from memtype.backends import reference
from memtype.backends.reference import Registers
from memtype.explanation import Explanation, Step, pair_name, step
from memtype.types import MemoryType
from memtype.views import ways
from memtype.views.decide import Decision, decide, matching
from memtype.views.programs import EXACT, Program


def explain(program: Program, s: Registers, address: int) -> Explanation:
    decision = decide(program, s, address)
    return Explanation(address, decision.type, tuple(_steps(program, s, address, decision)))


def cause(program: Program, s: Registers, address: int) -> str:
    """The one rule of the program that makes its answer what it is: what it leaves out of the manual's questions, in
    their order, else the rule that decided."""
    decision = decide(program, s, address)
    low = address < rules.FIXED_END
    if not s.def_type & rules.DEF_TYPE_E:
        ignored = program.disabled == "disabled-ignored" or (program.disabled == "disabled-acrn" and low)
        return program.disabled if ignored else decision.rule
    if program.low == "low-none" and low and reference.fixed_decides(s, address):
        return program.low
    manual = reference.matching_pairs(s, address)
    if decision.rule in (program.overlap, program.default, program.tom2):
        if list(matching(program, s, address)) != manual:
            return program.overlap if program.ranges == "range-none" and len(manual) > 1 else program.ranges
        if decision.rule == program.default and rules.GIB4 <= address < reference.tom2_limit(s):
            return program.tom2
    return decision.rule


def _steps(program: Program, s: Registers, address: int, decision: Decision) -> Iterator[Step]:
    for n in decision.pairs:
        yield _match_step(program, s, n)
    kinds = [rules.type_of(s.variable[n][0] & rules.BASE_TYPE) for n in decision.pairs]
    if kinds == [decision.type] != [MemoryType.UNDEFINED]:
        return
    text = f"{rules.RULES[decision.rule].text}: {decision.type}"
    yield step(decision.rule, text, *_deciding(s, address, decision))


def _match_step(program: Program, s: Registers, n: int) -> Step:
    base, mask = s.variable[n]
    encoding = base & rules.BASE_TYPE
    kind = rules.type_of(encoding)
    word = str(kind) if kind is not MemoryType.UNDEFINED else f"type {encoding}, which is reserved"
    span = ""
    if program.ranges != EXACT:
        start, end = ways.SPANS[program.ranges](base, mask, s.maxphyaddr)
        span = f" is [0x{start:x}-0x{end - 1:x}]"
    text = f"{pair_name(n)} (0x{base:x}/0x{mask:x}){span or ' matches'}: {word}"
    return step(program.ranges, text, pair_name(n))


def _deciding(s: Registers, address: int, decision: Decision) -> tuple[str, ...]:
    """The registers that the deciding rule read."""
    if decision.pairs:
        return tuple(pair_name(n) for n in decision.pairs)
    if decision.rule in ("mtrr-tom2", "tom2-forced"):
        return rules.msr_name(rules.TOP_MEM2_MSR), rules.msr_name(rules.SYSCFG_MSR)
    if decision.rule == "default-wb":
        return ()
    if _reads_fixed(s, address, decision.rule):
        return (rules.msr_name(rules.FIXED_MSRS[rules.FIXED_RANGES[reference.fixed_slot(address)].register]),)
    return (rules.msr_name(rules.DEF_TYPE_MSR),)


def _reads_fixed(s: Registers, address: int, rule: str) -> bool:
    """Whether the rule read the fixed register of the address, not the default type alone."""
    if rule == "low-kvm":
        return True  # whatever FE says
    if rule == "low-acrn" and not s.def_type & rules.DEF_TYPE_E:
        return False
    return rule in {"mtrr-fixed", "low-linux", "low-acrn"} and reference.fixed_decides(s, address)
