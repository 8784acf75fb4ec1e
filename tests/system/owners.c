/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose a TCS is: it stays its thread's as long as that is inside, whoever else ends, and
 * comes free when that thread has ended.  Also where thread numbers mean others: in PID
 * namespaces, with the machine outside of them or in another one.
 */
#include "child.h"
#include "encl.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* EENTER on its own: the vDSO's answer, whatever it is */
static struct sgx_enclave_run try_enter(struct encl *e, unsigned int tcs)
{
	return encl_enter(e, tcs, SGX_EENTER, OP_NOP, 0, 0, 0, 0).run;
}

static void busy(struct encl *e, unsigned int tcs)
{
	struct sgx_enclave_run run = try_enter(e, tcs);

	CHECK_EQ(run.function, SGX_EENTER);
	CHECK_EQ(run.exception_vector, SGX_VEC_GP);
}

/* The machine learns of a death a moment later. */
static void becomes_free(struct encl *e, unsigned int tcs)
{
	while (try_enter(e, tcs).function != SGX_EEXIT)
		;
}

/* Words that processes share: where OP_SPIN stops, and where it says that it runs */
struct words {
	uint64_t stop, inside;
	pid_t pid;
};

static struct words *words_new(void)
{
	struct words *w =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(w != MAP_FAILED);
	return w;
}

