/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel tells a new program: the auxv, on its stack and in /proc, and
 * the layout of its image.  Both get our vDSO in the kernel's place.
 */
#include "startup.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGENT_AT(off) ((uint64_t)PROTO_AGENT_BASE + (off))

static ssize_t read_file(const char *path, void *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, total = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, (char *)buf + total, size - (size_t)total)) > 0)
		total += n;
	close(fd);
	return n < 0 ? -errno : total;
}

uint64_t startup_auxv_get(const struct proto_agent_params *p, uint64_t type)
{
	for (size_t i = 0; i + 1 < p->auxv_size / 8; i += 2)
		if (p->auxv[i] == type)
			return p->auxv[i + 1];
	return 0;
}

/* The start-up stack, word by word, read by the page */
struct stack {
	const struct remote *r;
	uint64_t next; /* address of the next word */
	uint64_t have; /* address of word[0] */
	uint64_t word[512];
	size_t count; /* words there */
};

static int next_word(struct stack *s, uint64_t *ret_word)
{
	uint64_t at = (s->next - s->have) / 8;

	if (at >= s->count) {
		/* to the page's end: there may be nothing after it */
		size_t bytes = 4096 - (s->next & 4095);
		int ret = remote_read(s->r, s->next, s->word, bytes);

		if (ret < 0)
			return ret;
		s->have = s->next;
		s->count = bytes / 8;
		at = 0;
	}
	*ret_word = s->word[at];
	s->next += 8;
	return 0;
}

int startup_read_auxv(const struct remote *r, struct proto_agent_params *p)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/auxv", r->proc);
	n = read_file(path, p->auxv, sizeof(p->auxv));
	if (n < 16)
		return n < 0 ? (int)n : -EINVAL;
	p->auxv_size = (uint32_t)n;
	p->kernel_vdso = startup_auxv_get(p, AT_SYSINFO_EHDR);
	p->minsigstksz = startup_auxv_get(p, 51 /* AT_MINSIGSTKSZ */);
	p->hwcap2 = startup_auxv_get(p, AT_HWCAP2);
	/* for tests: what a kernel without FSGSBASE makes necessary runs on all */
	if (getenv("SWSGX_TEST_NO_FSGSBASE"))
		p->hwcap2 &= ~2ull;
	if (!p->minsigstksz)
		p->minsigstksz = 4096;
	return 0;
}

/* The auxv of /proc, and the copy on the program's stack: both get our vDSO. */
int startup_auxv(struct remote *r, struct proto_agent_params *p)
{
	struct stack s = {.r = r, .next = r->regs.rsp};
	uint64_t word, type;
	int ret;

	for (size_t i = 0; i + 1 < p->auxv_size / 8; i += 2)
		if (p->auxv[i] == AT_SYSINFO_EHDR)
			p->auxv[i + 1] = AGENT_AT(PROTO_AGENT_VDSO);

	/* argc, argv, NULL, envp, NULL, auxv */
	ret = next_word(&s, &word);
	if (ret < 0)
		return ret;
	s.next += 8 * (word + 1);
	do {
		ret = next_word(&s, &word);
		if (ret < 0)
			return ret;
	} while (word);
	for (;;) {
		ret = next_word(&s, &type);
		if (!ret)
			ret = next_word(&s, &word);
		if (ret < 0)
			return ret;
		if (type == AT_NULL)
			return 0;
		if (type != AT_SYSINFO_EHDR)
			continue;
		word = AGENT_AT(PROTO_AGENT_VDSO);
		ret = remote_write(r, s.next - 8, &word, 8);
		if (ret < 0)
			return ret;
	}
}

/* The kernel's mm fields, to hand them back with our auxv (gdb reads that copy). */
void startup_mm_map(struct remote *r, struct proto_agent_params *p)
{
	struct prctl_mm_map map = {0};
	char path[64], buf[2048], *s;
	unsigned long long f[60] = {0};
	ssize_t n;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", r->proc);
	n = read_file(path, buf, sizeof(buf) - 1);
	if (n <= 0)
		return;
	buf[n] = 0;
	s = strrchr(buf, ')');
	if (!s)
		return;
	s += 2;
	/* fields from number 3 on */
	for (i = 3; i < 53 && s; i++) {
		f[i] = strtoull(s, NULL, 10);
		s = strchr(s, ' ');
		if (s)
			s++;
	}
	map.start_code = f[26];
	map.end_code = f[27];
	map.start_stack = f[28];
	map.start_data = f[45];
	map.end_data = f[46];
	map.start_brk = f[47];
	map.arg_start = f[48];
	map.arg_end = f[49];
	map.env_start = f[50];
	map.env_end = f[51];
	map.auxv =
		(void *)(AGENT_AT(PROTO_AGENT_PARAMS) + offsetof(struct proto_agent_params, auxv));
	map.auxv_size = p->auxv_size;
	map.exe_fd = (uint32_t)-1;
	_Static_assert(sizeof(p->mm_map) >= sizeof(map), "room for prctl_mm_map");
	memcpy(p->mm_map, &map, sizeof(map));
	p->mm_map_valid = map.start_code != 0;
}

/* So much of arguments and environment is looked at */
#define WORDS_MAX (256u << 10)

void startup_words(struct remote *r, struct proto_agent_params *p)
{
	static const char *const names[] = {"sgx_enclave", "sgx_provision", "sgx_total_bytes",
					    "dev/sgx",	   "dev/isgx",	    "node0/x86"};
	struct prctl_mm_map map;
	uint64_t size;
	char *words;

	memcpy(&map, p->mm_map, sizeof(map));
	size = map.env_end - map.arg_start;
	if (!p->mm_map_valid || map.env_end < map.arg_start)
		return;
	size = size < WORDS_MAX ? size : WORDS_MAX;
	words = malloc(size);
	if (words && remote_read(r, map.arg_start, words, size) == 0)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (memmem(words, size, names[i], strlen(names[i])))
				p->names |= PROTO_NAMES_SGX;
	free(words);
}
