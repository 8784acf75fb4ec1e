/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of machines that more than one command has. */
#include "util.h"

#include <daemon/daemon.h>

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

	if (!tool_parse_size(text, &size) || size < DAEMON_EPC_MIN || size > DAEMON_EPC_MAX ||
	    size % 4096) {
		tool_usage_error("--epc %s: not whole pages of 4K between 64K and 1024G", text);
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

	if (!tool_parse_size(text, &size) || size < DAEMON_BACKING_MIN) {
		tool_usage_error("--backing-max %s: not a size of 8K or more", text);
		return false;
	}
	*ret_size = size;
	return true;
}
