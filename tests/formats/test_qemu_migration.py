"""QEMU's stream, its JSON and the guest itself tell one state."""

import gzip
import json
import random
import re
import struct

import pytest
from dump_samples import (
    MSRS,
    STATE,
    migration_stream,
)

import memtype as mt
from memtype import rules
from memtype.formats import qemu_migration


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


def test_our_own_stream_reads_like_qemus():
    machine = mt.parse(migration_stream([(0x80000000, 0xFF80000800)]))
    assert (machine.mtrrs, machine.pat.value) == (STATE, MSRS[4][1])


def test_show_calls_filled_masks_nothing_odd(corpus, capsys):
    from memtype.cli import main

    assert main(["show", str(corpus / "qemu" / "kvm-fw-pc-seabios-2G-phys36.migration.bin.gz")]) == 0
    out, err = capsys.readouterr()
    assert "reg0  [mem 0x0000000080000000-0x00000000ffffffff]" in out
    assert "odd" not in out and "problem" not in err and "QEMU filled the masks" in err


# --- widths -------------------------------------------------------------------------------------------------------


def stream_of(fields, instance=0, version=12):
    """A stream whose one device is a processor with these fields: (name, bytes each, values)."""
    listed = [{"name": name, "type": "uint", "size": size, "array_len": len(held)} for name, size, held in fields]
    device = {"name": "cpu", "instance_id": instance, "vmsd_name": "cpu", "version": version, "fields": listed}
    body = b"".join(value.to_bytes(size, "big") for _, size, held in fields for value in held)
    low = 0xFFFFFFFF
    section = b"\x04" + struct.pack(">I", 3) + b"\x03cpu" + struct.pack(">II", instance & low, version & low)
    description = json.dumps({"devices": [device]}).encode()
    head = b"QEVM" + struct.pack(">I", 3)
    return head + section + body + b"\x7e\0\0\0\3\0\x06" + struct.pack(">I", len(description)) + description


def described(data, before, after):
    """The stream with other words in its description, which has its length in front."""
    description = data[data.index(b'{"devices"') :]
    other = description.replace(before.encode(), after.encode())
    assert other != description
    return data[: -len(description) - 4] + struct.pack(">I", len(other)) + other


PAIR = {"fields": [{"name": half, "type": "uint64", "size": 8} for half in ("base", "mask")]}
DEF_TYPE = ("env.mtrr_deftype", 8, [0xC06])


@pytest.mark.parametrize(("name", "largest", "bits"), [("instance", (1 << 16) - 1, 16), ("version", (1 << 32) - 1, 32)])
def test_numbers_of_a_section_have_their_width(name, largest, bits):
    assert mt.parse(stream_of([DEF_TYPE], **{name: largest})).cpus[0].registers.held[0x2FF].value == 0xC06
    with pytest.raises(mt.ParseError, match=f"{bits}-bit value"):
        mt.parse(stream_of([DEF_TYPE], **{name: largest + 1}))


@pytest.mark.parametrize("size", [4, 16])
def test_a_register_is_a_field_of_eight_bytes(size):
    """One of another size is walked over, not read: it would be a part of a register, or two."""
    machine = mt.parse(stream_of([("env.pat", size, [0x0606]), DEF_TYPE]))
    assert machine.pat is None and machine.cpus[0].registers.held[0x2FF].value == 0xC06


def test_values_have_64_bits():
    top = (1 << 64) - 1
    assert mt.parse(stream_of([("env.pat", 8, [top]), DEF_TYPE])).pat.value == top


@pytest.mark.parametrize("key", ["array_len", "size", "index"])
@pytest.mark.parametrize("bad", [-1, True, None, 1.0, "1", [1], {}])
@pytest.mark.parametrize("struct_of", [{}, {"struct": {"fields": []}}])
def test_what_counts_is_a_whole_number(key, bad, struct_of):
    field = {"name": "env.mtrr_fixed", "type": "uint", "size": 8, "array_len": 1}
    lies = json.dumps({**field, key: bad, **struct_of})
    data = described(stream_of([("env.mtrr_fixed", 8, [6]), DEF_TYPE]), json.dumps(field), lies)
    with pytest.raises(mt.ParseError, match=r"^s: cpu section 0 does not match the stream's description$"):
        mt.parse(data, "s")


@pytest.mark.parametrize("length", [1 << 32, (1 << 32) + 1, 1 << 200])
def test_a_field_of_no_bytes_may_be_as_long_as_it_likes(length):
    data = stream_of([("padding", 0, []), DEF_TYPE])
    machine = mt.parse(described(data, '"array_len": 0', f'"array_len": {length}'))
    assert machine.cpus[0].registers.held[0x2FF].value == 0xC06


