/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TF, RF, INT3 and INT1 with enclaves: opt-out entry, where the enclave is one
 * instruction, and opt-in entry (TCS.FLAGS.DBGOPTIN, which a debugger sets by EDBGWR).
 */
#include "encl.h"
#include "debugger.h"

#include <errno.h>
#include <harness/harness.h>
#include <proto/debug.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define TF	0x100u
#define RF	0x10000u
#define STEPS	4000
#define INFO_DB (SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_HW | SGX_VEC_DB)
#define INFO_BP (SGX_EXITINFO_VALID_BIT | SGX_EXITINFO_TYPE_SW | SGX_VEC_BP)

static struct encl enclave;
static unsigned int tcs_used;

/* What the handler saw, one for each SIGTRAP */
static struct {
	uint64_t rip, inside; /* inside: SSA.RIP, where RIP is an AEP */
	uint64_t rf; /* of the SSA */
} seen[STEPS];
static unsigned int count;
static uint64_t aep, last; /* RIP at which stepping ends */
static volatile int wrong, stop_inside;

/* From outside: EPC memory is read by those who are in it. */
static struct sgx_gprsgx frame(unsigned int i)
{
	struct sgx_gprsgx gpr;

	/* the other TCS' entry is not the one that knows how to read */
	encl_read(&enclave, 0, &gpr, encl_gprsgx(&enclave, tcs_used, i), sizeof(gpr));
	return gpr;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)r[REG_RIP];

	(void)sig;
	if (info->si_code != TRAP_TRACE || (uint64_t)info->si_addr != rip || r[REG_TRAPNO] != 1 ||
	    (r[REG_EFL] & RF))
		wrong++;
	if (count < STEPS) {
		seen[count].rip = rip;
		seen[count].inside = 0;
		if (rip == aep && r[REG_RAX] == SGX_ERESUME &&
		    (uint64_t)r[REG_RBX] == encl_tcs(&enclave, tcs_used)) {
			struct sgx_gprsgx gpr = frame(0);

			seen[count].inside = gpr.rip;
			seen[count].rf = gpr.rflags & RF;
			if (gpr.exitinfo != INFO_DB || (gpr.rflags & TF))
				wrong++;
		}
		count++;
	}
	if (rip == last || (stop_inside && seen[count - 1].inside))
		r[REG_EFL] &= ~TF;
}

static void catch (int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK_SYS(sigaction(sig, &sa, NULL));
}

/* The vDSO's ENCLU: what an exception leaves in RIP is an AEP, and RCX after EEXIT too */
static uint64_t vdso_enclu(void)
{
	/* RDX = RCX at entry, the address behind it */
	return encl_op(&enclave, 0, OP_NOP, 0, 0, 0, 0).regs.rdx - 3;
}

static void begin(uint64_t where)
{
	count = 0;
	wrong = 0;
	stop_inside = 0;
	aep = where;
	catch (SIGTRAP, on_trap);
}

/* --- the snippet that is entered directly --------------------------------------------- */

static void entry_is_rwx(struct encl *e, unsigned int i, struct sgx_tcs *tcs)
{
	(void)e;
	if (i)
		tcs->oentry = ENCL_RWX;
}

static void build(uint64_t attributes, const uint8_t *code, size_t size)
{
	encl_build(&enclave, &(struct encl_opts){
				     .nssa = 3,
				     .tcs_count = 2,
				     .attributes = attributes,
				     .tcs_hook = entry_is_rwx,
			     });
	tcs_used = 0;
	if (size)
		encl_snippet(&enclave, code, size);
}

/*
 *	 0 mov %rcx, %r15
 *	 3 nop
 *	 4 mov $2, %edx
 *	 9 dec %edx		twice
 *	11 jnz 9		twice
 *	13 lea data, %rdi
 *	20 mov $3, %ecx
 *	25 rep stosb		three times
 *	27 pushfq; popfq would end it: TF is in the image
 *	27 xor %esi, %esi
 *	29 mov %r15, %rbx	encl_snippet()'s
 *	32 mov $4, %eax
 *	37 enclu
 */
