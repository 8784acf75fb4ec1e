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
#include "decode.h"

#include <asm/unistd.h>

#define ENCLU_BYTES 0xd7010fu /* 0F 01 D7 */
#define OP_INT3	    0xcc
#define SSA_TRIES   16
/* CF PF AF ZF SF OF: what arithmetic changes */
#define STATUS_FLAGS 0x8d5ull
#define OP_INT1	     0xf1
/* Exceptions that EXITINFO does not know */
#define VEC_OF 4
#define VEC_NP 11
#define VEC_SS 12
/* an event of perf's; not in all headers */
#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif

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

	/* Linux: no address but with page faults */
	if (vdso_fixup(uc, vector, error_code, vector == SGX_VEC_PF ? addr : 0))
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

static void raise_fault(struct agent_thread *t, agent_ucontext *uc, struct cpu_result r,
			int pf_code)
{
	switch (r.vector) {
	case SGX_VEC_PF:
		raise(t, uc, SIGSEGV, pf_code, SGX_VEC_PF, r.code, r.addr);
		break;
	case SGX_VEC_UD:
		raise(t, uc, SIGILL, ILL_ILLOPN, SGX_VEC_UD, 0, UC_REGS(uc)->ip);
		break;
	default:
		raise(t, uc, SIGSEGV, SI_KERNEL, SGX_VEC_GP, 0, 0);
		break;
	}
}

/*
 * A TCS that is in no enclave: what the page tables deny comes before the EPCM, and
 * says nothing of SGX.  Return: si_code.
 */
static int page_tables_first(struct cpu_result *r)
{
	uint8_t byte;

	if (copy_in(&byte, r->addr, 1))
		return SEGV_ACCERR;
	r->code &= ~(uint32_t)(SGX_PF_P | SGX_PF_SGX);
	return sys3(__NR_mincore, r->addr & SGX_PAGE_MASK, SGX_PAGE_SIZE, &byte) == -ENOMEM
		       ? SEGV_MAPERR
		       : SEGV_ACCERR;
}

static void step_inside(struct agent_thread *t, agent_ucontext *uc);

static void raise_mce(struct agent_thread *t, agent_ucontext *uc, uint64_t addr)
{
	agent_siginfo info;

	machine_check_info(&info, addr);
	sig_force(t, uc, SIGBUS, &info);
}

/*
 * EENTER or ERESUME found no TCS.  Linux: a page fault without the SGX bit if it is
 * paged out, which brings it.  Return: RETRY: execute the leaf again.
 */
static enum fault_result no_tcs(struct agent_thread *t, struct cpu_result *r)
{
	uint32_t error_code = r->code;
	enum fault_result result = encl_fault_tcs(t, r->addr, &error_code);

	if (result == FAULT_PF || result == FAULT_SIGBUS)
		r->code = error_code;
	return result;
}

/*
 * The entry found no SSA frame that it may write.  Where there is a page, but it cannot
 * be had, that is not the EPCM's doing: a memory error, or a page that cannot be loaded.
 * It may be had the next moment; where it may and cannot be written even so, the page
 * tables deny it, and that is as it was said.
 */
static enum fault_result no_ssa(struct agent_thread *t, agent_ucontext *uc, struct cpu_result *r)
{
	enum fault_result result;
	uint32_t error_code, i;

	for (i = 0; i < SSA_TRIES; i++) {
		error_code = SGX_PF_W | SGX_PF_U;
		result = encl_fault(t, uc, SIGBUS, r->addr, &error_code, false);
		if (result == FAULT_SIGBUS)
			r->code = error_code;
		if (result == FAULT_SIGBUS || result == FAULT_MCE)
			return result;
		if (result != FAULT_RETRY)
			break;
		if (!agent_probe_write((void *)r->addr))
			return FAULT_RETRY;
	}
	return FAULT_PF;
}

/*
 * An entry that the program sees fail: by what it found itself, and by what the daemon
 * said of a page of it, which says more where there is no TCS.
 */
