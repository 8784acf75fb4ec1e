/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells what a new program finds: arguments, environment, mask, ignored signals,
 * auxiliary vector, /proc/self/exe; and that signals work from the start.  Built
 * dynamic, static, static-pie and without PIE.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t count;

static void counting(int sig)
{
	count++;
}

int main(int argc, char **argv, char **envp)
{
	struct sigaction act;
	struct timespec a, b;
	char exe[4096];
	const char *slash;
	sigset_t set;
	ssize_t n;
	unsigned char *vdso = (unsigned char *)getauxval(AT_SYSINFO_EHDR);

	for (int i = 0; i < argc; i++)
		printf("argv[%d] '%s'\n", i, argv[i]);
	if (getenv("SHOW"))
		for (int i = 0; envp[i]; i++)
			printf("env '%s'\n", envp[i]);
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int sig = 1; sig < 65; sig++) {
		if (sig == 32 || sig == 33)
			continue;
		if (sigismember(&set, sig) == 1)
			printf("blocked %d\n", sig);
		if (sigaction(sig, NULL, &act) == 0 && act.sa_handler != SIG_DFL)
			printf("%d is %s\n", sig, act.sa_handler == SIG_IGN ? "ignored" : "caught");
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	printf("exe %s\n", slash ? slash + 1 : exe);
	printf("vdso %d, page size %lu, secure %lu\n", vdso && memcmp(vdso, "\177ELF", 4) == 0,
	       getauxval(AT_PAGESZ), getauxval(AT_SECURE));
	clock_gettime(CLOCK_MONOTONIC, &a);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("clock %d\n",
	       b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGSEGV, counting);
	signal(SIGUSR1, counting);
	raise(SIGSEGV);
	raise(SIGUSR1);
	printf("count %d\n", (int)count);
	return 17;
}
