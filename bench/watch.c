/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_TRIES 200u
#define SETTLE_US    10000

/**
 * bed_wrong() - say why a row has no figure
 * @b:	    bed
 * @format: as printf()'s
 *
 * Return: false
 */
bool bed_wrong(struct bed *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(b->row->note, sizeof(b->row->note), format, args);
	va_end(args);
	return false;
}

/**
 * bed_start() - a machine, and probes on it
 * @b:	      filled in
 * @p:	      programs
 * @epc:      as of --epc, a name for it as well
 * @children: 1 or 2
 * @r:	      row that it is for
 *
 * Return: it stands; else nothing does, and the row says why
 */
bool bed_start(struct bed *b, const struct programs *p, const char *epc, unsigned children,
	       struct row *r)
{
	const char *const argv[] = {p->swsgx, "run",	"--machine", b->name,
				    "--",     p->probe, p->key,	     NULL};

	memset(b, 0, sizeof(*b));
	b->p = p;
	b->row = r;
	snprintf(b->name, sizeof(b->name), "bench-%s", epc);
	if (machine_start(p, b->name, epc, NULL))
		return bed_wrong(b, "swsgx machine start failed");
	b->pid = machine_pid(p, b->name);
	while (b->children < children) {
		if (child_start(&b->child[b->children], argv)) {
			bed_end(b);
			return bed_wrong(b, "swsgx run failed");
		}
		b->children++;
	}
	return true;
}

/**
 * bed_end() - all of it goes
 * @b: bed
 */
void bed_end(struct bed *b)
{
	while (b->children)
		child_end(&b->child[--b->children]);
	machine_stop(b->p, b->name);
}

/**
 * bed_ask() - one measurement
 * @b:	    bed
 * @child:  which probe
 * @ns:	    answer, or NULL
 * @sum:    answer, or NULL
 * @format: of the question
 *
 * Return: it was answered
 */
bool bed_ask(struct bed *b, unsigned child, double *ns, uint64_t *sum, const char *format, ...)
{
	char question[64];
	uint64_t unused_sum;
	double unused_ns;
	va_list args;

	va_start(args, format);
	vsnprintf(question, sizeof(question), format, args);
	va_end(args);
	return child_ask(&b->child[child], question, ns ? ns : &unused_ns, sum ? sum : &unused_sum,
			 b->row->note, sizeof(b->row->note));
}

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
	{"total", offsetof(struct epc_counts, total)},
	{"free", offsetof(struct epc_counts, free)},
	{"secs", offsetof(struct epc_counts, secs)},
	{"va", offsetof(struct epc_counts, va)},
	{"tcs", offsetof(struct epc_counts, tcs)},
	{"parked", offsetof(struct epc_counts, parked)},
	{"evicted", offsetof(struct epc_counts, evicted)},
	{"ewb", offsetof(struct epc_counts, ewb)},
	{"eldu", offsetof(struct epc_counts, eldu)},
	{"soft_faults", offsetof(struct epc_counts, soft_faults)},
	{"direct_reclaims", offsetof(struct epc_counts, direct_reclaims)},
};

/* Its EPC's line has them all */
static bool parse(const char *line, struct epc_counts *c)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char key[32];
		const char *at;

		snprintf(key, sizeof(key), "\"%s\": ", fields[i].name);
		at = strstr(line, key);
		if (!at)
			return false;
		*(uint64_t *)(void *)((char *)c + fields[i].offset) =
			strtoull(at + strlen(key), NULL, 10);
	}
	return true;
}

/**
 * bed_count() - what the machine has counted
 * @b: bed
 * @c: answer
 *
 * Return: it said
 */
bool bed_count(struct bed *b, struct epc_counts *c)
{
	char command[512], line[1024];
	bool found = false;
	FILE *f;

	snprintf(command, sizeof(command), "'%s' stat --machine %s --json", b->p->swsgx, b->name);
	f = popen(command, "r");
	if (!f)
		return bed_wrong(b, "swsgx stat failed");
	while (fgets(line, sizeof(line), f))
		if (!found && strstr(line, "\"epc\": {"))
			found = parse(line, c);
	pclose(f);
	return found ? true : bed_wrong(b, "swsgx stat does not say what is paged");
}

/**
 * bed_settle() - wait until enclaves that were closed have given back their pages
 * @b:	  bed
 * @free: pages of EPC that are free then, or more
 * @c:	  answer
 *
 * Return: so it is
 */
bool bed_settle(struct bed *b, uint64_t free, struct epc_counts *c)
{
	for (unsigned i = 0; i < SETTLE_TRIES; i++) {
		if (!bed_count(b, c))
			return false;
		if (c->free >= free)
			return true;
		usleep(SETTLE_US);
	}
	return bed_wrong(b, "the EPC does not become free");
}

/**
 * bed_cpu_ns() - CPU time of the daemon
 * @b: bed
 *
 * Return: nanoseconds, 0: unknown
 */
uint64_t bed_cpu_ns(const struct bed *b)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(b->pid, &clock) || clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}