static void explain_entry(const struct agent_thread *t, struct why *why, bool enter)
{
	const char *leaf = enter ? "EENTER" : "ERESUME";
	bool daemon_knows = t->why.rule != WHY_NOTHING && t->why.rule != WHY_MACHINE_LOST;

	if (rpc_lost() && (why->rule == WHY_ENTRY_NO_ENCLAVE || why->rule == WHY_ENTRY_NO_TCS))
		why->rule = WHY_ENTRY_LOST;
	if (why->rule != WHY_ENTRY_NO_TCS || !daemon_knows)
		explain(why, leaf);
	if (daemon_knows)
		explain(&t->why, leaf);
}

bool enclu_outside(struct agent_thread *t, agent_ucontext *uc)
{
	enum fault_result result = FAULT_PF;
	struct why why = {0};
	struct lp_gprs regs;
	struct cpu_result r;
	uint64_t size;
	uint8_t *xsave = uc_xsave(uc, &size);
	bool enter;

	if (!at_enclu(UC_REGS(uc)->ip))
		return false;
	lp_from_uc(&regs, uc);
	/* EAX chooses the leaf; the upper half is ignored.  Others need enclave mode. */
	regs.rax = (uint32_t)regs.rax;
	if (regs.rax != SGX_EENTER && regs.rax != SGX_ERESUME) {
		explain_rule(WHY_ENCLU_OUTSIDE, regs.rax, 0, "ENCLU");
		raise_fault(t, uc, cpu_gp(), 0);
		return true;
	}
	enter = regs.rax == SGX_EENTER;
	agent_get_bases(&regs.fsbase, &regs.gsbase);
	encl_before_entry(regs.rbx);
	t->why.rule = WHY_NOTHING;
	r = enter_prepare(t, &regs, regs.rip + SGX_ENCLU_LEN, xsave, &why);
	if (!cpu_ok(r)) {
		int code = SEGV_ACCERR;

		if (r.vector == SGX_VEC_PF && r.addr == regs.rbx)
			result = no_tcs(t, &r);
		else if (r.vector == SGX_VEC_PF)
			result = no_ssa(t, uc, &r);
		if (result != FAULT_RETRY)
			explain_entry(t, &why, enter);
		switch (result) {
		case FAULT_RETRY:
			/* as the processor does: signals come in between */
			return true;
		case FAULT_MCE:
			raise_mce(t, uc, r.addr);
			return true;
		case FAULT_SIGBUS:
			raise(t, uc, SIGBUS, BUS_ADRERR, SGX_VEC_PF, r.code, r.addr);
			return true;
		case FAULT_NOT_OURS:
			code = page_tables_first(&r);
			break;
		case FAULT_PF:
			break;
		}
		raise_fault(t, uc, r, code);
		return true;
	}
	/* ENCLU was a fault of the real processor's; RF after ERESUME is the enclave's */
	if (enter)
		regs.rflags &= ~LP_RFLAGS_RF;
	lp_to_uc(uc, &regs);
	agent_set_bases(regs.fsbase, regs.gsbase);
	/* SDM: a single-step #DB at the end of EENTER, but not of ERESUME */
	if (enter && (regs.rflags & LP_RFLAGS_TF))
		step_inside(t, uc);
	return true;
}

/* A leaf that is none in enclave mode, or that this package does not have */
static struct cpu_result no_such_leaf(const struct sigcontext_64 *c, struct why *why)
{
	uint32_t leaf = (uint32_t)c->ax;
	bool sgx2 = leaf == SGX_EACCEPT || leaf == SGX_EMODPE || leaf == SGX_EACCEPTCOPY ||
		    leaf == SGX_EDECCSSA;

	return cpu_gp_why(why, sgx2 ? WHY_ENCLU_SGX2 : WHY_ENCLU_INSIDE, leaf, c->ip);
}

static const char *leaf_inside(const struct sigcontext_64 *c)
{
	return (uint32_t)c->ax == SGX_EGETKEY ? "EGETKEY" : "EREPORT";
}

