/* SPDX-License-Identifier: BSD-3-Clause */
/* ENCLS[EAUG]: one case for each fault, in the SDM's order. */
#include "cpu_fixture.h"

#include <secs.h>

#define ADDR (FX_ENCL_BASE + 0x4000)
#define RW   (SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT)

/* An initialised enclave, right operands for one more page, one change, the outcome. */
#define EAUG_CASE(id, change, check)    \
	TEST(eaug_##id)                 \
	{                               \
		fx_enclave_sgx2();      \
		fx_eaug(FX_SLOT, ADDR); \
		change;                 \
		check;                  \
	}
#define EAUG_GP(id, change)	     EAUG_CASE(id, change, CHECK_GP(fx_encls(SGX_EAUG)))
#define EAUG_EPCM_PF(id, change, at) EAUG_CASE(id, change, CHECK_EPCM_PF(fx_encls(SGX_EAUG), at))
#define EAUG_MEM_PF(id, change, at)  EAUG_CASE(id, change, CHECK_MEM_PF(fx_encls(SGX_EAUG), at))

RULE(EAUG, DONE)
TEST(eaug_done)
{
	static const uint8_t zeros[4096];
	const struct epcm_entry *entry = &fx.epcm[FX_SLOT];
	struct cpu_measure measure;

	fx_enclave_sgx2();
	measure = secs_get(&fx.pkg, FX_SECS)->hidden.measure;
	fx_eaug(FX_SLOT, ADDR);
	fx.regs.rax = SGX_EAUG;
	CHECK_DONE(fx_encls(SGX_EAUG));
	CHECK_EQ(fx.regs.rax, SGX_EAUG); /* nothing is reported there */
	CHECK_EQ(entry->valid, 1);
	CHECK_EQ(entry->pt, SGX_PT_REG);
	CHECK_EQ(entry->rwx, RW);
	CHECK_EQ(entry->pending, 1);
	CHECK_EQ(entry->modified, 0);
	CHECK_EQ(entry->pr, 0);
	CHECK_EQ(entry->blocked, 0);
	CHECK_EQ(entry->untracked, 0);
	CHECK_EQ(entry->secs, FX_SECS);
	CHECK_EQ(entry->address, ADDR);
	CHECK_EQ(entry->lock, 0);
	CHECK_EQ(fx.epcm[FX_SECS].lock, 0);
	CHECK_EQ(secs_get(&fx.pkg, FX_SECS)->hidden.children, 4);
	CHECK_MEM(fx.epc[FX_SLOT].bytes, zeros, sizeof(zeros));
	CHECK_MEM(&secs_get(&fx.pkg, FX_SECS)->hidden.measure, &measure, sizeof(measure));
}

/* The page is there, and is nobody's to see: not the enclave's, not a debugger's. */
RULE(EAUG, DONE)
TEST(eaug_pending_page_is_closed)
{
	fx_enclave_sgx2();
	fx_eaug(FX_SLOT, ADDR);
	CHECK_DONE(fx_encls(SGX_EAUG));
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_SLOT)};
	CHECK_CODE(fx_encls(SGX_EDBGRD), SGX_ERR_PAGE_NOT_DEBUGGABLE);
	CHECK_CODE(fx_encls(SGX_EDBGWR), SGX_ERR_PAGE_NOT_DEBUGGABLE);
	fx.regs = (struct cpu_regs){.rbx = ADDR, .rcx = FX_REG_ADDR};
	CHECK_PF(fx_enclu(SGX_EGETKEY), ADDR, SGX_PF_P | SGX_PF_U | SGX_PF_SGX);
	fx_emod(FX_SLOT, SGX_SECINFO_R_BIT);
	CHECK_CODE(fx_encls(SGX_EMODPR), SGX_ERR_PAGE_NOT_MODIFIABLE);
	fx_emod(FX_SLOT, SGX_PT_TRIM << SGX_SECINFO_PT_SHIFT);
	CHECK_CODE(fx_encls(SGX_EMODT), SGX_ERR_PAGE_NOT_MODIFIABLE);
	/* but it can be taken away again */
	fx.regs = (struct cpu_regs){.rcx = fx_epc(FX_SLOT)};
	CHECK_DONE(fx_encls(SGX_EREMOVE));
	CHECK_EQ(secs_get(&fx.pkg, FX_SECS)->hidden.children, 3);
}

