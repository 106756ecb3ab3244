// A SIGBUS handler that turns "the file shrank under its mapping" into a flag.
//
// Why a signal handler: reading through a mapping is what makes search and the DWARF scan fast, and there is no
// other way to survive a file that is truncated while it is mapped. The handler maps a zero page over the lost
// one and raises the mapping's flag; readers look at the flag after they have read and throw. mmap is not on
// POSIX's list of async-signal-safe functions, but on Linux it is a plain system call.
#define _GNU_SOURCE
#include "CMapping.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 4096 };

struct slot {
    _Atomic uintptr_t base;
    _Atomic size_t length;
    volatile uint8_t lost;
};

static struct slot slots[SLOTS];
static _Atomic int used; // slots [0, used) were ever taken
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static int installed;
static uintptr_t page_size;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    uintptr_t at = (uintptr_t)info->si_addr;
    int count = atomic_load(&used);
    for (int i = 0; i < count; i++) {
        uintptr_t base = atomic_load(&slots[i].base);
        if (base == 0 || at < base || at - base >= atomic_load(&slots[i].length))
            continue;
        void *page = (void *)(at & ~(page_size - 1));
        if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
            slots[i].lost = 1;
            return;
        }
    }
    // Not ours: the next run of the same instruction meets whoever was there before.
    sigaction(SIGBUS, &before, NULL);
}

static int install(void)
{
    struct sigaction action = {0};
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &before) == 0;
}

const volatile uint8_t *inquest_mapping_watch(const void *base, size_t length)
{
    const volatile uint8_t *flag = NULL;
    pthread_mutex_lock(&lock);
    if (!installed)
        installed = install();
    for (int i = 0; installed && i < SLOTS; i++) {
        if (atomic_load(&slots[i].base) != 0)
            continue;
        slots[i].lost = 0;
        atomic_store(&slots[i].length, length);
        atomic_store(&slots[i].base, (uintptr_t)base);
        if (atomic_load(&used) <= i)
            atomic_store(&used, i + 1);
        flag = &slots[i].lost;
        break;
    }
    pthread_mutex_unlock(&lock);
    return flag;
}

void inquest_mapping_unwatch(const volatile uint8_t *flag)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SLOTS; i++) {
        if (&slots[i].lost == flag) {
            atomic_store(&slots[i].base, 0);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}
