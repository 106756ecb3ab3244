/* SPDX-License-Identifier: GPL-2.0 */
/*
 * labblock - blocks in every way a process can, one task each.
 *   labblock ROUND [NAME...]    starts the tasks of the table at the end (all, or those named), each called
 *                               w_NAME; ROUND keeps the objects of one call apart from another's
 * Returns when all have had time to block.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

static int round_no;
static char big[1 << 16];

static char *at(const char *fmt)
{
	static char s[8][128];
	static int i;
	char *p = s[i++ & 7];

	snprintf(p, 128, fmt, round_no);
	return p;
}

static void name(const char *n)
{
	char s[16];

	snprintf(s, sizeof(s), "w_%s", n);
	prctl(PR_SET_NAME, s);
}

/* a child that does FN and is called n */
static pid_t child(const char *n, void (*fn)(void))
{
	pid_t p = fork();

	if (p == 0) {
		name(n);
		fn();
		_exit(0);
	}
	return p;
}

static void ms(int n)
{
	usleep(n * 1000);
}

static void for_ever(void)
{
	for (;;)
		pause();
}

static void waits(const char *how)
{
	int fd = open("/dev/waits", O_WRONLY);

	if (write(fd, how, strlen(how)) < 0)
		perror(how);
}

/* ---- pipes and splices ---- */

static int pfd[2];
static void mkpipe(void) { if (pipe(pfd)) perror("pipe"); }
static void pipe_read(void) { mkpipe(); read(pfd[0], big, 10); }
static void pipe_readv(void) { struct iovec v[2] = { { big, 5 }, { big + 9, 7 } }; mkpipe(); readv(pfd[0], v, 2); }
static void pipe_fill(void) { mkpipe(); fcntl(pfd[1], F_SETPIPE_SZ, 4096); write(pfd[1], big, 4096); }
static void pipe_write(void) { pipe_fill(); write(pfd[1], big, 100); }
static void splice_in(void) { int p[2]; mkpipe(); pipe(p); splice(pfd[0], NULL, p[1], NULL, 4096, 0); }
static void splice_out(void) { int p[2]; pipe(p); write(p[1], big, 10); pipe_fill(); splice(p[0], NULL, pfd[1], NULL, 10, SPLICE_F_MOVE); }
static void tee_in(void) { int p[2]; mkpipe(); pipe(p); tee(pfd[0], p[1], 777, 0); }
static void vmsplice_out(void) { struct iovec v = { big, 4096 }; pipe_fill(); vmsplice(pfd[1], &v, 1, 0); }
static void sendfile_out(void) { int fd = open("/proc/self/exe", O_RDONLY); pipe_fill(); sendfile(pfd[1], fd, NULL, 1234); }
static void fifo_open(void) { mkfifo(at("/tmp/fifo%d"), 0600); open(at("/tmp/fifo%d"), O_RDONLY); }
static void fifo_wopen(void) { mkfifo(at("/tmp/fifow%d"), 0600); open(at("/tmp/fifow%d"), O_WRONLY); }

/* ---- futexes ---- */

static uint32_t word;
static void futex_wait_(void) { syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0); }
static void futex_bitset(void)
{
	struct timespec ts = { 100000000000LL, 5 };

	syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, 0x10);
}
static pthread_mutex_t pi_mutex;
static void *pi_thread(void *a) { name("futexpi"); pthread_mutex_lock(&pi_mutex); return a; }
static void futex_pi(void)
{
	pthread_mutexattr_t a;
	pthread_t t;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&pi_mutex, &a);
	pthread_mutex_lock(&pi_mutex);
	pthread_create(&t, NULL, pi_thread, NULL);
	pthread_join(t, NULL);
}
struct waitv { uint64_t val, uaddr; uint32_t flags, pad; };
static void futex_waitv(void)
{
	static uint32_t other;
	struct waitv v[2] = { { 0, (uintptr_t)&word, 2, 0 }, { 0, (uintptr_t)&other, 2, 0 } };

	syscall(449, v, 2, 0, NULL, 0);
}

/* ---- polls ---- */

