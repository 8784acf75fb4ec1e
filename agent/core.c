/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Core files with enclaves (swsgx run --core-enclaves).
 *
 * Linux' enclaves are VM_DONTDUMP, and so are ours (map.c).  With the option those
 * with ATTRIBUTES.DEBUG are dumped, whose memory a debugger may read anyway (EDBGRD).
 * The kernel that dumps asks nobody for pages: what this process has not touched, or
 * what is evicted, would be zeros.  So the agent catches the signals that dump core also
 * while their action is the default, and touches the pages first.
 */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#define CORE_SIGNALS \
	(AGENT_SIGNALS | SIGBIT(SIGQUIT) | SIGBIT(SIGABRT) | SIGBIT(SIGXCPU) | SIGBIT(SIGXFSZ))

bool core_wanted(int sig)
{
	return PROC->core_enclaves && (CORE_SIGNALS & SIGBIT(sig));
}

/* An enclave larger than the EPC loses pages again that came first. */
static void bring(const struct vma_range *r)
{
	uint64_t addr;
	uint8_t byte;

	sys3(__NR_madvise, r->start, r->end - r->start, MADV_DODUMP);
	for (addr = r->start; r->prot & PROT_READ && addr < r->end; addr += SGX_PAGE_SIZE)
		copy_in(&byte, addr, 1);
}

void core_prepare(void)
{
	struct vma_range r[16];
	uint32_t i, k;

	for (i = 0; i < PROC->encl_count; i++) {
		const struct agent_encl *e = &PROC->encl[i];
		uint64_t at = e->secs.base, end = at + e->secs.size;
		long n;

		if (!e->id || !e->created || !(e->secs.attributes & SGX_ATTR_DEBUG_BIT))
			continue;
		do {
			n = vmas_of(e->id, at, end, r, ARRAY_SIZE(r));
			for (k = 0; n > 0 && k < n; k++)
				bring(&r[k]);
			if (n > 0)
				at = r[n - 1].end;
		} while (n == ARRAY_SIZE(r));
	}
}