static const uint8_t known[] = {
	0x49, 0x89, 0xcf, 0x90, 0xba, 2,    0, 0, 0, 0xff, 0xca, 0x75, 0xfc, 0x48, 0x8d,
	0x3d, 0xec, 0x8f, 0xff, 0xff, 0xb9, 3, 0, 0, 0,	   0xf3, 0xaa, 0x31, 0xf6,
};
static const uint8_t known_steps[] = {0, 3, 4, 9, 11, 9, 11, 13, 20, 25, 25, 25, 27, 29, 32, 37};

static void check_known_steps(uint64_t at, unsigned int from)
{
	for (size_t i = 0; i < sizeof(known_steps); i++) {
		if (seen[from + i].inside != at + known_steps[i])
			FAIL("step %zu is at %lld of the snippet and not %u", i,
			     (long long)(seen[from + i].inside - at), known_steps[i]);
		CHECK_EQ(seen[from + i].rip, aep);
		/* between two iterations some processors push RF, as outside */
		if (!i || known_steps[i] != known_steps[i - 1])
			CHECK_EQ(seen[from + i].rf, 0);
	}
}

/* Raw ENCLU, TF set right before */
TEST(opt_out_is_one_instruction)
{
	build(0, known, sizeof(known));
	for (int tcs = 0; tcs < 2; tcs++) {
		begin((uint64_t)step_enclu_site);
		last = (uint64_t)step_enclu_end;
		tcs_used = 0;
		CHECK_EQ(step_enclu(SGX_EENTER, encl_tcs(&enclave, tcs), aep, OP_NOP), 0);
		/* the first is behind EEXIT, whose target is behind ENCLU */
		CHECK(count >= 2);
		CHECK_EQ(seen[0].rip, aep + 3);
		CHECK_EQ(seen[count - 1].rip, last);
		CHECK_EQ(wrong, 0);
		for (unsigned int i = 0; i < count; i++)
			CHECK_EQ(seen[i].inside, 0);
	}
	encl_free(&enclave);
}

/* "One AEX for each instruction" */
TEST(opt_in_steps)
{
	build(0, known, sizeof(known));
	CHECK_EQ(debug_opt_in(&enclave, 1, true), 0);
	for (int round = 0; round < 3; round++) {
		begin((uint64_t)step_enclu_site);
		last = (uint64_t)step_enclu_end;
		tcs_used = 1;
		CHECK_EQ(step_enclu(SGX_EENTER, encl_tcs(&enclave, 1), aep, OP_NOP), 0);
		CHECK(count > sizeof(known_steps) + 1);
		check_known_steps(enclave.base + ENCL_RWX, 0);
		/* then behind EEXIT, and on to the end outside */
		CHECK_EQ(seen[sizeof(known_steps)].inside, 0);
		CHECK_EQ(seen[sizeof(known_steps)].rip, aep + 3);
		CHECK_EQ(seen[count - 1].rip, last);
		CHECK_EQ(wrong, 0);
	}
	/* and no longer, once the debugger has changed its mind */
	CHECK_EQ(debug_opt_in(&enclave, 1, false), 0);
	begin((uint64_t)step_enclu_site);
	last = (uint64_t)step_enclu_end;
	step_enclu(SGX_EENTER, encl_tcs(&enclave, 1), aep, OP_NOP);
	CHECK_EQ(seen[0].rip, aep + 3);
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}

/* ERESUME pends no #DB: the first one comes after an instruction. */
TEST(eresume)
{
	static const uint8_t code[] = {0x49, 0x89, 0xcf, 0x0f, 0x0b, 0x90, 0x90, 0x31, 0xf6};
	uint64_t at;

	build(0, code, sizeof(code));
	CHECK_EQ(debug_opt_in(&enclave, 1, true), 0);
	at = enclave.base + ENCL_RWX;
	for (int opt_in = 1; opt_in >= 0; opt_in--) {
		CHECK_EQ(debug_opt_in(&enclave, 1, opt_in), 0);
		begin((uint64_t)step_enclu_site);
		last = (uint64_t)step_enclu_end;
		tcs_used = 1;
		/* UD2 by way of the vDSO, then past it */
		CHECK_EQ(encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0)
				 .run.exception_vector,
			 SGX_VEC_UD);
		CHECK_EQ(count, 0);
		encl_write8(&enclave, 0,
			    encl_gprsgx(&enclave, 1, 0) + offsetof(struct sgx_gprsgx, rip), at + 5);
		encl_write8(&enclave, 0,
			    encl_gprsgx(&enclave, 1, 0) + offsetof(struct sgx_gprsgx, r15),
			    aep + 3);
		step_enclu(SGX_ERESUME, encl_tcs(&enclave, 1), aep, 0);
		if (opt_in) {
			CHECK_EQ(seen[0].inside, at + 6);
			CHECK_EQ(seen[1].inside, at + 7);
			CHECK_EQ(seen[2].inside, at + 9);
		} else {
			CHECK_EQ(seen[0].rip, aep + 3);
		}
		CHECK_EQ(wrong, 0);
	}
	encl_free(&enclave);
}

