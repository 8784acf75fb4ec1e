/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Core files of programs with enclaves: how long they are, and what is in them.
 * Environment: SWSGX, the command.
 */
#include "child.h"
#include "encl.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MARK  0x5753475845434f52ull
#define PAGES 16

static char folder[64];

static void in_a_folder(void)
{
	char pattern[128] = "";
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");
	struct rlimit rl;

	CHECK(f && fgets(pattern, sizeof(pattern), f));
	fclose(f);
	if (pattern[0] == '|' || pattern[0] == '/')
		SKIP("core files do not go where the program is, but to %s", pattern);
	CHECK_SYS(getrlimit(RLIMIT_CORE, &rl));
	if (rl.rlim_max != RLIM_INFINITY)
		SKIP("core files are limited (ulimit -Hc)");
	rl.rlim_cur = RLIM_INFINITY;
	CHECK_SYS(setrlimit(RLIMIT_CORE, &rl));
	snprintf(folder, sizeof(folder), "/tmp/swsgx-core-XXXXXX");
	CHECK(mkdtemp(folder));
	CHECK_SYS(chdir(folder));
	CHECK_SYS(setenv("XDG_STATE_HOME", folder, 1));
}

/* The core of a program, which a signal must end.  Return: descriptor */
static int core_of(const char *const *command, int sig)
{
	int status, fd;
	pid_t pid = start();

	if (!pid) {
		execvp(command[0], (char *const *)(uintptr_t)command);
		_exit(98);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != sig || !WCOREDUMP(status))
		FAIL("wait status 0x%x", (unsigned int)status);
	CHECK_EQ(system("mv core* the-core"), 0);
	fd = open("the-core", O_RDONLY | O_CLOEXEC);
	CHECK_SYS(fd);
	CHECK_SYS(unlink("the-core"));
	return fd;
}

static off_t length(int fd)
{
	struct stat st;

	CHECK_SYS(fstat(fd, &st));
	return st.st_size;
}

/* Where an address is in the core; NULL: nowhere */
static const uint64_t *word_at(const char *core, uint64_t addr)
{
	const Elf64_Ehdr *eh = (const void *)core;
	const Elf64_Phdr *ph = (const void *)(core + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && addr - ph[i].p_vaddr < ph[i].p_filesz)
			return (const void *)(core + ph[i].p_offset + (addr - ph[i].p_vaddr));
	return NULL;
}

/* How many pages of the enclave's heap are in it, with their marks */
static int marks(int fd)
{
	size_t size = (size_t)length(fd);
	const char *core = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	FILE *f = fopen("heap", "re");
	uint64_t heap;
	int n = 0;

	CHECK(core != MAP_FAILED);
	CHECK(f && fscanf(f, "%" SCNx64, &heap) == 1);
	fclose(f);
	for (int i = 0; i < PAGES; i++) {
		const uint64_t *word = word_at(core, heap + (uint64_t)i * ENCL_PAGE);

		n += word && *word == MARK;
	}
	munmap((void *)(uintptr_t)core, size);
	close(fd);
	return n;
}

static void done(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	CHECK_EQ(system(command), 0);
}

TEST_TIMEOUT(length_of_a_core, 120)
{
	/* no code of its has CPUID: where that is rewritten, it is in the core */
	const char *bare[] = {"sh", "-c", "kill -SEGV $$", NULL};
	const char *under[] = {getenv("SWSGX"), "run", "--", "sh", "-c", "kill -SEGV $$", NULL};
	off_t a, b;
	int fd;

	in_a_folder();
	fd = core_of(bare, SIGSEGV);
	a = length(fd);
	close(fd);
	fd = core_of(under, SIGSEGV);
	b = length(fd);
	close(fd);
	/* our vDSO, and the code of ld.so, where a call was borrowed at the exec */
	if (b > a + (512 << 10))
		FAIL("%lld bytes, and %lld without swsgx", (long long)b, (long long)a);
	done();
}

static int marks_of(const char *option, const char *what, int sig)
{
	const char *command[] = {getenv("SWSGX"),   "run", option, "--",
				 getenv("PROGRAM"), what,  NULL};

	return marks(core_of(command, sig));
}

TEST_TIMEOUT(enclaves_in_a_core, 240)
{
	static const struct {
		const char *what;
		int sig;
	} table[] = {{"segv", SIGSEGV}, {"abort", SIGABRT}, {"quit", SIGQUIT}, {"inside", SIGILL}};

	in_a_folder();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CHECK_EQ(marks_of("--cpu=host", table[i].what, table[i].sig), 0);
		/* also of pages that are parked, or that this process has not touched */
		CHECK_EQ(marks_of("--core-enclaves", table[i].what, table[i].sig), PAGES);
	}
	/* not one that is not DEBUG */
	CHECK_EQ(marks_of("--core-enclaves", "production", SIGABRT), 0);
	/* the option is inherited over an exec, and a program may still ignore */
	CHECK_EQ(marks_of("--core-enclaves", "exec", SIGABRT), PAGES);
	done();
}

/* --- the program: an enclave with marks in its heap, and a death */

static void mark(struct encl *e, uint64_t attributes)
{
	FILE *f = fopen("heap", "we");

	encl_build(e, &(struct encl_opts){.attributes = attributes, .heap = PAGES * ENCL_PAGE});
	for (int i = 0; i < PAGES; i++)
		encl_write8(e, 0, e->heap + (uint64_t)i * ENCL_PAGE, MARK);
	CHECK(f && fprintf(f, "%" PRIx64 "\n", e->heap) > 0 && !fclose(f));
}

static int program(char **argv)
{
	struct encl e;
	const char *what = argv[1];
	bool production = !strcmp(what, "production");

	if (!strcmp(what, "exec")) {
		CHECK(signal(SIGQUIT, SIG_IGN) == SIG_DFL);
		raise(SIGQUIT);
		execl(argv[0], argv[0], "abort", (char *)NULL);
		return 1;
	}
	mark(&e, production ? SGX_ATTR_MODE64_BIT : 0);
	if (!strcmp(what, "segv"))
		*(volatile char *)(uintptr_t)folder[0] = 1; /* folder is empty */
	else if (!strcmp(what, "quit"))
		kill(getpid(), SIGQUIT);
	else if (!strcmp(what, "inside"))
		encl_enclu(SGX_EENTER, encl_tcs(&e, 0), 0x1000, OP_UD2);
	abort();
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] != '-' && getenv("PROGRAM"))
		return program(argv);
	if (!getenv("SWSGX"))
		FAIL("SWSGX is not set");
	CHECK_SYS(setenv("PROGRAM", argv[0], 1));
	return harness_main(argc, argv);
}
