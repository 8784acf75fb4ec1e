/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/sgx_enclave, check by check in upstream's order.
 *
 * An order is tested as a ladder: everything is wrong at first, and each rung
 * puts right what the last answer was about, and nothing else.
 */
#include "kernel_fixture.h"

#include <pthread.h>

static long do_ioctl(struct kfx_encl *e, unsigned int cmd, uint64_t arg)
{
	return kfx_ioctl(e, cmd, arg);
}

static uint64_t free_pages(struct kfx *k)
{
	struct sgx_epc_info info;

	sgx_epc_info(k->sgx, &info);
	return info.free;
}

static void end(struct kfx *k, struct kfx_encl *e)
{
	kfx_check(k);
	kfx_release(e);
	kfx_check_all_free(k);
	kfx_free(k);
}

/* --- any ioctl ------------------------------------------------------------------ */

TEST(busy_comes_before_everything)
{
	static const unsigned int cmds[] = {
		SGX_IOC_ENCLAVE_CREATE,
		SGX_IOC_ENCLAVE_ADD_PAGES,
		SGX_IOC_ENCLAVE_INIT,
		SGX_IOC_ENCLAVE_PROVISION,
		0x1234,
		SGX_IOC_ENCLAVE_REMOVE_PAGES,
	};
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(sgx_ioctl_begin(e.encl, NULL), 0);
	CHECK_EQ(sgx_ioctl_begin(e.encl, NULL), -EBUSY);
	for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		CHECK_EQ(do_ioctl(&e, cmds[i], KFX_NOWHERE), -EBUSY);
	sgx_ioctl_end(e.encl);
	CHECK_EQ(do_ioctl(&e, 0x1234, KFX_NOWHERE), -ENOTTY);
	end(k, &e);
}

TEST(unknown_ioctls)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(do_ioctl(&e, 0, KFX_NOWHERE), -ENOTTY);
	CHECK_EQ(do_ioctl(&e, ~0u, KFX_NOWHERE), -ENOTTY);
	/* The one of virtual EPC is not an enclave's. */
	CHECK_EQ(do_ioctl(&e, SGX_IOC_VEPC_REMOVE_ALL, 0), -ENOTTY);
	/* Right number, wrong size in it */
	CHECK_EQ(do_ioctl(&e, _IOW(SGX_MAGIC, 0x00, uint32_t), KFX_ARG), -ENOTTY);
	end(k, &e);
}

TEST(no_sgx2_comes_before_state_and_argument)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_open(k, &e);
	for (int created = 0; created < 2; created++) {
		CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, KFX_NOWHERE), -ENODEV);
		CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_MODIFY_TYPES, KFX_NOWHERE), -ENODEV);
		CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_REMOVE_PAGES, KFX_NOWHERE), -ENODEV);
		if (!created) {
			kfx_release(&e);
			kfx_enclave(k, &e, true);
		}
	}
	end(k, &e);
}

/* --- CREATE --------------------------------------------------------------------- */

TEST(create_order)
{
	struct sgx_enclave_create arg = {.src = KFX_NOWHERE};
	struct kfx *k = kfx_new(2, 1, true);
	struct kfx_encl e, other;
	struct sgx_secs secs;

	/* The EPC is full, size and base are wrong, and so are both pointers. */
	kfx_open(k, &other);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&other, &secs), 0);
	kfx_open(k, &e);
	secs.size = KFX_SIZE + 4096;
	secs.base = KFX_BASE + 4096;
	kfx_put(e.call, KFX_SECS, &secs, sizeof(secs));

	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_NOWHERE), -EFAULT);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_ARG), -EFAULT);
	/* Whole page of the source, not its beginning alone */
	arg.src = KFX_SECS + 64;
	kfx_lack(e.call, KFX_SECS + 4096, KFX_NO_READ);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_ARG), -EFAULT);
	arg.src = KFX_SECS;
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_ARG), -EINVAL);
	secs.size = 0;
	CHECK_EQ(kfx_create(&e, &secs), -EINVAL);
	secs.size = 1ull << 63;
	CHECK_EQ(kfx_create(&e, &secs), -ENOMEM);
	secs.size = KFX_SIZE;
	CHECK_EQ(kfx_create(&e, &secs), -ENOMEM);
	kfx_release(&other);
	/* Linux has no file of that size for evicted pages, which comes before ECREATE. */
	secs.size = 1ull << 63;
	CHECK_EQ(kfx_create(&e, &secs), -EINVAL);
	secs.size = KFX_SIZE;
	CHECK_EQ(kfx_create(&e, &secs), -EIO);
	secs.base = KFX_BASE;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	/* And the second one, before its argument is looked at */
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_CREATE, KFX_NOWHERE), -EINVAL);
	end(k, &e);
}

