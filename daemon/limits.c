/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resource limits of the machine's process.
 *
 * They came from the shell of whoever started the machine, and were meant for the
 * program.  So each goes as high as it may: away, where this process may do that,
 * else to the hard limit.  What is still low then is named where it runs out.
 */
#include "machine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* More than a machine ever wants, and less than fs.nr_open */
#define DESCRIPTORS 65536
/* What a machine with one program takes, and room for an exec */
#define DESCRIPTORS_MIN 24

/* No enclave is larger, as a rule */
#define ENCLAVE_LARGE (64ull << 30)

/* Descriptors that enclaves leave for connections and execs */
#define HEADROOM 8

/* Of a thread's stack; glibc's default is the caller's RLIMIT_STACK */
#ifdef __SANITIZE_THREAD__
#define STACK_SIZE (8u << 20) /* TSan keeps as much as ours beside it */
#else
#define STACK_SIZE (512u << 10)
#endif

static void lift(int resource, rlim_t wanted)
{
	struct rlimit rl, high = {wanted, wanted};

	if (getrlimit(resource, &rl))
		return;
	if (rl.rlim_cur >= wanted)
		return;
	if (rl.rlim_max > wanted)
		high.rlim_max = rl.rlim_max;
	if (!setrlimit(resource, &high))
		return;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(resource, &rl);
}

/**
 * limits_lift() - away with the limits that came with the caller
 *
 * Context: before there is a thread.
 */
void limits_lift(void)
{
	static const int resources[] = {RLIMIT_AS,	   RLIMIT_CPU,	   RLIMIT_DATA,
					RLIMIT_FSIZE,	   RLIMIT_MEMLOCK, RLIMIT_NPROC,
					RLIMIT_SIGPENDING, RLIMIT_STACK};
	pthread_attr_t attr;

	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		lift(resources[i], RLIM_INFINITY);
	lift(RLIMIT_NOFILE, DESCRIPTORS);
	/* what is hard and low is an error of the call that meets it */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGXCPU, SIG_IGN);
	if (pthread_attr_init(&attr))
		return;
	if (!pthread_attr_setstacksize(&attr, STACK_SIZE))
		(void)pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

/**
 * limits_cause() - the limit that an error of a system call comes from
 * @error:	errno
 * @buf:	receives " (ulimit ... is ...)", or nothing where it was no limit
 * @size:	of @buf
 *
 * Return: @buf.
 */
const char *limits_cause(int error, char *buf, size_t size)
{
	static const struct {
		int error;
		int resource;
		char letter;
		bool kib; /* how shells count it */
	} table[] = {
		{EMFILE, RLIMIT_NOFILE, 'n', false}, {EFBIG, RLIMIT_FSIZE, 'f', true},
		{EAGAIN, RLIMIT_NPROC, 'u', false},  {ENOMEM, RLIMIT_AS, 'v', true},
		{ENOMEM, RLIMIT_DATA, 'd', true},
	};
	struct rlimit rl;

	buf[0] = 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].error != error || getrlimit(table[i].resource, &rl) ||
		    rl.rlim_cur == RLIM_INFINITY)
			continue;
		snprintf(buf, size, " (ulimit -%c is %llu%s)", table[i].letter,
			 (unsigned long long)rl.rlim_cur >> (table[i].kib ? 10 : 0),
			 table[i].kib ? " KiB" : "");
		break;
	}
	return buf;
}

/**
 * limits_check() - can there be a machine at all?
 * @ready:	receives why not
 *
 * Linux counts the growth of a memfd as that of a file.
 *
 * Return: 0, -EMFILE or -EFBIG.
 */
int limits_check(struct daemon_ready *ready)
{
	struct rlimit rl;

	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur < DESCRIPTORS_MIN) {
		snprintf(ready->message, sizeof(ready->message),
			 "a machine takes %d descriptors, and the hard limit (ulimit -Hn) is %llu",
			 DESCRIPTORS_MIN, (unsigned long long)rl.rlim_cur);
		return -EMFILE;
	}
	if (!getrlimit(RLIMIT_FSIZE, &rl) && rl.rlim_cur < SGX_PAGE_SIZE) {
		snprintf(ready->message, sizeof(ready->message),
			 "a machine's memory is files, and the hard limit on their size "
			 "(ulimit -Hf) is %llu bytes",
			 (unsigned long long)rl.rlim_cur);
		return -EFBIG;
	}
	return 0;
}

/**
 * limits_warn() - the limits that its programs will meet
 * @ready:	receives them
 */
void limits_warn(struct daemon_ready *ready)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_FSIZE, &rl) || rl.rlim_cur >= ENCLAVE_LARGE)
		return;
	machine_warn(ready,
		     "the hard limit on file sizes (ulimit -Hf), which are enclaves' too, is %llu "
		     "KiB: %s",
		     (unsigned long long)rl.rlim_cur >> 10,
		     rl.rlim_cur < PROTO_CHANNEL_SIZE
			     ? "no program can use SGX"
			     : "CREATE of a larger enclave will be ENOMEM");
}

/**
 * limits_headroom() - may a descriptor be kept for an enclave?
 * @fd: has just been made, so that all below are in use
 *
 * Whoever has many enclaves must not keep others from connecting, or from an exec.
 */
bool limits_headroom(int fd)
{
	struct rlimit rl;

	return getrlimit(RLIMIT_NOFILE, &rl) || (rlim_t)fd + HEADROOM < rl.rlim_cur;
}
