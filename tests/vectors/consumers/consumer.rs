//! The vectors' Rust module against a hypervisor author's own look-up, which is written here from the manual.
//!
//! rustc consumer.rs && ./consumer    with vectors.rs beside it; prints what is wrong, exit status 1 then

#[allow(dead_code)]
mod vectors {
    include!(env!("MEMTYPE_VECTORS"));
}

use vectors::Mtrr;

const UC: u8 = 0;
const WC: u8 = 1;
const WT: u8 = 4;
const WP: u8 = 5;
const WB: u8 = 6;
const UC_MINUS: u8 = 7;
const CD: u8 = 8;
const WC_PLUS: u8 = 9;
const OPEN: u8 = 10;

fn legal(encoding: u64) -> u8 {
    if [0, 1, 4, 5, 6].contains(&encoding) { encoding as u8 } else { OPEN }
}

/// SDM 3A 12.11.4.1, APM 2 7.7.4.
fn memory_type(s: &Mtrr, address: u64) -> u8 {
    if s.def_type & 1 << 11 == 0 {
        return UC;
    }
    if address < 1 << 20 && s.def_type & 1 << 10 != 0 && s.cap & 1 << 8 != 0 {
        return fixed_type(s, address);
    }
    let width = (1u64 << s.maxphyaddr) - 1;
    let kinds: Vec<u8> = s
        .pairs
        .iter()
        .filter(|[base, mask]| mask & 1 << 11 != 0 && (address ^ base) & mask & width & !0xFFF == 0)
        .map(|[base, _]| legal(base & 0xFF))
        .collect();
    match kinds.first() {
        None => default_type(s, address),
        Some(_) if kinds.contains(&UC) => UC,
        Some(first) if kinds.iter().all(|kind| kind == first) => *first,
        Some(_) if kinds.iter().all(|kind| [WT, WB].contains(kind)) => WT,
        Some(_) => OPEN,
    }
}

fn fixed_type(s: &Mtrr, address: u64) -> u8 {
    let slot = match address {
        0..=0x7FFFF => address >> 16,
        0x80000..=0xBFFFF => 8 + ((address - 0x80000) >> 14),
        _ => 24 + ((address - 0xC0000) >> 12),
    };
    let byte = s.fixed[slot as usize / 8] >> (8 * (slot % 8)) & 0xFF;
    legal(if s.vendor == 1 { byte & !0x18 } else { byte })
}

fn default_type(s: &Mtrr, address: u64) -> u8 {
    let forced = s.vendor == 1 && s.syscfg & 3 << 21 == 3 << 21;
    let tom2 = s.tom2 & 0x000F_FFFF_FF80_0000 & ((1u64 << s.maxphyaddr) - 1);
    if forced && (1 << 32..tom2).contains(&address) { WB } else { legal(s.def_type & 0xFF) }
}

/// SDM 3A table 12-7.
fn intel(mtrr: u8, pat: u8) -> u8 {
    match (mtrr, pat) {
        (_, UC | WC) => pat,
        (_, WB) => mtrr,
        (WC | WP, UC_MINUS) => WC,
        (_, UC_MINUS) => UC,
        (UC | WC, _) => UC,
        _ => pat,
    }
}

/// APM 2 table 7-11.
fn amd(mtrr: u8, pat: u8) -> u8 {
    match (mtrr, pat) {
        (_, WC) => WC,
        (UC, _) => UC,
        (_, WB) => mtrr,
        (WC, UC_MINUS) => WC,
        (WB, WT | WP) => pat,
        _ if mtrr == pat => mtrr,
        _ => CD,
    }
}

fn effective(vendor: u8, cr0_cd: u8, mtrr: u8, pat: u8) -> u8 {
    match (vendor, cr0_cd) {
        (0, 0) => intel(mtrr, pat),
        (0, _) => UC,
        (_, 0) => amd(mtrr, pat),
        _ => if [WT, WP, WB].contains(&amd(mtrr, pat)) { CD } else { amd(mtrr, pat) },
    }
}

fn pat_index(entry: u64, level: u32) -> u32 {
    let pat = entry >> if level == 1 { 7 } else { 12 } & 1;
    (4 * pat + 2 * (entry >> 4 & 1) + (entry >> 3 & 1)) as u32
}