/* The trap of an exception carries TF; what is stepped then is the AEP's code. */
static volatile uint64_t ill_flags, ill_rip;

static void on_ill(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	ill_flags = (uint64_t)r[REG_EFL];
	ill_rip = (uint64_t)r[REG_RIP];
	r[REG_RIP] += 3;
}

TEST(exception_carries_tf)
{
	static const uint8_t code[] = {0x49, 0x89, 0xcf, 0x0f, 0x0b};

	build(0, code, sizeof(code));
	catch (SIGILL, on_ill);
	/* opt-out only: opt-in steps end with the handler's own decision */
	begin((uint64_t)step_enclu_site);
	last = (uint64_t)step_enclu_end;
	tcs_used = 1;
	step_enclu(SGX_EENTER, encl_tcs(&enclave, 1), aep, 0);
	CHECK_EQ(ill_rip, aep);
	CHECK_EQ(ill_flags & TF, TF);
	CHECK_EQ(ill_flags & RF, 0); /* SDM: of the synthetic state */
	CHECK_EQ(frame(0).rip, enclave.base + ENCL_RWX + 3);
	CHECK_EQ(frame(0).rflags & (RF | TF), RF);
	/* the first step is over the instruction that the handler has chosen */
	CHECK(seen[0].rip > aep + 3);
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}

/* SDM: after an opt-out entry POPF leaves TF clear; after an opt-in entry it does not. */
/* mov %rcx,%r15; mov %rsp,%r14; lea ENCL_DATA+0x100,%rsp; pushfq; orl $0x100,(%rsp);
 * popfq; nop; nop; pushfq; pop %rsi; mov %r14,%rsp */
static const uint8_t set_tf[] = {
	0x49, 0x89, 0xcf, 0x49, 0x89, 0xe6, 0x48, 0x8d, 0x25, 0xf3, 0x90, 0xff, 0xff, 0x9c, 0x81,
	0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d, 0x90, 0x90, 0x9c, 0x5e, 0x4c, 0x89, 0xf4,
};

TEST(popf_sets_tf)
{
	struct encl_op o;
	uint64_t at;

	build(0, set_tf, sizeof(set_tf));
	at = enclave.base + ENCL_RWX;
	tcs_used = 1;
	for (int round = 0; round < 3; round++) {
		begin((uint64_t)step_enclu_site);
		o = encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0);
		CHECK_EQ(o.run.function, SGX_EEXIT);
		CHECK_EQ(count, 0);
		CHECK_EQ(o.regs.rsi & TF, 0);
	}
	CHECK_EQ(debug_opt_in(&enclave, 1, true), 0);
	begin(0);
	stop_inside = 1;
	/* the vDSO's ENCLU is the AEP: where the handler finds itself first */
	o.regs.rsi = 0;
	aep = vdso_enclu();
	o = encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_EEXIT);
	CHECK_EQ(count, 1);
	CHECK_EQ(seen[0].inside, at + 23);
	CHECK_EQ(o.regs.rsi & TF, 0); /* the handler took it away outside */
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}

/* --- INT3 and INT1 ------------------------------------------------------------------- */

static struct {
	int count, code;
	uint64_t addr, rip, trapno, flags;
} caught;

static void on_break(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t gpr = encl_gprsgx(&enclave, 1, 0);

	(void)sig;
	caught.count++;
	caught.code = info->si_code;
	caught.addr = (uint64_t)info->si_addr;
	caught.rip = (uint64_t)r[REG_RIP];
	caught.trapno = (uint64_t)r[REG_TRAPNO];
	caught.flags = (uint64_t)r[REG_EFL];
	/* a debugger's step over it: the processor left RIP at the instruction */
	encl_write8(&enclave, 0, gpr + offsetof(struct sgx_gprsgx, rip), frame(0).rip + 1);
}

