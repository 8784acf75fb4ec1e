/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enclaves of a hardened program, whose memory never becomes executable: it is
 * mapped so.  By PR_SET_MDWE in each test; or the program was started so (mdwe_run.c).
 *
 * What is right is asked of an ordinary file's mapping in the same process.
 */
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROT_RW	 (PROT_READ | PROT_WRITE)
#define PROT_RX	 (PROT_READ | PROT_EXEC)
#define PROT_RWX (PROT_RW | PROT_EXEC)

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#define PR_MDWE_REFUSE_EXEC_GAIN 1

/* 0, or -errno */
static int protect(uint64_t addr, uint64_t size, int prot)
{
	return mprotect((void *)addr, size, prot) ? -errno : 0;
}

static int map_file(int fd, int prot, void **ret)
{
	*ret = mmap(NULL, ENCL_PAGE, prot, MAP_SHARED, fd, 0);
	return *ret == MAP_FAILED ? -errno : 0;
}

/* What Linux answers where X is gained later (.gain), and where it comes with W (.rwx) */
static struct {
	int gain, rwx;
} denied;

static void harden(void)
{
	int fd;
	void *p;

	if (!getenv("HARDENED") && prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
		SKIP("PR_SET_MDWE: %s", strerror(errno));
	fd = memfd_create("ordinary", MFD_CLOEXEC);
	CHECK_SYS(fd);
	CHECK_SYS(ftruncate(fd, ENCL_PAGE));
	CHECK_EQ(map_file(fd, PROT_RX, &p), 0);
	CHECK_SYS(munmap(p, ENCL_PAGE));
	denied.rwx = map_file(fd, PROT_RWX, &p);
	CHECK_EQ(map_file(fd, PROT_READ, &p), 0);
	denied.gain = protect((uint64_t)p, ENCL_PAGE, PROT_RX);
	CHECK_SYS(munmap(p, ENCL_PAGE));
	close(fd);
	CHECK(denied.rwx == -EACCES || denied.rwx == -EPERM);
	CHECK_EQ(denied.gain, denied.rwx);
}

static void map_hardened(struct encl *e)
{
	CHECK_EQ(encl_map(e, ENCL_CODE, ENCL_CODE_SIZE, PROT_RX), 0);
	CHECK_EQ(encl_map(e, ENCL_DATA, ENCL_DATA_SIZE, PROT_RW), 0);
	CHECK_EQ(encl_map(e, ENCL_TCS, e->opts.tcs_count * encl_stride(e) + e->opts.heap, PROT_RW),
		 0);
}

static void build(struct encl *e)
{
	harden();
	encl_build(e, &(struct encl_opts){.no_map = true});
	map_hardened(e);
}

static void works(struct encl *e, uint64_t value)
{
	encl_write8(e, 0, e->base + ENCL_DATA, value);
	CHECK_EQ(encl_read8(e, 0, e->base + ENCL_DATA), value);
}

TEST(code_is_mapped_executable)
{
	struct encl e;

	build(&e);
	works(&e, 1);
	CHECK_EQ(encl_map(&e, ENCL_RWX, ENCL_PAGE, PROT_RWX), denied.rwx);
	CHECK_EQ(encl_map(&e, ENCL_HOLE, ENCL_PAGE, PROT_RWX), denied.rwx);
	CHECK_EQ(encl_map(&e, ENCL_RWX, ENCL_PAGE, PROT_RX), 0);
	CHECK_EQ(encl_map(&e, ENCL_RWX, ENCL_PAGE, PROT_RW), 0);
	/* what was there before a refusal is there after it */
	encl_write8(&e, 0, e.base + ENCL_RWX, 2);
	CHECK_EQ(encl_map(&e, ENCL_RWX, ENCL_PAGE, PROT_RWX), denied.rwx);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_RWX), 2);
	/* the driver's own answer is still its own */
	CHECK_EQ(encl_map(&e, ENCL_RO, ENCL_PAGE, PROT_RX), -EACCES);
	works(&e, 3);
	encl_free(&e);
}

TEST(nothing_becomes_executable)
{
	struct encl_op o;
	struct encl e;

	build(&e);
	CHECK_EQ(encl_map(&e, ENCL_RWX, ENCL_PAGE, PROT_READ), 0);
	CHECK_EQ(protect(e.base + ENCL_RWX, ENCL_PAGE, PROT_RX), denied.gain);
	CHECK_EQ(protect(e.base + ENCL_RWX, ENCL_PAGE, PROT_RWX), denied.gain);
	/* it is as it was: readable, and no more */
	encl_read8(&e, 0, e.base + ENCL_RWX);
	o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_WRITE8, e.base + ENCL_RWX, 1, 0, 0);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(protect(e.base + ENCL_RWX, ENCL_PAGE, PROT_RW), 0);
	o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
	CHECK_EQ(o.run.function, SGX_EEXIT);
	/* X that is given up is gone */
	CHECK_EQ(protect(e.base + ENCL_CODE, ENCL_CODE_SIZE, PROT_READ), 0);
	CHECK_EQ(protect(e.base + ENCL_CODE, ENCL_CODE_SIZE, PROT_RX), denied.gain);
	CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_RX), 0);
	works(&e, 4);
	encl_free(&e);
}

