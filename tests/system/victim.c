/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program for others to kill: victim build | loop | fork | inherit | lost | hold
 *
 * build: enclaves come and go for ever; loop: one, entered for ever by two
 * threads; fork: children with enclaves; inherit: children in the parent's; hold: one, and sleep; lost: waits until
 * the daemon is gone, then finds out what is left.  Says "ready" when it is.
 */
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct encl e;

static void ready(void)
{
	CHECK_EQ(write(1, "ready\n", 6), 6);
}

static void build(void)
{
	for (int i = 0;; i++) {
		encl_build(&e, &(struct encl_opts){.heap = 64 * ENCL_PAGE});
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		if (!i)
			ready();
		encl_free(&e);
	}
}

static void *enter(void *arg)
{
	for (;;) {
		unsigned int tcs = (unsigned int)(uintptr_t)arg;

		encl_op(&e, tcs, OP_ADD, e.base + ENCL_DATA, 0, 1000, 0);
		encl_enter_fixed(&e, tcs, SGX_EENTER, OP_UD2, 0, 0, 0, 0);
		encl_enter_fixed(&e, tcs, SGX_ERESUME, 0, 0, 0, 0, 0);
		encl_write8(&e, tcs, encl_gprsgx(&e, tcs, 0) + offsetof(struct sgx_gprsgx, rip),
			    encl_label(&e, blob_ud2) + 2);
		encl_enter_fixed(&e, tcs, SGX_ERESUME, 0, 0, 0, 0, 0);
	}
	return NULL;
}

static void loop(void)
{
	pthread_t thread;

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	CHECK_EQ(pthread_create(&thread, NULL, enter, (void *)1), 0);
	ready();
	enter((void *)0);
}

static void forks(void)
{
	ready();
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			encl_build(&e, &(struct encl_opts){0});
			encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

/* Children in its enclave, and children of theirs, that end in every way there is */
static void inherit(void)
{
	unsigned int seed = (unsigned int)getpid();

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	ready();
	for (int i = 0;; i++) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (i % 3 == 2 && fork() > 0)
				_exit(0);
			if (i % 2)
				encl_free(&e);
			for (int k = 0; k < 50 && e.fd >= 0; k++)
				encl_enter(&e, 1, SGX_EENTER, OP_NOP, 0, 0, 0, 0);
			_exit(0);
		}
		if (pid > 0) {
			usleep((useconds_t)(rand_r(&seed) % 3000));
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
}

/* Ends with 0 where everything fails as it should, and nothing else happens. */
static void lost(void)
{
	struct encl_regs regs = {0};
	struct sgx_enclave_run run;
	char byte;
	int ret;

	encl_build(&e, &(struct encl_opts){0});
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	ready();
	CHECK_EQ(read(0, &byte, 1), 1); /* the daemon is dead now */
	ret = encl_add(&e, ENCL_HOLE, blob_start, 4096, (uint64_t)SGX_PT_REG << 8 | 1, 0, NULL);
	CHECK_EQ(ret, -EIO);
	memset(&run, 0, sizeof(run));
	run.tcs = encl_tcs(&e, 0);
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
	CHECK_EQ(run.function, SGX_EENTER);
	CHECK_EQ(run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(encl_init(&e), -EIO);
	CHECK(open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC) < 0);
	/* ordinary life goes on */
	CHECK(fopen("/etc/passwd", "r") != NULL);
	/* an exec wants the daemon: it fails, or works, and does not hang */
	CHECK_SYS(system("exit 0"));
	encl_free(&e);
	exit(0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "build"))
		build();
	else if (!strcmp(what, "loop"))
		loop();
	else if (!strcmp(what, "fork"))
		forks();
	else if (!strcmp(what, "inherit"))
		inherit();
	else if (!strcmp(what, "lost"))
		lost();
	else if (!strcmp(what, "once")) {
		encl_build(&e, &(struct encl_opts){0});
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		encl_free(&e);
		return 0;
	} else if (!strcmp(what, "hold")) {
		encl_build(&e, &(struct encl_opts){0});
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		ready();
		pause();
	}
	return 2;
}
