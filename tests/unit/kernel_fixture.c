/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "cpu_test_key.h"
#include "kernel_test_key.h"

/* --- memory of the EPC --------------------------------------------------------- */

static uint8_t *mem_bytes(void *ctx, epc_slot_t slot)
{
	struct kfx *k = ctx;

	CHECK(slot < k->pkg.epc_pages);
	CHECK_EQ(k->there[slot], 1);
	return k->epc[slot];
}

static int mem_fill(void *ctx, epc_slot_t slot, epc_slot_t secs, uint64_t linaddr, const void *src)
{
	struct kfx *k = ctx;

	CHECK(slot < k->pkg.epc_pages);
	CHECK_EQ(k->there[slot], 0);
	/* The page is somebody's; a child's owner is the owner of its SECS. */
	CHECK(sgx_epc_owner(k->sgx, slot));
	if (secs != EPC_SLOT_NONE)
		CHECK(sgx_epc_owner(k->sgx, secs) == sgx_epc_owner(k->sgx, slot));
	if (k->fill_after >= 0 && !k->fill_after--)
		return -1;
	if (src)
		memcpy(k->epc[slot], src, 4096);
	else
		memset(k->epc[slot], 0, 4096);
	k->there[slot] = 1;
	if (k->where && secs != EPC_SLOT_NONE) {
		pthread_mutex_lock(&k->mmu);
		k->where[slot] = (struct kfx_where){sgx_epc_owner(k->sgx, slot), linaddr};
		pthread_mutex_unlock(&k->mmu);
	}
	return 0;
}

static void mem_drop(void *ctx, epc_slot_t slot)
{
	struct kfx *k = ctx;

	CHECK_EQ(k->there[slot], 1);
	if (k->where) {
		pthread_mutex_lock(&k->mmu);
		CHECK_EQ(k->granted[slot], 0);
		k->where[slot].encl = NULL;
		pthread_mutex_unlock(&k->mmu);
	}
	k->there[slot] = 0;
	memset(k->epc[slot], 0xdb, 4096);
}

static bool mem_tcs_busy(void *ctx, epc_slot_t slot)
{
	return ((struct kfx *)ctx)->busy;
}

static void mem_set_epoch(void *ctx, epc_slot_t secs, uint64_t epoch)
{
	__atomic_store_n(&((struct kfx *)ctx)->epoch, epoch, __ATOMIC_SEQ_CST);
}

/* One thread for all enclaves: their epochs are one sequence to it. */
static uint64_t mem_oldest_epoch(void *ctx, epc_slot_t secs)
{
	const struct kfx *k = ctx;

	return __atomic_load_n(&k->inside, __ATOMIC_SEQ_CST)
		       ? __atomic_load_n(&k->thread_epoch, __ATOMIC_SEQ_CST)
		       : UINT64_MAX;
}

static const struct epc_mem_ops mem_ops = {
	.bytes = mem_bytes,
	.fill = mem_fill,
	.drop = mem_drop,
	.tcs_busy = mem_tcs_busy,
	.set_epoch = mem_set_epoch,
	.oldest_epoch = mem_oldest_epoch,
};

/* --- the host --------------------------------------------------------------------- */

/* Bytes of user memory, NULL where a page of them is not there or lacks something. */
static void *user(struct sgx_call *call, uint64_t uaddr, size_t size, uint8_t needs)
{
	const uint64_t bytes = KFX_USER_PAGES * 4096;
	uint64_t offset = uaddr - KFX_USER_BASE;

	if (!size || uaddr < KFX_USER_BASE || offset >= bytes || size > bytes - offset)
		return NULL;
	for (uint64_t p = offset / 4096; p <= (offset + size - 1) / 4096; p++)
		if (call->lacks[p] & needs)
			return NULL;
	return (uint8_t *)call->user + offset;
}

static int copy_from_user(struct sgx_call *call, void *dst, uint64_t uaddr, size_t size)
{
	const void *src = user(call, uaddr, size, KFX_NO_READ);

	if (!src)
		return -EFAULT;
	memcpy(dst, src, size);
	return 0;
}

