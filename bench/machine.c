/* SPDX-License-Identifier: BSD-3-Clause */
/* The command and the machine: what they add to a start, and what they occupy. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_US   20000 /* a private machine goes on ending after its command */
#define GROW_PAGES 16384ul

static const char machine_name[] = "bench";

enum phase {
	BARE,
	HELP,
	JOINED,
	PRIVATE,
	PHASES,
};

struct times {
	double total[PHASES][ROUNDS_MAX]; /* start to end */
	double before[PHASES][ROUNDS_MAX]; /* start to main() */
	double after[PHASES][ROUNDS_MAX]; /* main() to end */
	double true_bare[ROUNDS_MAX], true_run[ROUNDS_MAX];
};

static bool timed(struct times *x, enum phase phase, unsigned round, const char *const *argv)
{
	uint64_t ns, start, at = 0;

	if (run_quiet(argv, &ns, phase == HELP ? NULL : &at, &start))
		return false;
	x->total[phase][round] = (double)ns;
	x->before[phase][round] = (double)at - (double)start;
	x->after[phase][round] = (double)(start + ns) - (double)at;
	usleep(PAUSE_US);
	return true;
}

static bool timed_true(double *ret, const char *const *argv)
{
	uint64_t ns;

	if (run_quiet(argv, &ns, NULL, NULL))
		return false;
	*ret = (double)ns;
	usleep(PAUSE_US);
	return true;
}

static bool round_of(struct times *x, const struct programs *p, unsigned round)
{
	const char *const bare[] = {p->stamp, "9", NULL};
	const char *const help[] = {p->swsgx, "run", "--help", NULL};
	const char *const joined[] = {p->swsgx, "run",	  "--machine", machine_name,
				      "--",	p->stamp, "9",	       NULL};
	const char *const private[] = {p->swsgx, "run", "--", p->stamp, "9", NULL};
	const char *const true_bare[] = {"true", NULL};
	const char *const true_run[] = {p->swsgx, "run", "--", "true", NULL};

	return timed(x, BARE, round, bare) && timed(x, HELP, round, help) &&
	       timed(x, JOINED, round, joined) && timed(x, PRIVATE, round, private) &&
	       timed_true(&x->true_bare[round], true_bare) &&
	       timed_true(&x->true_run[round], true_run);
}

/**
 * machine_start() - a machine that stays until machine_stop()
 * @p:	    programs
 * @name:   of it
 * @epc:    its size
 * @ret_ns: NULL, or how long it took
 *
 * Return: 0 or -errno
 */
int machine_start(const struct programs *p, const char *name, const char *epc, uint64_t *ret_ns)
{
	const char *const argv[] = {p->swsgx, "machine", "start", name, "--epc", epc, NULL};

	return run_quiet(argv, ret_ns, NULL, NULL);
}

/**
 * machine_stop() - whatever runs on it
 * @p:	  programs
 * @name: of it
 */
void machine_stop(const struct programs *p, const char *name)
{
	const char *const argv[] = {p->swsgx, "machine", "stop", name, "--force", NULL};

	(void)run_quiet(argv, NULL, NULL, NULL);
}

static void phases(struct times *x, unsigned rounds, char *text, size_t size)
{
	double main_bare = median(x->before[BARE], rounds);
	double help = median(x->total[HELP], rounds);
	double main_joined = median(x->before[JOINED], rounds);
	double main_private = median(x->before[PRIVATE], rounds);
	double end = median(x->after[PRIVATE], rounds) - median(x->after[BARE], rounds);

	snprintf(text, size,
		 "of it in ms: the command itself %.2f, the machine %.2f, injection, exec and "
		 "ld.so %.2f, the end %.2f",
		 help / 1e6, (main_private - main_joined) / 1e6,
		 (main_joined - help - main_bare) / 1e6, end / 1e6);
}

/**
 * bench_run_true() - what `swsgx run` adds to a program that does nothing
 * @t:	    where rows go
 * @p:	    programs
 * @rounds: of it
 *
 * The parts are differences of medians: of `swsgx run --help`, of a run on a
 * machine that is there already, and of one that makes its own.
 */
void bench_run_true(struct table *t, const struct programs *p, unsigned rounds)
{
	struct row *r = table_add(t, "swsgx run true", "ns");
	struct row *added = table_add(t, "swsgx run true: added", "ns");
	static struct times x;

	r->against = "true";
	strcpy(added->note, "not measured");
	if (machine_start(p, machine_name, "128M", NULL)) {
		strcpy(r->note, "swsgx machine start failed");
		return;
	}
	for (unsigned round = 0; round < rounds; round++) {
		if (!round_of(&x, p, round)) {
			strcpy(r->note, "a program failed");
			goto out;
		}
	}
	r->baseline = median(x.true_bare, rounds);
	r->figure = median(x.true_run, rounds);
	added->figure = r->figure > r->baseline ? r->figure - r->baseline : 0;
	phases(&x, rounds, added->note, sizeof(added->note));
out:
	machine_stop(p, machine_name);
}

