/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program's standard error gets where SGX refuses: the whole way, from the check
 * to the line.  asked_*: under `swsgx run --explain`; unasked_*: without; lost_*: on a
 * machine that the test ends.
 */
#include "encl.h"

#include <base/why.h>

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#include "child.h"

#define NONCANONICAL 0x8000000000000000

static struct encl e;
static int kept = -1;

/* From here on standard error is a file in memory. */
static void capture(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	CHECK_SYS(fd);
	kept = dup(2);
	CHECK_SYS(kept);
	CHECK_SYS(dup2(fd, 2));
	close(fd);
}

/* What came, and standard error is what it was. */
static char *captured(void)
{
	static char text[1 << 16];
	ssize_t n = pread(2, text, sizeof(text) - 1, 0);

	CHECK_SYS(n);
	text[n] = 0;
	CHECK_SYS(dup2(kept, 2));
	close(kept);
	return text;
}

static unsigned int lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* One line came for a rule, and it begins like this. */
static void expect(enum why_rule rule, const char *begin)
{
	const char *text = captured();

	CHECK(rule != WHY_NOTHING);
	if (lines(text) != 1 || strncmp(text, begin, strlen(begin)))
		FAIL("not one line \"%s...\", but: %s", begin, text);
}

/* The same with an address between two parts of the text. */
static void expect_at(enum why_rule rule, const char *before, uint64_t addr, const char *behind)
{
	char begin[256];

	snprintf(begin, sizeof(begin), "%s0x%llx%s", before, (unsigned long long)addr, behind);
	expect(rule, begin);
}

static void expect_nothing(void)
{
	const char *text = captured();

	if (*text)
		FAIL("it is said: %s", text);
}

static int do_ioctl(unsigned long cmd, void *arg)
{
	return ioctl(e.fd, cmd, arg) ? -errno : 0;
}

/* --- ioctls --------------------------------------------------------------------- */

TEST(asked_create)
{
	struct sgx_secs secs;
	struct sgx_enclave_create create = {.src = (uint64_t)&secs};

	encl_open(&e, &(struct encl_opts){0});
	encl_secs(&e, &secs);
	secs.size = 0x3000;
	capture();
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_CREATE, &create), -EINVAL);
	expect(WHY_CREATE_SIZE,
	       "swsgx: SGX_IOC_ENCLAVE_CREATE refused (EINVAL): SECS.SIZE is 0x3000: "
	       "it must be a power of two, as 0x4000 is\n");
	secs.size = e.size;
	secs.ssaframesize = 0;
	capture();
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_CREATE, &create), -EIO);
	expect(WHY_SECS_SSAFRAMESIZE,
	       "swsgx: ECREATE refused (#GP(0), EIO): SECS.SSAFRAMESIZE is 0 ");
	/* what succeeds says nothing */
	secs.ssaframesize = 1;
	capture();
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_CREATE, &create), 0);
	expect_nothing();
	encl_free(&e);
}

TEST(asked_init)
{
	encl_build(&e, &(struct encl_opts){.no_init = true});
	memset(e.sigstruct.enclavehash, 0x12, 1);
	encl_sign(&e);
	memset(e.sigstruct.enclavehash, 0x12, sizeof(e.sigstruct.enclavehash));
	capture();
	CHECK_EQ(encl_init(&e), -EPERM);
	expect(WHY_SIG_DIGEST, "swsgx: EINIT refused (SGX_INVALID_SIGNATURE, EPERM): "
			       "SIGSTRUCT.SIGNATURE is of other contents: ");
	/* a page more than was signed */
	encl_sign(&e);
	CHECK_EQ(encl_add(&e, e.size - ENCL_PAGE, "", 0, 0, 0, NULL), -EINVAL);
	encl_free(&e);
}