static int copy_to_user(struct sgx_call *call, uint64_t uaddr, const void *src, size_t size)
{
	void *dst = user(call, uaddr, size, KFX_NO_WRITE);

	if (!dst)
		return -EFAULT;
	memcpy(dst, src, size);
	return 0;
}

static int source_page(struct sgx_call *call, uint64_t uaddr, const void **page)
{
	CHECK_EQ(uaddr % 4096, 0);
	call->sources++;
	/* Below user memory the next mapping above is its first page's, as find_vma() has it. */
	if (uaddr < KFX_USER_BASE)
		return call->lacks[0] & KFX_NO_MAYEXEC ? -EACCES : -EFAULT;
	if (!user(call, uaddr, 4096, 0))
		return -EFAULT;
	if (!user(call, uaddr, 4096, KFX_NO_MAYEXEC))
		return -EACCES;
	if (!user(call, uaddr, 4096, KFX_NO_READ))
		return -EFAULT;
	*page = user(call, uaddr, 4096, 0);
	return 0;
}

static bool signal_pending(struct sgx_call *call)
{
	if (call->signal_after < 0)
		return false;
	return !call->signal_after || !call->signal_after--;
}

static struct why *call_why(struct sgx_call *call)
{
	return &call->why;
}

static bool is_provision_fd(struct sgx_call *call, int fd)
{
	return fd == KFX_PROVISION_FD;
}

static int encl_memory(struct sgx_encl *encl)
{
	struct kfx_encl *e = sgx_encl_host(encl);
	struct sgx_encl_info info;

	/* ELRANGE is known by now, to whoever asks. */
	sgx_encl_info(encl, &info);
	CHECK(info.size >= 2 * 4096);
	CHECK_EQ(info.created, false);
	__atomic_add_fetch(&e->k->encl_memories, 1, __ATOMIC_RELAXED);
	if (e->k->granted && !e->k->encl_memory) {
		e->backing_count = info.size / 4096 + 1;
		e->backing = calloc(e->backing_count, sizeof(*e->backing));
		e->tcs_gone = calloc(e->backing_count, 1);
		CHECK(e->backing && e->tcs_gone);
	}
	return e->k->encl_memory;
}

static void encl_free(struct sgx_encl *encl)
{
	struct kfx_encl *e = sgx_encl_host(encl);

	__atomic_add_fetch(&e->k->encl_frees, 1, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < e->backing_count; i++) {
		CHECK(e->backing[i].state != 2);
		__atomic_sub_fetch(&e->k->backings, e->backing[i].state, __ATOMIC_RELAXED);
	}
	free(e->backing);
	free(e->tcs_gone);
	e->tcs_gone = NULL;
	e->backing = NULL;
	e->backing_count = 0;
}

static void tcs_publish(struct sgx_encl *encl, uint64_t offset, const struct sgx_tcs *tcs)
{
	struct kfx_encl *e = sgx_encl_host(encl);

	CHECK_EQ(offset % 4096, 0);
	/* what tcs_retire() left in the page comes back with it */
	if (tcs)
		CHECK(tcs->cssa == 0 || tcs->cssa == 3);
	if (e->tcs_gone) {
		bool gone = e->tcs_gone[offset / 4096];

		e->tcs_gone[offset / 4096] = !tcs;
		if (gone && !tcs)
			return; /* it was told when the page went, or was lost */
	}
	__atomic_add_fetch(&e->k->tcs_live, tcs ? 1u : -1u, __ATOMIC_RELAXED);
}

/* The slot of a fixture's TCS is in its flags and two numbers that are easy to tell. */
static void tcs_debug(struct sgx_encl *encl, uint64_t offset, struct sgx_tcs *tcs, bool write)
{
	struct kfx_encl *e = sgx_encl_host(encl);

	CHECK_EQ(offset % 4096, 0);
	if (write) {
		e->k->tcs_flags = tcs->flags;
		return;
	}
	tcs->cssa = KFX_SLOT_CSSA;
	tcs->aep = KFX_SLOT_AEP;
}

