/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of machines that more than one command has. */
#include "util.h"

#include <cpu/model.h>
#include <daemon/daemon.h>

#include <grp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/**
 * tool_parse_epc() - the value of --epc
 * @text: what somebody typed
 * @ret_size: receives bytes; untouched on failure
 *
 * Return: false, with a message, where no machine can have that
 */
bool tool_parse_epc(const char *text, uint64_t *ret_size)
{
	uint64_t size;

	if (!tool_parse_size(text, &size)) {
		tool_usage_error("--epc %s: not a size: " TOOL_SIZE_HELP, text);
		return false;
	}
	if (size < DAEMON_EPC_MIN || size > DAEMON_EPC_MAX) {
		tool_usage_error("--epc %s: %" PRIu64 " bytes; a machine has 64K to 1T", text,
				 size);
		return false;
	}
	if (size % 4096) {
		tool_usage_error("--epc %s: %" PRIu64 " bytes are not whole pages of 4K", text,
				 size);
		return false;
	}
	*ret_size = size;
	return true;
}

/**
 * tool_parse_backing() - the value of --backing-max
 * @text: what somebody typed
 * @ret_size: receives bytes; untouched on failure
 *
 * Return: false, with a message, where it is no size, or less than a page's
 */
bool tool_parse_backing(const char *text, uint64_t *ret_size)
{
	uint64_t size;

	if (!tool_parse_size(text, &size)) {
		tool_usage_error("--backing-max %s: not a size: " TOOL_SIZE_HELP, text);
		return false;
	}
	if (size < DAEMON_BACKING_MIN) {
		tool_usage_error("--backing-max %s: %" PRIu64 " bytes; 8K is the least", text,
				 size);
		return false;
	}
	*ret_size = size;
	return true;
}

/**
 * tool_parse_cpu() - the value of --cpu
 * @text: what somebody typed
 * @ret_model: receives the model's number; untouched on failure
 *
 * Return: false, with a message that lists the models, where there is none of this name
 */
bool tool_parse_cpu(const char *text, uint32_t *ret_model)
{
	char names[CPU_MODEL_COUNT * sizeof(cpu_model(0)->name)] = "";
	size_t used = 0;

	if (cpu_model_find(text, ret_model))
		return true;
	for (uint32_t i = 0; i < CPU_MODEL_COUNT; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					 cpu_model(i)->name);
	tool_usage_error("--cpu %s: there is %s", text, names);
	return false;
}

/**
 * tool_cpu_name() - the name of a model that a machine has told
 * @model: its number
 */
const char *tool_cpu_name(uint64_t model)
{
	return cpu_model(model) ? cpu_model(model)->name : "unknown";
}

/**
 * tool_parse_mode() - the value of --device-mode
 * @text: what somebody typed
 * @ret_mode: receives permission bits; untouched on failure
 *
 * Return: false, with a message, where it is no octal number of up to 777
 */
bool tool_parse_mode(const char *text, uint32_t *ret_mode)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (text[0] < '0' || text[0] > '7' || *end || mode > 0777) {
		tool_usage_error("--device-mode %s: not an octal mode from 0 to 777, as 660", text);
		return false;
	}
	*ret_mode = (uint32_t)mode;
	return true;
}

/* A group by its name or number.  Return: whether there is one */
static bool find_group(const char *text, uint32_t *ret_gid)
{
	const struct group *group = getgrnam(text);
	uint64_t number;

	if (group) {
		*ret_gid = group->gr_gid;
		return true;
	}
	/* the last number means that there is none */
	if (text[0] >= '0' && text[0] <= '9' && tool_parse_u64(text, UINT32_MAX - 1, &number)) {
		*ret_gid = (uint32_t)number;
		return true;
	}
	return false;
}

/**
 * tool_parse_group() - the value of --device-group
 * @text: what somebody typed: a name, or a number
 * @ret_gid: receives it; untouched on failure
 *
 * Return: false, with a message, where there is no such group
 */
bool tool_parse_group(const char *text, uint32_t *ret_gid)
{
	if (find_group(text, ret_gid))
		return true;
	tool_usage_error("--device-group %s: there is no such group (getent group lists them)",
			 text);
	return false;
}

/**
 * tool_parse_provision() - the value of --provision
 * @text: what somebody typed: allow, deny, or a group's name or number
 * @options: receives it; untouched on failure
 *
 * Return: false, with a message, where it is none of these
 */
bool tool_parse_provision(const char *text, struct daemon_options *options)
{
	uint32_t gid;

	if (!strcmp(text, "allow")) {
		options->provision = DAEMON_PROVISION_ALLOW;
	} else if (!strcmp(text, "deny")) {
		options->provision = DAEMON_PROVISION_DENY;
	} else if (find_group(text, &gid)) {
		options->provision = DAEMON_PROVISION_GROUP;
		options->provision_gid = gid;
	} else {
		tool_usage_error("--provision %s: not allow, not deny, and there is no such group "
				 "(getent group lists them)",
				 text);
		return false;
	}
	return true;
}

/**
 * tool_parse_devices() - the value of --devices
 * @text: what somebody typed: a generation of the interface
 * @options: receives it; untouched on failure
 *
 * Return: false, with a message, where there is none of that name
 */
bool tool_parse_devices(const char *text, struct daemon_options *options)
{
	static const struct {
		const char *name;
		uint32_t devices;
	} values[] = {
		{"upstream", DAEMON_DEVICES_UPSTREAM},
		{"v22", DAEMON_DEVICES_V22},
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(text, values[i].name))
			continue;
		options->devices = values[i].devices;
		return true;
	}
	tool_usage_error("--devices %s: upstream or v22", text);
	return false;
}

/**
 * tool_parse_launch() - the value of --launch-control
 * @text: what somebody typed: flexible, locked, or locked: and 64 hexadecimal digits
 * @options: receives it; untouched on failure
 *
 * Return: false, with a message, where it is none of these
 */
bool tool_parse_launch(const char *text, struct daemon_options *options)
{
	uint8_t hash[sizeof(options->launch_hash)];

	if (!strcmp(text, "flexible")) {
		options->launch = DAEMON_LAUNCH_FLEXIBLE;
	} else if (!strcmp(text, "locked")) {
		options->launch = DAEMON_LAUNCH_LOCKED;
	} else if (!strncmp(text, "locked:", 7) && tool_parse_bytes(text + 7, hash, sizeof(hash))) {
		options->launch = DAEMON_LAUNCH_LOCKED_HASH;
		memcpy(options->launch_hash, hash, sizeof(hash));
	} else {
		tool_usage_error(
			"--launch-control %s: flexible, locked, or locked:MRSIGNER with 64 "
			"hexadecimal digits",
			text);
		return false;
	}
	return true;
}
