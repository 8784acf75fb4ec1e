/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions that gdb calls, and where /proc/PID/mem is open. */
#include "lib.h"

#include "env.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* gdb's declarations are C's; ours differ from glibc's where these are variadic */
#define EXPORT __attribute__((visibility("default")))

struct real real;
unsigned execs;
bool passing, show_agent, kill_on_exit;

/* Descriptors of /proc/PID/mem: pid by number, 0 for others */
#define FD_MAX 4096
static pid_t mem_pid[FD_MAX];

static void *find(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		abort();
	return f;
}

/* gdb's own children must not load us, nor learn that gdb did */
__attribute__((constructor)) static void start(void)
{
	const char *env = getenv(GDB_ENV), *agent, *preload;

	real.ptrace = (long (*)(int, pid_t, void *, void *))find("ptrace");
	real.waitpid = (pid_t(*)(pid_t, int *, int))find("waitpid");
	real.open = (int (*)(const char *, int, ...))find("open");
	real.close = (int (*)(int))find("close");
	real.pread = (ssize_t(*)(int, void *, size_t, off_t))find("pread");
	real.pwrite = (ssize_t(*)(int, const void *, size_t, off_t))find("pwrite");
	agent = env ? strchr(env, ',') : NULL;
	preload = agent ? strchr(agent + 1, ',') : NULL;
	if (!preload)
		return;
	kill_on_exit = !strncmp(env, "run,", 4);
	show_agent = !strncmp(agent, ",agent,", 7);
	if (preload[1])
		setenv("LD_PRELOAD", preload + 1, 1);
	else
		unsetenv("LD_PRELOAD");
	unsetenv(GDB_ENV);
}

static struct proc *mem_proc(int fd)
{
	return fd >= 0 && fd < FD_MAX && mem_pid[fd] ? proc_get(mem_pid[fd]) : NULL;
}

/* "/proc/PID/mem" or "/proc/PID/task/TID/mem" */
static pid_t mem_path(const char *path)
{
	int pid, tid, end = 0;

	if (strncmp(path, "/proc/", 6))
		return 0;
	if (sscanf(path, "/proc/%d/task/%d/mem%n", &pid, &tid, &end) == 2 && end && !path[end])
		return pid;
	end = 0;
	if (sscanf(path, "/proc/%d/mem%n", &pid, &end) == 1 && end && !path[end])
		return pid;
	return 0;
}

static int opened(const char *path, int fd)
{
	if (fd >= 0 && fd < FD_MAX)
		mem_pid[fd] = passing ? 0 : mem_path(path);
	return fd;
}

EXPORT int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
	va_end(ap);
	return opened(path, real.open(path, flags, mode));
}

EXPORT int open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
	va_end(ap);
	return opened(path, real.open(path, flags, mode));
}

EXPORT int close(int fd)
{
	if (fd >= 0 && fd < FD_MAX)
		mem_pid[fd] = 0;
	return real.close(fd);
}

/*
 * The first piece of an access, up to where enclave memory begins or ends: gdb
 * goes on by itself.
 */
static ssize_t access_memory(struct proc *p, int fd, void *buf, size_t size, off_t offset,
			     bool write)
{
	const struct proto_debug_range *r = p ? proc_range(p, (uint64_t)offset) : NULL;

	if (p && bridge_covers((uint64_t)offset))
		return bridge_access((uint64_t)offset, buf, size, write);
	if (r && size && r->start <= (uint64_t)offset)
		return proc_encl_access(p, r, (uint64_t)offset, buf, size, write);
	if (r && size > r->start - (uint64_t)offset)
		size = r->start - (uint64_t)offset;
	return write ? real.pwrite(fd, buf, size, offset) : real.pread(fd, buf, size, offset);
}

EXPORT ssize_t pread(int fd, void *buf, size_t size, off_t offset)
{
	return access_memory(mem_proc(fd), fd, buf, size, offset, false);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t size, off64_t offset)
{
	return access_memory(mem_proc(fd), fd, buf, size, offset, false);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t size, off_t offset)
{
	return access_memory(mem_proc(fd), fd, (void *)(uintptr_t)buf, size, offset, true);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t size, off64_t offset)
{
	return access_memory(mem_proc(fd), fd, (void *)(uintptr_t)buf, size, offset, true);
}

/* PTRACE_PEEKDATA and POKEDATA, where an enclave is.  False: not there. */
static bool peek_poke(int request, pid_t tid, uint64_t addr, void *data, long *ret)
{
	struct proc *p = proc_of_thread(tid);
	const struct proto_debug_range *r = p ? proc_range(p, addr) : NULL;
	bool write = request == PTRACE_POKEDATA || request == PTRACE_POKETEXT;
	long word = write ? (long)(intptr_t)data : 0;
	ssize_t n;

	if (!r || addr < r->start)
		return false;
	n = proc_encl_access(p, r, addr, &word, sizeof(word), write);
	if (n != (ssize_t)sizeof(word)) {
		errno = EIO;
		*ret = -1;
		return true;
	}
	errno = 0;
	*ret = write ? 0 : word;
	return true;
}

/*
 * libthread_db finds a thread by its FS base, which in enclave mode is the
 * enclave's: it gets the one outside.  The registers that gdb shows come by
 * PTRACE_GETREGS.
 */
static bool outside_fs(pid_t tid, uint64_t offset, long *ret)
{
	struct proc *p;
	struct proc_inside in;

	if (offset != offsetof(struct user_regs_struct, fs_base))
		return false;
	p = proc_of_thread(tid);
	if (!p || !proc_inside(p, tid, &in))
		return false;
	errno = 0;
	*ret = (long)in.fs;
	return true;
}

EXPORT long ptrace(enum __ptrace_request request, ...)
{
	va_list ap;
	pid_t pid;
	void *addr, *data;
	long ret;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	if (passing)
		return real.ptrace((int)request, pid, addr, data);
	switch ((int)request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		if (peek_poke((int)request, pid, (uint64_t)(uintptr_t)addr, data, &ret))
			return ret;
		break;
	case PTRACE_PEEKUSER:
		if (outside_fs(pid, (uint64_t)(uintptr_t)addr, &ret))
			return ret;
		break;
	case PTRACE_SETOPTIONS:
		if (kill_on_exit)
			data = (void *)((uintptr_t)data | PTRACE_O_EXITKILL);
		break;
	case PTRACE_CONT:
	case PTRACE_SINGLESTEP:
	case PTRACE_SYSCALL:
	case PTRACE_ATTACH:
	case PTRACE_DETACH:
		return task_resume((int)request, pid, addr, data);
	default:
		break;
	}
	return real.ptrace((int)request, pid, addr, data);
}

EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	int mine = 0;
	pid_t got;

	if (passing)
		return real.waitpid(pid, status, options);

	do
		got = real.waitpid(pid, &mine, options);
	while (got > 0 && !task_event(got, &mine));
	if (got > 0 && status)
		*status = mine;
	return got;
}
