// SPDX-License-Identifier: GPL-2.0
/*
 * argtruth - the ground truth for a debugger that recovers function arguments.
 * Logs, by kprobes, what every function on a blocked task's stack was called
 * with.  Commands, written to /dev/argtruth:
 *
 *   learn     walks the stacks of the tasks in question that sleep now, and
 *             probes each function found there at its entry and at each call
 *             instruction that they sleep in; tasks that block from here on
 *             are logged
 *   snap      walks the stacks again, for the report
 *
 * The tasks in question are kernel threads and those whose name begins "w_".
 * Reading /dev/argtruth gives the report, one record a line:
 *
 *   ARGPROBE func=NAME addr=A type=entry|call rc=R hits=N missed=N
 *   ARGMOD   name=NAME text=A
 *   ARGCHAIN pid= tgid= comm= state= task= stack= sp= pcs=A:NAME+0xOFF,...   innermost first
 *   ARGTRUTH pid= func=NAME faddr=A slot=A ret=V args=rdi,rsi,rdx,rcx,r8,r9 stack=W1,W2,W3,W4
 *   ARGCALL  pid= ip=A slot=A regs=rax,rdx,rcx,rbx,rsi,rdi,rbp,rsp,r8,...,r15 words=W0,W1,...
 *
 * ARGTRUTH: the state at a function's entry.  slot is the address of the stack
 * slot with the return address, ret what it held; W1... are the words above
 * it, where arguments from the seventh on lie.  ARGCALL: the state just before
 * a call instruction: registers, and the words from rsp upwards.  Its slot is
 * the one that the call was about to write.  (Registers in DWARF's order.)
 *
 * An entry is dropped when the task enters a probed function at the same slot
 * or above: it has returned (or left by a tail call) by then.  What returned
 * since the last probed entry is not dropped: compare with ARGCHAIN.
 */
#include "labcompat.h"
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/kprobes.h>
#include <linux/kallsyms.h>
#include <linux/hash.h>
#include <linux/miscdevice.h>
#include <linux/seq_file.h>
#include <linux/fs.h>
#include <linux/uaccess.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/stacktrace.h>

#define NENT	40
#define NCALL	40
#define NWORDS	48
#define NLOGS	1024
#define HBITS	12
#define NPROBES	4096
#define NPCS	40

struct entry {
	unsigned long	slot, ret, func, args[6], above[4];
};

struct call {
	unsigned long	slot, ip, regs[16], words[NWORDS];
	int		nwords;
};

/* written by its task only */
struct tasklog {
	struct task_struct	*task;
	pid_t			pid;
	int			nent, ncall, lost;
	struct entry		ent[NENT];
	struct call		call[NCALL];
};

struct probe {
	struct kprobe	kp;
	unsigned long	func;
	int		rc;
	bool		is_call, is_syscall;
	unsigned long	hits;
};

struct chain {
	struct task_struct	*task;
	pid_t			pid, tgid;
	char			comm[TASK_COMM_LEN];
	unsigned int		state, n;
	unsigned long		stack, sp, pcs[NPCS];
};

static struct tasklog *logs;
static struct task_struct *keys[1 << HBITS];
static short vals[1 << HBITS];
static atomic_t nlogs;
static struct probe **probes;
static int nprobes;
static struct chain *chains;
static int nchains;
static DEFINE_MUTEX(command_lock);

/* what the kernel does not export */
static unsigned long (*lookup_name)(const char *);
static int (*lookup_size_offset)(unsigned long addr, unsigned long *size, unsigned long *offset);
static void (*stack_walk)(stack_trace_consume_fn, void *, struct task_struct *, struct pt_regs *);
static int (*is_text)(unsigned long addr);
static void (*put_stack)(struct task_struct *t);

static bool wanted(struct task_struct *t)
{
	return (t->flags & PF_KTHREAD) || (t->comm[0] == 'w' && t->comm[1] == '_');
}

static struct tasklog *log_of_current(void)
{
	u32 h = hash_ptr(current, HBITS), i;
	struct tasklog *l;
	int n;

