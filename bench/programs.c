/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that use no enclave: a build, and a server under load.  Bare and under
 * `swsgx run` in turns, and every other round the other way round.
 */
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES	     "60" /* of the project */
#define BUILDS	     5u /* at most: rounds of a build */
#define START_TRIES  500u
#define START_US     20000u
#define LOAD_OPTIONS "-q --csv -n 20000 -c 20 -t set,get"

static bool installed(const char *program)
{
	char command[96];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
	return system(command) == 0;
}

static bool quiet(const char *const *argv, double *ret_ns)
{
	uint64_t ns;

	if (run_quiet(argv, &ns, NULL, NULL))
		return false;
	if (ret_ns)
		*ret_ns = (double)ns;
	return true;
}

/* Both, in an order that depends on the round */
static bool in_turns(unsigned round, bool (*one)(void *arg, bool under), void *arg)
{
	return one(arg, round % 2) && one(arg, !(round % 2));
}

/* --- a build ------------------------------------------------------------------------ */

struct build {
	const struct programs *p;
	const char *dir;
	unsigned round;
	double bare[BUILDS], under[BUILDS];
};

static bool build_once(void *arg, bool under)
{
	struct build *b = arg;
	const char *const clean[] = {"make", "-s", "-C", b->dir, "clean", NULL};
	const char *const bare[] = {"make", "-s", "-j2", "-C", b->dir, NULL};
	const char *const run[] = {b->p->swsgx, "run", "--",   "make", "-s",
				   "-j2",	"-C",  b->dir, NULL};

	return quiet(clean, NULL) &&
	       quiet(under ? run : bare, under ? &b->under[b->round] : &b->bare[b->round]);
}

/**
 * bench_build() - make -j2 of a C project
 * @t:	    where the row goes
 * @p:	    programs
 * @rounds: at most
 * @folder: to work in
 */
void bench_build(struct table *t, const struct programs *p, unsigned rounds, const char *folder)
{
	struct row *r = table_add(t, "make -j2 of " FILES " C files", "ns");
	struct build b = {.p = p};
	char dir[128];
	const char *const project[] = {p->project, dir, FILES, NULL};

	r->against = "bare";
	r->sense = AT_MOST;
	r->limit = 1.1;
	snprintf(dir, sizeof(dir), "%s/project", folder);
	b.dir = dir;
	if (rounds > BUILDS)
		rounds = BUILDS;
	if (!p->project || !installed("make") || !installed("gcc") || !quiet(project, NULL)) {
		snprintf(r->note, sizeof(r->note), "skipped: no make, no gcc or no project");
		return;
	}
	/* one that does not count: the files are read from the disk */
	if (!build_once(&b, false))
		goto failed;
	for (b.round = 0; b.round < rounds; b.round++)
		if (!in_turns(b.round, build_once, &b))
			goto failed;
	r->baseline = median(b.bare, rounds);
	r->figure = median(b.under, rounds);
	return;
failed:
	snprintf(r->note, sizeof(r->note), "the build failed");
}

/* --- a server ------------------------------------------------------------------------- */

struct server {
	pid_t pid;
	char socket[128];
	double ns[ROUNDS_MAX]; /* a request */
};

struct load {
	struct server server[2]; /* bare, under */
	unsigned round;
};

static bool answers(const struct server *s)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ret;

	if (fd < 0 || strlen(s->socket) >= sizeof(to.sun_path))
		return false;
	strcpy(to.sun_path, s->socket);
	ret = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(fd);
	return ret;
}

static bool server_start(struct server *s, const struct programs *p, bool under, const char *folder)
{
	const char *const argv[] = {p->swsgx, "run",  "--",	      "redis-server",
				    "--port", "0",    "--save",	      "",
				    "--dir",  folder, "--unixsocket", s->socket,
				    NULL};

	snprintf(s->socket, sizeof(s->socket), "%s/redis-%s", folder, under ? "under" : "bare");
	if (start_quiet(&s->pid, under ? argv : argv + 3))
		return false;
	for (unsigned i = 0; i < START_TRIES; i++) {
		if (answers(s))
			return true;
		usleep(START_US);
	}
	return false;
}

static void server_end(struct server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
}

/* The time of a SET and a GET together, halved, from lines like "SET","12345.67",... */
static bool load_once(void *arg, bool under)
{
	struct load *l = arg;
	struct server *s = &l->server[under];
	char command[256], line[256];
	unsigned found = 0;
	double ns = 0, rate;
	FILE *out;

	snprintf(command, sizeof(command), "redis-benchmark -s '%s' " LOAD_OPTIONS, s->socket);
	out = popen(command, "re");
	if (!out)
		return false;
	while (fgets(line, sizeof(line), out))
		if (sscanf(line, "\"%*[SETG]\",\"%lf\"", &rate) == 1 && rate > 0) {
			ns += 1e9 / rate;
			found++;
		}
	s->ns[l->round] = ns / 2;
	return pclose(out) == 0 && found == 2;
}

/**
 * bench_redis() - redis-server, measured by redis-benchmark, which runs bare
 * @t:	    where the row goes
 * @p:	    programs
 * @rounds: of it
 * @folder: for its sockets
 */
void bench_redis(struct table *t, const struct programs *p, unsigned rounds, const char *folder)
{
	struct row *r = table_add(t, "redis-server, SET and GET, a request", "ns");
	static struct load l;

	r->against = "bare";
	r->sense = AT_LEAST;
	r->limit = 0.97;
	if (!installed("redis-server") || !installed("redis-benchmark")) {
		snprintf(r->note, sizeof(r->note), "skipped: redis is not installed");
		return;
	}
	memset(&l, 0, sizeof(l));
	if (!server_start(&l.server[0], p, false, folder) ||
	    !server_start(&l.server[1], p, true, folder)) {
		snprintf(r->note, sizeof(r->note), "redis-server does not answer");
		goto out;
	}
	for (l.round = 0; l.round < rounds; l.round++)
		if (!in_turns(l.round, load_once, &l)) {
			snprintf(r->note, sizeof(r->note), "redis-benchmark failed");
			goto out;
		}
	r->baseline = median(l.server[0].ns, rounds);
	r->figure = median(l.server[1].ns, rounds);
out:
	server_end(&l.server[0]);
	server_end(&l.server[1]);
}
