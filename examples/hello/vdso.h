/* SPDX-License-Identifier: BSD-3-Clause */
/* Find a function of the vDSO, the ELF image that the kernel maps for us. */
#ifndef HELLO_VDSO_H
#define HELLO_VDSO_H

/* NULL where there is no vDSO or it has no such symbol */
void *vdso_find(const char *name);

#endif
