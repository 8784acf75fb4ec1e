/* SPDX-License-Identifier: BSD-3-Clause */
/* What kernel/ asks of the world: kernel/host.h, for clients that push. */
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The agent has looked at it: only it can, descriptors are the process' own. */
static bool is_provision_fd(struct sgx_call *call, int fd)
{
	struct machine *m = call->client->machine;
	char path[64];
	struct stat st;

	if (!(call->slot.a2 & PROTO_IOCTL_PROVISION_FD))
		return false;
	/* And where we may look, we do */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", call->client->proc, fd);
	if (stat(path, &st))
		return errno == EACCES || errno == EPERM;
	return st.st_dev == m->provision_dev && st.st_ino == m->provision_ino;
}

static void host_log(void *host_ctx, const char *line)
{
	log_line("%s", line);
}

#define WITHOUT_PAGING                                                                \
	.copy_from_user = copy_from_user, .copy_to_user = copy_to_user,               \
	.source_page = source_page, .signal_pending = signal_pending,                 \
	.is_provision_fd = is_provision_fd, .encl_memory = enclave_host_memory,       \
	.encl_free = enclave_host_free, .epc_mem = &memory_ops,                       \
	.tcs_publish = enclave_host_tcs_publish, .tcs_debug = enclave_host_tcs_debug, \
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
