"""Mutation of the C core: every small change of csrc/ is made, and who notices is counted.

    python tests/csrc/c_mutants.py                          all of them; hours of one core
    python tests/csrc/c_mutants.py --sample 20 --seed 1     so many at random
    python tests/csrc/c_mutants.py --file csrc/mtrr.c       of one file

A mutant is decided where it does not compile, gives the same object code, is killed by the C programs beside this file,
by the sanitizers, or by a proof of the function it is in (CBMC: ``MEMTYPE_CBMC``, see .ci/cbmc); or where
equivalent_mutants.txt says why no caller can see it. What is left is open: exit status 1. ``--state FILE`` keeps
verdicts, so that a run goes on where the last one ended; ``--again`` asks once more what was open.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from c_mutations import Mutation, mutations
from harnesses import Harness, harnesses_of
from reasons import Reasons

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CSRC = ROOT / "csrc"
PROGRAMS = {"rules": HERE / "rules_check.c", "arrays": HERE / "arrays_check.c", "alone": HERE / "alone.c",
            "differential": HERE.parent / "fuzz" / "differential.c"}  # fmt: skip
SECONDS, LONG_SECONDS = (
    2,
    10,
)  # of processor time; the unchanged core takes one: who takes more is run once more, longer
PLANES = ("effective_table", "pcd_pwt_table", "ept_table", "npt_combined_table", "npt_table", "xen_table")
CBMC = shlex.split(os.environ.get("MEMTYPE_CBMC", ""))


@dataclass(frozen=True)
class Build:
    """A way to compile the core: command, files, what runs the program."""

    name: str
    command: tuple[str, ...]
    run: tuple[str, ...] = ()

    def takes(self, file: str) -> bool:
        if self.name == "plain":
            return not file.startswith(("bulk_avx", "bulk_ssse3", "bulk_neon", "fleet_avx", "fleet_rows", "avx"))
        return self.name == "arm64" or file != "bulk_neon.c"


PLAIN = Build("plain", ("gcc", "-std=c11", "-w", "-O1", "-DMEMTYPE_PLAIN"))
X86 = Build("x86", ("gcc", "-std=c11", "-w", "-O1"))
ARM64 = Build("arm64", ("aarch64-linux-gnu-gcc", "-std=c11", "-w", "-O1", "-static"), ("qemu-aarch64",))
BEST = Build("x86", ("gcc", "-std=c11", "-w", "-O2"))
SANITIZED = Build(
    "sanitized", ("gcc", "-std=c11", "-w", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
)


def builds_of(file: str) -> list[Build]:
    """The cheapest first: what the plain build kills is dead in all."""
    if file == "bulk_neon.c":
        return [ARM64]
    if file.endswith(".h") or file == "dispatch.c":
        found = [build for build in (PLAIN, X86) if build.takes(file)]
        return [*found, ARM64] if file in ("dispatch.c", "kernels.h") else found
    return [X86]


class Tree:
    """A folder in which one file of csrc/ is not the real one: csrc/ and tests/proofs/ by links."""

    def __init__(self, place: Path) -> None:
        self.csrc, self.proofs = place / "csrc", place / "tests" / "proofs"
        for made, real in ((self.csrc, CSRC), (self.proofs, ROOT / "tests" / "proofs")):
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


def limited(command: list[str], seconds: int) -> list[str]:
    return ["prlimit", f"--cpu={seconds}:{seconds + 1}", "--core=0", *command]


def runs(command: list[str], seconds: int = SECONDS) -> str:
    """'passes', 'fails' or 'time-out'."""
    ended = subprocess.run(limited(command, seconds), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if ended.returncode in (-9, -24):
        return "time-out"
    return "fails" if ended.returncode else "passes"


class Core:
    """The objects of one build, unchanged; and the programs that judge it."""

    def __init__(self, build: Build, place: Path) -> None:
        self.build, self.place = build, place / build.name / build.command[3]
        self.place.mkdir(parents=True)
        self.objects = {file: self.compiled(CSRC, file, self.place / f"{file}.o") for file in sources(build)}
        assert all(self.objects.values()), f"the core does not compile: {build.command}"
        self.judges = self.judge_objects(CSRC, self.place)
        self.needs = {file: self.needed(file) for file in self.objects}

    def compiled(self, csrc: Path, file: str, into: Path) -> Path | None:
        command = [*self.build.command, "-c", str(csrc / file), "-o", str(into)]
        return None if subprocess.run(command, capture_output=True, check=False).returncode else into

    def judge_objects(self, csrc: Path, into: Path) -> list[Path]:
        made = []
        for name, path in (*PROGRAMS.items(), ("judge", HERE / "judge.c")):
            renamed = [] if name == "judge" else [f"-Dmain={name}_main"]
            made.append(into / f"judge-{name}.o")
            folders = ["-I", str(csrc), "-I", str(ROOT / "tests" / "proofs"), "-I", str(HERE)]
            subprocess.run(
                [*self.build.command, "-O2", *folders, *renamed, "-c", str(path), "-o", str(made[-1])], check=True
            )
        return made

    def needed(self, file: str) -> set[str]:
        asked = subprocess.run(
            [*self.build.command, "-MM", str(CSRC / file)], text=True, capture_output=True, check=True
        )
        return {Path(word).name for word in asked.stdout.replace("\\\n", " ").split()[1:]}

    def linked(self, objects: list[Path], into: Path, judges: list[Path] | None = None) -> Path:
        command = [*self.build.command, *map(str, objects), *map(str, judges or self.judges), "-o", str(into)]
        subprocess.run(command, check=True, capture_output=True)
        return into

    def changed(self, tree: Tree, file: str) -> dict[str, Path] | None:
        """The objects that a changed file changes, by source; None where one does not compile."""
        found = {}
        for source in (s for s, needs in self.needs.items() if file in needs):
            made = self.compiled(tree.csrc, source, tree.objects / f"{source}.o")
            if made is None:
                return None
            if made.read_bytes() != self.objects[source].read_bytes():
                found[source] = made
        return found


@dataclass
class Verdict:
    key: str
    decided: (
        str  # does not compile, same object code, killed, killed after a time-out, sanitizer, proof, equivalent, open
    )
    by: str = ""


class Bench:
    """What judges mutants: cores of all builds, and verdicts that were given to the same object code before."""

    def __init__(self, place: Path, files: set[str], equivalents: Reasons) -> None:
        self.place, self.equivalents = place, equivalents
        self.made: dict[Build, Core] = {}
        self.lock = Lock()
        self.seen: dict[bytes, Verdict] = {}
        for build in {build for file in files for build in builds_of(file)}:
            core = self.core(build)
            program = core.linked([*core.objects.values()], place / f"unchanged-{build.name}")
            assert runs([*build.run, str(program)], 6 * LONG_SECONDS) == "passes", (
                f"the unchanged core fails: {program}"
            )

    def core(self, build: Build) -> Core:
        with self.lock:
            if build not in self.made:
                self.made[build] = Core(build, self.place)
            return self.made[build]

    def judge(self, mutant: Mutation, tree: Tree) -> Verdict:
        tree.put(mutant.file, mutant.applied((CSRC / mutant.file).read_text()))
        try:
            return self._judge(mutant, tree)
        finally:
            tree.put(mutant.file, None)

    def _judge(self, mutant: Mutation, tree: Tree) -> Verdict:
        compiled = lives = False
        mark = b""
        for build in builds_of(mutant.file):
            core = self.core(build)
            changed = core.changed(tree, mutant.file)
            if changed is None:
                continue
            compiled = True
            if not changed and mutant.file != "memtype.h":
                continue
            mark = hashlib.sha256(
                b"".join(path.read_bytes() for path in changed.values()) + mutant.file.encode()
            ).digest()
            if mark in self.seen:
                return Verdict(mutant.key, self.seen[mark].decided, "as " + self.seen[mark].key)
            verdict = self.run(mutant, core, changed, tree)
            if verdict:
                self.seen[mark] = verdict
                return verdict
            lives = True
        if not lives:
            return Verdict(mutant.key, "same object code" if compiled else "does not compile")
        verdict = self.last_resorts(mutant, tree)
        self.seen[mark] = verdict
        return verdict

    def run(self, mutant: Mutation, core: Core, changed: dict[str, Path], tree: Tree) -> Verdict | None:
        judges = core.judge_objects(tree.csrc, tree.objects) if mutant.file == "memtype.h" else None
        program = core.linked([*(core.objects | changed).values()], tree.objects / "judge", judges)
        ended = runs([*core.build.run, str(program)], SECONDS * (20 if core.build.run else 1))
        if ended == "fails":
            return Verdict(mutant.key, "killed", core.build.name)
        if ended == "time-out":
            ended = runs([*core.build.run, str(program)], LONG_SECONDS)
            if ended != "passes":
                return Verdict(mutant.key, "killed after a time-out", core.build.name)
        return None

    def last_resorts(self, mutant: Mutation, tree: Tree) -> Verdict:
        """For those that the programs pass: optimised object code, reasons on file, sanitizers, proofs."""
        if (
            mutant.file.endswith(".c")
            and mutant.file != "bulk_neon.c"
            and not self.core(BEST).changed(tree, mutant.file)
        ):
            return Verdict(mutant.key, "same object code", "-O2")
        reason = self.equivalents.why(mutant.key)
        if reason:
            return Verdict(mutant.key, "equivalent", reason)
        if mutant.file != "bulk_neon.c" and self.sanitized(mutant, tree) == "fails":
            return Verdict(mutant.key, "sanitizer")
        for harness in harnesses_of(mutant) if CBMC else ():
            if refuted(tree, harness):
                return Verdict(mutant.key, "proof", harness.function)
        return Verdict(mutant.key, "open")

    def sanitized(self, mutant: Mutation, tree: Tree) -> str:
        """The programs once more, with what the change compiles to under sanitizers."""
        core = self.core(X86)
        changed = {file: tree.objects / f"{file}.sanitized.o" for file in core.changed(tree, mutant.file) or {}}
        for file, into in changed.items():
            subprocess.run(
                [*SANITIZED.command, "-c", str(tree.csrc / file), "-o", str(into)], capture_output=True, check=True
            )
        command = [*SANITIZED.command, *map(str, (core.objects | changed).values()), *map(str, core.judges)]
        subprocess.run([*command, "-o", str(tree.objects / "judge")], capture_output=True, check=True)
        return runs([str(tree.objects / "judge")], LONG_SECONDS)


def refuted(tree: Tree, harness: Harness) -> bool:
    command = [*CBMC, str(tree.proofs / harness.path.name), "-I", str(tree.csrc), *harness.options]
    ran = subprocess.run(limited(command, 120), text=True, capture_output=True, check=False)
    return "VERIFICATION FAILED" in ran.stdout


# --- cells of the planes of rules.h: a byte of the finished objects, nothing to compile -------------------------


def cells() -> list[tuple[str, int, bytes]]:
    """(table, place, the table's bytes) of every cell."""
    found = []
    text = (CSRC / "rules.h").read_text()
    for name in PLANES:
        body = text.split(f" {name}[", 1)[1].split("= {", 1)[1].split("};", 1)[0]
        content = bytes(int(number) for number in body.replace(",", " ").split())
        found += [(name, place, content) for place in range(len(content))]
    return found


def judge_cell(core: Core, cell: tuple[str, int, bytes], tree: Tree, program: bytes) -> Verdict:
    name, place, content = cell
    other = bytearray(content)
    other[place] = (content[place] + 1) % 256
    changed = tree.objects / "cell"
    assert content in program, name
    changed.write_bytes(program.replace(content, bytes(other)))
    changed.chmod(0o755)
    ended = runs([str(changed)], LONG_SECONDS)
    row = f"{name}[{place // 256}][{place % 256 // 16}][{place % 16}]"
    return Verdict(
        f"rules.h | {name} | {row} = {content[place]} => {other[place]}", "open" if ended == "passes" else "killed"
    )


# --- the run ----------------------------------------------------------------------------------------------------


def wanted(arguments: argparse.Namespace) -> list[Mutation | tuple[str, int, bytes]]:
    files = [Path(file).name for file in arguments.file] or [
        p.name for p in sorted(CSRC.glob("*.[ch]")) if p.name != "_native.c"
    ]
    made: list[Mutation | tuple[str, int, bytes]] = []
    for file in files:
        found = mutations(file, (CSRC / file).read_text())
        made += [mutant for mutant in found if mutant.function not in PLANES]
        made += cells() if file == "rules.h" else []
    return random.Random(arguments.seed).sample(made, min(arguments.sample, len(made))) if arguments.sample else made


def name_of(mutant: Mutation | tuple[str, int, bytes]) -> str:
    return mutant.key if isinstance(mutant, Mutation) else f"{mutant[0]}[{mutant[1]}]"


def judged(arguments: argparse.Namespace, equivalents: Reasons) -> Iterator[Verdict]:
    """The verdicts, those of an earlier run first."""
    state = Path(arguments.state) if arguments.state else None
    known = [json.loads(line) for line in state.read_text().splitlines()] if state and state.exists() else []
    before = {name: Verdict(*given) for name, given in known}
    asked = {name_of(mutant): mutant for mutant in wanted(arguments)}
    again = {"open", "equivalent"} if arguments.again else set()
    kept = {name: before[name] for name in asked if name in before and before[name].decided not in again}
    yield from kept.values()
    left = [(name, mutant) for name, mutant in asked.items() if name not in kept]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        bench = Bench(Path(folder), {m.file for _, m in left if isinstance(m, Mutation)} | {"mtrr.c"}, equivalents)
        unchanged = (Path(folder) / "unchanged-x86").read_bytes()
        trees: SimpleQueue[Tree] = SimpleQueue()
        for n in range(arguments.jobs):
            trees.put(Tree(Path(folder) / f"tree{n}"))

        def one(item: tuple[str, Mutation | tuple[str, int, bytes]]) -> tuple[str, Verdict]:
            tree = trees.get()
            try:
                if isinstance(item[1], Mutation):
                    return item[0], bench.judge(item[1], tree)
                return item[0], judge_cell(bench.core(X86), item[1], tree, unchanged)
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
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="so many at random")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--state", metavar="FILE", help="keeps verdicts")
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
