/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENCLU that faults: the signal's every word, as Linux on SGX hardware has it.
 * Nothing else may have changed.
 */
#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define RF	     0x10000u
#define NONCANONICAL 0x8000000000000000
#define EPCM_FAULT   (SGX_PF_P | SGX_PF_W | SGX_PF_U | SGX_PF_SGX)

static struct encl e;
static volatile int count;
static siginfo_t seen;
static greg_t regs[NGREG];
static uint64_t on[NGREG];

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	count++;
	seen = *info;
	memcpy(regs, r, sizeof(regs));
	r[REG_RIP] += 3;
}

static void prepare(const struct encl_opts *opts)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	encl_build(&e, opts);
	CHECK_SYS(sigaction(SIGSEGV, &sa, NULL));
	CHECK_SYS(sigaction(SIGILL, &sa, NULL));
	CHECK_SYS(sigaction(SIGBUS, &sa, NULL));
}

/* ENCLU with every register chosen; they are the same in the frame. */
static void enclu(uint64_t rax, uint64_t rbx, uint64_t rcx)
{
	on[REG_RAX] = rax;
	on[REG_RBX] = rbx;
	on[REG_RCX] = rcx;
	on[REG_RDX] = 0xdddddddd11111111;
	on[REG_RSI] = 0x5151515122222222;
	on[REG_RDI] = 0xd1d1d1d133333333;
	on[REG_R8] = 0x8888888844444444;
	on[REG_R15] = 0xfafafafa55555555;
	count = 0;
	encl_enclu_regs(on);
	CHECK_EQ(count, 1);
	CHECK_EQ(regs[REG_RIP], (uint64_t)encl_enclu_regs_site);
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		if (i == REG_RAX || i == REG_RBX || i == REG_RCX || i == REG_RDX || i == REG_RSI ||
		    i == REG_RDI || i == REG_R8 || i == REG_R15)
			CHECK_EQ((uint64_t)regs[i], on[i]);
}

static void expect_gp(uint64_t rax, uint64_t rbx, uint64_t rcx)
{
	enclu(rax, rbx, rcx);
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen.si_code, SI_KERNEL);
	CHECK_EQ((uint64_t)seen.si_addr, 0);
	CHECK_EQ(seen.si_errno, 0);
	CHECK_EQ(regs[REG_TRAPNO], SGX_VEC_GP);
	CHECK_EQ(regs[REG_ERR], 0);
	CHECK_EQ((uint64_t)regs[REG_EFL] & RF, RF);
}

static void expect_pf(uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t addr, uint64_t err,
		      int code)
{
	enclu(rax, rbx, rcx);
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen.si_code, code);
	CHECK_EQ((uint64_t)seen.si_addr, addr);
	CHECK_EQ(regs[REG_TRAPNO], SGX_VEC_PF);
	CHECK_EQ(regs[REG_ERR], err);
	CHECK_EQ((uint64_t)regs[REG_CR2], addr);
	CHECK_EQ((uint64_t)regs[REG_EFL] & RF, RF);
}

/* The leaf and what it asks of RBX and RCX before it looks at memory */
TEST(operands)
{
	uint64_t aep = (uint64_t)encl_enclu_regs_site, tcs;

	prepare(&(struct encl_opts){0});
	tcs = encl_tcs(&e, 0);
	for (uint64_t leaf = SGX_EENTER; leaf <= SGX_ERESUME; leaf++) {
		expect_gp(leaf, tcs + 8, aep);
		expect_gp(leaf, tcs + 0xfff, aep);
		expect_gp(leaf, NONCANONICAL, aep);
		expect_gp(leaf, tcs ^ (1ull << 47), aep);
		expect_gp(leaf, tcs, NONCANONICAL);
		expect_gp(leaf, tcs, 1ull << 47);
	}
	/* the others want enclave mode, or are none */
	expect_gp(SGX_EREPORT, tcs, tcs);
	expect_gp(SGX_EGETKEY, tcs, tcs);
	expect_gp(SGX_EEXIT, aep, 0);
	expect_gp(SGX_EACCEPT, tcs, tcs);
	expect_gp(8, tcs, aep);
	expect_gp(0x80, tcs, aep);
	expect_gp(0xffffffff, tcs, aep);
	/* EAX is the leaf: what is above it does not count */
	expect_gp(0xffffffff00000000 | SGX_EEXIT, aep, 0);
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
	encl_free(&e);
}

