/* SPDX-License-Identifier: BSD-3-Clause */
/* PROTO_OP_CPUID_SCAN: where CPUID instructions are in a file that a client maps. */
#include "machine.h"

#include <inject/cpuid.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/**
 * cpuid_scan() - CPUID instructions in a range of a client's file
 * @c:		client
 * @dev:	of the file, as the client sees it
 * @ino:	of the file
 * @fd:		number of a descriptor of it in the client
 * @offset:	of the range in the file
 * @length:	of the range
 * @out:	receives offsets relative to @offset, ascending
 * @max:	room there
 *
 * Return: how many there are (may exceed @max), or -errno.
 */
long cpuid_scan(struct client *c, uint64_t dev, uint64_t ino, int fd, uint32_t offset,
		uint32_t length, uint32_t *out, uint32_t max)
{
	uint32_t *found = NULL;
	char path[64];
	struct stat st;
	long count, n = 0;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", c->proc, fd);
	/* O_NONBLOCK: it might be a FIFO */
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0)
		return -errno;
	if (fstat(file, &st) || st.st_dev != dev || st.st_ino != ino)
		count = -ESTALE;
	else if (!S_ISREG(st.st_mode))
		count = 0;
	else
		count = inject_cpuid_file(file, &st, true, &found);
	close(file);
	for (long i = 0; i < count; i++) {
		if (found[i] < offset || found[i] - offset >= length)
			continue;
		if (n < (long)max)
			out[n] = found[i] - offset;
		n++;
	}
	free(found);
	return count < 0 ? count : n;
}
