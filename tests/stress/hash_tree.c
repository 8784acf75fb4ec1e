/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: swsgx run --epc SIZE -- hash_tree [OPTION...]
 *
 *	--epc-hint SIZE	of the machine's EPC (default 2M)
 *	--heap SIZE	of the enclave (default 8 times the hint)
 *	--seconds N	(default 10)
 *	--threads N	inside at once, one part of the heap each (default 4)
 *	--rate HZ	signals to each thread (default 1000; 0: none)
 *	--seed N	(default: random; it is printed)
 *	--batch N	operations of one entry, at most (default 400)
 *	--progress N	a line all these seconds (default 10)
 *	--fork		a child runs one half of the parts, in the same enclave
 *	--kills N	... and is killed inside that many times, and made anew
 *
 * Threads inside an enclave that is larger than the EPC verify and rewrite pages of
 * its heap, which are the leaves of hash trees: hash_tree.h.  Lost writes, pages of
 * another time or place and broken registers end it with status 1 and a line that
 * says which.  Operations follow from the seed; when pages go and come does not.
 *
 * A child that is killed leaves its TCSs behind with SSA frames in use, as on
 * hardware; the next one has its own.
 */
#include "hash_tree.h"

#include "encl.h"

#include <errno.h>
#include <harness/harness.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define PARTS_MAX 64
#define SIG_TIMER (SIGRTMIN + 3)

extern const uint8_t ht_entry[];
extern const uint8_t __start_hash_tree[], __stop_hash_tree[];

/* One part of the heap, whoever works on it.  Shared by parent and child. */
struct part {
	struct ht_call call;
	atomic_ullong signals, aexs, entries;
};

struct shared {
	struct part part[PARTS_MAX];
	atomic_bool stop;
};

struct worker {
	pthread_t thread;
	unsigned int part, tcs;
	enum ht_op first; /* before all else; HT_RUN: nothing */
	bool run; /* after it: until the end, and check */
};

static unsigned int parts = 4;
static unsigned int batch = 400;
static uint64_t rate = 1000, seed;
static struct encl e;
static struct shared *shared;
static __thread struct part *self;
static __thread uint64_t self_tcs;

/* --- options ----------------------------------------------------------------------------------- */

static uint64_t option(int argc, char **argv, const char *name, uint64_t dflt)
{
	char *end;
	uint64_t n;

	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], name) != 0)
			continue;
		n = strtoull(argv[i + 1], &end, 0);
		if (*end == 'K')
			n <<= 10;
		else if (*end == 'M')
			n <<= 20;
		else if (*end == 'G')
			n <<= 30;
		else if (*end)
			FAIL("%s %s: not a number", name, argv[i + 1]);
		return n;
	}
	return dflt;
}

static bool flag(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return false;
}

/* --- what went wrong -------------------------------------------------------------------------- */

static void report(const struct ht_call *call)
{
	static const char *const what[HT_WHATS] = {
		[HT_WORD] = "a word of the page",
		[HT_LEAF] = "its leaf",
		[HT_NODE] = "a node, of its children",
		[HT_NODE_BROKEN] = "a node's check word",
		[HT_ROOT] = "the root",
		[HT_HOT_WORD] = "a word of a hot page",
		[HT_VECTOR] = "a vector register",
		[HT_SHADOW] = "the shadow outside",
	};
	const struct ht_error *r = &call->error;

	fprintf(stderr,
		"hash_tree: thread %llu, op %llu, seed %#llx: part %llu page %llu at %#llx: %s "
		"(%llu): expected %#llx, found %#llx\n",
		(unsigned long long)call->part, (unsigned long long)r->op,
		(unsigned long long)call->seed, (unsigned long long)r->part,
		(unsigned long long)r->page,
		(unsigned long long)(call->heap + (r->part * call->part_pages + r->page) * HT_PAGE),
		r->what < HT_WHATS ? what[r->what] : "?", (unsigned long long)r->word,
		(unsigned long long)r->expected, (unsigned long long)r->found);
	if (r->what == HT_WORD)
		fprintf(stderr, "hash_tree: the page has version %llu, should have %llu\n",
			(unsigned long long)r->found_version, (unsigned long long)r->version);
	fprintf(stderr, "hash_tree: enclave at %#llx, process %d\n", (unsigned long long)e.base,
		getpid());
	_exit(1);
}

/* --- threads inside ---------------------------------------------------------------------------- */

static void on_timer(int sig, siginfo_t *info, void *uc)
{
	const greg_t *regs = ((ucontext_t *)uc)->uc_mcontext.gregs;

	(void)sig;
	atomic_fetch_add(&self->signals, 1 + (unsigned int)info->si_overrun);
	/* what AEX leaves */
	if (regs[REG_RAX] == SGX_ERESUME && (uint64_t)regs[REG_RBX] == self_tcs)
		atomic_fetch_add(&self->aexs, 1);
}