/* Context: k->mmu held. */
static epc_slot_t slot_of(struct kfx *k, struct sgx_encl *encl, uint64_t addr)
{
	for (epc_slot_t slot = 0; slot < k->pkg.epc_pages; slot++)
		if (k->where[slot].encl == encl && k->where[slot].addr == addr)
			return slot;
	return EPC_SLOT_NONE;
}

static int page_grant(struct sgx_mm *mm, struct sgx_encl *encl, uint64_t addr, bool write)
{
	if (mm->sees) {
		struct kfx *k = mm->sees->k;
		epc_slot_t slot;

		pthread_mutex_lock(&k->mmu);
		slot = slot_of(k, encl, addr);
		CHECK(slot != EPC_SLOT_NONE);
		k->granted[slot] = 1;
		pthread_mutex_unlock(&k->mmu);
		return 0;
	}
	mm->addr = addr;
	mm->write = write;
	mm->grants++;
	return mm->page_grant;
}

static void host_log(void *host_ctx, const char *line)
{
	struct kfx *k = host_ctx;

	k->logs++;
	snprintf(k->last_log, sizeof(k->last_log), "%s", line);
}

static void page_park(struct sgx_encl *encl, struct sgx_park *pages, unsigned int count)
{
	struct kfx_encl *e = sgx_encl_host(encl);

	CHECK(count);
	pthread_mutex_lock(&e->k->mmu);
	for (unsigned int i = 0; i < count; i++) {
		epc_slot_t slot = pages[i].slot;

		CHECK(e->k->where[slot].encl == encl && e->k->where[slot].addr == pages[i].addr);
		CHECK(!pages[i].parked);
		if (e->k->no_park && slot % e->k->no_park == 0)
			continue;
		e->k->granted[slot] = 0;
		e->k->parks++;
		pages[i].parked = true;
	}
	pthread_mutex_unlock(&e->k->mmu);
}

static bool tcs_retire(struct sgx_encl *encl, uint64_t offset, struct sgx_tcs *tcs)
{
	struct kfx_encl *e = sgx_encl_host(encl);

	if (e->k->tcs_inside)
		return false;
	tcs->cssa = 3;
	if (!e->tcs_gone[offset / 4096]) {
		e->tcs_gone[offset / 4096] = 1;
		__atomic_sub_fetch(&e->k->tcs_live, 1, __ATOMIC_RELAXED);
	}
	return true;
}

static void encl_kick(struct sgx_encl *encl)
{
	struct kfx_encl *e = sgx_encl_host(encl);

	__atomic_add_fetch(&e->k->kicks, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&e->k->thread_epoch, UINT64_MAX, __ATOMIC_SEQ_CST);
}

static int backing_get(struct sgx_encl *encl, uint64_t index, bool swap, void **page,
		       struct sgx_pcmd **pcmd)
{
	struct kfx_encl *e = sgx_encl_host(encl);
	struct kfx_backing *b;

	CHECK(index < e->backing_count);
	b = &e->backing[index];
	CHECK(b->state != 2);
	if (swap)
		e->k->swaps++;
	else if (b->state != 1 && e->k->backing_after >= 0 && !e->k->backing_after--)
		return -ENOMEM;
	__atomic_sub_fetch(&e->k->backings, b->state, __ATOMIC_RELAXED);
	b->state = 2;
	*page = b->sealed;
	*pcmd = &b->pcmd;
	return 0;
}

static void backing_put(struct sgx_encl *encl, uint64_t index, bool keep)
{
	struct kfx_encl *e = sgx_encl_host(encl);
	struct kfx_backing *b = &e->backing[index];

	CHECK_EQ(b->state, 2);
	b->state = keep;
	__atomic_add_fetch(&e->k->backings, b->state, __ATOMIC_RELAXED);
	if (!keep)
		memset(b->sealed, 0xee, sizeof(b->sealed));
}