/// SDM 3A table 12-6; APM 2 table 7-8 differs in one cell.
fn without_pat(vendor: u8, mtrr: u8, pcd: u8, pwt: u8) -> u8 {
    match (mtrr, pcd, pwt) {
        (UC, _, _) | (_, 1, 1) | (WT | WB, 1, 0) => UC,
        (WB, 0, 1) => WT,
        (WP, 1, 0) => if vendor == 1 { UC } else { WC },
        _ => mtrr,
    }
}

/// APM 2 table 15-19.
fn npt_combined(guest: u8, host: u8) -> u8 {
    match (guest, host) {
        (UC, _) => UC,
        (WC, WP | WT | WB) => WC_PLUS,
        (WC, _) => WC,
        (UC_MINUS, UC_MINUS | WC) => host,
        (UC_MINUS, _) | (_, UC | UC_MINUS) => UC,
        (WB, _) => host,
        (_, WC) => UC,
        (_, WB) => guest,
        _ => if guest == host { guest } else { UC },
    }
}

/// APM 2 table 15-20, 7.6.2, 15.36.14.
fn npt(guest: u8, host: u8, mtrr: u8, snp: u8, cr0_cd: u8) -> u8 {
    let kind = match (npt_combined(guest, host), mtrr) {
        (WC, _) => WC,
        (WC_PLUS, UC | WC) => WC,
        (WC_PLUS, _) => WC_PLUS,
        (_, UC) => UC,
        (UC_MINUS | WB, WC) => WC,
        (WB, _) => mtrr,
        (combined @ (WP | WT), WB) => combined,
        (combined, _) => if combined == mtrr { mtrr } else { CD },
    };
    match (snp, cr0_cd, kind) {
        (_, 1, WT | WP | WB) | (1, _, UC) => CD,
        (1, _, WC) => WC_PLUS,
        _ => kind,
    }
}

/// SDM 3A 12.11.2, 12.12.2; APM 2 7.7.2: may WRMSR write this?
fn taken(msr: u64, value: u64, maxphyaddr: u32, vendor: u8) -> bool {
    let above = !((1u64 << maxphyaddr) - 1);
    let bytes = |routing: u8, more: u8| {
        value.to_le_bytes().iter().all(|byte| *byte == more || legal((byte & !routing) as u64) != OPEN)
    };
    match msr {
        0x277 => bytes(0, UC_MINUS),
        0x250 | 0x258 | 0x259 | 0x268..=0x26F => bytes(if vendor == 1 { 0x18 } else { 0 }, UC),
        0x2FF => legal(value & 0xFF) != OPEN && value & !0xCFF == 0,
        0x200..=0x24F if msr % 2 == 0 => legal(value & 0xFF) != OPEN && value & (above | 0xF00) == 0,
        0x200..=0x24F => value & (above | 0x7FF) == 0,
        _ => false,
    }
}

/// APM 2 7.9.1: (read from DRAM, write to DRAM, type, reserved).
fn amd_fixed(byte: u64) -> [u8; 4] {
    let (read, write, kind) = ((byte >> 4 & 1) as u8, (byte >> 3 & 1) as u8, (byte & 7) as u8);
    let fine = match (read, write) {
        (0, 0) => kind != WB,
        (0, _) => [UC, WC].contains(&kind),
        (_, 0) => [UC, WP].contains(&kind),
        _ => kind != WP,
    };
    [read, write, kind, !fine as u8]
}

struct Tally {
    asked: u64,
    wrong: u64,
}

impl Tally {
    fn compare(&mut self, id: &str, rule: &str, place: u64, said: u8, right: u8) {
        self.asked += 1;
        if said != right {
            self.wrong += 1;
            if self.wrong <= 20 {
                println!("{id} ({rule}) {place:#x}: {said}, should be {right}");
            }
        }
    }
}

