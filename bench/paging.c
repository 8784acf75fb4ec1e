/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A soft fault, an ELDU fault and an eviction, each against its parts, bare.
 *
 * Which page is where follows from the order in which they were added: kernel/
 * takes the oldest first.  The machine's counters say whether it was so; where it
 * was not, there is no figure.
 *
 * The parts of a fault are measured one by one, and as one (bench-probe's "fault"):
 * that is more than their sum, as the touch is run again, caches are cold, and under
 * a hypervisor that shadows page tables each new PTE costs an exit.
 */
#include "watch.h"

#include <inttypes.h>
#include <string.h>

#define ROUNDS	   7u /* each builds a machine and its enclaves */
#define BATCH	   128u /* as of bench-probe's touch */
#define OVERHEAD   200u /* pages left for SECS, VA, TCS, and so that none is evicted */
#define PRESSURE   1024u /* evictions after which as many are parked as are to be */
#define ELDU_PAGES 3072u

enum part {
	SIGBUS_PART,
	SHM_PART,
	COPY_PART,
	GCM_PART,
	EVICT_PART,
	FAULT_PART,
	PARTS,
};

static const char *const part_name[PARTS] = {"sigbus", "shm", "copy", "gcm", "evict", "fault"};

struct faults {
	double part[PARTS][ROUNDS];
	double figure[ROUNDS];
};

/* An enclave that nearly fills the EPC, all of it mapped and used */
static bool fill(struct bed *b, uint64_t *heap, struct epc_counts *c)
{
	if (!bed_count(b, c))
		return false;
	*heap = c->total - OVERHEAD;
	return bed_ask(b, 0, NULL, NULL, "heap %" PRIu64, *heap) &&
	       bed_ask(b, 0, NULL, NULL, "touch 0 %" PRIu64, *heap);
}

/*
 * Another enclave that needs some pages more than there are: the oldest are evicted,
 * and the next are parked.  The first touch of the last page brings what is needed
 * to enter; then come touches of the parked ones, which take no page.
 */
static bool soft_fault(struct bed *b, double *ns)
{
	struct epc_counts before, after;
	uint64_t heap, count;

	if (!fill(b, &heap, &before) || !bed_ask(b, 1, NULL, NULL, "grow %u", PRESSURE) ||
	    !bed_ask(b, 0, NULL, NULL, "touch %" PRIu64 " 1", heap - 1) || !bed_count(b, &before))
		return false;
	if (before.parked < 2 * BATCH)
		return bed_wrong(b, "only %" PRIu64 " pages are parked", before.parked);
	count = (before.parked / BATCH - 1) * BATCH;
	if (!bed_ask(b, 0, ns, NULL, "touch %" PRIu64 " %" PRIu64, before.ewb + 8, count) ||
	    !bed_count(b, &after))
		return false;
	if (after.soft_faults - before.soft_faults < count - 16 || after.eldu != before.eldu)
		return bed_wrong(
			b, "%" PRIu64 " touches were %" PRIu64 " soft faults, %" PRIu64 " ELDUs",
			count, after.soft_faults - before.soft_faults, after.eldu - before.eldu);
	return true;
}

/* Another enclave needs the whole EPC and goes: what is out comes into free pages */
static bool eldu_fault(struct bed *b, double *ns)
{
	struct epc_counts before, after;
	uint64_t heap;

	if (!fill(b, &heap, &before) || !bed_ask(b, 1, NULL, NULL, "grow %" PRIu64, heap) ||
	    !bed_ask(b, 1, NULL, NULL, "grow 0") || !bed_settle(b, heap / 2, &before) ||
	    !bed_ask(b, 0, NULL, NULL, "touch %" PRIu64 " 1", heap - 1) || !bed_count(b, &before) ||
	    !bed_ask(b, 0, ns, NULL, "touch 0 %u", ELDU_PAGES) || !bed_count(b, &after))
		return false;
	if (after.eldu - before.eldu != ELDU_PAGES || after.ewb != before.ewb)
		return bed_wrong(b, "%u touches were %" PRIu64 " ELDUs, %" PRIu64 " EWBs",
				 ELDU_PAGES, after.eldu - before.eldu, after.ewb - before.ewb);
	return true;
}

static bool grow(struct bed *b, unsigned child, uint64_t pages, uint64_t *cpu_ns)
{
	uint64_t start = bed_cpu_ns(b);

	if (!bed_ask(b, child, NULL, NULL, "grow %" PRIu64, pages))
		return false;
	*cpu_ns = bed_cpu_ns(b) - start;
	return start ? true : bed_wrong(b, "no CPU time of the daemon");
}

/*
 * The daemon's CPU time, of all its threads, for ADD_PAGES where an eviction goes
 * with each, less that of the same ADD_PAGES in an EPC with room.  CPU time, since
 * ksgxd evicts while other threads go on; that of a program that sleeps, since what
 * is evicted is another one's.  Its pages have PTEs, of which the eviction has to get
 * rid.  What is outside the EPC grows meanwhile, so that the system's making of its
 * pages is in the figure; in a sweep it would not grow.  Ahead of it as many pages are parked as are to be, so that one is parked for
 * each that is evicted.
 */
static bool eviction(struct bed *b, double *ns)
{
	uint64_t heap, pages, alone, with, unused;
	struct epc_counts before, after;

	if (!bed_count(b, &before))
		return false;
	pages = before.total / 2;
	/* once more, for memory that the daemon had not had */
	if (!grow(b, 1, pages, &unused) || !grow(b, 1, 0, &unused) ||
	    !bed_settle(b, before.free, &after) || !grow(b, 1, pages, &alone) ||
	    !grow(b, 1, 0, &unused) || !bed_settle(b, before.free, &after) ||
	    !fill(b, &heap, &before) || !grow(b, 0, PRESSURE, &unused) || !bed_count(b, &before) ||
	    !grow(b, 1, pages, &with) || !bed_count(b, &after))
		return false;
	if (after.ewb - before.ewb < pages - OVERHEAD || after.eldu != before.eldu)
		return bed_wrong(b, "%" PRIu64 " pages added were %" PRIu64 " EWBs", pages,
				 after.ewb - before.ewb);
	*ns = ((double)with - (double)alone) / (double)(after.ewb - before.ewb);
	return true;
}

/* clang-format off */
static const struct line {
	const char *name;
	const char *epc;
	const char *against;
	bool (*run)(struct bed *b, double *ns);
	enum use { UNUSED, SUMMED, SHOWN } part[PARTS];
	enum sense sense;
	double limit;
} lines[] = {
	{ "soft fault (a parked page is touched)", "32M",
	  "SIGBUS and shared-memory round trips, UFFDIO_COPY", soft_fault,
	  { [SIGBUS_PART] = SUMMED, [SHM_PART] = SUMMED, [COPY_PART] = SUMMED,
	    [FAULT_PART] = SHOWN }, AT_MOST, 1.3 },
	{ "ELDU fault (an evicted page is touched)", "32M",
	  "the same and AES-128-GCM of a page", eldu_fault,
	  { [SIGBUS_PART] = SUMMED, [SHM_PART] = SUMMED, [COPY_PART] = SUMMED,
	    [GCM_PART] = SUMMED }, AT_MOST, 1.3 },
	{ "eviction, CPU time of a page", "64M",
	  "AES-128-GCM, and by 16 pages write-protection, pread, punch", eviction,
	  { [EVICT_PART] = SUMMED }, AT_LEAST, 0.6 },
};
/* clang-format on */

static bool one_round(const struct line *l, const struct programs *p, struct child *bare,
		      struct faults *f, unsigned round, struct row *r)
{
	struct bed b;
	uint64_t sum;
	bool ok;

	for (unsigned i = 0; i < PARTS; i++)
		if (l->part[i] && !child_ask(bare, part_name[i], &f->part[i][round], &sum, r->note,
					     sizeof(r->note)))
			return false;
	if (!bed_start(&b, p, l->epc, 2, r))
		return false;
	ok = l->run(&b, &f->figure[round]);
	bed_end(&b);
	return ok;
}

static void measure(struct table *t, const struct line *l, const struct programs *p,
		    struct child *bare, unsigned rounds)
{
	struct row *r = table_add(t, l->name, "ns");
	static struct faults f;
	char *note = r->note;
	double sum = 0;

	r->against = l->against;
	r->sense = l->sense;
	r->limit = l->limit;
	for (unsigned round = 0; round < rounds; round++)
		if (!one_round(l, p, bare, &f, round, r))
			return;
	for (unsigned i = 0; i < PARTS; i++) {
		double part;

		if (!l->part[i])
			continue;
		part = median(f.part[i], rounds);
		if (l->part[i] == SHOWN) {
			note += sprintf(note, "; as one, with the touch run again: %.2f us",
					part / 1e3);
			continue;
		}
		note += sprintf(note, "%s%s %.2f us", sum > 0 ? " + " : "", part_name[i],
				part / 1e3);
		sum += part;
	}
	if (l->part[EVICT_PART])
		r->note[0] = '\0';
	r->baseline = sum;
	r->figure = median(f.figure, rounds);
}

/**
 * bench_faults() - a page that comes, and one that goes
 * @t:	    where rows go
 * @p:	    programs
 * @rounds: of each, at most
 * @only:   NULL, or a part of the name of those wanted
 */
void bench_faults(struct table *t, const struct programs *p, unsigned rounds, const char *only)
{
	const char *const argv[] = {p->probe, p->key, NULL};
	struct child bare;

	if (child_start(&bare, argv))
		return;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!only || strstr(lines[i].name, only))
			measure(t, &lines[i], p, &bare, rounds < ROUNDS ? rounds : ROUNDS);
	child_end(&bare);
}
