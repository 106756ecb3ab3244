// SPDX-License-Identifier: GPL-2.0
/*
 * waits - something to wait for, for ever, for every way a kernel has to wait.
 *
 * /dev/waits: the word written says how the writer waits (the table at the
 * end); "holders" first makes a kernel thread take every lock there is.
 *
 * waitfs: a file system whose operations never end on a file or directory
 * whose name begins with "slow", and work elsewhere (just).  Mounting a device
 * called "slow" does not end either, nor does unmounting one called "slowend".
 */
#include "labcompat.h"
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rtmutex.h>
#include <linux/ww_mutex.h>
#include <linux/rwsem.h>
#include <linux/percpu-rwsem.h>
#include <linux/semaphore.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include <linux/swait.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/workqueue.h>
#include <linux/delay.h>
#include <linux/miscdevice.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/uaccess.h>

static DECLARE_WAIT_QUEUE_HEAD(never_queue);
static bool never;

static noinline void wait_for_ever(void)
{
	wait_event(never_queue, READ_ONCE(never));
}

/* ---- locks, and the thread that holds them ---- */

static DEFINE_MUTEX(held_mutex);
static DECLARE_RWSEM(held_writing);
static DECLARE_RWSEM(held_reading);
static DEFINE_RT_MUTEX(held_rt);
DEFINE_STATIC_PERCPU_RWSEM(held_percpu);
DEFINE_STATIC_PERCPU_RWSEM(writing_percpu);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
static DEFINE_SEMAPHORE(held_sem, 1);
#else
static DEFINE_SEMAPHORE(held_sem);
#endif
static DEFINE_WW_CLASS(wait_ww);
static struct ww_mutex held_ww;
DEFINE_STATIC_SRCU(held_srcu);
static struct task_struct *holder, *deaf;
static struct workqueue_struct *wait_wq;
static DECLARE_SWAIT_QUEUE_HEAD(never_swait);
static unsigned long wait_word = 1;
static int wait_var;
static DECLARE_COMPLETION(holder_ready);

static int holder_fn(void *arg)
{
	int idx;

	mutex_lock(&held_mutex);
	down_write(&held_writing);
	down_read(&held_reading);
	rt_mutex_lock(&held_rt);
	percpu_down_read(&held_percpu);
	percpu_down_write(&writing_percpu);
	down(&held_sem);
	ww_mutex_lock(&held_ww, NULL);
	idx = srcu_read_lock(&held_srcu);
	complete(&holder_ready);
	wait_for_ever();
	srcu_read_unlock(&held_srcu, idx);
	return 0;
}

static int deaf_fn(void *arg)
{
	wait_for_ever();
	return 0;
}

static void make_holders(void)
{
	if (holder)
		return;
	holder = kthread_run(holder_fn, NULL, "waits_holder");
	wait_for_completion(&holder_ready);
}

/* a sum that takes more parameters than there are registers, of every width, some of them changed on the way */
static noinline long wait_wide(struct list_head *list, u8 small, bool flag, s16 half, const char *name, u32 word,
			       unsigned long seventh, int eighth)
{
	long sum = small + flag + half + word + eighth;

	if (flag)
		small += 3;
	word ^= seventh;
	wait_for_ever();
	return sum + small + word + name[0] + list_empty(list) + seventh;
}

static noinline long wait_narrow(struct list_head *list, int depth, void *cookie)
{
	long r;

	while (depth-- > 2)
		list = list->next;
	r = wait_wide(list, depth + 0x71, depth > 0, -3 - depth, "narrow", 0xfeed0000u + depth, (unsigned long)cookie, 88);
	return r + depth + (cookie == list);
}

static int obey_not(void)
{
	return kthread_stop(deaf);
}

static noinline void slow_work(struct work_struct *work)
{
	wait_for_ever();
}

struct job {
	struct work_struct	work;
	struct completion	done;
	struct list_head	list;
	int			op;
};

static struct job *new_job(void)
{
	struct job *j = kzalloc(sizeof(*j), GFP_KERNEL | __GFP_NOFAIL);

	INIT_WORK(&j->work, slow_work);
	init_completion(&j->done);
	INIT_LIST_HEAD(&j->list);
	return j;
}

