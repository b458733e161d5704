"""The names of memory types, once more: values, short names, Linux's words, and every spelling that is read."""

from __future__ import annotations

import pytest

from memtype import InputError, MemoryType

# value, member, short, Linux's words, other spellings
TYPES = [
    (0, "UC", "UC", "uncachable", "uncacheable uncached strong-uncacheable strong-uncachable"),
    (1, "WC", "WC", "write-combining", "write-combine writecombine writecombining combine wrcomb"),
    (4, "WT", "WT", "write-through", "writethrough through wrthrough"),
    (5, "WP", "WP", "write-protect", "write-protected writeprotect writeprotected protect wrprot"),
    (6, "WB", "WB", "write-back", "writeback back wrback"),
    (7, "UC_MINUS", "UC-", "uncached-minus", "uc_minus uncacheable-minus uncachable-minus ucminus"),
    (8, "CD", "CD", "CD", ""),
    (9, "WC_PLUS", "WC+", "WC+", "wc_plus"),
    (10, "UNDEFINED", "??", "??", "undefined"),
    (11, "MIXED", "mixed", "mixed", ""),
    (12, "NOT_TOLD", "?", "?", "not_told not-told"),
]


@pytest.mark.parametrize(("value", "member", "short", "linux", "spellings"), TYPES, ids=[row[1] for row in TYPES])
def test_a_type_and_its_names(value: int, member: str, short: str, linux: str, spellings: str) -> None:
    kind = MemoryType[member]
    assert (int(kind), str(kind), kind.linux_name) == (value, short, linux)
    for word in (short, linux, member, *spellings.split()):
        for said in (word, word.upper(), word.lower(), f"  {word} ", word[:-1].replace("-", " ") + word[-1]):
            assert MemoryType.parse(said) is kind is MemoryType(said), said
    assert MemoryType.parse(value) is kind is MemoryType.parse(str(value))
    assert f"{kind}" == short and f"{kind:>8}" == short.rjust(8) and f"{kind:<8}|" == short.ljust(8) + "|"
    for spec in "bcdoxXneEfFgG%":
        assert format(kind, spec) == format(value, spec)
    assert f"{kind:04d}" == f"{value:04d}"


def test_there_are_no_others() -> None:
    assert [kind.name for kind in MemoryType] == [row[1] for row in TYPES]
    for wrong in (2, 3, 13, -1, 255, 256, 1 << 70, "2", "", "W", "write--back", "WBX", None, 1.5, [], "uc--"):
        with pytest.raises(InputError, match="is not a memory type"):
            MemoryType.parse(wrong)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="is not a memory type"):
            MemoryType(wrong)
