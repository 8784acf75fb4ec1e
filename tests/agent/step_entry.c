/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A signal on every instruction boundary of the way into an enclave.
 *
 * Round k steps the target from the vDSO function on and injects a signal at the
 * k-th boundary, until the enclave is reached before it.  Then:
 *  - on a boundary in the vDSO, the handler found just what was interrupted;
 *  - on one in the agent, it found the vDSO's ENCLU, not yet executed, with the
 *    registers that the vDSO had when it jumped there;
 *  - in the enclave, it found the AEP with the synthetic state of an AEX;
 *  - the entry then succeeded, and one more on the same TCS (step_target).
 *
 * usage: step_entry, with AGENT_SWSGX and AGENT_STEP_TARGET in the environment
 */
#include "step.h"

#include <harness/harness.h>
#include <proto/agent.h>
#include <sgx/leaf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX 100000
/* CF PF AF ZF SF OF, and what the program has set */
#define STATUS_FLAGS (0x8d5u | STEP_FLAGS)
#define TRAP_FLAG    0x100u

static struct step_shared *shared;
static pid_t target;

static bool in_agent(uint64_t rip)
{
	return rip - PROTO_AGENT_BASE < PROTO_AGENT_IMAGE_MAX;
}

static bool in_enclave(uint64_t rip)
{
	return rip - shared->base < shared->size;
}

static struct user_regs_struct regs_now(void)
{
	struct user_regs_struct regs;

	CHECK_SYS(ptrace(PTRACE_GETREGS, target, NULL, &regs));
	return regs;
}

/* The signal that the target stopped for */
static int wait_stop(void)
{
	int status;

	CHECK_EQ(waitpid(target, &status, __WALL), target);
	if (!WIFSTOPPED(status))
		FAIL("the target ended, status %#x, after %u rounds", status, shared->rounds);
	return WSTOPSIG(status);
}

/* Run, passing all signals on, until the next round begins. */
static void run_to_round(int sig)
{
	for (;;) {
		CHECK_SYS(ptrace(PTRACE_CONT, target, NULL, sig));
		sig = wait_stop();
		if (sig == SIGSTOP)
			return;
	}
}

static struct user_regs_struct step(void)
{
	struct user_regs_struct regs;

	CHECK_SYS(ptrace(PTRACE_SINGLESTEP, target, NULL, 0));
	int sig = wait_stop();

	if (sig != SIGTRAP)
		FAIL("signal %d while stepping, RIP %#llx", sig, regs_now().rip);
	regs = regs_now();
	if (regs.eflags & TRAP_FLAG) {
		/* Linux takes the step over a POPF for the program's own: it stays set */
		regs.eflags &= ~(unsigned long long)TRAP_FLAG;
		CHECK_SYS(ptrace(PTRACE_SETREGS, target, NULL, &regs));
	}
	return regs;
}

static void check_same(unsigned int k, const struct user_regs_struct *want, uint64_t rip)
{
	const greg_t *got = shared->regs;
	const struct {
		const char *name;
		uint64_t want, got;
	} all[] = {
		{"rip", rip, (uint64_t)got[REG_RIP]},
		{"rax", want->rax, (uint64_t)got[REG_RAX]},
		{"rbx", want->rbx, (uint64_t)got[REG_RBX]},
		{"rcx", want->rcx, (uint64_t)got[REG_RCX]},
		{"rdx", want->rdx, (uint64_t)got[REG_RDX]},
		{"rsi", want->rsi, (uint64_t)got[REG_RSI]},
		{"rdi", want->rdi, (uint64_t)got[REG_RDI]},
		{"rbp", want->rbp, (uint64_t)got[REG_RBP]},
		{"rsp", want->rsp, (uint64_t)got[REG_RSP]},
		{"r8", want->r8, (uint64_t)got[REG_R8]},
		{"r9", want->r9, (uint64_t)got[REG_R9]},
		{"r10", want->r10, (uint64_t)got[REG_R10]},
		{"r11", want->r11, (uint64_t)got[REG_R11]},
		{"r12", want->r12, (uint64_t)got[REG_R12]},
		{"r13", want->r13, (uint64_t)got[REG_R13]},
		{"r14", want->r14, (uint64_t)got[REG_R14]},
		{"r15", want->r15, (uint64_t)got[REG_R15]},
		{"flags", want->eflags & STATUS_FLAGS, (uint64_t)got[REG_EFL] & STATUS_FLAGS},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].want != all[i].got)
			FAIL("boundary %u: the handler found %s %#llx, not %#llx", k, all[i].name,
			     (unsigned long long)all[i].got, (unsigned long long)all[i].want);
}

