"""One operation of the benchmark with drgn's documented API, as a whole process.
usage: drgn_op.py open|ps|bt|struct|search VMLINUX MODDIR|- DUMP [ADDRESS|VALUE]
Prints what the operation asks for on standard output, and how much that was on standard error.
`pick` prints as JSON what the other operations are asked with: the address of a task and the release."""
import glob, json, sys
import drgn
from drgn.helpers.linux.pid import find_task, for_each_task
from drgn.helpers.linux.sched import task_state_to_char

what, vmlinux, modules, dump = sys.argv[1:5]
argument = int(sys.argv[5], 0) if len(sys.argv) > 5 else None
prog = drgn.Program()
prog.set_core_dump(dump)
prog.load_debug_info([vmlinux] + ([] if modules == "-" else sorted(glob.glob(modules + "/*.ko"))))
found = 0
if what == "pick":
    print(json.dumps({"task": hex(find_task(prog, 1).value_()), "release": prog["UTS_RELEASE"].string_().decode()}))
elif what == "ps":
    for t in for_each_task(prog):
        print(t.pid.value_(), t.real_parent.tgid.value_(), hex(t.value_()), task_state_to_char(t), t.comm.string_().decode(errors="replace"))
        found += 1
elif what == "bt":
    for t in for_each_task(prog):
        print(t.pid.value_(), t.comm.string_().decode(errors="replace"))
        try:
            print(str(prog.stack_trace(t)))
            found += 1
        except (ValueError, LookupError, drgn.FaultError) as e:
            print("cannot be unwound:", e)
elif what == "struct":
    print(drgn.Object(prog, "struct task_struct", address=argument))
    found = 1
elif what == "search":
    for a in prog.search_memory_u64(argument):
        print(hex(a[0] if isinstance(a, tuple) else a))
        found += 1
print("found", found, file=sys.stderr)