static const struct sgx_host_ops host_ops = {
	.copy_from_user = copy_from_user,
	.copy_to_user = copy_to_user,
	.source_page = source_page,
	.signal_pending = signal_pending,
	.is_provision_fd = is_provision_fd,
	.why = call_why,
	.encl_memory = encl_memory,
	.encl_free = encl_free,
	.epc_mem = &mem_ops,
	.tcs_publish = tcs_publish,
	.tcs_debug = tcs_debug,
	.page_grant = page_grant,
	.log = host_log,
};

#define OVERSUB                                                                          \
	.copy_from_user = copy_from_user, .copy_to_user = copy_to_user,                  \
	.source_page = source_page, .signal_pending = signal_pending,                    \
	.is_provision_fd = is_provision_fd, .why = call_why, .encl_memory = encl_memory, \
	.encl_free = encl_free, .epc_mem = &mem_ops, .tcs_publish = tcs_publish,         \
	.page_grant = page_grant, .log = host_log, .page_park = page_park,               \
	.tcs_retire = tcs_retire, .encl_kick = encl_kick, .backing_get = backing_get,    \
	.backing_put = backing_put, .tcs_debug = tcs_debug

static const struct sgx_host_ops oversub_ops = {OVERSUB, .direct_reclaim_only = true};
static const struct sgx_host_ops ksgxd_ops = {OVERSUB};

/* --- the fixture -------------------------------------------------------------------- */

static const struct cpu_config config = {
	.attributes = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT | SGX_ATTR_PROVISION_KEY_BIT |
		      SGX_ATTR_EINITTOKEN_KEY_BIT | SGX_ATTR_KSS_BIT,
	.xfrm = 0x7,
	.miscselect = SGX_MISC_EXINFO_BIT,
	.max_size_32 = 31,
	.max_size_64 = 40,
	.flc = 1,
	.xsave_size = {[2] = 256},
	.xsave_offset = {[2] = 576},
};

static const struct cpu_config *next_config = &config;

const struct cpu_config *kfx_config(void)
{
	return &config;
}

/**
 * kfx_configure() - what the processors of machines to come have
 * @c: must outlive them; kfx_config() is what they have otherwise
 */
void kfx_configure(const struct cpu_config *c)
{
	next_config = c;
}

void kfx_call_init(struct kfx *k, struct sgx_call *call)
{
	memset(call, 0, sizeof(*call));
	call->k = k;
	call->signal_after = -1;
	call->user = calloc(KFX_USER_PAGES, sizeof(*call->user));
	CHECK(call->user);
}

void kfx_call_exit(struct sgx_call *call)
{
	free(call->user);
}

static struct kfx *new (unsigned int epc_pages, unsigned int sections, bool debug_checks,
			const struct sgx_host_ops *ops)
{
	static const uint8_t fuses[CPU_FUSE_SIZE] = {1, 2, 3}, boot[32] = {4, 5, 6};
	struct kfx *k = calloc(1, sizeof(*k));
	struct cpu_config c = *next_config;

	CHECK(k);
	k->epcm = calloc(epc_pages, sizeof(*k->epcm));
	k->epc = calloc(epc_pages, sizeof(*k->epc));
	k->there = calloc(epc_pages, 1);
	CHECK(k->epcm && k->epc && k->there);
	if (ops->page_park) {
		k->granted = calloc(epc_pages, 1);
		k->where = calloc(epc_pages, sizeof(*k->where));
		CHECK(k->granted && k->where);
	}
	pthread_mutex_init(&k->mmu, NULL);
	k->backing_after = -1;
	k->pkg.epcm = k->epcm;
	k->pkg.epc_pages = epc_pages;
	k->pkg.section_count = sections;
	for (unsigned int i = 0; i < sections; i++)
		k->pkg.section[i] = (struct epc_section){
			.base = KFX_EPC_BASE + i * 0x10000000ull,
			.first = i * (epc_pages / sections),
			.pages = epc_pages / sections,
		};
	k->pkg.mem = &mem_ops;
	k->pkg.mem_ctx = k;
	c.debug_checks = debug_checks;
	cpu_package_init(&k->pkg, &c, fuses, boot);
	k->fill_after = -1;
	kfx_call_init(k, &k->call);
	k->sgx = sgx_init(&k->pkg, ops, k);
	CHECK(k->sgx);
	return k;
}

