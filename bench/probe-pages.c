/* SPDX-License-Identifier: BSD-3-Clause */
/* ADD_PAGES, and the work that nobody can spare it. */
#include "encl.h"
#include "probe.h"

#include <sgx/arch.h>

#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What EADD and 16 EEXTENDs hash of a page */
#define MEASURED_SIZE (64 + 16 * (64 + SGX_EEXTEND_SIZE))
_Static_assert(MEASURED_SIZE == 5184, "bytes hashed of a page");

#define RELEASE_US 30000
#define SIZE	   (ADD_PAGES_COUNT * PAGE)
#define SECINFO_DATA \
	(((uint64_t)SGX_PT_REG << SGX_SECINFO_PT_SHIFT) | SGX_SECINFO_R_BIT | SGX_SECINFO_W_BIT)

static uint8_t *source(void)
{
	static uint8_t *pages;

	if (pages)
		return pages;
	pages = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return pages = NULL;
	(void)madvise(pages, SIZE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < SIZE; i++)
		pages[i] = (uint8_t)(i * 31 + (i >> 12));
	return pages;
}

/**
 * probe_sha256() - the hash of one page's measurement, by libcrypto
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_sha256(struct sample *s)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const uint8_t *pages = source();
	uint8_t hash[32];
	uint64_t start;
	bool ok;

	if (!ctx || !pages)
		return -ENOMEM;
	ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	for (size_t i = 0; ok && i + ADD_PAGES_BATCH < ADD_PAGES_COUNT; i += ADD_PAGES_BATCH) {
		start = now_ns();
		for (size_t j = i; ok && j < i + ADD_PAGES_BATCH; j++)
			ok = EVP_DigestUpdate(ctx, pages + j * PAGE, MEASURED_SIZE);
		batch_end(s, start, ADD_PAGES_BATCH);
	}
	ok = ok && EVP_DigestFinal_ex(ctx, hash, NULL);
	memcpy(&s->sum, hash, sizeof(s->sum));
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

/**
 * probe_memcpy() - one page into a memfd that has none yet
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_memcpy(struct sample *s)
{
	const uint8_t *pages = source();
	int fd = memfd_create("bench", MFD_CLOEXEC);
	uint64_t start;
	uint8_t *to;

	if (!pages || fd < 0 || ftruncate(fd, SIZE))
		return -ENOMEM;
	to = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (to == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < ADD_PAGES_COUNT; i += ADD_PAGES_BATCH) {
		start = now_ns();
		memcpy(to + i * PAGE, pages + i * PAGE, ADD_PAGES_BATCH * PAGE);
		batch_end(s, start, ADD_PAGES_BATCH);
	}
	munmap(to, SIZE);
	close(fd);
	return 0;
}

/*
 * One page a call, as loaders build whole enclaves: swsgx may say "done" before it is,
 * so that the time is that of all pages, up to a call that needs them (one that the
 * driver refuses, after it has looked).
 */
static int add_series(struct sample *s, bool measure)
{
	const uint8_t *pages = source();
	uint64_t start;
	struct encl e;
	int ret;

	if (!pages)
		return -ENOMEM;
	ret = encl_create(&e, SIZE, 3);
	if (ret)
		return ret;
	start = now_ns();
	for (size_t i = 0; i < ADD_PAGES_COUNT && !ret; i++)
		ret = encl_add(&e, i * PAGE, pages + i * PAGE, 1, SECINFO_DATA, measure);
	if (!ret && encl_add(&e, SIZE, pages, 1, SECINFO_DATA, measure) != -EINVAL)
		ret = -EIO;
	batch_end(s, start, ADD_PAGES_COUNT);
	encl_end(&e);
	usleep(RELEASE_US);
	return ret;
}

/* The same beside two programs that want a CPU each */
static int add_series_busy(struct sample *s, bool measure)
{
	pid_t busy[2];
	int ret;

	for (size_t i = 0; i < 2; i++) {
		busy[i] = fork();
		if (!busy[i]) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				__asm__ volatile("");
		}
	}
	ret = busy[0] < 0 || busy[1] < 0 ? -EAGAIN : add_series(s, measure);
	for (size_t i = 0; i < 2; i++) {
		if (busy[i] <= 0)
			continue;
		kill(busy[i], SIGKILL);
		waitpid(busy[i], NULL, 0);
	}
	return ret;
}

static int add(struct sample *s, bool measure)
{
	const uint8_t *pages = source();
	struct encl e;
	uint64_t start;
	int ret;

	if (!pages)
		return -ENOMEM;
	ret = encl_create(&e, SIZE, 3);
	if (ret)
		return ret;
	for (size_t i = 0; i < ADD_PAGES_COUNT && !ret; i += ADD_PAGES_BATCH) {
		start = now_ns();
		ret = encl_add(&e, i * PAGE, pages + i * PAGE, ADD_PAGES_BATCH, SECINFO_DATA,
			       measure);
		batch_end(s, start, ADD_PAGES_BATCH);
	}
	encl_end(&e);
	/* The machine gives the pages back after it was told: not in the next one's time */
	usleep(RELEASE_US);
	return ret;
}

/* clang-format off */
/* probe_*() - time of one page of ADD_PAGES.  @s: answer.  Return: 0 or -errno */
int probe_add(struct sample *s) { return add(s, false); }
int probe_add_measured(struct sample *s) { return add(s, true); }
int probe_add_one(struct sample *s) { return add_series(s, false); }
int probe_add_one_measured(struct sample *s) { return add_series(s, true); }
int probe_add_one_busy(struct sample *s) { return add_series_busy(s, false); }
int probe_add_one_measured_busy(struct sample *s) { return add_series_busy(s, true); }
/* clang-format on */

/**
 * probe_grow() - an enclave that stays until the next call
 * @pages: of EPC, beside its SECS; 0: none
 *
 * Return: 0 or -errno
 */
int probe_grow(uint64_t pages)
{
	static struct encl kept = {.fd = -1};
	const uint8_t *src = source();
	uint64_t size = 2 * PAGE;
	int ret;

	if (!src)
		return -ENOMEM;
	while (size < pages * PAGE)
		size *= 2;
	if (kept.fd >= 0)
		encl_end(&kept);
	if (!pages)
		return 0;
	ret = encl_create(&kept, size, 3);
	for (uint64_t i = 0; i < pages && !ret; i += ADD_PAGES_COUNT) {
		size_t n = pages - i < ADD_PAGES_COUNT ? pages - i : ADD_PAGES_COUNT;

		ret = encl_add(&kept, i * PAGE, src, n, SECINFO_DATA, false);
	}
	return ret;
}
