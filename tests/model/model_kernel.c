/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random operations on several enclaves against a second opinion.
 *
 *	model_kernel [--seed N] [--steps N]
 *
 * The second opinion is a flat model of what the driver promises: a table of
 * pages for each enclave and a count of free EPC pages, in which every answer
 * is worked out beforehand.  After each step the invariants of kernel/, of the
 * processor and of the host's memory are checked.  The same seed gives the same
 * steps; a failure names both.
 */
#include "../unit/kernel_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define ENCLS	  5u
#define PAGES	  256u
#define EPC_PAGES 96u
#define SOURCES	  8u

/* Source pages: even ones are a legal TCS too, odd ones are not. */
#define SOURCE_NOEXEC 6u
#define SOURCE_NOREAD 7u

struct model_page {
	uint8_t type, rwx; /* type 0: absent */
};

struct model_encl {
	bool open, created, initialized;
	bool provision; /* allowed since CREATE */
	unsigned int pages;
	struct kfx_encl e;
	struct model_page page[PAGES];
};

static struct kfx *k;
static struct model_encl model[ENCLS];
static unsigned int free_pages = EPC_PAGES;
static uint64_t seed = 1, step, state;

static uint64_t rnd(void)
{
	/* splitmix64 */
	uint64_t z = (state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int limit)
{
	return (unsigned int)(rnd() % limit);
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

static void expect(const char *what, long is, long want)
{
	if (is != want)
		FAIL("seed %llu step %llu: %s is %ld, the model says %ld", (unsigned long long)seed,
		     (unsigned long long)step, what, is, want);
}

/* --- operations ----------------------------------------------------------------------- */

static void op_release(struct model_encl *m)
{
	free_pages += m->pages + m->created; /* and the VA page */
	sgx_release(m->e.encl);
	memset(m, 0, sizeof(*m));
}

static void op_create(struct model_encl *m)
{
	struct sgx_secs secs;
	bool no_memory = one_in(16);
	long want = 0;

	kfx_secs(&secs, KFX_BASE + (uint64_t)(m - model) * PAGES * 4096, 8192ull << below(8));
	if (one_in(8)) {
		secs.base += 4096;
		want = -EIO;
	}
	if (one_in(4))
		secs.attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT;
	if (one_in(4))
		secs.attributes.flags &= ~SGX_ATTR_DEBUG_BIT;
	if (one_in(16)) {
		secs.attributes.xfrm = 1;
		want = -EIO;
	}
	k->encl_memory = no_memory ? -ENOMEM : 0;
	if (!want && no_memory)
		want = -ENOMEM;
	if (free_pages < 2) /* SECS and VA page */
		want = -ENOMEM;
	if (one_in(16)) {
		secs.size += 4096;
		want = -EINVAL;
	}
	if (m->created)
		want = -EINVAL;
	expect("CREATE", kfx_create(&m->e, &secs), want);
	k->encl_memory = 0;
	if (want)
		return;
	m->created = true;
	m->pages = 1;
	free_pages -= 2;
}

static uint64_t random_secinfo(void)
{
	static const uint64_t flags[] = {
		KFX_TCS,
		KFX_TCS,
		KFX_REG,
		KFX_REG | KFX_R,
		KFX_REG | KFX_R | KFX_W,
		KFX_REG | KFX_R | KFX_X,
		KFX_REG | 7,
		KFX_REG | KFX_X,
		/* refused */
		KFX_REG | KFX_W,
		KFX_TCS | KFX_R,
		SGX_PT_SECS,
		SGX_PT_VA << 8,
		KFX_REG | KFX_R | 1 << 3,
		KFX_REG | KFX_R | 1ull << 40,
	};

	return flags[below(one_in(8) ? 14 : 8)];
}

static bool secinfo_ok(uint64_t flags)
{
	if (flags == KFX_TCS)
		return true;
	return (flags & ~7ull) == KFX_REG && (flags & 3) != KFX_W;
}

/* What ADD_PAGES answers; the pages that it adds are in the model afterwards. */
static long predict_add(struct model_encl *m, const struct sgx_enclave_add_pages *arg,
			uint64_t secinfo, int fill_after, int signal_after, uint64_t *count)
{
	unsigned int source = (unsigned int)((arg->src - KFX_SOURCE) / 4096);
	uint64_t index = arg->offset / 4096, pages = arg->length / 4096;

	*count = arg->count;
	if (!m->created || m->initialized)
		return -EINVAL;
	if (arg->src % 4096 || arg->offset % 4096 || arg->length % 4096 || !pages ||
	    index + pages > m->e.secs.size / 4096 || !secinfo_ok(secinfo))
		return -EINVAL;
	*count = 0;
	for (; pages--; index++, source++, *count += 4096) {
		bool tcs = secinfo == KFX_TCS;

		if (!signal_after--)
			return *count ? 0 : -KFX_ERESTARTSYS;
		if (!free_pages)
			return -ENOMEM;
		if (m->page[index].type)
			return -EBUSY;
		if (source == SOURCE_NOEXEC)
			return -EACCES;
		if (source >= SOURCE_NOREAD)
			return -EFAULT;
		if (tcs && source % 2)
			return -EIO;
		if (!fill_after--)
			return -ENOMEM;
		m->page[index].type = tcs ? SGX_PT_TCS : SGX_PT_REG;
		m->page[index].rwx = tcs ? 0 : secinfo & 7;
		m->pages++;
		free_pages--;
		kfx_measure(&m->e, index * 4096, secinfo, arg->flags & SGX_PAGE_MEASURE,
			    kfx_user(m->e.call, KFX_SOURCE + source * 4096, 4096));
	}
	return 0;
}

static void op_add(struct model_encl *m)
{
	struct sgx_enclave_add_pages arg = {
		.src = KFX_SOURCE + below(SOURCES) * 4096ull,
		/* Half of the pages close together, so that they meet */
		.offset =
			below(one_in(2) ? 12 : (unsigned int)(m->e.secs.size / 4096) + 1) * 4096ull,
		.length = (1 + below(one_in(4) ? 9 : 2)) * 4096ull,
		.secinfo = KFX_SECINFO,
		.flags = rnd() & (one_in(2) ? ~0ull : ~1ull),
		.count = 0x1234,
	};
	struct sgx_secinfo_arch secinfo = {.flags = random_secinfo()};
	int fill_after = one_in(16) ? (int)below(4) : -1;
	int signal_after = one_in(8) ? (int)below(4) : -1;
	uint64_t count;
	long want;

	switch (below(24)) {
	case 0:
		arg.src++;
		break;
	case 1:
		arg.offset += 8;
		break;
	case 2:
		arg.length -= one_in(2) ? 4096 : 1;
		break;
	}
	want = predict_add(m, &arg, secinfo.flags, fill_after, signal_after, &count);
	kfx_put(m->e.call, KFX_SECINFO, &secinfo, sizeof(secinfo));
	kfx_put(m->e.call, KFX_ARG, &arg, sizeof(arg));
	k->fill_after = fill_after;
	m->e.call->signal_after = signal_after;
	expect("ADD_PAGES", kfx_ioctl(&m->e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG), want);
	k->fill_after = -1;
	m->e.call->signal_after = -1;
	memcpy(&arg, kfx_user(m->e.call, KFX_ARG, sizeof(arg)), sizeof(arg));
	expect("count", (long)arg.count, (long)count);
}

/* Signing takes milliseconds: a right signature is rare, others are copies of one. */
static void op_init(struct model_encl *m)
{
	static struct sgx_sigstruct_arch other;
	struct sgx_sigstruct_arch sig;
	long want = 0;

	kfx_sigstruct(&m->e, &sig);
	if (!other.exponent || (m->created && !m->initialized && one_in(8))) {
		kfx_sign(&sig);
		if (!other.exponent)
			other = sig;
		if (sig.attributes.flags & SGX_ATTR_PROVISION_KEY_BIT && !m->provision)
			want = -EACCES;
	} else {
		/* Signed for another enclave, or not at all */
		if (one_in(2))
			memcpy(sig.modulus, other.modulus, sizeof(sig.modulus));
		want = -EPERM;
		if (m->e.secs.attributes.flags & SGX_ATTR_PROVISION_KEY_BIT && !m->provision)
			want = -EACCES;
		if (one_in(8)) {
			sig.vendor = 1;
			want = -EINVAL;
		}
	}
	if (!m->created || m->initialized)
		want = -EINVAL;
	expect("INIT", kfx_init(&m->e, &sig), want);
	if (!want)
		m->initialized = true;
}

static void op_provision(struct model_encl *m)
{
	struct sgx_enclave_provision arg = {.fd = KFX_PROVISION_FD - below(2)};

	kfx_put(m->e.call, KFX_ARG, &arg, sizeof(arg));
	expect("PROVISION", kfx_ioctl(&m->e, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG),
	       arg.fd == KFX_PROVISION_FD ? 0 : -EINVAL);
	if (m->created && arg.fd == KFX_PROVISION_FD)
		m->provision = true;
}

/* The base of the model's enclave, created or not, and a page around it */
static uint64_t random_addr(const struct model_encl *m)
{
	return KFX_BASE + (uint64_t)(m - model) * PAGES * 4096 +
	       below(one_in(2) ? 16 : PAGES + 4) * 4096ull - 8192;
}

static const struct model_page *page_at(const struct model_encl *m, uint64_t addr)
{
	static const struct model_page none;

	if (!m->created || addr - m->e.secs.base >= m->e.secs.size)
		return &none;
	return &m->page[(addr - m->e.secs.base) / 4096];
}

static unsigned int max_prot(const struct model_page *page)
{
	if (!page->type)
		return 7;
	return page->type == SGX_PT_TCS ? 3 : page->rwx;
}

static void op_may_map(struct model_encl *m)
{
	uint64_t start = random_addr(m), end = start + (1 + below(12)) * 4096ull;
	unsigned int prot = below(8);
	long want = 0;

	for (uint64_t addr = start; addr < end; addr += 4096) {
		if (prot & ~max_prot(page_at(m, addr)))
			want = -EACCES;
		if (m->initialized && addr - m->e.secs.base >= m->e.secs.size)
			want = -EACCES;
	}
	expect("may_map", sgx_may_map(m->e.encl, start, end, prot, false, NULL), want);
}

static void op_fault(struct model_encl *m)
{
	static const uint32_t access[] = {0, SGX_PF_W, SGX_PF_I};
	static const uint8_t need[] = {KFX_R, KFX_W, KFX_X};
	struct sgx_mm mm = {0};
	unsigned int kind = below(3);
	struct sgx_fault f = {
		.addr = random_addr(m) + below(4096),
		.error_code = SGX_PF_U | access[kind],
		.vm_prot = below(8),
	};
	const struct model_page *page = page_at(m, f.addr);
	/* a fetch without PROT_EXEC is the page tables', not the EPCM's */
	bool fetch_nx = access[kind] == SGX_PF_I && !(f.vm_prot & KFX_X);
	enum sgx_fault_verdict want = SGX_FAULT_RETRY;

	if (!page->type || (f.vm_prot & ~max_prot(page)))
		want = SGX_FAULT_SIGBUS;
	else if (fetch_nx || !(page->rwx & need[kind]))
		want = SGX_FAULT_PF;
	expect("fault", sgx_fault(&mm, m->e.encl, &f), want);
	expect("grants", mm.grants, want == SGX_FAULT_RETRY);
	expect("writable", mm.write, want == SGX_FAULT_RETRY && (page->rwx & KFX_W));
	expect("error code", f.error_code,
	       SGX_PF_U | access[kind] |
		       (want == SGX_FAULT_PF ? SGX_PF_P | (fetch_nx ? 0u : SGX_PF_SGX) : 0u));
}

static void op_access(struct model_encl *m)
{
	uint64_t addr = random_addr(m), data = rnd(), back;
	const struct model_page *page = page_at(m, addr);
	bool debug = m->created && (m->e.secs.attributes.flags & SGX_ATTR_DEBUG_BIT);
	uint32_t prot = below(8);
	int want = debug && page->type && !(prot & ~max_prot(page)) ? 0 : -EFAULT;

	/* Content of regular pages alone: a TCS lets only FLAGS be written. */
	expect("read", sgx_access(m->e.encl, addr, prot, &back, false), want);
	if (page->type == SGX_PT_TCS && !want)
		want = -EIO;
	expect("write", sgx_access(m->e.encl, addr, prot, &data, true), want);
	if (want)
		return;
	expect("read back", sgx_access(m->e.encl, addr, prot, &back, false), 0);
	expect("data", back == data, true);
}

static void op_other(struct model_encl *m)
{
	static const struct {
		unsigned int cmd;
		int ret;
	} cmds[] = {
		{SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, -ENODEV},
		{SGX_IOC_ENCLAVE_MODIFY_TYPES, -ENODEV},
		{SGX_IOC_ENCLAVE_REMOVE_PAGES, -ENODEV},
		{SGX_IOC_VEPC_REMOVE_ALL, -ENOTTY},
		{0xa4ff, -ENOTTY},
	};
	unsigned int i = below(5);

	expect("ioctl", kfx_ioctl(&m->e, cmds[i].cmd, rnd()), cmds[i].ret);
	expect("begin", sgx_ioctl_begin(m->e.encl, NULL), 0);
	expect("busy", kfx_ioctl(&m->e, cmds[i].cmd, rnd()), -EBUSY);
	sgx_ioctl_end(m->e.encl);
}

/* --- a step ------------------------------------------------------------------------------- */

static void check(const struct model_encl *m)
{
	struct sgx_encl_info info;
	struct sgx_epc_info epc;

	kfx_check(k);
	sgx_epc_info(k->sgx, &epc);
	expect("free pages", (long)epc.free, free_pages);
	if (!m->open)
		return;
	sgx_encl_info(m->e.encl, &info);
	expect("EPC pages", (long)info.epc_pages, m->pages + m->created);
	expect("created", info.created, m->created);
	expect("initialized", info.initialized, m->initialized);
}

static void do_step(void)
{
	/* clang-format off */
	static const struct {
		void (*run)(struct model_encl *m);
		unsigned int weight;
	} ops[] = {
		{ op_add, 40 }, { op_create, 8 }, { op_init, 3 }, { op_provision, 3 },
		{ op_may_map, 15 }, { op_fault, 20 }, { op_access, 6 }, { op_other, 4 },
		{ op_release, 1 },
	};
	/* clang-format on */
	struct model_encl *m = &model[below(ENCLS)];
	unsigned int total = 0, pick;

	if (!m->open) {
		kfx_open(k, &m->e);
		m->open = true;
	}
	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		total += ops[i].weight;
	pick = below(total);
	for (unsigned int i = 0;; i++) {
		if (pick < ops[i].weight) {
			ops[i].run(m);
			break;
		}
		pick -= ops[i].weight;
	}
	check(m);
}

static void set_up(void)
{
	struct sgx_tcs tcs;

	k = kfx_new(EPC_PAGES, 2, false);
	kfx_tcs(&tcs);
	for (unsigned int i = 0; i < SOURCES; i++) {
		uint8_t *page = kfx_user(&k->call, KFX_SOURCE + i * 4096, 4096);

		memset(page, (int)(0x11 * i), 4096);
		if (!(i % 2))
			memcpy(page, &tcs, sizeof(tcs));
	}
	kfx_lack(&k->call, KFX_SOURCE + SOURCE_NOEXEC * 4096, KFX_NO_MAYEXEC);
	for (unsigned int i = SOURCE_NOREAD; i < SOURCES + 10; i++)
		kfx_lack(&k->call, KFX_SOURCE + i * 4096, KFX_NO_READ);
}

int main(int argc, char **argv)
{
	uint64_t steps = 200000;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--steps") && i + 1 < argc)
			steps = strtoull(argv[++i], NULL, 0);
		else {
			fprintf(stderr, "usage: %s [--seed N] [--steps N]\n", argv[0]);
			return 2;
		}
	}
	state = seed;
	set_up();
	for (step = 0; step < steps; step++)
		do_step();
	for (unsigned int i = 0; i < ENCLS; i++)
		if (model[i].open)
			op_release(&model[i]);
	kfx_check_all_free(k);
	kfx_free(k);
	printf("seed %llu: %llu steps\n", (unsigned long long)seed, (unsigned long long)steps);
	return 0;
}
