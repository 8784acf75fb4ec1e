/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the shims' own files share.  They see no header of libc, as those of the driver do
 * not: what they want of it is declared here.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include <shim/all.h>
#include <upstream.h>

void *malloc(size_t size);
void *aligned_alloc(size_t align, size_t size);
void *realloc(void *p, size_t size);
void free(void *p);
void abort(void) __attribute__((noreturn));
int printf(const char *fmt, ...);
int vprintf(const char *fmt, va_list ap);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
void *memmove(void *to, const void *from, size_t n);
int fflush(void *stream);

/* context.c: stacks */
void *up_context_new(void (*fn)(void));
void up_context_switch(void *from, void *to, bool ends);
void up_context_free(void *context);

struct task_struct *shim_first_task(void); /* the test's own thread */
/* No thread but this one is in the driver */
bool shim_alone(void);

int shim_initcall(void);

/* look_encl.c: the SECS of the enclave that is mapped; 0: it is out, or there is none */
uint64_t shim_secs_of(struct vm_area_struct *vma);

#endif