/*
 * EREPORT, EGETKEY, EEXIT: executed, or a fault that is then an exception, with why.
 * A code in RAX is no exception, and said here.
 */
static struct cpu_result enclu_inside(struct agent_thread *t, agent_ucontext *uc, struct why *why)
{
	struct sigcontext_64 *c = UC_REGS(uc);
	uint32_t leaf = (uint32_t)c->ax;
	struct cpu_result r;
	struct proto_slot *slot;
	struct agent_encl *e;
	long ret;

	if (leaf == SGX_EEXIT) {
		struct lp_gprs regs;

		lp_from_uc(&regs, uc);
		t->entering = NULL;
		r = lp_eexit(&t->lp, &regs);
		if (cpu_ok(r)) {
			t->guard_selector = GUARD_ALLOW;
			lp_to_uc(uc, &regs);
			agent_set_bases(regs.fsbase, regs.gsbase);
		} else {
			why_note(why, WHY_EEXIT_TARGET, regs.rbx, 0);
		}
		return r;
	}
	if (leaf != SGX_EREPORT && leaf != SGX_EGETKEY)
		return no_such_leaf(c, why);
	e = encl_by_addr(t->lp.tcs_addr);
	slot = e ? rpc_begin(PROTO_OP_ENCLU, e->id) : NULL;
	if (!slot)
		return cpu_pf_why(why, WHY_MACHINE_LOST, 0, 0, c->bx & SGX_PAGE_MASK,
				  SGX_PF_P | SGX_PF_U | SGX_PF_SGX);
	slot->a0 = leaf;
	slot->a1 = c->bx;
	slot->a2 = c->cx;
	slot->a3 = c->dx;
	ret = rpc_call(slot);
	if (ret == 0) {
		explain_slot(slot, leaf_inside(c));
		c->ax = slot->r0;
		/* SDM: EGETKEY's code is in RAX, and ZF says so; EREPORT changes no flag */
		if (leaf == SGX_EGETKEY)
			c->flags = (c->flags & ~STATUS_FLAGS) | (slot->r2 & 1 ? LP_RFLAGS_ZF : 0);
		c->ip += SGX_ENCLU_LEN;
		r = cpu_done();
	} else if (ret == 1) {
		r = (struct cpu_result){.kind = CPU_FAULT,
					.vector = (uint8_t)slot->r0,
					.code = (uint32_t)slot->r1,
					.addr = slot->r2};
		*why = slot->why;
	} else {
		r = cpu_pf_why(why, WHY_MACHINE_LOST, 0, 0, c->bx & SGX_PAGE_MASK,
			       SGX_PF_P | SGX_PF_U | SGX_PF_SGX);
	}
	rpc_end(slot);
	return r;
}

#define RFLAGS_RF LP_RFLAGS_RF
#define RFLAGS_TF LP_RFLAGS_TF

static bool opt_in(const struct agent_thread *t)
{
	return t->lp.dbgoptin;
}

/* Is the instruction at RIP #UD in enclave mode? */
static bool illegal_at(uint64_t rip)
{
	uint8_t code[DECODE_MAX];
	uint64_t left = agent_copy(code, (const void *)rip, sizeof(code));

	return decode_illegal_inside(code, (uint32_t)(sizeof(code) - left));
}

static bool byte_is(uint64_t addr, uint8_t value)
{
	uint8_t byte;

	return copy_in(&byte, addr, 1) && byte == value;
}

/* The instruction has run, or was never started; inside it is a fault of its own. */
static void fault_at(struct sigcontext_64 *regs, uint64_t rip)
{
	regs->ip = rip;
	regs->flags |= RFLAGS_RF;
}

/*
 * SIGTRAP of the processor.  SDM: INT3 and INT1 are faults inside, #UD after an
 * opt-out entry; INT n is #UD also with n = 3.  After an opt-out entry POPF leaves TF
 * clear: here it is set for one instruction.
 * Return: the vector; -1: nothing has happened.
 */
