/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program dies at each place of paging that daemon/faultpoint.h numbers: nothing
 * of the EPC and of the backing is lost, and the machine serves the next one.
 * Environment: SWSGX, the command; VICTIM, the program.
 */
#include "own_machines.h"

#include <harness/harness.h>

#include "faultpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = {"none",
#define X(name, what) #name,
				    FAULT_POINTS(X)
#undef X
};

/* The wait status of the victim */
static int victim(const char *rounds)
{
	pid_t pid = fork();
	int status;

	CHECK_SYS(pid);
	if (!pid) {
		execl(getenv("SWSGX"), "swsgx", "run", "--machine", "k", "--", getenv("VICTIM"),
		      rounds, (char *)NULL);
		_exit(98);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* What the machine says of itself; static */
static const char *stat_json(void)
{
	static char text[1 << 16];
	FILE *f = popen("\"$SWSGX\" stat --json --machine k", "r");
	size_t n;

	CHECK(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	CHECK_EQ(pclose(f), 0);
	return text;
}

/* The first number of this name */
static long number(const char *json, const char *name)
{
	char quoted[32];
	const char *p;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", name);
	p = strstr(json, quoted);
	if (!p)
		FAIL("no %s in %s", name, json);
	return strtol(p + strlen(quoted), NULL, 10);
}

/* The machine learns of a death a moment later. */
static void wait_all_free(unsigned int point, unsigned int k)
{
	const char *json = "";

	for (int i = 0; i < 2000; i++) {
		json = stat_json();
		if (number(json, "free") == number(json, "total") &&
		    strstr(json, "\"enclaves\": []") && strstr(json, "\"processes\": []")) {
			CHECK_EQ(number(json, "leaked"), 0);
			CHECK_EQ(number(json, "parked"), 0);
			CHECK_EQ(number(json, "evicted"), 0);
			CHECK_EQ(number(json, "backing"), 0);
			return;
		}
		usleep(10000);
	}
	FAIL("point %s, time %u: something of the EPC is lost: %s", names[point], k, json);
}

static void die_at(unsigned int point, unsigned int k)
{
	char value[32];
	int status;

	snprintf(value, sizeof(value), "%u:%u", point, k);
	CHECK_SYS(setenv("SWSGX_FAULT_POINT", value, 1));
	CHECK_EQ(sh("\"$SWSGX\" machine start k --epc 1M"), 0);
	CHECK_SYS(unsetenv("SWSGX_FAULT_POINT"));
	status = victim("2");
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		FAIL("point %s, time %u: the victim ended with wait status 0x%x", names[point], k,
		     (unsigned int)status);
	wait_all_free(point, k);
	/* one more, to its end: the point's time is over */
	status = victim("1");
	if (status)
		FAIL("after point %s, time %u: wait status 0x%x", names[point], k,
		     (unsigned int)status);
	wait_all_free(point, k);
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
}

/* What comes some two times, and not for each page */
static bool seldom(unsigned int point)
{
	switch (point) {
	case FAULT_SECS_NO_BACKING:
	case FAULT_SECS_DONE:
	case FAULT_SECS_ELDU:
	case FAULT_SECS_LOADED:
	case FAULT_TCS_RETIRE:
	case FAULT_TCS_RETIRED:
	case FAULT_CONTINUE:
	case FAULT_CONTINUED:
		return true;
	default:
		return false;
	}
}

static void walk(unsigned int first, unsigned int end)
{
	setup();
	for (unsigned int point = first; point < end; point++)
		die_at(point, seldom(point) ? 1 + point % 2 : point % 2 ? 1 : 5);
	cleanup();
}

/* In parts, for what one of them costs */
TEST_TIMEOUT(parking, 240)
{
	walk(FAULT_OFF + 1, FAULT_EWB_NO_BACKING);
}

TEST_TIMEOUT(ewb, 240)
{
	walk(FAULT_EWB_NO_BACKING, FAULT_ELDU);
}

TEST_TIMEOUT(eldu, 240)
{
	walk(FAULT_ELDU, FAULT_COPY);
}

TEST_TIMEOUT(grant, 240)
{
	walk(FAULT_COPY, FAULT_TCS_RETIRE);
}

TEST_TIMEOUT(tcs, 240)
{
	walk(FAULT_TCS_RETIRE, FAULT_POINT_COUNT);
}

/* A point that there is not is said to be none, and nobody dies. */
TEST_TIMEOUT(no_such_point, 120)
{
	setup();
	CHECK_SYS(setenv("SWSGX_FAULT_POINT", "9999", 1));
	CHECK_EQ(sh("\"$SWSGX\" machine start k --epc 1M"), 0);
	CHECK_EQ(victim("1"), 0);
	wait_all_free(FAULT_OFF, 0);
	CHECK(strstr(stat_json(), "there is no such point"));
	CHECK_EQ(sh("\"$SWSGX\" machine stop k"), 0);
	cleanup();
}
