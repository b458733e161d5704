"""Text that travelled is read as if it had not: every family's dump, through every way, and through two of them."""

from __future__ import annotations

import random

import dump_samples as dumps
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ways import WAYS, WHOLE_TEXT

import memtype as mt
from memtype.reading.transport import undo
from memtype.told import Register

LOG = """\
[    0.000000] Linux version 5.10.0-8-amd64 (b@h) (gcc) #1 SMP
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007ffeffff] usable
[    0.000000] BIOS-e820: [mem 0x000000007fff0000-0x000000007fffffff] ACPI data
[    0.000000] MTRR default type: write-back
[    0.000000] MTRR fixed ranges enabled:
[    0.000000]   00000-9FFFF write-back
[    0.000000]   A0000-BFFFF uncachable
[    0.000000]   C0000-FFFFF write-protect
[    0.000000] MTRR variable ranges enabled:
[    0.000000]   0 base 000080000000 mask 3FFF80000000 uncachable
[    0.000000]   1 disabled
[    0.000000] TOM2: 0000000480000000 aka 18432M
[    0.000000] x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT
[    0.000000] e820: update [mem 0x80000000-0xffffffff] usable ==> reserved
[    0.000000] MTRR map: 6 entries (3 fixed + 3 variable; max 23), built from 10 variable MTRRs
"""
PROC = """\
reg00: base=0x000000000 (    0MB), size= 2048MB, count=1: write-back
reg01: base=0x080000000 ( 2048MB), size= 1024MB, count=12: write-combining
"""
CONFLICTS = """\
[10683.428117] x86/PAT: app:5018 conflicting memory types 1850600000-1850601000 uncached-minus<->write-back
[10683.428118] x86/PAT: memtype_reserve failed [mem 0x1850600000-0x1850600fff], track write-back, req uncached-minus
"""
PAT_LIST = """\
PAT memtype list:
PAT: [mem 0x00000000fe800000-0x00000000fe900000] write-combining
PAT: [mem 0x00000000fe900000-0x00000000fe901000] uncached-minus
"""
RDMSR = "# rdmsr 0x2ff\nc06\n# rdmsr 0x200\n80000000\n# rdmsr 0x201\nf80000800\n# rdmsr -p 1 0x277\n7040600070406\n"
PAIRS = "0x2ff 0xc00\n0x200 0x6\n0x201 0xf80000800\n0x250 0x0606060606060606\n"
SAMPLES = {name: text for name, (_, text) in dumps.TEXTS.items()} | {
    "log": LOG, "proc": PROC, "conflicts": CONFLICTS, "pat list": PAT_LIST, "rdmsr": RDMSR,
    "dmesg": str(mt.emit(dumps.STATE, "dmesg")),
}  # fmt: skip


WHOLE = ("{", "[", "00000000:", "# memtype/1: ")  # a mail's head in front of these hides them
LAYERS = [
    way
    for way in WAYS
    if way
    not in WHOLE_TEXT | {"a mail", "line separators", "a list of JSON strings, indented", "breaks alone", "breaks"}
]
ONE_WAY = [
    (name, way)
    for name, text in SAMPLES.items()
    for way in WAYS
    if not (way == "a mail" and text.startswith(WHOLE)) and not (way == "a JSON document's string" and text[:1] == "{")
]  # a document of one line in a string of another is what snapshots hold: not undone here


def told(text: str | bytes) -> object:
    """What a text tells, without the wording of notes."""
    machine = mt.parse(text)
    return (machine.cpus, machine.format, machine.e820, machine.kernel, machine.vendor, machine.maxphyaddr,
            machine.printed_map, without_lines(machine.facts), machine.inferred)  # fmt: skip


def without_lines(fact: object) -> object:
    """Facts without the lines that told them: a way may add lines."""
    if isinstance(fact, dict):
        return {key: without_lines(value) for key, value in fact.items() if key not in ("line", "lines")}
    return [without_lines(item) for item in fact] if isinstance(fact, list) else fact


@pytest.mark.parametrize(("name", "way"), ONE_WAY, ids=[f"{name}, {way}" for name, way in ONE_WAY])
def test_every_family_reads_what_travelled(name, way):
    assert told(WAYS[way](SAMPLES[name])) == told(SAMPLES[name])


