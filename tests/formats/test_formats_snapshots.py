"""Hypervisors' snapshots: migration streams, JSON and KVM's own structure tell the guest's registers."""

import gzip
import json
import re
import struct

import pytest
from dump_samples import (
    HMP,
    MSRS,
    STATE,
    analyzed,
    cloud_hypervisor,
    hex_dumps,
    kvm_structure,
    migration_stream,
    qmp_session,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype.formats import kvm_msrs, qemu_migration

# --- QEMU: the stream, its JSON and the guest itself are three witnesses of one state ---------------------------------


def guest_view(log: str) -> dict[int, dict[int, int]]:
    """What the guest read, then what it wrote behind that (``-w`` captures), by processor."""
    found: dict[int, dict[int, int]] = {}
    for cpu, index, value in re.findall(r"^MSR cpu(\d+) (0x\w+) (0x\w+)$", log, re.M):
        found.setdefault(int(cpu), {})[int(index, 16)] = int(value, 16)
    for cpu, index, value in re.findall(r"^WRMSR cpu(\d+) (0x\w+) \S+ -> ok readback (0x\w+)$", log, re.M):
        found[int(cpu)][int(index, 16)] = int(value, 16)
    return found


def test_migration_streams_hold_what_the_guest_read(corpus):
    chains = 0
    for path in sorted((corpus / "qemu").glob("*.migration.bin.gz")):
        log = path.with_name(path.name.replace(".migration.bin.gz", ".serial.log"))
        if not log.exists():
            continue
        guest = guest_view(log.read_text())
        machine = mt.load(path)
        assert machine.format == "qemu-migration"
        assert [cpu.number for cpu in machine.cpus] == sorted(guest)
        for cpu in machine.cpus:
            wanted = {i: v for i, v in guest[cpu.number].items() if i in range(0x200, 0x300) and i != 0x277}
            assert cpu.mtrrs.msrs() == wanted
            assert cpu.pat.value == guest[cpu.number][0x277]
        told = re.search(r"physbits (\d+)", log.read_text())
        assert machine.maxphyaddr == int(told[1])
        chains += 1
    assert chains == 3


def test_serial_logs_hold_the_registers_and_the_width(corpus):
    for path in sorted((corpus / "qemu").glob("*.serial.log")):
        first, *more = mt.load(path).states  # some go on with the guest's writes
        last = more[-1] if more else first
        log = path.read_text()
        state = {index: value for index, value in guest_view(log.split("@@RAWWR")[0])[0].items() if index < 0x300}
        assert first.maxphyaddr == int(re.search(r"physbits (\d+)", log)[1]), path.name
        got = last.mtrrs.msrs()
        assert {i: state[i] for i in got if i in state} == {i: v for i, v in got.items() if i in state}, path.name


@pytest.mark.parametrize("width", [36, 48])
def test_filled_masks_stay_raw_and_an_unused_one_tells_the_width(corpus, width):
    machine = mt.load(corpus / "qemu" / f"kvm-fw-pc-seabios-2G-phys{width}.migration.bin.gz")
    assert machine.mtrrs.variable[0] == (0x80000000, 0x000FFFFF80000800)
    assert machine.mtrrs.variable[1][1] == (1 << 52) - (1 << width)
    assert machine.maxphyaddr == width and "maxphyaddr" in machine.inferred
    assert not machine.mtrrs.problems()
    assert str(machine.mtrrs.map.uniform(0x80000000, 0x80000000)) == "UC"
    assert str(machine.mtrrs.at((1 << width) - 1)) == "WB"


def test_analyze_migration_json():
    machine = mt.parse(json.dumps(analyzed([(0x80000000, 0xFF80000800)]), indent=4))
    assert (machine.format, machine.mtrrs, machine.pat.value) == ("qemu-json", STATE, 0x0007040600070406)


def test_analyze_migration_json_with_filled_masks_and_no_unused_one():
    machine = mt.parse(json.dumps(analyzed([(0x80000000, 0x000FFFFF80000800)])))
    assert machine.mtrrs.maxphyaddr == 52 and any("QEMU fills" in note for note in machine.notes)
    assert [str(machine.mtrrs.at(a)) for a in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32)] == ["WB", "UC", "UC", "WB"]


