"""Loops over arrays of any length leave none of them: loop contracts, checked by CBMC.

Needs CBMC, and goto-cc and goto-instrument beside it; `.ci/cbmc` fetches them. ``MEMTYPE_CBMC`` starts CBMC.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from within import Fault, Last, blank, copy_core

HERE = Path(__file__).resolve().parent
CBMC = shlex.split(os.environ.get("MEMTYPE_CBMC", ""))
CHECKS = ["--bounds-check", "--pointer-check", "--undefined-shift-check", "--signed-overflow-check"]
BOUNDS = ["--unwind", "260", "--object-bits", "12"]
END = "the end is reached"  # loops.h: what VACUITY claims to be false


@dataclass(frozen=True)
class Harness:
    path: Path
    name: str
    loops: list[str]  # the functions whose loops have contracts; without any it is plain model checking
    unwinds: list[str]  # the functions whose loops are unwound to their end
    calls: list[str]  # FUNCTION:STUB, what is called in its place
    options: list[str]  # of CBMC
    define: str = ""  # of a file that says "each with -DONE -DTWO"


def harnesses() -> Iterator[Harness]:
    for path in sorted(HERE.glob("*.c")):
        text = path.read_text()
        each = re.search(r"^ \* each with (.*) \*/", text, re.M)
        for name, words in re.findall(r"^void (prove_\w+)\(void\) /\*([\w\s:.-]+)\*/", text, re.M):
            lists: dict[str, list[str]] = {"loops": [], "unwinds": [], "calls": [], "options": []}
            for word in words.split():
                if word in lists:
                    into = lists[word]
                else:
                    into.append(word)
            for define in each[1].split() if each else [""]:
                yield Harness(path, name, **lists, define=define)


HARNESSES = [pytest.param(h, id=f"{h.path.stem}-{h.name}{h.define.replace('-D', '-')}") for h in harnesses()]


def named(name: str) -> Harness:
    harness: Any = next(param.values[0] for param in HARNESSES if param.id == name)
    return harness


pytestmark = pytest.mark.skipif(not CBMC, reason="proofs need CBMC: set MEMTYPE_CBMC (see .ci/cbmc)")


def tool(name: str) -> list[str]:
    return [*CBMC[:-1], str(Path(CBMC[-1]).with_name(name))]


def done(*command: str) -> str:
    ran = subprocess.run(command, text=True, capture_output=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


# --- contracts ---


def symbols(binary: Path, function: str) -> dict[str, list[str]]:
    """What the function's names may stand for: its own variables, which CBMC numbers by their blocks, and globals."""
    found: dict[str, list[str]] = {}
    for line in done(*tool("goto-instrument"), "--list-symbols", str(binary)).splitlines():
        symbol = line.split(" ", 1)[0]
        if re.fullmatch(rf"{function}::(\d+::)*\w+", symbol):
            found.setdefault(symbol.rsplit("::", 1)[1], []).insert(0, symbol)
        elif "::" not in symbol:
            found.setdefault(symbol, []).append(symbol)
    return found


def told_of(path: Path, function: str) -> list[tuple[str, str]]:
    """What the first comment of a harness tells of a function's loops: number and text. A name may end in a star."""
    comment = path.read_text().split("*/")[0].replace("\n *     ", " ")
    told = re.findall(r"^ \* loop ([\w*]+)\.(\d+): (.*)$", comment, re.M)
    return [(number, text) for name, number, text in told if fnmatchcase(function, name)]


def turns(path: Path, function: str) -> list[str]:
    """The inner loops that are unwound before, FUNCTION.N:TURNS: they are the first of their function."""
    found = [(number, re.fullmatch(r"(\d+) turns", text)) for number, text in told_of(path, function)]
    return [f"{function}.{number}:{int(turns[1]) + 1}" for number, turns in found if turns]