/* What has moved is what it was, executable too. */
TEST(code_moves_and_comes_back)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	void *code, *to;
	struct encl e;

	build(&e);
	works(&e, 11);
	code = (void *)(e.base + ENCL_CODE);
	to = mmap(NULL, ENCL_CODE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(to != MAP_FAILED);
	CHECK(mremap(code, ENCL_CODE_SIZE, ENCL_CODE_SIZE, flags, to) == to);
	CHECK(mremap(to, ENCL_CODE_SIZE, ENCL_CODE_SIZE, flags, code) == code);
	works(&e, 12);
	encl_free(&e);
}

/*
 * [hole, hole + size) is free, and is where the kernel puts the next mapping of
 * @want bytes: free places above are filled.  Return: where the kernel put one in it.
 */
static uint64_t offer_hole(uint64_t hole, uint64_t size, uint64_t want)
{
	unsigned tries;
	uint64_t at;
	void *p;

	CHECK_SYS(munmap((void *)hole, size));
	for (tries = 0; tries < 1000000; tries++) {
		p = mmap(NULL, want, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(p != MAP_FAILED);
		at = (uint64_t)p;
		if (at >= hole && at < hole + size) {
			CHECK_SYS(munmap(p, want));
			return at;
		}
	}
	FAIL("the kernel does not take the hole");
	return 0;
}

/* Free space where code is to come: as large as the code, and a page larger. */
TEST(code_comes_to_a_hole)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	uint64_t larger, at;
	void *code, *to;
	struct encl e;

	build(&e);
	works(&e, 13);
	code = (void *)(e.base + ENCL_CODE);
	for (larger = 0; larger <= ENCL_PAGE; larger += ENCL_PAGE) {
		/* mapped */
		at = offer_hole(e.base + ENCL_CODE, ENCL_CODE_SIZE + larger, ENCL_CODE_SIZE);
		CHECK_EQ(at, e.base + ENCL_CODE + larger);
		CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_RX), 0);
		works(&e, 14);
		/* moved */
		to = mmap(NULL, ENCL_CODE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(to != MAP_FAILED);
		CHECK(mremap(code, ENCL_CODE_SIZE, ENCL_CODE_SIZE, flags, to) == to);
		at = offer_hole(e.base + ENCL_CODE, ENCL_CODE_SIZE + larger, ENCL_CODE_SIZE);
		CHECK_EQ(at, e.base + ENCL_CODE + larger);
		CHECK(mremap(to, ENCL_CODE_SIZE, ENCL_CODE_SIZE, flags, code) == code);
		works(&e, 15);
	}
	encl_free(&e);
}

TEST(mapped_before_create)
{
	struct encl e;

	harden();
	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_RX), 0);
	CHECK_EQ(encl_create(&e), 0);
	encl_add_all(&e);
	encl_sign(&e);
	CHECK_EQ(encl_init(&e), 0);
	CHECK_EQ(encl_map(&e, ENCL_DATA, ENCL_DATA_SIZE, PROT_RW), 0);
	CHECK_EQ(encl_map(&e, ENCL_TCS, encl_stride(&e), PROT_RW), 0);
	works(&e, 5);
	encl_free(&e);
}

TEST(a_fork_child_has_it_and_maps_its_own)
{
	struct encl e, own;
	int status;
	pid_t pid;

	build(&e);
	works(&e, 6);
	pid = fork();
	if (pid == 0) {
		works(&e, 7);
		CHECK_EQ(encl_map(&e, ENCL_CODE, ENCL_CODE_SIZE, PROT_RX), 0);
		works(&e, 8);
		encl_build(&own, &(struct encl_opts){.no_map = true});
		map_hardened(&own);
		works(&own, 9);
		CHECK_EQ(encl_map(&own, ENCL_RWX, ENCL_PAGE, PROT_RWX), denied.rwx);
		_exit(0);
	}
	CHECK_SYS(pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(encl_read8(&e, 0, e.base + ENCL_DATA), 8);
	encl_free(&e);
}

/* --- no access slips between a mapping and its registration ---------------------- */

static __thread sigjmp_buf back;
static atomic_bool stop;
static atomic_uint looked, seen;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

static void *look(void *arg)
{
	const volatile uint8_t *page = arg;

	while (!atomic_load(&stop)) {
		if (!sigsetjmp(back, 1)) {
			(void)*page;
			atomic_fetch_add(&seen, 1);
		}
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

/*
 * A page that was never added is looked at all the time while it is mapped again
 * and again.  One that could be read once would be there for good, for everyone.
 */
TEST(no_access_slips_in)
{
	struct sigaction action = {.sa_handler = on_fault};
	pthread_t thread;
	struct encl e;
	unsigned rounds;

	build(&e);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	CHECK_EQ(pthread_create(&thread, NULL, look, (void *)(e.base + ENCL_HOLE)), 0);
	for (rounds = 0; rounds < 500 || atomic_load(&looked) < 500; rounds++) {
		CHECK_EQ(encl_map(&e, ENCL_HOLE, ENCL_PAGE, PROT_RX), 0);
		if (rounds % 2)
			CHECK_SYS(munmap((void *)(e.base + ENCL_HOLE), ENCL_PAGE));
	}
	atomic_store(&stop, true);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(atomic_load(&seen), 0);
	/* the file of the enclave has no page there */
	CHECK(lseek(e.fd, ENCL_HOLE, SEEK_DATA) != (off_t)ENCL_HOLE);
	works(&e, 10);
	encl_free(&e);
}
