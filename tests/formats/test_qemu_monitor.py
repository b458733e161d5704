"""QEMU's monitor: CR0 and the width, no MTRR, and it is said."""

from dump_samples import (
    HMP,
    qmp_session,
)

import memtype as mt
from memtype.formats import qemu_monitor


def test_monitor_prints_no_mtrr_and_says_so():
    machine = mt.parse(HMP)
    assert machine.facts["cr0"] == {"0": "0x80050033", "1": "0x60000010"} and machine.mtrrs is None
    assert [cpu.number for cpu in machine.cpus] == [0, 1] and any("registers not told" in n for n in machine.notes)


def test_qmp_session():
    machine = mt.parse(qmp_session())
    assert (machine.format, machine.maxphyaddr, machine.facts["cr0"]) == ("qemu-monitor", 40, {"0": "0x80050033"})


def test_a_number_with_more_behind_it_is_no_number():
    (cpu,) = qemu_monitor.parse("CR0=80050033 CR2=0 CR4=0\nMTRRdefType=c06_5 PAT=6\n").cpus
    assert cpu.registers is None and cpu.pat == mt.Pat(6)
