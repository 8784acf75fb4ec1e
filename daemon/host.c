/* SPDX-License-Identifier: BSD-3-Clause */
/* What kernel/ asks of the world: kernel/host.h, for clients that push. */
#include "machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * The agent has fetched what the ioctl may want; an address that it did not
 * fetch, or could not, is a bad one.
 */
static const struct proto_segment *segment(const struct sgx_call *call, uint64_t uaddr, size_t size)
{
	for (uint32_t i = 0; i < call->slot.segment_count; i++) {
		const struct proto_segment *seg = &call->slot.segment[i];

		if (uaddr >= seg->uaddr && uaddr - seg->uaddr <= seg->size &&
		    size <= seg->size - (uaddr - seg->uaddr))
			return seg;
	}
	return NULL;
}

static int copy_from_user(struct sgx_call *call, void *dst, uint64_t uaddr, size_t size)
{
	const struct proto_segment *seg = segment(call, uaddr, size);

	if (!seg || seg->status)
		return -EFAULT;
	memcpy(dst, call->slot.data + seg->offset + (uaddr - seg->uaddr), size);
	return 0;
}

/* One range can go back: the argument struct, which is all that upstream writes. */
static int copy_to_user(struct sgx_call *call, uint64_t uaddr, const void *src, size_t size)
{
	struct proto_slot *s = &call->slot;

	if (!segment(call, uaddr, size) || size > sizeof(call->answer) ||
	    (s->writeback && (s->writeback_uaddr != uaddr || s->writeback != size)))
		return -EFAULT;
	memcpy(call->answer, src, size);
	s->writeback_uaddr = uaddr;
	s->writeback = (uint32_t)size;
	call->out = (uint32_t)size;
	return 0;
}

static int source_page(struct sgx_call *call, uint64_t uaddr, const void **page)
{
	const struct proto_slot *s = &call->slot;
	uint64_t index = (uaddr - s->src_uaddr) / SGX_PAGE_SIZE;

	if (!call->bulk || uaddr < s->src_uaddr || index > s->src_pages)
		return -EFAULT;
	if (index == s->src_pages)
		return s->src_status == -EACCES ? -EACCES : -EFAULT;
	*page = call->bulk + index * SGX_PAGE_SIZE;
	call->used = (uint32_t)index + 1;
	return 0;
}

/*
 * Asked before each page.  True also where the pages of this piece are used up
 * (and what follows is not an error): the call ends with a short count, and the
 * agent goes on with the next piece.
 */
static bool signal_pending(struct sgx_call *call)
{
	const struct proto_slot *s = &call->slot;

	if (s->a2 & PROTO_IOCTL_SIGNAL)
		return true;
	return call->used && call->used == s->src_pages && !s->src_status;
}

/*
 * Which file a descriptor of a process is of, as fdinfo has it: stat(2) would ask the file's
 * file system, which may be a client's and hang.  Memfds have a mount that nothing else has.
 * @proc: as /proc numbers it; 0: ourselves
 * Return: false where we may not look, or before Linux 5.14, which does not say the inode.
 */
bool host_fd_file(pid_t proc, int fd, uint64_t *mount, uint64_t *ino)
{
	char path[64], line[128];
	unsigned found = 0;
	FILE *f;

	if (proc)
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", proc, fd);
	else
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && found != 3 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "mnt_id: %" SCNu64, mount) == 1)
			found |= 1;
		if (sscanf(line, "ino: %" SCNu64, ino) == 1)
			found |= 2;
	}
	if (f) {
		fclose(f);
		return found == 3;
	}
	if (errno != ENOENT)
		return false;
	/* not open, or no such process */
	*mount = HOST_NO_MOUNT;
	*ino = 0;
	return true;
}

/* The agent has looked at it: only it always can, descriptors are the process' own. */
static bool is_provision_fd(struct sgx_call *call, int fd)
{
	struct machine *m = call->client->machine;
	uint64_t mount, ino;

	if (!(call->slot.a2 & PROTO_IOCTL_PROVISION_FD) ||
	    (m->files.flags & PROTO_FILES_NO_PROVISION))
		return false;
	/* And where we may look, we do */
	if (m->provision_mount == HOST_NO_MOUNT ||
	    !host_fd_file(call->client->proc, fd, &mount, &ino))
		return true;
	return mount == m->provision_mount && ino == m->provision_ino;
}

static struct why *call_why(struct sgx_call *call)
{
	return &call->slot.why;
}

static void host_log(void *host_ctx, const char *line)
{
	log_line("%s", line);
}

#define WITHOUT_PAGING                                                                           \
	.copy_from_user = copy_from_user, .copy_to_user = copy_to_user,                          \
	.source_page = source_page, .signal_pending = signal_pending,                            \
	.is_provision_fd = is_provision_fd, .why = call_why, .encl_memory = enclave_host_memory, \
	.encl_free = enclave_host_free, .epc_mem = &memory_ops,                                  \
	.tcs_publish = enclave_host_tcs_publish, .tcs_debug = enclave_host_tcs_debug,            \
	.tcs_retire = enclave_host_tcs_retire, .page_grant = mm_page_grant, .log = host_log

/* Without userfaultfd a page cannot be taken away from a process. */
const struct sgx_host_ops host_ops_no_paging = {WITHOUT_PAGING};
const struct sgx_host_ops host_ops = {
	WITHOUT_PAGING,
	.page_park = paging_park,
	.encl_kick = enclave_host_kick,
	.backing_get = paging_backing_get,
	.backing_put = paging_backing_put,
};
