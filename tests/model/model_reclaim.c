/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random enclaves that together are larger than the EPC: building, access, threads
 * that stay inside, kills, sleep, memory errors, backing that does not grow, and
 * tampering with what is outside.  Every access finds what was written last, or is
 * refused because the page was lost; invariants after each step.
 *
 *	model_reclaim [--seed N] [--steps N]
 */
#include "../unit/kernel_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define ENCLS	  5u
#define PAGES	  64u
#define EPC_PAGES 80u
#define RW	  (KFX_REG | KFX_R | KFX_W)

struct shadow {
	bool open, created, initialized;
	bool lost; /* by sleep, or by its SECS */
	struct kfx_encl e;
	uint8_t type[PAGES]; /* 0: absent */
	bool page_lost[PAGES]; /* tampered with, or poisoned */
	uint64_t value[PAGES];
};

static struct kfx *k;
static struct shadow shadow[ENCLS];
static uint64_t seed, state, step, touches, lost_touches;

static uint64_t rnd(void)
{
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

static uint64_t base_of(const struct shadow *s)
{
	return KFX_BASE + (uint64_t)(s - shadow) * PAGES * 4096;
}

static void op_create(struct shadow *s)
{
	struct sgx_secs secs;
	long ret;

	if (s->created)
		return;
	if (!s->open)
		kfx_open(k, &s->e);
	s->open = true;
	kfx_secs(&secs, base_of(s), PAGES * 4096);
	ret = kfx_create(&s->e, &secs);
	/* All others can be evicted: but for poisoned ones there is always room. */
	expect("CREATE", ret, 0);
	s->created = true;
}

static void op_add(struct shadow *s)
{
	unsigned int page = below(PAGES);
	bool tcs = one_in(8), nomem = one_in(20);
	uint64_t value = rnd();
	struct sgx_tcs bytes;
	long ret;

	if (!s->created || s->initialized)
		return;
	kfx_tcs(&bytes);
	kfx_put(s->e.call, KFX_SOURCE, &bytes, sizeof(bytes));
	if (!tcs)
		kfx_put(s->e.call, KFX_SOURCE, &value, sizeof(value));
	k->backing_after = nomem ? 0 : -1;
	ret = kfx_add(&s->e, page * 4096ull, 4096, tcs ? KFX_TCS : RW, 0, NULL);
	k->backing_after = -1;
	if (nomem && ret == -ENOMEM)
		return; /* it depends on whether somebody had to go */
	if (s->type[page])
		expect("ADD_PAGES of a page that is there", ret, -EBUSY);
	else
		expect("ADD_PAGES", ret, s->lost ? -EIO : 0);
	if (ret)
		return;
	s->type[page] = tcs ? SGX_PT_TCS : SGX_PT_REG;
	s->value[page] = value;
}

static void op_init(struct shadow *s)
{
	struct sgx_sigstruct_arch sig;

	if (!s->created || s->initialized || s->lost || !one_in(20))
		return;
	kfx_sigstruct(&s->e, &sig);
	kfx_sign(&sig);
	expect("INIT", kfx_init(&s->e, &sig), 0);
	s->initialized = true;
}

static void op_touch(struct shadow *s)
{
	/* a few pages are hot */
	unsigned int page = one_in(2) ? below(6) : below(PAGES);
	uint64_t value = rnd();
	enum sgx_fault_verdict verdict;
	bool gone = s->lost || s->page_lost[page];

	if (!s->created || s->type[page] != SGX_PT_REG)
		return;
	verdict = kfx_touch(&s->e, page * 4096ull, gone ? NULL : &s->value[page], &value);
	if (gone) {
		lost_touches++;
		expect("an access to a lost page is refused", verdict != SGX_FAULT_RETRY, true);
		return;
	}
	touches++;
	expect("access", verdict, SGX_FAULT_RETRY);
	s->value[page] = value;
}

static void op_tcs(struct shadow *s)
{
	unsigned int page = below(PAGES);

	if (!s->created || s->type[page] != SGX_PT_TCS || s->lost || s->page_lost[page])
		return;
	/* EENTER on one that is out brings it back; it is no page to read. */
	expect("fault on a TCS", kfx_touch(&s->e, page * 4096ull, NULL, NULL), SGX_FAULT_PF);
}

/* Clients lose sight of what the processor drops, as punching does. */
static void unsee(struct sgx_encl *encl, uint64_t addr)
{
	for (epc_slot_t slot = 0; slot < EPC_PAGES; slot++)
		if (!encl || (k->where[slot].encl == encl && k->where[slot].addr == addr))
			k->granted[slot] = 0;
}

static void op_tamper(struct shadow *s)
{
	unsigned int page = below(PAGES);
	struct kfx_backing *b;

	if (!s->created || s->lost || !one_in(10) || s->type[page] != SGX_PT_REG)
		return;
	b = &s->e.backing[page];
	if (b->state != 1)
		return;
	if (one_in(2))
		b->sealed[below(4096)] ^= (uint8_t)(1u << below(8));
	else
		b->pcmd.mac[below(16)] ^= (uint8_t)(1u << below(8));
	s->page_lost[page] = true;
}

static void op_release(struct shadow *s)
{
	if (!s->open || !one_in(s->lost ? 2 : 60))
		return;
	kfx_release(&s->e);
	memset(s, 0, sizeof(*s));
}

static void op_sleep(struct shadow *s)
{
	uint8_t random[32];

	if (!one_in(50))
		return;
	for (unsigned int i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)rnd();
	unsee(NULL, 0);
	k->losses = true;
	expect("suspend", sgx_suspend(k->sgx, random), 0);
	for (unsigned int i = 0; i < ENCLS; i++)
		shadow[i].lost = shadow[i].created;
}

static void op_poison(struct shadow *s)
{
	unsigned int page = below(PAGES);
	struct sgx_epc_info info;

	sgx_epc_info(k->sgx, &info);
	/* so many that there is room for the SECS and VA pages of all */
	if (!s->created || !one_in(40) || info.poisoned >= 20 || s->type[page] != SGX_PT_REG)
		return;
	for (epc_slot_t slot = 0; slot < EPC_PAGES; slot++) {
		if (k->where[slot].encl != s->e.encl ||
		    k->where[slot].addr != base_of(s) + page * 4096ull)
			continue;
		unsee(s->e.encl, k->where[slot].addr);
		k->losses = true;
		expect("poison", sgx_epc_poison(k->sgx, slot), 0);
		s->page_lost[page] = true;
		return;
	}
}

static void op_thread(struct shadow *s)
{
	k->inside = one_in(2);
	k->thread_epoch = one_in(2) ? k->epoch : 0;
	k->tcs_inside = k->inside && one_in(3);
	/* some that cannot be taken just now */
	k->no_park = one_in(3) ? 3 + below(4) : 0;
}

static void do_step(void)
{
	/* clang-format off */
	static const struct {
		void (*run)(struct shadow *s);
		unsigned int weight;
	} ops[] = {
		{ op_create, 3 }, { op_add, 25 }, { op_init, 2 }, { op_touch, 60 }, { op_tcs, 3 },
		{ op_tamper, 2 }, { op_release, 1 }, { op_sleep, 1 }, { op_poison, 1 },
		{ op_thread, 2 },
	};
	/* clang-format on */
	unsigned int pick = below(100);

	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (pick < ops[i].weight) {
			ops[i].run(&shadow[below(ENCLS)]);
			break;
		}
		pick -= ops[i].weight;
	}
	kfx_check(k);
}

