"""Real dumps of firmware and hypervisors: what they print is what we hold, and one family alone claims each."""

import json
from pathlib import Path

import memtype as mt
from memtype import formats

FOLDERS = ("coreboot", "edk2", "fwts", "inteltool", "uboot", "xen")


OF_THE_LOG_BESIDE = {  # facts that the paired dmesg prints, not the dump: `test_inteltool.py` derives them
    "inteltool": {"map_entries", "fixed", "variable", "max", "built_from", "mtrr_trim_e820_updates", "source",
                  "total_ram_covered_mb", "cleanup_optimal", "dmesg_last_pfn"},
}  # fmt: skip


def expected_files(corpus: Path) -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (corpus / folder).glob("*.expected.json"))


def dump_of(expected: Path) -> Path:
    return expected.with_name(expected.name.replace(".expected.json", ".txt"))


def test_printed_facts_are_held(corpus):
    seen = 0
    for expected in expected_files(corpus):
        if expected.name.startswith("linux-dom0"):
            continue  # a Linux log
        facts = mt.load(dump_of(expected)).facts or {}
        for key, value in json.loads(expected.read_text()).items():
            if key not in OF_THE_LOG_BESIDE.get(expected.parent.name, ()):
                assert facts.get(key) == value, (expected.name, key)
                seen += 1
    assert seen > 60


def test_every_dump_without_an_answer_parses(corpus):
    for name in ("coreboot/linuxbios-8socket-opteron-32gb", "inteltool/acer-extensa-5630-vcnt7-unreadable-reg7",
                 "uboot/doc-coral-like-list", "fwts/arrandale-with-wp-rom"):  # fmt: skip
        assert all(state.mtrrs is not None for state in mt.load(corpus / f"{name}.txt").states)


LINUX_MODULES = {"linux_dmesg", "proc_mtrr", "pat_memtype_list"}


def test_each_corpus_file_is_claimed_by_its_family_alone(corpus):
    allowed = {"coreboot": {"coreboot"}, "edk2": {"edk2"}, "fwts": {"fwts"}, "inteltool": {"inteltool"},
               "uboot": {"u-boot"}}  # fmt: skip
    linux = {family.NAME for family in formats.families() if family.__name__.rpartition(".")[2] in LINUX_MODULES}
    files = [path for path in corpus.glob("*/*") if path.suffix in (".txt", ".log")]
    for path in files:
        text = path.read_text(errors="replace")
        claims = {family.NAME for family in formats.families() if family.sniff(text)}
        if path.parent.name in allowed:
            assert claims == allowed[path.parent.name], path.name
        elif "(XEN)" in text:
            assert claims == {"xen"}, path.name
        elif path.name.endswith(".debugcon.log"):
            assert claims == {"seabios"}, path.name
        else:
            assert claims - linux == ({"msr-list"} if "@@MSRS" in text else set()), path.name
    assert len(files) > 200
