"""Broken, mixed and hostile input: one line says what is wrong; nothing but our own errors is ever raised."""

import random

import pytest
from dump_samples import BYTES, TEXTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype import formats

HOSTILE = (
    f"{1 << 70:#x}", "0x", "-1", "\0", "0xzz", "f" * 400, "9" * 5000, "1e308", "٣", "²", "é\ufffd", "\x1b[31m",
    "{", "[[", '"', "0x200 0x", "= 0x", "cpu 99999999999", "NaN", "  " * 300, "\r\n", "\x85", "type 2", "R*:", "reg",
    "MTRR", "0" * 70, "null",
)  # fmt: skip
FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mutated(text: str, rng: random.Random) -> str:
    """A few cuts, doublings, swaps and insertions, mostly inside lines."""
    for _ in range(rng.randrange(1, 5)):
        at, to = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        to = min(to, at + rng.choice((1, 1, 3, 17, 200)))
        kind = rng.randrange(6)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:at] + text[at:to] * rng.choice((2, 3)) + text[to:]
        elif kind == 2:
            text = text[:at] + rng.choice(HOSTILE) + text[at:]
        elif kind == 3:
            text = text[:at] + rng.choice(HOSTILE) + text[to:]
        elif kind == 4:
            lines = text.split("\n")
            rng.shuffle(lines)
            text = "\n".join(lines)
        else:
            digit = rng.choice("0123456789abcdefx-: ,")
            text = text[:at] + digit + text[at + 1 :]
    return text if rng.random() < 0.8 else text[: rng.randrange(len(text) + 1)]


def only_our_errors(call, *args):
    """The result, or None where the call refused with one line of ours."""
    try:
        return call(*args)
    except mt.MemtypeError as error:
        message = str(error)
        assert message.startswith("dump") and "\n" not in message and len(message) < 700, message
        return None


@pytest.mark.parametrize("name", TEXTS)
def test_samples_are_read_by_their_family_alone(name):
    family, text = TEXTS[name]
    assert [f.NAME for f in formats.families() if f.sniff(text)] == [family]
    assert mt.parse(text).format == family


@pytest.mark.parametrize("name", BYTES)
def test_binary_samples(name):
    family, data = BYTES[name]
    assert [f.NAME for f in formats.families() if hasattr(f, "sniff_bytes") and f.sniff_bytes(data[:4096])] == [family]
    assert mt.parse(data).format == family


@pytest.mark.parametrize("name", TEXTS)
@FUZZ
@given(seed=st.integers(0, 2**32 - 1))
def test_mutations_raise_nothing_else(name, seed):
    family, text = TEXTS[name]
    broken = mutated(text, random.Random(seed))
    machine = only_our_errors(mt.parse, broken, "dump")
    for state in [] if machine is None else machine.states:
        if state.mtrrs is not None:
            state.mtrrs.at(0)  # a state that answers
    parser = next(f for f in formats.families() if family == f.NAME)
    if "\0" not in broken:
        only_our_errors(parser.parse, broken, "dump")


@pytest.mark.parametrize("name", BYTES)
@FUZZ
@given(seed=st.integers(0, 2**32 - 1))
def test_binary_mutations_raise_nothing_else(name, seed):
    family, data = BYTES[name]
    rng = random.Random(seed)
    broken = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        broken[rng.randrange(len(broken))] = rng.choice((0, 1, 4, 6, 0x7F, 0xFF, rng.randrange(256)))
    cut = bytes(broken[: rng.randrange(len(broken) + 1)] if rng.random() < 0.3 else broken)
    only_our_errors(mt.parse, cut, "dump")
    parser = next(f for f in formats.families() if family == f.NAME)
    only_our_errors(parser.parse_bytes, cut, "dump")


@pytest.mark.parametrize("family", formats.families(), ids=lambda family: family.NAME)
@FUZZ
@given(text=st.text(max_size=300))
def test_any_text_raises_nothing_else(family, text):
    family.sniff(text)
    only_our_errors(family.parse, text, "dump")
    if hasattr(family, "parse_bytes"):
        only_our_errors(family.parse_bytes, text.encode(), "dump")


@pytest.mark.parametrize("family", formats.families(), ids=lambda family: family.NAME)
@pytest.mark.parametrize("other", ["cloud-hypervisor", "edk2", "coreboot", "amdsev", "kvm", "bsd"])
def test_another_family_s_dump_raises_nothing_else(family, other):
    only_our_errors(family.parse, TEXTS[other][1], "dump")


@pytest.mark.parametrize("name", TEXTS)
def test_every_truncation_is_read_or_refused(name):
    text = TEXTS[name][1]
    for cut in range(0, len(text), max(1, len(text) // 60)):
        only_our_errors(mt.parse, text[:cut], "dump")


def test_two_dumps_in_one_paste_are_merged():
    machine = mt.parse(TEXTS["edk2"][1] + "\n" + TEXTS["seabios"][1])
    assert machine.format == "edk2+seabios"
    assert len(machine.e820) == 2 and machine.mtrrs.def_type == 0xC06


LONG = 200_000


@pytest.mark.parametrize("line", [
    "cpu" + " " * 60_000 + "x", "\n" * LONG, "index" + " " * LONG, "(XEN)" * 50_000, "/*" * LONG, "mtrr" * 200_000,
    "MTRR_SETTINGS a = {" * 50_000, "CR0=80050033 " * 60_000, "0x" * 400_000, "MTRR: Var 1, " * 70_000, "00 " * 300_000,
    '{"index": 512, "data"' * 40_000, "Reg 0: 0x0 - 0x1 ( 1 KB) a" + " " * 60_000 + "b", "# rdmsr " + "-a " * 20_000,
    "QEVM", "echo base=" * 90_000, "\x06" * LONG,
], ids=lambda line: line[:16].strip() or "blank lines")  # fmt: skip
def test_long_runs_are_answered_without_going_through_them_again_and_again(line):
    """No pattern may take time that grows with the square of such a run: the suite would not end."""
    only_our_errors(mt.parse, line, "dump")
    for family in formats.families():
        family.sniff(line)
        if hasattr(family, "parse_bytes"):
            only_our_errors(family.parse_bytes, b"QEVM" + line[: 1 << 20].encode(), "dump")
