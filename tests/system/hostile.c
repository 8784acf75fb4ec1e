/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments that point where they should not, or change meanwhile; races. */
#include "encl.h"

#include <fcntl.h>
#include <harness/harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define REG(rwx) (((uint64_t)SGX_PT_REG << 8) | (rwx))

static uint8_t pages[64 * 4096] __attribute__((aligned(4096)));

/* The arguments lie in the enclave: outside reads it here; no crash, no hang. */
TEST(arguments_in_the_enclave)
{
	struct encl e, other;

	encl_build(&e, &(struct encl_opts){0});
	encl_open(&other, &(struct encl_opts){0});
	/* a TCS, a hole, no mapping */
	CHECK_ERRNO(ioctl(other.fd, SGX_IOC_ENCLAVE_CREATE, encl_tcs(&e, 0)), EFAULT);
	CHECK_ERRNO(ioctl(other.fd, SGX_IOC_ENCLAVE_CREATE, e.base + ENCL_HOLE), EFAULT);
	CHECK_ERRNO(ioctl(other.fd, SGX_IOC_ENCLAVE_CREATE, e.base + e.size - 64), EFAULT);
	CHECK_EQ(encl_create(&other), 0);
	CHECK_ERRNO(ioctl(other.fd, SGX_IOC_ENCLAVE_ADD_PAGES, encl_tcs(&e, 0)), EFAULT);
	/* pages of an enclave as the source: of itself, and a hole */
	CHECK_EQ(encl_add(&other, 0, (void *)(e.base + ENCL_HOLE), 4096, REG(3), 0, NULL), -EFAULT);
	CHECK_EQ(encl_add(&other, 0, (void *)encl_tcs(&e, 0), 4096, REG(3), 0, NULL), -EFAULT);
	encl_free(&other);
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* --- two threads at once --------------------------------------------------------- */

struct racer {
	struct encl *e;
	int ok, busy, other;
	uint64_t first, count;
};

static void *race_add(void *arg)
{
	struct racer *r = arg;

	for (uint64_t i = 0; i < r->count; i++) {
		uint64_t offset = (r->first + i) * 4096;
		int ret;

		/* EBUSY: the other one's ioctl runs; then once more */
		while ((ret = encl_add(r->e, offset, pages, 4096, REG(3), 0, NULL)) == -EBUSY)
			r->busy++;
		if (ret)
			r->other++;
		else
			r->ok++;
	}
	return NULL;
}

TEST(two_threads_add_different_pages)
{
	struct racer r[2] = {0};
	pthread_t thread[2];
	struct encl e;

	encl_open(&e, &(struct encl_opts){.heap = 4 << 20});
	CHECK_EQ(encl_create(&e), 0);
	for (int i = 0; i < 2; i++) {
		r[i] = (struct racer){.e = &e, .first = 200u * (unsigned int)i, .count = 200};
		CHECK_EQ(pthread_create(&thread[i], NULL, race_add, &r[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
		CHECK_EQ(r[i].ok, 200);
		CHECK_EQ(r[i].other, 0);
	}
	encl_free(&e);
}

static void *race_same(void *arg)
{
	struct racer *r = arg;

	for (uint64_t i = 0; i < r->count; i++) {
		int ret = encl_add(r->e, i * 4096, pages, 4096, REG(3), 0, NULL);

		if (!ret)
			r->ok++;
		else if (ret == -EBUSY)
			r->busy++;
		else
			r->other++;
	}
	return NULL;
}

/* The same page twice and an ioctl at once are both EBUSY: each goes in at most once. */
TEST(two_threads_add_the_same_pages)
{
	struct racer r[2] = {0};
	pthread_t thread[2];
	struct encl e;

	encl_open(&e, &(struct encl_opts){.heap = 4 << 20});
	CHECK_EQ(encl_create(&e), 0);
	for (int i = 0; i < 2; i++) {
		r[i] = (struct racer){.e = &e, .count = 300};
		CHECK_EQ(pthread_create(&thread[i], NULL, race_same, &r[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK(r[0].ok + r[1].ok <= 300);
	CHECK_EQ(r[0].ok + r[0].busy + r[1].ok + r[1].busy, 600);
	CHECK_EQ(r[0].other + r[1].other, 0);
	encl_free(&e);
}

static pthread_barrier_t barrier;

static void *race_create(void *arg)
{
	struct racer *r = arg;
	int ret;

	pthread_barrier_wait(&barrier);
	ret = encl_create(r->e);
	r->ok = !ret;
	r->busy = ret == -EBUSY || ret == -EINVAL;
	return NULL;
}

static void *race_init(void *arg)
{
	struct racer *r = arg;
	int ret;

	pthread_barrier_wait(&barrier);
	ret = encl_init(r->e);
	r->ok = !ret;
	r->busy = ret == -EBUSY || ret == -EINVAL;
	return NULL;
}

static void both(struct encl *e, void *(*function)(void *))
{
	struct racer r[2] = {{.e = e}, {.e = e}};
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, function, &r[i]), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	CHECK_EQ(r[0].ok + r[1].ok, 1);
	CHECK_EQ(r[0].busy + r[1].busy, 1);
}

TEST(two_threads_create_and_init)
{
	struct encl e;

	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 30; i++) {
		encl_open(&e, &(struct encl_opts){0});
		both(&e, race_create);
		encl_add_all(&e);
		/* both threads measured: begin again */
		cpu_measure_ecreate(&e.measure, 1, e.size);
		encl_free(&e);
		encl_build(&e, &(struct encl_opts){.no_init = true});
		both(&e, race_init);
		encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
		encl_free(&e);
	}
}

/* --- changed during the call ------------------------------------------------------ */

static struct {
	struct sgx_enclave_add_pages add;
	struct sgx_secinfo_arch info;
} volatile moving __attribute__((aligned(64)));
static int done;

static void *mover(void *arg)
{
	static const uint64_t types[] = {REG(3), REG(7), 0x100, 0x101, ~0ull, REG(2), 0};

	for (unsigned int i = 0; !__atomic_load_n(&done, __ATOMIC_ACQUIRE); i++) {
		moving.info.flags = types[i % 7];
		moving.add.offset = (uint64_t)(i % 64) * 4096 + (i % 5 == 0);
		moving.add.length = i % 3 ? 4096 : i % 11 ? 8192 : ~0ull;
		moving.add.src = (uint64_t)pages + (i % 4) * 4096;
	}
	return arg;
}

TEST(arguments_that_change)
{
	pthread_t thread;
	int ok = 0, other = 0;
	struct encl e;

	encl_open(&e, &(struct encl_opts){0});
	CHECK_EQ(encl_create(&e), 0);
	moving.add.secinfo = (uint64_t)&moving.info;
	CHECK_EQ(pthread_create(&thread, NULL, mover, NULL), 0);
	for (int i = 0; i < 4000; i++) {
		int ret = ioctl(e.fd, SGX_IOC_ENCLAVE_ADD_PAGES, &moving.add) ? -errno : 0;

		if (ret && ret != -EINVAL && ret != -EBUSY && ret != -EIO && ret != -EFAULT)
			FAIL("errno %d", -ret);
		if (ret)
			other++;
		else
			ok++;
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(ok + other, 4000);
	encl_free(&e);
	encl_build(&e, &(struct encl_opts){0});
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* Source pages come and go while they are read. */
static void *unmapper(void *arg)
{
	uint8_t *at = arg;

	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		CHECK_SYS(mprotect(at, 8 * 4096, PROT_NONE));
		CHECK_SYS(mprotect(at, 8 * 4096, PROT_READ | PROT_WRITE));
		CHECK_SYS(munmap(at, 4096));
		CHECK(mmap(at, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
	}
	return NULL;
}

TEST(source_that_goes)
{
	uint8_t *src =
		mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	struct encl e;

	CHECK(src != MAP_FAILED);
	CHECK_EQ(pthread_create(&thread, NULL, unmapper, src + 16 * 4096), 0);
	for (int i = 0; i < 60; i++) {
		uint64_t count = 0;
		int ret;

		encl_open(&e, &(struct encl_opts){.heap = 1 << 20});
		CHECK_EQ(encl_create(&e), 0);
		ret = encl_add(&e, 0, src, 64 * 4096, REG(3), 0, &count);
		if (ret)
			CHECK_EQ(ret, -EFAULT);
		CHECK_EQ(count == 64 * 4096, ret == 0);
		if (ret)
			CHECK(count >= 16 * 4096);
		encl_free(&e);
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	munmap(src, 64 * 4096);
}

/* The enclave goes while another thread is in an ioctl on it. */
static void *closer(void *arg)
{
	struct encl *e = arg;

	pthread_barrier_wait(&barrier);
	close(e->fd);
	return NULL;
}

TEST(closed_during_an_ioctl)
{
	pthread_t thread;
	struct encl e;

	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 60; i++) {
		int ret;

		encl_open(&e, &(struct encl_opts){.heap = 1 << 20});
		CHECK_EQ(encl_create(&e), 0);
		CHECK_EQ(pthread_create(&thread, NULL, closer, &e), 0);
		pthread_barrier_wait(&barrier);
		ret = encl_add(&e, 0, pages, sizeof(pages), REG(3), 0, NULL);
		if (ret && ret != -EBADF && ret != -ENOTTY)
			FAIL("errno %d", -ret);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		e.fd = -1;
		encl_free(&e);
	}
}

/* Unmapped under a thread that is inside */
static uint64_t inside, stop;

static void *spin(void *arg)
{
	struct encl *e = arg;
	struct encl_op o =
		encl_enter(e, 0, SGX_EENTER, OP_SPIN, (uint64_t)&stop, (uint64_t)&inside, 0, 0);

	/* the next fetch faults, and the vDSO says so */
	CHECK(o.run.function == SGX_ERESUME && o.run.exception_vector == SGX_VEC_PF);
	return NULL;
}

TEST(code_unmapped_under_a_thread)
{
	pthread_t thread;
	struct encl e;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(pthread_create(&thread, NULL, spin, &e), 0);
	while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
		usleep(1000);
	CHECK_SYS(munmap((void *)(e.base + ENCL_CODE), ENCL_CODE_SIZE));
	CHECK_EQ(pthread_join(thread, NULL), 0);
	encl_free(&e);
}