@pytest.mark.parametrize("name", SAMPLES)
def test_a_clean_text_stays_as_it_is(name):
    clean = SAMPLES[name].replace("\t", " ")
    undone = undo(clean)
    assert str(undone) == clean and not undone.moved


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SAMPLES)), st.lists(st.sampled_from(sorted(WAYS)), max_size=2, unique=True))
def test_undoing_twice_is_undoing_once(name, ways):
    text = SAMPLES[name]
    for way in ways:
        text = WAYS[way](text)
    once = str(undo(text))
    assert str(undo(once)) == once


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(set(SAMPLES) - {"json", "qmp"})),
    st.lists(st.sampled_from(LAYERS), min_size=2, max_size=2, unique=True),
)
def test_two_ways_behind_one_another(name, ways):
    text = SAMPLES[name]
    for way in ways:
        text = WAYS[way](text)
    assert told(text) == told(SAMPLES[name])


def registers(text: str) -> list[object] | None:
    """What is held of registers and ranges; None where the text is refused."""
    try:
        machine = mt.parse(text)
    except mt.MemtypeError:
        return None
    held = [cpu.registers for cpu in machine.cpus]
    return [told and (dict(told.held), dict(told.ranges)) for told in held]


def contradict(one: object, other: object) -> bool:
    """Whether two tell another value; one that tells less does not."""
    if isinstance(one, Register) and isinstance(other, Register):
        return one.contradicts(other)
    return one != other


def changed_by(name: str, ways: tuple[str, ...]) -> str | None:
    """What two or three ways, one behind the other, make of a sample's registers; None where it is read or refused."""
    text = SAMPLES[name]
    for way in ways:
        text = WAYS[way](text)
    found, right = registers(text), registers(SAMPLES[name])
    for mine, theirs in zip(found or (), right or ()):
        for now, was in zip(mine or (), theirs or ()):
            if any(contradict(now[key], was.get(key)) for key in now):
                return f"{name}, {' then '.join(ways)}"
    return None


def test_ways_behind_one_another_change_no_register():
    """Any two, in both orders, and any three: read, refused or not told, never another value."""
    rng = random.Random(8)
    ways = [tuple(rng.sample(sorted(WAYS), rng.choice((2, 2, 3)))) for _ in range(150)]
    found = [changed_by(rng.choice(sorted(SAMPLES)), each) for each in ways]
    assert not any(found), [one for one in found if one]


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"json", "qmp"}))
@pytest.mark.parametrize(
    "way", ["a list of JSON strings", "initials, twice", "colours", "zero-width joiners", "quoted"]
)
def test_a_soft_break_before_a_sign_of_quoting(name, way):
    """A mail may break a line before its own ">": that sign is the line's, not a reply's."""
    text = WAYS["quoted-printable"](WAYS[way](SAMPLES[name]))
    assert told(text) == told(SAMPLES[name])


@pytest.mark.parametrize("name", [n for n in SAMPLES if not SAMPLES[n].startswith(("{", "[", "0000", "#", "//"))])
def test_collapsed_blanks(name):
    collapsed = "\n".join(" ".join(line.split()) for line in SAMPLES[name].split("\n"))
    assert told(collapsed) == told(SAMPLES[name])


@pytest.mark.parametrize("margin", [66, 72, 76, 80])
@pytest.mark.parametrize("mark", ["", "> ", "> > "])
@pytest.mark.parametrize(
    "name",
    [
        n
        for n in SAMPLES
        if n
        in {
            "log",
            "proc",
            "conflicts",
            "pat list",
            "coreboot",
            "linuxbios",
            "inteltool",
            "edk2",
            "xen",
            "fwts",
            "bsd",
            "dmesg",
        }
    ],
)
def test_lines_that_a_mail_program_broke(name, mark, margin):
    broken = "\n".join(part for line in SAMPLES[name].split("\n") for part in wrapped(mark + line, margin))
    assert told(broken) == told(SAMPLES[name])


@pytest.mark.parametrize("end", ["", "(XEN) MTRR variable ranges enabled:"])
def test_a_broken_log_that_stands_upside_down_gives_no_row_its_neighbour_s_type(end):
    """The rest of each message stands above it then; one that is cut there alone is told as it is."""
    kinds = {0: "uncachable", 1: "write-through", 2: "write-back", 3: "write-protect"}
    rows = [(f"(XEN)   {n} base 00{n}0000000000 mask fff0000000000", kind) for n, kind in kinds.items()]
    head = "(XEN) MTRR default type: write-protect\n"
    upright = mt.parse(head + "".join(f"{row}\n{kind}\n" for row, kind in rows) + end).registers
    assert [upright.held[0x200 + 2 * n].value & 0xFF for n in kinds] == [0, 4, 6, 5]
    turned = mt.parse(head + "".join(f"{kind}\n{row}\n" for row, kind in reversed(rows)) + end).registers
    assert not {0x200 + 2 * n for n in kinds} & turned.held.keys()
    begun = mt.parse(head + "write-back\n" + "".join(f"{row}\n{kind}\n" for row, kind in rows[1:]) + end).registers
    assert [begun.held[0x200 + 2 * n].value & 0xFF for n in (1, 2, 3)] == [4, 6, 5]


