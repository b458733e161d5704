"""Fuzz the readers: any text is a Machine, or refused in one line; what is an answer stays one when it is asked.

    python tests/fuzz/fuzz_readers.py -max_total_time=60 CORPUS_FOLDER    (atheris; options are libFuzzer's)
    python tests/fuzz/fuzz_readers.py --without-atheris 10000 [SEED]      (the standard library alone: spliced samples)

The samples of tests/data are the seeds. A crash becomes a test.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if __name__ == "__main__" and "--without-atheris" not in sys.argv:
    try:
        import atheris
    except ImportError:
        raise SystemExit(
            "fuzz_readers: atheris is not installed (extra fuzz); --without-atheris N needs nothing"
        ) from None

    with atheris.instrument_imports(include=["memtype"]):  # the readers alone: numpy's branches tell nothing of a text
        import memtype as mt
        from memtype import formats
        from memtype.errors import MemtypeError

        formats.families()
else:
    import memtype as mt
    from memtype.errors import MemtypeError

DATA = Path(__file__).resolve().parents[1] / "data"
PLACES = (0, 0x9FFFF, 0xA0000, 0xFFFFF, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xE0000000, 0xFFFFFFFF, 1 << 32)
LONGEST = 1 << 15


def samples() -> list[bytes]:
    """Every sample of a dump in the tree."""
    found = [path.read_bytes() for path in sorted(DATA.glob("*/*")) if not path.name.endswith(".expected.json")]
    return [text for text in found if len(text) < LONGEST]


def one_input(data: bytes) -> None:
    """Read `data`; whatever is no error of ours is a fault."""
    try:
        machine = mt.parse(data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode())
    except MemtypeError as error:
        assert "\n" not in str(error) and str(error), repr(error)
        return
    for address in PLACES:
        try:
            answer = machine.at(address)
        except MemtypeError as error:
            assert "\n" not in str(error)
            continue
        told = answer.type is not mt.MemoryType.NOT_TOLD
        assert told or len(answer.candidates) != 1, (hex(address), str(answer))
        strict = machine.at(address, strict=True)
        assert strict.type in (answer.type, mt.MemoryType.NOT_TOLD), (hex(address), str(answer), str(strict))


def spliced(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Parts of two samples, lines lost, doubled and swapped, bytes changed."""
    lines = [line for _ in range(2) for line in rng.choice(seeds).split(b"\n")[: rng.randrange(60)]]
    for _ in range(rng.randrange(6)):
        if lines:
            place = rng.randrange(len(lines))
            change = rng.randrange(5)
            if change == 0:
                del lines[place]
            elif change == 1:
                lines.insert(place, rng.choice(lines))
            elif change == 2:
                lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
            elif change == 3:
                lines[place] = bytes(rng.choice((byte, byte, byte, rng.randrange(256))) for byte in lines[place])
            else:
                lines[place] += rng.choice(lines)
    return b"\n".join(lines)


def without_atheris(count: int, seed: int) -> None:
    rng, seeds = random.Random(seed), samples()
    for number in range(count):
        data = spliced(rng, seeds)
        try:
            one_input(data)
        except BaseException:
            Path("crash.txt").write_bytes(data)
            print(f"seed {seed}, text {number}: written to crash.txt", file=sys.stderr)
            raise
    print(f"{count:,} texts, every one read or refused in one line")


def main() -> None:
    if sys.argv[1:2] == ["--without-atheris"]:
        without_atheris(int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
        return
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if words:  # the first folder is where libFuzzer keeps what it finds; it begins with our samples
        folder = Path(words[0])
        folder.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(samples()):
            (folder / f"sample-{number:03d}").write_bytes(text)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