TEST(create_faults_are_eio)
{
	struct kfx *k = kfx_new(4, 1, true);
	struct kfx_encl e;
	struct sgx_secs good, secs;

	kfx_open(k, &e);
	kfx_secs(&good, KFX_BASE, KFX_SIZE);
#define EIO_WITH(field, value)                         \
	do {                                           \
		secs = good;                           \
		secs.field = (value);                  \
		CHECK_EQ(kfx_create(&e, &secs), -EIO); \
		kfx_check(k);                          \
		CHECK_EQ(free_pages(k), 4);            \
	} while (0)
	EIO_WITH(size, 4096);
	EIO_WITH(size, 1);
	EIO_WITH(size, 1ull << 62);
	EIO_WITH(base, KFX_BASE + KFX_SIZE / 2);
	EIO_WITH(base, 1ull << 62);
	EIO_WITH(ssaframesize, 0);
	EIO_WITH(miscselect, 2);
	EIO_WITH(attributes.xfrm, 1);
	EIO_WITH(attributes.xfrm, 0x1003);
	EIO_WITH(attributes.flags, SGX_ATTR_MODE64_BIT | SGX_ATTR_INIT_BIT);
	EIO_WITH(attributes.flags, SGX_ATTR_MODE64_BIT | SGX_ATTR_CET_BIT);
	EIO_WITH(rsvd1[0], 1);
	EIO_WITH(rsvd4[3833], 1);
#undef EIO_WITH
	CHECK_EQ(kfx_create(&e, &good), 0);
	end(k, &e);
}

/* The host runs out of memory for the SECS page, and for the enclave's memory. */
TEST(create_without_host_memory_may_be_tried_again)
{
	struct kfx *k = kfx_new(4, 1, true);
	struct sgx_encl_info info;
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	k->fill_after = 0;
	CHECK_EQ(kfx_create(&e, &secs), -ENOMEM);
	CHECK_EQ(k->encl_memories, 0);
	k->fill_after = -1;
	k->encl_memory = -ENOMEM;
	CHECK_EQ(kfx_create(&e, &secs), -ENOMEM);
	kfx_check(k);
	CHECK_EQ(free_pages(k), 4);
	sgx_encl_info(e.encl, &info);
	CHECK_EQ(info.size, 0);
	k->encl_memory = 0;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(k->encl_memories, 2);
	end(k, &e);
}

TEST(create_fills_in_what_stat_shows)
{
	struct kfx *k = kfx_new(16, 2, true);
	struct sgx_encl_info info;
	struct kfx_encl e;

	kfx_enclave(k, &e, false);
	CHECK(sgx_encl_host(e.encl) == &e);
	sgx_encl_info(e.encl, &info);
	CHECK_EQ(info.base, KFX_BASE);
	CHECK_EQ(info.size, KFX_SIZE);
	CHECK_EQ(info.attributes, SGX_ATTR_DEBUG_BIT | SGX_ATTR_MODE64_BIT);
	CHECK_EQ(info.xfrm, 3);
	CHECK_EQ(info.ssaframesize, 1);
	CHECK(info.eid);
	CHECK(info.created && !info.initialized);
	CHECK_EQ(info.va_pages, 1);
	CHECK_EQ(info.epc_pages, 7);
	end(k, &e);
}

/* --- ADD_PAGES ------------------------------------------------------------------ */

TEST(add_order)
{
	struct sgx_enclave_add_pages arg = {
		.src = KFX_NOWHERE + 1,
		.offset = 1,
		.length = 1,
		.secinfo = KFX_NOWHERE,
	};
	struct sgx_secinfo_arch secinfo = {.flags = SGX_PT_VA << 8};
	struct kfx *k = kfx_new(6, 1, true);
	struct kfx_encl e, hog;
	struct sgx_secs secs;

	kfx_open(k, &e);
	/* Not created, before the argument */
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_NOWHERE), -EINVAL);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(kfx_add(&e, 0x5000, 0x1000, KFX_REG | KFX_R, 0, NULL), 0);
	kfx_open(k, &hog);
	CHECK_EQ(kfx_create(&hog, &secs), 0);
	CHECK_EQ(kfx_add(&hog, 0, 0x1000, KFX_REG | KFX_R, 0, NULL), 0);

	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_NOWHERE), -EFAULT);
