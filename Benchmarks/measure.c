/*
 * Runs one command and says what it cost.
 *   measure RESULT COMMAND ARGUMENT...
 * RESULT gets one line of JSON: exit code, wall and CPU seconds of the process (children that it waited for
 * included), its peak resident set and the highest anonymous resident set that was seen, both in kB.
 * A program of its own because wait4 reports as a child's peak whatever the parent held when it forked:
 * this one holds next to nothing, a Python interpreter does not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* RssAnon of /proc/PID/status, in kB; 0 when the process is gone */
static long anonymous(const char *status)
{
	char text[4096], *at;
	int fd = open(status, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	at = strstr(text, "RssAnon:");
	return at ? strtol(at + 8, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	char status[64];
	long high = 0;
	int st = 0;
	struct rusage used;
	double start = now();
	pid_t child;
	FILE *out;

	if (argc < 3) {
		fprintf(stderr, "usage: measure RESULT COMMAND ARGUMENT...\n");
		return 64;
	}
	child = fork();
	if (child < 0) {
		perror("measure: fork");
		return 1;
	}
	if (child == 0) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "measure: %s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	snprintf(status, sizeof(status), "/proc/%d/status", child);
	for (;;) {
		/* a thousand times a second: what rises and falls within a millisecond is missed */
		const struct timespec pause = { 0, 1000000 };
		long a = anonymous(status);
		pid_t r;

		if (a > high)
			high = a;
		r = wait4(child, &st, WNOHANG, &used);
		if (r == child)
			break;
		if (r < 0) {
			perror("measure: wait4");
			return 1;
		}
		nanosleep(&pause, NULL);
	}
	out = fopen(argv[1], "w");
	if (!out) {
		perror(argv[1]);
		return 1;
	}
	fprintf(out, "{\"exit\": %d, \"wall\": %.4f, \"user\": %ld.%06ld, \"sys\": %ld.%06ld, \"rss_kb\": %ld, \"anon_kb\": %ld}\n",
		WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st), now() - start, (long)used.ru_utime.tv_sec,
		(long)used.ru_utime.tv_usec, (long)used.ru_stime.tv_sec, (long)used.ru_stime.tv_usec, used.ru_maxrss, high);
	return fclose(out) ? 1 : 0;
}
