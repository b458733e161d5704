// The vectors' Go package against a hypervisor author's own look-up, which is written here from the manual.
//
// go run .    with vectors/vectors.go beside it; prints what is wrong, exit status 1 then
package main

import (
	"fmt"
	"os"
	"strings"

	"consumer/vectors"
)

const (
	uc      = 0
	wc      = 1
	wt      = 4
	wp      = 5
	wb      = 6
	ucMinus = 7
	cd      = 8
	open    = 10
)

func legal(encoding uint64) uint8 {
	switch encoding {
	case uc, wc, wt, wp, wb:
		return uint8(encoding)
	}
	return open
}

// SDM 3A 12.11.4.1, APM 2 7.7.4.
func memoryType(s *vectors.Mtrr, address uint64) uint8 {
	if s.DefType&(1<<11) == 0 {
		return uc
	}
	if address < 1<<20 && s.DefType&(1<<10) != 0 && s.Cap&(1<<8) != 0 {
		return fixedType(s, address)
	}
	compared := (uint64(1)<<s.Maxphyaddr - 1) &^ 0xFFF
	met := map[uint8]bool{}
	for _, pair := range s.Pairs {
		if pair[1]&(1<<11) != 0 && (address^pair[0])&pair[1]&compared == 0 {
			met[legal(pair[0]&0xFF)] = true
		}
	}
	switch {
	case len(met) == 0:
		return defaultType(s, address)
	case met[uc]:
		return uc
	case len(met) == 2 && met[wt] && met[wb]:
		return wt
	case len(met) > 1:
		return open
	}
	for kind := range met {
		return kind
	}
	return open
}

func fixedType(s *vectors.Mtrr, address uint64) uint8 {
	slot := 24 + (address-0xC0000)>>12
	if address < 0x80000 {
		slot = address >> 16
	} else if address < 0xC0000 {
		slot = 8 + (address-0x80000)>>14
	}
	entry := s.Fixed[slot/8] >> (8 * (slot % 8)) & 0xFF
	if s.Vendor == 1 {
		entry &^= 0x18
	}
	return legal(entry)
}

func defaultType(s *vectors.Mtrr, address uint64) uint8 {
	tom2 := s.Tom2 & 0x000FFFFFFF800000 & (uint64(1)<<s.Maxphyaddr - 1)
	if s.Vendor == 1 && s.Syscfg&(3<<21) == 3<<21 && address >= 1<<32 && address < tom2 {
		return wb
	}
	return legal(s.DefType & 0xFF)
}

// SDM 3A table 12-7.
func intel(mtrr, pat uint8) uint8 {
	switch pat {
	case uc, wc:
		return pat
	case wb:
		return mtrr
	case ucMinus:
		if mtrr == wc || mtrr == wp {
			return wc
		}
		return uc
	}
	if mtrr == uc || mtrr == wc {
		return uc
	}
	return pat
}

// APM 2 table 7-11.
func amd(mtrr, pat uint8) uint8 {
	switch {
	case pat == wc:
		return wc
	case mtrr == uc:
		return uc
	case pat == wb || pat == mtrr:
		return mtrr
	case pat == ucMinus && mtrr == wc:
		return wc
	case mtrr == wb && (pat == wt || pat == wp):
		return pat
	}
	return cd
}

func effective(vendor, cr0CD, mtrr, pat uint8) uint8 {
	if vendor == 0 {
		if cr0CD == 1 {
			return uc
		}
		return intel(mtrr, pat)
	}
	kind := amd(mtrr, pat)
	if cr0CD == 1 && (kind == wt || kind == wp || kind == wb) {
		return cd
	}
	return kind
}

// The leaf that KVM makes under EPT, and IPAT: vmx_get_mt_mask(), by what changed it.
func kvmLeaf(c *vectors.KvmLeaf) (uint8, uint8) {
	era := release(c.Release)
	switch {
	case c.Mmio == 1:
		return uc, 0
	case c.NoncoherentDma == 0:
		return wb, ignored(era, c)
	case era >= number(6, 11):
		return wb, 0
	case c.Cr0Cd == 0 || era < number(4, 2): // before 4.2 CR0.CD is not looked at
		return c.GuestMtrr, 0
	case c.CdNwCleared == 0:
		return uc, 1
	case era >= number(6, 7):
		return wb, 0
	}
	return wb, 1
}

// From 6.16 on (and 6.12.78) a quirk keeps the guest's PAT ignored; processors without self-snoop keep it.
func ignored(era int, c *vectors.KvmLeaf) uint8 {
	if strings.HasSuffix(c.Release, "-rc") {
		return 1 - c.SelfSnoop
	}
	if era >= number(6, 16) || era == number(6, 12)+78 {
		if c.IgnoreGuestPat == 0 && c.SelfSnoop == 1 {
			return 0
		}
	}
	return 1
}

