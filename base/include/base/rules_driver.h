/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second half of base/rules.h, which explains the columns: entries, the driver's
 * rules, and what the agent decides by itself.
 */
#ifndef BASE_RULES_DRIVER_H
#define BASE_RULES_DRIVER_H

/* clang-format off */

#define WHY_RULES_ENTRY(R) \
R(ENTRY_TCS_ADDR, ASKED, "*", "#GP(0)", \
  "RBX is {f}: the address of a TCS is canonical and page-aligned") \
R(ENTRY_NO_ENCLAVE, ASKED, "*", "#PF", \
  "RBX is {f}: no enclave is there in this process; map the TCS' page of an enclave first") \
R(ENTRY_AEP, ASKED, "*", "#GP(0)", \
  "RCX, the AEP, is {f}: not canonical") \
R(ENTRY_NO_TCS, ASKED, "*", "#PF with SGX", \
  "RBX is {f}: that page of the enclave is no TCS; it was added as another type, never, or it " \
  "is lost") \
R(ENTRY_OSSA, ASKED, "*", "#GP(0)", \
  "TCS.OSSA is {f}: not a multiple of {w}") \
R(ENTRY_BASES, ASKED, "*", "#GP(0)", \
  "TCS.OFSBASE is {f} and TCS.OGSBASE is {w}: both must be multiples of 0x1000") \
R(ENTRY_FLAGS, ASKED, "*", "#GP(0)", \
  "TCS.FLAGS is {f}: only {w} may be set, DBGOPTIN (0x1) and with AEX-Notify AEXNOTIFY (0x2)") \
R(ENTRY_NOT_INIT, ASKED, "*", "#GP(0)", \
  "SECS.ATTRIBUTES is {f:attr}: INIT (0x1) is not set; SGX_IOC_ENCLAVE_INIT comes before the first " \
  "entry, and it must have said 0") \
R(ENTRY_MODE, ASKED, "*", "#GP(0)", \
  "SECS.ATTRIBUTES is {f:attr}: a 32-bit enclave cannot be entered in 64-bit mode; set MODE64BIT " \
  "(0x4)") \
R(ENTRY_XFRM, ASKED, "*", "#GP(0)", \
  "SECS.ATTRIBUTES.XFRM is {f}: XCR0 is {w}, and lacks {f-w}") \
R(ENTRY_AEXNOTIFY, ASKED, "*", "#GP(0)", \
  "TCS.FLAGS is {f} and SECS.ATTRIBUTES is {w:attr}: both have AEXNOTIFY (0x2, 0x400) or none, unless " \
  "the TCS is a debugger's (DBGOPTIN, 0x1)") \
R(ENTRY_CSSA_FULL, ASKED, "EENTER", "#GP(0)", \
  "TCS.CSSA is {f:d} and TCS.NSSA is {w:d}: no SSA frame is free for the next AEX; ERESUME what was " \
  "interrupted on this TCS, use another TCS, or sign for more frames") \
R(ENTRY_CSSA_EMPTY, ASKED, "ERESUME", "#GP(0)", \
  "TCS.CSSA is 0: nothing was interrupted on this TCS that could be resumed; EENTER it") \
R(ENTRY_SSA_CANONICAL, ASKED, "*", "#GP(0)", \
  "the SSA frame is at {f} (BASEADDR + OSSA + frames): not canonical") \
R(ENTRY_SSA_RANGE, ASKED, "*", "#PF with SGX", \
  "the SSA frame has a page at {f}, outside the enclave, which begins at {w}; look at TCS.OSSA, NSSA " \
  "and SECS.SSAFRAMESIZE") \
R(ENTRY_OENTRY, ASKED, "EENTER", "#GP(0)", \
  "TCS.OENTRY is {f}: outside the enclave, whose size is {w}") \
R(ENTRY_BASE_CANONICAL, ASKED, "EENTER", "#GP(0)", \
  "TCS.OFSBASE is {f} and TCS.OGSBASE is {w}: one of them and BASEADDR make an address that is not " \
  "canonical") \
R(ENTRY_TCS_BUSY, ASKED, "*", "#GP(0)", \
  "{f:thread} is inside by this TCS: each thread needs its own") \
R(EDECCSSA_EMPTY, ASKED, "EDECCSSA", "#GP(0)", \
  "TCS.CSSA is 0: nothing was interrupted, so that there is no SSA frame to give back") \