static long wait_so(const char *how)
{
	struct job *j = new_job();
	long r = 0;

	if (!strcmp(how, "holders"))
		make_holders();
	else if (!strcmp(how, "mutex"))
		mutex_lock(&held_mutex);
	else if (!strcmp(how, "mutex_int"))
		r = mutex_lock_interruptible(&held_mutex);
	else if (!strcmp(how, "mutex_kill"))
		r = mutex_lock_killable(&held_mutex);
	else if (!strcmp(how, "rw_read"))
		down_read(&held_writing);
	else if (!strcmp(how, "rw_read_kill"))
		r = down_read_killable(&held_writing);
	else if (!strcmp(how, "rw_write"))
		down_write(&held_reading);
	else if (!strcmp(how, "rw_write_kill"))
		r = down_write_killable(&held_reading);
	else if (!strcmp(how, "rt"))
		rt_mutex_lock(&held_rt);
	else if (!strcmp(how, "percpu_write"))
		percpu_down_write(&held_percpu);
	else if (!strcmp(how, "percpu_read"))
		percpu_down_read(&writing_percpu);
	else if (!strcmp(how, "sem"))
		down(&held_sem);
	else if (!strcmp(how, "sem_int"))
		r = down_interruptible(&held_sem);
	else if (!strcmp(how, "sem_timeout"))
		r = down_timeout(&held_sem, 36000 * HZ);
	else if (!strcmp(how, "ww"))
		r = ww_mutex_lock(&held_ww, NULL);
	else if (!strcmp(how, "srcu"))
		synchronize_srcu(&held_srcu);
	else if (!strcmp(how, "completion"))
		wait_for_completion(&j->done);
	else if (!strcmp(how, "completion_int"))
		r = wait_for_completion_interruptible(&j->done);
	else if (!strcmp(how, "completion_io"))
		wait_for_completion_io(&j->done);
	else if (!strcmp(how, "completion_timeout"))
		r = wait_for_completion_killable_timeout(&j->done, 40000 * HZ);
	else if (!strcmp(how, "kthread_stop"))
		r = obey_not();
	else if (!strcmp(how, "flush_work")) {
		queue_work(system_unbound_wq, &j->work);
		flush_work(&j->work);
	} else if (!strcmp(how, "cancel_work")) {
		queue_work(system_unbound_wq, &j->work);
		msleep(200);
		cancel_work_sync(&j->work);
	} else if (!strcmp(how, "flush_wq")) {
		queue_work(wait_wq, &j->work);
		msleep(200);
		flush_workqueue(wait_wq);
	} else if (!strcmp(how, "bit"))
		r = wait_on_bit(&wait_word, 0, TASK_UNINTERRUPTIBLE);
	else if (!strcmp(how, "bit_lock"))
		r = wait_on_bit_lock(&wait_word, 0, TASK_KILLABLE);
	else if (!strcmp(how, "bit_timeout"))
		r = wait_on_bit_timeout(&wait_word, 0, TASK_UNINTERRUPTIBLE, 50000 * HZ);
	else if (!strcmp(how, "var"))
		wait_var_event(&wait_var, READ_ONCE(wait_var));
	else if (!strcmp(how, "swait"))
		swait_event_exclusive(never_swait, READ_ONCE(never));
	else if (!strcmp(how, "msleep"))
		msleep(50000000);
	else if (!strcmp(how, "wide"))
		r = wait_narrow(&j->list, 5, j);
	kfree(j);
	return r;
}

static ssize_t waits_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	char cmd[32] = "";
	long r;

	if (n >= sizeof(cmd) || copy_from_user(cmd, buf, n))
		return -EFAULT;
	r = wait_so(cmd);
	return r < 0 ? r : n;
}

/* ---- the file system ---- */

static bool slow(const struct dentry *d)
{
	return !strncmp(d->d_name.name, "slow", 4);
}

static noinline int slow_dentry(const struct dentry *d)
{
	if (slow(d))
		wait_for_ever();
	return 0;
}

static noinline int slow_file(struct file *file)
{
	return slow_dentry(file->f_path.dentry);
}

static ssize_t waitfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	slow_file(iocb->ki_filp);
	return 0;
}

static ssize_t waitfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t n = iov_iter_count(from);

	inode_lock(inode);
	slow_file(iocb->ki_filp);
	iov_iter_advance(from, n);
	inode_unlock(inode);
	return n;
}

static int waitfs_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	/* who gives a file to a loop device has it synced first (7.3): only what the device itself asks for is slow */
	if (!(current->flags & PF_KTHREAD) && strncmp(file->f_path.dentry->d_name.name, "slowsync", 8))
		return 0;
	return slow_file(file);
}

static long waitfs_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return slow_file(file);
}

static vm_fault_t waitfs_fault(struct vm_fault *vmf)
{
	slow_file(vmf->vma->vm_file);
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct waitfs_vm_ops = { .fault = waitfs_fault };

static int waitfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &waitfs_vm_ops;
	return 0;
}

static loff_t waitfs_llseek(struct file *file, loff_t off, int whence)
{
	slow_file(file);
	return 0;
}

static int waitfs_lock(struct file *file, int cmd, struct file_lock *fl)
{
	return slow_file(file);
}

static const struct file_operations waitfs_file_ops = {
	.owner = THIS_MODULE,
	.read_iter = waitfs_read_iter,
	.write_iter = waitfs_write_iter,
	.fsync = waitfs_fsync,
	.unlocked_ioctl = waitfs_ioctl,
	.mmap = waitfs_mmap,
	.llseek = waitfs_llseek,
	.lock = waitfs_lock,
};

static int waitfs_iterate(struct file *file, struct dir_context *ctx)
{
	slow_file(file);
	return 0;
}

static const struct file_operations waitfs_dir_ops = {
	.owner = THIS_MODULE,
	.iterate_shared = waitfs_iterate,
	.read = generic_read_dir,
};

