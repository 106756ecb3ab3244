// SPDX-License-Identifier: GPL-2.0
/*
 * locks - every kind of lock: a deadlock of two, and fair contention.
 * Written to /dev/locks:
 *
 *   pair KIND N     N = 0: takes lock a, then wants b; N = 1: the other way round
 *   want KIND N     wants lock a (N = 0) or b (N = 1), holds none (a victim)
 *   fair KIND N     takes a and then b, for short, again and again (innocent)
 *
 * KIND: mutex, rwsem, readers (each holds one for reading, wants the other for
 * writing), sem, percpu, rt, ww, bit, folio; and, best with four processors:
 * spin, rwlock.
 *
 * Hangs of two that are not of one kind:
 *
 *   srcu N          0: a reader that wants the mutex; 1: holds it, waits for the readers
 *   done N          0: holds the mutex, waits for a completion; 1: wants the mutex before it completes
 *   stop N          0: holds the mutex, waits for a thread to stop that wants it; (alone)
 *   ordered N       a work item that flushes another behind it on an ordered queue (alone)
 *   wake N          0: holds the rwsem, waits for a flag; 1: wants the rwsem before it sets the flag
 *   seq N           0: begins to write under a sequence count and never ends; 1: reads (spins)
 *   fairdone N, fairsrcu N, fairwork N   the same things done right, again and again
 */
#include "labcompat.h"
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/mutex.h>
#include <linux/rtmutex.h>
#include <linux/ww_mutex.h>
#include <linux/rwsem.h>
#include <linux/percpu-rwsem.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/seqlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/workqueue.h>
#include <linux/delay.h>
#include <linux/pagemap.h>
#include <linux/miscdevice.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

static bool stop_fair;

/* not mdelay(): an emulated processor's idea of its own speed may be far off */
static void spin_pause(unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);

	while (time_before(jiffies, end))
		cpu_relax();
}

#define KIND(x) mutex_##x
static struct mutex KIND(a), KIND(b);
#define LOCK struct mutex
#define NAME "mutex"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) mutex_lock(l)
#define TAKE_SECOND(l) mutex_lock(l)
#define GIVE_FIRST(l) mutex_unlock(l)
#define GIVE_SECOND(l) mutex_unlock(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

#define KIND(x) rwsem_##x
static struct rw_semaphore KIND(a), KIND(b);
#define LOCK struct rw_semaphore
#define NAME "rwsem"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) down_write(l)
#define TAKE_SECOND(l) down_write(l)
#define GIVE_FIRST(l) up_write(l)
#define GIVE_SECOND(l) up_write(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

#define KIND(x) readers_##x
static struct rw_semaphore KIND(a), KIND(b);
#define LOCK struct rw_semaphore
#define NAME "rwsem"
#define FIRST "read"
#define SECOND "write"
#define TAKE_FIRST(l) down_read(l)
#define TAKE_SECOND(l) down_write(l)
#define GIVE_FIRST(l) up_read(l)
#define GIVE_SECOND(l) up_write(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

#define KIND(x) sem_##x
static struct semaphore KIND(a), KIND(b);
#define LOCK struct semaphore
#define NAME "semaphore"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) down(l)
#define TAKE_SECOND(l) down(l)
#define GIVE_FIRST(l) up(l)
#define GIVE_SECOND(l) up(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

#define KIND(x) percpu_##x
static struct percpu_rw_semaphore KIND(a), KIND(b);
#define LOCK struct percpu_rw_semaphore
#define NAME "percpu_rwsem"
#define FIRST "read"
#define SECOND "write"
#define TAKE_FIRST(l) percpu_down_read(l)
#define TAKE_SECOND(l) percpu_down_write(l)
#define GIVE_FIRST(l) percpu_up_read(l)
#define GIVE_SECOND(l) percpu_up_write(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

#define KIND(x) rt_##x
static struct rt_mutex KIND(a), KIND(b);
#define LOCK struct rt_mutex
#define NAME "rt_mutex"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) rt_mutex_lock(l)
#define TAKE_SECOND(l) rt_mutex_lock(l)
#define GIVE_FIRST(l) rt_mutex_unlock(l)
#define GIVE_SECOND(l) rt_mutex_unlock(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