/* Another thread's record is not ours: each call says its own. */
TEST(asked_add_in_pieces)
{
	static uint8_t pages[80 * ENCL_PAGE] __attribute__((aligned(4096)));
	struct sgx_secinfo_arch info = {.flags = SGX_PT_REG << 8 | 1};
	struct sgx_enclave_add_pages add = {
		.src = (uint64_t)pages, .secinfo = (uint64_t)&info, .length = 2 * ENCL_PAGE};

	encl_open(&e, &(struct encl_opts){.heap = 100 * ENCL_PAGE});
	CHECK_EQ(encl_create(&e), 0);
	add.offset = 70 * ENCL_PAGE;
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_ADD_PAGES, &add), 0);
	add.offset = 0;
	add.length = sizeof(pages);
	capture();
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_ADD_PAGES, &add), -EBUSY);
	expect(WHY_ADD_DUPLICATE,
	       "swsgx: SGX_IOC_ENCLAVE_ADD_PAGES refused (EBUSY): the enclave has "
	       "a page at offset 0x46000 already; ");
	CHECK_EQ(add.count, 70 * ENCL_PAGE);
	encl_free(&e);
}

/* --- mappings and faults ---------------------------------------------------------- */

TEST(asked_mappings)
{
	int provision = open("/dev/sgx_provision", O_RDONLY);
	uint8_t *page;

	CHECK_SYS(provision);
	encl_build(&e, &(struct encl_opts){0});
	page = (uint8_t *)e.base + ENCL_DATA;
	capture();
	CHECK(mmap(NULL, ENCL_PAGE, PROT_READ, MAP_PRIVATE, e.fd, 0) == MAP_FAILED);
	expect(WHY_MMAP_PRIVATE,
	       "swsgx: mmap refused (EINVAL): flags are 0x2: an enclave is mapped "
	       "MAP_SHARED (0x1) or not at all\n");
	capture();
	CHECK(mmap(NULL, ENCL_PAGE, PROT_READ, MAP_SHARED, provision, 0) == MAP_FAILED);
	expect(WHY_MMAP_PROVISION, "swsgx: mmap refused (ENODEV): descriptor ");
	capture();
	CHECK(mremap(page, ENCL_PAGE, 2 * ENCL_PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	expect_at(WHY_MREMAP, "swsgx: mremap refused (EFAULT): there is enclave memory at ",
		  (uint64_t)page, ": ");
	capture();
	CHECK(mremap(page, ENCL_PAGE, ENCL_PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) ==
	      MAP_FAILED);
	expect_at(WHY_MREMAP_DONTUNMAP,
		  "swsgx: mremap refused (EINVAL): there is enclave memory at ", (uint64_t)page,
		  ", which cannot be moved by MREMAP_DONTUNMAP (0x4)\n");
	capture();
	CHECK_ERRNO(madvise(page, ENCL_PAGE, MADV_DONTNEED), EINVAL);
	expect(WHY_MADVISE,
	       "swsgx: madvise refused (EINVAL): advice 4 is not for enclave memory: ");
	capture();
	CHECK_ERRNO(mprotect((void *)(e.base + ENCL_RO), ENCL_PAGE, PROT_READ | PROT_WRITE),
		    EACCES);
	expect_at(WHY_MAP_PROT,
		  "swsgx: mprotect refused (EACCES): rw- is asked for, but the page at ",
		  e.base + ENCL_RO, " was added with r-- in SECINFO, ");
	encl_free(&e);
	close(provision);
}

TEST(asked_too_many_enclaves)
{
	int fd[130];
	unsigned int n;
	struct rlimit limit;

	CHECK_SYS(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur < 300)
		SKIP("ulimit -n is below 300");
	capture();
	for (n = 0; n < 130; n++) {
		fd[n] = open("/dev/sgx_enclave", O_RDWR);
		CHECK_SYS(fd[n]);
		if (mmap(NULL, ENCL_PAGE, PROT_NONE, MAP_SHARED, fd[n], 0) == MAP_FAILED)
			break;
	}
	CHECK_EQ(n, 128);
	expect(WHY_MMAP_TOO_MANY,
	       "swsgx: mmap refused (ENOMEM): this process has 128 enclaves mapped, ");
	for (unsigned int i = 0; i <= n; i++)
		close(fd[i]);
}

static sigjmp_buf back;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	siglongjmp(back, 1);
}

static void catch_faults(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	CHECK_SYS(sigaction(SIGSEGV, &sa, NULL));
	CHECK_SYS(sigaction(SIGBUS, &sa, NULL));
}

TEST(asked_faults_from_outside)
{
	volatile uint64_t nowhere = 8;

	catch_faults();
	encl_build(&e, &(struct encl_opts){0});
	/* a fault that is served says nothing */
	capture();
	(void)*(volatile uint8_t *)(e.base + ENCL_DATA);
	expect_nothing();
	capture();
	if (!sigsetjmp(back, 1)) {
		(void)*(volatile uint8_t *)(e.base + ENCL_HOLE);
		FAIL("a page that is not there can be read");
	}
	expect_at(WHY_FAULT_ABSENT, "swsgx: access to ", e.base + ENCL_HOLE,
		  " refused (SIGBUS): the enclave has no page ");
	capture();
	if (!sigsetjmp(back, 1)) {
		(void)*(volatile uint8_t *)encl_tcs(&e, 0);
		FAIL("a TCS can be read");
	}
	expect_at(WHY_FAULT_TYPE, "swsgx: access to ", encl_tcs(&e, 0),
		  " refused (#PF with SGX): EPCM.PT is PT_TCS: ");
	/* nor does one that is not SGX's */
	capture();
	if (!sigsetjmp(back, 1)) {
		(void)*(volatile uint8_t *)nowhere;
		FAIL("address 8 can be read");
	}
	expect_nothing();
	encl_free(&e);
}

/* --- ENCLU ------------------------------------------------------------------------- */

static void on_enclu(int sig, siginfo_t *info, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 3;
}

static void enclu(uint64_t leaf, uint64_t rbx, uint64_t rcx)
{
	uint64_t on[NGREG] = {[REG_RAX] = leaf, [REG_RBX] = rbx, [REG_RCX] = rcx};
	struct sigaction sa = {.sa_sigaction = on_enclu, .sa_flags = SA_SIGINFO};

	CHECK_SYS(sigaction(SIGSEGV, &sa, NULL));
	CHECK_SYS(sigaction(SIGBUS, &sa, NULL));
	encl_enclu_regs(on);
}

TEST(asked_entries)
{
	const uint64_t aep = (uint64_t)encl_enclu_regs_site;

	encl_build(&e, &(struct encl_opts){.nssa = 1});
	capture();
	enclu(SGX_EEXIT, aep, 0);
	expect(WHY_ENCLU_OUTSIDE, "swsgx: ENCLU refused (#GP(0)): EAX is 4 (EEXIT), which is for ");
	capture();
	enclu(SGX_ERESUME, encl_tcs(&e, 0), aep);
	expect(WHY_ENTRY_CSSA_EMPTY, "swsgx: ERESUME refused (#GP(0)): TCS.CSSA is 0: ");
	/* what the daemon knows of the page is said instead of what the slot knows */
	capture();
	enclu(SGX_EENTER, e.base + ENCL_DATA, aep);
	expect_at(WHY_FAULT_NO_TCS, "swsgx: entry at ", e.base + ENCL_DATA,
		  " refused (#PF with SGX): EPCM.PT is PT_REG: ");
	CHECK_EQ(encl_enter_fixed(&e, 0, SGX_EENTER, OP_UD2, 0, 0, 0, 0).run.exception_vector, 6);
	capture();
	enclu(SGX_EENTER, encl_tcs(&e, 0), aep);
	expect(WHY_ENTRY_CSSA_FULL, "swsgx: EENTER refused (#GP(0)): TCS.CSSA is 1 and TCS.NSSA is "
				    "1: no SSA frame is free ");
	encl_free(&e);
}

static uint64_t stop_word, inside_word;

static void *spin(void *ret_tid)
{
	*(pid_t *)ret_tid = gettid();
	encl_op(&e, 0, OP_SPIN, (uint64_t)&stop_word, (uint64_t)&inside_word, 0, 0);
	return NULL;
}

static void enter_busy(const char *begin)
{
	capture();
	enclu(SGX_EENTER, encl_tcs(&e, 0), (uint64_t)encl_enclu_regs_site);
	expect(WHY_ENTRY_TCS_BUSY, begin);
}

/* The thread that has the TCS is named by its number, or is of another process. */
TEST(asked_busy_tcs)
{
	pthread_t thread;
	char line[128];
	pid_t tid, pid;

	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(pthread_create(&thread, NULL, spin, &tid), 0);
	while (!__atomic_load_n(&inside_word, __ATOMIC_ACQUIRE))
		usleep(1000);
	snprintf(line, sizeof(line), "swsgx: EENTER refused (#GP(0)): thread %d is inside ", tid);
	enter_busy(line);
	pid = start();
	if (!pid) {
		enter_busy(
			"swsgx: EENTER refused (#GP(0)): a thread of another process is inside ");
		_exit(0);
	}
	expect_exit(pid, 0);
	__atomic_store_n(&stop_word, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	encl_free(&e);
}

/* Through the vDSO the line is the same, and comes once. */
TEST(asked_entry_by_the_vdso)
{
	struct sgx_enclave_run run = {0};
	struct encl_regs regs = {0};

	encl_build(&e, &(struct encl_opts){0});
	run.tcs = encl_tcs(&e, 0) + 8;
	capture();
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
	expect_at(WHY_ENTRY_TCS_ADDR, "swsgx: EENTER refused (#GP(0)): RBX is ", run.tcs, ": ");
	CHECK_EQ(run.exception_vector, 13);
	/* the SSA's page is not mapped read-write */
	CHECK_SYS(mprotect((void *)encl_ssa(&e, 0, 0), ENCL_PAGE, PROT_READ));
	run = (struct sgx_enclave_run){.tcs = encl_tcs(&e, 0)};
	capture();
	CHECK_EQ(encl_vdso_call(&regs, SGX_EENTER, &run, e.enter), 0);
	CHECK_EQ(run.exception_vector, 14);
	expect_at(WHY_ENTRY_SSA_PAGE,
		  "swsgx: EENTER refused (#PF with SGX): the SSA frame's page at ",
		  encl_ssa(&e, 0, 0), " cannot be written: ");
	encl_free(&e);
}

/* ENCLU by the enclave: EAX, RBX, RCX, RDX */
static void inside(uint64_t leaf, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	(void)encl_enter_fixed(&e, 0, SGX_EENTER, OP_ENCLU, leaf, rbx, rcx, rdx);
}

TEST(asked_leaves_inside)
{
	struct sgx_keyrequest request = {.keyname = SGX_KEYNAME_PROVISION};
	uint64_t data;

	encl_build(&e, &(struct encl_opts){.nssa = 12});
	data = e.base + ENCL_DATA;
	capture();
	inside(SGX_EENTER, data, 0, 0);
	expect(WHY_ENCLU_INSIDE, "swsgx: ENCLU refused (#GP(0)): EAX is 2 (EENTER), and RIP 0x");
	capture();
	inside(SGX_EACCEPT, data, data, 0);
	expect(WHY_ENCLU_SGX2,
	       "swsgx: ENCLU refused (#GP(0)): EAX is 5 (EACCEPT): swsgx has no SGX2 ");
	capture();
	inside(SGX_EEXIT, NONCANONICAL, 0, 0);
	expect(WHY_EEXIT_TARGET,
	       "swsgx: EEXIT refused (#GP(0)): RBX, the address to go to, is 0x8000000000000000: ");
	capture();
	inside(SGX_EREPORT, data, data + 8, data);
	expect_at(WHY_ENCLU_OPERAND_ADDR, "swsgx: EREPORT refused (#GP(0)): REPORTDATA (RCX) is ",
		  data + 8, ": ");
	/* no page there: one line, although it is a fault as well */
	capture();
	inside(SGX_EREPORT, e.base + ENCL_HOLE, data, data);
	expect_at(WHY_ENCLU_OPERAND_ABSENT, "swsgx: EREPORT refused (#PF): TARGETINFO (RBX) is ",
		  e.base + ENCL_HOLE, ": no page was added ");
	/* a code, and no exception */
	encl_write(&e, 0, data, &request, sizeof(request));
	capture();
	inside(SGX_EGETKEY, data, data + 0x400, 0);
	expect(WHY_EGETKEY_ATTRIBUTE, "swsgx: EGETKEY refused (SGX_INVALID_ATTRIBUTE): "
				      "KEYREQUEST.KEYNAME is 1 (PROVISION): ");
	encl_free(&e);
}

TEST(asked_paths)
{
	capture();
	CHECK_ERRNO(open("/dev/sgx_vepc", O_RDWR), ENOENT);
	expect(WHY_PATH_VEPC,
	       "swsgx: open of /dev/sgx_vepc refused (ENOENT): swsgx has no virtual EPC ");
	capture();
	CHECK_ERRNO(open("/dev/isgx", O_RDWR), ENOENT);
	expect(WHY_PATH_OLD,
	       "swsgx: open of /dev/isgx refused (ENOENT): this is the device of a driver ");
	capture();
	CHECK_ERRNO(open("/dev/sgx_vep", O_RDWR), ENOENT);
	CHECK_ERRNO(open("/dev/sgx/enclav", O_RDWR), ENOENT);
	CHECK_ERRNO(open("/dev/sgx/enclaves", O_RDWR), ENOENT);
	CHECK_SYS(close(open("/dev/sgx/enclave", O_RDWR)));
	expect_nothing();
}

/* --- how it is said -------------------------------------------------------------------- */

TEST(asked_again_and_again)
{
	const char *text;

	encl_open(&e, &(struct encl_opts){0});
	capture();
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_INIT, NULL), -EINVAL);
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_CREATE, NULL), -EFAULT);
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_INIT, NULL), -EINVAL);
	text = captured();
	/* 1, 2, 4, ... 512, and what came between and after */
	CHECK_EQ(lines(text), 12);
	CHECK(strstr(text, "must have said 0 [the same 512 times in a row]\n"));
	encl_free(&e);
}

