/* SPDX-License-Identifier: BSD-3-Clause */
/* Resource limits that a program sets for itself. */
#include "case.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define MIB (1ul << 20)

static void limit(int resource, unsigned long soft, unsigned long hard)
{
	struct rlimit rl = {soft, hard};

	must(setrlimit(resource, &rl) == 0);
}

static void try_map(const char *what, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	say("%s: %s", what, p == MAP_FAILED ? strerror(errno) : "mapped");
	if (p != MAP_FAILED)
		munmap(p, size);
}

static pthread_barrier_t barrier;

static void *waits(void *arg)
{
	pthread_barrier_wait(&barrier);
	return arg;
}

static void threads(unsigned int count)
{
	pthread_t t[256];
	pthread_attr_t attr;

	must(count <= 256);
	pthread_attr_init(&attr);
	must(pthread_attr_setstacksize(&attr, 64 << 10) == 0);
	must(pthread_barrier_init(&barrier, NULL, count + 1) == 0);
	for (unsigned int i = 0; i < count; i++)
		must(pthread_create(&t[i], &attr, waits, NULL) == 0);
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < count; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("%u threads", count);
}

CASE(address_space)
{
	limit(RLIMIT_AS, 256 * MIB, 256 * MIB);
	try_map("128 MiB", 128 * MIB);
	try_map("256 MiB", 256 * MIB);
	threads(200);
}

CASE(address_space_by_prlimit)
{
	struct rlimit rl = {256 * MIB, RLIM_INFINITY}, old;

	must(prlimit(getpid(), RLIMIT_AS, &rl, &old) == 0);
	say("was %s", old.rlim_cur == RLIM_INFINITY ? "unlimited" : "limited");
	try_map("128 MiB", 128 * MIB);
	must(prlimit(0, RLIMIT_AS, NULL, &old) == 0);
	say("is %lu", (unsigned long)old.rlim_cur);
	must(prlimit(0, RLIMIT_AS, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}, NULL) == 0);
	try_map("1 GiB", 1024 * MIB);
	threads(200);
}

/* Bad arguments are the kernel's to answer. */
CASE(address_space_badly)
{
	say_errno("no limit", syscall(SYS_setrlimit, RLIMIT_AS, 0));
	say_errno("nowhere", syscall(SYS_setrlimit, RLIMIT_AS, 8));
	say_errno("soft above hard", setrlimit(RLIMIT_AS, &(struct rlimit){2 * MIB, 1 * MIB}));
	say_errno("nobody's", prlimit(0x7ffffffe, RLIMIT_AS, &(struct rlimit){1, 1}, NULL));
	threads(20);
}

CASE(data)
{
	limit(RLIMIT_DATA, 32 * MIB, 32 * MIB);
	try_map("16 MiB", 16 * MIB);
	try_map("32 MiB", 32 * MIB);
	threads(200);
}

/* Of all that is mapped, and that is counted against the limit */
CASE(everything_locked)
{
	struct rlimit rl;

	/* all that may be: as a rule 8 MiB */
	must(getrlimit(RLIMIT_MEMLOCK, &rl) == 0);
	limit(RLIMIT_MEMLOCK, rl.rlim_max, rl.rlim_max);
	if (geteuid() == 0) {
		must(setgid(65534) == 0);
		must(setuid(65534) == 0);
	}
	say_errno("mlockall", mlockall(MCL_CURRENT));
	say_errno("munlockall", munlockall());
	threads(20);
}

static void *counts(void *arg)
{
	pause();
	return arg;
}

/* One thread too many is an error of pthread_create, not the end. */
CASE(threads_to_the_limit)
{
	pthread_t t;
	int ret, n;

	limit(RLIMIT_AS, 512 * MIB, RLIM_INFINITY);
	for (n = 0; n < 1000; n++) {
		ret = pthread_create(&t, NULL, counts, NULL);
		if (ret)
			break;
	}
	say("some: %d, then %s", n > 10, strerror(ret));
	limit(RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY);
	threads(20);
}

static void files(unsigned long soft, unsigned long hard)
{
	char text[64] = "";
	int fd;

	limit(RLIMIT_FSIZE, soft, hard);
	fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	must(read(fd, text, 9) == 9);
	say("%s, closed at exec: %d", text, fcntl(fd, F_GETFD));
	fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	if (fd < 0)
		return;
	signal(SIGXFSZ, SIG_IGN);
	say_errno("a file", ftruncate(fd, (off_t)soft + 1));
}

CASE(small_files)
{
	files(16, RLIM_INFINITY);
}

CASE(small_files_for_good)
{
	files(16, 16);
}

static void program(void)
{
	execl(beside("show"), "show", "limits", (char *)NULL);
	say("not executed: %s", strerror(errno));
	exit(1);
}

CASE(programs_with_little)
{
	static const struct {
		const char *name;
		int resource;
		unsigned long limit;
	} table[] = {
		{"descriptors", RLIMIT_NOFILE, 8}, {"files", RLIMIT_FSIZE, 0},
		{"data", RLIMIT_DATA, 8 * MIB},	   {"addresses", RLIMIT_AS, 64 * MIB},
		{"locked", RLIMIT_MEMLOCK, 0},	   {"stack", RLIMIT_STACK, 256 << 10},
		{"signals", RLIMIT_SIGPENDING, 0}, {"core", RLIMIT_CORE, 0},
		{"time", RLIMIT_CPU, 100},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			limit(table[i].resource, table[i].limit, table[i].limit);
			program();
		}
		say_status(table[i].name, pid);
	}
}