static void poll_(void) { struct pollfd f[2] = { { .events = POLLIN }, { .events = POLLIN } }; mkpipe(); f[0].fd = pfd[0]; f[1].fd = eventfd(0, 0); poll(f, 2, -1); }
static void poll_time(void) { struct pollfd f = { .events = POLLIN }; mkpipe(); f.fd = pfd[0]; poll(&f, 1, 90000000); }
static void ppoll_(void)
{
	struct pollfd f = { .events = POLLIN };
	struct timespec ts = { 800000, 7 };
	sigset_t s;

	sigemptyset(&s);
	mkpipe();
	f.fd = pfd[0];
	ppoll(&f, 1, &ts, &s);
}
static void select_(void) { fd_set r; mkpipe(); FD_ZERO(&r); FD_SET(pfd[0], &r); select(pfd[0] + 1, &r, NULL, NULL, NULL); }
static void pselect_(void)
{
	fd_set r;
	struct timespec ts = { 700000, 0 };

	mkpipe();
	FD_ZERO(&r);
	FD_SET(pfd[0], &r);
	pselect(pfd[0] + 1, NULL, NULL, &r, &ts, NULL);
}
static int epoll_on_pipe(void)
{
	int ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN };

	mkpipe();
	epoll_ctl(ep, EPOLL_CTL_ADD, pfd[0], &e);
	return ep;
}
static void epoll_(void) { struct epoll_event e[3]; epoll_wait(epoll_on_pipe(), e, 3, -1); }
static void epoll_time(void) { struct epoll_event e[5]; epoll_wait(epoll_on_pipe(), e, 5, 77000000); }
static void epoll_p(void) { struct epoll_event e[2]; sigset_t s; sigfillset(&s); epoll_pwait(epoll_on_pipe(), e, 2, -1, &s); }

/* ---- time ---- */

static void nanosleep_(void) { struct timespec ts = { 500000, 3 }; nanosleep(&ts, NULL); }
static void clock_sleep(void) { struct timespec ts = { 3000000000LL, 0 }; clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL); }
static void timerfd_(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec t = { .it_value.tv_sec = 500000 };

	timerfd_settime(fd, 0, &t, NULL);
	read(fd, big, 8);
}

/* ---- processes ---- */

static void wait4_(void) { child("waited", for_ever); wait4(-1, NULL, 0, NULL); }
static void waitid_(void) { siginfo_t i; pid_t p = child("waited", for_ever); waitid(P_PID, p, &i, WEXITED | WSTOPPED); }
static void vfork_(void) { if (vfork() == 0) { name("vforked"); for (;;) pause(); } }
static void stopped(void) { raise(SIGSTOP); }
static void traced(void) { ptrace(PTRACE_TRACEME, 0, 0, 0); raise(SIGUSR1); }
static void tracer(void) { pid_t p = child("traced", traced); waitpid(p, NULL, 0); waitpid(p + 0, NULL, __WNOTHREAD | WCONTINUED | WNOHANG); for_ever(); }
static void *exec_other(void *a) { name("exec_other"); waits("wide"); return a; }
static void exec_(void)
{
	char *argv[] = { "/bin/labblock", NULL };
	pthread_t t;

	pthread_create(&t, NULL, exec_other, NULL);
	ms(300);
	execv(argv[0], argv);
}
static void *mm_other(void *a) { name("exit_other"); waits("completion"); return a; }
static void exit_group_(void) { pthread_t t; pthread_create(&t, NULL, mm_other, NULL); ms(200); pthread_exit(NULL); }
static void sigsuspend_(void) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigsuspend(&s); }
static void sigwait_(void) { sigset_t s; struct timespec ts = { 660000, 0 }; sigemptyset(&s); sigaddset(&s, SIGUSR1); sigprocmask(SIG_BLOCK, &s, NULL); sigtimedwait(&s, NULL, &ts); }
static void signalfd_(void) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1); sigprocmask(SIG_BLOCK, &s, NULL); read(signalfd(-1, &s, 0), big, 128); }

/* ---- System V and POSIX queues ---- */