def test_analyze_migration_json_with_numbered_elements():
    whole = analyzed([])
    section = whole["cpu (0)"]
    section.pop("env.mtrr_var")
    section |= {"env.mtrr_var[0]": {"base": "0x80000000", "mask": "0xff80000800"}}
    assert mt.parse(json.dumps(whole)).mtrrs == STATE


@pytest.mark.parametrize(("change", "message"), [
    ({"env.mtrr_fixed": ["0x0"] * 10}, "env.mtrr_fixed is not a list of 11"),
    ({"env.mtrr_deftype": f"{1 << 70:#x}"}, "env.mtrr_deftype = '0x40+' is not a 64-bit value"),
    ({"env.mtrr_var": [{"base": "0x0"}]}, r"env.mtrr_var\[0\].mask = 'None' is not a 64-bit value"),
    ({"env.mtrr_var": [{}] * 41}, "env.mtrr_var is not a list of up to 40"),
])  # fmt: skip
def test_analyze_migration_refusals(change, message):
    whole = analyzed([])
    whole["cpu (0)"] |= change
    with pytest.raises(mt.ParseError, match=rf"^a\.json: cpu \(0\): {message}"):
        mt.parse(json.dumps(whole), "a.json")


def test_broken_streams(corpus):
    path = corpus / "qemu" / "tcg-6.12-pc-seabios-2G.migration.bin.gz"
    packed = path.read_bytes()
    stream = gzip.decompress(packed)
    assert mt.parse(stream, "s").mtrrs == mt.load(path).mtrrs
    for data, message in (
        (packed[:-20], "truncated gzip data"),
        (packed[:3000] + b"\xff" * 9 + packed[3009:], "broken gzip data"),
        (stream[:-7], "no device description at its end: cut off"),
        (stream.replace(b"\x03cpu\x00\x00\x00\x00", b"\x03cpX\x00\x00\x00\x00"), "cpu section 0 does not match"),
        (b"QEVM" + bytes(100), "no device description"),
    ):
        with pytest.raises(mt.ParseError, match=f"^s: .*{message}"):
            qemu_migration.parse_bytes(data, "s")


def test_what_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(qemu_migration, "MAX_UNPACKED", 1 << 20)
    with pytest.raises(mt.ParseError, match=r"^s: unpacks to more than 1 MiB$"):
        qemu_migration.parse_bytes(gzip.compress(b"QEVM" + bytes(2 << 20)), "s")


def test_a_walk_that_misses_the_footer_is_refused(corpus):
    stream = gzip.decompress((corpus / "qemu" / "tcg-6.12-pc-seabios-2G.migration.bin.gz").read_bytes())
    told = b'"name": "env.pat", "type": "uint64", "size": 8'
    lying = stream.replace(told, told[:-1] + b"4")
    assert lying != stream
    with pytest.raises(mt.ParseError, match="does not match the stream's description"):
        qemu_migration.parse_bytes(lying, "s")


# --- the monitor ---------------------------------------------------------------------------------------------------


def test_monitor_prints_no_mtrr_and_says_so():
    machine = mt.parse(HMP)
    assert machine.facts["cr0"] == {"0": "0x80050033", "1": "0x60000010"} and machine.mtrrs is None
    assert [cpu.number for cpu in machine.cpus] == [0, 1] and any("registers not told" in n for n in machine.notes)


def test_qmp_session():
    machine = mt.parse(qmp_session())
    assert (machine.format, machine.maxphyaddr, machine.facts["cr0"]) == ("qemu-monitor", 40, {"0": "0x80050033"})


# --- lists in JSON -------------------------------------------------------------------------------------------------


def test_cloud_hypervisor_snapshot():
    machine = mt.parse(cloud_hypervisor(MSRS, [*MSRS[:3], (0x2FF, 0x806), *MSRS[4:]]))
    assert machine.format == "msr-json" and machine.maxphyaddr == 40
    assert [cpu.mtrrs.def_type for cpu in machine.cpus] == [0xC06, 0x806]
    assert machine.mtrrs == STATE and machine.pat.value == MSRS[4][1]