#define RUNG(want)                                                                  \
	do {                                                                        \
		kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));                        \
		kfx_put(e.call, KFX_SECINFO, &secinfo, sizeof(secinfo));            \
		CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG), (want)); \
		CHECK_EQ(e.call->sources, sources);                                 \
	} while (0)
	unsigned int sources = e.call->sources;

	RUNG(-EINVAL); /* src not aligned */
	arg.src = KFX_NOWHERE;
	RUNG(-EINVAL); /* offset not aligned */
	arg.offset = 0x5000;
	RUNG(-EINVAL); /* length not aligned */
	arg.length = 0;
	RUNG(-EINVAL); /* nothing */
	arg.length = -0x5000ull;
	RUNG(-EINVAL); /* ends at 2^64: wraps to 0 */
	arg.length = -0x4000ull;
	RUNG(-EINVAL); /* wraps */
	arg.length = KFX_SIZE - 0x4000;
	RUNG(-EINVAL); /* a page too long */
	arg.length = 0x1000;
	RUNG(-EFAULT); /* the range is right; SECINFO is nowhere */
	arg.secinfo = KFX_SECINFO;
	RUNG(-EINVAL); /* a VA page */
	secinfo.flags = KFX_REG | KFX_W;
	RUNG(-EINVAL); /* W without R */
	secinfo.flags = KFX_TCS | KFX_R;
	RUNG(-EINVAL); /* a TCS with permissions */
	secinfo.flags = KFX_REG | KFX_R | SGX_SECINFO_PENDING_BIT;
	RUNG(-EINVAL); /* PENDING is the processor's */
	secinfo.flags = KFX_REG | KFX_R | 1ull << 63;
	RUNG(-EINVAL); /* reserved flag */
	secinfo.flags = KFX_REG | KFX_R;
	secinfo.rsvd[55] = 1;
	RUNG(-EINVAL); /* reserved byte */
	secinfo.rsvd[55] = 0;
	e.call->signal_after = 0;
	RUNG(-KFX_ERESTARTSYS); /* a signal, before anything of the first page */
	e.call->signal_after = -1;
	RUNG(-ENOMEM); /* no EPC page */
	kfx_release(&hog);
	RUNG(-EBUSY); /* the page is there */
	arg.offset = 0x6000;
	sources++;
	RUNG(-EFAULT); /* no source */
	arg.src = KFX_USER_BASE - 4096;
	sources++;
	RUNG(-EFAULT); /* nor here: the next mapping above may be executed from */
	kfx_lack(e.call, KFX_USER_BASE, KFX_NO_MAYEXEC);
	sources++;
	RUNG(-EACCES); /* it may not, and Linux looks at it first */
	kfx_lack(e.call, KFX_USER_BASE, 0);
	arg.src = KFX_SOURCE;
	kfx_lack(e.call, KFX_SOURCE, KFX_NO_MAYEXEC | KFX_NO_READ);
	sources++;
	RUNG(-EACCES); /* noexec */
	kfx_lack(e.call, KFX_SOURCE, KFX_NO_READ);
	sources++;
	RUNG(-EFAULT); /* the mapping may, the page cannot be read */
	kfx_lack(e.call, KFX_SOURCE, 0);
	secinfo.flags = KFX_TCS;
	memset(kfx_user(e.call, KFX_SOURCE, 4096), 0xff, 4096);
	sources++;
	RUNG(-EIO); /* EADD faults: reserved bits of the TCS */
	secinfo.flags = KFX_REG | KFX_R;
	sources++;
	RUNG(0);
#undef RUNG
	end(k, &e);
}

TEST(add_after_init_is_einval)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_enclave(k, &e, true);
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_NOWHERE), -EINVAL);
	CHECK_EQ(kfx_add(&e, 0x8000, 0x1000, KFX_REG | KFX_R, 0, NULL), -EINVAL);
	end(k, &e);
}