TEST(asked_of_children)
{
	char *text;
	pid_t pid;

	encl_open(&e, &(struct encl_opts){0});
	capture();
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_INIT, NULL), -EINVAL);
		execl("/proc/self/exe", "explain", "--again", NULL);
		_exit(1);
	}
	expect_exit(pid, 0);
	text = captured();
	if (lines(text) != 2 || !strstr(text, "SGX_IOC_ENCLAVE_INIT refused (EINVAL)") ||
	    !strstr(text, "ioctl 0xa47f refused (ENOTTY)"))
		FAIL("not two lines, but: %s", text);
	encl_free(&e);
}

/* A standard error that is closed, or whose reader is gone, changes nothing. */
TEST(asked_where_nobody_hears)
{
	sigset_t set, pending;
	int p[2];

	encl_open(&e, &(struct encl_opts){0});
	CHECK_SYS(pipe(p));
	kept = dup(2);
	CHECK_SYS(kept);
	close(2);
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	CHECK_SYS(dup2(p[1], 2));
	close(p[1]);
	close(p[0]);
	/* SIGPIPE would end the process; blocked it would be pending */
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, NULL), EFAULT);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	CHECK_SYS(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGPIPE));
	/* one that was pending before stays so */
	CHECK_SYS(raise(SIGPIPE));
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_CREATE, NULL), EFAULT);
	CHECK_SYS(sigpending(&pending));
	CHECK(sigismember(&pending, SIGPIPE));
	CHECK_SYS(dup2(kept, 2));
	close(kept);
	encl_free(&e);
}

