/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The userfaultfd of a client: what it must be, and what its ioctls may answer.
 *
 * The daemon asks the kernel of it whenever a page is parked, under locks that others
 * wait for.  So only one on which no ioctl can be put off is taken:
 *
 *	of which kind	the link in /proc says so, and asks no file system
 *	UFFDIO_API	done: else every ioctl is EINVAL
 *	its features	those of the agent and no others, since with an EVENT_ feature each
 *			ioctl is EAGAIN while its owner has an event to read
 *
 * Both last: the kernel lets UFFDIO_API be done once.  Everything else about it is the
 * client's to change at any time, and costs nobody but the client:
 *
 *	not registered, or unmapped, or out of a process' reach		nothing of ours is there
 *	of another process		its write-protection is missing, not a page: the hole in the
 *			file takes PTEs wherever they are
 *	of a process that has ended	the same
 *
 * What is left is an answer that none of these explains, and EAGAIN again and again: its
 * client is broken.  The bytes of a broken client's pages are those that the file has.
 */
#include "machine.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The kernel's own bit among the features of one on which UFFDIO_API has been done */
#define INITIALIZED (1ul << 31)

/* A change of the mappings that comes in between is over by then */
#define TRIES 64u

/**
 * uffd_is() - is a descriptor a userfaultfd?
 * @fd: of whatever
 *
 * Asks no file system.
 */
bool uffd_is(int fd)
{
	char path[32], what[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, what, sizeof(what) - 1);
	if (n < 0)
		return false;
	what[n] = 0;
	return !strcmp(what, "anon_inode:[userfaultfd]");
}

/* The second number of "API:\taa:800014a1:..."; 0: it is not told */
static unsigned long features(int fd)
{
	unsigned long found = 0;
	char path[40], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "API:\taa:", 8))
			found = strtoul(line + 8, NULL, 16);
	if (f)
		fclose(f);
	return found;
}

/**
 * uffd_check() - may a descriptor be a client's userfaultfd?
 * @fd: of whatever
 *
 * Return: 0, or -EINVAL.
 */
int uffd_check(int fd)
{
	if (!uffd_is(fd) || features(fd) != (INITIALIZED | PROTO_UFFD_FEATURES))
		return -EINVAL;
	return 0;
}

/**
 * uffd_protect() - write-protect what is mapped in a range
 * @uffd:	userfaultfd
 * @addr:	page-aligned
 * @count:	of pages
 *
 * Return: 0; -errno, -EAGAIN after as many tries as are worth it.
 */
int uffd_protect(int uffd, uint64_t addr, unsigned int count)
{
	struct uffdio_writeprotect wp = {
		.range = {.start = addr, .len = count * SGX_PAGE_SIZE},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	for (unsigned int i = 0; i < TRIES; i++) {
		if (!ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		sched_yield();
	}
	return -EAGAIN;
}

/**
 * uffd_protect_client() - nobody writes to these pages by a client's address space
 * @mm:		of a client that has a userfaultfd
 * @addr:	of the first
 * @count:	of these
 *
 * A client that makes it impossible is broken, and what it writes from then on is lost.
 * Context: the client stays, as one of the enclave's address spaces.
 * Return: 0; -ENOMEM, and that is not its fault.
 */
int uffd_protect_client(struct sgx_mm *mm, uint64_t addr, unsigned int count)
{
	struct client *c = container_of(mm, struct client, mm);
	int ret;

	if (atomic_load(&c->state) == CLIENT_BROKEN)
		return 0;
	ret = uffd_protect(mm->uffd, addr, count);
	switch (ret) {
	case 0:
	case -ENOMEM:
		return ret;
	case -ESRCH: /* the process is gone */
		return 0;
	case -ENOENT: /* it does not map all of it, or not registered */
	case -EINVAL: /* it cannot map all of it */
		break;
	default:
		client_break(c, "pages cannot be taken out of its sight", (uint64_t)-ret);
		return 0;
	}
	for (unsigned int i = 0; count > 1 && i < count; i++) {
		ret = uffd_protect_client(mm, addr + i * SGX_PAGE_SIZE, 1);
		if (ret)
			return ret;
	}
	return 0;
}
