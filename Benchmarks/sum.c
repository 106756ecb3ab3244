/*
 * What `search` is held against: maps a file and adds up its 64-bit words, once, on one thread.
 *   sum FILE   prints the bytes, the wall and CPU seconds of the loop alone (page faults of the mapping included), the sum
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

int main(int argc, char **argv)
{
	struct timespec a, b, c, d;
	struct stat s;
	const uint64_t *words;
	uint64_t sum = 0;
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || fstat(fd, &s) != 0 || s.st_size < 8) {
		fprintf(stderr, "usage: sum FILE\n");
		return 64;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
	clock_gettime(CLOCK_MONOTONIC, &a);
	words = mmap(NULL, s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (words == MAP_FAILED) {
		perror("sum: mmap");
		return 1;
	}
	madvise((void *)words, s.st_size, MADV_SEQUENTIAL);
	for (size_t i = 0; i < (size_t)s.st_size / 8; i++)
		sum += words[i];
	clock_gettime(CLOCK_MONOTONIC, &b);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &d);
	printf("{\"bytes\": %lld, \"wall\": %.6f, \"cpu\": %.6f, \"sum\": %llu}\n", (long long)s.st_size,
	       (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9, (d.tv_sec - c.tv_sec) + (d.tv_nsec - c.tv_nsec) / 1e9,
	       (unsigned long long)sum);
	return 0;
}