/* A pipe that is full and never read: the line is dropped, and the call comes back. */
TEST(asked_where_the_pipe_is_full)
{
	char bytes[4096] = {0};
	int p[2];

	encl_open(&e, &(struct encl_opts){0});
	CHECK_SYS(pipe2(p, O_CLOEXEC));
	CHECK_SYS(fcntl(p[1], F_SETFL, O_NONBLOCK));
	while (write(p[1], bytes, sizeof(bytes)) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	/* the program's own writes would wait */
	CHECK_SYS(fcntl(p[1], F_SETFL, 0));
	kept = dup(2);
	CHECK_SYS(dup2(p[1], 2));
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	CHECK_SYS(dup2(kept, 2));
	close(kept);
	close(p[0]);
	close(p[1]);
	encl_free(&e);
}

/* A file at its limit: no SIGXFSZ, by which the process would end. */
TEST(asked_where_the_file_is_full)
{
	struct rlimit none = {0, RLIM_INFINITY}, old;
	char name[] = "/tmp/swsgx-explain-XXXXXX";
	int fd = mkstemp(name);

	CHECK_SYS(fd);
	unlink(name);
	encl_open(&e, &(struct encl_opts){0});
	CHECK_SYS(getrlimit(RLIMIT_FSIZE, &old));
	kept = dup(2);
	CHECK_SYS(dup2(fd, 2));
	CHECK_SYS(setrlimit(RLIMIT_FSIZE, &none));
	CHECK_ERRNO(ioctl(e.fd, SGX_IOC_ENCLAVE_INIT, NULL), EINVAL);
	CHECK_SYS(setrlimit(RLIMIT_FSIZE, &old));
	CHECK_SYS(dup2(kept, 2));
	close(kept);
	close(fd);
	encl_free(&e);
}

/* --- nobody has asked ------------------------------------------------------------------ */

TEST(unasked_is_silent)
{
	catch_faults();
	encl_build(&e, &(struct encl_opts){0});
	capture();
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_INIT, NULL), -EINVAL);
	CHECK_EQ(do_ioctl(_IO(SGX_MAGIC, 0x7f), NULL), -ENOTTY);
	CHECK_ERRNO(open("/dev/isgx", O_RDWR), ENOENT);
	CHECK(mmap(NULL, ENCL_PAGE, PROT_READ, MAP_PRIVATE, e.fd, 0) == MAP_FAILED);
	CHECK_ERRNO(mprotect((void *)(e.base + ENCL_RO), ENCL_PAGE, PROT_READ | PROT_WRITE),
		    EACCES);
	if (!sigsetjmp(back, 1))
		(void)*(volatile uint8_t *)(e.base + ENCL_HOLE);
	enclu(SGX_EEXIT, 0, 0);
	expect_nothing();
	encl_free(&e);
}

