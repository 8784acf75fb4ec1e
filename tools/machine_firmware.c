/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swsgx machine update-tcb and owner-epoch: what firmware sets before the processor
 * boots.  Both change files of a machine, which it reads at its start.
 */
#include "machine_firmware.h"
#include "builtin.h"
#include "util.h"

#include <daemon/daemon.h>

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int failed(const char *name, int ret)
{
	if (ret == -ENOENT)
		tool_error("machine '%s' has no fuses yet: they are made at its first start "
			   "(those of 'default' by the first 'swsgx run')",
			   name);
	else if (ret == -ERANGE)
		tool_error("the CPUSVN of machine '%s' is the highest that there is", name);
	else if (ret == -EPERM)
		tool_error("others may read the state of machine '%s': chmod 700 its folder in "
			   "swsgx' state folder, and 600 the files there",
			   name);
	else if (ret == -EINVAL)
		tool_error("the file cpusvn of machine '%s' does not have 16 bytes", name);
	else
		tool_error("cannot change machine '%s': %s", name, strerror(-ret));
	return TOOL_FAILED;
}

static int print(const char *name, const char *what, const uint8_t *value)
{
	int fd;

	printf("%s of machine '%s' is ", what, name);
	for (int i = 0; i < OWNER_EPOCH_SIZE; i++)
		printf("%02x", value[i]);
	printf("\n");
	fd = machine_connect(name, NULL);
	if (fd >= 0) {
		tool_warn("machine '%s' runs, and keeps what it booted with until its next start",
			  name);
		close(fd);
	}
	return tool_finish_stdout();
}

/**
 * firmware_update_tcb() - swsgx machine update-tcb
 * @name: of a machine
 *
 * Return: enum tool_exit
 */
int firmware_update_tcb(const char *name)
{
	uint8_t cpusvn[16];
	int ret = machine_update_tcb(name, cpusvn);

	return ret ? failed(name, ret) : print(name, "CPUSVN", cpusvn);
}

/**
 * firmware_owner_epoch() - swsgx machine owner-epoch
 * @name: of a machine
 * @epoch: OWNER_EPOCH_SIZE bytes; NULL: random ones
 *
 * Return: enum tool_exit
 */
int firmware_owner_epoch(const char *name, const uint8_t *epoch)
{
	uint8_t random[OWNER_EPOCH_SIZE];
	int ret;

	if (!epoch) {
		if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
			tool_error("no random numbers: %s", strerror(errno));
			return TOOL_FAILED;
		}
		epoch = random;
	}
	ret = machine_owner_epoch(name, epoch);
	return ret ? failed(name, ret) : print(name, "OWNEREPOCH", epoch);
}
