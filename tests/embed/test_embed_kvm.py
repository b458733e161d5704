"""The real KVM of this host as the judge of register values; skipped where there is none."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from memtype import LiveReadRefused, MtrrState, RegisterError, msr_valid, rules
from memtype.embed.kvm import HostVm
from memtype.pat import Pat

BAD_PAT = 0x0202020202020202
PAIRS = tuple(range(0x200, 0x210))


def opened(maxphyaddr: int | None = None) -> HostVm:
    try:
        return HostVm(maxphyaddr)
    except LiveReadRefused as error:
        pytest.skip(f"no KVM here: {error}")


@pytest.fixture
def vm() -> Iterator[HostVm]:
    with opened() as made:
        yield made


def random_value(rng: random.Random, index: int, width: int) -> int:
    """Legal values, legal ones with one bit flipped, and noise: each kind often enough."""
    if index in rules.FIXED_MSRS or index == rules.PAT_MSR:
        value = int.from_bytes(bytes(rng.choice((0, 1, 4, 5, 6)) for _ in range(8)), "little")
    elif index == rules.DEF_TYPE_MSR:
        value = rng.choice((0, 0x400, 0x800, 0xC00)) | rng.choice((0, 1, 4, 5, 6))
    elif index & 1:
        value = rng.getrandbits(width) & ~0xFFF | rng.choice((0, 0x800))
    else:
        value = rng.getrandbits(width) & ~0xFFF | rng.choice((0, 1, 4, 5, 6))
    fate = rng.random()
    return value ^ 1 << rng.randrange(64) if fate < 0.4 else rng.getrandbits(64) if fate < 0.5 else value


@pytest.mark.parametrize("width", [32, 36, 39, 46, 52])
def test_kvm_takes_what_msr_valid_takes(width: int) -> None:
    rng = random.Random(width)
    taken = 0
    with opened(width) as vm:
        for _ in range(1500):
            index = rng.choice((*PAIRS, *rules.FIXED_MSRS, rules.DEF_TYPE_MSR))
            value = random_value(rng, index, width)
            found = vm.set_msr(index, value)
            assert found == msr_valid(index, value, maxphyaddr=width), (rules.msr_name(index), hex(value))
            if found:
                assert vm.get_msr(index) == value
                taken += 1
    assert 500 < taken < 1400


def test_kvm_takes_the_pat_that_pat_validity_takes(vm: HostVm) -> None:
    if vm.set_msr(rules.PAT_MSR, BAD_PAT):
        pytest.skip("this host's KVM takes any PAT: it is no judge")
    rng = random.Random(3)
    for _ in range(1000):
        value = random_value(rng, rules.PAT_MSR, 0)
        assert vm.set_msr(rules.PAT_MSR, value) == msr_valid(rules.PAT_MSR, value), hex(value)


def test_a_state_goes_in_and_comes_out() -> None:
    fixed = [0x0606060606060606, 0x0606060606060606, 0, *[0x0505050505050505] * 8]
    variable = [(0x80000000, 0xFF80000800), *[(0, 0)] * 7]
    state = MtrrState(def_type=0xC06, fixed=fixed, variable=variable, maxphyaddr=40)
    with opened(40) as vm:
        assert vm.load(state, Pat("linux")) == []
        assert vm.state.msrs() | {rules.MTRRCAP: 0} == state.msrs() | {rules.MTRRCAP: 0}
        assert vm.pat == Pat("linux") and vm.maxphyaddr == 40


def test_refused_registers_are_named() -> None:
    variable = [(0x80000002, 0xFF80000800), *[(0, 0)] * 8, (6, 0xFF80000800)]
    state = MtrrState(def_type=0x806, variable=variable, maxphyaddr=40)
    with opened(40) as vm:
        assert vm.load(state) == [0x200, 0x212, 0x213]


def test_registers_that_kvm_has_not(vm: HostVm) -> None:
    assert vm.get_msr(0x210) is None and not vm.set_msr(0x210, 0)
    with pytest.raises(RegisterError, match="IA32_MTRR_PHYSBASE8"):
        vm.read(0x210)
    assert vm.read(rules.MTRRCAP) & rules.MTRRCAP_VCNT == 8


def test_a_device_that_is_none() -> None:
    for path in ("/nonexistent", "/dev/null", "/"):
        with pytest.raises(LiveReadRefused, match=path):
            HostVm(device=path)
    with pytest.raises(RegisterError):
        HostVm(maxphyaddr=53)