def contracts(path: Path, binary: Path, function: str) -> list[dict[str, str]]:
    """The contracts of a function's loops, as the first comment of the harness gives them."""
    known, found = symbols(binary, function), []
    unwound = len(turns(path, function))  # first: so the others are counted without them
    for number, rest in told_of(path, function):
        if ";" not in rest:
            continue
        invariant, assigns, decreases, *told = (part.strip() for part in re.split(r";(?![^{]*})", rest))
        blocks = dict(pair.replace(" ", "").split("=") for pair in told[0].split(",")) if told else {}
        places = {}
        for name in re.findall(r"(?<![\w.>])[A-Za-z]\w*", f"{invariant} {assigns} {decreases}"):
            if name in blocks:
                places[name] = f"{function}::{blocks[name]}"
            elif name in known:
                own = [symbol for symbol in known[name] if "::" in symbol] or known[name]
                assert len(own) == 1, f"{function}.{number}: which {name}: {own}"
                places[name] = own[0]
        found.append({
            "loop_id": str(int(number) - unwound),
            "invariants": invariant,
            "assigns": assigns.removeprefix("assigns "),
            "decreases": decreases.removeprefix("decreases "),
            "symbol_map": ";".join(f"{name},{place}" for name, place in places.items()),
        })  # fmt: skip
    assert found, f"{path.name} has no contract for {function}"
    return found


# --- proofs ---


def compiled(
    place: Path, harness: Harness, *defines: str, fault: Fault | None = None, last: Last | None = None
) -> Path:
    """The harness and the core as CBMC has them, with the claims of within.py, calls replaced."""
    first, second, here = place / "first", place / "second", place / "tests" / "proofs" / "loops"
    if not here.exists():
        copy_core(place / "csrc", fault, last)
        shutil.copytree(HERE, here, ignore=shutil.ignore_patterns("__pycache__"))
    words = [*defines, harness.define] if harness.define else defines
    vectors = f"-I{here / 'vectors'}"
    source = ["--function", harness.name, str(here / harness.path.name)]
    done(*tool("goto-cc"), "-DMEMTYPE_PLAIN", vectors, *words, *source, "-o", str(first))
    replaced = [word for call in harness.calls for word in ("--replace-calls", call)]
    done(*tool("goto-instrument"), *replaced, str(first), str(second))
    return second


def judged(
    place: Path,
    harness: Harness,
    *words: str,
    defines: tuple[str, ...] = (),
    fault: Fault | None = None,
    last: Last | None = None,
) -> str:
    """What CBMC says of the harness."""
    binary = compiled(place, harness, *defines, fault=fault, last=last)
    if harness.loops:
        unwound = [loop for name in harness.loops for loop in turns(harness.path, name)]
        if unwound:
            words_for = ["--unwindset", ",".join(unwound), "--unwinding-assertions"]
            done(*tool("goto-instrument"), *words_for, str(binary), str(place / "unwound"))
            binary = place / "unwound"
        told = {"functions": [{name: contracts(harness.path, binary, name)} for name in harness.loops]}
        (place / "contracts.json").write_text(json.dumps(told))
        told_in = ["--loop-contracts-file", str(place / "contracts.json")]
        plain, binary = str(binary), place / "third"
        done(*tool("goto-instrument"), "--dfcc", harness.name, "--apply-loop-contracts", *told_in, plain, str(binary))
    command = [*CBMC, str(binary), *CHECKS, *BOUNDS, *harness.options, *words]
    return subprocess.run(command, text=True, capture_output=True, check=False, timeout=300).stdout


def false_claims(said: str) -> list[str]:
    """What failed but the claims that loops do not turn."""
    return [claim for claim in re.findall(r"^\[\S+\] line \d+ (.*): FAILURE$", said, re.M) if claim != "no turn"]