RULE(EAUG, PAGEINFO_ADDR)
EAUG_GP(pageinfo_unaligned, fx.regs.rbx += 16)
EAUG_GP(pageinfo_not_canonical, fx.regs.rbx |= 1ull << 62)
RULE(EAUG, TARGET_ADDR)
EAUG_GP(destination_unaligned, fx.regs.rcx += 64)
EAUG_GP(destination_not_canonical, fx.regs.rcx |= 1ull << 50)
RULE(EAUG, TARGET_EPC)
EAUG_EPCM_PF(destination_not_epc, fx.regs.rcx = FX_SOURCE, FX_SOURCE)
RULE(EAUG, PAGEINFO_MAP)
EAUG_MEM_PF(pageinfo_unmapped, fx.mem_unmapped[0] = true, FX_PAGEINFO)
RULE(EAUG, SECINFO_ADDR)
EAUG_GP(secinfo_unaligned, fx.pageinfo->secinfo = FX_SECINFO + 32)
EAUG_GP(secinfo_not_canonical, fx.pageinfo->secinfo = 1ull << 62)
RULE(EAUG, ADDR)
EAUG_GP(secs_unaligned, fx.pageinfo->secs += 64)
EAUG_GP(linaddr_unaligned, fx.pageinfo->linaddr += 64)
EAUG_GP(linaddr_not_canonical, fx.pageinfo->linaddr |= 1ull << 62)
RULE(EAUG, SOURCE)
EAUG_GP(source, fx.pageinfo->srcpge = FX_SOURCE)
RULE(EAUG, SECS_EPC)
EAUG_EPCM_PF(secs_not_epc, fx.pageinfo->secs = FX_SOURCE, FX_SOURCE)
RULE(EAUG, TARGET_BUSY)
EAUG_GP(destination_in_use, fx.epcm[FX_SLOT].lock = 1)
EAUG_GP(destination_in_exclusive_use, fx.epcm[FX_SLOT].lock = -1)
RULE(EAUG, TARGET_FREE)
EAUG_EPCM_PF(destination_valid, fx.regs.rcx = fx_epc(FX_REG), fx_epc(FX_REG))
RULE(EAUG, SECINFO_MAP)
EAUG_MEM_PF(secinfo_unmapped, fx.mem_unmapped[5] = true; fx.pageinfo->secinfo = FX_PCMD, FX_PCMD)
/* The types of CET, and a SECINFO that says what EAUG does in any case. */
RULE(EAUG, SECINFO)
EAUG_GP(secinfo_reg, fx.pageinfo->secinfo = FX_SECINFO;
	fx.secinfo->flags = SGX_PT_REG << SGX_SECINFO_PT_SHIFT | RW)
EAUG_GP(secinfo_ss_first, fx.pageinfo->secinfo = FX_SECINFO;
	fx.secinfo->flags = SGX_PT_SS_FIRST << SGX_SECINFO_PT_SHIFT | RW)
EAUG_GP(secinfo_ss_rest, fx.pageinfo->secinfo = FX_SECINFO;
	fx.secinfo->flags = SGX_PT_SS_REST << SGX_SECINFO_PT_SHIFT | RW)
RULE(EAUG, SECS_BUSY)
EAUG_GP(secs_in_exclusive_use, fx.epcm[FX_SECS].lock = -1)
EAUG_GP(secs_is_the_destination, fx.pageinfo->secs = fx_epc(FX_SLOT))
EAUG_CASE(secs_shared, fx.epcm[FX_SECS].lock = 3, CHECK_DONE(fx_encls(SGX_EAUG)))
RULE(EAUG, SECS)
EAUG_EPCM_PF(secs_invalid, fx.pageinfo->secs = fx_epc(FX_VA), fx_epc(FX_VA))
EAUG_EPCM_PF(secs_is_reg, fx.pageinfo->secs = fx_epc(FX_REG), fx_epc(FX_REG))
RULE(EAUG, INIT)
TEST(eaug_before_einit)
{
	fx_enclave();
	fx.pkg.config.sgx2 = 1;
	fx_eaug(FX_SLOT, ADDR);
	CHECK_GP(fx_encls(SGX_EAUG));
}

