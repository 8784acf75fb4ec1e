/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * swsgx-bench: the table of `make bench`.  Each line is a figure and a baseline of
 * the same run.  No line makes it fail: times are not asserted.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void __attribute__((noreturn)) usage(FILE *out, int status)
{
	fputs("Usage: swsgx-bench --swsgx FILE --probe FILE --stamp FILE --key FILE [OPTION...]\n"
	      "\n"
	      "Measure swsgx against the bare system and print a table. scripts/bench starts it.\n"
	      "\n"
	      "  --json        print JSON\n"
	      "  --rounds N    measure each line N times, 1 to 101 (default 15)\n"
	      "  --only TEXT   only the lines whose name has TEXT in it\n"
	      "  --huge        also an EPC of 16 GiB (takes 24 GiB of memory)\n"
	      "  --help        show this\n",
	      out);
	exit(status);
}

/* Machines of the bench are nobody else's: their sockets and fuses lie here */
static int private_folder(char *folder)
{
	if (!mkdtemp(folder) || setenv("XDG_RUNTIME_DIR", folder, 1) ||
	    setenv("XDG_STATE_HOME", folder, 1))
		return -errno;
	return 0;
}

static void remove_folder(const char *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command))
		fprintf(stderr, "swsgx-bench: %s is left behind\n", folder);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"swsgx", required_argument, NULL, 'w'},
		{"probe", required_argument, NULL, 'p'},
		{"stamp", required_argument, NULL, 's'},
		{"key", required_argument, NULL, 'k'},
		{"project", required_argument, NULL, 'P'},
		{"json", no_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'},
		{"only", required_argument, NULL, 'o'},
		{"huge", no_argument, NULL, 'H'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	char folder[] = "/tmp/swsgx-bench-XXXXXX";
	static struct table table;
	struct programs p = {0};
	const char *only = NULL;
	unsigned rounds = 15;
	bool json = false, huge = false;
	int c, ret;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'w':
			p.swsgx = optarg;
			break;
		case 'p':
			p.probe = optarg;
			break;
		case 's':
			p.stamp = optarg;
			break;
		case 'k':
			p.key = optarg;
			break;
		case 'P':
			p.project = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'r':
			rounds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			only = optarg;
			break;
		case 'H':
			huge = true;
			break;
		case 'h':
			usage(stdout, 0);
		default:
			usage(stderr, 2);
		}
	}
	if (!p.swsgx || !p.probe || !p.stamp || !p.key || optind != argc || !rounds ||
	    rounds > ROUNDS_MAX)
		usage(stderr, 2);

	/* Before others, where one may: it is inherited, also by the machine */
	(void)setpriority(PRIO_PROCESS, 0, -20);
	ret = private_folder(folder);
	if (!ret)
		ret = bench_lines(&table, &p, rounds, only);
	if (ret) {
		fprintf(stderr, "swsgx-bench: %s\n", strerror(-ret));
		return 1;
	}
	bench_faults(&table, &p, rounds, only);
	bench_sweeps(&table, &p, rounds, only, huge);
	if (!only || strstr("swsgx run true", only))
		bench_run_true(&table, &p, rounds);
	if (!only || strstr("redis-server, SET and GET, a request", only))
		bench_redis(&table, &p, rounds, folder);
	if (!only || strstr("make -j2 of 60 C files", only))
		bench_build(&table, &p, rounds, folder);
	if (!only || strstr("metadata of an EPC page", only))
		bench_metadata(&table, &p);
	if (!only || strstr("machine with 64 GiB of EPC", only))
		bench_large(&table, &p, rounds < 5 ? rounds : 5);
	remove_folder(folder);
	(json ? table_print_json : table_print)(&table);
	return 0;
}
