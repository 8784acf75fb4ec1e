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
	lp_eenter_undo(tcs, lp_owner(t->tid));
}

void enclave_aex(struct agent_thread *t, agent_ucontext *uc, const struct lp_event *event)
{
	const struct lp_secs *secs = t->lp.secs;
	struct sgx_tcs_slot *tcs = t->lp.tcs;
	uint64_t frame = lp_ssa_frame(secs, tcs, tcs->cssa), size, xfrm = secs->xfrm;
	struct sgx_gprsgx *gpr = (struct sgx_gprsgx *)lp_ssa_gprsgx(secs, tcs, tcs->cssa);
	struct sgx_exinfo *exinfo = NULL;
	uint8_t *xsave = uc_xsave(uc, &size);
	struct lp_gprs regs;
	bool there = true;
	uint32_t i;

	if (!xsave || size < 576)
		agent_panic(AGENT_PANIC_FRAME, size);
	/* brought back if it was taken away since the entry */
	for (i = 0; i < secs->ssaframesize; i++)
		there &= !agent_probe_write((void *)(frame + (uint64_t)i * SGX_PAGE_SIZE));
	if (!there) {
		lp_xsave_init_event(xsave, xfrm, &PROC->xsave, event);
		t->entering = NULL;
		aex_without_ssa(t, &regs);
		lp_to_uc(uc, &regs);
		agent_set_bases(regs.fsbase, regs.gsbase);
		return;
	}
	if (secs->miscselect & SGX_MISC_EXINFO_BIT)
		exinfo = (struct sgx_exinfo *)lp_ssa_exinfo(secs, tcs, tcs->cssa);
	lp_xsave_to_ssa((uint8_t *)frame, xsave, xfrm, &PROC->xsave);
	lp_xsave_init_event(xsave, xfrm, &PROC->xsave, event);
	lp_from_uc(&regs, uc);
	agent_get_bases(&regs.fsbase, &regs.gsbase);
	t->entering = NULL;
	lp_aex(&t->lp, gpr, exinfo, event, &regs);
	t->guard_selector = GUARD_ALLOW;
	lp_to_uc(uc, &regs);
	agent_set_bases(regs.fsbase, regs.gsbase);
}

void enclave_interrupt(struct agent_thread *t, agent_ucontext *uc)
{
	struct lp_event event = {0};

	if (t->lp.tcs)
		enclave_aex(t, uc, &event);
}