def test_what_a_snapshot_lost_is_zero_after_the_restore():
    """The list without MTRRs but for the default type, as snapshots of KVM's index list were."""
    lost = mt.parse(cloud_hypervisor([(0x2FF, 0xC06)]))
    assert lost.mtrrs == mt.MtrrState(0xC06, maxphyaddr=40)
    assert [a.rule for a in lost.at(0).assumed] == ["assume-restored-zero"]
    assert lost.at(0, strict=True).type == mt.MemoryType.NOT_TOLD
    assert any("fixed-range registers are not in the list: 0 (UC)" in note for note in lost.notes)
    assert str(lost.mtrrs.at(0)) == "UC" and str(mt.parse(cloud_hypervisor(MSRS)).mtrrs.at(0)) == "WB"


def test_firecracker_keeps_long_lists_in_pieces():
    entries = [{"index": index, "reserved": 0, "data": value} for index, value in MSRS]
    state = {"vcpu_states": [{"saved_msrs": [entries[:4], entries[4:]]}, {"saved_msrs": [entries[:4], entries[4:]]}]}
    machine = mt.parse(json.dumps(state))
    assert [cpu.mtrrs for cpu in machine.cpus] == [STATE, STATE]


def test_plain_mapping():
    machine = mt.parse(json.dumps({"0x2ff": "0x806", "IA32_MTRR_PHYSBASE0": 0x80000000, "0x201": "0xff80000800"}))
    assert machine.mtrrs == mt.MtrrState(0x806, variable=STATE.variable, maxphyaddr=40)


@pytest.mark.parametrize("shape", [
    lambda a, b: [{"cpu": 2, "msrs": a}, {"cpu": 7, "msrs": b}],
    lambda a, b: {"2": a, "7": b},
    lambda a, b: {"hosts": {"cpu2": {"list": [{"index": i, "data": v} for i, v in a.items()]},
                            "cpu7": {"list": [{"index": i, "data": v} for i, v in b.items()]}}},
    lambda a, b: {"cpu 2": {str(int(i, 16)): v for i, v in a.items()}, "vcpu_7": b},
])  # fmt: skip
def test_numbers_of_processors_in_json(shape):
    one, other = {"0x2ff": "0x806", "0x277": "0x6"}, {"0x2ff": "0x800"}
    machine = mt.parse(json.dumps(shape(one, other)))
    assert [(cpu.number, cpu.registers.held[0x2FF].value) for cpu in machine.cpus] == [(2, 0x806), (7, 0x800)]


def test_json_lines_give_a_state_each(corpus):
    for path in sorted((corpus / "linux-maps").glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        machine = mt.load(path)
        assert "msr-json" in machine.format.split("+") and len(machine.cpus) == len(rows)
        for row, cpu in zip(rows, machine.cpus):
            registers = {int(index, 16): int(value, 16) for index, value in row["regs"].items()}
            held = cpu.mtrrs.msrs()
            assert all(held.get(index, value) == value for index, value in registers.items())
            assert held[0x2FF] == registers[0x2FF]


@pytest.mark.parametrize(("text", "message"), [
    ('{"a": [{"index": 767, "data": 1180591620717411303424}]}', "IA32_MTRR_DEF_TYPE = '11805\\d+' is not a 64"),
    ('{"a": [{"index": 767, "data": -1}]}', "IA32_MTRR_DEF_TYPE = '-1' is not a 64-bit value"),
    ('{"a": [{"index": 767, "data": 6', "not JSON: .*"),
    ('{"0x2ff": "0xzz"}', "IA32_MTRR_DEF_TYPE = '0xzz' is not a number"),
    ('{"0x2ff": true}', "IA32_MTRR_DEF_TYPE = 'True' is not a 64-bit value"),
    ('{"0x2ff": ' + "[" * 100000 + "]" * 100000 + "}", "JSON nested too deeply"),
    ('{"0x2ff": 1' + "0" * 5000 + "}", "not JSON: .*"),
])  # fmt: skip
def test_json_refusals(text, message):
    with pytest.raises(mt.ParseError, match=f"^a.json(:1)?: {message}"):
        mt.parse(text, "a.json")


# --- struct kvm_msrs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["bytes", "plain", "spaced", "xxd", "hexdump -C"])
def test_kvm_structure_and_its_hex_dumps(form):
    data = kvm_structure(MSRS)
    machine = mt.parse(data if form == "bytes" else hex_dumps(data)[form])
    assert (machine.format, machine.mtrrs, machine.pat.value) == ("kvm-msrs", STATE, MSRS[4][1])


def test_kvm_structures_of_several_processors():
    machine = mt.parse(kvm_structure(MSRS) + kvm_structure([(0x2FF, 0)]))
    assert [cpu.mtrrs.def_type for cpu in machine.cpus] == [0xC06, 0]


@pytest.mark.parametrize("entry", [
    "{{ .index = {i:#x}, .data = {v:#x} }},", "kvm_msr_entry {{ index: {i}, reserved: 0, data: {v} }},",
    "{{index={i:#x}, reserved=0, data={v:#x}}}", "[{i}] = {{\n .index = {i:#x},\n .data = {v:#x},\n}},",
])  # fmt: skip
def test_kvm_entries_as_text(entry):
    machine = mt.parse("\n".join(entry.format(i=i, v=v) for i, v in MSRS))
    assert (machine.format, machine.mtrrs) == ("kvm-msrs", STATE)


@pytest.mark.parametrize(("data", "message"), [
    (kvm_structure(MSRS)[:-3], "16 entries need 264 bytes, 261 are there: cut off"),
    (kvm_structure(MSRS) + b"abc", "3 bytes behind the last entry, at offset 264"),
    (kvm_structure(MSRS) + bytes(8), "no struct kvm_msrs at offset 264: nmsrs 0"),
    (struct.pack("<II", 1, 7) + bytes(16), "no struct kvm_msrs at offset 0: nmsrs 1 .limit 4096., pad 7"),
    (struct.pack("<IIIIQ", 1, 0, 0x2FF, 9, 6), "the entry at offset 8 has reserved = 0x9, not 0"),
    (kvm_structure([(0x10, 1)]), "no MTRR and no PAT register in it"),
])  # fmt: skip
def test_kvm_structure_refusals(data, message):
    with pytest.raises(mt.ParseError, match=f"^dump: {message}"):
        kvm_msrs.parse_bytes(data, "dump")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)), max_size=20))
