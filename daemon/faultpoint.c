/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that die at a chosen moment, for tests. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VICTIMS_MAX 64u

unsigned int fault_armed;
static unsigned long fault_time = 1; /* that counts, from 1 */
static atomic_ulong fault_times; /* so far */

/**
 * fault_init() - read SWSGX_FAULT_POINT
 */
void fault_init(void)
{
	const char *value = getenv("SWSGX_FAULT_POINT");
	unsigned long point;
	char *end;

	if (!value)
		return;
	point = strtoul(value, &end, 10);
	if (*end == ':')
		fault_time = strtoul(end + 1, &end, 10);
	if (*end || !point || point >= FAULT_POINT_COUNT || !fault_time) {
		log_line("SWSGX_FAULT_POINT=%s: there is no such point", value);
		return;
	}
	fault_armed = (unsigned int)point;
	log_line("fault point %lu, time %lu", point, fault_time);
}

/**
 * fault_reached() - kill all clients that map an enclave, and wait until they are dead
 * @e:		enclave
 * @mm_locked:	its mm_lock is held by the caller
 *
 * Counted is where there is somebody to kill.  A process ends without any help of
 * ours, whatever lock we hold: its userfaultfd does not make threads wait.
 */
void fault_reached(struct enclave *e, bool mm_locked)
{
	int fds[VICTIMS_MAX];
	uint32_t count = 0;

	if (!mm_locked)
		pthread_mutex_lock(&e->mm_lock);
	/* All are clients', and client_end() takes them out before it frees. */
	if (e->mm_count && atomic_fetch_add(&fault_times, 1) + 1 == fault_time) {
		for (uint32_t i = 0; i < e->mm_count && count < VICTIMS_MAX; i++) {
			struct client *c = container_of(e->mm[i], struct client, mm);

			fds[count] = fcntl(c->pidfd.fd, F_DUPFD_CLOEXEC, 3);
			if (fds[count] < 0)
				continue;
			log_line("fault point %u: process %d killed", fault_armed, c->pid);
			count++;
		}
	}
	if (!mm_locked)
		pthread_mutex_unlock(&e->mm_lock);
	for (uint32_t i = 0; i < count; i++)
		(void)syscall(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0);
	for (uint32_t i = 0; i < count; i++) {
		struct pollfd p = {.fd = fds[i], .events = POLLIN};

		while (poll(&p, 1, -1) < 0 && errno == EINTR)
			;
		close(fds[i]);
	}
}