/**
 * machine_pid() - from `swsgx machine list`
 * @p:	  programs
 * @name: of a machine
 *
 * Return: its pid; 0: there is none
 */
int machine_pid(const struct programs *p, const char *name)
{
	char command[512], line[256], each[64];
	int pid, found = 0;
	FILE *f;

	snprintf(command, sizeof(command), "'%s' machine list", p->swsgx);
	f = popen(command, "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %d", each, &pid) == 2 && !strcmp(each, name))
			found = pid;
	pclose(f);
	return found;
}

/* A line of /proc/PID/FILE in bytes; less than 0: not to be had */
static double memory_of(int pid, const char *file, const char *field)
{
	size_t length = strlen(field);
	char path[64], line[256];
	double kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, field, length) && line[length] == ':')
			kib = strtod(line + length + 1, NULL);
	fclose(f);
	return kib < 0 ? -1 : kib * 1024;
}

static void grow(struct row *r, struct child *c, int pid)
{
	double ns, anonymous, tables;
	char question[32];
	uint64_t sum;

	/* A small one first: threads, arenas and the connection are not metadata */
	if (!child_ask(c, "grow 64", &ns, &sum, r->note, sizeof(r->note)))
		return;
	anonymous = memory_of(pid, "smaps_rollup", "Anonymous");
	tables = memory_of(pid, "status", "VmPTE");
	snprintf(question, sizeof(question), "grow %lu", GROW_PAGES);
	if (!child_ask(c, question, &ns, &sum, r->note, sizeof(r->note)))
		return;
	if (anonymous < 0 || tables < 0) {
		snprintf(r->note, sizeof(r->note), "/proc/%d/smaps_rollup cannot be read", pid);
		return;
	}
	r->figure = (memory_of(pid, "smaps_rollup", "Anonymous") - anonymous) / GROW_PAGES;
	tables = (memory_of(pid, "status", "VmPTE") - tables) / GROW_PAGES;
	snprintf(r->note, sizeof(r->note),
		 "growth of the daemon's anonymous memory over %lu pages; its page tables %.1f "
		 "bytes a page more",
		 GROW_PAGES, tables);
}

/**
 * bench_metadata() - bytes of the daemon for each EPC page in use
 * @t: where rows go
 * @p: programs
 */
void bench_metadata(struct table *t, const struct programs *p)
{
	const char *const argv[] = {p->swsgx, "run",	"--machine", machine_name,
				    "--",     p->probe, p->key,	     NULL};
	struct row *r = table_add(t, "metadata of an EPC page", "bytes");
	struct child c;
	int pid;

	r->sense = AT_MOST;
	r->limit = 64 + 0.01 * 4096;
	if (machine_start(p, machine_name, "1G", NULL)) {
		strcpy(r->note, "swsgx machine start failed");
		return;
	}
	pid = machine_pid(p, machine_name);
	if (child_start(&c, argv)) {
		strcpy(r->note, "swsgx run failed");
	} else {
		grow(r, &c, pid);
		child_end(&c);
	}
	machine_stop(p, machine_name);
}

/**
 * bench_large() - a machine with 64 GiB of EPC
 * @t:	    where rows go
 * @p:	    programs
 * @rounds: of it
 */
void bench_large(struct table *t, const struct programs *p, unsigned rounds)
{
	struct row *r = table_add(t, "machine with 64 GiB of EPC, start", "s");
	struct row *m = table_add(t, "machine with 64 GiB of EPC, private memory", "KiB");
	double ready[ROUNDS_MAX], small[ROUNDS_MAX], memory[2] = {0};

	r->sense = AT_MOST;
	r->limit = 1;
	m->against = "a machine of 128 MiB";
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned large = 0; large < 2; large++) {
			uint64_t ns;

			if (machine_start(p, machine_name, large ? "64G" : "128M", &ns)) {
				strcpy(r->note, "swsgx machine start failed");
				strcpy(m->note, r->note);
				return;
			}
			(large ? ready : small)[round] = (double)ns / 1e9;
			memory[large] = memory_of(machine_pid(p, machine_name), "smaps_rollup",
						  "Anonymous");
			machine_stop(p, machine_name);
		}
	}
	r->figure = median(ready, rounds);
	snprintf(r->note, sizeof(r->note), "a machine of 128 MiB: %.4f s", median(small, rounds));
	m->figure = memory[1] < 0 ? -1 : memory[1] / 1024;
	m->baseline = memory[0] / 1024;
	if (m->figure < 0)
		strcpy(m->note, "the daemon's smaps_rollup cannot be read");
}