TEST(add_validates_the_whole_range)
{
	struct kfx *k = kfx_new(128, 1, true);
	struct kfx_encl e;
	struct sgx_secs secs;
	uint64_t count;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(kfx_add(&e, KFX_SIZE, 0x1000, KFX_REG | KFX_R, 0, NULL), -EINVAL);
	CHECK_EQ(kfx_add(&e, KFX_SIZE - 0x1000, 0x2000, KFX_REG | KFX_R, 0, NULL), -EINVAL);
	CHECK_EQ(kfx_add(&e, ~0xfffull, 0x1000, KFX_REG | KFX_R, 0, NULL), -EINVAL);
	CHECK_EQ(kfx_add(&e, 0x1000, ~0xfffull, KFX_REG | KFX_R, 0, NULL), -EINVAL);
	/* The last page, and unknown flags, which nobody looks at */
	CHECK_EQ(kfx_add(&e, KFX_SIZE - 0x1000, 0x1000, KFX_REG | KFX_R, ~1ull, &count), 0);
	CHECK_EQ(count, 0x1000);
	end(k, &e);
}

/* What is refused before the first page leaves count as it was. */
TEST(add_writes_count_back_also_on_error)
{
	struct kfx *k = kfx_new(64, 1, true);
	struct kfx_encl e;
	uint64_t count;

	kfx_enclave(k, &e, false);
	CHECK_EQ(kfx_add(&e, 0x8000, 1, KFX_REG | KFX_R, 0, &count), -EINVAL);
	CHECK_EQ(count, 0xdead);
	/* Three pages that are free, then one that is not */
	CHECK_EQ(kfx_add(&e, 0x8000, 0x1000, KFX_REG | KFX_R, 0, NULL), 0);
	CHECK_EQ(kfx_add(&e, 0x5000, 0x5000, KFX_REG | KFX_R, SGX_PAGE_MEASURE, &count), -EBUSY);
	CHECK_EQ(count, 0x3000);
	/* The restarted call meets what it did before. */
	CHECK_EQ(kfx_add(&e, 0x5000, 0x5000, KFX_REG | KFX_R, SGX_PAGE_MEASURE, &count), -EBUSY);
	CHECK_EQ(count, 0);
	end(k, &e);
}

TEST(add_that_cannot_write_back_is_efault)
{
	struct kfx *k = kfx_new(64, 1, true);
	struct sgx_encl_info info;
	struct kfx_encl e;
	uint64_t count;

	kfx_enclave(k, &e, false);
	kfx_lack(e.call, KFX_ARG, KFX_NO_WRITE);
	CHECK_EQ(kfx_add(&e, 0x8000, 0x1000, KFX_REG | KFX_R, 0, &count), -EFAULT);
	CHECK_EQ(count, 0xdead);
	/* The page is there for all that. */
	sgx_encl_info(e.encl, &info);
	CHECK_EQ(info.epc_pages, 8);
	/* Also where the error was another one */
	CHECK_EQ(kfx_add(&e, 0x8000, 0x1000, KFX_REG | KFX_R, 0, &count), -EFAULT);
	kfx_lack(e.call, KFX_ARG, 0);
	CHECK_EQ(kfx_add(&e, 0x8000, 0x1000, KFX_REG | KFX_R, 0, &count), -EBUSY);
	end(k, &e);
}

TEST(add_stops_short_for_a_signal)
{
	struct kfx *k = kfx_new(64, 1, true);
	struct kfx_encl e;
	uint64_t count;

	kfx_enclave(k, &e, false);
	e.call->signal_after = 3;
	CHECK_EQ(kfx_add(&e, 0x8000, 0x8000, KFX_REG | KFX_R, 0, &count), 0);
	CHECK_EQ(count, 0x3000);
	CHECK_EQ(kfx_add(&e, 0xb000, 0x5000, KFX_REG | KFX_R, 0, &count), -KFX_ERESTARTSYS);
	CHECK_EQ(count, 0);
	e.call->signal_after = -1;
	CHECK_EQ(kfx_add(&e, 0xb000, 0x5000, KFX_REG | KFX_R, 0, &count), 0);
	CHECK_EQ(count, 0x5000);
	end(k, &e);
}

