"""Policies of other hypervisors, against a restatement of their questions in another shape."""

from __future__ import annotations

import itertools

import pytest
from conftest import load_vectors

from memtype.errors import InputError
from memtype.hypervisors import POLICIES, policy
from memtype.types import MemoryType

TYPES = ("UC", "WC", "WT", "WP", "WB", "mixed")


def xen(guest, host, mmio, dma, read_only, special, foreign, pinned):
    """Xen's answer as (type, IPAT), None for a page that it splits: one outcome for each page, last question first."""
    answer = combined(guest, host), False
    if pinned is not None:
        answer = {"UC-": "UC", "mixed": None}.get(pinned, pinned), True
    if foreign:
        answer = "WB", True
    if mmio:
        answer = "UC", False
    if special != "none":
        answer = "WB" if special == "all" else None, True
    if not (dma or mmio):
        answer = "WB", True
    if read_only != "none":
        answer = "UC" if read_only == "all" else None, True
    return answer if answer[0] else (None, False)


def combined(guest, host):
    both = {guest, host}
    if "mixed" in both:
        return None
    if len(both) == 1:
        return guest
    if "UC" in both:
        return "UC"
    if "WB" in both:
        return (both - {"WB"}).pop()
    return "WP" if both == {"WT", "WP"} else "UC"


def test_xen_asks_in_its_order() -> None:
    parts = ("none", "some", "all")
    pages = itertools.product(
        TYPES,
        TYPES,
        (False, True),
        (False, True),
        parts,
        parts,
        (False, True),
        (None, "UC", "UC-", "WC", "WB", "mixed"),
    )
    names = ("guest", "host", "mmio", "noncoherent_dma", "read_only", "special", "foreign", "pinned")
    for values in pages:
        leaf = policy("xen").leaf(**dict(zip(names, values, strict=True)))
        kind, ipat = xen(*values)
        assert (None if leaf.type is None else str(leaf.type), leaf.ipat) == (kind, ipat), values
        assert leaf.split == (kind is None) and leaf.why and leaf.source and leaf.rule.id.startswith("xen-")
        assert leaf.bits == (None if kind is None else MemoryType.parse(kind) << 3 | ipat << 6)


def test_xen_combines_as_the_vectors_say() -> None:
    table = load_vectors("hardware").get("xen_guest_host_mtrr")
    if not table:
        pytest.skip("no vectors/hardware.json beside the project")
    for guest, cells in table.items():
        for host, expected in cells.items():
            leaf = policy("xen").leaf(guest=guest, host=host, noncoherent_dma=True)
            assert (str(leaf.type), leaf.ipat) == (expected, False)


@pytest.mark.parametrize("guest", TYPES)
@pytest.mark.parametrize("dma", [False, True])
def test_bhyve_and_virtualbox_look_at_no_guest_mtrr(guest: str, dma: bool) -> None:
    for name, mmio, kind in (("bhyve", False, "WB"), ("bhyve", True, "UC"), ("virtualbox", False, "WB")):
        leaf = policy(name).leaf(guest=guest, mmio=mmio, noncoherent_dma=dma)
        assert (str(leaf.type), leaf.ipat) == (kind, True)


def test_every_rule_has_a_source_and_a_name_of_its_own() -> None:
    found = [choice.rule for made in POLICIES.values() for choice in made.choices]
    assert len({rule.id for rule in found}) == len(found)
    assert all(rule.text and rule.source for rule in found)


@pytest.mark.parametrize(
    "words",
    [{"guest": "UC-"}, {"host": "??"}, {"guest": 2}, {"pinned": "zz"}, {"special": "half"}, {"read_only": "most"}],
)
def test_what_no_page_is_is_refused(words: dict[str, object]) -> None:
    with pytest.raises(InputError):
        policy("xen").leaf(**words)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["hyper-v", "", "kvm", "x" * 5000])
def test_a_hypervisor_without_a_source_is_none(name: str) -> None:
    with pytest.raises(InputError, match="one of xen, bhyve, virtualbox") as refused:
        policy(name)
    assert len(str(refused.value)) < 120
