/* SPDX-License-Identifier: BSD-3-Clause */
#include <harness/harness.h>

int main(int argc, char **argv)
{
	return harness_main(argc, argv);
}
