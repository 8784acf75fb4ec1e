/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An enclave of two and a half times the EPC: what is in its pages, what they
 * allow, and its TCSs, outlive that they leave.
 */
#include "paging.h"

#include <signal.h>
#include <sys/mman.h>

TEST(content_survives)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){PAGING_OPTS});
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		CHECK_EQ(encl_read8(&e, 0, heap_page(&e, i) + 8 * (i % 512)), 0);
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		write_pattern(&e, 0, i, 1);
	CHECK(pages_in(&e) < EPC_PAGES);
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		check_inside(&e, 0, i, 1);
	for (uint64_t i = HEAP_PAGES; i--;)
		check_outside(&e, i, 1);
	/* every third is changed, the others are not */
	for (uint64_t i = 0; i < HEAP_PAGES; i += 3)
		write_pattern(&e, 0, i, 2);
	for (uint64_t k = 0; k < HEAP_PAGES; k++)
		check_inside(&e, 0, k * 7 % HEAP_PAGES, k * 7 % HEAP_PAGES % 3 ? 1 : 2);
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		check_outside(&e, i, i % 3 ? 1 : 2);
	CHECK(pages_in(&e) < EPC_PAGES);
	encl_free(&e);
}

/* A page that was only read since it came back, and is written then */
TEST(read_then_written)
{
	struct encl e;

	encl_build(&e, &(struct encl_opts){PAGING_OPTS});
	for (uint64_t round = 1; round < 4; round++) {
		for (uint64_t i = 0; i < HEAP_PAGES; i++) {
			uint64_t addr = heap_page(&e, i) + 8 * round;

			CHECK_EQ(touch(addr - 8), round > 1 ? i ^ (round - 1) : 0);
			CHECK_EQ(encl_read8(&e, 0, addr), 0);
			encl_write8(&e, 0, addr, i ^ round);
		}
	}
	for (uint64_t i = 0; i < HEAP_PAGES; i++)
		for (uint64_t round = 1; round < 4; round++)
			CHECK_EQ(touch(heap_page(&e, i) + 8 * round), i ^ round);
	encl_free(&e);
}

