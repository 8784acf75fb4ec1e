/* SPDX-License-Identifier: BSD-3-Clause */
/* Building a machine: package, SGX subsystem, machine page. */
#include "machine.h"

#include <inject/cpuid.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the EPC is, physically: above all RAM of small machines, below 39 bits */
#define EPC_BASE 0x4000000000ull

/* The mutex whose lock word is proto_machine_page.alive (glibc keeps it first) */
#define ALIVE_OFFSET 8
_Static_assert(offsetof(struct proto_machine_page, alive) == ALIVE_OFFSET, "alive");
_Static_assert(ALIVE_OFFSET + sizeof(pthread_mutex_t) <= offsetof(struct proto_machine_page, boot),
	       "the mutex fits before boot");

/* The private machines of a user are one processor: what one seals, the next opens. */
static const char *fuses_name(const struct machine *m, const struct daemon_options *options)
{
	if (options->ephemeral)
		return NULL;
	return m->name ? m->name : "default";
}

/* CPUSVN and OWNEREPOCH, which the firmware sets at each boot. */
static void boot_firmware(struct machine *m, const char *name, struct daemon_ready *ready)
{
	const char *bad = firmware_of(name, m->pkg.cpusvn, m->pkg.owner_epoch);

	if (bad)
		machine_warn(ready,
			     "the file %s of machine '%s' is not 16 bytes that its owner alone may "
			     "read: it is taken as 0, and sealed data may not open",
			     bad, name);
}

static int make_package(struct machine *m, const struct daemon_options *options,
			struct daemon_ready *ready)
{
	uint8_t fuses[CPU_FUSE_SIZE], boot[32];
	struct cpu_config config;
	uint32_t pages = (uint32_t)(m->epc_size / SGX_PAGE_SIZE);

	m->epcm = mmap(NULL, pages * sizeof(*m->epcm), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->epcm == MAP_FAILED) {
		m->epcm = NULL;
		return -ENOMEM;
	}
	m->pkg.epcm = m->epcm;
	m->pkg.epc_pages = pages;
	m->pkg.section_count = 1;
	m->pkg.section[0] = (struct epc_section){.base = EPC_BASE, .pages = pages};
	m->pkg.mem = &memory_ops;
	m->pkg.mem_ctx = m;
	hostcpu_config(cpu_model(m->model), &config);
	fuses_of(fuses_name(m, options), fuses, ready->message, sizeof(ready->message));
	if (ready->message[0]) {
		log_line("%.180s", ready->message);
		if (!m->name)
			ready->message[0] = 0; /* a private machine is gone tomorrow anyway */
	}
	if (getrandom(boot, sizeof(boot), 0) != sizeof(boot))
		return -EIO;
	cpu_package_init(&m->pkg, &config, fuses, boot);
	explicit_bzero(fuses, sizeof(fuses));
	boot_firmware(m, fuses_name(m, options), ready);
	hostcpu_view(m);
	m->sgx = sgx_init(&m->pkg, m->memory.uffd < 0 ? &host_ops_no_paging : &host_ops, m);
	return m->sgx ? 0 : -ENOMEM;
}

/**
 * machine_warn() - tell whoever starts the machine what it cannot do
 * @ready:	receives it, behind what else there is
 */
void machine_warn(struct daemon_ready *ready, const char *fmt, ...)
{
	size_t used = strlen(ready->message);
	va_list ap;

	if (used)
		used += (size_t)snprintf(ready->message + used, sizeof(ready->message) - used,
					 "; ");
	if (used >= sizeof(ready->message))
		return;
	va_start(ap, fmt);
	vsnprintf(ready->message + used, sizeof(ready->message) - used, fmt, ap);
	va_end(ap);
	log_line("%.180s", ready->message + used);
}

static void say_no_uffd(const struct machine *m, struct daemon_ready *ready)
{
	machine_warn(
		ready,
		"no userfaultfd (%s): EPC pages cannot be paged out (a full EPC is ENOMEM), and "
		"page permissions are not enforced page by page; allow the system call userfaultfd "
		"(Docker: --security-opt seccomp=PROFILE; Linux 5.19 or later with "
		"CONFIG_USERFAULTFD), or make /dev/userfaultfd accessible",
		strerror(m->memory.uffd_error));
}

static void say_no_launch_control(struct daemon_ready *ready)
{
	machine_warn(ready,
		     "launch control of this machine is locked, and Linux has no /dev/sgx_enclave "
		     "on such a one: nor has this");
}

