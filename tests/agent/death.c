/* SPDX-License-Identifier: BSD-3-Clause */
/* Deaths: the status that a parent sees, with the core flag. */
#include "case.h"

#include <dirent.h>
#include <sys/resource.h>

static int number;
/* Where nothing is; the compiler may not know */
static volatile int *volatile nowhere = (int *)24;

static void no_core(void)
{
	struct rlimit none = {0, 0};

	must(setrlimit(RLIMIT_CORE, &none) == 0);
}

static void kill_self(void)
{
	no_core();
	kill(getpid(), number);
	pause();
}

CASE(death_by_kill)
{
	static const int sigs[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT,
				   SIGBUS,  SIGFPE,  SIGKILL, SIGUSR1, SIGSEGV, SIGPIPE,
				   SIGALRM, SIGTERM, SIGXCPU, SIGSYS,  40};
	char what[32];

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		number = sigs[i];
		snprintf(what, sizeof(what), "kill %d", number);
		in_child(what, kill_self);
	}
}

static void fault(void)
{
	no_core();
	*nowhere = 1;
}

static void illegal(void)
{
	no_core();
	__asm__ volatile("ud2");
}

static void breakpoint(void)
{
	no_core();
	__asm__ volatile("int3");
}

static void divide(void)
{
	no_core();
	__asm__ volatile("xor %%eax, %%eax; cltd; idivl %%eax" ::: "rax", "rdx", "cc");
}

static void abort_now(void)
{
	no_core();
	abort();
}

CASE(death_by_fault)
{
	in_child("segv", fault);
	in_child("ud2", illegal);
	in_child("int3", breakpoint);
	in_child("div", divide);
	in_child("abort", abort_now);
}

static void blocked_fault(void)
{
	block(SIGSEGV);
	fault();
}

static void returned(int sig)
{
	must(write(1, "handler ran\n", 12) == 12);
	_exit(4);
}

static void blocked_caught_fault(void)
{
	catch_plain(SIGSEGV, returned, 0);
	block(SIGSEGV);
	fault();
}

static void ignored_fault(void)
{
	must(signal(SIGSEGV, SIG_IGN) == SIG_DFL);
	fault();
}

static void in_handler(int sig)
{
	fault();
}

static void fault_in_handler(void)
{
	catch_plain(SIGSEGV, in_handler, 0);
	fault();
}

/* Linux: a fault that is blocked or ignored kills. */
CASE(death_though_blocked)
{
	in_child("blocked", blocked_fault);
	in_child("blocked, with a handler", blocked_caught_fault);
	in_child("ignored", ignored_fault);
	in_child("in its own handler", fault_in_handler);
}

static void dump(void)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}, now;

	/* an ordinary user may not raise the hard limit */
	must(getrlimit(RLIMIT_CORE, &now) == 0);
	if (now.rlim_max != RLIM_INFINITY)
		all.rlim_cur = all.rlim_max = now.rlim_max;
	must(setrlimit(RLIMIT_CORE, &all) == 0);
	*nowhere = 1;
}

/* With a core limit: the flag is as without us.  The core goes with its folder. */
CASE(death_core)
{
	char dir[] = "/tmp/agent-core-XXXXXX";
	struct dirent *d;
	DIR *list;

	must(mkdtemp(dir) != NULL && chdir(dir) == 0);
	in_child("segv", dump);
	list = opendir(".");
	must(list != NULL);
	while ((d = readdir(list)))
		if (d->d_name[0] != '.')
			unlink(d->d_name);
	closedir(list);
	must(chdir("/") == 0 && rmdir(dir) == 0);
}

/* The program that `swsgx run` names itself ends so. */
CASE(death_of_main_segv)
{
	fault();
}

CASE(death_of_main_abort)
{
	abort_now();
}

CASE(death_of_main_term)
{
	raise(SIGTERM);
}

CASE(exit_of_main)
{
	exit(42);
}