static int debug_vector(const struct agent_thread *t, struct sigcontext_64 *regs,
			const agent_siginfo *info)
{
	if (regs->trapno == SGX_VEC_BP) {
		if (!byte_is(regs->ip - 1, OP_INT3)) {
			fault_at(regs, regs->ip - 2);
			return SGX_VEC_UD;
		}
		fault_at(regs, regs->ip - 1);
		return opt_in(t) ? SGX_VEC_BP : SGX_VEC_UD;
	}
	if (regs->trapno == SGX_VEC_DB && info->si_code == TRAP_BRKPT) {
		/* some hypervisors report the instruction itself */
		fault_at(regs, byte_is(regs->ip - 1, OP_INT1) ? regs->ip - 1 : regs->ip);
		return opt_in(t) ? SGX_VEC_DB : SGX_VEC_UD;
	}
	if (info->si_code == TRAP_TRACE && (regs->flags & RFLAGS_TF) && !opt_in(t)) {
		regs->flags &= ~(uint64_t)RFLAGS_TF;
		return -1;
	}
	return (int)regs->trapno;
}

/*
 * Which exception of hardware's a signal of the processor's is, but for page faults.
 * Return: the vector; -1: nothing has happened.
 */
static int vector_of(const struct agent_thread *t, struct sigcontext_64 *regs, int sig,
		     const agent_siginfo *info)
{
	switch (sig) {
	case SIGSYS:
		/* SYSCALL or INT 80H; the kernel has not acted on it */
		fault_at(regs, regs->ip - 2);
		return SGX_VEC_UD;
	case SIGTRAP:
		return debug_vector(t, regs, info);
	default:
		break;
	}
	switch (regs->trapno) {
	case VEC_OF:
		/* INT 4; there is no INTO in 64-bit mode */
		fault_at(regs, regs->ip - 2);
		return SGX_VEC_UD;
	case VEC_NP:
	case VEC_SS:
	case SGX_VEC_GP:
	case SGX_VEC_AC:
		return illegal_at(regs->ip) ? SGX_VEC_UD : (int)regs->trapno;
	default:
		return (int)regs->trapno;
	}
}

/*
 * TF was set over an instruction that the agent has executed: the #DB behind it,
 * outside.  Linux: SIGTRAP, TRAP_TRACE, at the next instruction.
 */
void agent_single_step(struct agent_thread *t, agent_ucontext *uc)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	agent_siginfo info;

	regs->flags &= ~(uint64_t)RFLAGS_RF;
	regs->trapno = SGX_VEC_DB;
	regs->err = 0;
	agent_memset(&info, 0, sizeof(info));
	info.si_signo = SIGTRAP;
	info.si_code = TRAP_TRACE;
	info._sifields._sigfault._addr = (void *)regs->ip;
	sig_force(t, uc, SIGTRAP, &info);
}

/* The same in enclave mode: an AEX first */
static void step_inside(struct agent_thread *t, agent_ucontext *uc)
{
	struct lp_event event = {.exception = 1, .vector = SGX_VEC_DB};

	UC_REGS(uc)->flags &= ~(uint64_t)RFLAGS_RF;
	enclave_aex(t, uc, &event);
	agent_single_step(t, uc);
}

/* An ENCLU leaf has been executed by a thread that was inside. */
static void leaf_done(struct agent_thread *t, agent_ucontext *uc)
{
	UC_REGS(uc)->flags &= ~(uint64_t)RFLAGS_RF;
	if (!(UC_REGS(uc)->flags & RFLAGS_TF))
		return;
	if (t->lp.tcs)
		step_inside(t, uc);
	else
		agent_single_step(t, uc);
}