/* Intel's loader asks for SGX2 by an argument of zeros: nobody wants to read of that. */
TEST(unasked_a_probe_is_not_answered_in_words)
{
	uint8_t zeros[64] = {0};

	encl_build(&e, &(struct encl_opts){.nssa = 4});
	capture();
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, zeros), -ENODEV);
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_MODIFY_TYPES, zeros), -ENODEV);
	CHECK_STR(captured(), "");
	encl_free(&e);
}

/* What is not there yet is said, once in a process and in what it starts. */
TEST(unasked_what_is_missing)
{
	char *text;
	pid_t pid;

	encl_build(&e, &(struct encl_opts){.nssa = 4});
	capture();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_MODIFY_TYPES, NULL), -ENODEV);
		CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, NULL), -ENODEV);
		CHECK_EQ(do_ioctl(_IOW(SGX_MAGIC, 0x01, char[26]), NULL), -ENOTTY);
		inside(SGX_EACCEPT, 0, 0, 0);
	}
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		if (do_ioctl(SGX_IOC_ENCLAVE_MODIFY_TYPES, NULL) != -ENODEV)
			_exit(1);
		execl("/proc/self/exe", "explain", "--again", NULL);
		_exit(1);
	}
	expect_exit(pid, 0);
	text = captured();
	if (lines(text) != 3 || !strstr(text, "SGX_IOC_ENCLAVE_MODIFY_TYPES refused (ENODEV)") ||
	    !strstr(text, "ioctl 0x401aa401 refused (ENOTTY): this is ADD_PAGE of Intel's ") ||
	    !strstr(text, "is 5 (EACCEPT)"))
		FAIL("not three lines, but: %s", text);
	encl_free(&e);
}

