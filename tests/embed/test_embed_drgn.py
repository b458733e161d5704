"""drgn: the real package over a made-up kernel memory, every layout that kernels have had."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from memtype import InputError, MtrrState, rules
from memtype.embed import drgn as memtypes

drgn = pytest.importorskip("drgn", reason="drgn is not installed")

FIXED = (0x0606060606060606, 0x0606060606060606, 0, *[0x0505050505050505] * 7, 0x0504050405040501)
PAIRS = ((0x80000000, 0xFF80000800), (0xC0000006, 0xFFF0000800)) + ((0, 0),) * 6
STATE = MtrrState(def_type=0xC06, fixed=FIXED, variable=PAIRS, maxphyaddr=40)
PAT = 0x0407050600070106
LINUX_ROOM = 256  # MTRR_MAX_VAR_RANGES


class Kernel:
    """A `drgn.Program` whose types and objects are put in by hand."""

    def __init__(self) -> None:
        self.prog = drgn.Program(drgn.Platform(drgn.Architecture.X86_64))
        self.memory = bytearray(1 << 16)
        self.end = 0x100
        self.objects: dict[str, Any] = {}
        self.prog.add_memory_segment(1 << 40, len(self.memory), self._read)
        self.prog.register_object_finder("made", self._object, enable_index=0)
        self.prog.register_type_finder("made", self._type, enable_index=0)
        self.types: dict[str, Any] = {}
        p = self.prog
        self.u8 = p.int_type("u8", 1, False)
        self.u32 = p.int_type("u32", 4, False)
        self.u64 = p.int_type("u64", 8, False)
        self.int = p.int_type("int", 4, True)
        self.pointer = p.pointer_type(p.void_type())

    def _read(self, address: int, count: int, offset: int, physical: bool) -> bytes:
        return bytes(self.memory[offset : offset + count])

    def _object(self, prog: Any, name: str, flags: Any, filename: str | None) -> Any:
        return self.objects.get(name)

    def _type(self, prog: Any, kinds: Any, name: str, filename: str | None) -> Any:
        return self.types.get(name)

    def struct(self, name: str, *members: tuple[str, Any]) -> Any:
        """A structure laid out as C would; each member is (name, type)."""
        made, offset = [], 0
        for member, kind in members:
            size = drgn.sizeof(kind)
            align = min(8, _alignment(kind))
            offset = -(-offset // align) * align
            made.append(drgn.TypeMember(kind, member, 8 * offset))
            offset += size
        self.types[name] = self.prog.struct_type(name, -(-offset // 8) * 8, tuple(made))
        return self.types[name]

    def list_head(self) -> Any:
        """The structure that points to itself: drgn takes such a member's type as a function."""

        def pointer() -> Any:
            return self.prog.pointer_type(self.types["list_head"])

        links = tuple(drgn.TypeMember(pointer, name, offset) for name, offset in (("next", 0), ("prev", 64)))
        self.types["list_head"] = self.prog.struct_type("list_head", 16, links)
        return self.types["list_head"]

    def put(self, kind: Any, value: Any) -> Any:
        """An object of that type in memory."""
        data = drgn.Object(self.prog, kind, value).to_bytes_()
        at, self.end = self.end, -(-(self.end + len(data)) // 16) * 16
        self.memory[at : at + len(data)] = data
        return drgn.Object(self.prog, kind, address=(1 << 40) + at)

    def array(self, kind: Any, count: int) -> Any:
        return self.prog.array_type(kind, count)


def _alignment(kind: Any) -> int:
    if kind.kind == drgn.TypeKind.ARRAY:
        return _alignment(kind.type)
    if kind.kind == drgn.TypeKind.STRUCT:
        return max((_alignment(member.type) for member in kind.members), default=1)
    return drgn.sizeof(kind)


def fixed_bytes() -> list[int]:
    return list(struct.pack("<11Q", *FIXED))


def host_structure(k: Kernel) -> Any:
    half = k.struct("mtrr_var_range", *((name, k.u32) for name in ("base_lo", "base_hi", "mask_lo", "mask_hi")))
    return k.struct(
        "mtrr_state_type", ("var_ranges", k.array(half, LINUX_ROOM)), ("fixed_ranges", k.array(k.u8, 88)),
        ("enabled", k.u8), ("have_fixed", k.u8), ("def_type", k.u8),
    )  # fmt: skip


def host_value(have_fixed: int = 1) -> dict[str, Any]:
    halves = [
        {"base_lo": b & 0xFFFFFFFF, "base_hi": b >> 32, "mask_lo": m & 0xFFFFFFFF, "mask_hi": m >> 32} for b, m in PAIRS
    ]
    return {
        "var_ranges": halves, "fixed_ranges": fixed_bytes(), "enabled": 3, "have_fixed": have_fixed, "def_type": 6,
    }  # fmt: skip


def kvm_since_6_11(k: Kernel) -> tuple[Any, dict[str, Any]]:
    kind = k.struct(
        "kvm_mtrr", ("var", k.array(k.u64, 16)), ("fixed_64k", k.u64), ("fixed_16k", k.array(k.u64, 2)),
        ("fixed_4k", k.array(k.u64, 8)), ("deftype", k.u64),
    )  # fmt: skip
    words = [word for pair in PAIRS for word in pair]
    value = {"var": words, "fixed_64k": FIXED[0], "fixed_16k": FIXED[1:3], "fixed_4k": FIXED[3:], "deftype": 0xC06}
    return kind, value


def kvm_4_2_to_6_10(k: Kernel) -> tuple[Any, dict[str, Any]]:
    node = k.list_head()
    one = k.struct("kvm_mtrr_range", ("base", k.u64), ("mask", k.u64), ("node", node))
    kind = k.struct(
        "kvm_mtrr", ("var_ranges", k.array(one, 8)), ("fixed_ranges", k.array(k.u8, 88)), ("deftype", k.u64),
        ("head", node),
    )  # fmt: skip
    above = rules.high_bits(40)  # as KVM keeps masks
    ranges = [{"base": base, "mask": mask | above} for base, mask in PAIRS]
    return kind, {"var_ranges": ranges, "fixed_ranges": fixed_bytes(), "deftype": 0xC06}


def kvm_before_4_2(k: Kernel) -> tuple[Any, dict[str, Any]]:
    return host_structure(k), host_value()


LAYOUTS = [kvm_since_6_11, kvm_4_2_to_6_10, kvm_before_4_2]


def make_vcpu(k: Kernel, layout: Any, number: int = 0, maxphyaddr: int = 40) -> Any:
    kind, value = layout(k)
    arch = k.struct("kvm_vcpu_arch", ("maxphyaddr", k.int), ("mtrr_state", kind), ("pat", k.u64))
    vcpu = k.struct("kvm_vcpu", ("vcpu_id", k.int), ("arch", arch))
    return k.put(vcpu, {"vcpu_id": number, "arch": {"maxphyaddr": maxphyaddr, "mtrr_state": value, "pat": PAT}})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_virtual_processor_in_every_layout(layout: Any) -> None:
    k = Kernel()
    for thing in (make_vcpu(k, layout, 3), make_vcpu(k, layout, 3).address_of_()):
        cpu = memtypes.vcpu(thing)
        assert cpu.number == 3 and cpu.mtrrs == STATE and cpu.pat is not None and cpu.pat.value == PAT
    assert str(memtypes.vcpu(thing).mtrrs.at(0xC0000000)) == "UC"  # type: ignore[union-attr]


def test_a_virtual_processor_without_cpuid_has_36_bits() -> None:
    cpu = memtypes.vcpu(make_vcpu(Kernel(), kvm_since_6_11, maxphyaddr=0))
    assert cpu.mtrrs is not None and cpu.mtrrs.maxphyaddr == 36


def test_an_unknown_layout_is_named() -> None:
    k = Kernel()
    odd = lambda k: (k.struct("kvm_mtrr", ("other", k.u64)), {"other": 1})  # noqa: E731
    with pytest.raises(InputError, match=r"struct kvm_mtrr .*unknown layout"):
        memtypes.vcpu(make_vcpu(k, odd))


def make_vm(k: Kernel, layout: Any = kvm_since_6_11, xarray: bool = True, online: int = 1) -> Any:
    """A ``struct kvm`` with one virtual processor, the only one in the kernel's list."""
    vcpu = make_vcpu(k, layout, 0).address_of_()
    counter = k.struct("atomic_t", ("counter", k.int))
    node = k.list_head()
    if xarray:
        holder = ("vcpu_array", k.struct("xarray", ("xa_flags", k.u32), ("xa_head", k.pointer)))
        slots = k.struct("xa_node", ("shift", k.u8), ("slots", k.array(k.pointer, 64)))
        one = k.put(slots, {"shift": 0, "slots": [vcpu.value_()] * online})
        held: Any = {"xa_head": one.address_ | 2}  # an internal node is marked in bit 1
    else:
        holder = ("vcpus", k.array(k.prog.pointer_type(k.types["kvm_vcpu"]), 4))
        held = [vcpu.value_()]
    kind = k.struct("kvm", ("online_vcpus", counter), holder, ("vm_list", node))
    kvm = k.put(kind, {"online_vcpus": {"counter": online}, holder[0]: held})
    links = kvm.vm_list.address_
    k.objects["vm_list"] = k.put(node, {"next": links, "prev": links})
    head = k.objects["vm_list"].address_
    k.memory[links - (1 << 40) : links - (1 << 40) + 16] = struct.pack("<QQ", head, head)
    return kvm


@pytest.mark.parametrize("layout", LAYOUTS[:2])
@pytest.mark.parametrize("xarray", [True, False], ids=["vcpu_array", "vcpus"])
def test_virtual_machines(layout: Any, xarray: bool) -> None:
    k = Kernel()
    machine = memtypes.vm(make_vm(k, layout, xarray).address_of_())
    assert machine.format == "drgn-kvm" and len(machine.cpus) == 1 and machine.mtrrs == STATE
    assert [m.mtrrs for m in memtypes.vms(k.prog)] == [STATE]
    with pytest.raises(InputError, match="no virtual processor"):
        memtypes.vm(make_vm(Kernel(), layout, xarray, online=0))


def test_a_kernel_without_kvm() -> None:
    with pytest.raises(InputError, match="no vm_list"):
        list(memtypes.vms(Kernel().prog))


def host_kernel(vendor: bytes = b"GenuineIntel", tom2: int = 0, have_fixed: int = 1, pairs: int | None = 8) -> Kernel:
    k = Kernel()
    k.objects["mtrr_state"] = k.put(host_structure(k), host_value(have_fixed))
    if pairs is not None:
        k.objects["num_var_ranges"] = k.put(k.u32, pairs)
    k.objects["mtrr_tom2"] = k.put(k.u64, tom2)
    char = k.prog.int_type("char", 1, True)
    kind = k.struct("cpuinfo_x86", ("x86_phys_bits", k.u8), ("x86_vendor_id", k.array(char, 16)))
    k.objects["boot_cpu_data"] = k.put(kind, {"x86_phys_bits": 40, "x86_vendor_id": list(vendor.ljust(16, b"\0"))})
    return k


def test_the_host() -> None:
    k = host_kernel()
    machine = memtypes.host(k.prog)
    assert machine.mtrrs == STATE and machine.pat is None
    assert (machine.vendor, machine.maxphyaddr, machine.format) == ("intel", 40, "drgn")
    k.objects["pat_msr_val"] = k.put(k.u64, PAT)
    assert memtypes.host(k.prog).pat.value == PAT  # type: ignore[union-attr]


def test_an_amd_host_with_tom2() -> None:
    state = memtypes.host(host_kernel(b"AuthenticAMD", tom2=1 << 33).prog).mtrrs
    assert state is not None and state.vendor == "amd" and state.tom2 == 1 << 33
    assert state.syscfg == rules.SYSCFG_TOM2_EN | rules.SYSCFG_TOM2_FORCE_WB


def test_hosts_that_tell_less() -> None:
    state = memtypes.host(host_kernel(have_fixed=0).prog).mtrrs
    assert state is not None and not state.has_fixed and str(state.at(0xA0000)) == "WB"
    k = host_kernel(pairs=None)
    del k.objects["boot_cpu_data"], k.objects["mtrr_tom2"]
    state = memtypes.host(k.prog).mtrrs
    assert state is not None and state.variable == PAIRS[:2] and state.maxphyaddr == 40
    with pytest.raises(InputError, match="mtrr_state"):
        memtypes.host(Kernel().prog)
