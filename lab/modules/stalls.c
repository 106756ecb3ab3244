// SPDX-License-Identifier: GPL-2.0
/*
 * stalls - tasks that wait for each other through what is no lock of theirs: a grace period, a thread that is to park,
 * a workqueue that lets no more run, another processor's answer, a bit; and the same things done right.
 * Written to /dev/stalls:
 *
 *   victim 0        wants the mutex, holds nothing
 *   rcu N           0: wants the mutex inside rcu_read_lock(); 1: holds it and waits for a grace period
 *   barrier 1, rcudone 1, expedited 1   as "rcu 1", by rcu_barrier(), by a callback that completes, in a hurry
 *   rculoop 0       inside rcu_read_lock() for ever, on its processor
 *   loop 0          never lets anybody else run on its processor
 *   tasks 1         holds the mutex and waits until every task has been switched out
 *   park 0          holds the mutex and parks a thread that wants it
 *   inactive 0      holds the mutex and flushes work that waits behind work that wants it: one at a time (two at a time:
 *                   inactive 1)
 *   flushall 0, drain 0, cancel 0       holds the mutex and flushes, drains, cancels; the work wants it
 *   csd N           0: holds the spinlock and calls processor 1; 1: wants it with interrupts off; 2: calls all processors
 *   bitspin N       takes bit spinlock N and then wants the other (2, 3: a victim)
 *   bucket N        the same with the locks of hash buckets
 *   writer N        0: begins to write under a sequence count, then wants the mutex; 1: holds it and reads (spins)
 *   looper 0        holds the mutex and the rwsem and never lets anybody else run on its processor
 *   spinner N       wants the mutex (0) or the rwsem (1) and spins for as long as its holder runs
 *   swait N, bitwait N, varwait N       0: holds the mutex and waits to be told; 1: wants it before it tells
 *   fair WORD N is written "fWORD N": the same done right, again and again
 */
#include "labcompat.h"
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/bit_spinlock.h>
#include <linux/list_bl.h>
#include <linux/seqlock.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/swait.h>
#include <linux/wait_bit.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/kprobes.h>
#include <linux/workqueue.h>
#include <linux/smp.h>
#include <linux/delay.h>
#include <linux/miscdevice.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(stalls_mutex);
static DECLARE_RWSEM(stalls_sem);
static DEFINE_SPINLOCK(stalls_spin);
static unsigned long stalls_value;
static void *rcu_state_address, *rcu_tasks_address, *call_queue_offset;

/* not mdelay(): an emulated processor's idea of its own speed may be far off */
static void spin_pause(unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);

	while (time_before(jiffies, end))
		cpu_relax();
}

static noinline void victim(void)
{
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	mutex_unlock(&stalls_mutex);
}

/* ---- grace periods ---- */

static noinline void rcu_reader(void)
{
	rcu_read_lock();
	HOLDS(rcu_state_address, "rcu", "read");
	msleep(1500);
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
	rcu_read_unlock();
}

