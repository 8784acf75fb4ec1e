/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon_agent.h"

#include <harness/harness.h>
#include <sgx/arch.h>

#include <asm/sgx.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECS_ATTRIBUTES (SGX_ATTR_MODE64_BIT | SGX_ATTR_DEBUG_BIT)

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

void test_folders(void)
{
	static char dir[] = "/tmp/swsgx-unit-XXXXXX";

	CHECK(mkdtemp(dir));
	CHECK_EQ(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	CHECK_EQ(setenv("XDG_STATE_HOME", dir, 1), 0);
}

void test_folders_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", getenv("XDG_STATE_HOME"));
	CHECK_EQ(system(command), 0);
}

pid_t test_machine_start(uint64_t epc_size)
{
	struct daemon_ready ready;
	int p[2];
	pid_t pid;

	CHECK_SYS(pipe2(p, O_CLOEXEC));
	pid = fork();
	CHECK_SYS(pid);
	if (!pid) {
		struct daemon_options options = {
			.name = TEST_MACHINE,
			.epc_size = epc_size,
			.command_fd = -1,
			.ready_fd = p[1],
		};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* exit(), so that a leak checker has its say */
		exit(daemon_main(&options));
	}
	close(p[1]);
	CHECK_EQ(read(p[0], &ready, sizeof(ready)), sizeof(ready));
	close(p[0]);
	if (ready.status)
		FAIL("%s", ready.message);
	CHECK_STR(ready.message, "");
	CHECK_EQ(ready.pid, pid);
	return pid;
}

void test_machine_stop(pid_t pid)
{
	int fd = machine_connect(TEST_MACHINE, NULL), status;

	CHECK(fd >= 0);
	CHECK_EQ(machine_ask(fd, PROTO_MSG_STOP, 1, NULL), 0);
	close(fd);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("the machine ended with status %#x", status);
	test_folders_remove();
}

static char *stat_json(void)
{
	int fd = machine_connect(TEST_MACHINE, NULL);
	char *text = NULL;
	size_t size;
	FILE *f;

	CHECK(fd >= 0);
	f = open_memstream(&text, &size);
	CHECK_EQ(machine_ask(fd, PROTO_MSG_STAT, 0, f), 0);
	fclose(f);
	close(fd);
	return text;
}

uint64_t test_stat(const char *where, const char *name)
{
	char *text = stat_json(), quoted[64], *p;
	uint64_t value;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", where);
	p = strstr(text, quoted);
	CHECK(p);
	snprintf(quoted, sizeof(quoted), "\"%s\": ", name);
	p = strstr(p, quoted);
	CHECK(p);
	value = strtoull(p + strlen(quoted), NULL, 10);
	free(text);
	return value;
}

static void nap(void)
{
	struct timespec ts = {.tv_nsec = 5000000};

	nanosleep(&ts, NULL);
}

void test_stat_wait(const char *where, const char *name, uint64_t value)
{
	for (int i = 0; i < 6000; i++) {
		if (test_stat(where, name) == value)
			return;
		nap();
	}
	CHECK_EQ(test_stat(where, name), value);
}

void test_all_free(void)
{
	test_stat_wait("epc", "free", test_stat("epc", "total"));
	for (int i = 0; i < 6000; i++) {
		char *text = stat_json();
		bool none = strstr(text, "\"enclaves\": []") && strstr(text, "\"processes\": []");

		free(text);
		if (none)
			return;
		nap();
	}
	FAIL("enclaves or processes are left: %s", stat_json());
}

/* --- sockets ---------------------------------------------------------------------- */

static int send_with_fds(int sock, const struct proto_msg *msg, const int *fds, unsigned count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	return sendmsg(sock, &hdr, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* Return: number of descriptors, -1 at the end. */
static int receive_fds(int sock, struct proto_msg *msg, int fds[2])
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg;
	int n = 0;

	if (recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*msg))
		return -1;
	cmsg = CMSG_FIRSTHDR(&hdr);
	if (cmsg) {
		n = (int)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		CHECK(n <= 2);
		memcpy(fds, CMSG_DATA(cmsg), (size_t)n * sizeof(int));
	}
	return n;
}