static void msgrcv_(void) { msgrcv(msgget(IPC_PRIVATE, 0600), big, 100, 5, MSG_NOERROR); }
static void msgsnd_(void) { int q = msgget(IPC_PRIVATE, 0600); *(long *)big = 1; for (;;) msgsnd(q, big, 4000, 0); }
static void semop_(void) { struct sembuf b[2] = { { 0, 1, 0 }, { 1, -1, SEM_UNDO } }; semop(semget(IPC_PRIVATE, 2, 0600), b, 2); }
static void semtimed(void) { struct sembuf b = { 0, -3, 0 }; struct timespec ts = { 440000, 0 }; semtimedop(semget(IPC_PRIVATE, 1, 0600), &b, 1, &ts); }
static mqd_t mq(void)
{
	struct mq_attr a = { .mq_maxmsg = 2, .mq_msgsize = 64 };

	return mq_open(at("/mq%d"), O_RDWR | O_CREAT, 0600, &a);
}
static void mq_recv(void) { mqd_t q = mq(); mq_unlink(at("/mq%d")); mq_receive(q, big, 64, NULL); }
static void mq_snd(void) { mqd_t q = mq(); mq_unlink(at("/mq%d")); for (;;) mq_send(q, big, 20, 3); }

/* ---- sockets ---- */

static int sp[2];
static void unix_recv(void) { socketpair(AF_UNIX, SOCK_STREAM, 0, sp); recv(sp[0], big, 33, 0); }
static void unix_recvmsg(void) { struct iovec v = { big, 99 }; struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 }; socketpair(AF_UNIX, SOCK_DGRAM, 0, sp); recvmsg(sp[0], &m, MSG_TRUNC); }
static void unix_read(void) { socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sp); read(sp[1], big, 44); }
static void unix_send(void) { socketpair(AF_UNIX, SOCK_STREAM, 0, sp); for (;;) write(sp[1], big, 30000); }
static void unix_dsend(void) { socketpair(AF_UNIX, SOCK_DGRAM, 0, sp); for (;;) send(sp[1], big, 100, 0); }
static int unix_listener(const char *path, int backlog)
{
	struct sockaddr_un x = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(x.sun_path, path);
	unlink(path);
	bind(l, (void *)&x, sizeof(x));
	listen(l, backlog);
	return l;
}
static void unix_accept(void) { accept(unix_listener(at("/tmp/ua%d"), 3), NULL, NULL); }
static void unix_conn(void)
{
	struct sockaddr_un x = { .sun_family = AF_UNIX };

	unix_listener(at("/tmp/uc%d"), 0);
	strcpy(x.sun_path, at("/tmp/uc%d"));
	for (;;)
		connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&x, sizeof(x));
}
static int tcp_listener(int port, int backlog)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
	int l = socket(AF_INET, SOCK_STREAM, 0);

	bind(l, (void *)&a, sizeof(a));
	listen(l, backlog);
	return l;
}
static int tcp_connect(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
	int c = socket(AF_INET, SOCK_STREAM, 0);

	connect(c, (void *)&a, sizeof(a));
	return c;
}
static void tcp_accept(void) { accept4(tcp_listener(8000 + round_no, 3), NULL, NULL, SOCK_CLOEXEC); }
static void tcp_recv(void) { tcp_listener(8100 + round_no, 3); recv(tcp_connect(8100 + round_no), big, 55, MSG_WAITALL); }
static void tcp_send(void) { int c; tcp_listener(8200 + round_no, 3); c = tcp_connect(8200 + round_no); for (;;) write(c, big, sizeof(big)); }
static void tcp_linger(void) { int c; struct linger l = { 1, 30000 }; tcp_listener(8300 + round_no, 3); c = tcp_connect(8300 + round_no); setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)); fcntl(c, F_SETFL, O_NONBLOCK); while (write(c, big, sizeof(big)) > 0) ; close(c); for_ever(); }
static void tcp_conn(void) { int i; tcp_listener(8400 + round_no, 0); for (i = 0; i < 5; i++) tcp_connect(8400 + round_no); }
static void udp_recv(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9000 + round_no) };
	socklen_t n = sizeof(a);
	int d = socket(AF_INET, SOCK_DGRAM, 0);

	bind(d, (void *)&a, sizeof(a));
	recvfrom(d, big, 66, 0, (void *)&a, &n);
}
static void recvmmsg_(void) { struct iovec v = { big, 99 }; struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } } }; socketpair(AF_UNIX, SOCK_DGRAM, 0, sp); recvmmsg(sp[0], m, 1, 0, NULL); }
static void netlink_(void) { struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = 1 << 30 }; int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); bind(s, (void *)&a, sizeof(a)); recv(s, big, 4096, 0); }