static void expect_pf(struct encl *e, uint64_t op, uint64_t addr, unsigned int set,
		      unsigned int clear)
{
	struct encl_op o = encl_enter_fixed(e, 0, SGX_EENTER, op, addr, 0, 0, 0);

	CHECK_EQ(o.run.function, SGX_ERESUME);
	CHECK_EQ(o.run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(o.run.exception_addr, addr & SGX_PAGE_MASK);
	CHECK_EQ(o.run.exception_error_code & (set | clear | SGX_PF_U), set | SGX_PF_U);
}

static uint64_t blob_word(size_t offset)
{
	uint64_t word;

	memcpy(&word, blob_start + offset, sizeof(word));
	return word;
}

/*
 * The refused access comes while the page is out, and again when a load has
 * brought it back.  What it holds is as it was.
 */
TEST(permissions_survive)
{
	uint64_t ro, code, data;
	struct encl e;

	encl_build(&e, &(struct encl_opts){PAGING_OPTS, .nssa = 16, .tcs_count = 2});
	ro = e.base + ENCL_RO;
	code = e.base + ENCL_CODE + 4096;
	data = e.base + ENCL_NOX;
	encl_write8(&e, 0, data, 0xf4f4f4f4f4f4f4f4);
	for (int round = 0; round < 2; round++) {
		push_out(&e, ro);
		expect_pf(&e, OP_WRITE8, ro + 8, SGX_PF_W, SGX_PF_SGX | SGX_PF_I);
		expect_pf(&e, OP_JUMP, ro + 8, SGX_PF_I, SGX_PF_SGX | SGX_PF_W);
		CHECK_EQ(encl_read8(&e, 1, ro), blob_word(0));
		expect_pf(&e, OP_WRITE8, ro + 8, SGX_PF_W, SGX_PF_SGX | SGX_PF_I);
		CHECK_MEM((const void *)ro, blob_start, ENCL_PAGE);
		push_out(&e, code);
		expect_pf(&e, OP_WRITE8, code, SGX_PF_W, SGX_PF_SGX);
		CHECK_EQ(encl_read8(&e, 1, code), blob_word(4096));
		push_out(&e, data);
		expect_pf(&e, OP_JUMP, data, SGX_PF_I, SGX_PF_SGX);
		CHECK_EQ(encl_read8(&e, 1, data), 0xf4f4f4f4f4f4f4f4);
		/* a TCS is nobody's to read, in the EPC or not */
		squeeze(&e);
		expect_pf(&e, OP_READ8, encl_tcs(&e, 1), SGX_PF_SGX | SGX_PF_P, SGX_PF_W);
		expect_pf(&e, OP_WRITE8, encl_tcs(&e, 1) + 8, SGX_PF_SGX | SGX_PF_P | SGX_PF_W, 0);
	}
	CHECK_MEM((const void *)e.base, blob_start, ENCL_CODE_SIZE);
	encl_free(&e);
}

TEST(code_runs_after_a_reload)
{
	static const uint8_t code[] = {0xba, 0x78, 0x56, 0x34, 0x12}; /* mov $...,%edx */
	uint64_t page;
	struct encl e;

	encl_build(&e, &(struct encl_opts){PAGING_OPTS});
	page = encl_snippet(&e, code, sizeof(code));
	for (int i = 0; i < 5; i++) {
		push_out(&e, page);
		push_out(&e, e.base + ENCL_CODE);
		CHECK_EQ(encl_op(&e, 0, OP_JUMP, page, 0, 0, 0).regs.rdx, 0x12345678);
	}
	encl_free(&e);
}

/* Where EENTER finds nothing, or no TCS: as without paging. */
TEST(no_tcs_there)
{
	static const uint64_t reg[] = {ENCL_DATA, ENCL_RO, ENCL_CODE + 4096};
	struct encl_regs regs = {.rdi = OP_NOP};
	struct sgx_enclave_run run;
	struct encl e;

	encl_build(&e, &(struct encl_opts){PAGING_OPTS});
	CHECK_EQ(encl_map(&e, ENCL_HOLE, ENCL_PAGE, PROT_READ | PROT_WRITE), 0);
	memset(&run, 0, sizeof(run));
	run.tcs = e.base + ENCL_HOLE;
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
	CHECK_EQ(run.function, SGX_EENTER);
	CHECK_EQ(run.exception_vector, SGX_VEC_PF);
	CHECK_EQ(run.exception_error_code & SGX_PF_SGX, 0);
	CHECK_EQ(run.exception_addr, e.base + ENCL_HOLE);
	for (unsigned int i = 0; i < 3; i++) {
		for (int in = 0; in < 2; in++) {
			uint64_t addr = e.base + reg[i];

			push_out(&e, addr);
			if (in)
				(void)touch(addr);
			memset(&run, 0, sizeof(run));
			run.tcs = addr;
			CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
			CHECK_EQ(run.function, SGX_EENTER);
			CHECK_EQ(run.exception_vector, SGX_VEC_PF);
			CHECK_EQ(run.exception_error_code & SGX_PF_SGX, SGX_PF_SGX);
			CHECK_EQ(run.exception_addr, addr);
		}
	}
	encl_op(&e, 0, OP_NOP, 0, 0, 0, 0);
	encl_free(&e);
}

/* CSSA goes with the TCS; what an AEX has saved, with the SSA page. */
TEST(tcs_and_ssa_come_back)
{
	struct encl_op o;
	struct encl e;

	encl_build(&e, &(struct encl_opts){PAGING_OPTS, .tcs_count = 3, .nssa = 3});
	for (int i = 0; i < 2; i++) {
		squeeze(&e);
		CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
		squeeze(&e);
		CHECK_EQ(encl_enter(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0).run.exception_vector,
			 SGX_VEC_GP);
		o = encl_enter_fixed(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0);
		CHECK_EQ(o.run.exception_vector, SGX_VEC_UD);
		squeeze(&e);
		push_out(&e, encl_ssa(&e, 0, 0));
		/* the other frame: CSSA is 1 */
		CHECK_EQ(encl_op(&e, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 1);
		push_out(&e, encl_ssa(&e, 0, 0));
		CHECK_EQ(encl_read8(&e, 0,
				    encl_gprsgx(&e, 0, 0) + offsetof(struct sgx_gprsgx, rip)),
			 encl_label(&e, blob_ud2));
		encl_write8(&e, 1, encl_gprsgx(&e, 0, 0) + offsetof(struct sgx_gprsgx, rip),
			    encl_label(&e, blob_ud2) + 2);
		squeeze(&e);
		push_out(&e, encl_ssa(&e, 0, 0));
		o = encl_enter_fixed(&e, 0, SGX_ERESUME, 0, 0, 0, 0, 0);
		CHECK_EQ(o.run.function, SGX_EEXIT);
		/* the third was never used */
		CHECK_EQ(encl_op(&e, 2, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
	}
	encl_free(&e);
}

static struct encl shared;
static uint64_t stop_word, inside_word;
static int handled;
static bool handler_pushes;

static void on_signal(int sig)
{
	if (handler_pushes)
		push_out(&shared, encl_ssa(&shared, 0, 0));
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void *spin(void *arg)
{
	encl_op(&shared, 0, OP_SPIN, (uint64_t)(uintptr_t)&stop_word,
		(uint64_t)(uintptr_t)&inside_word, 0, 0);
	return NULL;
}

/* A thread is inside, and its SSA frame leaves: before the AEX, and after it. */
static void ssa_leaves(bool in_handler)
{
	struct sigaction sa = {.sa_handler = on_signal};
	pthread_t thread;

	handler_pushes = in_handler;
	CHECK_SYS(sigaction(SIGUSR1, &sa, NULL));
	encl_build(&shared, &(struct encl_opts){PAGING_OPTS, .nssa = 3});
	CHECK_EQ(pthread_create(&thread, NULL, spin, NULL), 0);
	while (!__atomic_load_n(&inside_word, __ATOMIC_ACQUIRE))
		usleep(100);
	for (int i = 1; i <= 5; i++) {
		if (!in_handler)
			push_out(&shared, encl_ssa(&shared, 0, 0));
		CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
		while (__atomic_load_n(&handled, __ATOMIC_SEQ_CST) < i)
			usleep(100);
	}
	__atomic_store_n(&stop_word, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(encl_op(&shared, 0, OP_NOP, 0, 0, 0, 0).regs.rsi, 0);
	encl_free(&shared);
}

TEST(ssa_leaves_before_an_aex)
{
	ssa_leaves(false);
}

TEST(ssa_leaves_before_an_eresume)
{
	ssa_leaves(true);
}

/* Operands of EREPORT and EGETKEY, a page each */
#define AT_TARGET(e) heap_page(e, 11)
#define AT_DATA(e)   heap_page(e, 222)
#define AT_REPORT(e) heap_page(e, 333)
#define AT_KEYREQ(e) heap_page(e, 444)
#define AT_KEY(e)    heap_page(e, 555)

static void report(struct encl *e, struct sgx_report *r)
{
	struct encl_op o =
		encl_op(e, 0, OP_ENCLU, SGX_EREPORT, AT_TARGET(e), AT_DATA(e), AT_REPORT(e));

	CHECK_EQ(o.regs.rdx, 0);
	encl_read(e, 0, r, AT_REPORT(e), sizeof(*r));
}

static void key(struct encl *e, uint8_t k[16])
{
	struct encl_op o = encl_op(e, 0, OP_ENCLU, SGX_EGETKEY, AT_KEYREQ(e), AT_KEY(e), 0);

	CHECK_EQ(o.regs.rdx, 0);
	encl_read(e, 0, k, AT_KEY(e), 16);
}

static void operands(bool busy)
{
	struct sgx_report first, r;
	struct sgx_targetinfo t;
	struct sgx_keyrequest q;
	uint8_t data[64], first_key[16], k[16];
	struct pager pager;
	struct encl e;

	encl_build(&e, &(struct encl_opts){PAGING_OPTS});
	memset(&t, 0, sizeof(t));
	memcpy(t.measurement, e.sigstruct.enclavehash, 32);
	t.attributes = e.sigstruct.attributes;
	t.attributes.flags |= SGX_ATTR_INIT_BIT;
	memset(data, 0x3c, sizeof(data));
	encl_write(&e, 0, AT_TARGET(&e), &t, sizeof(t));
	encl_write(&e, 0, AT_DATA(&e), data, sizeof(data));
	report(&e, &first);
	CHECK_MEM(first.reportdata, data, sizeof(data));
	memset(&q, 0, sizeof(q));
	q.keyname = SGX_KEYNAME_REPORT;
	memcpy(q.keyid, first.keyid, sizeof(q.keyid));
	encl_write(&e, 0, AT_KEYREQ(&e), &q, sizeof(q));
	key(&e, first_key);
	if (busy)
		pager_start(&pager, &e);
	for (int i = 0; i < (busy ? 100 : 4); i++) {
		memset(&r, 0, sizeof(r));
		memset(k, 0, sizeof(k));
		encl_write(&e, 0, AT_REPORT(&e), &r, sizeof(r));
		encl_write(&e, 0, AT_KEY(&e), k, sizeof(k));
		if (!busy) {
			squeeze(&e);
			/* some of them are in, and different ones each time */
			for (int n = 0; n < 3; n++)
				if (n == i)
					(void)touch(n == 0   ? AT_TARGET(&e)
						    : n == 1 ? AT_DATA(&e)
							     : AT_REPORT(&e));
		}
		report(&e, &r);
		CHECK_MEM(&r, &first, sizeof(r));
		if (!busy)
			push_out(&e, AT_KEYREQ(&e));
		key(&e, k);
		CHECK_MEM(k, first_key, sizeof(k));
	}
	if (busy)
		pager_stop(&pager);
	encl_free(&e);
}

TEST(operands_are_out)
{
	operands(false);
}

TEST(operands_come_and_go)
{
	operands(true);
}