int agent_command(void)
{
	int fd = machine_connect(TEST_MACHINE, NULL);

	CHECK(fd >= 0);
	CHECK_EQ(machine_ask(fd, PROTO_MSG_RUN, 0, NULL), 0);
	return fd;
}

int agent_send(int command, enum proto_msg_type type, const int *fds, unsigned count)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = type,
	};

	return send_with_fds(command, &msg, fds, count);
}

int agent_uffd(uint64_t features)
{
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0 || (features && ioctl(fd, UFFDIO_API, &api)))
		SKIP("no userfaultfd of features %#llx here: %s", (unsigned long long)features,
		     strerror(errno));
	return fd;
}

int agent_connect(struct agent *a, int command, bool uffd)
{
	return agent_connect_with(a, command, uffd ? agent_uffd(PROTO_UFFD_FEATURES) : -1);
}

int agent_connect_with(struct agent *a, int command, int uffd)
{
	struct proto_msg msg = {
		.magic = PROTO_MAGIC,
		.version = PROTO_VERSION,
		.type = PROTO_MSG_CONNECT,
	};
	int sp[2], fds[2], n;

	memset(a, 0, sizeof(*a));
	CHECK_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp));
	a->command = command;
	a->private = sp[0];
	a->uffd = uffd;
	fds[0] = sp[1];
	fds[1] = a->uffd;
	CHECK_EQ(send_with_fds(command, &msg, fds, uffd >= 0 ? 2 : 1), 0);
	close(sp[1]);
	n = receive_fds(sp[0], &msg, fds);
	if (n < 0)
		return -1;
	CHECK_EQ(msg.type, PROTO_MSG_CONNECTED);
	if (msg.status) {
		close(sp[0]);
		return (int)msg.status;
	}
	CHECK_EQ(n, 2);
	a->daemon = (pid_t)msg.words[0];
	a->ch = mmap(NULL, PROTO_CHANNEL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	CHECK(a->ch != MAP_FAILED);
	/* Nobody but the daemon writes to the machine page */
	CHECK_ERRNO((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0), EPERM);
	a->page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[1], 0);
	CHECK(a->page != MAP_FAILED);
	close(fds[0]);
	close(fds[1]);
	CHECK_EQ(a->ch->magic, PROTO_MAGIC);
	CHECK_EQ(a->page->version, PROTO_VERSION);
	return 0;
}

void agent_close(struct agent *a)
{
	close(a->command);
	close(a->private);
	if (a->uffd >= 0)
		close(a->uffd);
	munmap(a->ch, PROTO_CHANNEL_SIZE);
	munmap((void *)(uintptr_t)a->page, 4096);
}

