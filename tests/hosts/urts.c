/* SPDX-License-Identifier: BSD-3-Clause */
#include "urts.h"

#include <asm/sgx.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <harness/harness.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#define PROT_RW	 (PROT_READ | PROT_WRITE)
#define PROT_RWX (PROT_RW | PROT_EXEC)
#define EENTER	 2
#define ERESUME	 3
#define ENCLU	 0xd7010fu

struct urts urts = {.fd = -1};
bool (*urts_ocall_hook)(uint64_t number, struct rt_oc *oc, uint64_t *ret);
__thread struct urts_caught urts_caught;
__thread uint64_t urts_event;
static __thread struct urts_thread self;
static __thread bool have_tcs;
static pthread_mutex_t slots = PTHREAD_MUTEX_INITIALIZER;

/* --- loading ------------------------------------------------------------------------ */

bool urts_has_avx(void)
{
	uint32_t a, b, c, d;

	__cpuid_count(0x12, 1, a, b, c, d);
	return (c & 7) == 7;
}

/* A file of the build's, which stand beside the program; to be freed */
static void *read_beside(const char *name, const char *suffix)
{
	char path[4096], *p;
	void *bytes;
	struct stat st;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	int fd;

	CHECK(n > 0);
	path[n] = 0;
	p = strrchr(path, '/');
	CHECK(p);
	sprintf(p + 1, "%s%s", name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		FAIL("%s: %s", path, strerror(errno));
	CHECK_SYS(fstat(fd, &st));
	bytes = aligned_alloc(RT_PAGE, ((size_t)st.st_size + RT_PAGE) & ~(RT_PAGE - 1ul));
	CHECK(bytes);
	CHECK_EQ(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	return bytes;
}

/* Twice as much as is wanted, and what is not aligned goes back */
static void reserve(enum urts_way way)
{
	uint64_t size = urts.layout->size, start, end;
	void *area;

	if (way == URTS_WHOLE)
		area = mmap(NULL, 2 * size, PROT_NONE, MAP_SHARED, urts.fd, 0);
	else
		area = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED);
	start = (uint64_t)area;
	end = start + 2 * size;
	urts.base = (start + size - 1) & ~(size - 1);
	if (urts.base > start)
		CHECK_SYS(munmap(area, urts.base - start));
	if (urts.base + size < end)
		CHECK_SYS(munmap((void *)(urts.base + size), end - urts.base - size));
}

static void create(void)
{
	struct sgx_secs *secs = aligned_alloc(RT_PAGE, sizeof(*secs));
	struct sgx_enclave_create c = {.src = (uint64_t)secs};

	CHECK(secs);
	memset(secs, 0, sizeof(*secs));
	secs->size = urts.layout->size;
	secs->base = urts.base;
	secs->ssaframesize = urts.layout->ssaframesize;
	secs->miscselect = urts.layout->miscselect;
	secs->attributes.flags = SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT;
	secs->attributes.xfrm = urts.layout->xfrm;
	CHECK_SYS(ioctl(urts.fd, SGX_IOC_ENCLAVE_CREATE, &c));
	free(secs);
}

static void add(uint64_t offset, const void *src, uint64_t size, uint64_t secinfo, bool measured)
{
	struct sgx_secinfo_arch info = {.flags = secinfo};
	struct sgx_enclave_add_pages p = {
		.src = (uint64_t)src,
		.offset = offset,
		.length = size,
		.secinfo = (uint64_t)&info,
		.flags = measured ? SGX_PAGE_MEASURE : 0,
	};

	CHECK_SYS(ioctl(urts.fd, SGX_IOC_ENCLAVE_ADD_PAGES, &p));
	CHECK_EQ(p.count, size);
}

static void protect(enum urts_way way, uint64_t offset, uint64_t size, uint32_t prot)
{
	void *at = (void *)(urts.base + offset);

	if (way == URTS_WHOLE)
		CHECK_SYS(mprotect(at, size, (int)prot));
	else
		CHECK(mmap(at, size, (int)prot, MAP_SHARED | MAP_FIXED, urts.fd, 0) == at);
}

void urts_load(const char *name, enum urts_way way)
{
	uint8_t *file = read_beside("rt1", ".elf"), *zeros, *tcs;
	void *sig = read_beside(name, ".sig");
	struct sgx_enclave_init init = {.sigstruct = (uint64_t)sig};
	struct image image = {0};
	uint64_t start;

	memset(&urts, 0, sizeof(urts));
	for (size_t i = 0; i < LAYOUT_COUNT; i++)
		if (!strcmp(layouts[i].name, name))
			urts.layout = &layouts[i];
	CHECK(urts.layout && image_parse(&image, file));
	urts.fd = open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC);
	CHECK_SYS(urts.fd);
	reserve(way);
	create();
	start = image_start(&image, urts.layout);
	tcs = aligned_alloc(RT_PAGE, image.segment[0].size);
	zeros = aligned_alloc(RT_PAGE, urts.layout->heap);
	CHECK(tcs && zeros);
	memset(zeros, 0, urts.layout->heap);
	for (uint64_t i = 0; i < image.segment[0].size; i += RT_PAGE)
		image_tcs((void *)(tcs + i), image.segment[0].src + i, start);
	for (unsigned int i = 0; i < IMAGE_SEGMENTS; i++) {
		const struct image_segment *s = &image.segment[i];

		add(start + s->offset, i ? s->src : tcs, s->size, image_secinfo(i, s->prot), true);
	}
	add(image_heap(&image, urts.layout), zeros, urts.layout->heap, image_secinfo(1, PROT_RWX),
	    false);
	CHECK_SYS(ioctl(urts.fd, SGX_IOC_ENCLAVE_INIT, &init));
	for (unsigned int i = 0; i < IMAGE_SEGMENTS; i++)
		protect(way, start + image.segment[i].offset, image.segment[i].size,
			i ? image.segment[i].prot : PROT_RW);
	protect(way, image_heap(&image, urts.layout), urts.layout->heap, PROT_RWX);
	urts.code = urts.base + start + image.segment[1].offset;
	urts.data = urts.base + start + image.segment[2].offset;
	urts.heap = urts.base + image_heap(&image, urts.layout);
	free(tcs);
	free(zeros);
	free(sig);
	free(file);
}

