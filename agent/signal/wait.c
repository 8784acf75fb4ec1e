/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that wait for signals, or wait under a mask.  What is wrong with their
 * arguments the kernel says itself: it gets them as they came.
 */
#include "../agent.h"
#include "../offsets.h"

#include <asm/unistd.h>

struct timespec64 {
	int64_t sec, nsec;
};

/* pselect6 and io_pgetevents: the sixth argument points to this */
struct mask_arg {
	uint64_t addr, size;
};

/* When a call with a time began, for one that must be made again */
static void time_now(struct timespec64 *ts)
{
	sys2(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, ts);
}

/* What is left of it now; not below zero */
static struct timespec64 time_left(const struct timespec64 *start, const struct timespec64 *time)
{
	struct timespec64 now, left = {0, 0};

	time_now(&now);
	left.sec = time->sec - (now.sec - start->sec);
	left.nsec = time->nsec - (now.nsec - start->nsec);
	while (left.nsec < 0) {
		left.nsec += 1000000000;
		left.sec--;
	}
	while (left.nsec >= 1000000000) {
		left.nsec -= 1000000000;
		left.sec++;
	}
	if (left.sec < 0)
		left.sec = left.nsec = 0;
	return left;
}

long sig_do_sigsuspend(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t args[6] = {0}, wanted;
	long ret;

	if (uc_arg(uc, 1) != 8)
		return -EINVAL;
	if (!copy_in(&wanted, uc_arg(uc, 0), sizeof(wanted)))
		return -EFAULT;
	args[0] = (uint64_t)&wanted;
	args[1] = 8;
	do
		ret = sig_window_masked(t, uc, args, &wanted, ~wanted);
	while (ret == AGENT_WINDOW_AGAIN);
	return ret;
}

/*
 * rt_sigtimedwait: the kernel takes those of the set whether they are blocked or
 * not, so the six need no more than to be there.
 */
long sig_do_sigtimedwait(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t info_addr = uc_arg(uc, 1), ts_addr = uc_arg(uc, 2), args[6] = {0}, set;
	struct timespec64 time, left, start;
	agent_siginfo info;
	long ret;

	if (uc_arg(uc, 3) != 8)
		return -EINVAL;
	if (!copy_in(&set, uc_arg(uc, 0), sizeof(set)))
		return -EFAULT;
	if (ts_addr && !copy_in(&time, ts_addr, sizeof(time)))
		return -EFAULT;
	args[0] = (uint64_t)&set;
	args[1] = (uint64_t)&info;
	args[3] = 8;
	if (ts_addr) {
		time_now(&start);
		left = time;
		args[2] = (uint64_t)&left;
	}
	for (;;) {
		ret = sig_window_masked(t, uc, args, NULL, set | ~sig_mask_of(t, uc));
		/* an error, the call's number, or a signal */
		if (ret != AGENT_WINDOW_AGAIN && (ret <= 0 || ret > 64))
			return ret;
		if (ret > 0) {
			ret = sig_forward_decode((int)ret, &info);
			if (set & SIGBIT(ret))
				break;
			sig_arrived(t, (int)ret, &info);
		}
		if (ts_addr)
			left = time_left(&start, &time);
	}
	if (info_addr && !copy_out(info_addr, &info, sizeof(info)))
		return -EFAULT;
	return ret;
}

long sig_do_sigpending(struct agent_thread *t, agent_ucontext *uc)
{
	uint64_t set = 0, size = uc_arg(uc, 1);

	if (size > sizeof(set))
		return -EINVAL;
	/* what the kernel has of the six came since the handler began */
	sys2(__NR_rt_sigpending, &set, sizeof(set));
	set = (set | sig_pending_set(t)) & sig_mask_of(t, uc);
	return copy_out(uc_arg(uc, 0), &set, size) ? 0 : -EFAULT;
}

/* Where a call has its mask, and a time that it does not write back */
struct masked {
	long nr;
	int mask, size; /* arguments; size 0: the mask's is a struct mask_arg */
	int ts, ms; /* 0: none */
};

/* clang-format off */
static const struct masked *masked_of(uint64_t nr)
{
	static const struct masked table[] = {
		{ __NR_ppoll,		3, 4, 0, 0 },
		{ __NR_pselect6,	5, 0, 0, 0 },
		{ __NR_epoll_pwait,	4, 5, 0, 3 },
		{ __NR_epoll_pwait2,	4, 5, 3, 0 },
		{ __NR_io_pgetevents,	5, 0, 4, 0 },
	};
	/* clang-format on */
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if ((uint64_t)table[i].nr == nr)
			return &table[i];
	return NULL;
}

static bool get_mask(const struct masked *m, const uint64_t args[6], struct mask_arg *arg,
		     uint64_t *mask)
{
	if (m->size) {
		arg->addr = args[m->mask];
		arg->size = args[m->size];
	} else if (!copy_in(arg, args[m->mask], sizeof(*arg))) {
		return false;
	}
	if (!arg->addr)
		return true;
	return arg->size == sizeof(*mask) && copy_in(mask, arg->addr, sizeof(*mask));
}

/**
 * sig_do_masked() - ppoll, pselect6, epoll_pwait, epoll_pwait2, io_pgetevents
 * @t:		this thread
 * @uc:		the trapped call
 *
 * Times that Linux writes back stay where the program has them.
 *
 * Return: as sig_window_masked().
 */
long sig_do_masked(struct agent_thread *t, agent_ucontext *uc)
{
	const struct masked *m = masked_of(UC_REGS(uc)->ax);
	uint64_t args[6], mask, *wanted = NULL, takes = ~sig_mask_of(t, uc);
	struct timespec64 time = {0, 0}, left, start;
	bool timed = false;
	struct mask_arg arg;
	long ret;
	int i;

	for (i = 0; i < 6; i++)
		args[i] = uc_arg(uc, i);
	if (get_mask(m, args, &arg, &mask)) {
		/* the kernel reads our copy, which cannot change */
		if (arg.addr) {
			wanted = &mask;
			takes = ~mask;
			arg.addr = (uint64_t)&mask;
		}
		args[m->mask] = m->size ? arg.addr : (uint64_t)&arg;
	}
	if (m->ts && args[m->ts] && copy_in(&time, args[m->ts], sizeof(time))) {
		timed = true;
		left = time;
		args[m->ts] = (uint64_t)&left;
	} else if (m->ms && (int)args[m->ms] > 0) {
		timed = true;
		time.sec = (int)args[m->ms] / 1000;
		time.nsec = (int)args[m->ms] % 1000 * 1000000l;
	}
	if (timed)
		time_now(&start);
	for (;;) {
		ret = sig_window_masked(t, uc, args, wanted, takes);
		if (ret != AGENT_WINDOW_AGAIN)
			return ret;
		if (!timed)
			continue;
		left = time_left(&start, &time);
		if (m->ms) /* as the kernel, a part of a millisecond counts */
			args[m->ms] = (uint64_t)(left.sec * 1000 + (left.nsec + 999999) / 1000000);
	}
}
