/* SPDX-License-Identifier: BSD-3-Clause */
/* encl.c as it is, and a look into enclaves. */
#include <encl.c>
#include <upstream.h>

static uint64_t secs_phys(struct sgx_encl *encl)
{
	return encl && encl->secs.epc_page ? sgx_get_epc_phys_addr(encl->secs.epc_page) : 0;
}

uint64_t shim_secs_of(struct vm_area_struct *vma);
uint64_t shim_secs_of(struct vm_area_struct *vma)
{
	return vma->vm_ops == &sgx_vm_ops ? secs_phys(vma->vm_private_data) : 0;
}

void up_encl_info(struct up_file *file, struct up_encl_info *info)
{
	struct sgx_encl *encl = ((struct file *)file)->private_data;
	struct sgx_va_page *va;
	struct sgx_encl_mm *mm;

	*info = (struct up_encl_info){
		.base = encl->base,
		.size = encl->size,
		.attributes = encl->attributes,
		.attributes_mask = encl->attributes_mask,
		.page_cnt = encl->page_cnt,
		.children = encl->secs_child_cnt,
		.created = test_bit(SGX_ENCL_CREATED, &encl->flags),
		.initialized = test_bit(SGX_ENCL_INITIALIZED, &encl->flags),
		.debug = test_bit(SGX_ENCL_DEBUG, &encl->flags),
		.secs_phys = secs_phys(encl),
	};
	list_for_each_entry (va, &encl->va_pages, list)
		info->va_pages++;
	list_for_each_entry (mm, &encl->mm_list, list)
		info->mms++;
}

unsigned int up_encl_page(struct up_file *file, uint64_t addr)
{
	struct sgx_encl *encl = ((struct file *)file)->private_data;
	struct sgx_encl_page *page = xa_load(&encl->page_array, PFN_DOWN(addr));

	return page ? page->type | (unsigned int)page->vm_max_prot_bits << 8 |
			       (page->epc_page ? 1u << 16 : 0)
		    : 0;
}

uint64_t up_encl_phys(struct up_file *file, uint64_t addr)
{
	struct sgx_encl *encl = ((struct file *)file)->private_data;
	struct sgx_encl_page *page = xa_load(&encl->page_array, PFN_DOWN(addr));

	return page && page->epc_page ? sgx_get_epc_phys_addr(page->epc_page) : 0;
}

/* What is sealed of a page that is out, and its PCMD; NULL: it is not out */
uint8_t *up_backing(struct up_file *file, uint64_t addr, uint8_t **pcmd)
{
	struct sgx_encl *encl = ((struct file *)file)->private_data;
	struct sgx_encl_page *page = xa_load(&encl->page_array, PFN_DOWN(addr));
	unsigned long index = PFN_DOWN(addr - encl->base);
	pgoff_t pcmd_off = sgx_encl_get_backing_page_pcmd_offset(encl, index);
	struct page *data, *meta;

	if (!page || page->epc_page)
		return NULL;
	data = xa_load(&encl->backing->f_mapping->pages, index);
	meta = xa_load(&encl->backing->f_mapping->pages, PFN_DOWN(pcmd_off));
	if (!data || !meta)
		return NULL;
	*pcmd = (uint8_t *)meta->addr + pcmd_off % PAGE_SIZE;
	return data->addr;
}
