/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fork child has its parent's enclaves, as on Linux: the same mappings at the
 * same places with the same protections, and the same pages behind them.
 */
#include "child.h"
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* EENTER on its own: the vDSO's answer, whatever it is */
static struct sgx_enclave_run try_enter(struct encl *e, unsigned int tcs, uint64_t op)
{
	return encl_enter(e, tcs, SGX_EENTER, op, 0, 0, 0, 0).run;
}

TEST(child_enters)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 41);
	for (uint64_t i = 0; i < 60; i++) {
		pid_t pid = start();

		if (!pid) {
			CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 41 + i);
			encl_write8(&e, 0, e.base + ENCL_DATA, 42 + i);
			_exit(0);
		}
		expect_exit(pid, 0);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 42 + i);
	}
	encl_free(&e);
}

/* No copy on write: what one writes the other sees, at once and both ways. */
TEST(pages_are_shared_while_both_live)
{
	struct encl e;
	int down[2], up[2];
	pid_t pid;
	char c;

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	encl_write8(&e, 0, e.base + ENCL_DATA, 1); /* its PTE is there */
	CHECK_SYS(pipe2(down, O_CLOEXEC));
	CHECK_SYS(pipe2(up, O_CLOEXEC));
	pid = start();
	if (!pid) {
		for (uint64_t i = 2; i < 100; i += 2) {
			CHECK_EQ(read(down[0], &c, 1), 1);
			CHECK_EQ(encl_read8(&e, 1, e.base + ENCL_DATA), i);
			encl_write8(&e, 1, e.base + ENCL_DATA, i + 1);
			CHECK_EQ(write(up[1], "x", 1), 1);
		}
		_exit(0);
	}
	for (uint64_t i = 2; i < 100; i += 2) {
		encl_write8(&e, 0, e.base + ENCL_DATA, i);
		CHECK_EQ(write(down[1], "x", 1), 1);
		CHECK_EQ(read(up[0], &c, 1), 1);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), i + 1);
	}
	expect_exit(pid, 0);
	for (int i = 0; i < 2; i++) {
		close(down[i]);
		close(up[i]);
	}
	encl_free(&e);
}

/* Lines of /proc/self/maps below the ELRANGE */
static void mappings(const struct encl *e, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[256];
	size_t n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%lx-%lx", &start, &end), 2);
		if (start < e->base || end > e->base + e->size)
			continue;
		CHECK(n + strlen(line) < size);
		n += (size_t)sprintf(out + n, "%s", line);
	}
	fclose(f);
}

TEST(mappings_are_the_same)
{
	static char mine[4096], its[4096];
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_SYS(mprotect((void *)(e.base + ENCL_DATA + 4096), 4096, PROT_NONE));
	CHECK_SYS(munmap((void *)(e.base + ENCL_NOX), 4096));
	mappings(&e, mine, sizeof(mine));
	CHECK(strlen(mine) > 100);
	for (int use = 0; use < 2; use++) {
		pid = start();
		if (!pid) {
			if (use)
				encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
			mappings(&e, its, sizeof(its));
			CHECK_STR(its, mine);
			_exit(0);
		}
		expect_exit(pid, 0);
	}
	encl_free(&e);
}

static sigjmp_buf back;
static int caught_sig, caught_code;

static void caught(int sig, siginfo_t *info, void *uc)
{
	caught_sig = sig;
	caught_code = info->si_code;
	siglongjmp(back, 1);
}

/* A store from outside: 0, or the signal */
static int store(uint64_t addr)
{
	struct sigaction sa = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	caught_sig = 0;
	if (!sigsetjmp(back, 1))
		*(volatile uint8_t *)addr = 1;
	return caught_sig;
}

/* Faults in the child are those of the parent. */
TEST(child_faults)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_map(&e, ENCL_HOLE, 4096, PROT_READ | PROT_WRITE), 0);
	CHECK_SYS(munmap((void *)(e.base + ENCL_NOX), 4096));
	pid = start();
	if (!pid) {
		struct encl_op o;

		CHECK_EQ(store(e.base + ENCL_HOLE), SIGBUS); /* no page */
		CHECK_EQ(store(e.base + ENCL_RO), SIGSEGV);
		CHECK_EQ(caught_code, SEGV_ACCERR);
		CHECK_EQ(store(e.base + ENCL_NOX), SIGSEGV);
		CHECK_EQ(caught_code, SEGV_MAPERR);
		CHECK_EQ(store(encl_tcs(&e, 0)), SIGSEGV); /* EPCM */
		/* inside: AEX, and the vDSO tells */
		o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0);
		CHECK_EQ(o.run.function, SGX_ERESUME);
		CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
		_exit(0);
	}
	expect_exit(pid, 0);
	encl_free(&e);
}