static void expect_break(uint8_t opcode, unsigned int vector, uint32_t exitinfo, int code)
{
	uint8_t snippet[] = {0x49, 0x89, 0xcf, opcode, 0xbe, 0x1d, 0x03, 0, 0};
	struct encl_op o;
	uint64_t at;

	build(0, snippet, sizeof(snippet));
	catch (SIGTRAP, on_break);
	memset(&caught, 0, sizeof(caught));
	at = enclave.base + ENCL_RWX + 3;
	tcs_used = 1;
	/* opt-out: #UD at the instruction, which the vDSO reports */
	o = encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	CHECK_EQ(frame(0).rip, at);
	CHECK_EQ(caught.count, 0);
	/* opt-in: a fault of its own vector, at the instruction, and a signal */
	CHECK_EQ(debug_opt_in(&enclave, 1, true), 0);
	encl_write8(&enclave, 0, encl_gprsgx(&enclave, 1, 1), 0);
	o = encl_enter_fixed(&enclave, 1, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(caught.count, 1);
	CHECK_EQ(o.run.function, SGX_EEXIT);
	CHECK_EQ(o.regs.rsi, 0x31d);
	CHECK_EQ(caught.code, code);
	CHECK_EQ(caught.trapno, vector);
	CHECK_EQ(caught.rip, vdso_enclu());
	CHECK_EQ(caught.addr, vector == SGX_VEC_DB ? caught.rip : 0);
	CHECK_EQ(caught.flags & (TF | RF), 0);
	CHECK_EQ(frame(0).exitinfo, exitinfo);
	CHECK_EQ(frame(0).rflags & RF, RF);
	encl_free(&enclave);
}

TEST(int3)
{
	expect_break(0xcc, SGX_VEC_BP, INFO_BP, SI_KERNEL);
}

TEST(int1)
{
	expect_break(0xf1, SGX_VEC_DB, INFO_DB, TRAP_BRKPT);
}

/* --- the vDSO stepped ------------------------------------------------------------------ */

/* The stepping program sees the vDSO's instructions, its ENCLU among them, once. */
static void check_vdso_steps(uint64_t site, unsigned int aexs)
{
	uint64_t agent = 0x7e9000000000, vdso = site & ~0xfffull;
	unsigned int at_site = 0, inside = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint64_t rip = seen[i].rip;

		if (rip - enclave.base < enclave.size)
			FAIL("step %u is in the enclave", i);
		if (rip - agent < 0x200000 && rip - vdso >= 0x1000)
			FAIL("step %u is in the agent, at %#llx", i, (unsigned long long)rip);
		if (rip == site && !seen[i].inside)
			at_site++;
		if (seen[i].inside)
			inside++;
	}
	CHECK_EQ(at_site, 1);
	CHECK_EQ(inside, aexs);
	CHECK_EQ(wrong, 0);
}

TEST(vdso_stepped)
{
	struct encl_op o;

	build(0, known, sizeof(known));
	for (int opt_in = 0; opt_in < 2; opt_in++) {
		CHECK_EQ(debug_opt_in(&enclave, 1, opt_in), 0);
		tcs_used = 1;
		begin(vdso_enclu());
		last = 0;
		encl_rflags(0, TF);
		o = encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0);
		encl_rflags(TF, 0);
		CHECK_EQ(o.run.function, SGX_EEXIT);
		CHECK_EQ(o.regs.rsi, 0);
		CHECK(count < STEPS);
		check_vdso_steps(aep, opt_in ? sizeof(known_steps) : 0);
	}
	/* the same TCS is free, and nothing is left of TF */
	count = 0;
	encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0);
	CHECK_EQ(count, 0);
	encl_free(&enclave);
}

