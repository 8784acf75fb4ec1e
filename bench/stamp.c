/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench-stamp FD: `true`, but that it writes to descriptor FD the time (ns of
 * CLOCK_MONOTONIC) when main() began.  What follows is its end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec ts;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ns = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
	if (argc != 2 || write(atoi(argv[1]), &ns, sizeof(ns)) != sizeof(ns))
		return 1;
	return 0;
}