def wrapped(line: str, margin: int) -> list[str]:
    """The line broken at the last blank before the margin, again and again; a reply's mark is not repeated."""
    parts = []
    while len(line) > margin and " " in line[9:margin].strip():
        at = line.rindex(" ", 9, margin)
        parts.append(line[:at])
        line = line[at + 1 :]
    return [*parts, line]


def test_errors_and_notes_name_the_users_own_line():
    text = "a mail<br>b<br>c\nMSR 0x2ff =3D 0xc=\n00\nMSR 0x200 =3D 0xzz6\n"
    with pytest.raises(mt.ParseError, match=r"^t:4: "):
        mt.parse(text, "t")
    cut = "<p>one</p><p>two</p>\n" + PROC + "reg02: base=0x0c00000\n"
    assert any("line 4 is cut off" in str(note) for note in mt.parse(cut).notes)
    assert list(undo("a<br>b\nc").numbers) == [1, 1, 2]
    assert list(undo("x =3D 1=\n2\ny =3D 3").numbers) == [1, 3]


@pytest.mark.parametrize("text", [
    "0x200=3D000006\n",  # a register, no mail's code
    "MSR 0x200 = 0x6\nCR0=80050033\n",
    "fffff800`12345678 fffff800`00000006\n",
    "00000000  3c 62 3e 26 6c 74 3b 60  |<b>&lt;`|\n",
    "- 0x2ff 0xc06\n+ 0x2ff 0xc00\n  0x200 0x6\n",
    "-0x2ff 0xc06\n+0x2ff 0xc00\n 0x200 0x6\n",
    "< 0x2ff 0xc06\n---\n> 0x2ff 0xc00\n",
    "# rdmsr -a 0x2ff\nc06\n",
    "# version line: coreboot-4.0\nMTRR: 0 base 0x0 mask 0xf80000000 type 6\n",
    "x86/PAT: app:9 conflicting memory types 1f0000000-1f0100000 write-combining<->uncached-minus\n",
    "  0: 0000000000000000-000000000009ffff write-back\n",
])  # fmt: skip
def test_what_is_no_transport_stays(text):
    assert str(undo(text)) == text


def test_no_file_of_the_corpus_changes(corpus):
    files = [path for path in corpus.rglob("*") if path.suffix in {".txt", ".log"}]
    assert files
    for path in files:
        text = path.read_text(errors="replace").replace("\t", " ").replace("\r", "")
        assert str(undo(text)) == text, path.name


def test_tables_of_markdown():
    rows = ["MSR | name | value", "---|:--|--:", "0x2ff | DEF | 0xc00", "`0x200` | | 0x6", "0x201 | | **0xf80000800**"]
    table = "".join(f"| {row} |\n" for row in rows)
    assert [" ".join(line.split()) for line in undo(table).lines if line] == [
        "MSR name value", "0x2ff DEF 0xc00", "0x200 0x6", "0x201 0xf80000800",
    ]  # fmt: skip
    assert [line for line in undo("a | b\n--|--\n0x2ff | 0xc00\n").lines if line] == ["a  b", "0x2ff  0xc00"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "cp1252"])
def test_encodings(encoding):
    text = LOG.replace("MTRR default", "MTRR\xa0default") + "caf\xe9\n"
    assert told(text.encode(encoding)) == told(LOG)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list(" \n\t|>-#*`=\"'\\[]{}&;<br/>0x2fcMTR:.,D3\x1b\xa0")), max_size=300))
def test_any_text_is_undone_once_for_all_and_keeps_its_place(text):
    undone = undo(text)
    once = str(undone)
    assert len(undone.lines) == len(undone.numbers)
    assert list(undone.numbers) == sorted(undone.numbers)
    assert all(1 <= number <= text.count("\n") + 1 for number in undone.numbers)
    assert str(undo(once)) == once


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"edk2 structure"}))  # a C type's name is in capitals
def test_letters_of_one_case_tell_the_same(name):
    text = SAMPLES[name]
    for other in (text.upper(), text.lower()):
        assert registers(other) == registers(text)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"proc-mtrr"}))
def test_a_diff_that_adds_a_file_is_that_file(name):
    lines = SAMPLES[name].split("\n")
    head = f"diff --git a/d b/d\nnew file mode 100644\n--- /dev/null\n+++ b/d\n@@ -0,0 +1,{len(lines)} @@\n"
    assert registers(head + "\n".join("+" + line for line in lines)) == registers(SAMPLES[name])
