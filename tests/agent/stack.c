/* SPDX-License-Identifier: BSD-3-Clause */
/* Alternate stacks, jumps out of handlers, contexts. */
#include "case.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif
#define SIZE (1u << 16)

static volatile sig_atomic_t count;
static char *stack;
static stack_t inside;
static int on_stack, errno_inside, set_inside;

static void say_stack(const char *what, const stack_t *ss)
{
	say("%s: sp %s size %zu flags %#x", what,
	    ss->ss_sp == stack ? "ours"
	    : ss->ss_sp	       ? "other"
			       : "null",
	    ss->ss_size, (unsigned int)ss->ss_flags);
}

static void set_stack(unsigned int flags)
{
	stack_t ss = {.ss_size = SIZE, .ss_flags = (int)flags};

	stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(stack != MAP_FAILED);
	ss.ss_sp = stack;
	must(sigaltstack(&ss, NULL) == 0);
}

static void looking(int sig)
{
	char here;
	stack_t other = {.ss_sp = stack, .ss_size = SIZE};

	count++;
	on_stack = (uintptr_t)&here - (uintptr_t)stack < SIZE;
	must(sigaltstack(NULL, &inside) == 0);
	errno = 0;
	set_inside = sigaltstack(&other, NULL);
	errno_inside = errno;
}

CASE(altstack_set_get)
{
	stack_t ss;

	must(sigaltstack(NULL, &ss) == 0);
	say_stack("at start", &ss);
	set_stack(0);
	must(sigaltstack(NULL, &ss) == 0);
	say_stack("set", &ss);
	ss = (stack_t){.ss_flags = SS_DISABLE};
	must(sigaltstack(&ss, &inside) == 0);
	say_stack("old", &inside);
	must(sigaltstack(NULL, &ss) == 0);
	say_stack("disabled", &ss);
}

CASE(altstack_errors)
{
	static char room[100];
	stack_t ss = {.ss_sp = room, .ss_size = sizeof(room)};

	say_errno("small", sigaltstack(&ss, NULL));
	ss.ss_size = SIZE;
	ss.ss_flags = 8;
	say_errno("flags", sigaltstack(&ss, NULL));
	say_errno("bad new", syscall(SYS_sigaltstack, 16, NULL));
	say_errno("bad old", syscall(SYS_sigaltstack, NULL, 16));
}

CASE(onstack)
{
	set_stack(0);
	catch_plain(SIGUSR1, looking, SA_ONSTACK);
	raise(SIGUSR1);
	say("on it %d, set inside %d errno %d", on_stack, set_inside, errno_inside);
	say_stack("inside", &inside);
	catch_plain(SIGUSR1, looking, 0);
	raise(SIGUSR1);
	say("on it %d, set inside %d", on_stack, set_inside);
	say_stack("inside", &inside);
	must(sigaltstack(NULL, &inside) == 0);
	say_stack("after", &inside);
}

CASE(onstack_but_none)
{
	catch_plain(SIGUSR1, looking, SA_ONSTACK);
	raise(SIGUSR1);
	say("on it %d", on_stack);
}

static void reading(int sig)
{
	char here;

	on_stack = (uintptr_t)&here - (uintptr_t)stack < SIZE;
	must(sigaltstack(NULL, &inside) == 0);
}

CASE(autodisarm)
{
	set_stack(SS_AUTODISARM);
	catch_plain(SIGUSR1, reading, SA_ONSTACK);
	raise(SIGUSR1);
	say("on it %d", on_stack);
	say_stack("inside", &inside);
	must(sigaltstack(NULL, &inside) == 0);
	say_stack("after", &inside);
	catch_plain(SIGUSR1, reading, 0);
	raise(SIGUSR1);
	say("on it %d", on_stack);
	say_stack("without ONSTACK, inside", &inside);
	must(sigaltstack(NULL, &inside) == 0);
	say_stack("after", &inside);
}

static char *other_stack;
static void replacing(int sig)
{
	stack_t other = {.ss_sp = other_stack, .ss_size = SIZE};

	set_inside = sigaltstack(&other, NULL);
}

/* Disarmed, it may be replaced in the handler; its return brings the old one back. */
CASE(autodisarm_replaced)
{
	set_stack(0);
	other_stack = stack;
	set_stack(SS_AUTODISARM);
	catch_plain(SIGUSR1, replacing, SA_ONSTACK);
	raise(SIGUSR1);
	say("set inside %d", set_inside);
	must(sigaltstack(NULL, &inside) == 0);
	say_stack("after", &inside);
}

static void outer(int sig)
{
	char here;

	on_stack = (uintptr_t)&here - (uintptr_t)stack < SIZE;
	raise(SIGUSR2);
	count++;
}

/* On the stack already: the second handler goes on below the first. */
CASE(onstack_nested)
{
	set_stack(0);
	catch_plain(SIGUSR1, outer, SA_ONSTACK);
	catch_plain(SIGUSR2, looking, SA_ONSTACK);
	raise(SIGUSR1);
	say("count %d on it %d", count, on_stack);
	say_stack("inside", &inside);
}

