/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PROTO_OP_CPUID_SCAN: where CPUID instructions are in a file that a client maps.
 *
 * The file is the client's: it may lie on a file system that hangs, be a device, or be one
 * that the client may not read and we may.  So we never open it, nor ask the kernel about
 * it.  The client is given a memfd and reads its file into that, with its own rights, in
 * its own time, and into memory that the kernel counts as its own.
 *
 *	a0 = 0		known? answer.  Else a memfd of that size, sealed against growing
 *			and shrinking, so that it is never a SIGBUS here
 *	a0 = number	sealed against writing, which the kernel refuses as long as anybody
 *			has it mapped for that: what is scanned does not change meanwhile.
 *			No holes, which reading would fill with memory of ours
 *
 * What a client says is in a file is told to processes of its user alone.
 */
#include "machine.h"

#include <inject/cpuid.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Offsets within the range that was asked about, into the answer.  Return: how many. */
static long select_range(struct sgx_call *call, const uint32_t *found, long count)
{
	uint32_t offset = (uint32_t)(call->slot.a1 >> 32), length = (uint32_t)call->slot.a1;
	uint32_t room = PROTO_DATA_SIZE / sizeof(uint32_t), *out = (void *)call->answer;
	long n = 0;

	for (long i = 0; i < count; i++) {
		if (found[i] < offset || found[i] - offset >= length)
			continue;
		if (n < (long)room)
			out[n] = found[i] - offset;
		n++;
	}
	call->out = (uint32_t)(n < (long)room ? n : (long)room) * sizeof(uint32_t);
	return n;
}

static uint32_t owner_of(const struct client *c)
{
	uint32_t owner = inject_cpuid_owner(c->proc);

	/* by its number, which is its own as long as it is there */
	return sender_is_there(c->pidfd.fd) ? owner : INJECT_OWNER_NONE;
}

static int make_file(uint64_t size)
{
	int fd = memfd_create("swsgx-scan", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;

	if (fd < 0)
		return -errno;
	if (!limits_headroom(fd))
		ret = -ENFILE;
	else if (ftruncate(fd, (off_t)size) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		ret = -errno;
	else
		return fd;
	close(fd);
	return ret;
}

/* The client is to fill a file. */
static long begin(struct sgx_call *call, const struct proto_file_id *id)
{
	struct client *c = call->client;
	uint32_t i;
	int fd, ret;

	for (i = 0; i < PROTO_SCANS && c->scan[i].used; i++)
		;
	if (i == PROTO_SCANS)
		return -EBUSY;
	fd = make_file(id->size);
	if (fd < 0)
		return fd;
	ret = client_send(c, PROTO_MSG_FDS, call->number, &fd, 1);
	if (ret) {
		close(fd);
		return ret;
	}
	c->scan[i] = (struct scan){.used = true, .fd = fd, .id = *id};
	call->slot.fds = 1;
	call->slot.r1 = i + 1;
	return 0;
}

/* Return: all of it, to be unmapped, or MAP_FAILED with errno. */
static void *map_filled(int fd, uint64_t size)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL))
		return MAP_FAILED;
	if (lseek(fd, 0, SEEK_HOLE) != (off_t)size) {
		errno = ENODATA;
		return MAP_FAILED;
	}
	return mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
}

static long finish(struct sgx_call *call, struct scan *scan, uint32_t **found, uint32_t *names)
{
	void *image = map_filled(scan->fd, scan->id.size);
	long count = image == MAP_FAILED ? -errno : 0;

	if (image != MAP_FAILED) {
		count = inject_cpuid_image(image, &scan->id, owner_of(call->client), found, names);
		munmap(image, scan->id.size);
	}
	close(scan->fd);
	scan->used = false;
	return count;
}

/**
 * cpuid_scan() - serve PROTO_OP_CPUID_SCAN
 * @call: the call
 *
 * Context: the client's service thread.
 * Return: how many there are (may exceed what the answer has room for), or -errno.
 */
long cpuid_scan(struct sgx_call *call)
{
	uint64_t number = call->slot.a0;
	struct client *c = call->client;
	struct proto_file_id id;
	uint32_t *found = NULL, names = 0;
	long count;

	if (number > PROTO_SCANS || (number && !c->scan[number - 1].used))
		return -EINVAL;
	if (number) {
		count = finish(call, &c->scan[number - 1], &found, &names);
	} else {
		memcpy(&id, call->slot.data, sizeof(id));
		if (!id.size || id.size > INJECT_CPUID_FILE_MAX)
			return 0;
		count = inject_cpuid_cached(&id, owner_of(c), &found, &names);
		if (count == -ENOENT)
			return begin(call, &id);
	}
	call->slot.r0 = names;
	if (count > 0)
		count = select_range(call, found, count);
	free(found);
	return count;
}

/**
 * cpuid_scan_end() - a client has gone
 * @c: client, without its service thread
 */
void cpuid_scan_end(struct client *c)
{
	for (uint32_t i = 0; i < PROTO_SCANS; i++)
		if (c->scan[i].used)
			close(c->scan[i].fd);
}