/* ---- files that tell of events ---- */

static void inotify_(void) { int i = inotify_init1(0); inotify_add_watch(i, "/mod", IN_CREATE); read(i, big, 4096); }
static void fanotify_(void) { int f = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY); fanotify_mark(f, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "/img"); read(f, big, 4096); }
static void fanotify_perm(void)
{
	int f = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);

	mkdir(at("/tmp/fan%d"), 0700);
	close(open(at("/tmp/fan%d/x"), O_CREAT | O_RDWR, 0600));
	fanotify_mark(f, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, at("/tmp/fan%d/x"));
	open(at("/tmp/fan%d/x"), O_RDONLY);
}
static void eventfd_r(void) { read(eventfd(0, EFD_SEMAPHORE), big, 8); }
static void eventfd_w(void) { int e = eventfd(0, 0); uint64_t v = -2; write(e, &v, 8); v = 3; write(e, &v, 8); }
static void flock_holder(void) { flock(open(at("/tmp/fl%d"), O_RDWR | O_CREAT, 0600), LOCK_EX); for_ever(); }
static void flock_(void) { child("flockhold", flock_holder); ms(200); flock(open(at("/tmp/fl%d"), O_RDWR | O_CREAT, 0600), LOCK_SH); }
static struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 4, .l_len = 10 };
static void posix_holder(void) { fcntl(open(at("/tmp/pl%d"), O_RDWR | O_CREAT, 0600), F_SETLK, &whole); for_ever(); }
static void posix_(void) { child("plockhold", posix_holder); ms(200); fcntl(open(at("/tmp/pl%d"), O_RDWR | O_CREAT, 0600), F_SETLKW, &whole); }
static void ofd_(void) { int a = open(at("/tmp/ol%d"), O_RDWR | O_CREAT, 0600), b = open(at("/tmp/ol%d"), O_RDWR); fcntl(a, F_OFD_SETLK, &whole); fcntl(b, F_OFD_SETLKW, &whole); }
static void lease_holder(void) { int fd = open(at("/tmp/le%d"), O_RDONLY | O_CREAT, 0600); signal(SIGIO, SIG_IGN); fcntl(fd, F_SETLEASE, F_RDLCK); for_ever(); }
static void lease_(void) { child("leasehold", lease_holder); ms(200); open(at("/tmp/le%d"), O_WRONLY); }
static void pty_read(void)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), n = 0;
	char s[32];

	ioctl(m, TIOCSPTLCK, &n);
	ioctl(m, TIOCGPTN, &n);
	snprintf(s, sizeof(s), "/dev/pts/%d", n);
	n = open(s, O_RDWR | O_NOCTTY);
	read(n, big, 77);
}
static void ptm_read(void) { int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), n = 0; ioctl(m, TIOCSPTLCK, &n); ioctl(m, TIOCGPTN, &n); { char s[32]; snprintf(s, 32, "/dev/pts/%d", n); n = open(s, O_RDWR | O_NOCTTY); } read(m, big, 5); }
static void pty_write(void)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), n = 0;
	char s[32];

	ioctl(m, TIOCSPTLCK, &n);
	ioctl(m, TIOCGPTN, &n);
	snprintf(s, sizeof(s), "/dev/pts/%d", n);
	n = open(s, O_RDWR | O_NOCTTY);
	for (;;)
		write(n, big, 4000);
}
static void pty_drain(void)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), n = 0;
	char s[32];

	ioctl(m, TIOCSPTLCK, &n);
	ioctl(m, TIOCGPTN, &n);
	snprintf(s, sizeof(s), "/dev/pts/%d", n);
	n = open(s, O_RDWR | O_NOCTTY);
	tcflow(n, TCOOFF);
	write(n, big, 100);
	for_ever();
}
static void kmsg_read(void) { int k = open("/dev/kmsg", O_RDONLY); lseek(k, 0, SEEK_END); for (;;) read(k, big, 8192); }
static void mounts_poll(void) { struct pollfd f = { .events = POLLPRI }; f.fd = open("/proc/self/mounts", O_RDONLY); poll(&f, 1, -1); }