	for (i = 0; i < 64; i++, h = (h + 1) & ((1 << HBITS) - 1)) {
		if (READ_ONCE(keys[h]) == current)
			break;
		if (!READ_ONCE(keys[h]) && !cmpxchg(&keys[h], NULL, current)) {
			n = atomic_inc_return(&nlogs) - 1;
			vals[h] = n < NLOGS ? n : -1;
			break;
		}
	}
	if (i == 64 || vals[h] < 0)
		return NULL;
	l = &logs[vals[h]];
	if (l->task != current || l->pid != current->pid) {
		l->task = current;
		l->pid = current->pid;
		l->nent = l->ncall = l->lost = 0;
	}
	return l;
}

static bool on_own_stack(unsigned long sp)
{
	unsigned long base = (unsigned long)task_stack_page(current);

	return sp >= base && sp + 8 * 8 < base + THREAD_SIZE;
}

static void drop(struct tasklog *l, unsigned long entries, unsigned long calls)
{
	while (l->nent && l->ent[l->nent - 1].slot <= entries)
		l->nent--;
	while (l->ncall && l->call[l->ncall - 1].slot <= calls)
		l->ncall--;
}

static int at_entry(struct kprobe *kp, struct pt_regs *regs)
{
	struct probe *p = container_of(kp, struct probe, kp);
	unsigned long *sp = (unsigned long *)regs->sp;
	struct tasklog *l;
	struct entry *e;

	if (!wanted(current) || !on_own_stack(regs->sp))
		return 0;
	l = log_of_current();
	if (!l)
		return 0;
	p->hits++;
	/* the stack's top moves from one system call to the next: what was logged before may lie above */
	if (p->is_syscall)
		l->nent = l->ncall = 0;
	/* the call that led here is still under way: its record keeps its slot */
	drop(l, regs->sp, regs->sp - 1);
	if (l->nent == NENT) {
		l->lost++;
		return 0;
	}
	e = &l->ent[l->nent];
	e->slot = regs->sp;
	e->ret = sp[0];
	e->func = p->func;
	e->args[0] = regs->di;
	e->args[1] = regs->si;
	e->args[2] = regs->dx;
	e->args[3] = regs->cx;
	e->args[4] = regs->r8;
	e->args[5] = regs->r9;
	memcpy(e->above, sp + 1, sizeof(e->above));
	l->nent++;
	return 0;
}

static int at_call(struct kprobe *kp, struct pt_regs *regs)
{
	struct probe *p = container_of(kp, struct probe, kp);
	unsigned long slot = regs->sp - 8;
	struct tasklog *l;
	struct call *c;

	if (!wanted(current) || !on_own_stack(slot))
		return 0;
	l = log_of_current();
	if (!l)
		return 0;
	p->hits++;
	drop(l, slot, slot);
	if (l->ncall == NCALL) {
		l->lost++;
		return 0;
	}
	c = &l->call[l->ncall];
	c->slot = slot;
	c->ip = (unsigned long)kp->addr;
	c->regs[0] = regs->ax;
	c->regs[1] = regs->dx;
	c->regs[2] = regs->cx;
	c->regs[3] = regs->bx;
	c->regs[4] = regs->si;
	c->regs[5] = regs->di;
	c->regs[6] = regs->bp;
	c->regs[7] = regs->sp;
	c->regs[8] = regs->r8;
	c->regs[9] = regs->r9;
	c->regs[10] = regs->r10;
	c->regs[11] = regs->r11;
	c->regs[12] = regs->r12;
	c->regs[13] = regs->r13;
	c->regs[14] = regs->r14;
	c->regs[15] = regs->r15;
	c->nwords = min_t(unsigned long, NWORDS,
			  ((unsigned long)task_stack_page(current) + THREAD_SIZE - regs->sp) / 8);
	memcpy(c->words, (void *)regs->sp, c->nwords * 8);
	l->ncall++;
	return 0;
}

/* ---- which functions, which calls ---- */

static bool consume(void *cookie, unsigned long addr)
{
	struct chain *c = cookie;

	if (c->n < NPCS)
		c->pcs[c->n++] = addr;
	return c->n < NPCS;
}

