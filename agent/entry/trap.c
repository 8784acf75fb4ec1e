/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traps that belong to enclaves: ENCLU outside, and everything that arrives
 * while a thread is in enclave mode.
 *
 * Every signal in enclave mode first becomes a full AEX, whatever happens then:
 * the vDSO's fix-up, the program's handler with the AEP as the interrupted RIP,
 * or nothing.  EEXIT and the other ENCLU leaves are not exceptions and make none.
 */
#include "../agent.h"

#include <asm/unistd.h>

#define ENCLU_BYTES 0xd7010fu /* 0F 01 D7 */

void lp_from_uc(struct lp_gprs *r, const agent_ucontext *uc)
{
	const struct sigcontext_64 *c = UC_REGS(uc);

	r->rax = c->ax;
	r->rcx = c->cx;
	r->rdx = c->dx;
	r->rbx = c->bx;
	r->rsp = c->sp;
	r->rbp = c->bp;
	r->rsi = c->si;
	r->rdi = c->di;
	r->r8 = c->r8;
	r->r9 = c->r9;
	r->r10 = c->r10;
	r->r11 = c->r11;
	r->r12 = c->r12;
	r->r13 = c->r13;
	r->r14 = c->r14;
	r->r15 = c->r15;
	r->rflags = c->flags;
	r->rip = c->ip;
}

void lp_to_uc(agent_ucontext *uc, const struct lp_gprs *r)
{
	struct sigcontext_64 *c = UC_REGS(uc);

	c->ax = r->rax;
	c->cx = r->rcx;
	c->dx = r->rdx;
	c->bx = r->rbx;
	c->sp = r->rsp;
	c->bp = r->rbp;
	c->si = r->rsi;
	c->di = r->rdi;
	c->r8 = r->r8;
	c->r9 = r->r9;
	c->r10 = r->r10;
	c->r11 = r->r11;
	c->r12 = r->r12;
	c->r13 = r->r13;
	c->r14 = r->r14;
	c->r15 = r->r15;
	c->flags = r->rflags;
	c->ip = r->rip;
}

static bool at_enclu(uint64_t rip)
{
	uint32_t bytes = 0;

	return copy_in(&bytes, rip, SGX_ENCLU_LEN) && bytes == ENCLU_BYTES;
}

bool vdso_fixup(agent_ucontext *uc, uint32_t vector, uint32_t error_code, uint64_t addr)
{
	struct sigcontext_64 *regs = UC_REGS(uc);

	/* Linux: #DB and #BP are a debugger's, and never fixed up */
	if (regs->ip != PROC->vdso_enclu || vector == SGX_VEC_DB || vector == SGX_VEC_BP)
		return false;
	regs->ip = PROC->vdso_fixup;
	regs->di = vector;
	regs->si = error_code;
	regs->dx = addr;
	return true;
}

/* A fault of ENCLU itself, or after an AEX at the AEP: fix-up, else a signal. */
static void raise(struct agent_thread *t, agent_ucontext *uc, int sig, int si_code, uint32_t vector,
		  uint32_t error_code, uint64_t addr)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	agent_siginfo info;

	if (vdso_fixup(uc, vector, error_code, addr))
		return;
	agent_memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = si_code;
	info._sifields._sigfault._addr = (void *)addr;
	regs->trapno = vector;
	regs->err = error_code;
	if (vector == SGX_VEC_PF)
		regs->cr2 = addr;
	sig_force(t, uc, sig, &info);
}

static void raise_fault(struct agent_thread *t, agent_ucontext *uc, struct cpu_result r)
{
	switch (r.vector) {
	case SGX_VEC_PF:
		raise(t, uc, SIGSEGV, SEGV_ACCERR, SGX_VEC_PF, r.code, r.addr);
		break;
	case SGX_VEC_UD:
		raise(t, uc, SIGILL, ILL_ILLOPN, SGX_VEC_UD, 0, UC_REGS(uc)->ip);
		break;
	default:
		raise(t, uc, SIGSEGV, SI_KERNEL, SGX_VEC_GP, 0, 0);
		break;
	}
}

bool enclu_outside(struct agent_thread *t, agent_ucontext *uc)
{
	struct lp_gprs regs;
	struct cpu_result r;
	uint64_t size;
	uint8_t *xsave = uc_xsave(uc, &size);

	if (!at_enclu(UC_REGS(uc)->ip))
		return false;
	lp_from_uc(&regs, uc);
	/* EAX chooses the leaf; the upper half is ignored.  Others need enclave mode. */
	regs.rax = (uint32_t)regs.rax;
	if (regs.rax != SGX_EENTER && regs.rax != SGX_ERESUME) {
		raise_fault(t, uc, cpu_gp());
		return true;
	}
	agent_get_bases(&regs.fsbase, &regs.gsbase);
	encl_before_entry(regs.rbx);
	r = enter_prepare(t, &regs, regs.rip + SGX_ENCLU_LEN, xsave);
	if (!cpu_ok(r)) {
		raise_fault(t, uc, r);
		return true;
	}
	lp_to_uc(uc, &regs);
	agent_set_bases(regs.fsbase, regs.gsbase);
	return true;
}

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
	lp_eenter_undo(tcs, lp_owner(t->tid));
}

/* AEX: afterwards uc is at the AEP with the synthetic state, outside. */
static void aex(struct agent_thread *t, agent_ucontext *uc, const struct lp_event *event)
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
	lp_to_uc(uc, &regs);
	agent_set_bases(regs.fsbase, regs.gsbase);
}

