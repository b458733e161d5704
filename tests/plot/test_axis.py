"""The axis: it rises, it is inverted by `address`, nothing is narrower than asked, and labels do not overlap."""

from __future__ import annotations

import random

import pytest
from strategies import random_state

from memtype import MemoryMap, MemoryType, MtrrState, ShatteredMapError, errors, rules
from memtype.plot.axis import SHARES, Axis, short
from memtype.plot.colours import COLOURS, contrast
from memtype.plot.letters import SEVERAL, ribbon


def maps(seed: int, count: int = 60) -> list[MemoryMap]:
    rng, found = random.Random(seed), []
    while len(found) < count:
        memory = random_state(rng).map
        try:
            if len(memory.segments) < 2000:
                found.append(memory)
        except ShatteredMapError:
            pass
    return found


@pytest.mark.parametrize("least", [0.0, 0.01, 0.05])
def test_places_rise_and_addresses_come_back(least: float) -> None:
    rng = random.Random(5)
    for memory in maps(1):
        end = 1 << memory.maxphyaddr
        axis = Axis.of(memory, top=rng.choice([None, rng.randrange(1, end)]), least=least)
        assert axis.place(0) == 0 and axis.place(end) == axis.place(end + 5) == 1
        assert list(axis.places) == sorted(axis.places) and axis.edges[-1] == axis.end == end
        for address in (rng.randrange(end) for _ in range(20)):
            here = axis.place(address)
            assert 0 <= here <= 1 and axis.place(min(address + rng.randrange(end), end)) >= here
            assert abs(axis.place(axis.address(here)) - here) < 1e-6


def test_pieces_have_their_shares() -> None:
    axis = Axis.of(MemoryMap.from_segments([(0, 1 << 40, "WB")], 40), top=1 << 33)
    ends = [axis.place(border) for border in (1 << 20, 1 << 32, 1 << 33, 1 << 40)]
    assert ends == pytest.approx([sum(SHARES[: n + 1]) for n in range(4)])


def test_every_segment_has_the_least_width_where_that_fits() -> None:
    for memory in maps(2):
        if len(memory.segments) > 12:
            continue
        axis = Axis.of(memory, least=0.01)
        widths = [axis.place(s.end) - axis.place(s.base) for s in memory.segments]
        assert min(widths) > 0.009


@pytest.mark.parametrize("top", [0, 1, rules.FIXED_END, rules.GIB4, 1 << 36, 1 << 60])
def test_a_top_that_is_none_makes_no_piece(top: int) -> None:
    assert Axis.of(MemoryMap.from_segments([(0, 1 << 36, "WB")], 36), top=top).borders == (0, 1 << 20, 1 << 32, 1 << 36)


def test_an_axis_needs_a_map() -> None:
    with pytest.raises(errors.InputError):
        Axis.of()


def test_labels_do_not_overlap() -> None:
    for memory in maps(3):
        axis = Axis.of(memory, least=0.05)
        placed = axis.ticks(1 / 80, 1 / 80, [memory])
        for (low, label), (behind, _) in zip(placed, placed[1:]):  # noqa: RUF007
            assert low + len(label) / 80 <= behind + 1e-9
        assert placed[0] == (0, "0")


def test_short_addresses_are_exact_or_say_that_they_are_not() -> None:
    rng, units = random.Random(7), {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
    for _ in range(2000):
        address = (rng.getrandbits(rng.randrange(1, 53)) >> rng.randrange(20) << rng.randrange(20)) % (1 << 52)
        text = short(address)
        value = float(text.lstrip("~").rstrip("KMGTP")) * (1 << units.get(text[-1], 0))
        assert len(text) <= 9
        assert value == address if not text.startswith("~") else 0 <= address - value < address / 50


# --- ribbon and colours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 75, 80])
def test_a_ribbon_has_its_width_and_tells_no_wrong_type(width: int) -> None:
    for memory in maps(4):
        lines = ribbon(memory, [(0, 1 << 20)], width=width)
        assert len(lines) == 3 and all(len(line) <= width for line in lines) and len(lines[1]) == width
        drawn = [cell.strip() for cell in lines[1][1:-1].split("|") if cell.strip()]
        held = [str(segment.type) for segment in memory.segments]
        if SEVERAL not in drawn and "" not in [cell.strip() for cell in lines[1][1:-1].split("|")]:
            assert drawn == held
        assert {cell for cell in drawn if cell != SEVERAL} <= set(held)


def test_ram_is_drawn_where_it_lies() -> None:
    state = MtrrState(0x806, variable=[(0x80000000, 0xFF80000800)], maxphyaddr=40)
    types, ram = ribbon(state.map, [(0, 1 << 31), (1 << 32, 1 << 32)])[1:]
    for cell, marks in zip(types.strip("|").split("|"), ram.strip("|").split("|")):
        assert ("#" in marks) is (cell.strip() == "WB")


def test_what_is_not_told_is_drawn_as_a_question_mark() -> None:
    memory = MemoryMap.from_segments([(0, 1 << 20, MemoryType.NOT_TOLD), (1 << 20, (1 << 36) - (1 << 20), "WB")], 36)
    assert [cell.strip() for cell in ribbon(memory)[1].strip("|").split("|")] == ["?", "WB"]


@pytest.mark.parametrize("kind", list(MemoryType))
def test_letters_read_on_their_area_and_words_on_black_and_on_white(kind: MemoryType) -> None:
    colour = COLOURS[kind]
    assert contrast(colour.fill, colour.ink) >= 4.5
    assert min(contrast(colour.word, "#000000"), contrast(colour.word, "#ffffff")) >= 3.6