/* An AEX in the parent, mended and resumed in the child: one TCS, one SSA. */
TEST(child_resumes_what_the_parent_left)
{
	struct sgx_enclave_run run;
	struct encl_op o;
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
	pid = start();
	if (!pid) {
		encl_write8(&e, 0, encl_gprsgx(&e, 0, 0) + offsetof(struct sgx_gprsgx, rip),
			    encl_label(&e, blob_ud2) + 2);
		o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
		CHECK_EQ(o.run.function, SGX_EEXIT);
		_exit(0);
	}
	expect_exit(pid, 0);
	/* CSSA is 0 again: there is nothing left to resume */
	run = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0).run;
	CHECK_EQ(run.function, SGX_ERESUME);
	CHECK_EQ(run.exception_vector, SGX_VEC_GP);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/*
 * The parent is gone, its descriptor closed in both: the mapping alone keeps the
 * enclave.  closed: when the child closes its descriptor.
 */
static void parent_first(bool close_before)
{
	int gone[2], result[2];
	char c = 0;
	pid_t pid;

	CHECK_SYS(pipe2(gone, O_CLOEXEC));
	CHECK_SYS(pipe2(result, O_CLOEXEC));
	pid = start();
	if (!pid) {
		struct encl e;

		encl_build(&e, &(struct encl_opts){0});
		encl_write8(&e, 0, e.base + ENCL_DATA, 77);
		if (close_before)
			close(e.fd);
		pid = start();
		if (pid)
			_exit(0);
		if (!close_before)
			close(e.fd);
		close(gone[1]);
		CHECK_EQ(read(gone[0], &c, 1), 0); /* it and the first parent have let go */
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 77);
		encl_write8(&e, 0, e.base + ENCL_DATA, 78);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 78);
		munmap((void *)e.base, e.size);
		CHECK_EQ(write(result[1], "y", 1), 1);
		_exit(0);
	}
	expect_exit(pid, 0);
	close(gone[1]);
	close(result[1]);
	CHECK_EQ(read(result[0], &c, 1), 1);
	CHECK_EQ(c, 'y');
	close(gone[0]);
	close(result[0]);
}

TEST(parent_exits_first)
{
	for (int i = 0; i < 10; i++)
		parent_first(i & 1);
}

/* Nobody in between uses it: each inherits from one that has only inherited. */
static void generation(struct encl *e, int depth)
{
	pid_t pid;

	if (depth == 6) {
		CHECK_EQ(encl_read8(e, 0, e->base + ENCL_DATA), 5);
		encl_write8(e, 0, e->base + ENCL_DATA, 6);
		_exit(0);
	}
	pid = start();
	if (!pid)
		generation(e, depth + 1);
	expect_exit(pid, 0);
	if (depth)
		_exit(0);
}

TEST(grandchildren)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (int i = 0; i < 5; i++) {
		encl_write8(&e, 0, e.base + ENCL_DATA, 5);
		generation(&e, 0);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 6);
	}
	encl_free(&e);
}

static struct encl shared;
static uint64_t stop_word, inside_word;

static void *spin(void *arg)
{
	encl_op(&shared, 0, OP_SPIN, (uint64_t)(uintptr_t)&stop_word,
		(uint64_t)(uintptr_t)&inside_word, 0, 0);
	return NULL;
}

