/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUID in a program that is being injected: its own instructions, and what its
 * agent is told.
 */
#include "cpuid_patch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inject/cpuid.h>
#include <pthread.h>
#include <stdio.h>
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

static void patch_site(struct remote *r, uint64_t addr)
{
	const uint16_t stand_in = PROTO_CPUID_STAND_IN;
	uint16_t now;

	if (remote_read(r, addr, &now, sizeof(now)) == 0 && now == PROTO_CPUID_INSN)
		remote_write(r, addr, &stand_in, sizeof(stand_in));
}

/* The address of a file offset, before the bias; 0: it is not mapped. */
static uint64_t address_of(const Elf64_Phdr *ph, unsigned int count, uint64_t off)
{
	for (unsigned int i = 0; i < count; i++)
		if (ph[i].p_type == PT_LOAD && off >= ph[i].p_offset &&
		    off - ph[i].p_offset < ph[i].p_filesz)
			return ph[i].p_vaddr + (off - ph[i].p_offset);
	return 0;
}

static void patch_program(struct remote *r, int fd, uint64_t entry, const uint32_t *found,
			  long count)
{
	Elf64_Ehdr eh;
	Elf64_Phdr *ph;
	size_t size;

	if (pread(fd, &eh, sizeof(eh), 0) != (ssize_t)sizeof(eh) ||
	    eh.e_phentsize != sizeof(Elf64_Phdr))
		return;
	size = eh.e_phnum * sizeof(*ph);
	ph = malloc(size);
	if (ph && pread(fd, ph, size, (off_t)eh.e_phoff) == (ssize_t)size) {
		for (long i = 0; i < count; i++) {
			uint64_t addr = address_of(ph, eh.e_phnum, found[i]);

			if (addr)
				patch_site(r, addr + (entry - eh.e_entry));
		}
	}
	free(ph);
}

/* Not in ld.so and libc; the program's executable is always its own. */
static void look_at_program(struct remote *r, uint64_t entry)
{
	uint32_t *found;
	char path[64];
	struct stat st;
	long count;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", r->proc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!fstat(fd, &st)) {
		count = inject_cpuid_file(fd, &st, false, &found);
		if (count > 0)
			patch_program(r, fd, entry, found, count);
		free(found);
	}
	close(fd);
}

/* The counts go last: without them there is no table. */
static void tell_known(struct remote *r)
{
	struct proto_cpuid_known *known = malloc(sizeof(*known));

	if (!known)
		return;
	cpuid_known(known);
	if (known->file_count &&
	    remote_write(r, KNOWN_AT(file), known->file,
			 known->file_count * sizeof(known->file[0])) == 0 &&
	    (!known->site_count || remote_write(r, KNOWN_AT(site), known->site,
						known->site_count * sizeof(known->site[0])) == 0))
		remote_write(r, KNOWN_AT(file_count), known,
			     offsetof(struct proto_cpuid_known, file));
	free(known);
}

void cpuid_prepare(struct remote *r, struct proto_agent_params *p, uint64_t entry)
{
	memcpy(p->cpuid_view, the_view, sizeof(p->cpuid_view));
	p->cpuid_faulting = (uint32_t)inject_cpuid_can_fault();
	if (p->cpuid_faulting)
		return;
	look_at_program(r, entry);
	tell_known(r);
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