void enclave_interrupt(struct agent_thread *t, agent_ucontext *uc)
{
	struct lp_event event = {0};

	if (t->lp.tcs)
		aex(t, uc, &event);
}

/* EREPORT, EGETKEY, EEXIT: executed, or a fault that is then an exception. */
static struct cpu_result enclu_inside(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *c = UC_REGS(uc);
	struct cpu_result r;
	struct proto_slot *slot;
	struct agent_encl *e;
	long ret;

	if ((uint32_t)c->ax == SGX_EEXIT) {
		struct lp_gprs regs;

		lp_from_uc(&regs, uc);
		t->entering = NULL;
		r = lp_eexit(&t->lp, &regs);
		if (cpu_ok(r)) {
			lp_to_uc(uc, &regs);
			agent_set_bases(regs.fsbase, regs.gsbase);
		}
		return r;
	}
	/* ENTER and RESUME in enclave mode, and leaves this package does not have */
	if ((uint32_t)c->ax != SGX_EREPORT && (uint32_t)c->ax != SGX_EGETKEY)
		return cpu_gp();
	e = encl_by_addr(t->lp.tcs_addr);
	slot = e ? rpc_begin(PROTO_OP_ENCLU, e->id) : NULL;
	if (!slot)
		return cpu_pf(c->bx & SGX_PAGE_MASK, SGX_PF_P | SGX_PF_U | SGX_PF_SGX);
	slot->a0 = (uint32_t)c->ax;
	slot->a1 = c->bx;
	slot->a2 = c->cx;
	slot->a3 = c->dx;
	ret = rpc_call(slot);
	if (ret == 0) {
		/* leaves with a code report it in RAX, and ZF says so */
		c->ax = slot->r0;
		c->flags = (c->flags & ~0x8d5ull) | ((slot->r2 & 1) ? 0x40 : 0);
		c->ip += SGX_ENCLU_LEN;
		r = cpu_done();
	} else if (ret == 1) {
		r = (struct cpu_result){.kind = CPU_FAULT,
					.vector = (uint8_t)slot->r0,
					.code = (uint32_t)slot->r1,
					.addr = slot->r2};
	} else {
		r = cpu_pf(c->bx & SGX_PAGE_MASK, SGX_PF_P | SGX_PF_U | SGX_PF_SGX);
	}
	rpc_end(slot);
	return r;
}

static uint8_t vector_of(int sig, const struct sigcontext_64 *regs)
{
	if (sig == SIGSYS)
		return SGX_VEC_UD;
	return (uint8_t)regs->trapno;
}

bool enclave_trap(struct agent_thread *t, agent_ucontext *uc, int sig, agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	struct lp_event event = {0};
	uint32_t error_code = (uint32_t)regs->err;
	uint64_t addr = regs->cr2;
	bool sigbus = false;

	/* Sent, or the kernel's own asynchronous ones: an interrupt. */
	if (info->si_code <= 0 || sig_own_index(sig) < 0) {
		aex(t, uc, &event);
		return false;
	}
	event.exception = 1;
	if ((sig == SIGILL || (sig == SIGSEGV && regs->trapno == SGX_VEC_GP)) &&
	    at_enclu(regs->ip)) {
		struct cpu_result r = enclu_inside(t, uc);

		if (cpu_ok(r))
			return true;
		event.vector = r.vector;
		error_code = r.code;
		addr = r.addr;
	} else if ((sig == SIGSEGV || sig == SIGBUS) && regs->trapno == SGX_VEC_PF) {
		switch (encl_fault(t, uc, sig, addr, &error_code, true)) {
		case FAULT_RETRY:
			return true;
		case FAULT_SIGBUS:
			sigbus = true;
			break;
		case FAULT_PF:
		case FAULT_NOT_OURS:
			break;
		}
		event.vector = SGX_VEC_PF;
	} else {
		event.vector = vector_of(sig, regs);
		if (sig == SIGSYS) /* SYSCALL in enclave mode is #UD at the instruction */
			regs->ip -= 2;
	}
	event.error_code = error_code;
	event.address = addr;
	event.software = event.vector == SGX_VEC_BP;
	aex(t, uc, &event);

	/* SDM: in enclave mode CR2 loses its low 12 bits */
	addr &= SGX_PAGE_MASK;
	switch (event.vector) {
	case SGX_VEC_PF:
		if (sigbus)
			raise(t, uc, SIGBUS, BUS_ADRERR, SGX_VEC_PF, error_code, addr);
		else
			raise(t, uc, SIGSEGV,
			      sig == SIGSEGV && info->si_code == SEGV_MAPERR ? SEGV_MAPERR
									     : SEGV_ACCERR,
			      SGX_VEC_PF, error_code, addr);
		break;
	case SGX_VEC_GP:
		raise(t, uc, SIGSEGV, SI_KERNEL, SGX_VEC_GP, error_code, 0);
		break;
	case SGX_VEC_UD:
		raise(t, uc, SIGILL, ILL_ILLOPN, SGX_VEC_UD, 0, regs->ip);
		break;
	default:
		if (vdso_fixup(uc, event.vector, error_code, 0))
			return true;
		info->_sifields._sigfault._addr = (void *)regs->ip;
		sig_force(t, uc, sig, info);
		break;
	}
	return true;
}