fn main() {
    let mut tally = Tally { asked: 0, wrong: 0 };
    for c in vectors::MTRR {
        for (address, right) in c.addresses.iter().zip(c.types) {
            tally.compare(c.id, c.rule, *address, memory_type(c, *address), right);
        }
    }
    for c in vectors::MUSEUM {
        let said = memory_type(&vectors::MTRR[c.state as usize], c.address);
        tally.compare(c.id, c.rule, c.address, said, c.kind);
        tally.compare(c.id, "the bug is one", c.address, (c.wrong != c.kind) as u8, 1);
    }
    for c in vectors::EFFECTIVE {
        tally.compare(c.id, c.rule, 0, effective(c.vendor, c.cr0_cd, c.mtrr, c.pat), c.kind);
    }
    for c in vectors::EPT {
        let said = if c.cr0_cd == 1 { UC } else if c.ipat == 1 { c.ept_type } else { intel(c.ept_type, c.pat) };
        tally.compare(c.id, c.rule, 0, said, c.kind);
    }
    for c in vectors::PAT_INDEX {
        tally.compare(c.id, c.rule, c.entry, pat_index(c.entry, c.level) as u8, c.index as u8);
        tally.compare(c.id, c.rule, c.entry, (c.pat >> (8 * c.index)) as u8, c.kind);
    }
    ask_entries(&mut tally);
    ask_registers(&mut tally);
    println!("{} answers, {} wrong", tally.asked, tally.wrong);
    std::process::exit((tally.wrong != 0) as i32);
}

fn ask_entries(tally: &mut Tally) {
    for c in vectors::PAT_WALK {
        let said = if c.cr0_pg == 1 { (c.pat >> (8 * (c.pointer >> 3 & 3))) as u8 } else { WB };
        tally.compare(c.id, c.rule, c.pointer, said, c.kind);
    }
    for c in vectors::EPT_LEAF {
        let (kind, ipat) = ((c.entry >> 3 & 7) as u8, (c.entry >> 6 & 1) as u8);
        let bad = legal(kind as u64) == OPEN;
        tally.compare(c.id, c.rule, c.entry, bad as u8, c.misconfigured);
        tally.compare(c.id, c.rule, c.entry, if bad { 0 } else { kind }, c.kind);
        tally.compare(c.id, c.rule, c.entry, if bad { 0 } else { ipat }, c.ipat);
    }
    for c in vectors::EPT_ENTRY {
        let leaf = c.level == 1 || (c.level <= 3 && c.entry >> 7 & 1 == 1);
        let bad = if leaf { legal(c.entry >> 3 & 7) == OPEN } else { c.entry >> 3 & 0xF != 0 };
        tally.compare(c.id, c.rule, c.entry, bad as u8, c.misconfigured);
    }
    for c in vectors::EPT_POINTER {
        let kind = (c.eptp & 7) as u8;
        let fine = kind == UC && c.capabilities >> 8 & 1 == 1 || kind == WB && c.capabilities >> 14 & 1 == 1;
        tally.compare(c.id, c.rule, c.eptp, fine as u8, c.taken);
        tally.compare(c.id, c.rule, c.eptp, if fine { kind } else { 0 }, c.kind);
    }
    for c in vectors::NPT_COMBINED {
        tally.compare(c.id, c.rule, 0, npt_combined(c.guest, c.host), c.kind);
    }
    for c in vectors::NPT {
        tally.compare(c.id, c.rule, 0, npt(c.guest, c.host, c.mtrr, c.snp, c.cr0_cd), c.kind);
    }
    for c in vectors::PCD_PWT {
        tally.compare(c.id, c.rule, 0, without_pat(c.vendor, c.mtrr, c.pcd, c.pwt), c.kind);
    }
}

fn ask_registers(tally: &mut Tally) {
    for c in vectors::MSR_WRITE {
        tally.compare(c.id, c.rule, c.value, taken(c.msr, c.value, c.maxphyaddr, c.vendor) as u8, c.taken);
    }
    for c in vectors::MUSEUM_WRITE {
        tally.compare(c.id, c.rule, c.value, taken(c.msr, c.value, c.maxphyaddr, c.vendor) as u8, c.taken);
        tally.compare(c.id, "the bug is one", c.value, (c.wrong != c.taken) as u8, 1);
    }
    for c in vectors::AMD_FIXED {
        for (said, right) in amd_fixed(c.byte).into_iter().zip([c.read_dram, c.write_dram, c.kind, c.reserved]) {
            tally.compare(c.id, c.rule, c.byte, said, right);
        }
    }
    for c in vectors::MUSEUM_EFFECTIVE {
        tally.compare(c.id, c.rule, 0, effective(c.vendor, 0, c.mtrr, c.pat), c.kind);
    }
}