/* --- the machine ends -------------------------------------------------------------------- */

TEST(lost_machine)
{
	encl_build(&e, &(struct encl_opts){0});
	CHECK_EQ(system("\"$SWSGX\" machine stop --force \"$MACHINE\" >/dev/null"), 0);
	capture();
	CHECK_EQ(do_ioctl(SGX_IOC_ENCLAVE_INIT, NULL), -EIO);
	expect(WHY_MACHINE_LOST,
	       "swsgx: SGX_IOC_ENCLAVE_INIT refused (EIO): the machine has ended ");
	capture();
	enclu(SGX_EENTER, encl_tcs(&e, 0), (uint64_t)encl_enclu_regs_site);
	expect_at(WHY_ENTRY_LOST, "swsgx: EENTER refused (#PF with SGX): RBX is ", encl_tcs(&e, 0),
		  ": the machine has ended ");
	close(e.fd);
}

/* Executed by asked_of_children and unasked_what_is_missing */
static int again(void)
{
	int fd = open("/dev/sgx_enclave", O_RDWR);

	if (fd < 0 || ioctl(fd, _IO(SGX_MAGIC, 0x7f), NULL) != -1 || errno != ENOTTY ||
	    (getenv("UNASKED") &&
	     (ioctl(fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, NULL) != -1 || errno != ENODEV)))
		return 1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--again"))
		return again();
	return harness_main(argc, argv);
}
