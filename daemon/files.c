/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine's processes must know of files (struct proto_files). */
#include "machine.h"

#include <inject/inject.h>

#include <sys/stat.h>
#include <time.h>

static uint64_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

/* What --provision makes of the second device */
static void provision_file(struct proto_files *files, const struct daemon_options *options)
{
	files->provision_mode = files->device_mode;
	files->provision_gid = files->device_gid;
	switch (options->provision) {
	case DAEMON_PROVISION_DENY:
		files->provision_mode = 0;
		files->provision_gid = 0;
		files->flags |= PROTO_FILES_NO_PROVISION;
		break;
	case DAEMON_PROVISION_GROUP:
		files->provision_mode = DAEMON_PROVISION_MODE;
		files->provision_gid = options->provision_gid;
		break;
	default:
		break;
	}
}

/* Linux has no device where it cannot write the hash of a signer's key. */
static uint32_t device_files(const struct machine *m)
{
	if (!(m->pkg.feature_control & SGX_FEATURE_CONTROL_LC))
		return 0;
	if (m->interfaces & SGX_INTERFACE_UPSTREAM)
		return PROTO_DEVICES_LINUX | PROTO_DEVICES_SGX;
	return PROTO_DEVICES_SGX;
}

/**
 * files_init() - tell inject/ of them
 * @m:		with its own files made
 * @options:	mode, group and noexec of the devices, and who may provision
 *
 * The inode numbers are those of proc's and sysfs' entries, the same on every mount.
 * Where one of the two is not mounted here, the machine's processes see the host's.
 */
void files_init(struct machine *m, const struct daemon_options *options)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	m->files = (struct proto_files){
		.cpuinfo_ino = inode_of("/proc/cpuinfo"),
		.node_ino = inode_of("/sys/devices/system/node/node0"),
		.memfd_dev = m->provision_dev,
		.time_sec = now.tv_sec,
		.time_nsec = (uint32_t)now.tv_nsec,
		.device_mode = options->device_mode,
		.device_gid = options->device_gid,
		.flags = options->dev_noexec ? PROTO_FILES_NOEXEC : 0,
	};
	provision_file(&m->files, options);
	m->provision = options->provision;
	m->files.devices = device_files(m);
	if (!(m->pkg.feature_control & SGX_FEATURE_CONTROL_LC))
		m->files.flags |= PROTO_FILES_LOCKED;
	inject_files(&m->files);
}