RULE(EAUG, LINADDR)
EAUG_GP(linaddr_below, fx.pageinfo->linaddr = FX_ENCL_BASE - 4096)
EAUG_GP(linaddr_beyond, fx.pageinfo->linaddr = FX_ENCL_BASE + FX_ENCL_SIZE)
EAUG_CASE(linaddr_last, fx.pageinfo->linaddr = FX_ENCL_BASE + FX_ENCL_SIZE - 4096,
	  CHECK_DONE(fx_encls(SGX_EAUG)))
NO_RULE
EAUG_CASE(host_has_no_memory, fx.fill_fails = true, CHECK_EQ(fx_encls(SGX_EAUG).kind, CPU_HOST))

/* All at once are wrong; what is mended one after the other shows the next. */
RULE(EAUG, ORDER)
TEST(eaug_order)
{
	fx_enclave();
	fx.pkg.config.sgx2 = 1;
	fx_eaug(FX_SLOT, ADDR);
	fx.mem_unmapped[0] = fx.mem_unmapped[5] = true;
	fx.pageinfo->secinfo = FX_PCMD + 8;
	fx.pageinfo->secs = FX_SOURCE;
	fx.pageinfo->linaddr = FX_ENCL_BASE - 4096;
	fx.epcm[FX_REG].lock = 1;
	fx.epcm[FX_RO].lock = -1;
	fx.regs.rbx++;
	fx.regs.rcx = FX_SOURCE;
	CHECK_GP(fx_encls(SGX_EAUG)); /* PAGEINFO's alignment */
	fx.regs.rbx--;
	CHECK_EPCM_PF(fx_encls(SGX_EAUG), FX_SOURCE); /* destination */
	fx.regs.rcx = fx_epc(FX_REG);
	CHECK_MEM_PF(fx_encls(SGX_EAUG), FX_PAGEINFO);
	fx.mem_unmapped[0] = false;
	CHECK_GP(fx_encls(SGX_EAUG)); /* SECINFO's alignment */
	fx.pageinfo->secinfo = FX_PCMD;
	CHECK_EPCM_PF(fx_encls(SGX_EAUG), FX_SOURCE); /* SECS */
	fx.pageinfo->secs = fx_epc(FX_RO);
	CHECK_GP(fx_encls(SGX_EAUG)); /* destination in use */
	fx.epcm[FX_REG].lock = 0;
	CHECK_EPCM_PF(fx_encls(SGX_EAUG), fx_epc(FX_REG)); /* and valid */
	fx.regs.rcx = fx_epc(FX_SLOT);
	CHECK_MEM_PF(fx_encls(SGX_EAUG), FX_PCMD); /* SECINFO */
	fx.pageinfo->secinfo = 0;
	CHECK_GP(fx_encls(SGX_EAUG)); /* SECS in use */
	fx.epcm[FX_RO].lock = 0;
	CHECK_EPCM_PF(fx_encls(SGX_EAUG), fx_epc(FX_RO)); /* no SECS */
	fx.pageinfo->secs = fx_epc(FX_SECS);
	CHECK_GP(fx_encls(SGX_EAUG)); /* not initialised */
	fx_einit();
	fx_authorise();
	CHECK_DONE(fx_encls(SGX_EINIT));
	fx_eaug(FX_SLOT, ADDR);
	fx.pageinfo->linaddr = FX_ENCL_BASE - 4096;
	CHECK_GP(fx_encls(SGX_EAUG));
	fx.pageinfo->linaddr = ADDR;
	CHECK_DONE(fx_encls(SGX_EAUG));
}