static void take_chains(void)
{
	struct task_struct *g, *t;

	nchains = 0;
	rcu_read_lock();
	for_each_process_thread(g, t) {
		struct chain *c = &chains[nchains];

		if (!wanted(t) || t == current || task_is_running(t) || READ_ONCE(t->on_cpu) || nchains == NLOGS)
			continue;
		if (!try_get_task_stack(t))
			continue;
		c->task = t;
		c->pid = t->pid;
		c->tgid = t->tgid;
		memcpy(c->comm, t->comm, sizeof(c->comm));
		c->state = READ_ONCE(t->__state);
		c->stack = (unsigned long)task_stack_page(t);
		c->sp = t->thread.sp;
		c->n = 0;
		stack_walk(consume, c, t, NULL);
		put_stack(t);
		nchains++;
	}
	rcu_read_unlock();
}

static void add_probe(unsigned long addr, unsigned long func, bool is_call)
{
	struct probe *p;
	char name[16];
	int i;

	for (i = 0; i < nprobes; i++)
		if (probes[i]->is_call == is_call && (is_call ? (unsigned long)probes[i]->kp.addr == addr : probes[i]->func == func))
			return;
	if (nprobes == NPROBES)
		return;
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return;
	p->func = func;
	p->is_call = is_call;
	snprintf(name, sizeof(name), "%ps", (void *)func);
	p->is_syscall = !is_call && !strncmp(name, "__x64_sys_", 10);
	p->kp.addr = (void *)addr;
	p->kp.pre_handler = is_call ? at_call : at_entry;
	p->rc = register_kprobe(&p->kp);
	if (p->rc)
		p->kp.addr = (void *)addr;
	probes[nprobes++] = p;
}

/* the call instruction that ends at pc, or 0: call rel32, call *reg, call *reg with the padding of a patched thunk */
static unsigned long call_before(unsigned long pc)
{
	const u8 *b = (const u8 *)pc;
	s32 rel;

	memcpy(&rel, b - 4, 4);
	if (b[-5] == 0xe8 && is_text(pc + rel))
		return pc - 5;
	if (b[-3] == 0x41 && b[-2] == 0xff && b[-1] >= 0xd0 && b[-1] <= 0xd7)
		return pc - 3;
	if (b[-2] == 0xff && b[-1] >= 0xd0 && b[-1] <= 0xd7)
		return pc - 2;
	return 0;
}

static void learn(void)
{
	unsigned long size, offset, call;
	int i, before = nprobes, failed = 0;
	unsigned int j;

	take_chains();
	for (i = 0; i < nchains; i++) {
		for (j = 0; j < chains[i].n; j++) {
			unsigned long pc = chains[i].pcs[j];

			if (!lookup_size_offset(pc, &size, &offset) || !offset)
				continue;
			add_probe(pc - offset, pc - offset, false);
			/* the innermost pc is where the task switched away, not a call's end */
			call = j ? call_before(pc) : 0;
			if (call)
				add_probe(call, pc - offset, true);
			cond_resched();
		}
	}
	for (i = before; i < nprobes; i++)
		failed += probes[i]->rc != 0;
	pr_info("argtruth: %d stacks, %d probes (%d new, %d of them refused)\n", nchains, nprobes, nprobes - before, failed);
}

/* ---- the report ---- */

static void report_task(struct seq_file *m, struct chain *c)
{
	struct tasklog *l;
	int i, j;

	seq_printf(m, "ARGCHAIN pid=%d tgid=%d comm=%s state=%x task=%px stack=%lx sp=%lx pcs=", c->pid, c->tgid, c->comm,
		   c->state, c->task, c->stack, c->sp);
	for (i = 0; i < c->n; i++)
		seq_printf(m, "%s%lx:%ps", i ? "," : "", c->pcs[i], (void *)(c->pcs[i] - 1));
	seq_putc(m, '\n');
	for (i = 0; i < min(atomic_read(&nlogs), NLOGS); i++)
		if (logs[i].task == c->task && logs[i].pid == c->pid)
			break;
	if (i == min(atomic_read(&nlogs), NLOGS))
		return;
	l = &logs[i];
	if (l->lost)
		seq_printf(m, "ARGLOST pid=%d lost=%d\n", l->pid, l->lost);
	for (i = 0; i < l->nent; i++) {
		struct entry *e = &l->ent[i];

		seq_printf(m, "ARGTRUTH pid=%d func=%ps faddr=%lx slot=%lx ret=%lx args=%lx,%lx,%lx,%lx,%lx,%lx stack=%lx,%lx,%lx,%lx\n",
			   l->pid, (void *)e->func, e->func, e->slot, e->ret, e->args[0], e->args[1], e->args[2], e->args[3],
			   e->args[4], e->args[5], e->above[0], e->above[1], e->above[2], e->above[3]);
	}
	for (i = 0; i < l->ncall; i++) {
		struct call *k = &l->call[i];

		seq_printf(m, "ARGCALL pid=%d ip=%lx slot=%lx regs=", l->pid, k->ip, k->slot);
		for (j = 0; j < 16; j++)
			seq_printf(m, "%s%lx", j ? "," : "", k->regs[j]);
		seq_puts(m, " words=");
		for (j = 0; j < k->nwords; j++)
			seq_printf(m, "%s%lx", j ? "," : "", k->words[j]);
		seq_putc(m, '\n');
	}
}

