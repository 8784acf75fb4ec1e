/* SPDX-License-Identifier: BSD-3-Clause */
/* The asynchronous exit: from a signal frame into the SSA. */
#include "../agent.h"

/*
 * The SSA frame has gone since the entry: the machine is lost, or the program
 * unmapped it.  Hardware has it by its physical address and does not notice; here
 * the inside is lost, and outside goes on as after an AEX.  CSSA stays.
 */
static void aex_without_ssa(struct agent_thread *t, struct lp_gprs *regs)
{
	struct lp_gprs out = {.rax = SGX_ERESUME,
			      .rbx = t->lp.tcs_addr,
			      .rcx = t->lp.aep,
			      .rip = t->lp.aep,
			      .rsp = t->outside_rsp,
			      .rbp = t->outside_rbp,
			      .rflags = 0x202,
			      .fsbase = t->lp.save_fsbase,
			      .gsbase = t->lp.save_gsbase};
	struct sgx_tcs_slot *tcs = t->lp.tcs;

	*regs = out;
	t->lp.tcs = NULL;
	t->guard_selector = GUARD_ALLOW;
	lp_eenter_undo(tcs, enter_owner(t));
}

/* Bytes of an XSAVE image with these components, in the standard format */
static uint64_t image_size(uint64_t xfrm)
{
	uint64_t size = 576;
	uint32_t i;

	for (i = 2; i < 63; i++) {
		uint64_t end = (uint64_t)PROC->xsave.offset[i] + PROC->xsave.size[i];

		if ((xfrm >> i & 1) && end > size)
			size = end;
	}
	return size;
}

/*
 * Every write to the frame is one that survives a fault: another thread may unmap
 * it meanwhile.  Return: is the image there?
 */
static bool save_xsave(uint64_t frame, const uint8_t *xsave, uint64_t xfrm)
{
	uint8_t image[SGX_PAGE_SIZE] __attribute__((aligned(64)));
	uint64_t size = image_size(xfrm);

	if (size > sizeof(image)) {
		lp_xsave_to_ssa((uint8_t *)frame, xsave, xfrm, &PROC->xsave);
		return true;
	}
	/* what XSAVE does not write stays as it was */
	if (!copy_in(image, frame, size))
		return false;
	lp_xsave_to_ssa(image, xsave, xfrm, &PROC->xsave);
	return copy_out(frame, image, size);
}

/* GPRSGX and EXINFO; regs become outside's.  Return: are they there? */
static bool save_gprs(struct agent_thread *t, const struct lp_event *event, struct lp_gprs *regs)
{
	const struct lp_secs *secs = t->lp.secs;
	const struct sgx_tcs_slot *tcs = t->lp.tcs;
	uint64_t gpr_addr = lp_ssa_gprsgx(secs, tcs, tcs->cssa);
	uint64_t exinfo_addr = lp_ssa_exinfo(secs, tcs, tcs->cssa);
	bool has_exinfo = secs->miscselect & SGX_MISC_EXINFO_BIT;
	struct sgx_gprsgx gpr;
	struct sgx_exinfo exinfo;

	if (!copy_in(&gpr, gpr_addr, sizeof(gpr)) ||
	    (has_exinfo && !copy_in(&exinfo, exinfo_addr, sizeof(exinfo))))
		return false;
	lp_aex_save(&t->lp, &gpr, has_exinfo ? &exinfo : NULL, event, regs);
	return (!has_exinfo || copy_out(exinfo_addr, &exinfo, sizeof(exinfo))) &&
	       copy_out(gpr_addr, &gpr, sizeof(gpr));
}

void enclave_aex(struct agent_thread *t, agent_ucontext *uc, const struct lp_event *event)
{
	const struct lp_secs *secs = t->lp.secs;
	struct sgx_tcs_slot *tcs = t->lp.tcs;
	uint64_t frame = lp_ssa_frame(secs, tcs, tcs->cssa), size, xfrm = secs->xfrm;
	uint8_t *xsave = uc_xsave(uc, &size);
	struct lp_gprs regs;
	bool there = true;
	uint32_t i;

	if (!xsave || size < 576)
		agent_panic(AGENT_PANIC_FRAME, size);
	/* brought back if it was taken away since the entry */
	for (i = 0; i < secs->ssaframesize; i++)
		there &= !agent_probe_write((void *)(frame + (uint64_t)i * SGX_PAGE_SIZE));
	there = there && save_xsave(frame, xsave, xfrm);
	lp_xsave_init_event(xsave, xfrm, &PROC->xsave, event);
	lp_from_uc(&regs, uc);
	agent_get_bases(&regs.fsbase, &regs.gsbase);
	t->entering = NULL;
	if (there && save_gprs(t, event, &regs)) {
		lp_aex_commit(&t->lp);
		t->guard_selector = GUARD_ALLOW;
	} else {
		aex_without_ssa(t, &regs);
	}
	lp_to_uc(uc, &regs);
	agent_set_bases(regs.fsbase, regs.gsbase);
}

void enclave_interrupt(struct agent_thread *t, agent_ucontext *uc)
{
	struct lp_event event = {0};

	if (t->lp.tcs)
		enclave_aex(t, uc, &event);
}
