/* SPDX-License-Identifier: BSD-3-Clause */
#include "agent.h"
#include "offsets.h"

#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/poll.h>
#include <linux/time.h>

/* A line that nobody takes for so long is dropped. */
#define SAY_WAIT_MS	      100

#define OFF(type, field, off) _Static_assert(offsetof(type, field) == (off), #type "." #field)
OFF(struct proto_agent_params, call, 0);
OFF(struct proto_start_call, nr, START_NR);
OFF(struct proto_start_call, arg, START_ARG);
OFF(struct proto_agent_params, status, START_STATUS);
OFF(struct proto_agent_params, status_what, START_STATUS + 8);
_Static_assert(sizeof(struct proto_start_call) == START_SIZE, "start call size");
OFF(struct lp_gprs, rcx, GPR_RCX);
OFF(struct lp_gprs, rdx, GPR_RDX);
OFF(struct lp_gprs, rbx, GPR_RBX);
OFF(struct lp_gprs, rsp, GPR_RSP);
OFF(struct lp_gprs, rdi, GPR_RDI);
OFF(struct lp_gprs, r8, GPR_R8);
OFF(struct lp_gprs, r15, GPR_R15);
OFF(struct lp_gprs, rflags, GPR_RFLAGS);
OFF(struct lp_gprs, rip, GPR_RIP);
_Static_assert(sizeof(struct lp_gprs) == GPR_SIZE, "lp_gprs size");
_Static_assert(RFLAGS_TF == LP_RFLAGS_TF && RFLAGS_NT == LP_RFLAGS_NT &&
		       RFLAGS_AC == LP_RFLAGS_AC && RFLAGS_ID == LP_RFLAGS_ID,
	       "RFLAGS");
_Static_assert(offsetof(agent_ucontext, uc_mcontext) + offsetof(struct sigcontext_64, flags) ==
		       UC_RFLAGS,
	       "ucontext flags");
OFF(struct agent_enter_frame, altstack, ENTER_ALTSTACK);
_Static_assert(sizeof(struct agent_enter_frame) == ENTER_SIZE, "enter frame size");
_Static_assert(ENTER_SIZE + 128 <= ENTER_BELOW, "enter frame leaves the red zone alone");
OFF(struct agent_thread, enter_frame, THREAD_ENTER_FRAME);
OFF(struct agent_thread, sig_check, THREAD_SIG_CHECK);
OFF(struct agent_thread, clone.stack, THREAD_CLONE_STACK);
_Static_assert(sizeof(struct agent_thread) <= PROTO_AGENT_BLOCK_SIZE - PROTO_AGENT_BLOCK_THREAD,
	       "agent_thread size");
_Static_assert(sizeof(struct proto_agent_header) <= PROTO_AGENT_SYSCALL_OFF, "header size");

void agent_memset(void *dst, int c, uint64_t size)
{
	__asm__ volatile("rep stosb" : "+D"(dst), "+c"(size) : "a"(c) : "memory");
}

void agent_memcpy(void *dst, const void *src, uint64_t size)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(size)::"memory");
}

/* gcc and clang call these for structure copies, also freestanding. */
void *memcpy(void *dst, const void *src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int c, size_t size);

void *memcpy(void *dst, const void *src, size_t size)
{
	agent_memcpy(dst, src, size);
	return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if ((uintptr_t)dst - (uintptr_t)src >= size) {
		agent_memcpy(dst, src, size);
		return dst;
	}
	/* it overlaps, and must be copied from its end; the loop stays a loop */
	while (size--) {
		d[size] = s[size];
		barrier();
	}
	return dst;
}
void *memset(void *dst, int c, size_t size)
{
	agent_memset(dst, c, size);
	return dst;
}

