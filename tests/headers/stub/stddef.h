/* For parsers that know C and none of its compilers' extensions. */
typedef unsigned long size_t;
#define NULL ((void *)0)