static DEFINE_WW_CLASS(locks_ww);
#define KIND(x) ww_##x
static struct ww_mutex KIND(a), KIND(b);
#define LOCK struct ww_mutex
#define NAME "ww_mutex"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) (void)ww_mutex_lock(l, NULL)
#define TAKE_SECOND(l) (void)ww_mutex_lock(l, NULL)
#define GIVE_FIRST(l) ww_mutex_unlock(l)
#define GIVE_SECOND(l) ww_mutex_unlock(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

/* bit 0 of a word, as inodes and buffers have it */
#define KIND(x) bit_##x
static unsigned long KIND(a), KIND(b);
#define LOCK unsigned long
#define NAME "bit lock"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) wait_on_bit_lock(l, 0, TASK_UNINTERRUPTIBLE)
#define TAKE_SECOND(l) wait_on_bit_lock(l, 0, TASK_UNINTERRUPTIBLE)
#define GIVE(l) do { clear_bit_unlock(0, l); smp_mb__after_atomic(); wake_up_bit(l, 0); } while (0)
#define GIVE_FIRST(l) GIVE(l)
#define GIVE_SECOND(l) GIVE(l)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

struct paged { struct page *pg; };
#define KIND(x) folio_##x
static struct paged KIND(a), KIND(b);
#define LOCK struct paged
#define NAME "folio lock"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) lock_page((l)->pg)
#define TAKE_SECOND(l) lock_page((l)->pg)
#define GIVE_FIRST(l) unlock_page((l)->pg)
#define GIVE_SECOND(l) unlock_page((l)->pg)
#define PAUSE(n) msleep(n)
#include "lockpair.h"

#define KIND(x) spin_##x
static spinlock_t KIND(a), KIND(b);
#define LOCK spinlock_t
#define NAME "spinlock"
#define FIRST "write"
#define SECOND "write"
#define TAKE_FIRST(l) spin_lock(l)
#define TAKE_SECOND(l) spin_lock(l)
#define GIVE_FIRST(l) spin_unlock(l)
#define GIVE_SECOND(l) spin_unlock(l)
#define PAUSE(n) spin_pause(n)
#include "lockpair.h"

#define KIND(x) rwlock_##x
static rwlock_t KIND(a), KIND(b);
#define LOCK rwlock_t
#define NAME "rwlock"
#define FIRST "read"
#define SECOND "write"
#define TAKE_FIRST(l) read_lock(l)
#define TAKE_SECOND(l) write_lock(l)
#define GIVE_FIRST(l) read_unlock(l)
#define GIVE_SECOND(l) write_unlock(l)
#define PAUSE(n) spin_pause(n)
#include "lockpair.h"

/* ---- of two kinds ---- */

static DEFINE_MUTEX(mixed_mutex);
static DECLARE_RWSEM(mixed_sem);
DEFINE_STATIC_SRCU(mixed_srcu);
static DECLARE_COMPLETION(mixed_done);
static DECLARE_WAIT_QUEUE_HEAD(mixed_queue);
static bool mixed_flag;
static seqcount_t mixed_seq;
static unsigned long mixed_value;

static noinline void srcu_reader(void)
{
	int idx;

	idx = srcu_read_lock(&mixed_srcu);
	HOLDS(&mixed_srcu, "srcu", "read");
	msleep(1500);
	WANTS(&mixed_mutex, "mutex", "write");
	mutex_lock(&mixed_mutex);
	mutex_unlock(&mixed_mutex);
	srcu_read_unlock(&mixed_srcu, idx);
}

static noinline void srcu_updater(void)
{
	mutex_lock(&mixed_mutex);
	HOLDS(&mixed_mutex, "mutex", "write");
	msleep(1000);
	WANTS(&mixed_srcu, "srcu", "write");
	synchronize_srcu(&mixed_srcu);
	mutex_unlock(&mixed_mutex);
}

