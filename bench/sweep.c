/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heaps that are larger than the EPC: which touches fault, who gets ahead, and
 * whether the EPC's size tells.
 */
#include "trace.h"
#include "watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEED	       1u
#define CODE_PAGES     3u /* of the enclave: two of the SSA, one of code */
#define SETTLED_ROUNDS 7u

/* --- the share of touches that fault ---------------------------------------------- */

static const char *const epc_size[] = {"32M", "128M"};

#define SIZES (sizeof(epc_size) / sizeof(epc_size[0]))

/* clang-format off */
static const char *const fit_name[SIZES] = {
	"0.9 x EPC of 32 MiB: faults, once warm",
	"0.9 x EPC of 128 MiB: faults, once warm",
};
static const char *const share_name[SIZES][2] = {
	{ "2 x EPC of 32 MiB, sweep: ELDU faults", "2 x EPC of 32 MiB, Zipf 0.99: ELDU faults" },
	{ "2 x EPC of 128 MiB, sweep: ELDU faults", "2 x EPC of 128 MiB, Zipf 0.99: ELDU faults" },
};
/* clang-format on */

/* ns[kind]: of a touch */
static bool fit(struct bed *b, double ns[2])
{
	struct epc_counts before, after;
	uint64_t heap, sum;

	if (!bed_count(b, &before))
		return false;
	heap = before.total * 9 / 10;
	/* all of them, twice, and what each kind of trace makes of it */
	if (!bed_ask(b, 0, NULL, NULL, "heap %" PRIu64, heap) ||
	    !bed_ask(b, 0, NULL, NULL, "touch 0 %" PRIu64, 2 * heap) || !bed_count(b, &before))
		return false;
	for (unsigned kind = 0; kind < 2; kind++) {
		if (!bed_ask(b, 0, NULL, NULL, "trace %u %u", kind, kind ? SEED : 0) ||
		    !bed_ask(b, 0, NULL, &sum, "walk %" PRIu64, 10 * heap))
			return false;
		ns[kind] = (double)sum / (double)(10 * heap);
	}
	if (!bed_count(b, &after))
		return false;
	b->row->figure =
		(double)(after.eldu - before.eldu + after.soft_faults - before.soft_faults);
	snprintf(b->row->note, sizeof(b->row->note),
		 "of %" PRIu64 " touches; a touch takes %.1f ns in a sweep, %.1f ns by Zipf",
		 20 * heap, ns[TRACE_SWEEP], ns[TRACE_ZIPF]);
	return true;
}

/* @fits: ns of a touch in a heap that fits */
static bool share(struct bed *b, enum trace_kind kind, double fits)
{
	/* A sweep is all the same; the other takes a while until the popular are in */
	uint64_t heap, warm, count, sum;
	struct epc_counts before, after;
	struct trace t;
	double lru;

	if (!bed_count(b, &before))
		return false;
	heap = 2 * before.total;
	warm = kind == TRACE_ZIPF ? 4 * heap : heap / 2;
	count = kind == TRACE_ZIPF ? 6 * heap : heap < 32768 ? heap : 32768;
	if (!bed_ask(b, 0, NULL, NULL, "heap %" PRIu64, heap) ||
	    !bed_ask(b, 0, NULL, NULL, "trace %u %u", kind, kind == TRACE_ZIPF ? SEED : 0) ||
	    !bed_ask(b, 0, NULL, NULL, "walk %" PRIu64, warm) || !bed_count(b, &before) ||
	    !bed_ask(b, 0, NULL, &sum, "walk %" PRIu64, count) || !bed_count(b, &after))
		return false;
	if (trace_begin(&t, kind, (uint32_t)heap, kind == TRACE_ZIPF ? SEED : 0))
		return bed_wrong(b, "no memory");
	lru = trace_lru(&t,
			(uint32_t)(after.total - after.secs - after.va - after.tcs - CODE_PAGES),
			warm, count);
	trace_end(&t);
	if (lru < 0)
		return bed_wrong(b, "no memory");
	b->row->figure = 100 * (double)(after.eldu - before.eldu) / (double)count;
	b->row->baseline = 100 * lru;
	snprintf(b->row->note, sizeof(b->row->note),
		 "soft faults %.2f %%; a touch takes %.2f us, a heap that fits is %.0f times as "
		 "fast",
		 100 * (double)(after.soft_faults - before.soft_faults) / (double)count,
		 (double)sum / (double)count / 1e3, (double)sum / (double)count / fits);
	return true;
}

