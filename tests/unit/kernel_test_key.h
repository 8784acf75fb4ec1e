/* SPDX-License-Identifier: BSD-3-Clause */
/* A second signer of test enclaves, for tests in which the signer matters. */
#ifndef TESTS_UNIT_KERNEL_TEST_KEY_H
#define TESTS_UNIT_KERNEL_TEST_KEY_H

/* clang-format off */
static const char kernel_test_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIG/QIBADANBgkqhkiG9w0BAQEFAASCBucwggbjAgEAAoIBgQDoP291EmTSCZQY\n"
	"hBnjLuvxhqlwdL2EqX0TBQAMESeC/Sl83/UArB8TI28fsgV/N7YsNram+dJ4Grnl\n"
	"LPA5aKXD5j57NEhsDM1cERhJVCcKgoa/7zh8JjtQ7NCxbXj/CX9VrzmQ8O3vYMw9\n"
	"LKBZjFS3ZQW0eCncvSSboBDiaQLNlPJjP03E9GNO49YlaZOZNVCwYXVuTD4ftS9j\n"
	"k8FPuB4F2cw4mUmkePLBXhZD6Qjpfxa5Mqp8srcmYTpZf3ajeYSbY3zicZJM4kIS\n"
	"5qLn2jIGbVWXvHGR0/h5XmT/0+ugadbY5HhRGSODeepBWwdogfTxhVhLyVEGP+iE\n"
	"fzER1o7VtgAGZ0CGdmWiim+vClDykrxG+NYtu8DxZAktfs5ftNhQtO8ohqsq1/Gi\n"
	"GtXvhtnLT6nbkGHqt6IVX7JQzhhDAfhCP3smaGvCqqbLadp7jVY2C14Ugl3TksBV\n"
	"fe3WGizk3xrE0C9rwG5l1qhPe0Eb53HXo/Zf/c7F3/FqWPVp4fsCAQMCggGBAJrU\n"
	"9Pi27eFbuBBYEUIfR/ZZxkr4flhw/gyuAAgLb6yoxlM/+KsdagzCShUhWP96eXLP\n"
	"JG9RNvq8e+4d9XubGS1EKad4MEgIiOgLZYY4GgcBryqfev1u0jXzNcueUKoGVOPK\n"
	"JmCgnp+V3X4dwDuy4yTuA82lcT3Tbb0VYJbwrIkN9uzU3oNNl4ntOW5GYmYjiyBA\n"
	"+PQy1BUjdO0NK4p6vq6RMtBmMRhQodY+uYKbW0ZUudDMcah3JMRA0ZD/pGz7rHfC\n"
	"lM9yuFATG2ly9pRWuUw8dVY38ssQ0StUWzSBGMli/9oJRwPgLLH79laSoZlw38kO\n"
	"j6gAH35wznk0bqDmmgHruMQYX2oumBdQTjZVtJDgd8OREoz/O/stsErLvjMR2JMT\n"
	"EhrKHx2h/HNW205s1Jbb8wPstRlemRy1hCHN7mUxzRURrk/i+y5TVQYIQQ0gy0bc\n"
	"Y77WkP4KVeIY0pS8w+YdIyno/uu3QlcGzrGyK/skHn1rdnfgLrqQeGqPERrJewKB\n"
	"wQD4QfZcdFm1+FkTkOnlPpGs9YPOHMZRV4hZNlQrVsLU1P0HQp2rMU/Hw2esB4BO\n"
	"a97sfWnNegvy5jgeI/SUR/PBGRz1aQi11eVkXF4sTyPE8YXeIKabFK/cG23EtwGj\n"
	"Bg6haMK/V2/Nj4AuH2frxAC4UrDshNO3c5vAggJIl2bLDmM9qMxBnwRFm+OUpkCR\n"
	"4gfEYGMX4RQ/8O0AxHAsxpr6+1uBlI7ux9bqZfE6xnZda3cgDnn3mUyaTZMIoULN\n"
	"riUCgcEA732nTtEkHs0/4SlHJBmKZx0hyEu/D+M2XymIBbuDnYBaCpPwIBeQsLyR\n"
	"E3eUs+zGV3IXAk8V1bB6sIyWjDS0EbtN6tmosVqcGzWcMTqeVFCCw36Tvyg3HIQS\n"
	"+JYvcBQE0q+RQQAMsNV2xvklDh+aMLMMaSh+jTYgqc1p1YHL4CjhZPwpbPTut5HD\n"
	"rbc4Vfodh2BlXl9wFpJSgZRByjhsELgKhF4iG2Wz+OaBCimIxcXM+3RKtJQ8E7mp\n"
	"weEY9AWfAoHBAKWBTuhNkSP65g0LRpjUYR35AolohDY6WuYkOBzkgeM4qK+BvnIg\n"
	"39qCRR1aVYmdP0hTm95RXUyZer7Cow2FTStmE05GBc6OmO2S6XLfbS32WT7AbxIN\n"
	"ypK889h6ARdZXxZF1yo6SokKVXQU7/KCqyWMdfMDN8+iZ9WsAYW6RIde7NPF3YEU\n"
	"rYO9QmMZgGFBWoLq7LqWDX/181XYSsiEZ1H856u4X0naj0buoNHZpD5HpMAJpqUQ\n"
	"3bwzt1sWLIkewwKBwQCfqRo0i21p3iqWG4TCu7GaE2va3SoKl3mUxlqufQJpADwH\n"
	"DUrAD7XLKGC3pQ3NSIQ6TA9W32Pjyvx1sw8IIyK2fN6ckRsg5xK8zmgg0b7i4Fcs\n"
	"/w0qGs9oWAyluXT1Yq3hymDWAAh146SEphi0FRF1zLLwxamzeWsb3kaOVofqxeuY\n"
	"qBud+J8lC9fJJNA5UWkE6u4+6kq5tuGruCvcJZ1gerGtlBa87nf7RFYGxlsug938\n"
	"+DHNuCgNJnEr62X4A78CgcAcMr3u5amxe7ZP6rrwsF6k90W6kcWnXiTeGWZmiX9z\n"
	"DW9B7vCfxKBHkiswaWVpIqPD1czLytDZOQcraVtLIzDJIW3S+AjwDZIuMrVQUEtR\n"
	"h3DW/lNOQ/QZU+obvtFGgsQRFt7QxzPV8qrfr7NwoLyaXfdRjwDzXUqD4aWJQgcl\n"
	"fSjcNxAHYFcqPnaOv+BHkN0TrUhd7MX6R1lx0Gcz7nYRJurOMWyr3BTzKDO2L9F4\n"
	"QaQ9DENo1qrAphUAMUBaaZk=\n"
	"-----END PRIVATE KEY-----\n";
/* clang-format on */

#endif
