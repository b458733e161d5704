"""Many leaves at once: the bits of arrays of gfns, and filling SPTEs in place."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from memtype import backends, parallel, rules
from memtype.errors import ArrayError, InputError
from memtype.kvm import leaves
from memtype.kvm.gfns import Pieces
from memtype.kvm.history import WB_PAT
from memtype.late import Late

if TYPE_CHECKING:
    import numpy as np

    from memtype import arrays
    from memtype.arrays import U64Array
    from memtype.kvm.vm import Vm
else:
    np, arrays = Late("numpy"), Late("memtype.arrays")


def leaf_bits(vm: Vm, gfns: Any, mmio: Any, vcpu: int, out: U64Array | None, threads: int) -> Any:
    """See `Vm.leaf_bits`."""
    if out is None and isinstance(gfns, (int, np.integer)) and not isinstance(gfns, bool):
        parallel.check_threads(threads)
        return vm.leaf(int(gfns) << rules.PAGE_SHIFT, mmio, vcpu).bits
    given = arrays.uint64(gfns, "gfns")
    width = vm.vcpu(vcpu).maxphyaddr
    out = arrays.output(out, given.shape, arrays.U64, given)
    written = arrays.contiguous(out)
    pages = _page_kinds(mmio, given)
    kernel = partial(backends.active.leaf_bits, *_pieces(vm, given, mmio is True, vcpu), width)
    parallel.elementwise(kernel, (given, written), threads, partial(arrays.refuse_gfns, maxphyaddr=width))
    if pages is not None:
        bits = leaves.encode(vm, leaves.decide(vm, vm.vcpu(vcpu), True)[0] or WB_PAT)
        np.copyto(written, np.uint64(bits), where=pages)
    return arrays.deliver(written, out)


def fill(vm: Vm, sptes: U64Array, gfns: Any, mmio: Any, vcpu: int, threads: int) -> U64Array:
    """See `Vm.fill`."""
    given = arrays.uint64(gfns, "gfns")
    if sptes is None:
        raise ArrayError("sptes: None is no array")
    arrays.output(sptes, given.shape, arrays.U64, given, what="sptes")
    pages = _page_kinds(mmio, given)
    if pages is not None:
        bits = leaf_bits(vm, given, pages, vcpu, None, threads)
        sptes &= ~np.uint64(vm.leaf_field)
        sptes |= bits
        return sptes
    written = np.require(sptes, arrays.U64, ["C", "A"])
    width, pieces = vm.vcpu(vcpu).maxphyaddr, _pieces(vm, given, mmio is True, vcpu)
    kernel = partial(backends.active.leaf_fill, *pieces, vm.leaf_field, width)
    parallel.elementwise(kernel, (given, written), threads, partial(arrays.refuse_gfns, maxphyaddr=width))
    return arrays.deliver(written, sptes)


def _pieces(vm: Vm, gfns: U64Array, mmio: bool, vcpu: int) -> tuple[U64Array, U64Array]:
    """The pieces as arrays; where holey masks make too many, a map that is right for these gfns alone."""
    pieces = leaves.leaf_pieces(vm, vcpu, mmio)
    if pieces.count() > rules.MAP_SEGMENT_LIMIT:
        asked = sorted({0, *gfns.ravel().tolist()})
        pieces = Pieces([(gfn, pieces.at(gfn)) for gfn in asked], pieces.end)
    values = [0 if bits == leaves.UNDEFINED_BITS else bits for bits in pieces.values]
    return np.array(pieces.starts, arrays.U64), np.array(values, arrays.U64)


def _page_kinds(mmio: Any, gfns: U64Array) -> Any:
    """`mmio` as an array of bool of the gfns' shape, or None where it is one bool."""
    if isinstance(mmio, bool):
        return None
    flags = arrays.flags(mmio, "mmio").view(np.bool_)
    try:
        return np.broadcast_to(flags, gfns.shape)
    except ValueError:
        raise InputError(f"mmio: shape {flags.shape} does not fit gfns {gfns.shape}") from None