static sigjmp_buf jump;

static void jumping(int sig)
{
	count++;
	siglongjmp(jump, 1);
}

static volatile int sink;
static __attribute__((noinline)) void recurse(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	frame[4095] = (char)n;
	if (n >= 0)
		recurse(n + 1);
	sink += frame[0] + frame[4095];
}

/* A real stack overflow, handled on the alternate stack */
CASE(overflow_caught)
{
	struct rlimit small = {1 << 20, 1 << 20};

	must(setrlimit(RLIMIT_STACK, &small) == 0);
	set_stack(0);
	catch_plain(SIGSEGV, jumping, SA_ONSTACK);
	for (int i = 0; i < 3; i++)
		if (sigsetjmp(jump, 1) == 0)
			recurse(0);
	say("count %d, segv blocked %d", count, blocked(SIGSEGV));
}

static void overflow(void)
{
	struct rlimit small = {1 << 20, 1 << 20};
	struct rlimit none = {0, 0};

	must(setrlimit(RLIMIT_STACK, &small) == 0 && setrlimit(RLIMIT_CORE, &none) == 0);
	catch_plain(SIGSEGV, jumping, 0);
	if (sigsetjmp(jump, 1) == 0)
		recurse(0);
}

/* There is no room for the frame: death, though there is a handler */
CASE(overflow_not_caught)
{
	in_child("overflow", overflow);
}

CASE(longjmp_out)
{
	catch_plain(SIGUSR1, jumping, 0);
	for (volatile int i = 0; i < 500; i++)
		if (sigsetjmp(jump, 1) == 0)
			raise(SIGUSR1);
	say("count %d blocked %d", count, blocked(SIGUSR1));
	if (sigsetjmp(jump, 0) == 0)
		raise(SIGUSR1);
	say("without the mask: blocked %d", blocked(SIGUSR1));
}

static void *thread_stack(void *arg)
{
	must(sigaltstack(NULL, &inside) == 0);
	say_stack("thread", &inside);
	set_stack(0);
	pthread_kill(pthread_self(), SIGUSR1);
	say("thread: on it %d", on_stack);
	return NULL;
}

CASE(altstack_of_thread)
{
	pthread_t t;
	char *mine;

	set_stack(0);
	mine = stack;
	catch_plain(SIGUSR1, looking, SA_ONSTACK);
	must(pthread_create(&t, NULL, thread_stack, NULL) == 0);
	must(pthread_join(t, NULL) == 0);
	stack = mine;
	raise(SIGUSR1);
	say("main: on it %d", on_stack);
}

CASE(altstack_after_fork)
{
	pid_t pid;

	set_stack(0);
	catch_plain(SIGUSR1, looking, SA_ONSTACK);
	pid = fork();
	if (pid == 0) {
		must(sigaltstack(NULL, &inside) == 0);
		say_stack("child", &inside);
		raise(SIGUSR1);
		say("child: on it %d", on_stack);
		_exit(0);
	}
	say_status("child", pid);
}

static void large(int sig)
{
	volatile char frame[512 << 10];

	frame[0] = 1;
	frame[sizeof(frame) - 1] = 2;
	sink = frame[0] + frame[sizeof(frame) - 1];
	count++;
}

CASE(large_frames)
{
	catch_plain(SIGUSR1, large, SA_NODEFER);
	for (int i = 0; i < 10; i++)
		raise(SIGUSR1);
	say("count %d", count);
}

static ucontext_t contexts[3];

static void coroutine(int id)
{
	for (int i = 0; i < 5; i++) {
		say("coroutine %d step %d", id, i);
		raise(SIGUSR1);
		swapcontext(&contexts[id], &contexts[3 - id]);
	}
}

CASE(contexts_swap)
{
	static char stacks[2][SIZE];

	catch_plain(SIGUSR1, looking, 0);
	for (int i = 1; i <= 2; i++) {
		must(getcontext(&contexts[i]) == 0);
		contexts[i].uc_stack.ss_sp = stacks[i - 1];
		contexts[i].uc_stack.ss_size = SIZE;
		contexts[i].uc_link = &contexts[0];
		makecontext(&contexts[i], (void (*)(void))coroutine, 1, i);
	}
	must(swapcontext(&contexts[0], &contexts[1]) == 0);
	say("count %d", count);
}

static void leaving(int sig, siginfo_t *info, void *uc)
{
	count++;
	setcontext(&contexts[0]);
}

/* setcontext() out of a handler */
CASE(setcontext_out)
{
	catch_info(SIGUSR1, leaving, 0);
	must(getcontext(&contexts[0]) == 0);
	if (count < 20)
		raise(SIGUSR1);
	say("count %d blocked %d", count, blocked(SIGUSR1));
}
