/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same random calls to Linux's driver and to kernel/, each on a processor of its own
 * with the same fuses; what a program or its host can see of both is compared after each
 * step.
 *
 * What a step does is drawn from the seed and the step's number alone, so that steps can
 * be left out of a sequence and the others stay what they are: shrink.c lives by that.
 *
 * "a" is swsgx's, "b" is upstream's, wherever there are two of a thing.
 */
#ifndef COMPARE_COMPARE_H
#define COMPARE_COMPARE_H

#include "../../unit/kernel_fixture.h"
#include "../upstream.h"

#define CMP_ENCLS	  10u
#define CMP_SPACE	  0x4000000ull /* from one enclave's base to the next one's */
#define CMP_MMS		  3u /* address spaces: a process and its children */
#define CMP_SOURCES	  16u
#define CMP_SOURCE_NOEXEC 14u
#define CMP_SOURCE_NOREAD 15u
#define CMP_PAGES_MAX	  4096u
#define CMP_DIFFERS	  3 /* exit status */

/* What a seed is about */
struct cmp_mode {
	const char *name, *about;
	unsigned int encls;
	unsigned int a_pages, b_pages; /* of EPC; upstream keeps 32 to 64 of its free */
	unsigned int max_pages; /* of an enclave that are looked at */
	bool paging; /* which pages are out differs: logical state alone is compared */
	bool leaves; /* the same leaves give the same answers in the same order */
	bool loss, tamper, big, poison, nomem, config, threads;
	unsigned int preempt;
};
extern const struct cmp_mode cmp_modes[];
extern const unsigned int cmp_mode_count;

struct cmp_encl {
	bool open, created, lost;
	bool bad[CMP_PAGES_MAX]; /* tampered with */
	uint64_t next; /* the page after the last one added */
	struct kfx_encl e;
	struct up_file *file;
	uint64_t base;
};

/* Differences that are known: docs/UPSTREAM.md has them by number */
enum cmp_known {
	KNOWN_FULL = 5, /* ENOMEM in an EPC of SECS and VA pages, upstream alone */
	KNOWN_AEXNOTIFY = 10, /* 6.1 does not let it through */
	KNOWN_COUNT = 16,
};

#define CMP_ANSWERS 160
/* What the parent knows of its children: shared memory */
struct cmp_shared {
	uint64_t steps, leaves, ewb[2], eldu[2], secs_out[2], tampered, known[KNOWN_COUNT];
	uint64_t switches, most_pages, failed_allocs[2];
	char why[400];
	uint64_t why_step;
	/* How often an answer was the same on both sides */
	struct {
		char what[24];
		long answer;
		uint64_t count;
	} answers[CMP_ANSWERS];
};

extern struct cmp_world {
	const struct cmp_mode *mode;
	struct cmp_shared *sh;
	struct kfx *k; /* swsgx's */
	struct cpu_package *pkg; /* upstream's */
	struct cmp_encl encl[CMP_ENCLS];
	struct up_mm *mm[CMP_MMS];
	uint64_t seed, step;
	const char *op;
	bool trace, dump, warn_ok;
	int b_signal_after;
} w;

/* --- draw.c ---------------------------------------------------------------------------- */

void draw_begin(uint64_t seed, uint64_t step);
uint64_t draw(void);
unsigned int draw_below(unsigned int limit);
bool draw_one_in(unsigned int n);

/* --- state.c --------------------------------------------------------------------------- */

void differ(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A number that both sides must have; what: which */
void same(const char *what, long a, long b);
/* The same, of an answer that docs/CONFORMANCE.md counts */
void same_answer(const char *what, long a, long b);
void state_compare(struct cmp_encl *x, bool all);
void known_ends(enum cmp_known what) __attribute__((noreturn)); /* the rest of the seed is void */

/* --- leaves.c -------------------------------------------------------------------------- */

void leaves_begin(void);
void leaves_compare(void);
/* kernel/'s allocations until one fails; < 0: never */
extern int a_alloc_after;
extern bool a_runs;

/* --- world.c --------------------------------------------------------------------------- */

void world_begin(void);
void world_end(void);
void encl_open(struct cmp_encl *x, unsigned int n);
void encl_close(struct cmp_encl *x);
struct up_mm *some_mm(void);
uint64_t some_addr(const struct cmp_encl *x);
/* An address that is mapped; 0: none was found.  *prot of the mapping. */
uint64_t mapped_addr(const struct cmp_encl *x, struct up_mm *mm, unsigned int align, int *prot);
void unsee(struct cmp_encl *x, uint64_t start, uint64_t end);
uint8_t *a_bytes(struct cmp_encl *x, uint64_t addr);

/* --- steps ------------------------------------------------------------------------------- */

void op_create(struct cmp_encl *x);
void op_add(struct cmp_encl *x);
void op_init(struct cmp_encl *x);
void op_provision(struct cmp_encl *x);
void op_other(struct cmp_encl *x);
void op_mmap(struct cmp_encl *x);
void op_mprotect(struct cmp_encl *x);
void op_munmap(struct cmp_encl *x);
void op_access(struct cmp_encl *x);
void op_ptrace(struct cmp_encl *x);
void op_fork(struct cmp_encl *x);
void op_release(struct cmp_encl *x);
void op_threads(struct cmp_encl *x);
void op_sleep(struct cmp_encl *x);
void op_tamper(struct cmp_encl *x);
void op_poison(struct cmp_encl *x);
/* A second thread of upstream's accesses another enclave during the step */
bool second_begin(const struct cmp_encl *x);
void second_end(void);

void run_step(uint64_t step);

/* --- shrink.c ---------------------------------------------------------------------------- */

/* Return: wait status of a process that ran these steps */
typedef int (*run_fn)(const uint64_t *steps, uint64_t count);
void shrink(run_fn run, uint64_t *steps, uint64_t *count);

#endif
