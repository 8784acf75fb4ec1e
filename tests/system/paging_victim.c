/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program for faultpoint.c: it comes by every place of the daemon's at which it
 * can be made to die.  Ends with 0 if it was not.  paging_victim [ROUNDS]
 *
 * Two enclaves: one that is used seldom, so that it goes out with its SECS; one that
 * does not fit in and has a thread inside all the time, so that EWB has to kick.
 */
#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define HEAP 320u

static struct encl seldom, large;
static uint64_t stop_word, inside_word;

static void *spin(void *arg)
{
	/* it need not run, only be inside */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
	encl_op(&large, 1, OP_SPIN, (uint64_t)(uintptr_t)&stop_word,
		(uint64_t)(uintptr_t)&inside_word, 0, 0);
	return NULL;
}

/* It is mapped while its pages are added: there is a client when these page. */
static void build(struct encl *e, const struct encl_opts *opts)
{
	encl_open(e, opts);
	CHECK_EQ(encl_create(e), 0);
	encl_map_all(e);
	encl_add_all(e);
	encl_sign(e);
	CHECK_EQ(encl_init(e), 0);
}

static uint64_t page(uint64_t i)
{
	return large.heap + i * ENCL_PAGE;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 2;
	pthread_t thread;

	build(&seldom, &(struct encl_opts){0});
	encl_write8(&seldom, 0, seldom.base + ENCL_DATA, 42);
	build(&large, &(struct encl_opts){.heap = HEAP * ENCL_PAGE, .tcs_count = 2});
	CHECK_EQ(pthread_create(&thread, NULL, spin, NULL), 0);
	while (!__atomic_load_n(&inside_word, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (int round = 0; round < rounds; round++) {
		/* inside, then from outside: then TCS 0 is idle for long */
		for (uint64_t i = 0; i < HEAP; i++)
			encl_op(&large, 0, OP_ADD, page(i), 0, 1, 0);
		for (uint64_t i = 0; i < 2 * HEAP; i++)
			CHECK_EQ(*(volatile uint64_t *)page(i % HEAP), round + 1);
		CHECK_EQ(encl_read8(&seldom, 0, seldom.base + ENCL_DATA), 42);
	}
	__atomic_store_n(&stop_word, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	encl_free(&large);
	encl_free(&seldom);
	return 0;
}