def idle(said: str, copied: set[str]) -> set[str]:
    """Functions with a loop that never turns. Where loops were unwound before, the last copy of each does not."""
    found: dict[tuple[str, str], list[bool]] = {}
    for name, line, judgement in re.findall(r"^\[(\S+)\.assertion\.\d+\] line (\d+) no turn: (\w+)$", said, re.M):
        found.setdefault((name, line), []).append(judgement == "FAILURE")
    return {name for (name, _), turned in found.items() if not (any(turned) if name in copied else all(turned))}


def is_refuted(
    place: Path, harness: Harness, *defines: str, fault: Fault | None = None, last: Last | None = None
) -> bool:
    said = judged(place, harness, "--stop-on-fail", defines=defines, fault=fault, last=last)
    found = re.search(r"^VERIFICATION (\w+)", said, re.M)
    assert found, said[-3000:]
    return found[1] == "FAILED"


@dataclass(frozen=True)
class Loop:
    file: str  # of csrc/
    line: int
    number: int  # of its function's loops


def loops_of(binary: Path) -> dict[str, Loop]:
    """The loops of the core by the names that CBMC gives them: FUNCTION.N."""
    said = done(*tool("goto-instrument"), "--show-loops", str(binary))
    found = re.findall(r"^Loop (\S+)\.(\d+):\n  file \S*/csrc/(\S+) line (\d+)", said, re.M)
    return {f"{name}.{number}": Loop(file, int(line), int(number)) for name, number, file, line in found}


def loops_in(functions: list[str], loops: dict[str, Loop]) -> list[str]:
    of = {function: [loop for loop in loops if loop.rsplit(".", 1)[0] == function] for function in functions}
    assert all(of.values()), of
    return [loop for function in functions for loop in of[function]]


@pytest.mark.parametrize("harness", HARNESSES)
def test_holds(tmp_path: Path, harness: Harness) -> None:
    """Nothing fails but false claims, at the end of the harness and in each of its loops: so none is an empty proof."""
    said = judged(tmp_path, harness, "--verbosity", "9", defines=("-DVACUITY",))
    not_turned = idle(said, {name for name in harness.loops if turns(harness.path, name)})
    assert not not_turned & {*harness.loops, *harness.unwinds}
    assert false_claims(said) == [END], said[-3000:]
    turned = set(re.findall(r"^Unwinding loop (\S+)\.\d+ iteration \d+ file \S+ line (\d+)", said, re.M))
    loops = loops_of(tmp_path / "second")
    kept = {f"{name}.{number}" for name in harness.loops for number, _ in told_of(harness.path, name)}
    for loop in {*loops_in([*harness.loops, *harness.unwinds], loops)} - kept:
        assert (loop.rsplit(".", 1)[0], str(loops[loop].line)) in turned, f"{loop} is not unwound"


@pytest.mark.parametrize("harness", HARNESSES)
def test_can_fail(tmp_path: Path, harness: Harness) -> None:
    """PLANTED makes an array one element short."""
    assert is_refuted(tmp_path, harness, "-DPLANTED")


