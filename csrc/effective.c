/* effective.c - combining types: MTRR with PAT, EPT with PAT, guest PAT with host PAT with MTRR. */
#include "internal.h"

// plane[row << 4 | column], or ETYPE where either is no input
static int look_up(const uint8_t *plane, uint32_t row, uint32_t column)
{
	uint8_t found = row > 15 || column > 15 ? NO_INPUT : plane_at(plane, row, column);

	return found == NO_INPUT ? MEMTYPE_ETYPE : found;
}

static const uint8_t *npt_plane(uint32_t snp, uint32_t cr0_cd)
{
	return npt_table + PLANE * (2u * (snp != 0) + (cr0_cd != 0));
}

// --- one access ---

int memtype_effective(uint32_t vendor, uint32_t cr0_cd, uint32_t mtrr, uint32_t pat)
{
	return look_up(mtrr_pat_plane(vendor, cr0_cd), mtrr, pat);
}

int memtype_effective_pcd_pwt(uint32_t vendor, uint32_t mtrr, uint32_t pcd, uint32_t pwt)
{
	return look_up(pcd_pwt_table + PLANE * (vendor == MEMTYPE_AMD), mtrr, 2u * (pcd != 0) + (pwt != 0));
}

int memtype_effective_ept(uint32_t ept_type, uint32_t ipat, uint32_t pat, uint32_t cr0_cd)
{
	return look_up(ept_plane(cr0_cd, ipat), ept_type, pat);
}

int memtype_effective_npt(uint32_t guest_pat, uint32_t host_pat, uint32_t mtrr, uint32_t snp, uint32_t cr0_cd)
{
	int combined = look_up(npt_combined_table, guest_pat, host_pat);

	return combined < 0 ? combined : look_up(npt_plane(snp, cr0_cd), (uint32_t)combined, mtrr);
}

int memtype_xen_ept_type(uint32_t guest_mtrr, uint32_t host_mtrr)
{
	return look_up(xen_table, guest_mtrr, host_mtrr);
}

// --- many: every element is looked at before the first is written ---

int memtype_effective_array(uint32_t vendor, uint32_t cr0_cd, const uint8_t *mtrr, size_t mtrr_step,
			    const uint8_t *pat, size_t pat_step, size_t n, uint8_t *types, size_t *index)
{
	const uint8_t *plane = mtrr_pat_plane(vendor, cr0_cd);

	if (misfit_bytes(mtrr, mtrr_step, n, types) || misfit_bytes(pat, pat_step, n, types))
		return MEMTYPE_EBUFFER;
	for (size_t i = 0; i < n; i++) {
		if (look_up(plane, mtrr[i * mtrr_step], pat[i * pat_step]) < 0)
			return refuse(MEMTYPE_ETYPE, i, index);
	}
	for (size_t i = 0; i < n; i++)
		types[i] = plane_at(plane, mtrr[i * mtrr_step], pat[i * pat_step]);
	return MEMTYPE_OK;
}

int memtype_effective_ept_array(uint32_t cr0_cd, const uint8_t *ept_type, size_t type_step, const uint8_t *ipat,
				size_t ipat_step, const uint8_t *pat, size_t pat_step, size_t n, uint8_t *types,
				size_t *index)
{
	const uint8_t *planes[2] = {ept_plane(cr0_cd, 0), ept_plane(cr0_cd, 1)};

	if (misfit_bytes(ept_type, type_step, n, types) || misfit_bytes(ipat, ipat_step, n, types) ||
	    misfit_bytes(pat, pat_step, n, types))
		return MEMTYPE_EBUFFER;
	for (size_t i = 0; i < n; i++) {
		if (look_up(planes[0], ept_type[i * type_step], pat[i * pat_step]) < 0)
			return refuse(MEMTYPE_ETYPE, i, index);
	}
	for (size_t i = 0; i < n; i++)
		types[i] = plane_at(planes[ipat[i * ipat_step] != 0], ept_type[i * type_step], pat[i * pat_step]);
	return MEMTYPE_OK;
}

int memtype_effective_npt_array(uint32_t snp, uint32_t cr0_cd, const uint8_t *guest_pat, size_t guest_step,
				const uint8_t *host_pat, size_t host_step, const uint8_t *mtrr, size_t mtrr_step,
				size_t n, uint8_t *types, size_t *index)
{
	const uint8_t *plane = npt_plane(snp, cr0_cd);

	if (misfit_bytes(guest_pat, guest_step, n, types) || misfit_bytes(host_pat, host_step, n, types) ||
	    misfit_bytes(mtrr, mtrr_step, n, types))
		return MEMTYPE_EBUFFER;
	for (size_t i = 0; i < n; i++) {
		if (memtype_effective_npt(guest_pat[i * guest_step], host_pat[i * host_step], mtrr[i * mtrr_step],
					  snp, cr0_cd) < 0)
			return refuse(MEMTYPE_ETYPE, i, index);
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t combined = plane_at(npt_combined_table, guest_pat[i * guest_step], host_pat[i * host_step]);

		types[i] = plane_at(plane, combined, mtrr[i * mtrr_step]);
	}
	return MEMTYPE_OK;
}
