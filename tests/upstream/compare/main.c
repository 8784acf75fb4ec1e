/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's SGX driver and kernel/ side by side: docs/UPSTREAM.md.
 *
 *	compare [--mode NAME] [--seed N] [--seeds N] [--steps N] [--seconds N]
 *		[--trace] [--dump] [--shrink] [--answers]
 *
 * Each seed is a process of its own, since upstream's state is global.
 */
#include "compare.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* clang-format off */
const struct cmp_mode cmp_modes[] = {
	{.name = "plain", .about = "EPC enough; leaf by leaf; signals between pages",
	 .encls = 4, .a_pages = 800, .max_pages = 256, .leaves = true},
	{.name = "config", .about = "processors that lack something; leaf by leaf",
	 .encls = 4, .a_pages = 800, .max_pages = 256, .leaves = true, .config = true},
	{.name = "nomem", .about = "allocations that fail, on either side; then the call again",
	 .encls = 4, .a_pages = 800, .max_pages = 256, .nomem = true},
	{.name = "paging", .about = "an EPC that is too small",
	 .encls = 4, .a_pages = 44, .b_pages = 96, .max_pages = 256, .paging = true},
	{.name = "preempt", .about = "paging; ksgxd comes between any two locks",
	 .encls = 4, .a_pages = 44, .b_pages = 96, .max_pages = 256, .paging = true, .preempt = 4},
	{.name = "threads", .about = "preempt; a second thread accesses another enclave meanwhile",
	 .encls = 4, .a_pages = 44, .b_pages = 96, .max_pages = 256, .paging = true, .preempt = 3,
	 .threads = true},
	{.name = "tamper", .about = "paging; what is outside the EPC is changed",
	 .encls = 4, .a_pages = 44, .b_pages = 96, .max_pages = 256, .paging = true, .tamper = true},
	{.name = "tight", .about = "many enclaves in an EPC that is hardly there",
	 .encls = 10, .a_pages = 19, .b_pages = 19, .max_pages = 256, .paging = true},
	{.name = "loss", .about = "sleep states",
	 .encls = 4, .a_pages = 800, .max_pages = 256, .loss = true},
	{.name = "poison", .about = "memory errors",
	 .encls = 4, .a_pages = 800, .max_pages = 256, .poison = true},
	{.name = "big", .about = "enclaves of some thousand pages, of many VA pages; leaf by leaf",
	 .encls = 4, .a_pages = 5000, .max_pages = 2048, .big = true, .leaves = true},
};

static const struct {
	const char *name;
	void (*run)(struct cmp_encl *x);
	unsigned int weight;
	bool with_second; /* in any order with an access to another enclave it gives the same */
} ops[] = {
	{"add", op_add, 30, true}, {"create", op_create, 6, true}, {"init", op_init, 3, true},
	{"provision", op_provision, 3, true}, {"mmap", op_mmap, 12, false},
	{"mprotect", op_mprotect, 6, false}, {"munmap", op_munmap, 3, false},
	{"access", op_access, 40, true}, {"ptrace", op_ptrace, 8, true},
	{"other", op_other, 2, true}, {"release", op_release, 1, false},
	{"fork", op_fork, 1, false}, {"threads", op_threads, 2, false},
	{"sleep", op_sleep, 1, false}, {"tamper", op_tamper, 1, false},
	{"poison", op_poison, 1, false},
};
/* clang-format on */
const unsigned int cmp_mode_count = sizeof(cmp_modes) / sizeof(cmp_modes[0]);

static void run_op(unsigned int i, struct cmp_encl *x)
{
	bool second;

	w.op = ops[i].name;
	if (w.trace)
		printf("step %llu: enclave %ld, %s\n", (unsigned long long)w.step,
		       (long)(x - w.encl), w.op);
	second = w.mode->threads && ops[i].with_second && draw_one_in(2) && second_begin(x);
	leaves_begin();
	ops[i].run(x);
	if (w.mode->leaves)
		leaves_compare();
	if (second)
		second_end();
}

void run_step(uint64_t step)
{
	unsigned int total = 0, pick, n;
	struct cmp_encl *x;

	draw_begin(w.seed, step);
	w.step = step;
	n = draw_below(w.mode->encls);
	x = &w.encl[n];
	w.op = "open";
	if (!x->open)
		encl_open(x, n);
	if (w.mode->preempt)
		up_knobs.preempt_seed = draw();
	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		total += ops[i].weight;
	pick = draw_below(total);
	for (unsigned int i = 0;; i++) {
		if (pick < ops[i].weight) {
			run_op(i, x);
			break;
		}
		pick -= ops[i].weight;
	}
	state_compare(x, step % 16 == 0);
}

void __gcov_dump(void) __attribute__((weak));

static void run_steps(const uint64_t *steps, uint64_t count)
{
	world_begin();
	for (uint64_t i = 0; i < count; i++, w.sh->steps++)
		run_step(steps[i]);
	world_end();
}

