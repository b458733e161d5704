"""Mutation of the C core: every small change of csrc/ is made, and who notices is counted.

    python tests/csrc/c_mutants.py                          all of them; hours of one core
    python tests/csrc/c_mutants.py --sample 20 --seed 1     so many at random
    python tests/csrc/c_mutants.py --file csrc/mtrr.c       of one file

A mutant is decided where it does not compile, gives the same object code, is killed by the C programs beside this file
or hangs under them, is killed by the sanitizers, or by a proof of the function it is in (CBMC: ``MEMTYPE_CBMC``, see
.ci/cbmc); or where equivalent_mutants.txt says why no caller can see it. What is left is open: exit status 1.
``--state FILE`` keeps verdicts, so that a run goes on where the last one ended; ``--again`` asks the open ones again.

Most of the time would go into compilers. So the changed file alone is compiled, and kernels by clang with the header of
intrinsics compiled before and nothing inlined (bulk_avx512.c: 0.1 s for 0.5); what plain C there is goes through tcc
first (3 ms a file); and a kernel is asked about its own instruction set only. An early death costs some 30 ms of
processor time, of a kernel 0.1 s, a survivor one second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from c_mutations import Mutation, mutations
from harnesses import Harness, harnesses_of
from reasons import Reasons

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CSRC = ROOT / "csrc"
PROGRAMS = {"rules": HERE / "rules_check.c", "tables": HERE / "tables_check.c", "fleet": HERE / "fleet_check.c",
            "arrays": HERE / "arrays_check.c", "alone": HERE / "alone.c", "limits": HERE / "limits_check.c",
            "differential": HERE.parent / "fuzz" / "differential.c"}  # fmt: skip
# milliseconds of processor time: who is silent for so long hangs (the unchanged core: half of it at most, or this
# program stops); the same, and all, of the build that compiles fastest and runs slowest
SILENCE, FIRST_SILENCE, FIRST_LOOK = 240, 80, 240
PLANES = ("effective_table", "pcd_pwt_table", "ept_table", "npt_combined_table", "npt_table", "xen_table")
CBMC = shlex.split(os.environ.get("MEMTYPE_CBMC", ""))

# the sets that a kernel's file serves, as judge.c takes them
SETS = {"bulk_ssse3.c": 2, "bulk_avx2.c": 4, "fleet_avx2.c": 4, "granules_avx2.c": 4, "fleet_rows.c": 12,
        "bulk_avx512.c": 8, "fleet_avx512.c": 8}  # fmt: skip
# files whose answers are the same whatever the set: asked with the first alone
OF_NO_SET = {"mtrr.c", "effective.c", "leaf.c", "ragged.c", "fleet_plain.c", "bulk_portable.c"}
ALL_SETS, PORTABLE = 31, 1
# headers that say nothing of a table's layout: a kernel may have them changed while another has not
OF_KERNELS = {"bulk_nibble.h", "avx2.h", "avx512.h"}
CLANG = next((found for name in ("clang-19", "clang") if (found := shutil.which(name))), None)


@dataclass(frozen=True)
class Build:
    """A way to compile the core: command, what compiles kernels, what runs the program."""

    name: str
    command: tuple[str, ...]
    run: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()  # a compiler that is quicker at them; "" is the level

    def takes(self, file: str) -> bool:
        if "-DMEMTYPE_PLAIN" in self.command:
            return file not in SETS | dict.fromkeys(OF_KERNELS) and file != "bulk_neon.c"
        return self.name == "arm64" or file != "bulk_neon.c"

    def of(self, file: str) -> tuple[str, ...]:
        if file not in SETS or not self.kernels:
            return self.command
        # loops are written once for many forms: a copy of what they call in each is most of a compiler's work
        return (*self.kernels, "-Dalways_inline=noinline", "-O0" if "avx512" in file else "-O1")


FLAGS = ("-std=c11", "-w")
FIRST = Build("first", (shutil.which("tcc") or "gcc", *FLAGS, "-DMEMTYPE_PLAIN"))
X86 = Build("x86", ("gcc", *FLAGS, "-O1"), kernels=(CLANG, *FLAGS) if CLANG else ())
# AVX-512 where the processor has none (Debian: libsimde-dev)
SIMDE = ("-DMEMTYPE_SIMDE", f"-I{ROOT / 'tests'}")
EMULATED = Build("emulated", ("gcc", *FLAGS, "-O1", *SIMDE))
HAS_AVX512 = {"avx512bw", "avx512_vbmi", "gfni"} <= set(Path("/proc/cpuinfo").read_text().split())
ARM64 = Build("arm64", ("aarch64-linux-gnu-gcc", *FLAGS, "-O1", "-static"), run=("qemu-aarch64",))
BEST = Build("best", ("gcc", *FLAGS, "-O2"))
SANITIZED = Build(
    "sanitized", ("gcc", *FLAGS, "-O1", "-fsanitize=address,undefined,bounds-strict", "-fno-sanitize-recover=all")
)


def builds_of(file: str) -> list[Build]:
    """The cheapest first: what it kills is dead in all."""
    if file == "bulk_neon.c":
        return [ARM64]
    if "avx512" in file and not HAS_AVX512:
        return [EMULATED]
    found = [build for build in (FIRST, X86) if build.takes(file)]
    return [*found, ARM64] if file in ("dispatch.c", "kernels.h") else found


class Tree:
    """A folder in which one file of csrc/ is not the real one; all else, and C programs of tests/, by links."""

    def __init__(self, place: Path) -> None:
        self.csrc, self.proofs, self.checks = place / "csrc", place / "tests" / "proofs", place / "tests" / "csrc"
        for made, real in ((self.csrc, CSRC), (self.proofs, ROOT / "tests" / "proofs"), (self.checks, HERE)):
            made.mkdir(parents=True)
            for path in real.glob("*.[ch]"):
                (made / path.name).symlink_to(path)
        self.objects = place / "objects"
        self.objects.mkdir()

    def put(self, file: str, text: str | None) -> None:
        path = self.csrc / file
        path.unlink()
        if text is None:
            path.symlink_to(CSRC / file)
        else:
            path.write_text(text)


def sources(build: Build) -> list[str]:
    return [path.name for path in sorted(CSRC.glob("*.c")) if path.name != "_native.c" and build.takes(path.name)]


def runs(build: Build, program: Path, sets: int = ALL_SETS, silence: int = SILENCE, look: int = 0) -> str:
    """'passes', 'fails' or 'hangs'."""
    silence *= {"arm64": 20, "emulated": 20, "sanitized": 5}.get(build.name, 1)
    command = [*build.run, str(program), str(silence), str(sets), str(look)]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return {0: "passes", 3: "hangs"}.get(ended.returncode, "fails")


def looked(build: Build, program: Path, sets: int = ALL_SETS, shorter: int = 1) -> str:
    return runs(build, program, sets, silence=FIRST_SILENCE // shorter, look=FIRST_LOOK)


class Core:
    """The objects of one build, unchanged; and the programs that judge it."""

    def __init__(self, build: Build, place: Path) -> None:
        self.build, self.place = build, place / build.name
        self.place.mkdir(parents=True)
        self.header = self.place / "intrinsics.h"
        self.header.write_text("#include <immintrin.h>\n")
        self.needs = {file: self.needed(file) for file in sources(build)}
        self.made: dict[str, Path] = {}

    def needed(self, file: str) -> set[str]:
        asked = subprocess.run(
            ["gcc", *self.build.command[1:], "-MM", str(CSRC / file)], text=True, capture_output=True, check=True
        )
        return {Path(word).name for word in asked.stdout.replace("\\\n", " ").split()[1:]}

    @cached_property
    def objects(self) -> dict[str, Path]:
        return {file: self.object(file) for file in self.needs}

    @cached_property
    def judges(self) -> list[Path]:
        return self.judge_objects(CSRC, self.place)

    def object(self, file: str) -> Path:
        if file not in self.made:
            made = self.compiled(CSRC, file, self.place / f"{file}.o")
            assert made, f"{file} does not compile: {self.build.of(file)}"
            self.made[file] = made
        return self.made[file]

    def intrinsics(self, command: tuple[str, ...]) -> list[str]:
        """The header of intrinsics, compiled once: a fourth of the time of a kernel."""
        precompiled = self.place / command[-1] / "intrinsics.h"
        if not precompiled.exists():
            precompiled.parent.mkdir()
            shutil.copy(self.header, precompiled)
            subprocess.run([*command, "-x", "c-header", str(precompiled), "-o", f"{precompiled}.gch"], check=True)
        return ["-include", str(precompiled)]

    def compiled(self, csrc: Path, file: str, into: Path) -> Path | None:
        command = self.build.of(file)
        early = self.intrinsics(command) if file in SETS and self.build is X86 else []
        ended = subprocess.run(
            [*command, *early, "-c", str(csrc / file), "-o", str(into)], capture_output=True, check=False
        )
        return None if ended.returncode else into

    def judge_objects(self, csrc: Path, into: Path) -> list[Path]:
        made = []
        compiler = self.build.command if csrc != CSRC or self.build.run else ("gcc", *self.build.command[1:], "-O2")
        folders = ["-I", str(csrc), "-I", str(ROOT / "tests" / "proofs"), "-I", str(HERE)]
        for name, path in (*PROGRAMS.items(), ("judge", HERE / "judge.c")):
            renamed = [] if name == "judge" else [f"-Dmain={name}_main"]
            renamed += [] if name in ("judge", "rules", "tables", "limits") else ["-Dmemtype_isa_supported=judged_set"]
            renamed += ["-DJUDGED"]
            made.append(into / f"judge-{name}.o")
            subprocess.run(
                [*compiler, *folders, *renamed, "-c", str(path), "-o", str(made[-1])], check=True, capture_output=True
            )
        return made

    def linked(self, objects: list[Path], into: Path, judges: list[Path] | None = None) -> Path:
        command = [*self.build.command, *map(str, objects), *map(str, judges or self.judges), "-o", str(into)]
        subprocess.run(command, check=True, capture_output=True)
        return into

    def changed(self, tree: Tree, file: str, only: str = "") -> dict[str, Path] | None:
        """The objects that a changed file changes, by source, or of one source; None where one does not compile."""
        found = {}
        for source in [only] if only else [s for s, needs in self.needs.items() if file in needs]:
            made = self.compiled(tree.csrc, source, tree.objects / f"{source}.o")
            if made is None:
                return None
            if made.read_bytes() != self.object(source).read_bytes():
                found[source] = made
        return found


@dataclass
class Verdict:
    key: str
    decided: str  # does not compile, same object code, killed, hangs, sanitizer, proof, equivalent, open
    by: str = ""


class Bench:
    """What judges mutants: cores of all builds, and verdicts that were given to the same object code before."""

    def __init__(self, place: Path, files: set[str], equivalents: Reasons, last: bool) -> None:
        self.place, self.equivalents, self.last = place, equivalents, last
        self.made: dict[Build, Core] = {}
        self.lock = Lock()
        self.seen: dict[bytes, Verdict] = {}
        for build in {build for file in files for build in builds_of(file)}:
            core = self.core(build)
            program = core.linked([*core.objects.values()], place / f"unchanged-{build.name}")
            brief = build is FIRST or not last
            ended = looked(build, program, shorter=2) if brief else runs(build, program, silence=SILENCE // 2)
            assert ended == "passes", f"the unchanged core {ended}: {program}"

    def core(self, build: Build) -> Core:
        with self.lock:
            if build not in self.made:
                self.made[build] = Core(build, self.place)
            return self.made[build]

    def judge(self, mutant: Mutation, tree: Tree) -> Verdict:
        reason = None if self.last else self.equivalents.why(mutant.key)
        if reason:
            return Verdict(mutant.key, "equivalent", reason)
        tree.put(mutant.file, mutant.applied((CSRC / mutant.file).read_text()))
        try:
            return self._judge(mutant, tree)
        finally:
            tree.put(mutant.file, None)

    def _judge(self, mutant: Mutation, tree: Tree) -> Verdict:
        compiled = lives = False
        mark = b""
        for core, sets, changed in self.versions(mutant, tree):
            if changed is None:
                continue
            compiled = True
            if not changed and mutant.file != "memtype.h":
                continue
            made = [path.read_bytes() for path in changed.values()]
            made += [
                mutant.key.encode() if mutant.file == "memtype.h" else mutant.file.encode()
            ]  # who judges changes too
            mark = hashlib.sha256(b"".join(made)).digest()
            if mark in self.seen:
                return Verdict(mutant.key, self.seen[mark].decided, "as " + self.seen[mark].key)
            verdict = self.run(mutant, core, sets, changed, tree)
            if verdict:
                self.seen[mark] = verdict
                return verdict
            lives = True
        if not lives:
            return Verdict(mutant.key, "same object code" if compiled else "does not compile")
        verdict = self.last_resorts(mutant, tree)
        self.seen[mark] = verdict
        return verdict

    def versions(self, mutant: Mutation, tree: Tree) -> Iterator[tuple[Core, int, dict[str, Path] | None]]:
        """What the change compiles to, cheapest first, and the instruction sets that can tell: kernels one by one."""
        for core in map(self.core, builds_of(mutant.file)):
            if mutant.file not in SETS | dict.fromkeys(OF_KERNELS) or core.build.run:
                yield core, PORTABLE if mutant.file in OF_NO_SET else ALL_SETS, core.changed(tree, mutant.file)
                continue
            for source in (s for s, needs in core.needs.items() if mutant.file in needs):
                yield core, SETS[source], core.changed(tree, mutant.file, source)

    def run(self, mutant: Mutation, core: Core, sets: int, changed: dict[str, Path], tree: Tree) -> Verdict | None:
        try:
            judges = core.judge_objects(tree.csrc, tree.objects) if mutant.file == "memtype.h" else None
            program = core.linked([*(core.objects | changed).values()], tree.objects / "judge", judges)
        except subprocess.CalledProcessError:
            return Verdict(mutant.key, "does not compile", "together")
        # what takes long is asked of a build that runs faster, and in the last run
        brief = core.build is FIRST or not self.last
        ended = looked(core.build, program, sets) if brief else runs(core.build, program, sets)
        if ended == "passes" and mutant.file == "dispatch.c":
            ended = self.dispatched(core, tree)
        kinds = {"fails": "killed", "hangs": "hangs"}
        return Verdict(mutant.key, kinds[ended], core.build.name) if ended in kinds else None

    def dispatched(self, core: Core, tree: Tree) -> str:
        """dispatch_check.c, which includes the changed file and plays every processor."""
        sources = [
            tree.checks / "dispatch_check.c",
            *(made for file, made in core.objects.items() if file != "dispatch.c"),
        ]
        program = tree.objects / "judge"
        command = [*core.build.command, "-I", str(tree.csrc), *map(str, sources), "-o", str(program)]
        subprocess.run(command, check=True, capture_output=True)
        return runs(core.build, program)

    def last_resorts(self, mutant: Mutation, tree: Tree) -> Verdict:
        """For those that the programs pass: reasons on file, optimised object code, sanitizers, proofs."""
        reason = self.equivalents.why(mutant.key)
        if reason:
            return Verdict(mutant.key, "equivalent", reason)
        if not self.last:
            return Verdict(mutant.key, "open", "sanitizers and proofs were not asked")
        if (
            mutant.file != "bulk_neon.c"
            and mutant.file.endswith(".c")
            and not self.core(BEST).changed(tree, mutant.file)
        ):
            return Verdict(mutant.key, "same object code", "-O2")
        if mutant.file != "bulk_neon.c" and self.sanitized(mutant, tree) == "fails":
            return Verdict(mutant.key, "sanitizer")
        for harness in harnesses_of(mutant) if CBMC else ():
            if refuted(tree, harness):
                return Verdict(mutant.key, "proof", harness.function)
        return Verdict(mutant.key, "open")

    def sanitized(self, mutant: Mutation, tree: Tree) -> str:
        """The programs once more, with what the change compiles to under sanitizers."""
        emulated = builds_of(mutant.file) == [EMULATED]
        core = self.core(EMULATED if emulated else X86)
        extra = SIMDE if emulated else ()
        changed = {file: tree.objects / f"{file}.sanitized.o" for file in core.changed(tree, mutant.file) or {}}
        for file, into in changed.items():
            subprocess.run(
                [*SANITIZED.command, *extra, "-c", str(tree.csrc / file), "-o", str(into)],
                capture_output=True, check=True,
            )  # fmt: skip
        command = [*SANITIZED.command, *map(str, (core.objects | changed).values()), *map(str, core.judges)]
        subprocess.run([*command, "-o", str(tree.objects / "judge")], capture_output=True, check=True)
        return runs(SANITIZED, tree.objects / "judge", SETS.get(mutant.file, ALL_SETS))


def refuted(tree: Tree, harness: Harness) -> bool:
    command = [*CBMC, str(tree.proofs / harness.path.name), "-I", str(tree.csrc), *harness.options]
    limited = ["prlimit", "--cpu=120:121", "--core=0", *command]
    ran = subprocess.run(limited, text=True, capture_output=True, check=False)
    return "VERIFICATION FAILED" in ran.stdout


# --- cells of the planes of rules.h: a byte of the finished objects, nothing to compile -------------------------


@dataclass(frozen=True)
class Cell:
    """One cell of a table, which a mutant has one higher."""

    table: str
    place: int
    content: bytes  # of the whole table

    @property
    def other(self) -> int:
        return (self.content[self.place] + 1) % 256

    @property
    def key(self) -> str:
        plane, row, column = self.place // 256, self.place % 256 // 16, self.place % 16
        cell = f"{self.table}[{plane}][{row}][{column}] = {self.content[self.place]}"
        return f"rules.h | {self.table} | {cell} => {self.other}"


def cells() -> list[Cell]:
    found = []
    text = (CSRC / "rules.h").read_text()
    for name in PLANES:
        body = text.split(f" {name}[", 1)[1].split("= {", 1)[1].split("};", 1)[0]
        content = bytes(int(number) for number in body.replace(",", " ").split())
        found += [Cell(name, place, content) for place in range(len(content))]
    return found


def passes_with(changed: list[Cell], core: Core, program: bytes, into: Path) -> bool:
    """Whether the programs pass a core with all those cells changed."""
    for table in {cell.table for cell in changed}:
        of = [cell for cell in changed if cell.table == table]
        content = bytearray(of[0].content)
        for cell in of:
            content[cell.place] = cell.other
        assert of[0].content in program, table
        program = program.replace(of[0].content, bytes(content))
    into.write_bytes(program)
    into.chmod(0o755)
    return runs(core.build, into) == "passes"


# --- the run ----------------------------------------------------------------------------------------------------


def wanted(arguments: argparse.Namespace) -> list[Mutation | Cell]:
    files = [Path(file).name for file in arguments.file] or [
        p.name for p in sorted(CSRC.glob("*.[ch]")) if p.name != "_native.c"
    ]
    made: list[Mutation | Cell] = []
    for file in files:
        found = mutations(file, (CSRC / file).read_text())
        made += [mutant for mutant in found if mutant.function not in PLANES and not arguments.cells]
        made += cells() if file == "rules.h" else []
    return random.Random(arguments.seed).sample(made, min(arguments.sample, len(made))) if arguments.sample else made


def judged(arguments: argparse.Namespace, equivalents: Reasons) -> Iterator[Verdict]:
    """The verdicts, those of an earlier run first."""
    state = Path(arguments.state) if arguments.state else None
    known = [json.loads(line) for line in state.read_text().splitlines()] if state and state.exists() else []
    before = {name: Verdict(*given) for name, given in known}
    asked = {mutant.key: mutant for mutant in wanted(arguments)}
    again = {"open", "equivalent"} if arguments.again else set()
    kept = {name: before[name] for name in asked if name in before and before[name].decided not in again}
    yield from kept.values()
    left = [(name, mutant) for name, mutant in asked.items() if name not in kept]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        bench = Bench(
            Path(folder),
            {m.file for _, m in left if isinstance(m, Mutation)} | {"mtrr.c"},
            equivalents,
            not arguments.quick,
        )
        unchanged = (Path(folder) / "unchanged-x86").read_bytes()
        excused = {m.key: m for _, m in left if isinstance(m, Cell) and equivalents.why(m.key)}
        if excused and not passes_with([*excused.values()], bench.core(X86), unchanged, Path(folder) / "excused"):
            raise SystemExit(
                "a cell that equivalent_mutants.txt excuses is seen: all of them changed at once do not pass"
            )
        trees: SimpleQueue[Tree] = SimpleQueue()
        for n in range(arguments.jobs):
            trees.put(Tree(Path(folder) / f"tree{n}"))

        def one(item: tuple[str, Mutation | Cell]) -> tuple[str, Verdict]:
            tree = trees.get()
            try:
                if isinstance(item[1], Mutation):
                    return item[0], bench.judge(item[1], tree)
                if item[0] in excused:
                    return item[0], Verdict(item[0], "equivalent", equivalents.why(item[0]) or "")
                passes = passes_with([item[1]], bench.core(X86), unchanged, tree.objects / "cell")
                return item[0], Verdict(item[0], "open" if passes else "killed")
            finally:
                trees.put(tree)

        for done, (name, verdict) in enumerate(pool.map(one, left), 1):
            if state:
                with state.open("a") as log:
                    log.write(json.dumps([name, [verdict.key, verdict.decided, verdict.by]]) + "\n")
            if verdict.decided == "open" or done % 100 == 0:
                print(f"{done} of {len(left)}: {verdict.decided}: {verdict.key}", file=sys.stderr, flush=True)
            yield verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--file", action="append", default=[], help="only this file; may be repeated")
    parser.add_argument("--cells", action="store_true", help="only the cells of tables")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="so many at random")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--state", metavar="FILE", help="keeps verdicts")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="believe the reasons on file, and leave what takes long, sanitizers and proofs for a run with --again",
    )
    parser.add_argument("--again", action="store_true", help="ask again what was open or called equivalent")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    arguments = parser.parse_args()
    equivalents = Reasons(HERE / "equivalent_mutants.txt")
    verdicts = list(judged(arguments, equivalents))
    stale = [] if arguments.sample or arguments.file else equivalents.unused(verdict.key for verdict in verdicts)
    for kind, count in Counter(verdict.decided for verdict in verdicts).most_common():
        print(f"{count:6} {kind}")
    for verdict in verdicts:
        if verdict.decided == "open":
            print(f"open: {verdict.key}")
    for entry in stale:
        print(f"equivalent_mutants.txt: no mutant is {entry}")
    return 1 if stale or any(verdict.decided == "open" for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