static noinline void done_waiter(void)
{
	mutex_lock(&mixed_mutex);
	HOLDS(&mixed_mutex, "mutex", "write");
	msleep(500);
	WANTS(&mixed_done, "completion", "wait");
	wait_for_completion(&mixed_done);
	mutex_unlock(&mixed_mutex);
}

static noinline void done_completer(void)
{
	msleep(1000);
	WANTS(&mixed_mutex, "mutex", "write");
	mutex_lock(&mixed_mutex);
	complete(&mixed_done);
	mutex_unlock(&mixed_mutex);
}

static noinline void wake_waiter(void)
{
	down_write(&mixed_sem);
	HOLDS(&mixed_sem, "rwsem", "write");
	msleep(500);
	WANTS(&mixed_queue, "wait queue", "wait");
	wait_event(mixed_queue, READ_ONCE(mixed_flag));
	up_write(&mixed_sem);
}

static noinline void wake_setter(void)
{
	msleep(1000);
	WANTS(&mixed_sem, "rwsem", "read");
	down_read(&mixed_sem);
	WRITE_ONCE(mixed_flag, true);
	wake_up(&mixed_queue);
	up_read(&mixed_sem);
}

static int stop_thread(void *arg)
{
	msleep(1000);
	WANTS(&mixed_mutex, "mutex", "write");
	mutex_lock(&mixed_mutex);
	mutex_unlock(&mixed_mutex);
	while (!kthread_should_stop())
		msleep(100);
	return 0;
}

static noinline void stop_stopper(void)
{
	struct task_struct *t;

	mutex_lock(&mixed_mutex);
	HOLDS(&mixed_mutex, "mutex", "write");
	t = kthread_run(stop_thread, NULL, "locks_thread");
	msleep(2000);
	WANTS(t, "task", "wait");
	kthread_stop(t);
	mutex_unlock(&mixed_mutex);
}

static struct workqueue_struct *ordered;
static void second_fn(struct work_struct *work) { mixed_value++; }
static DECLARE_WORK(second_work, second_fn);

static void first_fn(struct work_struct *work)
{
	queue_work(ordered, &second_work);
	msleep(500);
	WANTS(&second_work, "work", "wait");
	flush_work(&second_work);
}
static DECLARE_WORK(first_work, first_fn);

static noinline void ordered_waiter(void)
{
	queue_work(ordered, &first_work);
	msleep(1000);
	WANTS(&first_work, "work", "wait");
	flush_work(&first_work);
}

static noinline void seq_writer(void)
{
	preempt_disable();
	write_seqcount_begin(&mixed_seq);
	HOLDS(&mixed_seq, "seqcount", "write");
	mixed_value++;
	if (mixed_value > 100)
		write_seqcount_end(&mixed_seq);		/* the error path forgot */
	preempt_enable();
}

static noinline unsigned long seq_read_value(void)
{
	unsigned long v;
	unsigned int s;

	do {
		s = read_seqcount_begin(&mixed_seq);
		v = mixed_value;
	} while (read_seqcount_retry(&mixed_seq, s));
	return v;
}

static noinline unsigned long seq_reader(void)
{
	WANTS(&mixed_seq, "seqcount", "read");
	return seq_read_value() + 1;
}

/* ---- the same, done right ---- */

struct fair_job {
	struct work_struct	work;
	struct completion	done;
};

static void fair_done_fn(struct work_struct *work)
{
	struct fair_job *j = container_of(work, struct fair_job, work);

	msleep(15);
	complete(&j->done);
}

static noinline void fair_done(void)
{
	struct fair_job j;

	INIT_WORK_ONSTACK(&j.work, fair_done_fn);
	while (!READ_ONCE(stop_fair)) {
		init_completion(&j.done);
		schedule_work(&j.work);
		wait_for_completion(&j.done);
		flush_work(&j.work);
	}
	destroy_work_on_stack(&j.work);
}

