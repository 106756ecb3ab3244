// The kinds of things that tasks wait for. A waiter is shown to each in turn: the more particular ones stand first.

extension LockClass {
    package static let all: [LockClass] = [
        .wwMutex,
        .mutex,
        .rwsem,
        .semaphore,
        .rtMutex,
        .rtSpinlock,
        .rtRWLock,
        .spinlock,
        .rwlock,
        .seqcount,
        .bitSpinlock,
        .cpuCall,
        .percpuRWSem,
        .vma,
        .task,
        .srcu,
        .rcuTasks,
        .rcu,
        .work,
        .workqueue,
        .completion,
        .bit,
        .folio,
        .futex,
        .fileLock,
        .swaitQueue,
        .waitQueue,
    ]
}
