/* SPDX-License-Identifier: BSD-3-Clause */
#include "case.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>

static struct agent_case *cases;

void case_register(struct agent_case *c)
{
	c->next = cases;
	cases = c;
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void note(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "NOTE: this machine, without swsgx: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	printf("skip: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(77);
}

void must_at(bool ok, const char *what, int line)
{
	if (ok)
		return;
	say("line %d: %s does not hold (%s)", line, what, strerror(errno));
	_exit(3);
}

bool under_swsgx(void)
{
	return getenv("AGENT_TEST_UNDER") != NULL;
}

void catch_info(int sig, info_handler *fn, int flags)
{
	struct sigaction act = {.sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO};

	must(sigaction(sig, &act, NULL) == 0);
}

void catch_plain(int sig, void (*fn)(int sig), int flags)
{
	struct sigaction act = {.sa_handler = fn, .sa_flags = flags};

	must(sigaction(sig, &act, NULL) == 0);
}

static void change(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	must(sigprocmask(how, &set, NULL) == 0);
}

void block(int sig)
{
	change(SIG_BLOCK, sig);
}

void unblock(int sig)
{
	change(SIG_UNBLOCK, sig);
}

bool blocked(int sig)
{
	sigset_t set;

	must(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
	return sigismember(&set, sig) == 1;
}

void say_status(const char *what, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		must(errno == EINTR);
	if (WIFEXITED(status))
		say("%s: exit %d", what, WEXITSTATUS(status));
	else
		say("%s: signal %d, core %d", what, WTERMSIG(status), WCOREDUMP(status) != 0);
}

void in_child(const char *what, void (*fn)(void))
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	say_status(what, pid);
}

void wait_state(pid_t pid, char state)
{
	char path[64], buf[512], *paren;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (;;) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		must(fd >= 0);
		n = read(fd, buf, sizeof(buf) - 1);
		must(n > 0);
		close(fd);
		buf[n] = '\0';
		paren = strrchr(buf, ')');
		must(paren != NULL);
		if (paren[2] == state)
			return;
		usleep(200);
	}
}

const char *beside(const char *name)
{
	static char path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;

	must(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	must(slash != NULL);
	snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "%s", name);
	return path;
}

int main(int argc, char **argv)
{
	struct agent_case *c;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (c = cases; c; c = c->next)
			puts(c->name);
		return 0;
	}
	for (c = cases; c && argc == 2; c = c->next) {
		if (strcmp(c->name, argv[1]) == 0) {
			c->run();
			say("end of %s", c->name);
			return 0;
		}
	}
	fprintf(stderr, "usage: %s --list | CASE\n", argv[0]);
	return 2;
}
