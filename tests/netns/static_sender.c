/* SPDX-License-Identifier: MIT */
/*
 * static_sender.c: a static program without a C library. Sends one datagram, its third argument, to the IPv4
 * address in hexadecimal and the port that the first two name; its child, and its child's child, do so too.
 * Exit status 23.
 */
#include <asm/unistd.h>
#include <linux/in.h>

void _start(void);
int run(long *stack);

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static unsigned number(const char *text, unsigned base)
{
	unsigned value = 0;

	for (; *text; text++)
		value = value * base + (unsigned)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
	return value;
}

static long length(const char *text)
{
	long n = 0;

	while (text[n])
		n++;
	return n;
}

static void send_one(char **argv)
{
	unsigned host = number(argv[1], 16), port = number(argv[2], 10);
	struct sockaddr_in to = { .sin_family = 2 /* AF_INET */ };
	long fd = call(__NR_socket, 2, 2 /* SOCK_DGRAM */, 0, 0, 0, 0);

	to.sin_port = (unsigned short)(port >> 8 | port << 8);
	to.sin_addr.s_addr = __builtin_bswap32(host);
	call(__NR_sendto, fd, (long)argv[3], length(argv[3]), 0, (long)&to, sizeof(to));
	call(__NR_close, fd, 0, 0, 0, 0, 0);
}

/* `stack` is how the kernel hands over: the number of arguments, then the arguments. */
__attribute__((used)) int run(long *stack)
{
	char **argv = (char **)(stack + 1);
	int generation;

	if (*stack < 4)
		return 2;
	for (generation = 0; generation < 3; generation++) {
		long child;

		send_one(argv);
		child = generation < 2 ? call(__NR_fork, 0, 0, 0, 0, 0, 0) : 1;
		if (child == 0)
			continue;
		if (generation < 2)
			call(__NR_wait4, child, 0, 0, 0, 0, 0);
		break;
	}
	return 23;
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call run\n"
	"	mov %eax, %edi\n"
	"	mov $60, %eax\n"
	"	syscall\n");