/**
 * kfx_new() - a machine
 * @epc_pages: a multiple of @sections
 * @debug_checks: the processor's own, after each leaf; not with threads
 */
struct kfx *kfx_new(unsigned int epc_pages, unsigned int sections, bool debug_checks)
{
	return new (epc_pages, sections, debug_checks, &host_ops);
}

struct kfx *kfx_oversub(unsigned int epc_pages, bool ksgxd)
{
	return new (epc_pages, 1, !ksgxd, ksgxd ? &ksgxd_ops : &oversub_ops);
}

enum sgx_fault_verdict kfx_touch(struct kfx_encl *e, uint64_t offset, const uint64_t *expect,
				 const uint64_t *set)
{
	uint64_t addr = e->secs.base + offset, *word;
	struct sgx_mm mm = {.sees = e};
	struct kfx *k = e->k;

	for (;;) {
		struct sgx_fault f = {.addr = addr,
				      .error_code = SGX_PF_U | (set ? SGX_PF_W : 0),
				      .vm_prot = set ? 3 : 1,
				      .enclave_mode = true};
		enum sgx_fault_verdict verdict;
		epc_slot_t slot;

		pthread_mutex_lock(&k->mmu);
		slot = slot_of(k, e->encl, addr);
		if (slot != EPC_SLOT_NONE && k->granted[slot]) {
			word = (uint64_t *)(void *)k->epc[slot];
			if (expect)
				CHECK_EQ(*word, *expect);
			if (set)
				*word = *set;
			pthread_mutex_unlock(&k->mmu);
			return SGX_FAULT_RETRY;
		}
		pthread_mutex_unlock(&k->mmu);
		verdict = sgx_fault(&mm, e->encl, &f);
		if (verdict != SGX_FAULT_RETRY)
			return verdict;
	}
}

const struct sgx_host_ops *kfx_host_ops(void)
{
	return &host_ops;
}

void kfx_free(struct kfx *k)
{
	sgx_exit(k->sgx);
	cpu_package_exit(&k->pkg);
	kfx_call_exit(&k->call);
	free(k->granted);
	free(k->where);
	pthread_mutex_destroy(&k->mmu);
	free(k->there);
	free(k->epc);
	free(k->epcm);
	free(k);
}

void kfx_check(struct kfx *k)
{
	struct sgx_epc_info info;
	const char *why = "";

	if (!sgx_check_invariants(k->sgx, &why))
		FAIL("kernel invariant: %s", why);
	if (!cpu_check_invariants(&k->pkg, &why))
		FAIL("processor invariant: %s", why);
	for (epc_slot_t slot = 0; slot < k->pkg.epc_pages; slot++)
		if (k->there[slot] != k->epcm[slot].valid)
			FAIL("EPC page %u: bytes %u, EPCM valid %u", slot, k->there[slot],
			     k->epcm[slot].valid);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.total, info.free + info.secs + info.va + info.reg + info.tcs + info.leaked +
				     info.poisoned);
	/* What was lost is told at once, and counts until it is freed. */
	CHECK(k->tcs_live == info.tcs || (k->losses && k->tcs_live < info.tcs));
	for (epc_slot_t slot = 0; k->granted && slot < k->pkg.epc_pages; slot++)
		if (k->granted[slot] && !k->epcm[slot].valid)
			FAIL("EPC page %u is free, and somebody sees it", slot);
}