static void shares(struct table *t, const struct programs *p, unsigned size)
{
	struct row *r = table_add(t, fit_name[size], "");
	double ns[2];
	struct bed b;

	r->sense = AT_MOST;
	r->limit = 0;
	if (!bed_start(&b, p, epc_size[size], 1, r))
		return;
	if (!fit(&b, ns))
		ns[0] = ns[1] = 1;
	bed_end(&b);
	for (unsigned kind = 0; kind < 2; kind++) {
		r = table_add(t, share_name[size][kind], "%");
		r->against = "an exact LRU on the same trace";
		r->sense = AT_MOST;
		r->limit = 1.1;
		if (!bed_start(&b, p, epc_size[size], 1, r))
			return;
		(void)share(&b, (enum trace_kind)kind, ns[kind]);
		bed_end(&b);
	}
}

/* --- two processes ------------------------------------------------------------------ */

#define RACE_MS 2000u

static bool race(struct bed *b)
{
	struct row *r = b->row;
	struct epc_counts c;
	double ns[2];
	uint64_t pages[2];
	char question[32];

	if (!bed_count(b, &c))
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (!bed_ask(b, i, NULL, NULL, "heap %" PRIu64, c.total))
			return false;
	snprintf(question, sizeof(question), "race %u", RACE_MS);
	for (unsigned i = 0; i < 2; i++)
		child_say(&b->child[i], question);
	for (unsigned i = 0; i < 2; i++)
		if (!child_hear(&b->child[i], question, &ns[i], &pages[i], r->note,
				sizeof(r->note)))
			return false;
	r->figure = ns[0] > ns[1] ? ns[0] : ns[1];
	r->baseline = ns[0] > ns[1] ? ns[1] : ns[0];
	snprintf(r->note, sizeof(r->note), "%" PRIu64 " and %" PRIu64 " pages in %u s", pages[0],
		 pages[1], RACE_MS / 1000);
	return true;
}

static void two(struct table *t, const struct programs *p)
{
	struct row *r = table_add(t, "two processes sweep 2 x half an EPC: a page", "ns");
	struct bed b;

	r->against = "the faster of the two";
	r->sense = AT_LEAST;
	r->limit = 0.8;
	if (!bed_start(&b, p, "32M", 2, r))
		return;
	(void)race(&b);
	bed_end(&b);
}

/* --- the size of the EPC ------------------------------------------------------------ */

/*
 * A sweep of 2 x EPC is the same everywhere, once it goes round: the page that is
 * wanted is out and one is evicted for it, and another parked.  So only a part of
 * it is needed: pages at the beginning are out, as many as must have been evicted
 * until the reclaimer parks no more than it evicts.  What will be parked during the
 * sample was touched before, as it had been in a sweep: the pages of
 *
 *	| out: sampled next | out | parked | to be parked: touched | resident |
 *	                                     (in the order of the sweep, which is a ring)
 */
#define SAMPLE 4096u
#define SLACK  64u /* pages by which this picture may be wrong */

static const struct size {
	const char *epc, *name;
	unsigned mib, out_pages; /* of EPC; evicted at the start */
} sizes[] = {
	{"32M", NULL, 32, 8192},
	{"256M", "fault and eviction, sweep, EPC of 256 MiB", 256, 8192},
	{"1G", "fault and eviction, sweep, EPC of 1 GiB", 1024, 8192},
	{"4G", "fault and eviction, sweep, EPC of 4 GiB", 4096, 32768},
	{"16G", "fault and eviction, sweep, EPC of 16 GiB", 16384, 131072},
};

#define SWEEP_SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct sweep {
	struct bed b;
	bool stands;
	uint64_t heap, out, parked, at;
	double ns[SETTLED_ROUNDS];
};

