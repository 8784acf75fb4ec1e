/* SPDX-License-Identifier: BSD-3-Clause */
/* A key that signs test enclaves and nothing else; made for this file. */
#ifndef TESTS_UNIT_CPU_TEST_KEY_H
#define TESTS_UNIT_CPU_TEST_KEY_H

/* clang-format off */
static const char cpu_test_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIG/gIBADANBgkqhkiG9w0BAQEFAASCBugwggbkAgEAAoIBgQDbQIi6/yLehfWr\n"
	"lZwXXaNkylsPjbfJ2i6QQvjBQICSB9h7zQp7ovOQBlLvdg8WKhMQ2ca6k7cNCZ2U\n"
	"9cNoQAwvVnBwo7KhWK/6uHpcxnhZy6BAZkgo971r9dWOUlrWrZtky+k+TpYK+/nB\n"
	"DYGQIJV9lXDSHvDGYGGZZO34XVKZOjlKPfz1QLnwRM7AzoBHvQpF6MF00YvsTYeo\n"
	"fIqDWJB5LpnZkS+7cRss4xTkmbAlJ6Ze5x4fJRfmK55k3mn7L9kTi70eCNTPJ6+W\n"
	"/6BhoUL46FiJkycL0xZMFK3f+SaAq3nvwJP+hciJqoBtiCkZ5JpPr1BsWVYRMXD0\n"
	"b5smTDk3MtutSqehuFAJyXmVXcnB8yHYWlYvNXlIvOCYsimLFmkYLiHFsmGhMTz/\n"
	"J35zIV3JNjHe/5xm2+cGGwx43gIwc1TXsGi+03stq889xz/0yllNsCGO8kxwYDYX\n"
	"TevjDL1J6PB05pDvDMIfnLg+mWtr7EpvCwQR++kFO7Zj57sKN9cCAQMCggGBAJIr\n"
	"BdH/bJRZTnJjvWTpF5iG51+zz9vmybWB+yuAVbav5afeBv0XTQqu4fT5X2QcDLXm\n"
	"hHxiegixE7ij15rVXXTkSvXCdxY7H/x6/D3ZpZEyatWZhXClKPKj47Q25znJEkMy\n"
	"m37fDrH9USteVmAVuP5joIwUoIRAQRDt8/ro4bt8JjF+qKOAe/WDNICJqtp+BtlF\n"
	"1k3hB/LeWnBTBwI7Cvt0ZpELdSegvMiXY0MRIBjFGZSaFBTDZUQdFEM+8VIf5NEW\n"
	"g7VLuWz4bnAE3xELjbi3GOZgmDwukr611NO+LU57ygve5lczmMaTlfr8vNSrrY0x\n"
	"1vx1hKDUdxlrU0kRFgH8dTENA18vbPvf2up5RcbD5U8wDks9QgIi/iQhzRbcwSzG\n"
	"qZHfgFnSVBKwPrMW2MBGNT8U+v06sagSeWWqEVDPzRmMIGkIav9/7R666DIVrBnC\n"
	"YIAG64Y3fRus0yZ82sKbsfLQFBNRYDId5a7uDJOUYlmyKydZ0c973NAxo43VuwKB\n"
	"wQDxb9pJfypNGl5+Kt3NF4Mx7DfvhutYZECIAleIkDWJOnUuajJ9brftRtb+ZLrS\n"
	"yUym+ym7uL1ox63ayOcM2ZVf6+ESmWAVK4P9T+ATC4vwF+5MnmlxHFLQ0rSJ2aKv\n"
	"jolpy6Ps+9JcXjowe5TQyPYDj4enlhWJLavucZBfm22hdqw9vC3pvVxHOyzPWxd5\n"
	"MFLoX2OCOAtMpcl963wV6yPpE5iurug84asGGBlLfBEw97Y01d1sVNXpMWYsMF6m\n"
	"BtMCgcEA6HodRJgUXpircM1z+vhrMel7QHtXWSj5pgGXGcutAbdVr4gH/kmrcoZI\n"
	"dqhTCBnJVOlkNfBRtysQc4W3K9kC1ExK0R3CfcWokqnRIpxVJ7VblPPXTT1DdLWu\n"
	"2KXTOTy96zh/fedOvheEsqOLlbYipT1aWMoOYdYwm43GAMN6lcT086IKN4l+ZzC+\n"
	"wFPMMHmEPq0tTK/f2mcw798zE2ZRPOvM2f+KlTEGzlfGbLhHXZYAs6nl6qBYZNCE\n"
	"/2znD3BtAoHBAKD1PDD/cYi8Pv7HPoi6V3adep+vR5BC1bABj7BgI7DRo3RGzFOf\n"
	"JUjZ5KmYfIyGMxn8xn0l05svyTyF713mY5VH62G7lWNyV/41QAyyXUq6nt2+8PYS\n"
	"4eCMeFvmbHUJsPEybUin4ZLpfCBSYzXbTq0KWm+5Y7DJHUmhCupnnmukctPSyUZ+\n"
	"PYTSHd+SD6YgN0WU7QF6sjMZMP6c/WPyF/C3ux8fRX3rx1llZjJStiClJCM5Pkg4\n"
	"jpt2RB11lG6vNwKBwQCa/BODEA2UZcegiPf8pZzL8PzVp4+QxfvEAQ9mh8irz451\n"
	"BVqphnJMWYWkcDdau9uN8O15SuEkx2BNA89ykKyNiDHgvoGpLnBhxotsaDjFI5Jj\n"
	"TTozfiz4eR87GTd7fdPyJapT74nUD63MbQe5JBcY05GQhrRBOXW9CS6rLPxj2KNN\n"
	"FrF6W6maIH8q4oggUQLUc3OIdT/m73X1P3diRDYonTM7/7G4y1ne5S7zJYTpDqsi\n"
	"cUPxwDrt4FiqSJoKSvMCgcEA0/rg09wMPO79dhSfzCILtTgTyRCY3FJd+OjcGv86\n"
	"pB7+Lk1i5QWaEP484Ee7CshIXPc5SZO8pSFyAGOjAGS9Ql5Ui7D8VC+ETjePy1je\n"
	"bKyq80uQgC9C8MflyS8RmmoD9NXRLE3aZP8/WGqTH3VbsV0V5tvy+e5xQL0C2/VI\n"
	"Wsb/Tc9NLAWwgu4zdQ0au0oR6nRm61qJ6oj209yjshRed/nQMZrOfIEds02vfNrt\n"
	"d4e3Ah6boVcLb5jtD9koDttt\n"
	"-----END PRIVATE KEY-----\n"
	;
/* clang-format on */

#endif
