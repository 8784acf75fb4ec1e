/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * no_uffd [--device] COMMAND...: run it where userfaultfd(2) is refused; unless
 * --device is given, the device is of no use either.
 */
#include "deny.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	bool device = argc > 1 && !strcmp(argv[1], "--device");

	argv += 1 + device;
	if (!*argv) {
		fputs("usage: no_uffd [--device] COMMAND...\n", stderr);
		return 2;
	}
	if (deny_userfaultfd(!device)) {
		perror("no_uffd: seccomp");
		return 2;
	}
	execvp(argv[0], argv);
	perror(argv[0]);
	return 127;
}