static int run_in_child(const uint64_t *steps, uint64_t count, bool quiet)
{
	pid_t pid;
	int status = 0;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (quiet &&
		    (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
			_exit(1);
		run_steps(steps, count);
		fflush(stdout);
		if (__gcov_dump)
			__gcov_dump();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		FAIL("fork: %s", strerror(errno));
	return status;
}

static int run_quietly(const uint64_t *steps, uint64_t count)
{
	return run_in_child(steps, count, true);
}

static void explain(uint64_t *steps, uint64_t count)
{
	/* What came after the step is of no account. */
	for (uint64_t i = 0; i < count; i++)
		if (steps[i] == w.sh->why_step)
			count = i + 1;
	shrink(run_quietly, steps, &count);
	w.trace = w.dump = true;
	run_in_child(steps, count, false);
	w.trace = w.dump = false;
}

static bool one_seed(uint64_t count, bool shrinks)
{
	uint64_t *steps = malloc(count * sizeof(*steps));
	int status;

	if (!steps)
		FAIL("no memory");
	for (uint64_t i = 0; i < count; i++)
		steps[i] = i;
	w.sh->why[0] = 0;
	w.sh->why_step = ~0ull;
	status = run_in_child(steps, count, false);
	if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == CMP_DIFFERS))
		printf("DIFFERS: mode %s, seed %llu: the process ended with status %x\n",
		       w.mode->name, (unsigned long long)w.seed, (unsigned int)status);
	if (status && shrinks)
		explain(steps, count);
	free(steps);
	return !status;
}

static void report(uint64_t seeds, uint64_t bad, double seconds)
{
	const struct cmp_shared *sh = w.sh;

	printf("%llu seeds, %llu with a difference; %llu steps in %.1f s\n",
	       (unsigned long long)seeds, (unsigned long long)bad, (unsigned long long)sh->steps,
	       seconds);
	printf("upstream's leaves %llu, switches of threads %llu; EWB %llu/%llu, ELDU %llu/%llu, "
	       "steps with the SECS out %llu/%llu (upstream/swsgx)\n",
	       (unsigned long long)sh->leaves, (unsigned long long)sh->switches,
	       (unsigned long long)sh->ewb[1], (unsigned long long)sh->ewb[0],
	       (unsigned long long)sh->eldu[1], (unsigned long long)sh->eldu[0],
	       (unsigned long long)sh->secs_out[1], (unsigned long long)sh->secs_out[0]);
	printf("most pages of an enclave %llu; tampered with %llu; allocations that failed "
	       "%llu/%llu; seeds that ended at the known difference 5: %llu\n",
	       (unsigned long long)sh->most_pages, (unsigned long long)sh->tampered,
	       (unsigned long long)sh->failed_allocs[1], (unsigned long long)sh->failed_allocs[0],
	       (unsigned long long)sh->known[KNOWN_FULL]);
}

static void answers(void)
{
	for (unsigned int i = 0; i < CMP_ANSWERS && w.sh->answers[i].what[0]; i++)
		printf("answer\t%s\t%ld\t%llu\n", w.sh->answers[i].what, w.sh->answers[i].answer,
		       (unsigned long long)w.sh->answers[i].count);
}

static void usage(FILE *to)
{
	fputs("usage: compare [OPTION...]\n"
	      "Linux's SGX driver and swsgx's, asked the same.\n\n"
	      "  --mode NAME    all seeds in this mode; else each mode in turn:\n",
	      to);
	for (unsigned int i = 0; i < cmp_mode_count; i++)
		fprintf(to, "      %-10s %s\n", cmp_modes[i].name, cmp_modes[i].about);
	fputs("  --seed N       the first seed (1)\n"
	      "  --seeds N      so many (1 of each mode)\n"
	      "  --steps N      of each seed (4000)\n"
	      "  --seconds N    seeds until this much time is over\n"
	      "  --trace        says what each step compares\n"
	      "  --dump         with a difference, says what both sides have\n"
	      "  --shrink       after a difference, finds the shortest sequence that has it\n"
	      "  --answers      ends with a table of the answers that were the same\n",
	      to);
	exit(to == stderr ? 2 : 0);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"mode", required_argument, NULL, 'm'},
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'n'},
		{"steps", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 'T'},
		{"trace", no_argument, NULL, 't'},
		{"dump", no_argument, NULL, 'd'},
		{"shrink", no_argument, NULL, 'S'},
		{"answers", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const struct cmp_mode *mode = NULL;
	uint64_t seeds = 0, steps = 4000, done = 0, bad = 0;
	bool shrinks = false, table = false;
	double seconds = 0, began = now();
	int c;

	w.seed = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			for (unsigned int i = 0; i < cmp_mode_count; i++)
				if (!strcmp(cmp_modes[i].name, optarg))
					mode = &cmp_modes[i];
			if (!mode) {
				fprintf(stderr, "compare: there is no mode '%s'\n", optarg);
				usage(stderr);
			}
			break;
		case 's':
			w.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			seeds = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			steps = strtoull(optarg, NULL, 0);
			break;
		case 'T':
			seconds = strtod(optarg, NULL);
			break;
		case 't':
			w.trace = true;
			break;
		case 'd':
			w.dump = true;
			break;
		case 'S':
			shrinks = true;
			break;
		case 'a':
			table = true;
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	w.sh = mmap(NULL, sizeof(*w.sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w.sh == MAP_FAILED)
		FAIL("mmap: %s", strerror(errno));
	if (!seeds)
		seeds = mode ? 1 : cmp_mode_count;
	printf("mode %s, seeds from %llu on, of %llu steps\n", mode ? mode->name : "each",
	       (unsigned long long)w.seed, (unsigned long long)steps);
	for (; seconds > 0 ? now() - began < seconds : done < seeds; done++, w.seed++) {
		w.mode = mode ? mode : &cmp_modes[w.seed % cmp_mode_count];
		if (!one_seed(steps, shrinks))
			bad++;
	}
	report(done, bad, now() - began);
	if (table)
		answers();
	return bad != 0;
}