R(RESUME_RIP, ASKED, "ERESUME", "#GP(0)", \
  "RIP in the SSA frame is {f}: outside the enclave, which begins at {w}") \
R(RESUME_BASES, ASKED, "ERESUME", "#GP(0)", \
  "FSBASE in the SSA frame is {f} and GSBASE is {w}: one of them is not canonical") \
R(RESUME_XSTATE, ASKED, "ERESUME", "#GP(0)", \
  "XSTATE_BV in the SSA frame is {f}: SECS.ATTRIBUTES.XFRM is {w}, and lacks {f-w}") \
R(RESUME_XHEADER, ASKED, "ERESUME", "#GP(0)", \
  "bytes 520 to 535 of the XSAVE area in the SSA frame are {f} and {w}: they must be 0") \
R(RESUME_MXCSR, ASKED, "ERESUME", "#GP(0)", \
  "MXCSR in the SSA frame is {f}: {f-w} is reserved")

#define WHY_RULES_IOCTL(R) \
R(IOCTL_BUSY, ASKED, "*", "EBUSY", \
  "another ioctl on this enclave is under way: Linux does one at a time, and lets nobody wait") \
R(IOCTL_UNKNOWN, ASKED, "ioctl {f}", "ENOTTY", \
  "<asm/sgx.h> has no command of this number, of which direction and size of the argument are a " \
  "part") \
R(IOCTL_OTHER, MISSING, "ioctl {f}", "ENOTTY", \
  "this is {f:other}") \
R(IOCTL_SGX2, MISSING, "{f:ioctl}", "ENODEV", \
  "swsgx has no SGX2 so far, and CPUID 12H does not offer it: pages are added before INIT, and " \
  "stay as they are; switch EDMM off") \
R(EPC_FULL, ASKED, "*", "ENOMEM", \
  "no page of the EPC is free, and none can be evicted: it has {f:d} pages ({f:kib} KiB) in all; " \
  "start the machine with a larger --epc, and with paging if it has none") \
R(CREATE_AGAIN, ASKED, "SGX_IOC_ENCLAVE_CREATE", "EINVAL", \
  "this descriptor has its enclave, at {f}: open /dev/sgx_enclave again for another one") \
R(CREATE_ARG, ASKED, "SGX_IOC_ENCLAVE_CREATE", "EFAULT", \
  "struct sgx_enclave_create at {f} cannot be read") \
R(CREATE_SRC, ASKED, "SGX_IOC_ENCLAVE_CREATE", "EFAULT", \
  "sgx_enclave_create.src is {f}: {w:d} bytes of SECS, a whole page, cannot be read there") \
R(CREATE_SIZE, ASKED, "SGX_IOC_ENCLAVE_CREATE", "EINVAL", \
  "SECS.SIZE is {f}: it must be a power of two, as {f:pow2} is") \
R(CREATE_BACKING, ASKED, "SGX_IOC_ENCLAVE_CREATE", "EINVAL", \
  "SECS.SIZE is {f}: no file can be as large, and Linux keeps evicted pages in one of that size") \
R(ADD_NOT_CREATED, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EINVAL", \
  "this descriptor has no enclave: SGX_IOC_ENCLAVE_CREATE comes first, and must have said 0") \
R(ADD_INITIALISED, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EINVAL", \
  "the enclave at {f} is initialised: pages are added before SGX_IOC_ENCLAVE_INIT") \
R(ADD_ARG, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EFAULT", \
  "struct sgx_enclave_add_pages at {f} cannot be read") \
R(ADD_SRC_ALIGN, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EINVAL", \
  "sgx_enclave_add_pages.src is {f}: not a multiple of {w}") \
R(ADD_OFFSET_ALIGN, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EINVAL", \
  "sgx_enclave_add_pages.offset is {f}: not a multiple of {w}; it counts from BASEADDR, and is no " \
  "address") \
R(ADD_LENGTH, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EINVAL", \
  "sgx_enclave_add_pages.length is {f}: it must be a multiple of {w}, and not 0") \
R(ADD_WRAP, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EINVAL", \
  "sgx_enclave_add_pages.offset is {f} and .length is {w}: their sum is beyond 64 bits") \
R(ADD_RANGE, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EINVAL", \
  "sgx_enclave_add_pages.offset + .length is {f}: the enclave has {w} bytes; offset counts from " \
  "BASEADDR, and is no address") \