static void uring(void)
{
	struct io_uring_params p = { 0 };
	int fd = syscall(SYS_io_uring_setup, 8, &p);

	syscall(SYS_io_uring_enter, fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
}
static void aio_(void) { aio_context_t c = 0; struct io_event e; syscall(SYS_io_setup, 8, &c); syscall(SYS_io_getevents, c, 1, 1, &e, NULL); }
static void uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = syscall(SYS_userfaultfd, 0);

	ioctl(fd, UFFDIO_API, &api);
	r.range.start = (uintptr_t)m;
	r.range.len = 8192;
	ioctl(fd, UFFDIO_REGISTER, &r);
	m[4097] = 1;
}
static void uffd_write(void)	/* the kernel's own access to user memory faults */
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = syscall(SYS_userfaultfd, 0);

	mkpipe();
	ioctl(fd, UFFDIO_API, &api);
	r.range.start = (uintptr_t)m;
	r.range.len = 8192;
	ioctl(fd, UFFDIO_REGISTER, &r);
	write(pfd[1], m + 11, 99);
}
static void uffd_read(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	int fd = syscall(SYS_userfaultfd, 0);
	ioctl(fd, UFFDIO_API, &api);
	read(fd, big, 32);
}

/* ---- file systems that do not answer: waitfs, one mount for each task ---- */