static void wait_inside(const struct words *w)
{
	while (!__atomic_load_n(&w->inside, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void spin_in(struct encl *e, unsigned int tcs, struct words *w)
{
	encl_op(e, tcs, OP_SPIN, (uint64_t)(uintptr_t)&w->stop, (uint64_t)(uintptr_t)&w->inside, 0,
		0);
}

struct spinner {
	struct encl *e;
	unsigned int tcs;
	struct words *w;
};

static void *spin(void *arg)
{
	struct spinner *s = arg;

	spin_in(s->e, s->tcs, s->w);
	return NULL;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_SYS(fd);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* The next child of this process is the first of a PID namespace. */
static bool new_pids(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (!uid)
		return !unshare(CLONE_NEWPID);
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID))
		return false;
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	put("/proc/self/gid_map", map);
	return true;
}

static pid_t nobodys;

/*
 * Numbers in the namespace go on behind one that no thread has outside of it, so that the
 * next thread's number means nobody there.
 */
static void number_like_nobody(void)
{
	char text[16];

	if (!nobodys)
		return;
	snprintf(text, sizeof(text), "%d", nobodys - 1);
	put("/proc/sys/kernel/ns_last_pid", text);
}

/* Run as process 1 of a namespace that the machine's daemon is outside of. */
static void in_namespace(void (*test)(void))
{
	int status;
	pid_t pid = start();

	if (!pid) {
		for (nobodys = 20000; !kill(nobodys, 0) || errno != ESRCH; nobodys++)
			;
		if (!new_pids())
			_exit(HARNESS_EXIT_SKIP);
		pid = start();
		if (!pid) {
			CHECK_EQ(getpid(), 1);
			test();
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : HARNESS_EXIT_FAIL);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_EXIT_SKIP)
		SKIP("no PID namespace of our own here");
	CHECK_EQ(status, 0);
}

/* One thread is inside; processes with the same enclave come, enter and go. */
static void others_end(void)
{
	struct words *w = words_new();
	pthread_t thread;
	struct encl e;
	struct spinner s = {&e, 0, w};

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	number_like_nobody();
	CHECK_EQ(pthread_create(&thread, NULL, spin, &s), 0);
	wait_inside(w);
	for (int i = 0; i < 20; i++) {
		pid_t pid = start();

		if (!pid) {
			busy(&e, 0);
			CHECK_EQ(try_enter(&e, 1).function, SGX_EEXIT);
			_exit(0);
		}
		expect_exit(pid, 0);
		busy(&e, 0);
	}
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(try_enter(&e, 0).function, SGX_EEXIT);
	encl_free(&e);
	CHECK_SYS(munmap(w, 4096));
}

TEST(a_thread_is_inside_while_others_end)
{
	others_end();
}

TEST(a_thread_is_inside_while_others_end_in_a_namespace)
{
	in_namespace(others_end);
}

static void killed_inside(void)
{
	struct words *w = words_new();
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (int i = 0; i < 10; i++) {
		pid_t pid;

		w->inside = 0;
		pid = start();
		if (!pid) {
			spin_in(&e, 0, w);
			_exit(1);
		}
		wait_inside(w);
		busy(&e, 0);
		CHECK_SYS(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		becomes_free(&e, 0);
	}
	encl_free(&e);
	CHECK_SYS(munmap(w, 4096));
}

TEST(a_process_is_killed_inside)
{
	killed_inside();
}

TEST(a_process_is_killed_inside_in_a_namespace)
{
	in_namespace(killed_inside);
}

/* An exec ends the threads that are inside. */
static void exec_while_inside(void)
{
	struct words *w = words_new();
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (int i = 0; i < 5; i++) {
		pid_t pid;

		w->inside = 0;
		pid = start();
		if (!pid) {
			struct spinner s = {&e, 0, w};
			pthread_t thread;

			CHECK_EQ(pthread_create(&thread, NULL, spin, &s), 0);
			wait_inside(w);
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		wait_inside(w);
		expect_exit(pid, 0);
		becomes_free(&e, 0);
	}
	encl_free(&e);
	CHECK_SYS(munmap(w, 4096));
}

TEST(an_exec_ends_a_thread_inside)
{
	exec_while_inside();
}

TEST(an_exec_ends_a_thread_inside_in_a_namespace)
{
	in_namespace(exec_while_inside);
}

/*
 * Threads of one number, 1, in two namespaces share an enclave: neither's end is the other's.
 */
TEST(two_namespaces_share_an_enclave)
{
	struct words *w[2] = {words_new(), words_new()};
	pid_t pid[2];
	struct encl e;
	int status;

	encl_build(&e, &(struct encl_opts){.tcs_count = 2});
	for (unsigned int i = 0; i < 2; i++) {
		pid[i] = start();
		if (!pid[i]) {
			if (!new_pids())
				_exit(HARNESS_EXIT_SKIP);
			pid[i] = start();
			if (!pid[i]) {
				CHECK_EQ(getpid(), 1);
				spin_in(&e, i, w[i]);
				_exit(0);
			}
			w[i]->pid = pid[i];
			CHECK_EQ(waitpid(pid[i], &status, 0), pid[i]);
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		}
		while (!__atomic_load_n(&w[i]->inside, __ATOMIC_ACQUIRE)) {
			if (waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_EXIT_SKIP)
				SKIP("no PID namespace of our own here");
			FAIL("the child ended: wait status %#x", (unsigned int)status);
		}
	}
	busy(&e, 0);
	busy(&e, 1);
	CHECK_SYS(kill(w[0]->pid, SIGKILL));
	expect_exit(pid[0], 1);
	becomes_free(&e, 0);
	busy(&e, 1);
	__atomic_store_n(&w[1]->stop, 1, __ATOMIC_RELEASE);
	expect_exit(pid[1], 0);
	CHECK_EQ(try_enter(&e, 1).function, SGX_EEXIT);
	encl_free(&e);
	CHECK_SYS(munmap(w[0], 4096));
	CHECK_SYS(munmap(w[1], 4096));
}

static void *kill_who_is_inside(void *arg)
{
	struct words *w = arg;

	wait_inside(w);
	CHECK_SYS(kill(__atomic_load_n(&w->pid, __ATOMIC_ACQUIRE), SIGKILL));
	return NULL;
}

/*
 * A vfork child has its parent's memory, and its parent's connection: the machine does not
 * hear of its end.  The parent, which waits for that, frees its TCS.
 */
static void vfork_killed_inside(void)
{
	struct words *w = words_new();
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	for (int i = 0; i < 10; i++) {
		pthread_t thread;
		pid_t pid;
		int status;

		w->inside = 0;
		CHECK_EQ(pthread_create(&thread, NULL, kill_who_is_inside, w), 0);
		pid = vfork();
		if (!pid) {
			__atomic_store_n(&w->pid, getpid(), __ATOMIC_RELEASE);
			spin_in(&e, 0, w);
			_exit(1);
		}
		CHECK_SYS(pid);
		CHECK_EQ(try_enter(&e, 0).function, SGX_EEXIT);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
	encl_free(&e);
	CHECK_SYS(munmap(w, 4096));
}

TEST(a_vfork_child_is_killed_inside)
{
	vfork_killed_inside();
}

TEST(a_vfork_child_is_killed_inside_in_a_namespace)
{
	in_namespace(vfork_killed_inside);
}