int main(int argc, char **argv)
{
	uint64_t steps = 100000;
	struct sgx_epc_info info;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	seed >>= 1;
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
	printf("seed %llu, %llu steps\n", (unsigned long long)seed, (unsigned long long)steps);
	fflush(stdout);
	state = seed;
	k = kfx_oversub(EPC_PAGES, false);
	k->pkg.config.debug_checks = 0; /* kfx_check() looks after each step */
	for (step = 0; step < steps; step++)
		do_step();
	for (unsigned int i = 0; i < ENCLS; i++)
		if (shadow[i].open)
			kfx_release(&shadow[i].e);
	kfx_check(k);
	sgx_epc_info(k->sgx, &info);
	expect("free pages", (long)(info.free + info.poisoned + info.leaked), EPC_PAGES);
	expect("backing that is kept", k->backings, 0);
	printf("%llu accesses, %llu refused, EWB %llu, ELDU %llu, soft %llu, poisoned %llu, leaked "
	       "%llu\n",
	       (unsigned long long)touches, (unsigned long long)lost_touches,
	       (unsigned long long)info.ewb, (unsigned long long)info.eldu,
	       (unsigned long long)info.soft_faults, (unsigned long long)info.poisoned,
	       (unsigned long long)info.leaked);
	if (steps >= 50000 && (!info.ewb || !info.eldu || !info.soft_faults || !lost_touches))
		expect("something never happened", 1, 0);
	kfx_free(k);
	return 0;
}
