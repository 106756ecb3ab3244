/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included by locks.c once for each kind of lock, with these defined:
 *   KIND(x)         the kind's own name for x
 *   LOCK            the lock's type
 *   NAME, FIRST, SECOND    its name, and the modes in which the first and the second lock are taken
 *   TAKE_FIRST(l), TAKE_SECOND(l), GIVE_SECOND(l), GIVE_FIRST(l)
 *   PAUSE(ms)       waits, in a way that is allowed with the lock held
 */
/* two of these, with the locks in opposite order, never end */
static noinline void KIND(pair)(LOCK *a, LOCK *b)
{
	TAKE_FIRST(a);
	HOLDS(a, NAME, FIRST);
	PAUSE(1500);
	WANTS(b, NAME, SECOND);
	TAKE_SECOND(b);
	GIVE_SECOND(b);
	GIVE_FIRST(a);
}

/* any number of these, with the locks in one order, get on */
static noinline void KIND(fair)(LOCK *a, LOCK *b, unsigned long *work)
{
	while (!READ_ONCE(stop_fair)) {
		TAKE_FIRST(a);
		*work += 1;
		PAUSE(2);
		TAKE_SECOND(b);
		*work += 2;
		PAUSE(8);
		GIVE_SECOND(b);
		GIVE_FIRST(a);
		msleep(5);
	}
}

/* wants one lock and holds none: a victim */
static noinline void KIND(want)(LOCK *a)
{
	WANTS(a, NAME, SECOND);
	TAKE_SECOND(a);
	GIVE_SECOND(a);
}

static void KIND(run)(char how, int n)
{
	static unsigned long work;

	if (how == 'p')
		KIND(pair)(n ? &KIND(b) : &KIND(a), n ? &KIND(a) : &KIND(b));
	else if (how == 'f')
		KIND(fair)(&KIND(a), &KIND(b), &work);
	else
		KIND(want)(n ? &KIND(b) : &KIND(a));
}
#undef KIND
#undef LOCK
#undef NAME
#undef FIRST
#undef SECOND
#undef TAKE_FIRST
#undef TAKE_SECOND
#undef GIVE_FIRST
#undef GIVE_SECOND
#undef PAUSE