# A block too many, a step too wide, a line missed: file, what stands there, the fault, the harness that refutes it.
FAULTS = [
    ("bulk_nibble.h", "i + VEC <= n ? i : n - VEC;\n\n\t\tv_store", "i;\n\n\t\tv_store", "nibble-prove_run-AVX2"),
    ("bulk_nibble.h", "-(uintptr_t)out % VEC", "-(uintptr_t)out % (VEC / 2)", "nibble-prove_run-AVX2"),
    ("bulk_nibble.h", "i + VEC <= n ? i : n - VEC;\n\t\tvec types", "i;\n\t\tvec types",
     "nibble-prove_fill_steps-AVX2"),
    ("bulk_nibble.h", "n - done < HIGH_PART ? n : done + HIGH_PART", "done + HIGH_PART", "nibble-prove_run_fill-AVX2"),
    ("bulk_nibble.h", "for (; i + VEC <= n; i += VEC)\n\t\tseen = see", "for (; i < n; i += VEC)\n\t\tseen = see",
     "nibble-prove_or_words-SSSE3"),
    ("bulk_nibble.h", "v_load(from + VEC - 4)", "v_load(from + VEC + 4)", "nibble-prove_cut-AVX2"),
    ("granules_avx2.c", "blocks[ENTRIES / ENTRIES_STEP];", "blocks[ENTRIES / ENTRIES_STEP - 1];",
     "granules_avx2-prove_entries"),
    ("bulk_avx512.c", "size_t blocks = (n - head) / KERNEL_BLOCK;", "size_t blocks = n / KERNEL_BLOCK;",
     "avx512-prove_run_any"),
    ("bulk_avx512.c", "i++, words += 64", "i++, words += 128", "avx512-prove_run_fill"),
    ("bulk_avx512.c", "if (!s->stream || s->first)", "if (!s->stream)", "avx512-prove_sink"),
    ("bulk_avx512.c", "--feed->blocks ? 64 : 0", "feed->blocks-- ? 64 : 0", "avx512-prove_feed"),
    ("bulk_avx512.c", "for (; i + 16 <= n; i += 16)", "for (; i + 8 <= n; i += 16)", "avx512-prove_or_words"),
    ("fleet_avx512.c", "i + 64 <= n; i += 64", "i + 32 <= n; i += 64", "fleet_avx512-prove_match_steps"),
    ("fleet_avx512.c", "i < f->states; i++", "i <= f->states; i++", "fleet_avx512-prove_match_all"),
    ("fleet_avx512.c", "low_bits((unsigned)(pairs - k))", "0xFF", "fleet_avx512-prove_load_state"),
    ("fleet.c", "j < n", "j <= n", "fleet-prove_match_one"),
    ("fleet.c", "r < block->rows && fit", "r <= block->rows && fit", "fleet-prove_match_block"),
    ("fleet.c", "(f->states - i < room ? f->states - i : room)", "room", "fleet-prove_match_blocks"),
    ("fleet.c", "fit < block.rows", "fit > block.rows", "fleet-prove_match_blocks"),  # never ends
    ("fleet_plain.c", "types += n;", "types += step;", "fleet_plain-prove_match_rows"),
    # beyond an array, and yet in its struct
    ("mtrr.c", "(address ^ m->base[i])", "(address ^ m->base[i + 1])", "mtrr-prove_variable_type"),
    ("fleet_plain.c", "block->base[place] =", "block->base[place + 5] =", "fleet_plain-prove_load_pairs"),
    ("lookup.c", "size_t part = n < 512 ? n : 512;", "size_t part = 512;", "pages-prove_page_types"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "before", "after", "name"), FAULTS)
def test_a_fault_is_refuted(tmp_path: Path, file: str, before: str, after: str, name: str) -> None:
    """The core with one fault in it."""
    assert is_refuted(tmp_path, named(name), fault=(file, before, after))


# Arrays in structs whose addresses the core takes: the harness, the struct, the array, and by how many elements it
# may be short and still holds all that is asked of it. (An index has its own claim: within.h.)
LASTS = [
    ("avx512-prove_load_group", "memtype_tables", "window", 0),
    ("avx512-prove_load_group", "memtype_tables", "decode", 0),
    ("avx512-prove_block", "memtype_tables", "page", 0),
    ("avx512-prove_block", "memtype_tables", "final_type", 0),
    ("nibble-prove_types_step-AVX2", "memtype_tables", "window", 35328 - 46 * 10 * 16),
    ("nibble-prove_types_step-AVX2", "memtype_tables", "decode", 5888 - 46 * 2 * 16),
    ("nibble-prove_types_step-AVX2", "memtype_tables", "final_type", 0),
    ("nibble-prove_tables-AVX2", "memtype_tables", "fixed", 0),
    ("fleet_rows-prove_load_pairs", "fleet_block", "base", 1),
    ("fleet_rows-prove_load_pairs", "fleet_block", "mask", 1),
    ("fleet_rows-prove_load_pairs", "fleet_block", "code", 1),
    ("fleet-prove_load_state", "memtype_mtrrs", "base", 0),
    ("fleet-prove_load_state", "memtype_mtrrs", "mask", 0),
    ("mtrr-prove_fixed", "memtype_mtrrs", "fixed", 0),
]


