"""The rules that a case can ask for: hardware's, KVM's, those of other hypervisors."""

from __future__ import annotations

from typing import Any, Final

from memtype import hypervisors, rules
from memtype.kvm.rules import KVM_RULES

CITED: Final = {**rules.RULES, **KVM_RULES, **hypervisors.RULES}


def row(name: str, rule: str, *values: Any) -> tuple[Any, ...]:
    """A row of a section: its id, the rule, where that stands, then what is given and answered."""
    return name, rule, CITED[rule].source, *values