static noinline void rcu_updater(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	msleep(1000);
	WANTS(rcu_state_address, "rcu", "wait");
	synchronize_rcu();
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void expedited_updater(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	msleep(1000);
	WANTS(rcu_state_address, "rcu", "wait");
	synchronize_rcu_expedited();
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

struct garbage {
	long			g_serial;
	struct rcu_head		g_rcu;
	struct completion	g_done;
};

static void garbage_freed(struct rcu_head *head)
{
	complete(&container_of(head, struct garbage, g_rcu)->g_done);
}

static noinline void rcu_barrier_waiter(struct garbage *g)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	msleep(1000);
	call_rcu(&g->g_rcu, garbage_freed);
	WANTS(rcu_state_address, "rcu", "wait");
	rcu_barrier();
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void rcu_done_waiter(struct garbage *g)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	msleep(1000);
	call_rcu(&g->g_rcu, garbage_freed);
	WANTS(&g->g_done, "completion", "wait");
	wait_for_completion(&g->g_done);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void rcu_looper(void)
{
	rcu_read_lock();
	HOLDS(rcu_state_address, "rcu", "read");
	while (READ_ONCE(stalls_value) < 1000000)
		cpu_relax();
	rcu_read_unlock();
}

static noinline void plain_looper(void)
{
	stalls_value++;
	HOLDS(rcu_tasks_address, "rcu tasks", "read");
	while (READ_ONCE(stalls_value) < 1000000)
		cpu_relax();
}

static noinline void tasks_waiter(void)
{
#ifdef CONFIG_TASKS_RCU
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	msleep(500);
	WANTS(rcu_tasks_address, "rcu tasks", "wait");
	synchronize_rcu_tasks();
	stalls_value++;
	mutex_unlock(&stalls_mutex);
#endif
}

/* ---- threads that park ---- */

static int park_thread(void *arg)
{
	msleep(1000);
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
	while (!kthread_should_stop()) {
		if (kthread_should_park())
			kthread_parkme();
		msleep(100);
	}
	return 0;
}

static noinline void parker(void)
{
	struct task_struct *t;

	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	t = kthread_run(park_thread, NULL, "stalls_thread");
	msleep(2000);
	WANTS(t, "task", "wait");
	kthread_park(t);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

/* ---- work ---- */

static struct workqueue_struct *one_queue, *two_queue, *free_queue;

static void locked_fn(struct work_struct *work)
{
	msleep(200);
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static void quick_fn(struct work_struct *work)
{
	stalls_value++;
}

static DECLARE_WORK(locked_work, locked_fn);
static DECLARE_WORK(other_locked_work, locked_fn);
static DECLARE_WORK(quick_work, quick_fn);

static noinline void inactive_flusher(struct workqueue_struct *queue)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	queue_work_on(0, queue, &locked_work);
	if (queue == two_queue)
		queue_work_on(0, queue, &other_locked_work);
	queue_work_on(0, queue, &quick_work);
	msleep(1000);
	WANTS(&quick_work, "work", "wait");
	flush_work(&quick_work);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void queue_flusher(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	queue_work(free_queue, &locked_work);
	msleep(1000);
	WANTS(free_queue, "workqueue", "wait");
	flush_workqueue(free_queue);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void queue_drainer(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	queue_work(free_queue, &locked_work);
	msleep(1000);
	WANTS(free_queue, "workqueue", "wait");
	drain_workqueue(free_queue);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void work_canceller(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	queue_work(free_queue, &locked_work);
	msleep(1000);
	WANTS(&locked_work, "work", "wait");
	cancel_work_sync(&locked_work);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

/* ---- another processor ---- */

static void *call_queue(int cpu)
{
	return call_queue_offset ? per_cpu_ptr((void __percpu *)call_queue_offset, cpu) : NULL;
}

static void answer(void *arg)
{
	(*(unsigned long *)arg)++;
}

static noinline void cpu_caller(void)
{
	spin_lock(&stalls_spin);
	HOLDS(&stalls_spin, "spinlock", "write");
	spin_pause(1500);
	WANTS(call_queue(1), "cpu call", "wait");
	smp_call_function_single(1, answer, &stalls_value, 1);
	stalls_value++;
	spin_unlock(&stalls_spin);
}

static noinline void cpu_deaf(void)
{
	unsigned long flags;

	spin_pause(1000);
	local_irq_save(flags);
	WANTS(&stalls_spin, "spinlock", "write");
	spin_lock(&stalls_spin);
	stalls_value++;
	spin_unlock(&stalls_spin);
	local_irq_restore(flags);
}

static noinline void cpu_caller_of_all(void)
{
	spin_pause(4000);
	WANTS(call_queue(1), "cpu call", "wait");
	on_each_cpu(answer, &stalls_value, 1);
	stalls_value++;
}

/* ---- bits that are spun for ---- */

static unsigned long bits_a, bits_b;
static struct hlist_bl_head bucket_a, bucket_b;

static noinline void bitspin_pair(unsigned long *a, unsigned long *b)
{
	bit_spin_lock(3, a);
	HOLDS(a, "bit spinlock", "write");
	spin_pause(1500);
	WANTS(b, "bit spinlock", "write");
	bit_spin_lock(3, b);
	stalls_value++;
	bit_spin_unlock(3, b);
	bit_spin_unlock(3, a);
}

static noinline void bitspin_want(unsigned long *a)
{
	WANTS(a, "bit spinlock", "write");
	bit_spin_lock(3, a);
	stalls_value++;
	bit_spin_unlock(3, a);
}

static noinline void bucket_pair(struct hlist_bl_head *a, struct hlist_bl_head *b)
{
	hlist_bl_lock(a);
	HOLDS(a, "bit spinlock", "write");
	spin_pause(1500);
	WANTS(b, "bit spinlock", "write");
	hlist_bl_lock(b);
	stalls_value++;
	hlist_bl_unlock(b);
	hlist_bl_unlock(a);
}

/* ---- a writer who sleeps ---- */

static seqcount_t stalls_seq;

static noinline void seq_writer(void)
{
	write_seqcount_begin(&stalls_seq);
	HOLDS(&stalls_seq, "seqcount", "write");
	stalls_value++;
	msleep(1500);
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
	write_seqcount_end(&stalls_seq);
}

static noinline unsigned long seq_read_value(void)
{
	unsigned long v;
	unsigned int s;

	do {
		s = read_seqcount_begin(&stalls_seq);
		v = stalls_value;
	} while (read_seqcount_retry(&stalls_seq, s));
	return v;
}

static noinline void seq_reader(void)
{
	unsigned int s;

	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	msleep(1000);
	do {
		WANTS(&stalls_seq, "seqcount", "read");
		s = read_seqcount_begin(&stalls_seq);
		stalls_value++;
	} while (read_seqcount_retry(&stalls_seq, s));
	mutex_unlock(&stalls_mutex);
}

/* ---- holders that run ---- */

static noinline void looper(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	down_write(&stalls_sem);
	HOLDS(&stalls_sem, "rwsem", "write");
	while (READ_ONCE(stalls_value) < 1000000)
		cpu_relax();
	up_write(&stalls_sem);
	mutex_unlock(&stalls_mutex);
}

static noinline void sem_spinner(void)
{
	WANTS(&stalls_sem, "rwsem", "write");
	down_write(&stalls_sem);
	stalls_value++;
	up_write(&stalls_sem);
}

/* ---- those who wait to be told ---- */

static DECLARE_SWAIT_QUEUE_HEAD(stalls_swait);
static unsigned long told_word, told_var;
static bool told;

static noinline void swait_waiter(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	WANTS(&stalls_swait, "swait queue", "wait");
	swait_event_exclusive(stalls_swait, READ_ONCE(told));
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void swait_teller(void)
{
	msleep(1000);
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	WRITE_ONCE(told, true);
	swake_up_one(&stalls_swait);
	mutex_unlock(&stalls_mutex);
}

static noinline void bit_waiter(void)
{
	set_bit(2, &told_word);
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	WANTS(&told_word, "bit wait", "wait");
	wait_on_bit(&told_word, 2, TASK_UNINTERRUPTIBLE);
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void bit_teller(void)
{
	msleep(1000);
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	clear_bit_unlock(2, &told_word);
	smp_mb__after_atomic();
	wake_up_bit(&told_word, 2);
	mutex_unlock(&stalls_mutex);
}

static noinline void var_waiter(void)
{
	mutex_lock(&stalls_mutex);
	HOLDS(&stalls_mutex, "mutex", "write");
	WANTS(&told_var, "bit wait", "wait");
	wait_var_event(&told_var, READ_ONCE(told_var));
	stalls_value++;
	mutex_unlock(&stalls_mutex);
}

static noinline void var_teller(void)
{
	msleep(1000);
	WANTS(&stalls_mutex, "mutex", "write");
	mutex_lock(&stalls_mutex);
	WRITE_ONCE(told_var, 1);
	wake_up_var(&told_var);
	mutex_unlock(&stalls_mutex);
}

/* ---- done right ---- */

static void fair_rcu(int n)
{
	struct garbage g;

	for (;;) {
		if (n == 0) {
			rcu_read_lock();
			spin_pause(5);
			rcu_read_unlock();
			msleep(1);
			continue;
		}
		mutex_lock(&stalls_mutex);
		if (n == 1) {
			synchronize_rcu();
		} else if (n == 2) {
			init_completion(&g.g_done);
			call_rcu(&g.g_rcu, garbage_freed);
			rcu_barrier();
		} else if (n == 3) {
			synchronize_rcu_expedited();
		} else {
#ifdef CONFIG_TASKS_RCU
			synchronize_rcu_tasks();
#endif
		}
		mutex_unlock(&stalls_mutex);
		msleep(3);
	}
}

static int fair_park_thread(void *arg)
{
	for (;;) {
		if (kthread_should_park())
			kthread_parkme();
		msleep(30);
	}
	return 0;
}

static void fair_park(void)
{
	struct task_struct *t = kthread_run(fair_park_thread, NULL, "stalls_thread");

	for (;;) {
		mutex_lock(&stalls_mutex);
		kthread_park(t);
		kthread_unpark(t);
		mutex_unlock(&stalls_mutex);
		msleep(5);
	}
}

static void fair_fn(struct work_struct *work)
{
	msleep(20);
}
static DECLARE_WORK(fair_work, fair_fn);

static void fair_inactive(int n)
{
	for (;;) {
		mutex_lock(&stalls_mutex);
		queue_work_on(0, one_queue, &fair_work);
		queue_work_on(0, one_queue, &quick_work);
		if (n == 0)
			flush_work(&quick_work);
		else if (n == 1)
			flush_workqueue(one_queue);
		else
			cancel_work_sync(&fair_work);
		mutex_unlock(&stalls_mutex);
		msleep(5);
	}
}

static void fair_told(int n)
{
	static atomic_t turn;

	for (;;) {
		if (n == 0) {
			mutex_lock(&stalls_mutex);
			swait_event_exclusive(stalls_swait, READ_ONCE(told));
			WRITE_ONCE(told, false);
			set_bit(2, &told_word);
			wait_on_bit(&told_word, 2, TASK_UNINTERRUPTIBLE);
			wait_var_event(&told_var, READ_ONCE(told_var));
			WRITE_ONCE(told_var, 0);
			mutex_unlock(&stalls_mutex);
			msleep(5);
			continue;
		}
		msleep(10);
		switch (atomic_inc_return(&turn) % 3) {
		case 0:
			WRITE_ONCE(told, true);
			swake_up_one(&stalls_swait);
			break;
		case 1:
			clear_bit_unlock(2, &told_word);
			smp_mb__after_atomic();
			wake_up_bit(&told_word, 2);
			break;
		default:
			WRITE_ONCE(told_var, 1);
			wake_up_var(&told_var);
		}
	}
}

static void fair_calls(int n)
{
	unsigned long flags;

	for (;;) {
		if (n == 1) {
			local_irq_save(flags);
			spin_lock(&stalls_spin);
			stalls_value++;
			spin_unlock(&stalls_spin);
			mdelay(2);
			local_irq_restore(flags);
		} else if (n == 0) {
			smp_call_function_single(1, answer, &stalls_value, 1);
		} else {
			on_each_cpu(answer, &stalls_value, 1);
		}
		cond_resched();
	}
}

static void fair_bits(int n)
{
	for (;;) {
		bit_spin_lock(3, &bits_a);
		spin_pause(4);
		bit_spin_lock(3, &bits_b);
		stalls_value++;
		bit_spin_unlock(3, &bits_b);
		bit_spin_unlock(3, &bits_a);
		hlist_bl_lock(&bucket_a);
		spin_pause(4);
		hlist_bl_unlock(&bucket_a);
		cond_resched();
	}
}

static void fair_seq(int n)
{
	for (;;) {
		if (n) {
			seq_read_value();
		} else {
			preempt_disable();
			write_seqcount_begin(&stalls_seq);
			spin_pause(8);
			stalls_value++;
			write_seqcount_end(&stalls_seq);
			preempt_enable();
		}
		cond_resched();
	}
}

static void fair_spinners(int n)
{
	for (;;) {
		mutex_lock(&stalls_mutex);
		spin_pause(8);
		mutex_unlock(&stalls_mutex);
		down_write(&stalls_sem);
		spin_pause(8);
		up_write(&stalls_sem);
		cond_resched();
	}
}

/* ---- commands ---- */

static int run(const char *word, int n)
{
	struct garbage g = { .g_serial = 1 };

	init_completion(&g.g_done);
	if (!strcmp(word, "victim"))
		victim();
	else if (!strcmp(word, "rcu"))
		n ? rcu_updater() : rcu_reader();
	else if (!strcmp(word, "expedited"))
		expedited_updater();
	else if (!strcmp(word, "barrier"))
		rcu_barrier_waiter(&g);
	else if (!strcmp(word, "rcudone"))
		rcu_done_waiter(&g);
	else if (!strcmp(word, "rculoop"))
		rcu_looper();
	else if (!strcmp(word, "loop"))
		plain_looper();
	else if (!strcmp(word, "tasks"))
		tasks_waiter();
	else if (!strcmp(word, "park"))
		parker();
	else if (!strcmp(word, "inactive"))
		inactive_flusher(n ? two_queue : one_queue);
	else if (!strcmp(word, "flushall"))
		queue_flusher();
	else if (!strcmp(word, "drain"))
		queue_drainer();
	else if (!strcmp(word, "cancel"))
		work_canceller();
	else if (!strcmp(word, "csd"))
		n == 0 ? cpu_caller() : n == 1 ? cpu_deaf() : cpu_caller_of_all();
	else if (!strcmp(word, "bitspin") && n < 2)
		bitspin_pair(n ? &bits_b : &bits_a, n ? &bits_a : &bits_b);
	else if (!strcmp(word, "bitspin"))
		bitspin_want(n == 2 ? &bits_a : &bits_b);
	else if (!strcmp(word, "bucket"))
		bucket_pair(n ? &bucket_b : &bucket_a, n ? &bucket_a : &bucket_b);
	else if (!strcmp(word, "writer"))
		n ? seq_reader() : seq_writer();
	else if (!strcmp(word, "looper"))
		looper();
	else if (!strcmp(word, "spinner"))
		n ? sem_spinner() : victim();
	else if (!strcmp(word, "swait"))
		n ? swait_teller() : swait_waiter();
	else if (!strcmp(word, "bitwait"))
		n ? bit_teller() : bit_waiter();
	else if (!strcmp(word, "varwait"))
		n ? var_teller() : var_waiter();
	else if (!strcmp(word, "frcu"))
		fair_rcu(n);
	else if (!strcmp(word, "fpark"))
		fair_park();
	else if (!strcmp(word, "finactive"))
		fair_inactive(n);
	else if (!strcmp(word, "ftold"))
		fair_told(n);
	else if (!strcmp(word, "fcsd"))
		fair_calls(n);
	else if (!strcmp(word, "fbitspin"))
		fair_bits(n);
	else if (!strcmp(word, "fwriter"))
		fair_seq(n);
	else if (!strcmp(word, "fspinner"))
		fair_spinners(n);
	else
		return -EINVAL;
	return 0;
}

static ssize_t stalls_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	char cmd[48] = "", word[16] = "";
	int no = 0;

	if (n >= sizeof(cmd) || copy_from_user(cmd, buf, n))
		return -EFAULT;
	if (sscanf(cmd, "%15s %d", word, &no) != 2)
		return -EINVAL;
	return run(word, no) ?: n;
}

static const struct file_operations stalls_fops = { .owner = THIS_MODULE, .write = stalls_write };
static struct miscdevice stalls_dev = { .minor = MISC_DYNAMIC_MINOR, .name = "stalls", .fops = &stalls_fops };

static int never(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}

/* the addresses of what the kernel keeps to itself, for the TRUTH lines alone */
static void find_addresses(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name", .pre_handler = never };
	unsigned long (*lookup)(const char *name);

	if (register_kprobe(&kp))
		return;
	lookup = (void *)kp.addr;
	unregister_kprobe(&kp);
	rcu_state_address = (void *)lookup("rcu_state");
	rcu_tasks_address = (void *)lookup("rcu_tasks");
	call_queue_offset = (void *)lookup("call_single_queue");
}

static int __init stalls_init(void)
{
	find_addresses();
	seqcount_init(&stalls_seq);
	one_queue = alloc_workqueue("stalls_one", 0, 1);
	two_queue = alloc_workqueue("stalls_two", 0, 2);
	free_queue = alloc_workqueue("stalls_free", WQ_UNBOUND, 0);
	if (!one_queue || !two_queue || !free_queue)
		return -ENOMEM;
	/* no way out: somebody waits here for ever */
	__module_get(THIS_MODULE);
	return misc_register(&stalls_dev);
}

static void __exit stalls_exit(void)
{
}

module_init(stalls_init);
module_exit(stalls_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("tasks that wait for each other through what is no lock of theirs");
