/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What paging cannot do without, bare: a SIGBUS, a page into the mapping of another
 * process, AES-GCM, and taking pages away from another process.
 */
#include "encl.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define BATCHES	  16u
#define BATCH	  128u /* pages */
#define PAGES	  (BATCHES * BATCH)
#define SIZE	  (PAGES * PAGE)
#define TRAPS	  20u
#define RUN	  16u /* pages that are taken away together */
#define AAD_SIZE  144u /* about what EWB and ELDU authenticate beside a page */
#define TAG_SIZE  16u
#define GCM_PAGES 64u

static int open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM |
			    UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
			    UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -ENOTSUP;
}

/* A file whose holes are SIGBUS to whoever touches them here.  Return: NULL: not to be had */
static uint8_t *map_holes(int uffd, int fd, uint64_t size)
{
	struct uffdio_register reg = {
		.range.len = size,
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};
	uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return NULL;
	(void)madvise(map, size, MADV_NOHUGEPAGE);
	reg.range.start = (uint64_t)map;
	if (!ioctl(uffd, UFFDIO_REGISTER, &reg))
		return map;
	munmap(map, size);
	return NULL;
}

static int new_file(uint64_t size)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	if (fd >= 0 && !ftruncate(fd, (off_t)size))
		return fd;
	if (fd >= 0)
		close(fd);
	return -ENOMEM;
}

/* --- SIGBUS ------------------------------------------------------------------------- */

static void skip_load(int sig, siginfo_t *si, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

/**
 * probe_sigbus() - touch of a hole, handler, sigreturn
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_sigbus(struct sample *s)
{
	struct sigaction sa = {.sa_sigaction = skip_load, .sa_flags = SA_SIGINFO}, old;
	int uffd = open_uffd(), fd = new_file(PAGE), ret = -ENOTSUP;
	uint8_t *hole = uffd < 0 || fd < 0 ? NULL : map_holes(uffd, fd, PAGE);

	if (!hole || sigaction(SIGBUS, &sa, &old))
		goto out;
	for (unsigned b = 0; b < 2 * BATCHES; b++) {
		uint64_t start = now_ns();

		/* mov (%rax), %al: two bytes */
		for (unsigned i = 0; i < TRAPS; i++)
			__asm__ volatile(".byte 0x8a, 0x00" : : "a"(hole) : "memory");
		batch_end(s, start, TRAPS);
	}
	sigaction(SIGBUS, &old, NULL);
	munmap(hole, PAGE);
	ret = 0;
out:
	if (uffd >= 0)
		close(uffd);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* --- another process ---------------------------------------------------------------- */

/**
 * struct other - a process that maps a file, and sleeps
 * @pid:  of it
 * @fd:	  the file
 * @uffd: for its mapping
 * @addr: of that, over there
 * @map:  the file, here: nothing is touched through it
 */
struct other {
	pid_t pid;
	int fd, uffd;
	uint64_t addr;
	uint8_t *map;
};

/* @then: what it does instead of sleeping, or NULL */
static void __attribute__((noreturn)) be_other(int fd, int say, void (*then)(uint8_t *map))
{
	struct other o = {.uffd = open_uffd()};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (o.uffd >= 0)
		o.addr = (uint64_t)map_holes(o.uffd, fd, SIZE);
	if (write(say, &o, sizeof(o)) != sizeof(o))
		_exit(1);
	if (then && o.addr)
		then((uint8_t *)o.addr);
	for (;;)
		pause();
}

static void other_end(struct other *o)
{
	if (o->pid > 0) {
		kill(o->pid, SIGKILL);
		waitpid(o->pid, NULL, 0);
	}
	if (o->uffd >= 0)
		close(o->uffd);
	if (o->map)
		munmap(o->map, SIZE);
	close(o->fd);
}