@pytest.mark.parametrize(("name", "struct", "array", "short"), LASTS)
def test_no_array_in_a_struct_is_left(tmp_path: Path, name: str, struct: str, array: str, short: int) -> None:
    """With the array last in its struct; one element less is too few."""
    no_sizes = ("-D_Static_assert(claim, words)=struct not_asked",)
    (tmp_path / "enough").mkdir()
    said = judged(tmp_path / "enough", named(name), defines=("-DVACUITY", *no_sizes), last=(struct, array, short))
    assert false_claims(said) == [END], said[-3000:]
    assert is_refuted(tmp_path, named(name), *no_sizes, last=(struct, array, short + 1))


# --- none is left out ---

CORE = sorted(path for path in (HERE.parent.parent.parent / "csrc").glob("*.[ch]") if path.name != "_native.c")


def written(texts: dict[str, str]) -> Counter[tuple[str, int]]:
    """How many loops stand in each line of the files. A macro's are where it is used: there CBMC has them too."""
    word = r"\b(?:for|while|goto)\b"
    loops: Counter[tuple[str, int]] = Counter()
    macros: Counter[str] = Counter()
    places = []
    for file, text in texts.items():
        own: Counter[str] = Counter()  # macros: two files may have one of a name
        macro = ""
        for number, line in enumerate(blank(text).splitlines(), 1):
            define = re.match(r"\s*#\s*define\s+(\w+)", line)
            macro = define[1] if define else macro
            if macro:
                own[macro] += len(re.findall(word, line))
            else:
                loops[file, number] += len(re.findall(word, line))
            if not define:
                places.append((file, number, line))
            macro = macro if line.endswith("\\") else ""
        macros |= own
    for name in macros:
        for file, number, line in places:
            loops[file, number] += macros[name] * len(re.findall(rf"\b{name}\b", line))
    return +loops


def test_every_loop_of_the_core_is_proved(tmp_path: Path) -> None:
    """Each has a contract in some harness, or is unwound to its end in one (test_holds). Those that CBMC finds are all
    that the text has, in branches of the preprocessor too."""
    proved, left = set(), {}
    seen: Counter[tuple[str, int]] = Counter()
    for path, define in {(param.values[0].path, param.values[0].define): None for param in HARNESSES}:
        mine: Any = [h for h in harnesses() if (h.path, h.define) == (path, define)]
        loops = loops_of(compiled(tmp_path, replace(mine[0], calls=[])))
        proved |= {loops[name] for h in mine for name in loops_in([*h.loops, *h.unwinds], loops)}
        left.update({loop: name for name, loop in loops.items()})
        seen |= Counter((loop.file, loop.line) for loop in loops.values())
    assert not {left[loop] for loop in left.keys() - proved}
    assert not written({path.name: path.read_text() for path in CORE}) - seen


@pytest.mark.parametrize(
    "loop",
    [
        "for (;;)",
        "#define EACH(i) \\\n\tfor (i = 0; i < 9; i++)\n#if 0\n\tEACH(i)\n#endif",
        "#ifdef __s390x__\n\tdo\n\t\tn--;\n\twhile (n);\n#endif",
        "again:\n\tgoto again;",
    ],
)
def test_a_new_loop_is_noticed(loop: str) -> None:
    text = (CORE[0].parent / "lookup.c").read_text()
    more = written({"lookup.c": f"{text}\n{loop}\n"}) - written({"lookup.c": text})
    assert sum(more.values()) == 1