// xen/arch/x86/mm/p2m-ept.c: the guest's type with the host's.
func xen(guest, host uint8) uint8 {
	switch {
	case guest == host || host == wb:
		return guest
	case guest == wb:
		return host
	case guest == wp && host == wt, guest == wt && host == wp:
		return wp
	}
	return uc
}

const split = 0xFF

// What Xen, bhyve and VirtualBox put into a leaf: type (or split) and IPAT.
func otherLeaf(c *vectors.HypervisorLeaf) (uint8, uint8) {
	switch c.Hypervisor {
	case "virtualbox":
		return wb, 1
	case "bhyve":
		if c.Mmio == 1 {
			return uc, 1
		}
		return wb, 1
	}
	switch {
	case c.ReadOnly == 0: // all of the page
		return uc, 1
	case c.ReadOnly == 1:
		return split, 0
	case c.NoncoherentDma == 0 && c.Mmio == 0:
		return wb, 1
	case c.Special == 0:
		return wb, 1
	case c.Special == 1:
		return split, 0
	case c.Mmio == 1:
		return uc, 0
	case c.Foreign == 1:
		return wb, 1
	case c.Pinned == 11:
		return split, 0
	case c.Pinned == ucMinus:
		return uc, 1
	case c.Pinned != 255:
		return c.Pinned, 1
	case c.Guest == 11 || c.Host == 11:
		return split, 0
	}
	return xen(c.Guest, c.Host), 0
}

func number(major, minor int) int { return major<<16 | minor<<8 }

// "6.12.78" or "kvm-6.7": the release, the patch level in its last byte.
func release(name string) int {
	var major, minor, patch int
	fmt.Sscanf(strings.TrimPrefix(name, "kvm-"), "%d.%d.%d", &major, &minor, &patch)
	return number(major, minor) | patch
}

var asked, wrong int

func compare(id, rule string, place uint64, said, right uint8) {
	asked++
	if said == right {
		return
	}
	wrong++
	if wrong <= 20 {
		fmt.Printf("%s (%s) %#x: %d, should be %d\n", id, rule, place, said, right)
	}
}

func main() {
	for i := range vectors.MtrrCases {
		c := &vectors.MtrrCases[i]
		for n, address := range c.Addresses {
			compare(c.ID, c.Rule, address, memoryType(c, address), c.Types[n])
		}
	}
	for _, c := range vectors.MuseumCases {
		compare(c.ID, c.Rule, c.Address, memoryType(&vectors.MtrrCases[c.State], c.Address), c.Type)
		if c.Wrong == c.Type {
			compare(c.ID, "the bug is one", c.Address, 0, 1)
		}
	}
	for _, c := range vectors.EffectiveCases {
		compare(c.ID, c.Rule, 0, effective(c.Vendor, c.Cr0Cd, c.Mtrr, c.Pat), c.Type)
	}
	for _, c := range vectors.EptCases {
		said := intel(c.EptType, c.Pat)
		if c.Cr0Cd == 1 {
			said = uc
		} else if c.Ipat == 1 {
			said = c.EptType
		}
		compare(c.ID, c.Rule, 0, said, c.Type)
	}
	askHypervisors()
	fmt.Printf("%d answers, %d wrong\n", asked, wrong)
	if wrong != 0 {
		os.Exit(1)
	}
}

func askHypervisors() {
	for i := range vectors.KvmLeafCases {
		c := &vectors.KvmLeafCases[i]
		kind, ipat := kvmLeaf(c)
		compare(c.ID, c.Rule, 0, kind, c.Type)
		compare(c.ID, c.Rule, 0, ipat, c.Ipat)
	}
	for _, c := range vectors.KvmWbinvdCases {
		compare(c.ID, c.Rule, 0, c.NoncoherentDma, c.Executed)
	}
	for _, c := range vectors.XenEptCases {
		compare(c.ID, c.Rule, 0, xen(c.Guest, c.Host), c.Type)
	}
	for i := range vectors.HypervisorLeafCases {
		c := &vectors.HypervisorLeafCases[i]
		kind, ipat := otherLeaf(c)
		if kind == split {
			compare(c.ID, c.Rule, 0, 1, c.Split)
			continue
		}
		compare(c.ID, c.Rule, 0, 0, c.Split)
		compare(c.ID, c.Rule, 0, kind, c.Type)
		compare(c.ID, c.Rule, 0, ipat, c.Ipat)
	}
}