/* After the AEX: the exception as the program sees it, with RIP = AEP. */
static void raise_after_aex(struct agent_thread *t, agent_ucontext *uc, int sig,
			    agent_siginfo *info, const struct lp_event *event,
			    enum fault_result fault)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	uint64_t addr = lp_outside_cr2(event->address);

	switch (event->vector) {
	case SGX_VEC_MC:
		raise_mce(t, uc, addr);
		break;
	case SGX_VEC_PF:
		if (fault == FAULT_SIGBUS)
			raise(t, uc, SIGBUS, BUS_ADRERR, SGX_VEC_PF, event->error_code, addr);
		else
			raise(t, uc, SIGSEGV,
			      sig == SIGSEGV && info->si_code == SEGV_MAPERR ? SEGV_MAPERR
									     : SEGV_ACCERR,
			      SGX_VEC_PF, event->error_code, addr);
		break;
	case SGX_VEC_GP:
		raise(t, uc, SIGSEGV, SI_KERNEL, SGX_VEC_GP, event->error_code, 0);
		break;
	case SGX_VEC_UD:
		raise(t, uc, SIGILL, ILL_ILLOPN, SGX_VEC_UD, 0, regs->ip);
		break;
	default:
		if (vdso_fixup(uc, event->vector, event->error_code, 0))
			break;
		/* Linux gives RIP with some exceptions, with others nothing */
		if (info->_sifields._sigfault._addr)
			info->_sifields._sigfault._addr = (void *)regs->ip;
		sig_force(t, uc, sig, info);
		break;
	}
}

bool enclave_trap(struct agent_thread *t, agent_ucontext *uc, int sig, agent_siginfo *info)
{
	struct sigcontext_64 *regs = UC_REGS(uc);
	struct lp_event event = {0};
	enum fault_result fault = FAULT_PF;
	struct why why = {0}; /* of ENCLU */
	bool illegal;
	uint8_t byte;

	/* Sent, or the kernel's own asynchronous ones: an interrupt. */
	if (info->si_code <= 0 || sig_own_index(sig) < 0 ||
	    (sig == SIGTRAP && info->si_code == TRAP_PERF)) {
		enclave_aex(t, uc, &event);
		return false;
	}
	t->why.rule = WHY_NOTHING;
	event.exception = 1;
	event.error_code = (uint32_t)regs->err;
	event.address = regs->cr2;
	illegal = sig == SIGILL || (sig == SIGSEGV && regs->trapno == SGX_VEC_GP);
	if (illegal && at_enclu(regs->ip)) {
		struct cpu_result r = enclu_inside(t, uc, &why);

		if (cpu_ok(r)) {
			leaf_done(t, uc);
			return true;
		}
		event.vector = r.vector;
		event.error_code = r.code;
		event.address = r.addr;
		/* an operand that has no PTE */
		if (r.vector == SGX_VEC_PF && !(r.code & SGX_PF_SGX))
			fault = encl_fault(t, uc, SIGBUS, r.addr, &event.error_code, true);
	} else if (illegal && !copy_in(&byte, regs->ip, 1)) {
		/* It was ENCLU, most likely; the page was lost since it was fetched. */
		event.vector = SGX_VEC_PF;
		event.error_code = SGX_PF_U | SGX_PF_I;
		event.address = regs->ip;
		fault = encl_fault(t, uc, SIGBUS, regs->ip, &event.error_code, true);
	} else if ((sig == SIGSEGV || sig == SIGBUS) && regs->trapno == SGX_VEC_PF) {
		event.vector = SGX_VEC_PF;
		/* an illegal instruction does not get as far as its operand */
		if (!(event.error_code & SGX_PF_I) && illegal_at(regs->ip))
			event.vector = SGX_VEC_UD;
		else
			fault = encl_fault(t, uc, sig, event.address, &event.error_code, true);
	} else {
		int vector = vector_of(t, regs, sig, info);

		if (vector < 0)
			return true;
		event.vector = (uint8_t)vector;
	}
	if (fault == FAULT_RETRY)
		return true;
	/* what ENCLU says of an operand says more than the fault on it */
	explain(why.rule == WHY_NOTHING ? &t->why : &why, leaf_inside(regs));
	if (fault == FAULT_MCE)
		event.vector = SGX_VEC_MC;
	event.software = event.vector == SGX_VEC_BP;
	enclave_aex(t, uc, &event);
	raise_after_aex(t, uc, sig, info, &event, fault);
	return true;
}
