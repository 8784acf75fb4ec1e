/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine with Linux's driver, and enclaves in it.
 *
 * User memory and how enclaves are built are those of the fixture of kernel/
 * (../unit/kernel_fixture.h), so that both drivers are asked from the same bytes.
 */
#ifndef UPSTREAM_FIXTURE_H
#define UPSTREAM_FIXTURE_H

#include "../unit/kernel_fixture.h"
#include "upstream.h"

#define UPFX_RW (KFX_REG | KFX_R | KFX_W)

struct upfx {
	struct kfx *k; /* its call's user memory; and a kernel/ that nobody asks */
	struct cpu_package *pkg; /* below the driver */
	struct up_mm *mm; /* current */
};

struct upfx_encl {
	struct upfx *u;
	struct up_file *file;
	struct kfx_encl e; /* its SECS and what was measured; no enclave of kernel/ */
};

/* Boots; *u is static.  Knobs are set before. */
struct upfx *upfx_boot(unsigned int pages, unsigned int sections);
/* The processor's invariants hold, and the driver has not warned */
void upfx_check(const struct upfx *u);
/* Everything was given back: EPC, shmem, memory */
void upfx_check_all_free(struct upfx *u);

void upfx_open(struct upfx *u, struct upfx_encl *x);
long upfx_create(struct upfx_encl *x, const struct sgx_secs *secs);
/* From KFX_SOURCE on; *count is what the driver wrote back, NULL: nobody asks */
long upfx_add(struct upfx_encl *x, uint64_t offset, uint64_t length, uint64_t secinfo,
	      uint64_t flags, uint64_t *count);
long upfx_init(struct upfx_encl *x);
/* open, CREATE, a TCS at 0, RW at 1 and 2, R at 3, RX at 4; initialised if asked */
void upfx_enclave(struct upfx *u, struct upfx_encl *x, bool init);
/* Pages that hold their number, RW, initialised, all mapped RW in the current process */
void upfx_pages(struct upfx *u, struct upfx_encl *x, uint64_t base, unsigned int pages);
/* A read of the page's first word: it is there, and holds value */
void upfx_expect(struct upfx *u, uint64_t addr, uint64_t value);
/* What an access meets; *error_code as the processor gives it */
enum up_verdict upfx_access(struct upfx *u, uint64_t addr, enum up_kind kind, uint32_t *error_code);

#endif