def test_elements_are_numbered_from_the_fields_index():
    data = stream_of([("env.mtrr_fixed", 8, [5, 4]), DEF_TYPE])
    held = mt.parse(described(data, '"array_len": 2', '"array_len": 2, "index": 3')).cpus[0].registers.held
    assert {index: held[index].value for index in held if index in rules.FIXED_MSRS} == {0x268: 5, 0x269: 4}


def test_only_pairs_that_have_a_number_are_registers():
    """Pair 40 would be 0x250 and 0x251, the fixed ranges; nor is there a twelfth of these."""
    data = stream_of(
        [("env.mtrr_fixed", 8, [6] * 12), ("env.mtrr_var", 16, [n << 64 | n for n in range(41)]), DEF_TYPE]
    )
    plain = '"name": "env.mtrr_var", "type": "uint", "size": 16'
    held = mt.parse(described(data, plain, plain + ", " + json.dumps({"struct": PAIR})[1:-1])).cpus[0].registers.held
    assert held[0x250].value == 6 and 0x251 not in held
    assert (held[0x200 + 78].value, held[0x200 + 79].value, held[0x26F].value) == (39, 39, 6)
    assert len([index for index in held if index in rules.FIXED_MSRS]) == 11


def test_what_is_no_register_is_walked_over_whatever_its_size():
    fields = [("xsave", 1, [0] * 4096), ("padding", 512, [7, 7]), DEF_TYPE]
    assert mt.parse(stream_of(fields)).cpus[0].registers.held[0x2FF].value == 0xC06


@pytest.mark.parametrize("decoys", [0, 1, 15])
def test_the_description_is_found_before_bytes_that_look_like_one(decoys):
    data = stream_of([DEF_TYPE]) + b"\x06\0\0\0\x02{}" * decoys
    assert mt.parse(data).cpus[0].registers.held[0x2FF].value == 0xC06


def test_only_so_many_places_are_tried():
    with pytest.raises(mt.ParseError, match="no device description at its end"):
        mt.parse(stream_of([DEF_TYPE]) + b"\x06\0\0\0\x02{}" * 16)


ODD = [None, -1, 0, 1, 2, 8, 1 << 16, 1 << 70, True, 1.5, "", "cpu", [], {}, [{}], {"fields": [{}]},
       *("env.mtrr_var[" + rest for rest in ("].base", "-1].mask", "99999999999].base", "1.base"))]  # fmt: skip
KEYS = ["name", "index", "array_len", "size", "struct", "fields", "subsections", "vmsd_name", "version", "instance_id"]


def holders(value):
    """Every list and object in a description."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, (dict, list)) else ()), *(one for held in inside for one in holders(held))]


def test_a_description_of_whatever_is_read_or_refused():
    """Up to three of its values are others: what is read then stands in the stream, else it is refused in one line."""
    data = stream_of([("env.mtrr_fixed", 8, [6] * 11), ("env.mtrr_var", 16, [5 << 64 | 0x800] * 8), DEF_TYPE])
    text = data[data.index(b'{"devices"') :].decode()
    whole = json.loads(text)
    whole["devices"][0]["fields"][1] |= {"struct": PAIR}
    rng, read = random.Random(16), 0
    for _ in range(300):
        description = json.loads(json.dumps(whole))
        for _ in range(rng.choice((1, 1, 2, 3))):
            place = rng.choice([held for held in holders(description) if held])
            key = rng.choice([*place, rng.choice(KEYS)] if isinstance(place, dict) else range(len(place)))
            place[key] = json.loads(json.dumps(rng.choice(ODD)))
        try:
            machine = mt.parse(described(data, text, json.dumps(description)), "s")
        except mt.ParseError as error:
            assert str(error).startswith("s: ") and "\n" not in str(error)
            continue
        read += 1
        held = machine.cpus[0].registers.held
        assert {held[index].value for index in (0x250, 0x200, 0x201, 0x2FF) if index in held} <= {0, 5, 6, 0x800, 0xC06}
    assert read > 25


def test_a_field_without_a_size_takes_no_bytes():
    data = stream_of([("padding", 0, [0]), DEF_TYPE])
    machine = mt.parse(described(data, '"type": "uint", "size": 0, ', '"type": "uint", '))
    assert machine.cpus[0].registers.held[0x2FF].value == 0xC06