/* Its descriptors are ours as well, its memory is not: so nothing need be sent */
static int other_start(struct other *o, void (*then)(uint8_t *map))
{
	struct other said = {0};
	int say[2];

	memset(o, 0, sizeof(*o));
	o->uffd = -1;
	o->fd = new_file(SIZE);
	if (o->fd < 0 || pipe2(say, O_CLOEXEC))
		return -ENOMEM;
	o->pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!o->pid)
		be_other(o->fd, say[1], then);
	if (o->pid < 0 || read(say[0], &said, sizeof(said)) != sizeof(said) || !said.addr)
		said.uffd = -1;
	close(say[0]);
	close(say[1]);
	o->uffd = said.uffd;
	o->addr = said.addr;
	o->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
	if (o->map == MAP_FAILED)
		o->map = NULL;
	if (o->uffd >= 0 && o->map)
		return 0;
	other_end(o);
	o->pid = 0;
	return -ENOTSUP;
}

static int copy_page(const struct other *o, unsigned page, const void *src)
{
	struct uffdio_copy copy = {.dst = o->addr + page * PAGE, .src = (uint64_t)src, .len = PAGE};

	return ioctl(o->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

/* Memory that has its pages */
static uint8_t *private_pages(unsigned pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < pages * PAGE; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 12));
	return p;
}

/**
 * probe_copy() - UFFDIO_COPY of one page into another process
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_copy(struct sample *s)
{
	uint8_t *src = private_pages(BATCH);
	struct other o;
	int ret = src ? other_start(&o, NULL) : -ENOMEM;

	if (ret)
		return ret;
	for (unsigned b = 0; b < BATCHES && !ret; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < BATCH && !ret; i++)
			ret = copy_page(&o, b * BATCH + i, src + i * PAGE);
		batch_end(s, start, BATCH);
	}
	other_end(&o);
	munmap(src, BATCH * PAGE);
	return ret;
}

/* --- all of a fault ----------------------------------------------------------------- */

/* What the faulting process and the one that serves it share */
static struct faulting {
	struct turns turns;
	cpu_set_t allowed;
	struct sample sample;
} * faulting;

static uint32_t fault_number;

static void ask_for_page(int sig, siginfo_t *si, void *context)
{
	fault_number++;
	word_post(&faulting->turns.question, fault_number);
	word_await(&faulting->turns.answer, fault_number);
}

static void touch_holes(uint8_t *map)
{
	struct sigaction sa = {.sa_sigaction = ask_for_page, .sa_flags = SA_SIGINFO};

	pin(&faulting->allowed, 1);
	if (sigaction(SIGBUS, &sa, NULL))
		_exit(1);
	for (unsigned b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < BATCH; i++)
			*(volatile uint64_t *)(void *)(map + (b * BATCH + i) * PAGE) = i;
		batch_end(&faulting->sample, start, BATCH);
	}
	word_post(&faulting->turns.question, fault_number + 1);
}

/**
 * probe_fault() - the parts of a soft fault as one
 * @s: answer
 *
 * Two processes: one touches a hole, its handler asks the other, which copies a page
 * there, and the touch is run again.  Return: 0 or -errno
 */
int probe_fault(struct sample *s)
{
	uint8_t *src = private_pages(BATCH);
	struct other o;
	int ret;

	faulting = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!src || faulting == MAP_FAILED)
		return -ENOMEM;
	if (sched_getaffinity(0, sizeof(faulting->allowed), &faulting->allowed))
		CPU_ZERO(&faulting->allowed);
	pin(&faulting->allowed, 0);
	ret = other_start(&o, touch_holes);
	for (unsigned i = 0; i < PAGES && !ret; i++) {
		word_await(&faulting->turns.question, i + 1);
		ret = copy_page(&o, i, src + i % BATCH * PAGE);
		word_post(&faulting->turns.answer, i + 1);
	}
	if (!ret) {
		word_await(&faulting->turns.question, PAGES + 1);
		*s = faulting->sample;
	}
	if (o.pid > 0)
		other_end(&o);
	(void)sched_setaffinity(0, sizeof(faulting->allowed), &faulting->allowed);
	munmap(faulting, PAGE);
	munmap(src, BATCH * PAGE);
	return ret;
}

/* --- AES-128-GCM -------------------------------------------------------------------- */

/* A key, an IV and AAD of its own for each page, as each has when it leaves the EPC */
static bool gcm(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, uint64_t number, const uint8_t *in,
		uint8_t *out, uint8_t *tag, bool seal)
{
	uint8_t key[16] = {1}, iv[12] = {0}, aad[AAD_SIZE] = {0};
	int n;

	memcpy(iv, &number, sizeof(number));
	memcpy(aad, &number, sizeof(number));
	return EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, seal) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &n, aad, sizeof(aad)) == 1 &&
	       EVP_CipherUpdate(ctx, out, &n, in, PAGE) == 1 &&
	       (seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1) &&
	       EVP_CipherFinal_ex(ctx, out + n, &n) == 1 &&
	       (!seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1);
}