static bool sweep_start(struct sweep *s, const struct programs *p, const struct size *size,
			struct row *r)
{
	struct epc_counts c;

	if (!bed_start(&s->b, p, size->epc, 1, r))
		return false;
	s->stands = true;
	s->at = 0;
	if (!bed_count(&s->b, &c))
		return false;
	s->heap = c.total + size->out_pages;
	if (!bed_ask(&s->b, 0, NULL, NULL, "heap %" PRIu64, s->heap) || !bed_count(&s->b, &c))
		return false;
	s->out = c.evicted;
	s->parked = c.parked;
	return true;
}

static bool sweep_round(struct sweep *s, unsigned round)
{
	uint64_t next = (s->at + s->out + s->parked + SLACK) % s->heap, sum;
	struct epc_counts before, after;

	if (!bed_ask(&s->b, 0, NULL, NULL, "touch %" PRIu64 " %u", next, SAMPLE - SLACK) ||
	    !bed_count(&s->b, &before) ||
	    !bed_ask(&s->b, 0, NULL, &sum, "touch %" PRIu64 " %u", s->at, SAMPLE) ||
	    !bed_count(&s->b, &after))
		return false;
	s->at += SAMPLE;
	s->ns[round] = (double)sum / SAMPLE;
	if (after.eldu - before.eldu < SAMPLE - SLACK || after.ewb - before.ewb < SAMPLE - SLACK)
		return bed_wrong(&s->b, "%u touches were %" PRIu64 " ELDUs, %" PRIu64 " EWBs",
				 SAMPLE, after.eldu - before.eldu, after.ewb - before.ewb);
	return true;
}

/* In MiB; 0: unknown */
static unsigned memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (unsigned)(kib / 1024);
}

static void by_size(struct table *t, const struct programs *p, unsigned rounds, bool huge)
{
	unsigned count = huge ? SWEEP_SIZES : SWEEP_SIZES - 1;
	static struct sweep s[SWEEP_SIZES];
	static struct row first;
	struct row *row[SWEEP_SIZES];

	for (unsigned i = 0; i < count; i++) {
		struct row *r = row[i] = i ? table_add(t, sizes[i].name, "ns") : &first;

		r->against = "the same with 32 MiB";
		r->sense = AT_MOST;
		r->limit = 1.15;
		/* the EPC, what is out of it, and the files' and tables' overhead */
		if (memory_available() < sizes[i].mib + sizes[i].mib / 8 + 512)
			snprintf(r->note, sizeof(r->note), "not enough memory");
		else if (!sweep_start(&s[i], p, &sizes[i], r))
			s[i].heap = 0;
	}
	/* in turns, so that what else the computer does meets all */
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < count; i++)
			if (s[i].heap && !sweep_round(&s[i], round))
				s[i].heap = 0;
	for (unsigned i = 0; i < count; i++) {
		if (s[i].heap)
			row[i]->figure = median(s[i].ns, rounds);
		row[i]->baseline = row[0]->figure;
		if (s[i].stands)
			bed_end(&s[i].b);
	}
	for (unsigned i = 1; i < count; i++)
		if (first.figure <= 0 || !s[0].heap) {
			row[i]->figure = -1;
			memcpy(row[i]->note, first.note, sizeof(first.note));
		}
}

/**
 * bench_sweeps() - heaps larger than the EPC
 * @t:	    where rows go
 * @p:	    programs
 * @rounds: at most
 * @only:   NULL, or a part of the name of those wanted
 * @huge:   also an EPC of 16 GiB
 */
void bench_sweeps(struct table *t, const struct programs *p, unsigned rounds, const char *only,
		  bool huge)
{
	for (unsigned i = 0; i < SIZES; i++)
		if (!only || strstr(fit_name[i], only) || strstr(share_name[i][0], only) ||
		    strstr(share_name[i][1], only))
			shares(t, p, i);
	if (!only || strstr("two processes sweep 2 x half an EPC: a page", only))
		two(t, p);
	if (!only || strstr("fault and eviction, sweep, EPC of", only))
		by_size(t, p, rounds < SETTLED_ROUNDS ? rounds : SETTLED_ROUNDS, huge);
}