static char dir[32];
static void own_fs(const char *n, const char *source)
{
	snprintf(dir, sizeof(dir), "/mnt/%s%d", n, round_no);
	mkdir(dir, 0700);
	if (mount(source, dir, "waitfs", 0, NULL))
		perror("mount waitfs");
	if (chdir(dir))
		perror(dir);
}
static int slow_file(const char *n) { own_fs(n, "none"); return open("slow", O_RDWR | O_CREAT, 0600); }
static void fs_read(void) { read(slow_file("rd"), big, 123); }
static void fs_pread(void) { pread(slow_file("prd"), big, 321, 4097); }
static void fs_write(void) { write(slow_file("wr"), big, 124); }
static void fs_write2_helper(void) { write(open("slow", O_RDWR), big, 124); }
static void fs_write2(void) { int fd = slow_file("wr2"); child("fs_whold", fs_write2_helper); ms(200); pwrite(fd, big, 17, 99); }
static void fs_trunc(void) { int fd = slow_file("tr"); child("fs_whold", fs_write2_helper); ms(200); ftruncate(fd, 5); }
static void fs_chmod(void) { int fd = slow_file("ch"); fchmod(fd, 0644); }
static void fs_unlink2(void) { slow_file("ul2"); child("fs_whold", fs_write2_helper); ms(200); unlink("slow"); }
static void fs_unlink(void) { slow_file("ul"); unlink("slow"); }
static void fs_fsync(void) { own_fs("fsy", "none"); fsync(open("slowsync", O_RDWR | O_CREAT, 0600)); }
static void fs_ioctl(void) { ioctl(slow_file("io"), 0x1234, 0x77); }
static void fs_lock(void) { fcntl(slow_file("lk"), F_SETLKW, &whole); }
static void fs_seek(void) { lseek(slow_file("sk"), 12, SEEK_CUR); }
static void fs_mkdir(void) { own_fs("mk", "none"); mkdir("slowmk", 0700); }
static void mkdir_holder(void) { mkdir("slowmk", 0700); }
static void held_dir(const char *n) { own_fs(n, "none"); mkdir("d", 0700); close(open("f", O_CREAT | O_RDWR, 0600)); child("fs_mkhold", mkdir_holder); ms(200); }
static void dir_mkdir(void) { held_dir("dmk"); mkdir("other", 0700); }
static void dir_unlink(void) { held_dir("dul"); unlink("f"); }
static void dir_rmdir(void) { held_dir("drm"); rmdir("d"); }
static void dir_rename(void) { held_dir("drn"); rename("f", "g"); }
static void dir_xrename(void) { held_dir("dxr"); rename("f", "d/g"); }
static void dir_link(void) { held_dir("dln"); link("f", "l"); }
static void dir_symlink(void) { held_dir("dsy"); symlink("f", "s"); }
static void dir_create(void) { held_dir("dcr"); open("new", O_CREAT | O_RDWR | O_EXCL, 0600); }
static void dir_lookup(void) { struct stat s; held_dir("dlo"); stat("unseen", &s); }
static void dir_readdir(void) { held_dir("drd"); syscall(SYS_getdents64, open(".", O_RDONLY), big, sizeof(big)); }
static void dir_mknod(void) { held_dir("dno"); mknod("n", S_IFIFO | 0600, 0); }
static void fs_lookup(void) { struct stat s; own_fs("lo", "none"); stat("slowlook", &s); }
static void stat_holder(void) { struct stat s; stat("slowlook", &s); }
static void fs_lookup2(void) { own_fs("lo2", "none"); child("fs_lkhold", stat_holder); ms(200); open("slowlook", O_RDONLY); }
static void fs_access(void) { own_fs("ac", "none"); child("fs_lkhold", stat_holder); ms(200); access("slowlook/x/y", R_OK); }
static void fs_exec(void) { own_fs("ex", "none"); child("fs_lkhold", stat_holder); ms(200); execl("slowlook", "a", "b", NULL); }
static void fs_readdir(void) { own_fs("rdd", "none"); mkdir("slow", 0700); syscall(SYS_getdents64, open("slow", O_RDONLY), big, sizeof(big)); }
static void fs_statfs(void) { struct statfs s; slow_file("st"); statfs("slow", &s); }
static void rename_holder(void) { rename("slow", "d/z"); }
static void rename_fs(const char *n) { own_fs(n, "none"); mkdir("d", 0700); mkdir("e", 0700); close(open("slow", O_CREAT | O_RDWR, 0600)); close(open("f", O_CREAT | O_RDWR, 0600)); }
static void fs_rename(void) { rename_fs("rn"); rename("slow", "d/z"); }
static void fs_rename2(void) { rename_fs("rn2"); child("fs_rnhold", rename_holder); ms(200); rename("f", "e/f"); }
static void fs_mount(void) { mkdir(at("/mnt/mnt%d"), 0700); mount("slow", at("/mnt/mnt%d"), "waitfs", 0, NULL); }
static void fs_umount(void) { own_fs("um", "slowend"); chdir("/"); umount(dir); }
static void fs_fault(void) { int fd = slow_file("fa"); char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); big[0] = m[7]; }
static char *fault_at;
static void *fault_thread(void *a) { name("fs_fahold"); big[0] = fault_at[9]; return a; }
static void faulted(const char *n)
{
	int fd = slow_file(n);
	pthread_t t;

	fault_at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pthread_create(&t, NULL, fault_thread, NULL);
	ms(300);
}
static void mm_mmap(void) { faulted("mmm"); mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void mm_munmap(void) { faulted("mmu"); munmap(fault_at, 4096); }
static void mm_protect(void) { faulted("mmp"); mprotect(fault_at, 4096, PROT_READ); }
static void mm_brk(void) { faulted("mmb"); sbrk(1 << 20); }
static void mm_fork(void) { faulted("mmf"); fork(); }
static void mm_madvise(void) { faulted("mma"); madvise(fault_at, 4096, MADV_NORMAL); }
static void mm_read(void) { int p[2]; faulted("mmr"); pipe(p); write(p[1], fault_at + 5, 10); }

/* a disk (loop device) whose file does not answer */
static void loop_disk(const char *n, int no)
{
	char s[32];
	int l, fd = slow_file(n);

	snprintf(s, sizeof(s), "/dev/loop%d", no + round_no * 4);
	l = open(s, O_RDWR);
	if (ioctl(l, 0x4C00 /* LOOP_SET_FD */, fd))
		perror("LOOP_SET_FD");
	sprintf(big, "%s", s);
}
static void disk_read(void) { loop_disk("dr", 4); read(open(big, O_RDONLY), big, 4096); }
static void disk_direct(void)
{
	void *b;

	loop_disk("dd", 5);
	if (posix_memalign(&b, 4096, 8192) == 0)
		read(open(big, O_RDONLY | O_DIRECT), b, 8192);
}
static void disk_sync(void) { int fd; loop_disk("ds", 6); fd = open(big, O_WRONLY); write(fd, big + 4096, 4096); fsync(fd); }

/* a frozen ext4, if there is one at /mnt/img */
#define IMG "/mnt/img/"
static void frozen_write(void) { write(open(IMG "hello.txt", O_RDWR), big, 10); }
static void frozen_mkdir(void) { mkdir(at(IMG "dir%d"), 0700); }
static void frozen_unlink(void) { unlink(IMG "gone.txt"); }
static void frozen_rename(void) { rename(IMG "gone.txt", IMG "here.txt"); }
static void frozen_trunc(void) { truncate(IMG "hello.txt", 1); }
static void frozen_open(void) { open(at(IMG "new%d"), O_CREAT | O_RDWR, 0600); }
static void frozen_chmod(void) { chmod(IMG "hello.txt", 0600); }
static void frozen_xattr(void) { setxattr(IMG "hello.txt", "user.a", "b", 1, 0); }
static void frozen_fault(void) { char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open(IMG "hello.txt", O_RDWR), 0); m[0] = 1; }
static void frozen_alloc(void) { fallocate(open(IMG "hello.txt", O_RDWR), 0, 0, 100000); }
static void frozen_umount(void) { umount2("/mnt/img", 0); }
static void frozen_sync(void) { syncfs(open(IMG "hello.txt", O_RDONLY)); }