/* Return: 0; -EINVAL with a message where the processor is none that can have that. */
static int set_launch_control(struct machine *m, const struct daemon_options *options,
			      struct daemon_ready *ready)
{
	bool locked = options->launch >= DAEMON_LAUNCH_LOCKED ||
		      (options->launch == DAEMON_LAUNCH_BY_MODEL && !m->pkg.config.flc);
	bool other = options->launch == DAEMON_LAUNCH_LOCKED_HASH;

	if (options->launch == DAEMON_LAUNCH_FLEXIBLE && !m->pkg.config.flc) {
		snprintf(ready->message, sizeof(ready->message),
			 "a %s has no flexible launch control: use another --cpu, or "
			 "--launch-control locked",
			 cpu_model(m->model)->name);
		return -EINVAL;
	}
	if (locked && !cpu_lock_launch(&m->pkg, other ? options->launch_hash : NULL)) {
		snprintf(ready->message, sizeof(ready->message),
			 "a %s has no IA32_SGXLEPUBKEYHASH, which is Intel's there: use another "
			 "--cpu, or --launch-control locked",
			 cpu_model(m->model)->name);
		return -EINVAL;
	}
	if (locked)
		say_no_launch_control(ready);
	return 0;
}

/* Context: the main thread, whose end is the machine's. */
static int hold_alive(struct proto_machine_page *page)
{
	pthread_mutex_t *alive = (void *)((char *)page + ALIVE_OFFSET);
	pthread_mutexattr_t attr;
	int ret;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	ret = pthread_mutex_init(alive, &attr);
	pthread_mutexattr_destroy(&attr);
	if (!ret)
		ret = pthread_mutex_lock(alive);
	/* Only if the lock word is where the agents look will they see us die */
	if (!ret && (page->alive & 0x3fffffff) != (uint32_t)syscall(SYS_gettid))
		ret = ENOTSUP;
	return -ret;
}

static int make_page(struct machine *m)
{
	int fd = memfd_create("swsgx-machine", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;
	struct proto_machine_page *page;

	if (fd < 0)
		return -errno;
	m->page_fd = fd;
	if (ftruncate(fd, SGX_PAGE_SIZE))
		return -errno;
	page = mmap(NULL, SGX_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	m->page = page;
	page->magic = PROTO_MAGIC;
	page->version = PROTO_VERSION;
	page->xfrm = m->pkg.config.xfrm;
	if (m->cpuid.flags & CPU_VIEW_INTEL)
		page->features |= PROTO_FEATURE_GENUINEINTEL;
	if (getrandom(&page->boot, sizeof(page->boot), 0) != sizeof(page->boot))
		return -EIO;
	ret = hold_alive(page);
	if (ret)
		return ret;
	/* From here on nobody else can map it for writing (Linux 5.1) */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL))
		return -errno;
	return 0;
}

/**
 * machine_enclave_name() - the device that an enclave's descriptor is of
 */
const char *machine_enclave_name(const struct machine *m)
{
	return m->interfaces & SGX_INTERFACE_UPSTREAM ? "/dev/sgx_enclave" : "/dev/sgx/enclave";
}

static int make_provision(struct machine *m)
{
	bool upstream = m->interfaces & SGX_INTERFACE_UPSTREAM;
	uint64_t mount, ino;
	struct stat st;

	m->provision_fd =
		memfd_create(upstream ? "/dev/sgx_provision" : "/dev/sgx/provision", MFD_CLOEXEC);
	if (m->provision_fd < 0 || fstat(m->provision_fd, &st))
		return -errno;
	m->provision_dev = st.st_dev;
	m->provision_ino = st.st_ino;
	if (!host_fd_file(0, m->provision_fd, &mount, &ino) || ino != st.st_ino)
		mount = HOST_NO_MOUNT;
	m->provision_mount = mount;
	m->node_fd = memfd_create(machine_enclave_name(m), MFD_CLOEXEC);
	if (m->node_fd < 0 || fstat(m->node_fd, &st))
		return -errno;
	m->node_ino = st.st_ino;
	return 0;
}

static int make_descriptors(struct machine *m, const char **what)
{
	sigset_t set;

	*what = "epoll";
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll < 0)
		return -errno;
	*what = "inotify (fs.inotify.max_user_instances machines at a time)";
	m->inotify.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (m->inotify.fd < 0)
		return -errno;
	*what = "signalfd";
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Before there is any thread, so that none takes them */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	m->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signals.fd < 0)
		return -errno;
	*what = "eventfd";
	m->wakeup.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return m->wakeup.fd < 0 ? -errno : 0;
}