void kfx_check_all_free(struct kfx *k)
{
	struct sgx_epc_info info;

	kfx_check(k);
	sgx_epc_info(k->sgx, &info);
	CHECK_EQ(info.free, k->pkg.epc_pages);
	CHECK_EQ(info.total, k->pkg.epc_pages);
	CHECK_EQ(info.enclaves, 0);
}

/**
 * kfx_user() - the bytes of user memory, whatever the pages lack
 */
void *kfx_user(struct sgx_call *call, uint64_t uaddr, size_t size)
{
	void *bytes = user(call, uaddr, size, 0);

	CHECK(bytes);
	return bytes;
}

void kfx_put(struct sgx_call *call, uint64_t uaddr, const void *data, size_t size)
{
	memcpy(kfx_user(call, uaddr, size), data, size);
}

void kfx_lack(struct sgx_call *call, uint64_t uaddr, uint8_t lacks)
{
	call->lacks[(uaddr - KFX_USER_BASE) / 4096] = lacks;
}

void kfx_secs(struct sgx_secs *secs, uint64_t base, uint64_t size)
{
	memset(secs, 0, sizeof(*secs));
	secs->base = base;
	secs->size = size;
	secs->ssaframesize = 1;
	secs->attributes.flags = SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT;
	secs->attributes.xfrm = 3;
}

void kfx_tcs(struct sgx_tcs *tcs)
{
	memset(tcs, 0, sizeof(*tcs));
	tcs->ossa = 0x1000;
	tcs->nssa = 1;
	tcs->oentry = 0x4000;
	tcs->fslimit = 0xfff;
	tcs->gslimit = 0xfff;
}

void kfx_open(struct kfx *k, struct kfx_encl *e)
{
	memset(e, 0, sizeof(*e));
	e->k = k;
	e->call = &k->call;
	e->encl = sgx_open(k->sgx, e, k->interfaces ? k->interfaces : SGX_INTERFACE_UPSTREAM);
	CHECK(e->encl);
}

void kfx_release(struct kfx_encl *e)
{
	struct kfx *k = e->k;

	/* No mapping is left. */
	pthread_mutex_lock(&k->mmu);
	for (epc_slot_t slot = 0; k->granted && slot < k->pkg.epc_pages; slot++)
		if (k->where[slot].encl == e->encl)
			k->granted[slot] = 0;
	pthread_mutex_unlock(&k->mmu);
	sgx_release(e->encl);
	e->encl = NULL;
}

long kfx_ioctl(struct kfx_encl *e, unsigned int cmd, uint64_t arg)
{
	long ret;

	e->call->why = (struct why){0};
	ret = sgx_ioctl(e->call, e->encl, cmd, arg);
	if (!ret || ret == -KFX_ERESTARTSYS)
		CHECK_EQ(e->call->why.rule, WHY_NOTHING);
	else
		CHECK(e->call->why.rule != WHY_NOTHING);
	return ret;
}

long kfx_create(struct kfx_encl *e, const struct sgx_secs *secs)
{
	struct sgx_enclave_create arg = {.src = KFX_SECS};
	long ret;

	kfx_put(e->call, KFX_SECS, secs, sizeof(*secs));
	kfx_put(e->call, KFX_ARG, &arg, sizeof(arg));
	ret = kfx_ioctl(e, SGX_IOC_ENCLAVE_CREATE, KFX_ARG);
	if (!ret) {
		e->secs = *secs;
		cpu_measure_ecreate(&e->measure, secs->ssaframesize, secs->size);
	}
	return ret;
}

/**
 * kfx_measure() - what EADD and, if asked, EEXTEND of a page add to the measurement
 */
void kfx_measure(struct kfx_encl *e, uint64_t offset, uint64_t secinfo, bool extend,
		 const uint8_t *page)
{
	cpu_measure_eadd(&e->measure, offset, secinfo);
	for (uint64_t at = 0; extend && at < 4096; at += SGX_EEXTEND_SIZE)
		cpu_measure_eextend(&e->measure, offset + at, page + at);
}