/* a FUSE server that never says a word */
static void fuse_fs(const char *n)
{
	char o[96];
	int fd = open("/dev/fuse", O_RDWR);

	snprintf(dir, sizeof(dir), "/mnt/%s%d", n, round_no);
	mkdir(dir, 0700);
	snprintf(o, sizeof(o), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("mute", dir, "fuse", 0, o))
		perror("mount fuse");
}
static void fuse_stat(void) { struct stat s; char p[64]; fuse_fs("fus"); snprintf(p, 64, "%s/x", dir); stat(p, &s); }
static void fuse_statfs(void) { struct statfs s; fuse_fs("fuf"); statfs(dir, &s); }
static void fuse_mkdir(void) { char p[64]; fuse_fs("fum"); snprintf(p, 64, "%s/x", dir); mkdir(p, 0700); }
static void fuse_read(void) { read(open("/dev/fuse", O_RDWR), big, 65536); { int fd = open("/dev/fuse", O_RDWR); char o[96]; mkdir(at("/mnt/fur%d"), 0700); snprintf(o, 96, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd); mount("m", at("/mnt/fur%d"), "fuse", 0, o); read(fd, big, 65536); read(fd, big, 65536); } }

#define WAITS(n) static void k_##n(void) { waits(#n); }
WAITS(mutex) WAITS(mutex_int) WAITS(mutex_kill) WAITS(rw_read) WAITS(rw_read_kill) WAITS(rw_write) WAITS(rw_write_kill)
WAITS(rt) WAITS(percpu_write) WAITS(percpu_read) WAITS(sem) WAITS(sem_int) WAITS(sem_timeout) WAITS(ww) WAITS(srcu)
WAITS(completion) WAITS(completion_int) WAITS(completion_io) WAITS(completion_timeout) WAITS(kthread_stop) WAITS(flush_work)
WAITS(cancel_work) WAITS(flush_wq) WAITS(bit) WAITS(bit_lock) WAITS(bit_timeout) WAITS(var) WAITS(swait) WAITS(msleep) WAITS(wide)

