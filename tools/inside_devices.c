/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device files of the machine that this process is on, beside the options of a
 * swsgx run in it.
 */
#include "inside.h"

#include <sys/stat.h>
#include <unistd.h>

/* By generation of the interface; each shows by the first that it alone has */
static const char *const device[] = {"/dev/sgx_enclave", "/dev/sgx/enclave"};
static const char *const provision_device[] = {"/dev/sgx_provision", "/dev/sgx/provision"};

/* The first of the files that is there.  Return: its name, or NULL: none is */
static const char *first(const char *const *path, size_t count, struct stat *st)
{
	for (size_t i = 0; i < count; i++)
		if (!stat(path[i], st))
			return path[i];
	return NULL;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* DAEMON_DEVICES_* of this machine, whose launch control is not locked */
static uint32_t devices(void)
{
	return access(device[0], F_OK) ? DAEMON_DEVICES_V22 : DAEMON_DEVICES_UPSTREAM;
}

/* Is this machine's provisioning device as --provision wants it? */
static bool same_provision(const struct daemon_options *options, const struct stat *enclave)
{
	struct stat st;
	const char *path = first(provision_device, COUNT(provision_device), &st);

	if (!path)
		return true;
	switch (options->provision) {
	case DAEMON_PROVISION_DENY:
		return !(st.st_mode & 07777) && access(path, R_OK);
	case DAEMON_PROVISION_GROUP:
		return (st.st_mode & 07777) == DAEMON_PROVISION_MODE &&
		       st.st_gid == options->provision_gid;
	default:
		return st.st_mode == enclave->st_mode && st.st_gid == enclave->st_gid;
	}
}

/**
 * inside_other_device() - which option of the devices is not that of this machine
 * @options: what is asked for; INSIDE_NOT_GIVEN in device_mode and device_gid
 * @provision: --provision is
 *
 * Return: the option, or NULL: none.
 */
const char *inside_other_device(const struct daemon_options *options, bool provision)
{
	struct stat st;

	/* that it has it shows in nothing but what it refuses */
	if (options->dev_noexec)
		return "--dev-noexec";
	/* whose hash is locked in shows in nothing either */
	if (options->launch == DAEMON_LAUNCH_LOCKED_HASH)
		return "--launch-control";
	if (!first(device, COUNT(device), &st))
		return options->launch == DAEMON_LAUNCH_FLEXIBLE ? "--launch-control" : NULL;
	if (options->launch == DAEMON_LAUNCH_LOCKED)
		return "--launch-control";
	if (options->devices && options->devices != devices())
		return "--devices";
	if (options->device_mode != INSIDE_NOT_GIVEN &&
	    options->device_mode != (st.st_mode & 07777))
		return "--device-mode";
	if (options->device_gid != INSIDE_NOT_GIVEN && options->device_gid != st.st_gid)
		return "--device-group";
	return provision && !same_provision(options, &st) ? "--provision" : NULL;
}
