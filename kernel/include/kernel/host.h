/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the SGX subsystem needs of the world.  kernel/ knows no process, socket
 * or descriptor; the daemon implements this for real clients, unit tests for a
 * fake one.
 *
 * struct sgx_call is one call by one client (an ioctl, a fault, an mmap): the
 * host makes it, kernel/ passes it back.  struct sgx_mm is one address space.
 */
#ifndef KERNEL_HOST_H
#define KERNEL_HOST_H

#include <cpu/package.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sgx_call;
struct sgx_mm;
struct sgx_encl;

/* A page that page_park() is asked for */
struct sgx_park {
	uint64_t addr; /* linear */
	epc_slot_t slot;
	bool parked; /* the answer */
};

struct sgx_host_ops {
	/*
	 * User memory of the caller.  Return: 0, or -EFAULT.  May be called
	 * with encl->lock held: it never blocks on a client.
	 */
	int (*copy_from_user)(struct sgx_call *call, void *dst, uint64_t uaddr, size_t size);
	int (*copy_to_user)(struct sgx_call *call, uint64_t uaddr, const void *src, size_t size);
	/*
	 * The source page of EADD.  *page is 4096 bytes that may change while
	 * they are read.  Return: 0; -EACCES where the first mapping that ends
	 * above uaddr, also one that begins above it, may not be executed from
	 * (Linux: find_vma(), !VM_MAYEXEC); -EFAULT where there is none, or it does
	 * not cover uaddr, or the page cannot be read.
	 */
	int (*source_page)(struct sgx_call *call, uint64_t uaddr, const void **page);
	/* A signal is pending for the caller's thread: stop between pages. */
	bool (*signal_pending)(struct sgx_call *call);
	/* Is fd of the caller an open /dev/sgx_provision? */
	bool (*is_provision_fd)(struct sgx_call *call, int fd);
	/*
	 * Where an ioctl notes which rule it is refused by, see base/why.h; or NULL.
	 * May itself be NULL: nobody ever asks.
	 */
	struct why *(*why)(struct sgx_call *call);

	/*
	 * Memory of one enclave.  encl_memory: ECREATE succeeded, ELRANGE is
	 * known (sgx_encl_info()); size the file, seal it, map it.  Called
	 * without a lock.  Return: 0 or -ENOMEM: CREATE fails, and may be tried
	 * again.
	 * encl_free: nothing refers to the enclave any more, its pages are gone.
	 */
	int (*encl_memory)(struct sgx_encl *encl);
	void (*encl_free)(struct sgx_encl *encl);
	/*
	 * Bytes of EPC pages: the package's epc_mem_ops, given through (their
	 * ctx is host_ctx).  fill() of a child page puts it at
	 * linaddr - SECS.BASE of that enclave's file, but a TCS' and a SECS'
	 * bytes stay with the daemon (a client finds a hole).
	 */
	const struct epc_mem_ops *epc_mem;
	/*
	 * TCS page became valid (its bytes) or went away (NULL): its TCS slot.  One
	 * that was lost goes while a thread is inside, and goes again at the end.
	 * Called with encl->lock held.
	 */
	void (*tcs_publish)(struct sgx_encl *encl, uint64_t offset, const struct sgx_tcs *tcs);
	/*
	 * A debugger looks at a TCS page, whose changing fields are in the slot.
	 * write false: put CSSA, AEP and STATE into tcs, before it is read; true:
	 * FLAGS of tcs, which was written, are the slot's from the next entry on.
	 * Called with encl->lock held.
	 */
	void (*tcs_debug)(struct sgx_encl *encl, uint64_t offset, struct sgx_tcs *tcs, bool write);
	/*
	 * Let mm see the resident page at addr (one page), writable or not.
	 * Called with encl->lock held: it stays resident meanwhile.
	 * Return: 0; -EAGAIN where the mapping changed meanwhile (the access is
	 * to be retried); -ENOENT where mm does not map it.
	 */
	int (*page_grant)(struct sgx_mm *mm, struct sgx_encl *encl, uint64_t addr, bool write);

	/*
	 * Oversubscription.  A host that cannot take pages away from its clients
	 * (no userfaultfd) leaves page_park NULL: a full EPC is -ENOMEM then.  All
	 * but backing are called with encl->lock held.
	 *
	 * page_park: take resident pages out of every address space, oldest first.
	 * Of one that is parked afterwards epc_mem's bytes() are all there is: no
	 * write of a client comes later, and the next access is a fault, which calls
	 * page_grant() (the host knows a page that it parked).  One that was used
	 * since it was last asked for (a TCS: nobody faults on those) or cannot be
	 * taken now stays as it is.
	 */
	void (*page_park)(struct sgx_encl *encl, struct sgx_park *pages, unsigned int count);
	/*
	 * The TCS at offset leaves the EPC: nobody enters by it from now on, and
	 * what the processor changed of it is in *tcs.  tcs_publish() brings it
	 * back.  Return: false where a thread is inside (nothing changed).
	 */
	bool (*tcs_retire)(struct sgx_encl *encl, uint64_t offset, struct sgx_tcs *tcs);
	/*
	 * Each thread inside has left, as after an IPI: what oldest_epoch() says is
	 * the last set_epoch() or later.
	 */
	void (*encl_kick)(struct sgx_encl *encl);
	/*
	 * Where evicted pages are kept: 4096 bytes and a PCMD for each index (page
	 * of the ELRANGE; SECS.SIZE / 4096 is the SECS').  get: memory that may be
	 * read and written until put; with swap also beyond a limit, since another
	 * will be put without keep next.  put: with keep it must be the same at the
	 * next get, which does not fail, else the memory may go.  Return: 0, or
	 * -ENOMEM.
	 */
	int (*backing_get)(struct sgx_encl *encl, uint64_t index, bool swap, void **page,
			   struct sgx_pcmd **pcmd);
	void (*backing_put)(struct sgx_encl *encl, uint64_t index, bool keep);
	/* No ksgxd thread: reclaim happens in allocations alone.  For tests. */
	bool direct_reclaim_only;
	/* One line to the machine's log. */
	void (*log)(void *host_ctx, const char *line);
};

#endif