TEST(add_without_host_memory_is_enomem)
{
	struct kfx *k = kfx_new(64, 1, true);
	struct sgx_sigstruct_arch sig;
	struct kfx_encl e;
	uint64_t count;

	kfx_enclave(k, &e, false);
	k->fill_after = 2;
	CHECK_EQ(kfx_add(&e, 0x8000, 0x4000, KFX_REG | KFX_R, 0, &count), -ENOMEM);
	CHECK_EQ(count, 0x2000);
	CHECK_EQ(free_pages(k), 64 - 9);
	k->fill_after = -1;
	/* Nothing of the page that failed was measured. */
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	end(k, &e);
}

/* Another thread writes to the source all the time; that race is the test. */
static volatile bool scribble_end;

__attribute__((no_sanitize("thread"))) static void *scribble(void *arg)
{
	volatile uint8_t *page = arg;

	for (uint8_t i = 1; !scribble_end; i++)
		for (unsigned int at = 0; at < 4096; at += 64)
			page[at] = i;
	return NULL;
}

TEST(add_measures_what_it_took_in)
{
	struct kfx *k = kfx_new(64, 1, true);
	struct sgx_sigstruct_arch sig;
	struct kfx_encl e;
	struct sgx_secs secs;
	pthread_t thread;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(pthread_create(&thread, NULL, scribble, kfx_user(e.call, KFX_SOURCE, 4096)), 0);
	for (unsigned int i = 0; i < 32; i++) {
		struct sgx_enclave_add_pages arg = {
			.src = KFX_SOURCE,
			.offset = i * 4096,
			.length = 4096,
			.secinfo = KFX_SECINFO,
			.flags = SGX_PAGE_MEASURE,
		};
		struct sgx_secinfo_arch secinfo = {.flags = KFX_REG | KFX_R | KFX_W};

		kfx_put(e.call, KFX_SECINFO, &secinfo, sizeof(secinfo));
		kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
		CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_ADD_PAGES, KFX_ARG), 0);
	}
	scribble_end = true;
	pthread_join(thread, NULL);

	/* The measurement is of the pages as they are in the EPC. */
	for (unsigned int i = 0; i < 32; i++) {
		epc_slot_t slot = 0;

		while (!k->epcm[slot].valid || k->epcm[slot].address != KFX_BASE + i * 4096)
			slot++;
		cpu_measure_eadd(&e.measure, i * 4096, KFX_REG | KFX_R | KFX_W);
		for (unsigned int at = 0; at < 4096; at += SGX_EEXTEND_SIZE)
			cpu_measure_eextend(&e.measure, i * 4096 + at, k->epc[slot] + at);
	}
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	end(k, &e);
}

/* --- INIT ----------------------------------------------------------------------- */

TEST(init_order)
{
	struct sgx_enclave_init arg = {.sigstruct = KFX_NOWHERE};
	struct kfx *k = kfx_new(16, 1, true);
	struct sgx_sigstruct_arch sig;
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_NOWHERE), -EINVAL);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	secs.attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_NOWHERE), -EFAULT);
	kfx_put(e.call, KFX_ARG, &arg, sizeof(arg));
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_ARG), -EFAULT);

	kfx_sigstruct(&e, &sig);
	sig.vendor = 0x8087;
	sig.attributes.flags |= 1ull << 8;
	sig.attributes.xfrm |= 1ull << 12;
	sig.miscselect |= 1u << 4;
	CHECK_EQ(kfx_init(&e, &sig), -EINVAL); /* vendor */
	sig.vendor = 0x8086;
	CHECK_EQ(kfx_init(&e, &sig), -EACCES); /* nobody allowed the provisioning key */
	struct sgx_enclave_provision provision = {.fd = KFX_PROVISION_FD};
	kfx_put(e.call, KFX_ARG, &provision, sizeof(provision));
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG), 0);
	CHECK_EQ(kfx_init(&e, &sig), -EINVAL); /* attributes */
	sig.attributemask.flags = ~(1ull << 8);
	CHECK_EQ(kfx_init(&e, &sig), -EINVAL); /* misc */
	sig.miscmask = 0;
	CHECK_EQ(kfx_init(&e, &sig), -EINVAL); /* xfrm */
	sig.attributemask.xfrm = 7;
	CHECK_EQ(kfx_init(&e, &sig), -EPERM); /* and now EINIT: no signature */
	sig.vendor = 0;
	sig.attributes = secs.attributes;
	sig.miscselect = 0;
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	/* The second one, before its argument */
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_INIT, KFX_NOWHERE), -EINVAL);
	end(k, &e);
}