/* Its TCS is the parent's thread's: #GP; another one is free. */
TEST(a_thread_is_inside)
{
	pthread_t thread;

	encl_build(&shared, &(struct encl_opts){.tcs_count = 2});
	CHECK_EQ(pthread_create(&thread, NULL, spin, NULL), 0);
	while (!__atomic_load_n(&inside_word, __ATOMIC_ACQUIRE))
		;
	for (int i = 0; i < 20; i++) {
		pid_t pid = start();

		if (!pid) {
			struct sgx_enclave_run run = try_enter(&shared, 0, OP_NOP);

			CHECK_EQ(run.function, SGX_EENTER);
			CHECK_EQ(run.exception_vector, SGX_VEC_GP);
			CHECK_EQ(try_enter(&shared, 1, OP_NOP).function, SGX_EEXIT);
			_exit(0);
		}
		expect_exit(pid, 0);
	}
	__atomic_store_n(&stop_word, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	encl_op(&shared, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&shared);
}

/* Killed inside: its TCS is free again. */
TEST(child_dies_inside)
{
	uint64_t *words =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct encl e;

	CHECK(words != MAP_FAILED);
	encl_build(&e, &(struct encl_opts){0});
	for (int i = 0; i < 10; i++) {
		struct sgx_enclave_run run;
		pid_t pid;

		words[1] = 0;
		pid = start();
		if (!pid) {
			encl_op(&e, 0, OP_SPIN, (uint64_t)(uintptr_t)&words[0],
				(uint64_t)(uintptr_t)&words[1], 0, 0);
			_exit(1);
		}
		while (!__atomic_load_n(&words[1], __ATOMIC_ACQUIRE))
			;
		CHECK_EQ(try_enter(&e, 0, OP_NOP).exception_vector, SGX_VEC_GP);
		CHECK_SYS(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		/* the machine learns of a death a moment later */
		do
			run = try_enter(&e, 0, OP_NOP);
		while (run.function != SGX_EEXIT);
	}
	CHECK_SYS(munmap(words, 4096));
	encl_free(&e);
}

static pid_t ocall_pid;

/* The user handler of the vDSO's function */
static int ocall(long rdi, long rsi, long rdx, long ursp, long r8, long r9,
		 struct sgx_enclave_run *run)
{
	ocall_pid = start();
	if (!ocall_pid) {
		CHECK_EQ(encl_read8(&shared, 0, shared.base + ENCL_DATA), 11);
		_exit(0);
	}
	expect_exit(ocall_pid, 0);
	return 0;
}

TEST(fork_in_an_ocall)
{
	struct encl_regs regs = {.rdi = OP_NOP};
	struct sgx_enclave_run run;

	encl_build(&shared, &(struct encl_opts){0});
	encl_write8(&shared, 0, shared.base + ENCL_DATA, 11);
	memset(&run, 0, sizeof(run));
	run.tcs = encl_tcs(&shared, 0);
	run.user_handler = (uint64_t)(uintptr_t)ocall;
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, shared.enter), 0);
	CHECK_EQ(run.function, SGX_EEXIT);
	CHECK(ocall_pid > 0);
	encl_free(&shared);
}

static volatile int alarms;

/* The thread has left by an AEX and stands at the AEP. */
static void on_alarm(int sig)
{
	pid_t pid = start();

	if (!pid) {
		CHECK_EQ(try_enter(&shared, 1, OP_NOP).function, SGX_EEXIT);
		_exit(0);
	}
	expect_exit(pid, 0);
	if (++alarms == 5)
		__atomic_store_n(&stop_word, 1, __ATOMIC_RELEASE);
	else
		kill(getpid(), SIGUSR1);
}

TEST(fork_in_a_handler_at_the_aep)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct encl_op o;

	encl_build(&shared, &(struct encl_opts){.tcs_count = 2, .nssa = 3});
	CHECK_SYS(sigaction(SIGUSR1, &sa, NULL));
	stop_word = 0;
	/* pending until the enclave runs: the first AEX comes at once */
	CHECK_SYS(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 2000}, NULL));
	CHECK_SYS(sigaction(SIGALRM, &sa, NULL));
	o = encl_op(&shared, 0, OP_COUNT, (uint64_t)(uintptr_t)&stop_word, encl_nowhere(), 0, 0);
	CHECK_EQ(o.regs.r8, 0);
	CHECK_EQ(alarms, 5);
	encl_free(&shared);
}

static pthread_barrier_t together;

static void *first_touch(void *arg)
{
	unsigned int tcs = (unsigned int)(uintptr_t)arg;

	pthread_barrier_wait(&together);
	encl_op(&shared, tcs, OP_ADD, shared.base + ENCL_DATA, 0, 10, 0);
	return NULL;
}