R(ADD_SECINFO_ARG, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EFAULT", \
  "sgx_enclave_add_pages.secinfo is {f}: {w:d} bytes cannot be read there") \
R(ADD_TYPE, ASKED, "*", "EINVAL", \
  "SECINFO.FLAGS is {f}, which is type {f:pt}: only PT_REG (0x200) and PT_TCS (0x100) can be added") \
R(ADD_WRITE_ONLY, ASKED, "*", "EINVAL", \
  "SECINFO.FLAGS is {f}: W (0x2) without R (0x1)") \
R(ADD_TCS_RWX, ASKED, "*", "EINVAL", \
  "SECINFO.FLAGS is {f}: a TCS has no permissions, {w} is to be 0") \
R(ADD_FLAGS, ASKED, "*", "EINVAL", \
  "SECINFO.FLAGS is {f}: {f-w} is reserved, or not for software to set") \
R(ADD_RESERVED, ASKED, "*", "EINVAL", \
  "byte {f:d} of struct sgx_secinfo is reserved and not 0") \
R(ADD_DUPLICATE, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EBUSY", \
  "the enclave has a page at offset {f} already; after an error .count says how many bytes were " \
  "added") \
R(ADD_SOURCE, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EFAULT", \
  "the source page at {f} (for offset {w}) cannot be read") \
R(ADD_NOEXEC, ASKED, "SGX_IOC_ENCLAVE_ADD_PAGES", "EACCES", \
  "the source page at {f} (for offset {w}) is of a file that may not be executed; its mount is noexec") \
R(WRITE_BACK, ASKED, "*", "EFAULT", \
  "the answer cannot be written to the argument at {f}; what was asked for was done") \
R(INIT_NOT_CREATED, ASKED, "SGX_IOC_ENCLAVE_INIT", "EINVAL", \
  "this descriptor has no enclave: SGX_IOC_ENCLAVE_CREATE comes first, and must have said 0") \
R(INIT_AGAIN, ASKED, "SGX_IOC_ENCLAVE_INIT", "EINVAL", \
  "the enclave at {f} is initialised already") \
R(INIT_ARG, ASKED, "SGX_IOC_ENCLAVE_INIT", "EFAULT", \
  "struct sgx_enclave_init at {f} cannot be read") \
R(INIT_SIGSTRUCT, ASKED, "SGX_IOC_ENCLAVE_INIT", "EFAULT", \
  "sgx_enclave_init.sigstruct is {f}: {w:d} bytes cannot be read there") \
R(INIT_VENDOR, ASKED, "SGX_IOC_ENCLAVE_INIT", "EINVAL", \
  "SIGSTRUCT.VENDOR is {f}: it must be 0, or {w} for Intel's own") \
R(INIT_PROVISIONKEY, ASKED, "SGX_IOC_ENCLAVE_INIT", "EACCES", \
  "SECS.ATTRIBUTES is {f:attr}: PROVISIONKEY (0x10) needs leave; open /dev/sgx_provision and " \
  "SGX_IOC_ENCLAVE_PROVISION with it between CREATE and INIT") \
R(INIT_TOKENKEY, ASKED, "SGX_IOC_ENCLAVE_INIT", "EACCES", \
  "SECS.ATTRIBUTES is {f:attr}: Linux gives EINITTOKENKEY (0x20) to nobody, since launch enclaves are " \
  "not needed with flexible launch control") \
R(INIT_ATTRIBUTES, ASKED, "SGX_IOC_ENCLAVE_INIT", "EACCES", \
  "SECS.ATTRIBUTES is {f:attr}: Linux lets {w:attr} through, and not {f-w:attr}") \
R(INIT_SIG_ATTRIBUTES, ASKED, "SGX_IOC_ENCLAVE_INIT", "EINVAL", \
  "SIGSTRUCT.ATTRIBUTES & ATTRIBUTEMASK is {f:attr}: this machine does not have {w:attr}") \
R(INIT_SIG_MISC, ASKED, "SGX_IOC_ENCLAVE_INIT", "EINVAL", \
  "SIGSTRUCT.MISCSELECT & MISCMASK is {f}: this machine does not have {w}") \
R(INIT_SIG_XFRM, ASKED, "SGX_IOC_ENCLAVE_INIT", "EINVAL", \
  "SIGSTRUCT.ATTRIBUTES.XFRM & ATTRIBUTEMASK.XFRM is {f}: this machine does not have {w}") \
R(OLD_NOT_CREATED, ASKED, "*", "EINVAL", \
  "this descriptor has no enclave: SGX_IOC_ENCLAVE_CREATE comes first, and must have said 0") \
R(OLD_ARG, ASKED, "*", "EFAULT", \
  "the ioctl's structure at {f} cannot be read") \
R(OLD_SOURCE, ASKED, "*", "EFAULT", \
  "{w:d} bytes cannot be read at {f}") \
R(SECS_FIELD, ASKED, "SGX_IOC_ENCLAVE_CREATE", "EINVAL", \
  "SECS.{a:secs} is {f}, which this driver refuses before ECREATE could: it is held against {w}") \
R(OLD_ADDR, ASKED, "*", "EINVAL", \
  "sgx_enclave_add_page.addr is {f}: it must be a multiple of 0x1000 and in the enclave, which begins " \
  "at {w}; it is an address, and no offset") \
R(OLD_SRC_ALIGN, ASKED, "*", "EINVAL", \
  "sgx_enclave_add_page.src is {f}: not a multiple of {w}") \
R(OLD_INITIALISED, ASKED, "*", "EFAULT", \
  "the enclave at {f} is initialised already") \
R(OLD_DUPLICATE, ASKED, "*", "EEXIST", \
  "the enclave has a page at offset {f} already") \
R(OLD_ATTRIBUTES, ASKED, "*", "EINVAL", \
  "SECS.ATTRIBUTES is {f:attr}: the driver lets {w:attr} through, and not {f-w:attr}; PROVISIONKEY " \
  "(0x10) needs SGX_IOC_ENCLAVE_SET_ATTRIBUTE with /dev/sgx/provision") \
R(LAUNCH_MSR, ASKED, "SGX_IOC_ENCLAVE_INIT", "#GP(0), EIO", \
  "IA32_SGXLEPUBKEYHASH{f:d} cannot be written: IA32_FEATURE_CONTROL is {w}, without launch control " \
  "(0x20000)") \