bool agent_streq(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool agent_starts(const char *s, const char *prefix)
{
	while (*prefix && *s == *prefix) {
		s++;
		prefix++;
	}
	return !*prefix;
}

uint64_t agent_strlen(const char *s)
{
	uint64_t n = 0;

	while (s[n])
		n++;
	return n;
}

/*
 * A lock between threads of one process.  Held for short stretches without a
 * fault in them; a holder cannot be interrupted by an asynchronous signal.
 */
void agent_lock(uint32_t *lock)
{
	uint32_t zero = 0;

	if (__atomic_compare_exchange_n(lock, &zero, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0)
		sys4(__NR_futex, lock, FUTEX_WAIT_PRIVATE, 2, 0);
}

void agent_unlock(uint32_t *lock)
{
	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
		sys3(__NR_futex, lock, FUTEX_WAKE_PRIVATE, 1);
}

void agent_append(char *line, uint64_t size, const char *text)
{
	uint64_t n = agent_strlen(line);

	while (*text && n + 1 < size)
		line[n++] = *text++;
	line[n] = 0;
}

const char *agent_errno_name(long error)
{
	switch (-error) {
	case EPERM:
		return "EPERM, operation not permitted";
	case ENOSYS:
		return "ENOSYS, no such system call";
	case EACCES:
		return "EACCES, permission denied";
	case ENOMEM:
		return "ENOMEM, no memory";
	case EAGAIN:
		return "EAGAIN, a limit on processes or memory";
	case EFBIG:
		return "EFBIG, the limit on file sizes, ulimit -f";
	case EMFILE:
		return "EMFILE, the limit on descriptors, ulimit -n";
	case ENFILE:
		return "ENFILE, no descriptors are left";
	case ESRCH:
		return "ESRCH, no such process";
	default:
		return "an unexpected error";
	}
}

void agent_append_decimal(char *line, uint64_t size, uint64_t value)
{
	char digits[24];
	uint64_t i = sizeof(digits) - 1;

	digits[i] = 0;
	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	agent_append(line, size, digits + i);
}

/*
 * One write() that disturbs nobody.  What it is written to may be a pipe that is full
 * (it is not waited for), one without a reader or a file at its limit: SIGPIPE and
 * SIGXFSZ, which these bring to this thread, are taken back.
 */
static void write_line(int fd, const char *line, uint64_t size)
{
	uint64_t caused = SIGBIT(SIGPIPE) | SIGBIT(SIGXFSZ), before = 0, mask;
	struct pollfd p = {fd, POLLOUT, 0};
	struct timespec now = {0, 0};
	long ret;

	if (sys3(__NR_poll, &p, 1, SAY_WAIT_MS) <= 0)
		return;
	sys4(__NR_rt_sigprocmask, SIG_BLOCK, &caused, &mask, 8);
	sys2(__NR_rt_sigpending, &before, 8);
	ret = sys3(__NR_write, fd, line, size);
	caused &= ~before;
	if ((ret == -EPIPE || ret == -EFBIG) && caused)
		sys4(__NR_rt_sigtimedwait, &caused, 0, &now, 8);
	sys4(__NR_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
}

void agent_say(const char *line)
{
	char buf[600];
	const char *const prefix = "swsgx: ";
	uint64_t n = agent_strlen(prefix);
	uint64_t len = MIN(agent_strlen(line), sizeof(buf) - n - 1);

	agent_memcpy(buf, prefix, n);
	agent_memcpy(buf + n, line, len);
	buf[n + len] = '\n';
	write_line(2, buf, n + len + 1);
}

static char *put_number(char *p, uint64_t value)
{
	int shift;

	*p++ = '0';
	*p++ = 'x';
	for (shift = 60; shift > 0 && !(value >> shift); shift -= 4)
		;
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[(value >> shift) & 15];
	return p;
}

static const char *panic_name(uint32_t code)
{
	switch (code) {
	case AGENT_PANIC_NESTED:
		return "fault inside the agent";
	case AGENT_PANIC_BLOCKS:
		return "too many threads";
	case AGENT_PANIC_FRAME:
		return "signal frame of unknown shape";
	case AGENT_PANIC_CLONE:
		return "clone call in an impossible state";
	default:
		return "unknown";
	}
}

void agent_panic_at(uint32_t code, uint32_t line, uint64_t value)
{
	char buf[200], *p = buf;
	const char *name = panic_name(code);
	uint64_t len = agent_strlen(name);

	if (PROC->connected) {
		AGENT_CHANNEL->panic_line = line;
		AGENT_CHANNEL->panic_value = value;
		AGENT_CHANNEL->panic_code = code;
	}
	agent_memcpy(p, "agent panic: ", 13);
	p += 13;
	agent_memcpy(p, name, len);
	p += len;
	agent_memcpy(p, ", line ", 7);
	p = put_number(p + 7, line);
	agent_memcpy(p, ", value ", 8);
	p = put_number(p + 8, value);
	*p = 0;
	agent_say(buf);
	for (;;) {
		struct agent_sigaction dfl = {0};
		uint64_t none = 0;

		/* die of SIGSEGV with a core, whatever the mask */
		sys4(__NR_rt_sigaction, SIGSEGV, &dfl, 0, 8);
		sys4(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
		sys3(__NR_tgkill, sys0(__NR_getpid), sys0(__NR_gettid), SIGSEGV);
		sys1(__NR_exit_group, 139);
	}
}
