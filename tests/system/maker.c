/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SGX software that insists on Intel's processors, and what is no such software:
 *
 *	maker			asks, three times, and once in a child
 *	maker EXEC...		asks, then becomes another program
 *	ANY_MAKER		leaf 0 for its highest leaf, as __get_cpuid() does
 *	NO_SGX			looks for Intel's name, and not for SGX
 *	LIBRARY			lets a library ask
 *	DEVICE			the name by which it looks for SGX
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef DEVICE
#define DEVICE "/dev/sgx_enclave"
#endif

#ifdef LIBRARY
bool library_is_intel(void);
#define is_intel library_is_intel
#else
#include "maker.h"
#endif

int main(int argc, char **argv)
{
	bool intel = is_intel();

#ifndef NO_SGX
	if (intel && open(DEVICE, O_RDWR | O_CLOEXEC) < 0)
		return 4;
#endif
	if (argc > 1) {
		execv(argv[1], argv + 1);
		return 3;
	}
	intel &= is_intel();
	if (!fork())
		_exit(is_intel() != intel);
	wait(NULL);
	return is_intel() != intel;
}