static void enter(const struct worker *w, enum ht_op op, uint64_t count)
{
	struct ht_call *call = &self->call;
	struct encl_op o;

	call->op = op;
	call->count = count;
	atomic_fetch_add(&self->entries, 1);
	o = encl_enter(&e, w->tcs, SGX_EENTER, (uint64_t)call, 0, 0, 0, 0);
	if (call->error.what)
		report(call);
	if (o.run.function != SGX_EEXIT)
		FAIL("thread %u, op %llu, seed %#llx: exception %u, error code %#x, address "
		     "%#llx, leaf %u",
		     w->part, (unsigned long long)call->done, (unsigned long long)seed,
		     o.run.exception_vector, o.run.exception_error_code,
		     (unsigned long long)o.run.exception_addr, o.run.function);
}

static timer_t start_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIG_TIMER};
	struct itimerspec period = {{0, 0}, {0, 0}};
	timer_t timer;

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	CHECK_SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
	if (rate)
		period.it_interval.tv_nsec = (long)(999999999 / rate);
	period.it_value = period.it_interval;
	CHECK_SYS(timer_settime(timer, 0, &period, NULL));
	return timer;
}

static void *work(void *arg)
{
	const struct worker *w = arg;
	timer_t timer;

	self = &shared->part[w->part];
	self_tcs = encl_tcs(&e, w->tcs);
	timer = start_timer();
	enter(w, w->first, 0);
	while (w->run && !atomic_load(&shared->stop)) {
		uint64_t n = self->call.done;

		enter(w, HT_RUN, 1 + ht_mix(seed ^ n << 8 ^ w->part) % batch);
	}
	if (w->run)
		enter(w, HT_CHECK, 0);
	CHECK_SYS(timer_delete(timer));
	return NULL;
}

