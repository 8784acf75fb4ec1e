/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits of the program's that the agent would meet.
 *
 * The reserve for the blocks of threads to come (thread.c) is address space that the
 * program has not asked for.  RLIMIT_AS and mlockall() count it: so it is given back
 * before either, and blocks are mapped one by one from then on.
 *
 * What the agent writes into memfds, in the place of files that are read, counts as
 * the growth of files.
 */
#include "../agent.h"

#include <asm/unistd.h>
#include <linux/resource.h>

/* More than any text that the agent makes */
#define TEXT_MAX (16ul << 20)

/* Whose limit?  A vfork child's is its own, and it execs next. */
static bool is_own(int pid)
{
	return !pid || (uint32_t)pid == PROC->pid;
}

void proc_before_limit(const agent_ucontext *uc)
{
	struct rlimit rl;
	uint64_t limit = 0;
	bool own = (uint32_t)sys0(__NR_getpid) == PROC->pid;

	switch (UC_REGS(uc)->ax) {
	case __NR_mlockall:
		break;
	case __NR_setrlimit:
		limit = uc_arg(uc, 1);
		break;
	default: /* prlimit64; only asked for: no new limit */
		own = own && is_own((int)uc_arg(uc, 0));
		limit = uc_arg(uc, 2);
		if (!limit)
			return;
		break;
	}
	if (!own || (limit && (!copy_in(&rl, limit, sizeof(rl)) || rl.rlim_cur == ~0ul)))
		return;
	agent_thread_unreserve();
}

bool limit_files_lift(struct rlimit *old)
{
	struct rlimit high;

	old->rlim_cur = old->rlim_max = ~0ul;
	sys4(__NR_prlimit64, 0, RLIMIT_FSIZE, 0, old);
	if (old->rlim_cur >= TEXT_MAX)
		return true;
	high.rlim_cur = high.rlim_max = old->rlim_max;
	return old->rlim_max >= TEXT_MAX && sys4(__NR_prlimit64, 0, RLIMIT_FSIZE, &high, 0) == 0;
}

void limit_files_back(const struct rlimit *old)
{
	if (old->rlim_cur < TEXT_MAX && old->rlim_max >= TEXT_MAX)
		sys4(__NR_prlimit64, 0, RLIMIT_FSIZE, old, 0);
}