/* Every SGX code is EPERM, and leaves the enclave to be tried again. */
TEST(init_sgx_codes_are_eperm)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct sgx_sigstruct_arch good, sig;
	struct sgx_encl_info info;
	uint8_t mrsigner[SGX_HASH_SIZE];
	struct kfx_encl e;

	kfx_enclave(k, &e, false);
	kfx_sigstruct(&e, &good);
	kfx_sign(&good);
	sig = good;
	sig.header[0] ^= 1; /* SGX_INVALID_SIG_STRUCT */
	CHECK_EQ(kfx_init(&e, &sig), -EPERM);
	sig = good;
	sig.signature[0] ^= 1; /* SGX_INVALID_SIGNATURE */
	CHECK_EQ(kfx_init(&e, &sig), -EPERM);
	sig = good;
	sig.modulus[100] ^= 1;
	CHECK_EQ(kfx_init(&e, &sig), -EPERM);
	sig = good;
	sig.enclavehash[0] ^= 1; /* SGX_INVALID_MEASUREMENT */
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), -EPERM);
	sig = good;
	sig.attributes.xfrm = 7; /* SGX_INVALID_ATTRIBUTE */
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), -EPERM);
	sgx_encl_info(e.encl, &info);
	CHECK_EQ(info.initialized, false);
	CHECK_EQ(kfx_init(&e, &good), 0);
	sgx_encl_info(e.encl, &info);
	CHECK_EQ(info.initialized, true);
	CHECK_MEM(info.mrenclave, good.enclavehash, SGX_HASH_SIZE);
	cpu_sigstruct_mrsigner(&good, mrsigner);
	CHECK_MEM(info.mrsigner, mrsigner, SGX_HASH_SIZE);
	/* Launch control was told this very signer. */
	CHECK_MEM(k->pkg.sgxlepubkeyhash, mrsigner, SGX_HASH_SIZE);
	end(k, &e);
}

/* --- PROVISION ------------------------------------------------------------------ */

static long provision(struct kfx_encl *e, uint64_t fd)
{
	struct sgx_enclave_provision arg = {.fd = fd};

	kfx_put(e->call, KFX_ARG, &arg, sizeof(arg));
	return do_ioctl(e, SGX_IOC_ENCLAVE_PROVISION, KFX_ARG);
}

TEST(provision_order_and_truncation)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct kfx_encl e;

	kfx_open(k, &e);
	CHECK_EQ(do_ioctl(&e, SGX_IOC_ENCLAVE_PROVISION, KFX_NOWHERE), -EFAULT);
	CHECK_EQ(provision(&e, 3), -EINVAL);
	CHECK_EQ(provision(&e, ~0ull), -EINVAL);
	CHECK_EQ(provision(&e, KFX_PROVISION_FD), 0);
	CHECK_EQ(provision(&e, KFX_PROVISION_FD | 0xabcd00000000ull), 0);
	end(k, &e);
}

TEST(provision_before_create_is_lost)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct sgx_sigstruct_arch sig;
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	CHECK_EQ(provision(&e, KFX_PROVISION_FD), 0);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	secs.attributes.flags |= SGX_ATTR_PROVISION_KEY_BIT;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), -EACCES);
	CHECK_EQ(provision(&e, KFX_PROVISION_FD), 0);
	CHECK_EQ(kfx_init(&e, &sig), 0);
	CHECK_EQ(provision(&e, KFX_PROVISION_FD), 0);
	end(k, &e);
}

TEST(einittoken_key_is_never_allowed)
{
	struct kfx *k = kfx_new(16, 1, true);
	struct sgx_sigstruct_arch sig;
	struct kfx_encl e;
	struct sgx_secs secs;

	kfx_open(k, &e);
	kfx_secs(&secs, KFX_BASE, KFX_SIZE);
	secs.attributes.flags |= SGX_ATTR_EINITTOKEN_KEY_BIT;
	CHECK_EQ(kfx_create(&e, &secs), 0);
	CHECK_EQ(provision(&e, KFX_PROVISION_FD), 0);
	kfx_sigstruct(&e, &sig);
	kfx_sign(&sig);
	CHECK_EQ(kfx_init(&e, &sig), -EACCES);
	end(k, &e);
}