static void start(struct worker *w, unsigned int from, unsigned int to, unsigned int tcs,
		  enum ht_op first, bool run)
{
	for (unsigned int i = from; i < to; i++) {
		w[i] = (struct worker){
			.part = i, .tcs = tcs + i - from, .first = first, .run = run};
		CHECK_EQ(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
}

static void join(struct worker *w, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		CHECK_EQ(pthread_join(w[i].thread, NULL), 0);
}

/* --- the enclave -------------------------------------------------------------------------------- */

static void entry_hook(struct encl *encl, unsigned int i, struct sgx_tcs *tcs)
{
	(void)encl;
	(void)i;
	tcs->oentry = ENCL_CODE + (uint64_t)(ht_entry - __start_hash_tree);
}

static void *share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void build(uint64_t heap, unsigned int tcs_count)
{
	static uint8_t code[ENCL_CODE_SIZE] __attribute__((aligned(4096)));
	uint64_t part_pages = heap / HT_PAGE / parts, leaves = 1, data;
	ht_shadow *shadow;

	while (leaves < part_pages)
		leaves <<= 1;
	data = part_pages - HT_HOT - 2 * leaves * HT_NODE_STRIDE / HT_PAGE;
	shadow = share(parts * data * sizeof(*shadow));
	shared = share(sizeof(*shared));
	CHECK((size_t)(__stop_hash_tree - __start_hash_tree) <= sizeof(code));
	memcpy(code, __start_hash_tree, (size_t)(__stop_hash_tree - __start_hash_tree));
	encl_build(&e, &(struct encl_opts){.tcs_count = tcs_count,
					   .heap = heap,
					   .xfrm = encl_xfrm(),
					   .code = code,
					   .tcs_hook = entry_hook});
	for (unsigned int i = 0; i < parts; i++)
		shared->part[i].call = (struct ht_call){.seed = seed,
							.part = i,
							.parts = parts,
							.heap = e.heap,
							.part_pages = part_pages,
							.data = data,
							.leaves = leaves,
							.shadow = shadow};
	printf("hash_tree: seed %#llx, heap %llu KiB, %u parts of %llu pages and their trees\n",
	       (unsigned long long)seed, (unsigned long long)heap >> 10, parts,
	       (unsigned long long)data);
	fflush(stdout);
}

/* --- the clock ----------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void counters(const char *when)
{
	uint64_t ops = 0, verified = 0, rewritten = 0, others = 0, passed_over = 0, healed = 0;
	uint64_t signals = 0, aexs = 0, entries = 0, hot = 0;

	for (unsigned int i = 0; i < parts; i++) {
		const volatile struct ht_call *call = &shared->part[i].call;

		ops += call->done;
		verified += call->verified;
		rewritten += call->rewritten;
		others += call->others;
		passed_over += call->passed_over;
		healed += call->healed;
		hot += call->hot;
		signals += atomic_load(&shared->part[i].signals);
		aexs += atomic_load(&shared->part[i].aexs);
		entries += atomic_load(&shared->part[i].entries);
	}
	printf("hash_tree: %s: %llu operations, %llu pages verified, %llu rewritten, %llu of "
	       "others "
	       "(%llu passed over), %llu healed, %llu hot writes; %llu entries, %llu signals, %llu "
	       "of them inside\n",
	       when, (unsigned long long)ops, (unsigned long long)verified,
	       (unsigned long long)rewritten, (unsigned long long)others,
	       (unsigned long long)passed_over, (unsigned long long)healed, (unsigned long long)hot,
	       (unsigned long long)entries, (unsigned long long)signals, (unsigned long long)aexs);
	fflush(stdout);
}

struct run {
	uint64_t begin, end, progress, next;
};

/* Until @until or the end.  Return: is there time left? */
static bool wait_until(struct run *r, uint64_t until)
{
	struct timespec ts = {0, 2000000};
	char when[32];

	while (now_ns() < until && now_ns() < r->end) {
		nanosleep(&ts, NULL);
		if (now_ns() < r->next)
			continue;
		r->next += r->progress;
		snprintf(when, sizeof(when), "%llu s",
			 (unsigned long long)((now_ns() - r->begin) / 1000000000));
		counters(when);
	}
	return now_ns() < r->end;
}

/* --- another process in the enclave -------------------------------------------------------------- */

static pid_t spawn(struct worker *w, unsigned int tcs, enum ht_op first)
{
	unsigned int half = parts / 2;
	pid_t pid = fork();

	CHECK_SYS(pid);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	start(w, half, parts, tcs, first, true);
	join(w, half, parts);
	_exit(0);
}

static void reap(pid_t pid, bool killed)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("seed %#llx: the other process ended with wait status %#x",
		     (unsigned long long)seed, (unsigned int)status);
}

/* The child has the upper half of the parts, and TCSs that nobody else had. */
static void two_processes(struct run *r, struct worker *w, unsigned int kills)
{
	unsigned int half = parts / 2, tcs = half;
	uint64_t at, each = (r->end - r->begin) / (kills + 1);
	pid_t pid;

	start(w, 0, half, 0, HT_RUN, true);
	pid = spawn(w, tcs, HT_RUN);
	for (unsigned int n = 0; n < kills; n++) {
		at = r->begin + n * each + ht_mix(seed + n) % each;
		if (!wait_until(r, at))
			break;
		CHECK_SYS(kill(pid, SIGKILL));
		reap(pid, true);
		tcs += parts - half;
		pid = spawn(w, tcs, HT_RECOVER);
	}
	wait_until(r, r->end);
	atomic_store(&shared->stop, true);
	join(w, 0, half);
	reap(pid, false);
	/* what the other process has left, seen from here */
	start(w, half, parts, 0, HT_CHECK, false);
	join(w, half, parts);
}

int main(int argc, char **argv)
{
	uint64_t heap = option(argc, argv, "--heap", 8 * option(argc, argv, "--epc-hint", 2 << 20));
	uint64_t seconds = option(argc, argv, "--seconds", 10);
	unsigned int kills = (unsigned int)option(argc, argv, "--kills", 0);
	bool two = kills || flag(argc, argv, "--fork");
	struct sigaction act = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
	static struct worker workers[PARTS_MAX];
	struct run r;

	parts = (unsigned int)option(argc, argv, "--threads", parts);
	batch = (unsigned int)option(argc, argv, "--batch", batch);
	rate = option(argc, argv, "--rate", rate);
	seed = option(argc, argv, "--seed", ht_mix(now_ns() ^ (uint64_t)getpid() << 32));
	r.progress = option(argc, argv, "--progress", 10) * 1000000000;
	heap = heap / ENCL_DATA_SIZE * ENCL_DATA_SIZE;
	if (parts < (two ? 2u : 1u) || parts > PARTS_MAX || !batch || !r.progress ||
	    heap / HT_PAGE < 16 * parts)
		FAIL("usage: see the source");
	sigemptyset(&act.sa_mask);
	CHECK_SYS(sigaction(SIG_TIMER, &act, NULL));
	build(heap, two ? parts / 2 + (kills + 1) * (parts - parts / 2) : parts);

	start(workers, 0, parts, 0, HT_FILL, false);
	join(workers, 0, parts);
	r.begin = now_ns();
	r.next = r.begin + r.progress;
	r.end = r.begin + seconds * 1000000000;
	if (two) {
		two_processes(&r, workers, kills);
	} else {
		start(workers, 0, parts, 0, HT_RUN, true);
		wait_until(&r, r.end);
		atomic_store(&shared->stop, true);
		join(workers, 0, parts);
	}
	counters("the end, all is there");
	encl_free(&e);
	return 0;
}
