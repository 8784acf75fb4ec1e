/* SPDX-License-Identifier: BSD-3-Clause */
/* What the linker takes for linux-vdso.so.1.  Nobody loads it: the vDSO is there. */
void __vdso_sgx_enter_enclave(void);

void __vdso_sgx_enter_enclave(void)
{
}