static void *report_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&command_lock);
	return *pos < 1 + nprobes + nchains ? (void *)(unsigned long)(*pos + 1) : NULL;
}

static void *report_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return *pos < 1 + nprobes + nchains ? (void *)(unsigned long)(*pos + 1) : NULL;
}

static void report_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&command_lock);
}

static int report_show(struct seq_file *m, void *v)
{
	long i = (long)v - 2;

	if (i < 0) {
		seq_printf(m, "ARGSTEXT %lx\n", lookup_name("_stext"));
	} else if (i < nprobes) {
		struct probe *p = probes[i];

		seq_printf(m, "ARGPROBE func=%ps addr=%px type=%s rc=%d hits=%lu missed=%lu\n", (void *)p->func, p->kp.addr,
			   p->is_call ? "call" : "entry", p->rc, p->hits, p->kp.nmissed);
	} else {
		report_task(m, &chains[i - nprobes]);
	}
	return 0;
}

static const struct seq_operations report_ops = {
	.start = report_start, .next = report_next, .stop = report_stop, .show = report_show,
};

static int argtruth_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;	/* the misc device's, until now */
	return seq_open(file, &report_ops);
}

static ssize_t argtruth_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	char cmd[32] = "";

	if (n >= sizeof(cmd) || copy_from_user(cmd, buf, n))
		return -EFAULT;
	mutex_lock(&command_lock);
	if (!strncmp(cmd, "learn", 5))
		learn();
	else if (!strncmp(cmd, "snap", 4))
		take_chains();
	mutex_unlock(&command_lock);
	return n;
}

static const struct file_operations argtruth_fops = {
	.owner = THIS_MODULE, .open = argtruth_open, .read = seq_read, .llseek = seq_lseek, .release = seq_release,
	.write = argtruth_write,
};
static struct miscdevice argtruth_dev = { .minor = MISC_DYNAMIC_MINOR, .name = "argtruth", .fops = &argtruth_fops };

static int never(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}

static int __init argtruth_init(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name", .pre_handler = never };
	unsigned long size, offset;
	int rc = register_kprobe(&kp);

	if (rc)
		return rc;
	lookup_name = (void *)kp.addr;
	unregister_kprobe(&kp);
	/* the probe may sit past the function's first instruction */
	lookup_name = (void *)lookup_name("kallsyms_lookup_name");
	if (!lookup_name)
		return -ENOENT;
	lookup_size_offset = (void *)lookup_name("kallsyms_lookup_size_offset");
	stack_walk = (void *)lookup_name("arch_stack_walk");
	is_text = (void *)lookup_name("kernel_text_address");
	put_stack = (void *)lookup_name("put_task_stack");
	if (!put_stack || !lookup_size_offset || !stack_walk || !is_text || !lookup_size_offset((unsigned long)schedule, &size, &offset))
		return -ENOENT;
	logs = vzalloc(array_size(NLOGS, sizeof(*logs)));
	chains = vzalloc(array_size(NLOGS, sizeof(*chains)));
	probes = vzalloc(array_size(NPROBES, sizeof(*probes)));
	if (!logs || !chains || !probes) {
		vfree(logs);
		vfree(chains);
		vfree(probes);
		return -ENOMEM;
	}
	/* no way out: the probes stay until the guest ends */
	__module_get(THIS_MODULE);
	return misc_register(&argtruth_dev);
}

static void __exit argtruth_exit(void)
{
}

module_init(argtruth_init);
module_exit(argtruth_exit);
MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("logs what functions on blocking paths are called with");
