/* SPDX-License-Identifier: BSD-3-Clause */
/* swsgx machine list */
#include "machine_table.h"
#include "builtin.h"
#include "json.h"
#include "util.h"

#include <daemon/daemon.h>
#include <proto/msg.h>

#include <inttypes.h>
#include <string.h>

static void print_row(void *ctx, const struct machine_id *id, int fd, pid_t pid)
{
	char name[sizeof(id->name) + 8], epc[TOOL_SIZE_TEXT], available[TOOL_SIZE_TEXT];
	uint64_t words[8] = {0};

	(void)ctx;
	/* No name has a ':' */
	if (id->name[0])
		snprintf(name, sizeof(name), "%s", id->name);
	else
		snprintf(name, sizeof(name), "pid:%d", id->program);
	if (machine_ask_words(fd, PROTO_MSG_INFO, 0, NULL, words)) {
		printf("%-20s %-8d does not answer\n", name, pid);
		return;
	}
	tool_print_size(epc, words[PROTO_INFO_EPC]);
	tool_print_size(available, words[PROTO_INFO_EPC_FREE]);
	printf("%-20s %-8d %-8s %-10s %-14s %-10" PRIu64 " %" PRIu64 "\n", name, pid, epc,
	       available, tool_cpu_name(words[PROTO_INFO_CPU]), words[PROTO_INFO_PROCESSES],
	       words[PROTO_INFO_ENCLAVES]);
}

static void print_object(void *ctx, const struct machine_id *id, int fd, pid_t pid)
{
	struct json *j = ctx;
	uint64_t words[8] = {0};
	bool answers = !machine_ask_words(fd, PROTO_MSG_INFO, 0, NULL, words);

	json_open_object(j, NULL);
	if (id->name[0])
		json_string(j, "name", id->name);
	else
		json_u64(j, "program", (uint64_t)id->program);
	json_bool(j, "private", !id->name[0]);
	json_u64(j, "pid", (uint64_t)pid);
	json_bool(j, "answers", answers);
	if (answers) {
		json_u64(j, "epc", words[PROTO_INFO_EPC]);
		json_u64(j, "epc_free", words[PROTO_INFO_EPC_FREE]);
		json_string(j, "cpu", tool_cpu_name(words[PROTO_INFO_CPU]));
		json_u64(j, "processes", words[PROTO_INFO_PROCESSES]);
		json_u64(j, "enclaves", words[PROTO_INFO_ENCLAVES]);
	}
	json_close_object(j);
}

/**
 * machine_table() - print the machines that run
 * @as_json:	an array of objects; else a table
 *
 * Return: enum tool_exit
 */
int machine_table(bool as_json)
{
	struct json j;
	int ret;

	tool_note_runtime();
	if (as_json) {
		json_start(&j, stdout);
		json_open_array(&j, NULL);
		ret = machine_list(print_object, &j);
		json_close_array(&j);
		json_end(&j);
	} else {
		printf("%-20s %-8s %-8s %-10s %-14s %-10s %s\n", "NAME", "PID", "EPC", "FREE",
		       "CPU", "PROCESSES", "ENCLAVES");
		ret = machine_list(print_row, NULL);
	}
	if (ret) {
		tool_error("cannot look for machines: %s", strerror(-ret));
		return TOOL_FAILED;
	}
	return tool_finish_stdout();
}
