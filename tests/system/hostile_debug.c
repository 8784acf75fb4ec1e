/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may debug: a program of the machine asks about the enclaves of another one.  It
 * has the command socket, as all have, and gets what Linux gives it: what it traces.
 */
#include "child.h"
#include "debugger.h"

#include <fcntl.h>
#include <proto/debug.h>
#include <pthread.h>
#include <sys/ptrace.h>

#define SECRET 0x5ec2e75ec2e7ull

/* A process with a DEBUG enclave.  It ends when the pipe closes. */
static pid_t victim(uint64_t *ret_addr, int *ret_end)
{
	int up[2], down[2];
	pid_t pid;

	CHECK_SYS(pipe2(up, O_CLOEXEC));
	CHECK_SYS(pipe2(down, O_CLOEXEC));
	pid = start();
	if (!pid) {
		uint64_t secret = SECRET, addr;
		struct encl e;
		char byte;

		close(down[1]);
		encl_build(&e, &(struct encl_opts){.heap = 4096});
		addr = e.heap;
		CHECK_EQ(debug_access(addr, &secret, true), 0);
		CHECK_EQ(write(up[1], &addr, sizeof(addr)), sizeof(addr));
		CHECK_EQ(read(down[0], &byte, 1), 0);
		/* what nobody had the right to write is as it was */
		secret = 0;
		CHECK_EQ(debug_access(addr, &secret, false), 0);
		_exit(secret == SECRET ? 0 : 1);
	}
	close(up[1]);
	close(down[0]);
	CHECK_EQ(read(up[0], ret_addr, sizeof(*ret_addr)), sizeof(*ret_addr));
	close(up[0]);
	*ret_end = down[1];
	return pid;
}

static void nothing_is_told(pid_t pid, uint64_t addr)
{
	uint64_t data = 0;

	CHECK_EQ(debug_ask(pid, PROTO_DEBUG_READ, addr, &data), -EPERM);
	CHECK_EQ(data, 0);
	CHECK_EQ(debug_ask(pid, PROTO_DEBUG_WRITE, addr, &data), -EPERM);
	CHECK_EQ(debug_ask(pid, PROTO_DEBUG_RANGES, 0, &data), -EPERM);
	CHECK_EQ(debug_ask(pid, PROTO_DEBUG_FAULT, addr, &data), -EPERM);
	CHECK_EQ(debug_ask(pid, PROTO_DEBUG_EXEC, 0, &data), -EPERM);
}

TEST(no_tracer_is_told_nothing)
{
	uint64_t addr;
	int end;
	pid_t pid = victim(&addr, &end);

	nothing_is_told(pid, addr);
	/* nor of one that is not there, nor of what is no client */
	nothing_is_told(0, addr);
	nothing_is_told(-1, addr);
	nothing_is_told(getppid(), addr);
	close(end);
	expect_exit(pid, 0);
}

TEST(another_user_is_told_nothing)
{
	uint64_t addr;
	pid_t pid, other;
	int end;

	TAKES_ROOT();
	pid = victim(&addr, &end);
	other = start();
	if (!other) {
		CHECK_SYS(setresuid(65534, 65534, 65534));
		CHECK_ERRNO(ptrace(PTRACE_SEIZE, pid, 0, 0), EPERM);
		nothing_is_told(pid, addr);
		_exit(0);
	}
	expect_exit(other, 0);
	close(end);
	expect_exit(pid, 0);
}

TEST(who_traces_is_told)
{
	uint64_t addr, data = 0;
	int end, status;
	pid_t pid = victim(&addr, &end);

	if (ptrace(PTRACE_SEIZE, pid, 0, 0))
		SKIP("no ptrace here: %s", strerror(errno));
	CHECK_EQ(debug_ask(pid, PROTO_DEBUG_READ, addr, &data), sizeof(data));
	CHECK_EQ(data, SECRET);
	CHECK_EQ(debug_ask(pid, PROTO_DEBUG_WRITE, addr, &data), sizeof(data));
	CHECK(debug_ask(pid, PROTO_DEBUG_RANGES, 0, &data) > 0);
	/* and of nobody else, nor any longer */
	nothing_is_told(getppid(), addr);
	CHECK_SYS(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_SYS(ptrace(PTRACE_DETACH, pid, 0, 0));
	nothing_is_told(pid, addr);
	close(end);
	expect_exit(pid, 0);
}

/* What a thread traces, its process may ask about: as debuggers with a thread for that do. */
static pid_t traced;

static void *tracer(void *arg)
{
	int *p = arg;
	char byte;
	long ret = ptrace(PTRACE_SEIZE, traced, 0, 0);

	CHECK_EQ(write(p[1], &ret, sizeof(ret)), sizeof(ret));
	CHECK_EQ(read(p[2], &byte, 1), 0);
	return NULL;
}

TEST(a_thread_traces)
{
	uint64_t addr, data = 0;
	int end, p[4];
	pthread_t thread;
	long ret;

	traced = victim(&addr, &end);
	CHECK_SYS(pipe2(p, O_CLOEXEC));
	CHECK_SYS(pipe2(p + 2, O_CLOEXEC));
	CHECK_EQ(pthread_create(&thread, NULL, tracer, p), 0);
	CHECK_EQ(read(p[0], &ret, sizeof(ret)), sizeof(ret));
	if (ret)
		SKIP("no ptrace here");
	CHECK_EQ(debug_ask(traced, PROTO_DEBUG_READ, addr, &data), sizeof(data));
	CHECK_EQ(data, SECRET);
	close(p[3]);
	/* the end of the thread is the end of its tracing */
	CHECK_EQ(pthread_join(thread, NULL), 0);
	nothing_is_told(traced, addr);
	for (int i = 0; i < 3; i++)
		close(p[i]);
	close(end);
	expect_exit(traced, 0);
}