R(PROVISION_ARG, ASKED, "SGX_IOC_ENCLAVE_PROVISION", "EFAULT", \
  "struct sgx_enclave_provision at {f} cannot be read") \
R(PROVISION_FD, ASKED, "SGX_IOC_ENCLAVE_PROVISION", "EINVAL", \
  "sgx_enclave_provision.fd is {f:fd}: not an open descriptor of /dev/sgx_provision")

#define WHY_RULES_MEMORY(R) \
R(MAP_RANGE, ASKED, "*", "EACCES", \
  "{f} is outside the enclave, which begins at {w} and is initialised") \
R(MAP_RIE, ASKED, "*", "EACCES", \
  "this process has READ_IMPLIES_EXEC (personality), by which Linux would add PROT_EXEC; link with " \
  "-z noexecstack, or start without setarch -X") \
R(MAP_ABSENT, ASKED, "*", "EACCES", \
  "{f:prot} is asked for, but no page is at {a}: with this driver its place can be mapped with " \
  "PROT_NONE until it is added") \
R(MAP_PROT, ASKED, "*", "EACCES", \
  "{f:prot} is asked for, but the page at {a} was added with {w:prot} in SECINFO, which is the most " \
  "that it may be mapped with") \
R(FAULT_ABSENT, ASKED, "access to {f}", "SIGBUS", \
  "the enclave has no page there: it was never added, and there is no SGX2 to add it now") \
R(FAULT_NOT_INIT, ASKED, "access to {f}", "SIGBUS", \
  "the enclave is not initialised: with this driver nobody sees a page before " \
  "SGX_IOC_ENCLAVE_INIT") \
R(FAULT_UNKNOWN, ASKED, "access to {f}", "SIGBUS", \
  "no mapping of an enclave is known there: the page was mapped before SGX_IOC_ENCLAVE_CREATE, in " \
  "another process, or lies outside the ELRANGE") \
R(FAULT_VMA, ASKED, "access to {a}", "SIGBUS", \
  "the mapping allows {f:prot}, but the page was added with {w:prot}; mmap or mprotect it once more, " \
  "with no more than that") \
R(FAULT_LOAD, ASKED, "access to {f}", "SIGBUS", \
  "the page is paged out and cannot be brought back: the EPC is full, or this computer has no memory") \
R(FAULT_NX, ASKED, "fetch from {a}", "#PF", \
  "the mapping allows {f:prot}, without PROT_EXEC") \
R(FAULT_POISON, ASKED, "access to {f}", "SIGBUS, BUS_MCEERR_AR", \
  "the page had a memory error (swsgx machine poison): it is lost, and the enclave with it") \