void urts_unload(void)
{
	munmap((void *)urts.base, urts.layout->size);
	close(urts.fd);
	urts.fd = -1;
}

/* --- threads and calls ----------------------------------------------------------------- */

struct urts_thread *urts_thread_get(void)
{
	if (have_tcs)
		return &self;
	pthread_mutex_lock(&slots);
	for (unsigned int i = 0; i < RT_TCS_COUNT && !have_tcs; i++) {
		if (urts.used[i])
			continue;
		urts.used[i] = have_tcs = true;
		self.slot = i;
		self.tcs = urts.base + (uint64_t)i * RT_PAGE;
	}
	pthread_mutex_unlock(&slots);
	return have_tcs ? &self : NULL;
}

void urts_thread_put(void)
{
	if (!have_tcs)
		return;
	pthread_mutex_lock(&slots);
	urts.used[self.slot] = have_tcs = false;
	pthread_mutex_unlock(&slots);
}

uint32_t urts_ecall(uint64_t fn, struct urts_call *c)
{
	struct urts_thread *t = urts_thread_get();

	return t ? urts_enter(t, fn, &c->call) : URTS_NO_SLOT;
}

uint64_t urts_ocall(uint64_t number, struct rt_oc *oc, struct urts_thread *t)
{
	struct urts_call inner = {0};
	uint64_t ret;

	CHECK_EQ((uint64_t)t, (uint64_t)&self); /* FS is this thread's again */
	if (urts_ocall_hook && urts_ocall_hook(number, oc, &ret))
		return ret;
	switch (number) {
	case OC_ADD:
		return oc->a + 1;
	case OC_NEST:
		inner.call.a = oc->a;
		CHECK_EQ(urts_ecall(RT_NEST, &inner), 0);
		return inner.call.r;
	default:
		FAIL("OCALL %llu: 0x%llx, 0x%llx", (unsigned long long)number,
		     (unsigned long long)oc->a, (unsigned long long)oc->b);
	}
}

/* --- signals ----------------------------------------------------------------------------- */

static struct sigaction old[64];

/* Not the enclave's: whoever was there before */
static void chain(int sig, siginfo_t *info, void *context)
{
	struct sigaction *o = &old[sig];
	sigset_t mask;

	if (o->sa_handler == SIG_DFL) {
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	if (!(o->sa_flags & SA_NODEFER))
		sigaddset(&o->sa_mask, sig);
	pthread_sigmask(SIG_SETMASK, &o->sa_mask, &mask);
	if (o->sa_flags & SA_SIGINFO)
		o->sa_sigaction(sig, info, context);
	else
		o->sa_handler(sig);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *rip = (const uint8_t *)r[REG_RIP];
	struct urts_thread *t;
	uint32_t bytes = 0, ret;

	urts_caught.handlers++;
	urts_caught.sig = sig;
	urts_caught.code = info->si_code;
	urts_caught.addr = (uint64_t)info->si_addr;
	urts_caught.trapno = (uint64_t)r[REG_TRAPNO];
	urts_caught.err = (uint64_t)r[REG_ERR];
	if (rip == urts_aep && r[REG_RAX] == ERESUME) {
		memcpy(&bytes, rip, 3);
		CHECK_EQ(bytes, ENCLU);
		t = *(struct urts_thread **)((uint64_t)r[REG_RBP] - 48);
		CHECK_EQ(t->tcs, r[REG_RBX]);
		CHECK_EQ(r[REG_RCX], r[REG_RIP]);
		urts_caught.exceptions++;
		ret = urts_enter(t, urts_event ? urts_event : RT_EVENT_FAULT, NULL);
		if (ret == RT_HANDLED)
			return; /* and ERESUME */
		if (ret == URTS_LOST || ret == RT_OVERRUN) {
			r[REG_RIP] = (greg_t)urts_ret;
			r[REG_RSI] = (greg_t)ret;
			return;
		}
	} else if (rip == urts_eenter && r[REG_RAX] == EENTER) {
		memcpy(&bytes, rip, 3);
		CHECK_EQ(bytes, ENCLU);
		urts_caught.enter_faults++;
		r[REG_RIP] = (greg_t)urts_ret;
		r[REG_RSI] = URTS_LOST;
		return;
	}
	chain(sig, info, context);
}

void urts_signals(void)
{
	static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP};
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART | SA_ONSTACK,
	};

	CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &sa.sa_mask), 0);
	for (int i = 0; i < 5; i++)
		sigdelset(&sa.sa_mask, signals[i]);
	for (int i = 0; i < 5; i++)
		CHECK_SYS(sigaction(signals[i], &sa, &old[signals[i]]));
}