/* What a descriptor of the enclave device speaks.  @devices: DAEMON_DEVICES_* */
static uint32_t interfaces_of(uint32_t devices)
{
	uint32_t interfaces = 0;

	if (!devices || (devices & DAEMON_DEVICES_UPSTREAM))
		interfaces |= SGX_INTERFACE_UPSTREAM;
	if (devices & DAEMON_DEVICES_V22)
		interfaces |= SGX_INTERFACE_V22;
	return interfaces;
}

/**
 * machine_init() - everything but the sockets of a private machine
 * @m:		zeroed
 * @options:	which machine; name is kept by reference
 * @ready:	receives a message: why it failed, or a warning
 *
 * Context: the thread that will run the loop.
 * Return: 0, or -errno; machine_exit() in either case.
 */
int machine_init(struct machine *m, const struct daemon_options *options,
		 struct daemon_ready *ready)
{
	const char *what = "";
	char cause[64];
	cpu_set_t cpus;
	int ret;

	m->name = options->name;
	m->epc_size = options->epc_size;
	m->memory.backing_max = options->backing_max / MEMORY_BACKING_PAGE;
	m->model = options->model;
	m->program = options->program;
	m->interfaces = interfaces_of(options->devices);
	m->epoll = m->inotify.fd = m->signals.fd = m->wakeup.fd = m->listener.fd = -1;
	m->lock_fd = m->dir_fd = m->page_fd = m->provision_fd = m->node_fd = -1;
	m->memory.uffd = -1;
	pthread_mutex_init(&m->lock, NULL);
	prefill_init(m);
	pthread_cond_init(&m->settled, NULL);
	m->spin = !sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) > 1;
	if (m->epc_size < DAEMON_EPC_MIN || m->epc_size > DAEMON_EPC_MAX ||
	    m->epc_size % SGX_PAGE_SIZE) {
		snprintf(ready->message, sizeof(ready->message),
			 "an EPC of %llu bytes is not whole pages between 64K and 1T",
			 (unsigned long long)m->epc_size);
		return -EINVAL;
	}
	if (m->name) {
		ret = paths_open_machine(m, m->name, ready);
		if (ret)
			return ret;
	}
	ret = limits_check(ready);
	if (ret)
		return ret;
	ret = make_descriptors(m, &what);
	if (ret)
		goto fail;
	what = "address space for the EPC";
	ret = memory_init(m);
	if (ret)
		goto fail;
	ret = make_package(m, options, ready);
	if (ret)
		goto fail;
	if (m->memory.uffd < 0)
		say_no_uffd(m, ready);
	ret = set_launch_control(m, options, ready);
	if (ret)
		return ret;
	limits_warn(ready);
	what = "the machine page";
	ret = make_page(m);
	if (ret)
		goto fail;
	what = "/dev/sgx_provision";
	ret = make_provision(m);
	if (ret)
		goto fail;
	if (!m->name && m->program)
		private_open(m);
	files_init(m, options);
	return 0;

fail:
	snprintf(ready->message, sizeof(ready->message), "cannot make %s: %s%s", what,
		 strerror(-ret), limits_cause(-ret, cause, sizeof(cause)));
	return ret;
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

/**
 * machine_exit() - what machine_init() made
 * @m: machine without clients
 *
 * The machine page stays mapped and locked, and the eventfd open: the process
 * ends next, which is what tells the agents.
 */
void machine_exit(struct machine *m)
{
	prefill_exit(m);
	/* Enclaves that are still open: their pages go with the machine */
	while (m->enclaves) {
		struct enclave *e = m->enclaves;

		m->enclaves = e->next;
		enclave_put(e);
	}
	if (m->sgx)
		sgx_exit(m->sgx);
	cpu_package_exit(&m->pkg);
	memory_exit(m);
	if (m->epcm)
		munmap(m->epcm, m->pkg.epc_pages * sizeof(*m->epcm));
	inject_cpuid_forget();
	if (m->name)
		paths_close_machine(m);
	else
		private_close(m);
	close_if(m->listener.fd);
	close_if(m->provision_fd);
	close_if(m->node_fd);
	close_if(m->page_fd);
	close_if(m->signals.fd);
	close_if(m->inotify.fd);
	close_if(m->epoll);
}