R(FAULT_LOST, ASKED, "access to {f}", "#PF with SGX", \
  "the EPC lost the enclave (a sleep state, or a memory error in its SECS): destroy it and build it " \
  "again") \
R(FAULT_TYPE, ASKED, "access to {a}", "#PF with SGX", \
  "EPCM.PT is {f:pt}: software reads and writes pages of type PT_REG alone") \
R(FAULT_NO_TCS, ASKED, "entry at {a}", "#PF with SGX", \
  "EPCM.PT is {f:pt}: EENTER and ERESUME want a PT_TCS page in RBX") \
R(FAULT_STATE, ASKED, "access to {a}", "#PF with SGX", \
  "the page is BLOCKED, PENDING or MODIFIED in the EPCM, or is not this enclave's") \
R(FAULT_PERM, ASKED, "{w:access} at {a}", "#PF with SGX", \
  "the EPCM allows {f:prot} there: the page was added so (SECINFO), whatever the mapping says") \
R(FAULT_GRANT, ASKED, "access to {f}", "SIGBUS", \
  "the machine's daemon cannot map the page into this process")

#define WHY_RULES_AGENT(R) \
R(MMAP_PRIVATE, ASKED, "mmap", "EINVAL", \
  "flags are {f}: an enclave is mapped MAP_SHARED (0x1) or not at all") \
R(MMAP_TOO_MANY, ASKED, "mmap", "ENOMEM", \
  "this process has {f:d} enclaves mapped, and swsgx knows no more in one process") \
R(MMAP_PROVISION, ASKED, "mmap", "ENODEV", \
  "descriptor {f:fd} is of /dev/sgx_provision, which has no memory") \
R(MREMAP, ASKED, "mremap", "EFAULT", \
  "there is enclave memory at {f}: it does not grow, and moves in one mapping alone; unmap it, and " \
  "mmap again") \
R(MREMAP_DONTUNMAP, ASKED, "mremap", "EINVAL", \
  "there is enclave memory at {f}, which cannot be moved by MREMAP_DONTUNMAP (0x4)") \
R(MADVISE, ASKED, "madvise", "EINVAL", \
  "advice {f:d} is not for enclave memory: Linux neither frees, shares nor copies it") \
R(ENCLU_OUTSIDE, ASKED, "ENCLU", "#GP(0)", \
  "EAX is {f:leaf}, which is for code inside an enclave; outside it is EENTER (2) or ERESUME (3)") \
R(ENCLU_INSIDE, ASKED, "ENCLU", "#GP(0)", \
  "EAX is {f:leaf}, and RIP {w} is inside an enclave: there it is EREPORT (0), EGETKEY (1) or EEXIT " \
  "(4)") \
R(ENCLU_SGX2, MISSING, "ENCLU", "#GP(0)", \
  "EAX is {f:leaf}: swsgx has no SGX2 so far, and CPUID 12H does not offer it") \
R(EEXIT_TARGET, ASKED, "EEXIT", "#GP(0)", \
  "RBX, the address to go to, is {f}: not canonical") \
R(ENTRY_SSA_PAGE, ASKED, "*", "#PF with SGX", \
  "the SSA frame's page at {f} cannot be written: it is not mapped read-write here, or is no such " \
  "page of the enclave") \
R(ENTRY_LOST, ASKED, "*", "#PF with SGX", \
  "RBX is {f}: the machine has ended (its daemon is gone), and the EPC with it") \
R(MACHINE_LOST, ASKED, "*", "EIO", \
  "the machine has ended (its daemon is gone), and the EPC with it") \
R(PATH_LOCKED, ASKED, "open of a device of SGX", "ENOENT", \
  "launch control of this machine is locked: Linux has no /dev/sgx_enclave where it cannot write " \
  "IA32_SGXLEPUBKEYHASH; a machine with '--launch-control flexible' and a '--cpu' that has it will do") \
R(PATH_VEPC, MISSING, "open of /dev/sgx_vepc", "ENOENT", \
  "swsgx has no virtual EPC for guests so far") \
R(PATH_DEVICES, ASKED, "open of {f:path}", "ENOENT", \
  "this machine was started without this device: '--devices {f:devices}' has it, an option of " \
  "'swsgx run' and 'swsgx machine start'") \
R(PATH_OLD, ASKED, "open of {f:path}", "ENOENT", \
  "this is the device of a driver of Intel's own, which swsgx does not have: it has those of Linux, " \
  "and '--devices v22'")

/* clang-format on */

#endif