/* What a debugger reads of a TCS: CSSA and AEP as they are now, and what it wrote. */
TEST(tcs_read)
{
	static const uint8_t ud2[] = {0x0f, 0x0b};
	uint64_t tcs, word, at;

	build(0, ud2, sizeof(ud2));
	tcs = encl_tcs(&enclave, 1);
	for (unsigned int cssa = 0; cssa < 3; cssa++) {
		CHECK_EQ(debug_access(tcs + offsetof(struct sgx_tcs, cssa), &word, false), 0);
		CHECK_EQ((uint32_t)word, cssa);
		CHECK_EQ(word >> 32, 3); /* NSSA */
		encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0);
		CHECK_EQ(debug_access(tcs + offsetof(struct sgx_tcs, aep), &word, false), 0);
		at = vdso_enclu();
		CHECK_EQ(word, at);
		CHECK_EQ(debug_access(tcs + offsetof(struct sgx_tcs, state), &word, false), 0);
		CHECK_EQ(word, 0);
	}
	CHECK_EQ(debug_access(tcs + offsetof(struct sgx_tcs, flags), &word, false), 0);
	CHECK_EQ(word, 0);
	CHECK_EQ(debug_opt_in(&enclave, 1, true), 0);
	CHECK_EQ(debug_access(tcs + offsetof(struct sgx_tcs, flags), &word, false), 0);
	CHECK_EQ(word, SGX_TCS_DBGOPTIN_BIT);
	/* FLAGS alone */
	CHECK_EQ(debug_access(tcs + offsetof(struct sgx_tcs, cssa), &word, true), -EIO);
	/* reserved bits that EDBGWR lets through stop the next entry */
	word = 4;
	CHECK_EQ(debug_access(tcs + offsetof(struct sgx_tcs, flags), &word, true), 0);
	CHECK_EQ(encl_enter_fixed(&enclave, 1, SGX_EENTER, 0, 0, 0, 0, 0).run.function, SGX_EENTER);
	encl_free(&enclave);
}

static void map_all_first(const struct encl *e, struct sgx_secs *secs)
{
	CHECK(mmap((void *)e->base, e->size, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_SHARED | MAP_FIXED, e->fd, 0) == (void *)e->base);
}

/*
 * Linux' access operation asks what a fault asks: a page whose maximum a mapping exceeds
 * (it was there first) is not there; nor are any words where one of them is not.
 */
TEST(a_debugger_is_refused_where_a_fault_would_be)
{
	uint64_t tcs, end, word = 0;

	encl_build(&enclave, &(struct encl_opts){.heap = ENCL_DATA_SIZE,
						 .secs_hook = map_all_first,
						 .no_map = true});
	tcs = encl_tcs(&enclave, 0) + offsetof(struct sgx_tcs, flags);
	end = enclave.heap + ENCL_DATA_SIZE;
	CHECK(end < enclave.base + enclave.size);
	CHECK_EQ(debug_access(tcs, &word, false), -EFAULT);
	CHECK_EQ(debug_access(enclave.heap, &word, true), -EFAULT);
	/* A TCS' maximum is RW. */
	CHECK_SYS(mprotect((void *)(tcs & ~4095ull), 4096, PROT_READ | PROT_WRITE));
	CHECK_EQ(debug_access(tcs, &word, false), 0);
	CHECK_SYS(mprotect((void *)enclave.heap, ENCL_DATA_SIZE + 4096, PROT_READ | PROT_WRITE));
	CHECK_EQ(debug_access(enclave.heap, &word, true), 0);
	CHECK_EQ(debug_access(end - 8, &word, false), 0);
	/* The second word would be in a page that was never added. */
	CHECK_EQ(debug_ask(getpid(), PROTO_DEBUG_READ, end - 4, &word), -EFAULT);
	CHECK_EQ(debug_ask(getpid(), PROTO_DEBUG_WRITE, end - 4, &word), -EFAULT);
	encl_free(&enclave);
}

/* A production enclave has no debugger. */
TEST(production_is_not_debuggable)
{
	uint64_t word = 0;

	build(SGX_ATTR_MODE64_BIT, known, sizeof(known));
	CHECK_EQ(debug_opt_in(&enclave, 1, true), -EFAULT);
	CHECK_EQ(debug_access(encl_gprsgx(&enclave, 1, 0), &word, false), -EFAULT);
	begin((uint64_t)step_enclu_site);
	last = (uint64_t)step_enclu_end;
	tcs_used = 1;
	step_enclu(SGX_EENTER, encl_tcs(&enclave, 1), aep, 0);
	CHECK_EQ(seen[0].rip, aep + 3);
	CHECK_EQ(wrong, 0);
	encl_free(&enclave);
}