struct proto_slot *agent_slot(struct agent *a, enum proto_op op, uint64_t encl)
{
	for (unsigned i = 0;; i = (i + 1) % PROTO_SLOTS) {
		struct proto_slot *s = &a->ch->slot[i];
		uint32_t free = PROTO_FREE;

		if (!__atomic_compare_exchange_n(&s->state, &free, PROTO_CLAIMED, false,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		memset(&s->tid, 0, offsetof(struct proto_slot, data) - 4);
		s->op = op;
		s->encl = encl;
		return s;
	}
}

void agent_segment(struct proto_slot *s, uint64_t uaddr, const void *bytes, uint32_t size)
{
	struct proto_segment *seg = &s->segment[s->segment_count];

	CHECK(s->segment_count < PROTO_SEGMENTS);
	*seg = (struct proto_segment){.uaddr = uaddr, .size = size};
	if (s->segment_count)
		seg->offset = seg[-1].offset + (seg[-1].size + 7) / 8 * 8;
	CHECK(seg->offset + size <= PROTO_DATA_SIZE);
	memcpy(s->data + seg->offset, bytes, size);
	s->segment_count++;
}

int64_t agent_call(struct agent *a, struct proto_slot *s)
{
	uint32_t state = PROTO_POSTED;

	s->flags |= PROTO_SLOT_TELLS_WAIT;
	__atomic_store_n(&s->state, PROTO_POSTED, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&a->ch->doorbell, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&a->ch->daemon_sleeps, __ATOMIC_SEQ_CST))
		futex(&a->ch->doorbell, FUTEX_WAKE, 1);
	if (__atomic_compare_exchange_n(&s->state, &state, PROTO_WAITED, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		while (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == PROTO_WAITED)
			futex(&s->state, FUTEX_WAIT, PROTO_WAITED);
	CHECK_EQ(__atomic_load_n(&s->state, __ATOMIC_ACQUIRE), PROTO_DONE);
	return s->ret;
}

int agent_receive_fd(struct agent *a, const struct proto_slot *s)
{
	struct proto_msg msg;
	int fds[2];

	CHECK_EQ(s->fds, 1);
	CHECK_EQ(receive_fds(a->private, &msg, fds), 1);
	CHECK_EQ(msg.type, PROTO_MSG_FDS);
	CHECK_EQ(msg.slot, (uint64_t)(s - a->ch->slot));
	return fds[0];
}

void agent_free(struct proto_slot *s)
{
	__atomic_store_n(&s->state, PROTO_FREE, __ATOMIC_RELEASE);
}

/* --- enclaves ----------------------------------------------------------------------- */

int64_t enclave_try_open(struct agent *a, struct test_enclave *e)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_OPEN, 0);
	struct stat st;
	int64_t ret;

	memset(e, 0, sizeof(*e));
	e->fd = -1;
	s->a0 = PROTO_DEV_ENCLAVE;
	s->a1 = O_RDWR;
	ret = agent_call(a, s);
	if (!ret) {
		e->fd = agent_receive_fd(a, s);
		CHECK_SYS(fstat(e->fd, &st));
		CHECK_EQ(s->r0, st.st_ino);
		e->id = st.st_ino;
		e->dev = st.st_dev;
	}
	agent_free(s);
	return ret;
}

int lock_bytes(int fd, short type, uint64_t start, uint64_t size)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)start,
		.l_len = (off_t)size,
	};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

int64_t enclave_look(struct agent *a, const struct test_enclave *e)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_LOOKUP, 0);
	int64_t ret;

	s->a0 = e->dev;
	s->a1 = e->id;
	ret = agent_call(a, s);
	agent_free(s);
	return ret;
}

int64_t enclave_show(struct agent *a, const struct test_enclave *e)
{
	int64_t ret;

	CHECK_SYS(lock_bytes(e->fd, F_WRLCK, a->ch->shown_at, 1));
	ret = enclave_look(a, e);
	CHECK_SYS(lock_bytes(e->fd, F_UNLCK, a->ch->shown_at, 1));
	return ret;
}

void enclave_create(struct agent *a, struct test_enclave *e, uint64_t pages)
{
	uint64_t size = pages * SGX_PAGE_SIZE;

	e->reservation = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(e->reservation != MAP_FAILED);
	enclave_create_at(a, e, pages,
			  ((uint64_t)(uintptr_t)e->reservation + size - 1) & ~(size - 1));
}

void enclave_create_at(struct agent *a, struct test_enclave *e, uint64_t pages, uint64_t base)
{
	struct sgx_enclave_create arg = {.src = 0x1000};
	struct sgx_secs secs = {
		.size = pages * SGX_PAGE_SIZE,
		.base = base,
		.ssaframesize = 1,
		.attributes = {.flags = SECS_ATTRIBUTES, .xfrm = SGX_XFRM_LEGACY},
	};
	struct proto_slot *s;

	e->size = secs.size;
	e->base = (uint8_t *)(uintptr_t)base;
	s = agent_slot(a, PROTO_OP_IOCTL, e->id);
	s->a0 = SGX_IOC_ENCLAVE_CREATE;
	s->a1 = 0x500;
	s->a2 = PROTO_IOCTL_FIRST | PROTO_IOCTL_LAST;
	agent_segment(s, 0x500, &arg, sizeof(arg));
	agent_segment(s, 0x1000, &secs, sizeof(secs));
	CHECK_EQ(agent_call(a, s), 0);
	agent_free(s);
}

