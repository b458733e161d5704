"""Commands for /proc/mtrr: Linux gives each range the first free register, and nothing else is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import memtype as mt
from memtype.formats import proc_mtrr_commands


def command(words: str) -> str:
    return f'echo "{words}" > /proc/mtrr\n'


def add(base: int, size: int, kind: str = "write-back") -> str:
    return command(f"base={base:#x} size={size:#x} type={kind}")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 9), st.just("add")), max_size=20))
def test_a_range_takes_the_first_free_register(orders):
    """Against a list kept apart: a number disables that register, "add" takes the lowest that is free."""
    text, held, size = add(0, 1 << 20), {0: 0}, 1 << 20
    for n, order in enumerate(orders, 1):
        if order == "add":
            free = next(place for place in range(99) if place not in held)
            held[free], text = n * size, text + add(n * size, size)
        else:
            held.pop(order, None)
            text += command(f"disable={order}")
    if not held:
        with pytest.raises(mt.ParseError, match="leave no range behind"):
            mt.parse(text)
        return
    ranges = mt.parse(text).cpus[0].registers.ranges
    assert {n: entry.base for n, entry in ranges.items()} == held


def test_the_default_type_is_not_told():
    machine = mt.parse(add(0x80000000, 0x80000000, "uncachable"))
    assert machine.format == "proc-mtrr-commands" and "default" in machine.inferred
    assert machine.at(0x100000, strict=True).type == mt.MemoryType.NOT_TOLD


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (add(0, 3 << 20), "no register holds this"), (add(1 << 20, 1 << 21), "no register holds this"),
        (add(1 << 52, 1 << 20), "no register holds this"), (add(0, 1 << 20, "write-behind"), "write-behind"),
        (command("base=0x0 size=1 type=write-back"), "not a command for /proc/mtrr"),
        (add(0, 1 << 20).rstrip() + "; " + command("disable=0"), "two commands on one line"),
        (add(0, 1 << 20).rstrip() + add(1 << 20, 1 << 20), "two commands on one line"),
        (command(f"disable={'9' * 30}"), "register number"),
    ],
)  # fmt: skip
def test_what_the_kernel_would_not_take_is_refused_by_line(line, words):
    with pytest.raises(mt.ParseError, match=rf"^script:2: .*{words}"):
        mt.parse(add(0, 1 << 20) + line, "script")


def test_a_script_that_does_more_is_none():
    assert proc_mtrr_commands.sniff("# comment\n\n" + add(0, 1 << 20))
    assert not proc_mtrr_commands.sniff(add(0, 1 << 20) + "modprobe nvidia\n")


def test_commands_that_nobody_counted_may_be_some_of_them():
    lines = ['echo "base=0x0 size=0x80000000 type=write-back" > /proc/mtrr',
             'echo "base=0xc0000000 size=0x10000000 type=uncachable" > /proc/mtrr']  # fmt: skip
    told = mt.parse("\n".join(lines) + "\n")
    assert "no further variable range assumed" in str(told.at(1 << 30)) and str(told.at(0xC0000000)) == "UC"
    counted = mt.parse(
        "\n".join(["# memtype/1: registers=2 maxphyaddr=36 vendor=intel def_type=0x800 end", *lines]) + "\n"
    )
    assert str(counted.at(1 << 30)) == "WB"


@pytest.mark.parametrize("who", ["sudo -u root ", "sudo sh -c x; ", "doas "])
def test_another_command_before_echo_is_none_of_these(who: str) -> None:
    with pytest.raises(mt.ParseError, match="none of the known formats"):
        mt.parse(f'{who}echo "base=0x0 size=0x1000 type=write-back" > /proc/mtrr\n')


@pytest.mark.parametrize("prompt", ["", "$ ", "$", "> ", ">", "sudo ", "$ sudo ", "  "])
def test_a_prompt_may_have_lost_its_blank(prompt):
    machine = mt.parse(f'{prompt}echo "base=0x80000000 size=0x1000000 type=uncachable" > /proc/mtrr\n')
    assert str(machine.mtrrs.at(0x80000000)) == "UC"