/* RBX that is no TCS */
TEST(no_tcs)
{
	uint64_t aep = (uint64_t)encl_enclu_regs_site;
	uint8_t *plain =
		mmap(NULL, ENCL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *none = mmap(NULL, ENCL_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(plain != MAP_FAILED && none != MAP_FAILED);
	plain[0] = 1;
	prepare(&(struct encl_opts){0});
	for (uint64_t leaf = SGX_EENTER; leaf <= SGX_ERESUME; leaf++) {
		/* pages of the enclave of another type */
		expect_pf(leaf, e.base + ENCL_DATA, aep, e.base + ENCL_DATA, EPCM_FAULT,
			  SEGV_ACCERR);
		expect_pf(leaf, encl_ssa(&e, 0, 0), aep, encl_ssa(&e, 0, 0), EPCM_FAULT,
			  SEGV_ACCERR);
		/* memory that is no EPC */
		expect_pf(leaf, (uint64_t)plain, aep, (uint64_t)plain, EPCM_FAULT, SEGV_ACCERR);
		/* memory that is not there, which the page tables say first */
		expect_pf(leaf, (uint64_t)none, aep, (uint64_t)none, SGX_PF_U | SGX_PF_W,
			  SEGV_ACCERR);
		munmap(none, ENCL_PAGE);
		expect_pf(leaf, (uint64_t)none, aep, (uint64_t)none, SGX_PF_U | SGX_PF_W,
			  SEGV_MAPERR);
		expect_pf(leaf, 0, aep, 0, SGX_PF_U | SGX_PF_W, SEGV_MAPERR);
		CHECK(mmap(none, ENCL_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == none);
	}
	encl_free(&e);
}

static void bad_hook(struct encl *encl, unsigned int i, struct sgx_tcs *tcs)
{
	switch (i) {
	case 1: /* SSA in a hole, outside of all, and at the end */
		tcs->ossa = ENCL_HOLE;
		break;
	case 2:
		tcs->ossa = encl->size;
		break;
	case 3:
		tcs->oentry = encl->size;
		break;
	case 4:
		tcs->ossa = ENCL_RO;
		break;
	default:
		break;
	}
}

/* What EENTER and ERESUME find in the TCS */
TEST(state_of_the_tcs)
{
	uint64_t aep = (uint64_t)encl_enclu_regs_site, at;

	prepare(&(struct encl_opts){.tcs_count = 5, .nssa = 2, .tcs_hook = bad_hook});
	expect_gp(SGX_ERESUME, encl_tcs(&e, 0), aep); /* CSSA = 0 */
	/* no page there that Linux could map: not the EPCM's fault */
	enclu(SGX_EENTER, encl_tcs(&e, 1), aep);
	CHECK_EQ(seen.si_signo, SIGBUS);
	CHECK_EQ(seen.si_code, BUS_ADRERR);
	CHECK_EQ((uint64_t)seen.si_addr, e.base + ENCL_HOLE);
	CHECK(!((uint64_t)regs[REG_ERR] & SGX_PF_SGX));
	at = e.base + e.size;
	expect_pf(SGX_EENTER, encl_tcs(&e, 2), aep, at, EPCM_FAULT, SEGV_ACCERR);
	expect_gp(SGX_EENTER, encl_tcs(&e, 3), aep); /* OENTRY */
	at = e.base + ENCL_RO;
	expect_pf(SGX_EENTER, encl_tcs(&e, 4), aep, at, EPCM_FAULT, SEGV_ACCERR);
	/* CSSA = NSSA */
	for (int i = 0; i < 2; i++)
		CHECK_EQ(encl_enter_fixed(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0).run.function,
			 SGX_ERESUME);
	expect_gp(SGX_EENTER, encl_tcs(&e, 0), aep);
	encl_free(&e);
}

TEST(not_initialized)
{
	uint64_t aep = (uint64_t)encl_enclu_regs_site;

	prepare(&(struct encl_opts){.no_init = true});
	expect_gp(SGX_EENTER, encl_tcs(&e, 0), aep);
	expect_gp(SGX_ERESUME, encl_tcs(&e, 0), aep);
	encl_free(&e);
}

static volatile uint64_t spinning, stop;

static void *spin(void *arg)
{
	encl_op(&e, 0, OP_SPIN, (uint64_t)&stop, (uint64_t)&spinning, 0, 0);
	return arg;
}

TEST(busy)
{
	uint64_t aep = (uint64_t)encl_enclu_regs_site;
	pthread_t thread;

	prepare(&(struct encl_opts){0});
	CHECK_EQ(pthread_create(&thread, NULL, spin, NULL), 0);
	while (!__atomic_load_n(&spinning, __ATOMIC_ACQUIRE))
		usleep(200);
	expect_gp(SGX_EENTER, encl_tcs(&e, 0), aep);
	expect_gp(SGX_ERESUME, encl_tcs(&e, 0), aep);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	encl_free(&e);
}

/* Faults of leaves inside: an AEX, and the same words at the AEP. */
static void inside(unsigned int cssa, uint64_t leaf, uint64_t rbx, uint64_t rcx)
{
	uint64_t aep = (uint64_t)encl_enclu_site, at;
	/* mov $leaf, %eax; movabs $rbx, %rbx; movabs $rcx, %rcx; enclu */
	uint8_t code[28] = {0xb8, [5] = 0x48, 0xbb, [15] = 0x48, 0xb9, [25] = 0x0f, 0x01, 0xd7};
	struct sgx_gprsgx gpr;

	memcpy(code + 1, &leaf, 4);
	memcpy(code + 7, &rbx, 8);
	memcpy(code + 17, &rcx, 8);
	at = encl_snippet(&e, code, sizeof(code));
	count = 0;
	encl_enclu_jump(encl_tcs(&e, 0), aep, at);
	CHECK_EQ(count, 1);
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen.si_code, SI_KERNEL);
	CHECK_EQ((uint64_t)seen.si_addr, 0);
	CHECK_EQ(regs[REG_TRAPNO], SGX_VEC_GP);
	CHECK_EQ(regs[REG_ERR], 0);
	CHECK_EQ((uint64_t)regs[REG_RIP], aep);
	encl_read(&e, 0, &gpr, encl_gprsgx(&e, 0, cssa), sizeof(gpr));
	CHECK_EQ(gpr.rip, at + 25);
	CHECK_EQ(gpr.rax, leaf);
	CHECK_EQ(gpr.rbx, rbx);
	CHECK_EQ(gpr.rflags & RF, RF);
}

TEST(leaves_inside)
{
	uint64_t tcs;

	uint64_t out = (uint64_t)encl_enclu_site, data;
	unsigned int i = 0;

	prepare(&(struct encl_opts){.nssa = 12});
	tcs = encl_tcs(&e, 0);
	data = e.base + ENCL_DATA;
	inside(i++, SGX_EENTER, tcs, out);
	inside(i++, SGX_ERESUME, tcs, out);
	inside(i++, SGX_EEXIT, NONCANONICAL, 0);
	inside(i++, SGX_EACCEPT, data, data);
	inside(i++, 0x99, tcs, tcs);
	/* operands that are not aligned, or not in the enclave */
	inside(i++, SGX_EREPORT, data + 8, data);
	inside(i++, SGX_EREPORT, (uint64_t)&e & ~0x1ffull, data);
	inside(i++, SGX_EGETKEY, data + 8, data);
	inside(i++, SGX_EGETKEY, data, (uint64_t)&e & ~0x1ffull);
	CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, i);
	encl_free(&e);
}