int64_t enclave_add_piece(struct agent *a, struct test_enclave *e, uint64_t offset, uint64_t length,
			  const uint8_t *bytes, uint32_t count, uint32_t flags,
			  uint64_t secinfo_flags, uint64_t *ret_added)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_IOCTL, e->id);
	struct sgx_secinfo_arch secinfo = {.flags = secinfo_flags};
	struct sgx_enclave_add_pages arg = {
		.src = 0x100000 + offset,
		.offset = offset,
		.length = length,
		.secinfo = 0x800,
		.flags = SGX_PAGE_MEASURE,
	};
	int64_t ret;

	s->a0 = SGX_IOC_ENCLAVE_ADD_PAGES;
	s->a1 = 0x500;
	s->a2 = PROTO_IOCTL_BULK | flags;
	s->src_uaddr = arg.src;
	s->src_pages = count;
	agent_segment(s, 0x500, &arg, sizeof(arg));
	agent_segment(s, 0x800, &secinfo, sizeof(secinfo));
	CHECK(count <= PROTO_BULK_PAGES);
	memcpy((uint8_t *)a->ch + PROTO_BULK_OFFSET, bytes, count * (size_t)SGX_PAGE_SIZE);
	ret = agent_call(a, s);
	*ret_added = s->r0;
	if (s->writeback) {
		CHECK_EQ(s->writeback, sizeof(arg));
		CHECK_EQ(s->writeback_uaddr, 0x500);
		memcpy(&arg, s->data, sizeof(arg));
		CHECK_EQ(arg.count, s->r0);
	}
	agent_free(s);
	return ret;
}

int64_t enclave_add(struct agent *a, struct test_enclave *e, uint64_t page, const uint8_t *bytes,
		    uint64_t count, uint64_t secinfo_flags, uint64_t *ret_added)
{
	uint64_t done = 0, added;
	int64_t ret;

	do {
		uint64_t n = count - done < PROTO_BULK_PAGES ? count - done : PROTO_BULK_PAGES;

		ret = enclave_add_piece(
			a, e, (page + done) * SGX_PAGE_SIZE, (count - done) * SGX_PAGE_SIZE,
			bytes + done * SGX_PAGE_SIZE, (uint32_t)n,
			(done ? 0 : PROTO_IOCTL_FIRST) | (n == count - done ? PROTO_IOCTL_LAST : 0),
			secinfo_flags, &added);
		done += added / SGX_PAGE_SIZE;
		if (added != n * SGX_PAGE_SIZE)
			break;
	} while (!ret && done < count);
	*ret_added = done;
	return ret;
}

void enclave_map(struct agent *a, struct test_enclave *e, int prot)
{
	struct uffdio_register reg = {
		.range = {.start = (uint64_t)(uintptr_t)e->base, .len = e->size},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};
	struct proto_slot *s = agent_slot(a, PROTO_OP_MAP, e->id);

	s->a0 = (uint64_t)(uintptr_t)e->base;
	s->a1 = e->size;
	s->a2 = (uint64_t)prot;
	CHECK_EQ(agent_call(a, s), 0);
	agent_free(s);
	CHECK(mmap(e->base, e->size, PROT_NONE, MAP_SHARED | MAP_FIXED, e->fd, 0) == e->base);
	if (a->uffd >= 0)
		CHECK_SYS(ioctl(a->uffd, UFFDIO_REGISTER, &reg));
	CHECK_SYS(mprotect(e->base, e->size, prot));
}

int64_t enclave_fault(struct agent *a, struct test_enclave *e, uint64_t page, uint32_t error_code,
		      int prot)
{
	struct proto_slot *s = agent_slot(a, PROTO_OP_FAULT, e->id);
	int64_t ret;

	s->a0 = (uint64_t)(uintptr_t)e->base + page * SGX_PAGE_SIZE;
	s->a1 = error_code;
	s->a3 = (uint64_t)prot;
	ret = agent_call(a, s);
	agent_free(s);
	return ret;
}

void enclave_drop(struct test_enclave *e)
{
	if (e->reservation)
		munmap(e->reservation, 2 * e->size);
	close(e->fd);
}