/* The child's first uses of the machine come from many threads at once. */
TEST(threads_of_the_child)
{
	encl_build(&shared, &(struct encl_opts){.tcs_count = 6});
	for (int i = 0; i < 10; i++) {
		pid_t pid;

		encl_write8(&shared, 0, shared.base + ENCL_DATA, 0);
		pid = start();
		if (!pid) {
			pthread_t thread[6];

			CHECK_EQ(pthread_barrier_init(&together, NULL, 6), 0);
			for (uintptr_t k = 0; k < 6; k++)
				CHECK_EQ(pthread_create(&thread[k], NULL, first_touch, (void *)k),
					 0);
			for (int k = 0; k < 6; k++)
				CHECK_EQ(pthread_join(thread[k], NULL), 0);
			_exit(0);
		}
		expect_exit(pid, 0);
		CHECK_EQ(encl_read8(&shared, 0, shared.base + ENCL_DATA), 60);
	}
	encl_free(&shared);
}

/* VM_DONTCOPY is the program's to set; clearing it is not for device memory. */
TEST(dontfork)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_SYS(madvise((void *)(e.base + ENCL_DATA), 4096, MADV_DONTFORK));
	CHECK_ERRNO(madvise((void *)(e.base + ENCL_DATA), 4096, MADV_DOFORK), EINVAL);
	CHECK_EQ(store(e.base + ENCL_DATA), 0);
	pid = start();
	if (!pid) {
		CHECK_EQ(store(e.base + ENCL_DATA), SIGSEGV);
		CHECK_EQ(caught_code, SEGV_MAPERR);
		CHECK_EQ(store(e.base + ENCL_DATA + 4096), 0);
		/* and it may be mapped again */
		CHECK_EQ(encl_map(&e, ENCL_DATA, 4096, PROT_READ | PROT_WRITE), 0);
		CHECK_EQ(store(e.base + ENCL_DATA), 0);
		_exit(0);
	}
	expect_exit(pid, 0);
	encl_free(&e);
}

/* Every number below the limit is taken when it forks. */
TEST(no_descriptor_is_free)
{
	struct rlimit old, low;
	int fds[64], n = 0;
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	encl_write8(&e, 0, e.base + ENCL_DATA, 3);
	CHECK_SYS(getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = 40;
	CHECK_SYS(setrlimit(RLIMIT_NOFILE, &low));
	while ((fds[n] = dup(2)) >= 0)
		n++;
	CHECK_EQ(errno, EMFILE);
	pid = start();
	if (!pid) {
		struct rlimit now;

		CHECK_SYS(getrlimit(RLIMIT_NOFILE, &now));
		CHECK_EQ(now.rlim_cur, 40);
		CHECK_ERRNO(dup(2), EMFILE);
		while (n)
			close(fds[--n]);
		CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 3);
		_exit(0);
	}
	expect_exit(pid, 0);
	while (n)
		close(fds[--n]);
	CHECK_SYS(setrlimit(RLIMIT_NOFILE, &old));
	encl_free(&e);
}

/* Built by one, initialized by the other. */
TEST(init_after_fork)
{
	struct encl e;
	int down[2], up[2];
	pid_t pid;
	char c;

	CHECK_SYS(pipe2(down, O_CLOEXEC));
	CHECK_SYS(pipe2(up, O_CLOEXEC));
	encl_build(&e, &(struct encl_opts){.no_init = true});
	pid = start();
	if (!pid) {
		CHECK_EQ(try_enter(&e, 0, OP_NOP).exception_vector, SGX_VEC_GP);
		CHECK_EQ(write(up[1], "x", 1), 1);
		CHECK_EQ(read(down[0], &c, 1), 1);
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		_exit(0);
	}
	CHECK_EQ(read(up[0], &c, 1), 1);
	CHECK_EQ(encl_init(&e), 0);
	CHECK_EQ(write(down[1], "x", 1), 1);
	expect_exit(pid, 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
	for (int i = 0; i < 2; i++) {
		close(down[i]);
		close(up[i]);
	}

	encl_build(&e, &(struct encl_opts){.no_init = true});
	pid = start();
	if (!pid) {
		CHECK_EQ(encl_init(&e), 0);
		_exit(0);
	}
	expect_exit(pid, 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* The child's mappings are its own. */
TEST(child_unmaps_and_protects)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	pid = start();
	if (!pid) {
		CHECK_SYS(mprotect((void *)(e.base + ENCL_DATA), 4096, PROT_READ));
		CHECK_EQ(store(e.base + ENCL_DATA), SIGSEGV);
		CHECK_ERRNO(mprotect((void *)(e.base + ENCL_RO), 4096, PROT_READ | PROT_WRITE),
			    EACCES);
		CHECK_SYS(munmap((void *)(e.base + ENCL_CODE), ENCL_CODE_SIZE));
		CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_READ | PROT_EXEC), 0);
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		encl_free(&e);
		encl_build(&e, &(struct encl_opts){0});
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		encl_free(&e);
		_exit(0);
	}
	expect_exit(pid, 0);
	CHECK_EQ(store(e.base + ENCL_DATA), 0);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* vfork children use their parent's memory, also where that has only inherited. */
TEST(vfork_in_the_child)
{
	struct encl e;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){0});
	for (int i = 0; i < 10; i++) {
		pid = start();
		if (!pid) {
			pid = vfork();
			if (!pid) {
				encl_op(&e, 0, OP_ADD, e.base + ENCL_DATA, 0, 1, 0);
				_exit(0);
			}
			expect_exit(pid, 0);
			encl_op(&e, 0, OP_ADD, e.base + ENCL_DATA, 0, 1, 0);
			_exit(0);
		}
		expect_exit(pid, 0);
	}
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 20);
	encl_free(&e);
}

