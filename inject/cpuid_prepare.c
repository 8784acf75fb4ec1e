/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUID in a program that is being injected: what its agent is told. */
#include "cpuid_prepare.h"

#include <errno.h>
#include <inject/cpuid.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KNOWN_AT(field) \
	((uint64_t)PROTO_AGENT_BASE + PROTO_AGENT_KNOWN + offsetof(struct proto_cpuid_known, field))

static uint8_t the_view[PROTO_PARAM_VIEW_SIZE];

void inject_cpuid_view(const void *view, size_t size)
{
	memset(the_view, 0, sizeof(the_view));
	memcpy(the_view, view, size < sizeof(the_view) ? size : sizeof(the_view));
}

/* The counts go last: without them there is no table. */
static void tell_known(struct remote *r, const struct cpuid_program *program, uint32_t owner)
{
	struct proto_cpuid_known *known = malloc(sizeof(*known));

	if (!known)
		return;
	cpuid_known(known, program, owner);
	if (known->file_count &&
	    remote_write(r, KNOWN_AT(file), known->file,
			 known->file_count * sizeof(known->file[0])) == 0 &&
	    (!known->site_count || remote_write(r, KNOWN_AT(site), known->site,
						known->site_count * sizeof(known->site[0])) == 0))
		remote_write(r, KNOWN_AT(file_count), known,
			     offsetof(struct proto_cpuid_known, file));
	free(known);
}

void cpuid_prepare(struct remote *r, struct proto_agent_params *p)
{
	struct cpuid_program program;
	uint32_t owner;

	memcpy(p->cpuid_view, the_view, sizeof(p->cpuid_view));
	p->cpuid_faulting = (uint32_t)inject_cpuid_can_fault();
	if (p->cpuid_faulting)
		return;
	owner = inject_cpuid_owner(r->proc);
	p->program_known = !cpuid_program_find(r, owner, &program);
	p->names |= program.names;
	tell_known(r, p->program_known ? &program : NULL, owner);
	free(program.offset);
}

/*
 * arch_prctl(2): ARCH_CPUID with 0 makes CPUID raise SIGSEGV in the calling
 * thread, and gives ENODEV where the processor cannot. So it is tried in a
 * child. The child has no exit signal: it is reaped here even where SIGCHLD is
 * ignored, and no other waitpid(-1) of this program can take it. It runs on a
 * copy of this stack and makes two system calls.
 */
static int try_faulting(void)
{
	const long arch_cpuid = 0x1012; /* ARCH_SET_CPUID of <asm/prctl.h> */
	int status;
	long pid;

	pid = syscall(SYS_clone, 0ul, 0ul, 0ul, 0ul, 0ul);
	if (pid < 0)
		return 0;
	if (!pid) {
		long ret = syscall(SYS_arch_prctl, arch_cpuid, 0ul);

		syscall(SYS_exit_group, ret ? 1ul : 0ul);
		__builtin_unreachable();
	}
	while (waitpid((pid_t)pid, &status, __WCLONE) < 0)
		if (errno != EINTR)
			return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static pthread_once_t fault_once = PTHREAD_ONCE_INIT;
static int can_fault;

static void find_faulting(void)
{
	can_fault = try_faulting();
}

int inject_cpuid_can_fault(void)
{
	pthread_once(&fault_once, find_faulting);
	return can_fault;
}
