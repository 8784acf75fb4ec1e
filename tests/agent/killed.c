/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * killed COUNT: children that execute true(1) and are killed, at every place of an exec
 * that a delay can reach.  Says nothing, whatever becomes of them.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0;

	for (int i = 0; i < count; i++) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			return 2;
		if (!pid) {
			execlp("true", "true", (char *)NULL);
			_exit(3);
		}
		usleep((useconds_t)(i * 37 % 3000));
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid)
			return 2;
		/* it has ended before, or by us */
		if (WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status) != SIGKILL)
			return 4;
	}
	return 0;
}