static const struct inode_operations waitfs_dir_iops, waitfs_file_iops;

static struct inode *waitfs_inode(struct super_block *sb, const struct inode *dir, umode_t m)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode_init_owner(NOMAP inode, dir, m);
	if (S_ISDIR(m)) {
		inode->i_op = &waitfs_dir_iops;
		inode->i_fop = &waitfs_dir_ops;
		inc_nlink(inode);
	} else {
		inode->i_op = &waitfs_file_iops;
		inode->i_fop = &waitfs_file_ops;
		inode->i_size = 1 << 20;
	}
	return inode;
}

static int waitfs_mknod(struct inode *dir, struct dentry *dentry, umode_t m)
{
	struct inode *inode = waitfs_inode(dir->i_sb, dir, m);

	if (!inode)
		return -ENOMEM;
	lab_keep(dentry, inode);
	return 0;
}

static int waitfs_create(IDMAP struct inode *dir, struct dentry *dentry, umode_t m CREATE_EXCL)
{
	return waitfs_mknod(dir, dentry, m | S_IFREG);
}

static MKDIR_RESULT waitfs_mkdir(IDMAP struct inode *dir, struct dentry *dentry, umode_t m)
{
	/* "slowmk...": the making itself; other slow directories are there to be read */
	if (!strncmp(dentry->d_name.name, "slowmk", 6))
		wait_for_ever();
	MKDIR_RETURN(waitfs_mknod(dir, dentry, m | S_IFDIR));
}

static struct dentry *waitfs_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	if (!strncmp(dentry->d_name.name, "slowlook", 8))
		wait_for_ever();
	return simple_lookup(dir, dentry, flags);
}

static int waitfs_unlink(struct inode *dir, struct dentry *dentry)
{
	slow_dentry(dentry);
	return simple_unlink(dir, dentry);
}

static int waitfs_rmdir(struct inode *dir, struct dentry *dentry)
{
	slow_dentry(dentry);
	return simple_rmdir(dir, dentry);
}

static int waitfs_rename(IDMAP struct inode *old, struct dentry *od, struct inode *new, struct dentry *nd, unsigned int flags)
{
	slow_dentry(od);
	return -EXDEV;
}

static int waitfs_setattr(IDMAP struct dentry *dentry, struct iattr *attr)
{
	return slow_dentry(dentry);
}

static const struct inode_operations waitfs_dir_iops = {
	.create = waitfs_create,
	.lookup = waitfs_lookup,
	.link = simple_link,
	.unlink = waitfs_unlink,
	.mkdir = waitfs_mkdir,
	.rmdir = waitfs_rmdir,
	.rename = waitfs_rename,
	.setattr = waitfs_setattr,
};

static const struct inode_operations waitfs_file_iops = { .setattr = waitfs_setattr };

static int waitfs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	slow_dentry(dentry);
	return simple_statfs(dentry, buf);
}

static void waitfs_put_super(struct super_block *sb)
{
	if (sb->s_fs_info)
		wait_for_ever();
}

static const struct super_operations waitfs_sops = {
	.statfs = waitfs_statfs,
	.drop_inode = lab_drop_inode,
	.put_super = waitfs_put_super,
};

static int waitfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct inode *root;

	sb->s_magic = 0x57414954;
	sb->s_op = &waitfs_sops;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	if (fc->source && !strcmp(fc->source, "slow"))
		wait_for_ever();
	if (fc->source && !strcmp(fc->source, "slowend"))
		sb->s_fs_info = &never;
	root = waitfs_inode(sb, NULL, S_IFDIR | 0755);
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int waitfs_get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, waitfs_fill_super);
}

static const struct fs_context_operations waitfs_context_ops = { .get_tree = waitfs_get_tree };

static int waitfs_init_fs_context(struct fs_context *fc)
{
	fc->ops = &waitfs_context_ops;
	return 0;
}

static struct file_system_type waitfs_type = {
	.owner = THIS_MODULE,
	.name = "waitfs",
	.init_fs_context = waitfs_init_fs_context,
	.kill_sb = lab_kill_super,
};

static const struct file_operations waits_fops = { .owner = THIS_MODULE, .write = waits_write };
static struct miscdevice waits_dev = { .minor = MISC_DYNAMIC_MINOR, .name = "waits", .fops = &waits_fops };

static int __init waits_init(void)
{
	int rc;

	ww_mutex_init(&held_ww, &wait_ww);
	wait_wq = alloc_workqueue("waits", WQ_UNBOUND, 0);
	if (!wait_wq)
		return -ENOMEM;
	deaf = kthread_run(deaf_fn, NULL, "waits_deaf");
	if (IS_ERR(deaf))
		return PTR_ERR(deaf);
	/* no way out: somebody waits here for ever */
	__module_get(THIS_MODULE);
	rc = register_filesystem(&waitfs_type);
	return rc ?: misc_register(&waits_dev);
}

static void __exit waits_exit(void)
{
}

module_init(waits_init);
module_exit(waits_exit);
MODULE_ALIAS_FS("waitfs");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("something to wait for, in every way");