/* What a handler finds after an AEX */
static void check_aex(unsigned int k, uint64_t aep)
{
	const greg_t *got = shared->regs;

	CHECK_EQ(got[REG_RIP], aep);
	CHECK_EQ(got[REG_RAX], SGX_ERESUME);
	CHECK_EQ(got[REG_RBX], shared->tcs);
	CHECK_EQ(got[REG_RCX], aep);
	CHECK_EQ((uint64_t)got[REG_EFL] & STATUS_FLAGS, STEP_FLAGS); /* AEX clears the rest */
}

static void start(void)
{
	const char *swsgx = getenv("AGENT_SWSGX"), *program = getenv("AGENT_STEP_TARGET");
	int fd = memfd_create("step", 0), status;
	char number[16];

	if (!swsgx || !program)
		SKIP("AGENT_SWSGX and AGENT_STEP_TARGET are not set");
	CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(shared != MAP_FAILED);
	snprintf(number, sizeof(number), "%d", fd);
	target = fork();
	CHECK(target >= 0);
	if (target == 0) {
		execl(swsgx, swsgx, "run", "--", program, number, (char *)NULL);
		_exit(127);
	}
	close(fd);
	while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE)) {
		if (waitpid(target, &status, WNOHANG) == target)
			FAIL("the target ended before it was ready, status %#x", status);
		usleep(1000);
	}
	if (ptrace(PTRACE_SEIZE, target, NULL, PTRACE_O_EXITKILL) < 0) {
		kill(target, SIGKILL);
		SKIP("cannot trace: %s", strerror(errno));
	}
	__atomic_store_n(&shared->attached, 1, __ATOMIC_RELEASE);
	while (wait_stop() != SIGSTOP)
		CHECK_SYS(ptrace(PTRACE_CONT, target, NULL, 0));
}

static void finish(void)
{
	int status;

	shared->stop = 1;
	/* the round that has begun is the last */
	CHECK_SYS(ptrace(PTRACE_CONT, target, NULL, 0));
	for (;;) {
		CHECK_EQ(waitpid(target, &status, __WALL), target);
		if (!WIFSTOPPED(status))
			break;
		CHECK_SYS(ptrace(PTRACE_CONT, target, NULL, WSTOPSIG(status)));
	}
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

/* elsewhere: the thread comes from another enclave; stride: every n-th boundary */
static void walk(int sig, bool elsewhere, unsigned int stride)
{
	unsigned int k, rounds = 0, agent_boundaries = 0, vdso_boundaries = 0;
	bool inside = false;

	start();
	shared->elsewhere = elsewhere;
	for (k = 0; !inside; k += stride) {
		struct user_regs_struct now = regs_now(), jump = {0};
		unsigned int seen = 0, steps;
		bool was_agent;

		shared->handled = 0;
		for (steps = 0; now.rip != shared->enter; steps++) {
			CHECK(steps < STEPS_MAX);
			now = step();
		}
		for (;;) {
			was_agent = in_agent(now.rip);
			inside = in_enclave(now.rip);
			if (!was_agent && !inside)
				jump = now;
			if (seen++ == k || inside)
				break;
			CHECK(seen < STEPS_MAX);
			now = step();
		}
		run_to_round(sig);
		CHECK_EQ(shared->rounds, ++rounds);
		CHECK_EQ(shared->handled, 1);
		if (inside) {
			check_aex(k, jump.rcx);
		} else if (was_agent) {
			/* the vDSO put the AEP, which is its ENCLU, into RCX */
			check_same(k, &jump, jump.rcx);
			CHECK_EQ(jump.rax, SGX_EENTER);
			CHECK_EQ(jump.rbx, shared->tcs);
			agent_boundaries++;
		} else {
			check_same(k, &now, now.rip);
			vdso_boundaries++;
		}
	}
	printf("# signal %d: %u boundaries in the vDSO, %u in the agent, and the enclave's first\n",
	       sig, vdso_boundaries, agent_boundaries);
	fflush(stdout);
	/* fewer would be another way in than the plain call */
	CHECK(vdso_boundaries * stride > 10);
	CHECK(agent_boundaries * stride > 30);
	finish();
}

/* One that others send, and one of the agent's own, sent */
TEST_TIMEOUT(step_usr1, 200)
{
	walk(SIGUSR1, false, 1);
}

TEST_TIMEOUT(step_segv, 200)
{
	walk(SIGSEGV, false, 1);
}

/* The same while system calls inside are being stopped anew, which is long */
TEST_TIMEOUT(step_elsewhere, 200)
{
	walk(SIGUSR1, true, 3);
}

/* What single steps of the program's own make: SIGTRAP of the processor's */
TEST_TIMEOUT(step_trap, 200)
{
	walk(SIGTRAP, false, 3);
}