/*
 * A table of descriptors in common, and memory not: the agent's own descriptors are
 * there for one process only.
 */
TEST(clone_files)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (int i = 0; i < 3; i++) {
		pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);

		CHECK_SYS(pid);
		if (!pid) {
			encl_op(&e, 0, OP_ADD, e.base + ENCL_DATA, 0, 1, 0);
			encl_build(&e, &(struct encl_opts){0});
			encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
			_exit(0);
		}
		expect_exit(pid, 0);
		/* pages that were never touched come by the parent's userfaultfd */
		encl_op(&e, 0, OP_ADD, e.base + ENCL_DATA + 4096 * (uint64_t)i, 0, 1, 0);
		CHECK_EQ(store(e.base + ENCL_DATA + 8192), 0);
	}
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 4);
	encl_free(&e);
}

/* The guard against system calls inside is a thread's own: the child has one too. */
TEST(system_call_inside_the_child)
{
	static const uint8_t code[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05};
	struct encl e;
	uint64_t page;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){.heap = 4 * ENCL_PAGE});
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	page = encl_snippet(&e, code, sizeof(code));
	pid = start();
	if (!pid) {
		struct sgx_enclave_run run =
			encl_enter_fixed(&e, 0, SGX_EENTER, OP_JUMP, page, 0, 0, 0).run;

		CHECK_EQ(run.function, SGX_ERESUME);
		CHECK_EQ(run.exception_vector, SGX_VEC_UD);
		_exit(0);
	}
	expect_exit(pid, 0);
	encl_free(&e);
}

/* Several enclaves, some of them half done: each comes along as it is. */
TEST(several_enclaves)
{
	struct encl e[4], open_only;
	pid_t pid;

	for (unsigned int i = 0; i < 4; i++) {
		encl_build(&e[i], &(struct encl_opts){0});
		encl_write8(&e[i], 0, e[i].base + ENCL_DATA, i);
	}
	encl_open(&open_only, &(struct encl_opts){0});
	encl_free(&e[1]);
	pid = start();
	if (!pid) {
		for (unsigned int i = 0; i < 4; i++)
			if (i != 1)
				CHECK_EQ(encl_read8(&e[i], 0, e[i].base + ENCL_DATA), i);
		/* a descriptor that was only opened is made an enclave here */
		CHECK_EQ(encl_create(&open_only), 0);
		encl_add_all(&open_only);
		encl_sign(&open_only);
		CHECK_EQ(encl_init(&open_only), 0);
		encl_map_all(&open_only);
		encl_op(&open_only, 0, OP_NOP, 0, 0, 0, 0);
		_exit(0);
	}
	expect_exit(pid, 0);
	for (unsigned int i = 0; i < 4; i++)
		if (i != 1)
			encl_free(&e[i]);
	encl_free(&open_only);
}

/* Children come, enter and are killed at any moment; the parent notices nothing. */
TEST(children_are_killed)
{
	unsigned int seed = 4711;
	struct encl e;

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	for (int i = 0; i < 60; i++) {
		pid_t pid = start();

		if (!pid)
			for (;;)
				try_enter(&e, 1, OP_NOP);
		usleep((useconds_t)(rand_r(&seed) % 3000));
		CHECK_SYS(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	}
	encl_free(&e);
}