def test_kvm_structure_never_surprises(entries):
    data = kvm_structure([*entries, (0x2FF, 0x806)])
    assert kvm_msrs.sniff_bytes(data)
    assert mt.parse(data).mtrrs.def_type == 0x806


def test_our_own_stream_reads_like_qemus():
    machine = mt.parse(migration_stream([(0x80000000, 0xFF80000800)]))
    assert (machine.mtrrs, machine.pat.value) == (STATE, MSRS[4][1])


def test_show_calls_filled_masks_nothing_odd(corpus, capsys):
    from memtype.cli import main

    assert main(["show", str(corpus / "qemu" / "kvm-fw-pc-seabios-2G-phys36.migration.bin.gz")]) == 0
    out, err = capsys.readouterr()
    assert "reg0  [mem 0x0000000080000000-0x00000000ffffffff]" in out
    assert "odd" not in out and "problem" not in err and "QEMU filled the masks" in err


def test_story_the_snapshot_that_lost_its_registers():
    """What a restore from KVM's index list changes: everything the variable ranges made, and the fixed ones."""
    saved = mt.parse(cloud_hypervisor(MSRS)).mtrrs
    restored = mt.parse(cloud_hypervisor([entry for entry in MSRS if entry[0] in (0x10, 0x277, 0x2FF)])).mtrrs
    changed = [a for a in (0, 0x9F000, 0x100000, 0x80000000, 1 << 32) if saved.at(a) != restored.at(a)]
    assert changed == [0, 0x9F000, 0x80000000]


def test_a_mapping_may_tell_width_and_vendor_beside_its_registers():
    msrs = {"0x2ff": "0x806", "0x200": "0x80000000", "0x201": "0xff80000800"}
    for told in ({"maxphyaddr": 46, "vendor": "amd"}, {"cpu": {"maxphyaddr": 46, "vendor": "AuthenticAMD"}}):
        machine = mt.parse(json.dumps({"schema": "memtype/1", **told, "msrs": msrs}))
        assert (machine.maxphyaddr, machine.vendor, machine.mtrrs.maxphyaddr) == (46, "amd", 46)
    with pytest.raises(mt.ParseError, match="MAXPHYADDR 99"):
        mt.parse(json.dumps({"maxphyaddr": 99, "msrs": msrs}))