static noinline void fair_srcu(int n)
{
	int idx;

	while (!READ_ONCE(stop_fair)) {
		if (n) {
			idx = srcu_read_lock(&mixed_srcu);
			msleep(7);
			srcu_read_unlock(&mixed_srcu, idx);
			msleep(2);
		} else {
			mutex_lock(&mixed_mutex);
			synchronize_srcu(&mixed_srcu);
			mutex_unlock(&mixed_mutex);
		}
	}
}

static noinline void fair_seq(int n)
{
	while (!READ_ONCE(stop_fair)) {
		if (n) {
			seq_read_value();
		} else {
			preempt_disable();
			write_seqcount_begin(&mixed_seq);
			mixed_value++;
			write_seqcount_end(&mixed_seq);
			preempt_enable();
		}
		msleep(1);
	}
}

/* ---- commands ---- */

#define ROW(k) { #k, k##_run }
static const struct { const char *name; void (*run)(char how, int n); } kinds[] = {
	ROW(mutex), ROW(rwsem), ROW(readers), ROW(sem), ROW(percpu), ROW(rt), ROW(ww), ROW(bit), ROW(folio), ROW(spin), ROW(rwlock),
};

static noinline int run_mixed(const char *word, int n)
{
	if (!strcmp(word, "srcu"))
		n ? srcu_updater() : srcu_reader();
	else if (!strcmp(word, "done"))
		n ? done_completer() : done_waiter();
	else if (!strcmp(word, "wake"))
		n ? wake_setter() : wake_waiter();
	else if (!strcmp(word, "stop"))
		stop_stopper();
	else if (!strcmp(word, "ordered"))
		ordered_waiter();
	else if (!strcmp(word, "seq"))
		n ? (void)seq_reader() : seq_writer();
	else if (!strcmp(word, "fairdone"))
		fair_done();
	else if (!strcmp(word, "fairsrcu"))
		fair_srcu(n);
	else if (!strcmp(word, "fairseq"))
		fair_seq(n);
	else
		return -EINVAL;
	return 0;
}

static ssize_t locks_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	char cmd[48] = "", word[16] = "", kind[16] = "";
	int i, no = 0;

	if (n >= sizeof(cmd) || copy_from_user(cmd, buf, n))
		return -EFAULT;
	if (sscanf(cmd, "%15s %d", word, &no) == 2)
		return run_mixed(word, no) ?: n;
	if (sscanf(cmd, "%15s %15s %d", word, kind, &no) != 3)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, kind))
			continue;
		kinds[i].run(word[0], no);
		return n;
	}
	return -EINVAL;
}

static const struct file_operations locks_fops = { .owner = THIS_MODULE, .write = locks_write };
static struct miscdevice locks_dev = { .minor = MISC_DYNAMIC_MINOR, .name = "locks", .fops = &locks_fops };

static int __init locks_init(void)
{
	mutex_init(&mutex_a);
	mutex_init(&mutex_b);
	init_rwsem(&rwsem_a);
	init_rwsem(&rwsem_b);
	init_rwsem(&readers_a);
	init_rwsem(&readers_b);
	sema_init(&sem_a, 1);
	sema_init(&sem_b, 1);
	rt_mutex_init(&rt_a);
	rt_mutex_init(&rt_b);
	ww_mutex_init(&ww_a, &locks_ww);
	ww_mutex_init(&ww_b, &locks_ww);
	spin_lock_init(&spin_a);
	spin_lock_init(&spin_b);
	rwlock_init(&rwlock_a);
	rwlock_init(&rwlock_b);
	seqcount_init(&mixed_seq);
	folio_a.pg = alloc_page(GFP_KERNEL);
	folio_b.pg = alloc_page(GFP_KERNEL);
	ordered = alloc_ordered_workqueue("locks_ordered", 0);
	if (!folio_a.pg || !folio_b.pg || !ordered || percpu_init_rwsem(&percpu_a) || percpu_init_rwsem(&percpu_b))
		return -ENOMEM;
	/* no way out: somebody waits here for ever */
	__module_get(THIS_MODULE);
	return misc_register(&locks_dev);
}

static void __exit locks_exit(void)
{
}

module_init(locks_init);
module_exit(locks_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("every kind of lock, guilty and innocent");
