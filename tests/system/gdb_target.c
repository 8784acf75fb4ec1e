/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program for gdb.py to debug: gdb_target MODE
 *
 * Each mode builds an enclave, calls ready(), enters, and says what came out.
 */
#include "encl.h"

#include <harness/harness.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4u

void ready(void);
extern volatile int watched;
void crash(volatile int *p);
uint64_t add(unsigned int tcs, uint64_t times);

/* gdb.py reads it by name */
struct encl e;

/* A place for breakpoints, once the enclave is there */
__attribute__((noinline)) void ready(void)
{
	__asm__ volatile("" ::: "memory");
}

/* UBSan would say so instead. */
__attribute__((noinline, no_sanitize("undefined"))) void crash(volatile int *p)
{
	*p = 1;
}

/* For debug registers, without an enclave */
volatile int watched;

static void plain(void)
{
	ready();
	watched = 1;
	watched = 2;
}

static uint64_t cell(unsigned int tcs)
{
	return e.base + ENCL_DATA + DATA_SCRATCH + 0x100 + 8 * tcs;
}

/* Return: what the enclave has counted */
__attribute__((noinline)) uint64_t add(unsigned int tcs, uint64_t times)
{
	encl_op(&e, tcs, OP_ADD, cell(tcs), 0, times, 0);
	return encl_read8(&e, tcs, cell(tcs));
}

static void build(uint64_t attributes, unsigned int tcs_count)
{
	encl_build(&e, &(struct encl_opts){.attributes = attributes, .tcs_count = tcs_count});
}

static void once(uint64_t attributes)
{
	build(attributes, 1);
	ready();
	printf("counted %llu\n", (unsigned long long)add(0, 3));
}

static void *thread(void *arg)
{
	unsigned int tcs = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < 5; i++)
		add(tcs, 2);
	return (void *)(uintptr_t)encl_read8(&e, tcs, cell(tcs));
}

static void threads(void)
{
	pthread_t id[THREADS];

	build(0, THREADS);
	ready();
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&id[i], NULL, thread, (void *)(uintptr_t)i), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		void *count;

		CHECK_EQ(pthread_join(id[i], &count), 0);
		printf("thread counted %u\n", (unsigned int)(uintptr_t)count);
	}
}

static void children(const char *self)
{
	int status;
	pid_t pid;

	build(0, 1);
	ready();
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(5);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	printf("child %d\n", WEXITSTATUS(status));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		execl(self, self, "once", NULL);
		_exit(6);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	printf("child that execs %d\n", WEXITSTATUS(status));
	fflush(stdout);
	/* posix_spawn: shares memory until the exec */
	printf("system %d\n", WEXITSTATUS(system("exit 7")));
	printf("counted %llu\n", (unsigned long long)add(0, 3));
}

static void fault(void)
{
	struct encl_op op;

	build(0, 1);
	ready();
	op = encl_enter_fixed(&e, 0, SGX_EENTER, OP_WRITE8, e.base + ENCL_RO, 1, 0, 0);
	printf("vector %u\n", op.run.exception_vector);
}

static void exec(const char *self)
{
	/* one that fails, first */
	CHECK_EQ(execl("/", "/", NULL), -1);
	execl(self, self, "once", NULL);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "once"))
		once(0);
	else if (!strcmp(mode, "production"))
		once(SGX_ATTR_MODE64_BIT);
	else if (!strcmp(mode, "threads"))
		threads();
	else if (!strcmp(mode, "children"))
		children(argv[0]);
	else if (!strcmp(mode, "fault"))
		fault();
	else if (!strcmp(mode, "crash"))
		crash(NULL);
	else if (!strcmp(mode, "plain"))
		plain();
	else if (!strcmp(mode, "exec"))
		exec(argv[0]);
	else
		return 2;
	fflush(stdout);
	return 0;
}
