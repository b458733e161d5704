"""Whether KVM takes a host page for MMIO: the ingredients of the test, release by release."""

from __future__ import annotations

from memtype.arguments import flag, memory_type
from memtype.kvm.releases import Profile
from memtype.kvm.releases import profile as find_profile
from memtype.types import MemoryType

_UNCACHED = frozenset({MemoryType.UC, MemoryType.UC_MINUS, MemoryType.WC})


def is_mmio(
    profile: str | Profile,
    pfn_valid: bool,
    reserved: bool = False,
    zero_page: bool = False,
    host_pat: MemoryType | str = "WB",
    host_pat_enabled: bool = True,
    e820_ram: bool = False,
) -> bool:
    """kvm_is_mmio_pfn(): what the `mmio` of `Vm.leaf` is for a host page.

    Parameters
    ----------
    pfn_valid : the host has a struct page for it (a VFIO BAR has none)
    reserved, zero_page : PageReserved; the zero page
    host_pat, host_pat_enabled : the type that the host's PAT tracking gives the page; PAT is on
    e820_ram : the host's E820 says RAM

    Examples
    --------
    >>> is_mmio("6.4", pfn_valid=False), is_mmio("6.4", pfn_valid=True, reserved=True, host_pat="WB")
    (True, False)
    """
    p, kind = find_profile(profile), memory_type(host_pat, "host_pat")
    reserved, zero_page = flag(reserved, "reserved"), flag(zero_page, "zero_page")
    host_pat_enabled, e820_ram = flag(host_pat_enabled, "host_pat_enabled"), flag(e820_ram, "e820_ram")
    if not flag(pfn_valid, "pfn_valid"):
        return not (p.mmio_e820 and e820_ram)
    if not reserved or (zero_page and p.mmio_zero_page):
        return False
    return not p.mmio_host_pat or not host_pat_enabled or kind in _UNCACHED