long kfx_add(struct kfx_encl *e, uint64_t offset, uint64_t length, uint64_t secinfo, uint64_t flags,
	     uint64_t *count)
{
	struct sgx_enclave_add_pages arg = {
		.src = KFX_SOURCE,
		.offset = offset,
		.length = length,
		.secinfo = KFX_SECINFO,
		.flags = flags,
		.count = 0xdead,
	};
	struct sgx_secinfo_arch info = {.flags = secinfo};
	long ret;

	kfx_put(e->call, KFX_SECINFO, &info, sizeof(info));
	kfx_put(e->call, KFX_ARG, &arg, sizeof(arg));
	ret = kfx_ioctl(e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG);
	memcpy(&arg, kfx_user(e->call, KFX_ARG, sizeof(arg)), sizeof(arg));
	if (count)
		*count = arg.count;
	for (uint64_t at = 0; arg.count != 0xdead && at < arg.count; at += 4096)
		kfx_measure(e, offset + at, secinfo, flags & SGX_PAGE_MEASURE,
			    kfx_user(e->call, KFX_SOURCE + at, 4096));
	return ret;
}

/**
 * kfx_sigstruct() - what would make INIT succeed, but for the signature
 */
void kfx_sigstruct(const struct kfx_encl *e, struct sgx_sigstruct_arch *sig)
{
	memset(sig, 0, sizeof(*sig));
	cpu_sigstruct_init(sig);
	sig->attributes = e->secs.attributes;
	sig->attributemask.flags = ~0ull;
	sig->attributemask.xfrm = ~0ull;
	sig->miscselect = e->secs.miscselect;
	sig->miscmask = ~0u;
	cpu_measure_final(&e->measure, sig->enclavehash);
}

void kfx_sign(struct sgx_sigstruct_arch *sig)
{
	const char *why;

	if (cpu_sigstruct_sign(sig, cpu_test_key, sizeof(cpu_test_key) - 1, &why))
		FAIL("sign: %s", why);
}

/**
 * kfx_sign_other() - sign with the key of another signer
 */
void kfx_sign_other(struct sgx_sigstruct_arch *sig)
{
	const char *why;

	if (cpu_sigstruct_sign(sig, kernel_test_key, sizeof(kernel_test_key) - 1, &why))
		FAIL("sign: %s", why);
}

long kfx_init(struct kfx_encl *e, const struct sgx_sigstruct_arch *sig)
{
	struct sgx_enclave_init arg = {.sigstruct = KFX_SIGSTRUCT};

	kfx_put(e->call, KFX_SIGSTRUCT, sig, sizeof(*sig));
	kfx_put(e->call, KFX_ARG, &arg, sizeof(arg));
	return kfx_ioctl(e, SGX_IOC_ENCLAVE_INIT, KFX_ARG);
}

void kfx_enclave(struct kfx *k, struct kfx_encl *e, bool init)
{
	struct sgx_sigstruct_arch sig;
	struct sgx_secs secs;
	struct sgx_tcs tcs;

	kfx_open(k, e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(e, &secs), 0);
	kfx_tcs(&tcs);
	kfx_put(e->call, KFX_SOURCE, &tcs, sizeof(tcs));
	CHECK_EQ(kfx_add(e, 0x0000, 0x1000, KFX_TCS, SGX_PAGE_MEASURE, NULL), 0);
	CHECK_EQ(kfx_add(e, 0x1000, 0x2000, KFX_REG | KFX_R | KFX_W, SGX_PAGE_MEASURE, NULL), 0);
	CHECK_EQ(kfx_add(e, 0x3000, 0x1000, KFX_REG | KFX_R, 0, NULL), 0);
	CHECK_EQ(kfx_add(e, 0x4000, 0x1000, KFX_REG | KFX_R | KFX_X, SGX_PAGE_MEASURE, NULL), 0);
	if (!init)
		return;
	kfx_sigstruct(e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(e, &sig), 0);
}
