/* SPDX-License-Identifier: BSD-3-Clause */
/* readlink, by realpath(3), as the first that a program does: typed.sh runs it. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	char path[4096];

	if (!realpath("/dev/sgx_enclave", path)) {
		perror("realpath");
		return 1;
	}
	puts(path);
	return 0;
}