#define T(n) { #n, n },
#define K(n) { "k_" #n, k_##n },
static const struct { const char *name; void (*fn)(void); } table[] = {
	T(pipe_read) T(pipe_readv) T(pipe_write) T(splice_in) T(splice_out) T(tee_in) T(vmsplice_out) T(sendfile_out) T(fifo_open) T(fifo_wopen)
	{ "futex_wait", futex_wait_ }, T(futex_bitset) T(futex_pi) T(futex_waitv)
	{ "poll", poll_ }, T(poll_time) { "ppoll", ppoll_ }, { "select", select_ }, { "pselect", pselect_ }, { "epoll", epoll_ }, T(epoll_time) T(epoll_p)
	{ "nanosleep", nanosleep_ }, T(clock_sleep) { "timerfd", timerfd_ },
	{ "wait4", wait4_ }, { "waitid", waitid_ }, { "vfork", vfork_ }, T(stopped) T(tracer) { "exec", exec_ }, { "leader_gone", exit_group_ },
	{ "sigsuspend", sigsuspend_ }, { "pause", for_ever }, { "sigwait", sigwait_ }, { "signalfd", signalfd_ },
	{ "msgrcv", msgrcv_ }, { "msgsnd", msgsnd_ }, { "semop", semop_ }, T(semtimed) T(mq_recv) T(mq_snd)
	T(unix_recv) T(unix_recvmsg) T(unix_read) T(unix_send) T(unix_dsend) T(unix_accept) T(unix_conn)
	T(tcp_accept) T(tcp_recv) T(tcp_send) T(tcp_linger) T(tcp_conn) T(udp_recv) { "recvmmsg", recvmmsg_ }, { "netlink", netlink_ },
	{ "inotify", inotify_ }, { "fanotify", fanotify_ }, T(fanotify_perm) T(eventfd_r) T(eventfd_w)
	{ "flock", flock_ }, { "posix", posix_ }, { "ofd", ofd_ }, { "lease", lease_ }, T(pty_read) T(ptm_read) T(pty_write) T(pty_drain) T(kmsg_read) T(mounts_poll)
	T(uring) { "aio", aio_ }, T(uffd) T(uffd_write) T(uffd_read)
	T(fs_read) T(fs_pread) T(fs_write) T(fs_write2) T(fs_trunc) T(fs_chmod) T(fs_unlink) T(fs_unlink2) T(fs_fsync) T(fs_ioctl) T(fs_lock) T(fs_seek)
	T(fs_mkdir) T(dir_mkdir) T(dir_unlink) T(dir_rmdir) T(dir_rename) T(dir_xrename) T(dir_link) T(dir_symlink) T(dir_create) T(dir_lookup) T(dir_readdir) T(dir_mknod)
	T(fs_lookup) T(fs_lookup2) T(fs_access) T(fs_exec) T(fs_readdir) T(fs_statfs) T(fs_rename) T(fs_rename2) T(fs_mount) T(fs_umount)
	T(fs_fault) T(mm_mmap) T(mm_munmap) T(mm_protect) T(mm_brk) T(mm_fork) T(mm_madvise) T(mm_read)
	T(disk_read) T(disk_direct) T(disk_sync)
	T(frozen_write) T(frozen_mkdir) T(frozen_unlink) T(frozen_rename) T(frozen_trunc) T(frozen_open) T(frozen_chmod) T(frozen_xattr) T(frozen_fault) T(frozen_alloc) T(frozen_sync)
	T(fuse_stat) T(fuse_statfs) T(fuse_mkdir) T(fuse_read)
	K(mutex) K(mutex_int) K(mutex_kill) K(rw_read) K(rw_read_kill) K(rw_write) K(rw_write_kill) K(rt) K(percpu_write) K(percpu_read) K(sem) K(sem_int)
	K(sem_timeout) K(ww) K(srcu) K(completion) K(completion_int) K(completion_io) K(completion_timeout) K(kthread_stop) K(flush_work) K(cancel_work)
	K(flush_wq) K(bit) K(bit_lock) K(bit_timeout) K(var) K(swait) K(msleep) K(wide)
	/* last: nobody finds the file system any more */
	T(frozen_umount)
};

int main(int argc, char **argv)
{
	unsigned int i;
	int j, fd;

	if (argc < 2)
		return 2;
	signal(SIGCHLD, SIG_DFL);
	round_no = atoi(argv[1]);
	waits("holders");
	fd = open("/mnt/img", O_RDONLY);
	if (fd >= 0 && round_no == 0)
		ioctl(fd, FIFREEZE, 0);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (j = 2; j < argc && strcmp(argv[j], table[i].name); j++)
			;
		if (argc == 2 || j < argc)
			child(table[i].name, table[i].fn);
		/* not all at once: two processors */
		if (i % 8 == 7)
			ms(100);
	}
	close(fd);
	ms(3000);
	return 0;
}