/* The context and the cipher are looked up once: libcrypto at its best */
static int gcm_begin(EVP_CIPHER_CTX **ctx, EVP_CIPHER **cipher)
{
	*ctx = EVP_CIPHER_CTX_new();
	*cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	return *ctx && *cipher ? 0 : -ENOMEM;
}

static void gcm_end(EVP_CIPHER_CTX *ctx, EVP_CIPHER *cipher)
{
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

/**
 * probe_gcm() - decrypt and authenticate a page
 * @s: answer
 *
 * Return: 0 or -errno
 */
int probe_gcm(struct sample *s)
{
	uint8_t *in = private_pages(GCM_PAGES), *out = private_pages(GCM_PAGES);
	uint8_t tag[GCM_PAGES][TAG_SIZE];
	EVP_CIPHER_CTX *ctx;
	EVP_CIPHER *cipher;
	bool ok = !gcm_begin(&ctx, &cipher) && in && out;

	for (unsigned i = 0; i < GCM_PAGES && ok; i++)
		ok = gcm(ctx, cipher, i, out + i * PAGE, in + i * PAGE, tag[i], true);
	for (unsigned b = 0; b < BATCHES && ok; b++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < GCM_PAGES && ok; i++)
			ok = gcm(ctx, cipher, i, in + i * PAGE, out + i * PAGE, tag[i], false);
		batch_end(s, start, GCM_PAGES);
	}
	gcm_end(ctx, cipher);
	munmap(in, GCM_PAGES * PAGE);
	munmap(out, GCM_PAGES * PAGE);
	return ok ? 0 : -EIO;
}

/* --- eviction ----------------------------------------------------------------------- */

/* Pages of a run: nobody writes them, copied, gone from the file */
static int take_away(const struct other *o, unsigned first, uint8_t *to)
{
	struct uffdio_writeprotect wp = {
		.range = {.start = o->addr + first * PAGE, .len = RUN * PAGE},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	if (ioctl(o->uffd, UFFDIO_WRITEPROTECT, &wp) ||
	    pread(o->fd, to, RUN * PAGE, (off_t)(first * PAGE)) != (ssize_t)(RUN * PAGE) ||
	    madvise(o->map + first * PAGE, RUN * PAGE, MADV_REMOVE))
		return -errno;
	return 0;
}

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int evict_all(const struct other *o, uint8_t *pages, uint8_t *sealed)
{
	uint8_t tag[TAG_SIZE];
	EVP_CIPHER_CTX *ctx;
	EVP_CIPHER *cipher;
	int ret = gcm_begin(&ctx, &cipher);

	for (unsigned i = 0; i < PAGES && !ret; i += RUN) {
		ret = take_away(o, i, pages);
		for (unsigned j = 0; j < RUN && !ret; j++)
			if (!gcm(ctx, cipher, i + j, pages + j * PAGE,
				 sealed + (i + j) % BATCH * PAGE, tag, true))
				ret = -EIO;
	}
	gcm_end(ctx, cipher);
	return ret;
}

/**
 * probe_evict() - the parts of an eviction, in one thread
 * @s: answer: CPU time of a page, on average, as the figure that it is held against
 *
 * Return: 0 or -errno
 */
int probe_evict(struct sample *s)
{
	uint8_t *pages = private_pages(RUN), *sealed = private_pages(BATCH);
	uint64_t start;
	struct other o;
	int ret = pages && sealed ? other_start(&o, NULL) : -ENOMEM;

	if (ret)
		return ret;
	for (unsigned i = 0; i < PAGES && !ret; i++)
		ret = copy_page(&o, i, sealed + i % BATCH * PAGE);
	start = thread_ns();
	if (!ret)
		ret = evict_all(&o, pages, sealed);
	s->ns = (double)(thread_ns() - start) / PAGES;
	other_end(&o);
	munmap(pages, RUN * PAGE);
	munmap(sealed, BATCH * PAGE);
	return ret;
}
