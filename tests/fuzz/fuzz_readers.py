"""Fuzz the readers: any text is a Machine, or refused in one line; what is an answer stays one when it is asked.

    python tests/fuzz/fuzz_readers.py -max_total_time=60 CORPUS_FOLDER    (atheris; options are libFuzzer's)
    python tests/fuzz/fuzz_readers.py --without-atheris 10000 [SEED]      (the standard library alone: spliced samples)
    python tests/fuzz/fuzz_readers.py --numbers 10000 [SEED]              (samples with other numbers, within limits)

The samples of tests/data are the seeds. A crash becomes a test. No number of a text decides how much is built, or how
long an answer takes: a text of a few KiB is asked within `SECONDS` and `MEMORY`.
"""

from __future__ import annotations

import random
import re
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if __name__ == "__main__" and not {"--without-atheris", "--numbers"} & set(sys.argv):
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
SECONDS = 5
MEMORY = 1 << 30
HUGE = ("4294967295", "0xffffffff", "18446744073709551615", "99999999999", "255", "256", "8192", "65535", "9" * 5000)
_NUMBER = re.compile(rb"(?:0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]*")


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


def renumbered(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A sample, some of its numbers huge, longer or doubled."""
    text = rng.choice(seeds)
    places = list(_NUMBER.finditer(text))
    changed = rng.sample(places, min(len(places), rng.choice((1, 1, 2, 5, 1 + len(places) // 4))))
    for place in sorted(changed, key=lambda place: -place.start()):
        number = place[0]
        others = (rng.choice(HUGE).encode(), number * 2, number + b"0", b"0" * 700 + number, b"-" + number)
        text = text[: place.start()] + rng.choice(others) + text[place.end() :]
    return text


def limited() -> None:
    """From now on, what takes too much memory or a text that takes too long is an error."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s for one text")

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, late)


def without_atheris(made: Callable[[random.Random, list[bytes]], bytes], count: int, seed: int, seconds: int) -> None:
    rng, seeds = random.Random(seed), samples()
    for number in range(count):
        data = made(rng, seeds)
        signal.alarm(seconds)
        try:
            one_input(data)
        except BaseException:
            Path("crash.txt").write_bytes(data)
            print(f"seed {seed}, text {number}: written to crash.txt", file=sys.stderr)
            raise
        finally:
            signal.alarm(0)
    print(f"{count:,} texts, every one read or refused in one line")


def main() -> None:
    if sys.argv[1:2] in (["--without-atheris"], ["--numbers"]):
        made, seconds = (spliced, 0) if sys.argv[1] == "--without-atheris" else (renumbered, SECONDS)
        if seconds:
            limited()
        without_atheris(made, int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1, seconds)
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
