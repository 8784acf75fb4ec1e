/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine.h"

#include <harness/harness.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/**
 * machine_do() - `swsgx machine`
 * @verb: suspend, poison
 * @arguments: behind the machine's name
 *
 * Return: its exit status.
 */
int machine_do(const char *verb, const char *arguments)
{
	char command[256];
	int status;

	if (!getenv("SWSGX") || !getenv("MACHINE"))
		FAIL("SWSGX and MACHINE are not set: run this by on_machine.sh");
	snprintf(command, sizeof(command), "\"$SWSGX\" machine %s \"$MACHINE\" %s >/dev/null", verb,
		 arguments);
	status = system(command);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static char *report(void)
{
	static char text[1 << 18];
	FILE *f = popen("\"$SWSGX\" stat --json --machine \"$MACHINE\"", "r");
	size_t n;

	CHECK(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	CHECK_EQ(pclose(f), 0);
	return text;
}

static uint64_t number_at(const char *text, const char *name)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", name);
	at = strstr(text, quoted);
	CHECK(at);
	return strtoull(at + strlen(quoted), NULL, 10);
}

/**
 * machine_epc() - a number of the machine's EPC
 * @name: its key
 */
uint64_t machine_epc(const char *name)
{
	char *epc = strstr(report(), "\"epc\": ");

	CHECK(epc);
	return number_at(epc, name);
}

/**
 * machine_eid() - the EID of an enclave, by its base; no other is there
 * @e: enclave, created
 */
uint64_t machine_eid(const struct encl *e)
{
	char base[64], *text = report(), *line;

	snprintf(base, sizeof(base), "\"base\": \"0x%" PRIx64 "\"", e->base);
	line = strtok(text, "\n");
	while (line && !strstr(line, base))
		line = strtok(NULL, "\n");
	CHECK(line);
	return number_at(line, "eid");
}

/**
 * machine_poison() - a memory error in the EPC page that a page of an enclave is in
 * @eid: of the enclave
 * @offset: of the page
 *
 * Return: 0; 1 where it is evicted.
 */
int machine_poison(uint64_t eid, uint64_t offset)
{
	char arguments[128];

	snprintf(arguments, sizeof(arguments), "--enclave %" PRIu64 " --offset 0x%" PRIx64, eid,
		 offset);
	return machine_do("poison", arguments);
}

/**
 * machine_wait_free() - until all of the EPC is free, but for poisoned pages
 *
 * The machine learns of an enclave's end a moment later.
 */
void machine_wait_free(void)
{
	for (int i = 0; i < 500; i++) {
		char *epc = strstr(report(), "\"epc\": ");

		CHECK(epc);
		if (number_at(epc, "free") + number_at(epc, "poisoned") == number_at(epc, "total"))
			return;
		usleep(10000);
	}
	FAIL("pages are lost");
}
