/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filtered COMMAND...: run it under a seccomp filter that allows everything.
 * filtered: say what a program finds of filters, and whether strict mode can be had.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = {1, &code};

	if (argc == 1) {
		int mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
		int strict = mode ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) : 0;

		/* without a filter it would be the last word */
		printf("mode %d, strict %d, errno %d\n", mode, strict, strict ? errno : 0);
		return 0;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		perror("filtered");
		return 2;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
