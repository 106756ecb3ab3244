// Symbols, memory, machine code, stacks, the session: sections 1.6 to 1.8.

let symbolRows: [Row] = [
    part(
        "1.6", "::nm", "Value              Size               Type  Bind  Other Shndx    Name",
        "0xffffffff81000000|0x0000000000000040|FUNC |GLOB |0x0  |1       |first",
        "0xffffffff81800000|0x0000000000000020|OBJT |GLOB |0x0  |1       |words"),
    row("1.6", "::nm -h -f name vmlinux", "first", "second", "third", "words", "bytes", "head", "ring"),
    row("1.6", "::nm -hn -f name", "bytes", "first", "head", "ring", "second", "third", "words"),
    row("1.6", "::nm -hv -f ndx,name -t objt", "0    |words", "1    |bytes", "2    |head", "3    |ring"),
    row("1.6", "::nm -h -t func -f name,obj", "first|vmlinux", "second|vmlinux", "third|vmlinux"),
    row(
        "1.6", "::nm -d -f size,bind,type,name -t func", "Size               Bind  Type  Name",
        "64                |GLOB |FUNC |first",
        "64                |GLOB |FUNC |second", "64                |GLOB |FUNC |third"),
    row(
        "1.6", "::nm -ho -f size,name -t func", "0100              |first", "0100              |second",
        "0100              |third"),
    row(
        "1.6", "::nm -hx -f sz,shndx,oth,ctype,name -t objt -g ! x", "!  x",
        "0x0000000000000020|1       |0x0  |long unsigned int [4]   |words",
        "0x0000000000000040|1       |0x0  |<unknown type>          |bytes",
        "0x0000000000000010|1       |0x0  |struct node *           |head",
        "0x0000000000000010|1       |0x0  |struct list_head        |ring"),
    row(
        "1.6", "::nm -p -t func", "0xffffffff81000000::nmadd -f -s 0x40 first",
        "0xffffffff81000040::nmadd -f -s 0x40 second", "0xffffffff81000080::nmadd -f -s 0x40 third"),
    row("1.6", "::nm -hu"), row("1.6", "::nm -hD"),
    row("1.6", "words+8::nm -h -f val,name", "0xffffffff81800000|words"),
    row(
        "1.6", "::nm frob", "error: no object frob has symbols"),
    row("1.6", "::nm -f frob", "error: ::nm: no column frob"),
    row("1.6", "::nm -t frob", "error: ::nm: no symbol type frob"),
    row("1.6", "::nm -t func | =p", "                first", "                second", "                third"),
    rows(
        "1.4",
        [
            "words+8::nmadd -o -s 8 middle", "words+9=p", "middle=J", "::nm -hP -f name,size", "::nmdel middle",
            "middle=J",
        ],
        "added middle, value=ffffffff81800008 size=8", "                middle+1", "                ffffffff81800008",
        "middle|0x0000000000000008",
        "deleted middle, value=ffffffff81800008 size=8",
        "error: failed to dereference symbol: unknown symbol name middle"),
    rows(
        "1.4", ["0x1000::nmadd -f -e 0x1010 code", "0x100f=p", "0x1010=p"], "added code, value=1000 size=10",
        "                code+0xf", "                0x1010"),
    row("1.4", "1::nmadd 5x", "error: ::nmadd: 5x is no name"),
    row("1.4", "::nmdel first", "error: symbol first is not a private symbol"),
    row("1.6", "::findsym third", "first+4:                        call  0xffffffff81000080 <third>"),
    row("1.6", "words::findsym -g | =p", "                first+9"),
    row("1.6", "words+8::whatis", "ffffffff81800008 is words+8"), row("1.6", "1234::whatis", "1234 is unknown"),
    row("1.6", "ffff888000100000::whatis", "ffff888000100000 is an object of node_cache"),
    row(
        "1.6", "ffff888000100000::whatis -a", "ffff888000100000 is an object of node_cache",
        "ffff888000100000 is a page of the direct map"),
    row("1.6", "ffff888000100000::whatis -v", "ffff888000100000 is an object of node_cache", "    cache: node_cache"),
    row("1.6", "ffff888000100000::whatis -biq", "ffff888000100000 is an object of node_cache"),
    row("1.6", "words::whatis -kqv", "ffffffff81800000 is words"),
    row(
        "1.3", "::walk nodes | ::whatis", "ffff888000100000 is an object of node_cache",
        "ffff888000100110 is an object of node_cache", "ffff888000100220 is an object of node_cache"),
    row("1.6", "::whatis", "error: ::whatis: an address is needed: address::whatis"),
    row(
        "1.6", "first::dis -n 3", "first:                          push  %rbp",
        "first+1:                        mov   %rsp,%rbp",
        "first+4:                        call  0xffffffff81000080 <third>"),
    part(
        "1.6", "first::dis", "first:                          push  %rbp",
        "first+9:                        lea   0x7ffff0(%rip),%rax",
        "first+0x10:                     jmp   0xffffffff81000040 <second>", "first+0x12:                     ret",
        "first+0x3f:                     nop"),
    row("1.6", "::dis -n 1 first", "first:                          push  %rbp"),
    row("1.6", "first::dis -a -n 1", "ffffffff81000000:       push  %rbp"),
    row("1.6", "first::dis -b -n 1", "ffffffff81000000  first:                        push  %rbp"),
    row("1.6", "first::dis -f -n 1", "first:                          push  %rbp"),
    row(
        "1.6", "first+4::dis -w -n 1", "first+1:                        mov   %rsp,%rbp",
        "first+4:                        call  0xffffffff81000080 <third>",
        "first+9:                        lea   0x7ffff0(%rip),%rax"),
    row(
        "1.6", "second::dis -w -n 1", "first+0x3f:                     nop", "second:                         nop",
        "second+1:                       nop"),
    part(
        "1.6", "first+4::dis", "first:                          push  %rbp",
        "first+4:                        call  0xffffffff81000080 <third>", "first+0x12:                     ret"),
    row("1.6", "first,2::dis -n 1 | =p", "                first", "                first"),
]

private let header = "                   \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f  v123456789abcdef"

let systemRows: [Row] = [
    row("1.6", "words::dump", header, "ffffffff81800000:  88776655 44332211 ffffffff ffffffff  .wfUD3\"........."),
    row(
        "1.6", "bytes,20::dump", header, "ffffffff81800020:  48656c6c 6f0a0077 6f72096c 64000000  Hello..wor.ld...",
        "ffffffff81800030:  0000c03f 00000000 00000000 0000f83f  ...?...........?"),
    row(
        "1.6", "bytes::dump -l 20 -q", "                   \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f",
        "ffffffff81800020:  48656c6c 6f0a0077 6f72096c 64000000",
        "ffffffff81800030:  0000c03f 00000000 00000000 0000f83f"),
    row(
        "1.6", "bytes+4::dump", "                    0 1 2 3 \\/ 5 6 7  8 9 a b  c d e f  0123v56789abcdef",
        "ffffffff81800020:  48656c6c 6f0a0077 6f72096c 64000000  Hello..wor.ld..."),
    row(
        "1.6", "bytes+4::dump -t -l 2", "                    0 1 2 3 \\/ 5 6 7  8 9 a b  c d e f  0123v56789abcdef",
        "ffffffff81800020:           6f0a" + String(repeating: " ", count: 28) + "o."),
    row(
        "1.6", "bytes+4::dump -u", "                   \\/ 5 6 7  8 9 a b  c d e f  0 1 2 3  v56789abcdef0123",
        "ffffffff81800024:  6f0a0077 6f72096c 64000000 0000c03f  o..wor.ld......?"),
    row(
        "1.6", "bytes::dump -e", "                    3 2 1\\/  7 6 5 4  b a 9 8  f e d c  v123456789abcdef",
        "ffffffff81800020:  6c6c6548 77000a6f 6c09726f 00000064  Hello..wor.ld..."),
    row(
        "1.6", "bytes::dump -g 8 -q", "                   \\/ 1 2 3 4 5 6 7  8 9 a b c d e f",
        "ffffffff81800020:  48656c6c6f0a0077 6f72096c64000000"),
    row(
        "1.6", "bytes::dump -g1 -q", "                   \\/  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f",
        "ffffffff81800020:  48 65 6c 6c 6f 0a 00 77 6f 72 09 6c 64 00 00 00"),
    row(
        "1.6", "bytes::dump -r -q", "           \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f",
        "00000000:  48656c6c 6f0a0077 6f72096c 64000000"),
    row(
        "1.6", "bytes::dump -w 2 -q",
        "                   \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f  0 1 2 3  4 5 6 7  8 9 a b  c d e f",
        "ffffffff81800020:  48656c6c 6f0a0077 6f72096c 64000000 0000c03f 00000000 00000000 0000f83f"),
    row(
        "1.6", "ffff888000100400,40::dump -sq", "                   \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f",
        "ffff888000100400:  00000000 00000000 00000000 00000000", "*"),
    row(
        "1.6", "1000000::dump -p -q", "                   \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f",
        "0000000001000000:  554889e5 e8770000 00488d05 f0ff7f00"),
    row(
        "1.6", "first::dump -f -q", "                   \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f",
        "ffffffff81000000:  554889e5 e8770000 00488d05 f0ff7f00"),
    row("1.6", "first::dump -fp", "error: ::dump: -f and -p exclude each other"),
    row(
        "1.6", "ffff888000200000::dump", header,
        "error: failed to read data from target at 0xffff888000200000: the page of physical address 0x200000 was left out of the dump"
    ),
    rows(
        "1.4", ["words::dump -q ! x", ".=p"], "!  x", "                   \\/ 1 2 3  4 5 6 7  8 9 a b  c d e f",
        "ffffffff81800000:  88776655 44332211 ffffffff ffffffff", "                words+0x10"),
    row("1.6", "first::vtop", "virtual ffffffff81000000 mapped to physical 1000000"),
    row("1.6", "first::vtop | =X", "                1000000"),
    row("1.6", "1000::vtop", "error: failed to get physical mapping: 0x1000 is not mapped: the level 4 entry is 0x0"),
    row("1.6", "first::vtop -a 0", "error: this kernel offers no memory of processes"),
    row("1.6", "$c", "first+4()", "second+0x40()"), row("1.6", "::stack", "first+4()", "second+0x40()"),
    row("1.6", "$c 3", "first+4()", "second+0x40()"),
    row("1.6", "$C", "ffff888000300010 first+4()", "ffff888000300030 " + "second+0x40()"),
    row(
        "1.6", "ffff888000100000::stack", "first+4()", "second+0x40()",
        "gap: the rest of the stack of 0xffff888000100000: no rule for it"),
    row("1.6", "ffff888000100220::stack", "error: the stack of 0xffff888000100220 cannot be followed: it has exited"),
    row("1.6", "$c | =p", "                first+4", "                third"),
    row("1.6", "::stackregs", "first+4()", "second+0x40()"),
    row(
        "1.8", "ffff888000100110::findstack", "stack pointer for thread ffff888000100110: unknown", "  first+4()",
        "  " + "second+0x40()"),
    row(
        "1.8", "ffff888000100110::findstack -v", "stack pointer for thread ffff888000100110: unknown",
        "  ffff888000300010 first+4()", "  ffff888000300030 " + "second+0x40()"),
    row("1.6", "::cpustack", "first+4()", "second+0x40()"),
    row("1.6", "::cpustack -v -c 1", "ffff888000300010 first+4()", "ffff888000300030 " + "second+0x40()"),
    row("1.6", "::cpustack -c 7", "error: there is no CPU 7"),
    row("1.6", "0::cpuregs", "error: the dump has no registers of CPU 0"),
    part(
        "1.6", "::regs", "%rax = 0x1122334455667788                 %r9  = 0x99aabbccddeeff00",
        "%rip = 0xffffffff81000004 first+4", "%rbp = 0xffff888000300010",
        "%rsp = 0xffff888000300000", "%rflags = 0x00000246", "  id=0 vip=0 vif=0 ac=0 vm=0 rf=0 nt=0 iopl=0",
        "  status=<of,df,IF,tf,sf,ZF,af,PF,cf>", "%cs = 0x0010", "%cr3 = 0x0000000000001000",
        "%gsbase = 0x0000000000000077"),
    part("1.6", "$r", "%rip = 0xffffffff81000004 first+4"),
    part("1.6", "::cpuregs -c 1", "%rip = 0xffffffff81000004 first+4"),
    row(
        "1.8", "::cpuinfo", " ID THREAD           MODE   PROC", "  0 ffff888000100000 user   ?",
        "  1 ffff888000100110 kernel ?"),
    part("1.8", "::cpuinfo -v", "  1 ffff888000100110 kernel ?", "      first+4"),
    row(
        "1.8", "::stacks", "THREAD           STATE            COUNT", "ffff888000100000 ?                2",
        "                 first+4", "                 second+0x40", "",
        "gap: the stack of 0xffff888000100220: it has exited"),
    row(
        "1.8", "::stacks -c nosuch", "THREAD           STATE            COUNT",
        "gap: the stack of 0xffff888000100220: it has exited"),
    row("1.8", "ffff888000100110::stacks -C nosuch -m vmlinux -M nfs -afiv | ::print struct node id", "id = 0x2"),
    row("1.8", "ffff888000100110::stacks -t run", "THREAD           STATE            COUNT"),
    row(
        "5", "::status", "debugging built memory (64-bit) from host", "operating system: Linux 6.1 #1 (x86_64)",
        "panic message: it is a test", "dump content: all pages"),
    row(
        "1.6", "::objects", "            BASE            LIMIT             SIZE NAME",
        "ffffffff81000000 ffffffff82000000          1000000 vmlinux"),
    row(
        "1.6", "::mappings", "            BASE            LIMIT             SIZE NAME",
        "ffff888000000000 ffff898000000000      10000000000 direct map",
        "ffffffff81000000 ffffffff82000000          1000000 vmlinux"),
    row(
        "1.6", "words::mappings", "            BASE            LIMIT             SIZE NAME",
        "ffffffff81000000 ffffffff82000000          1000000 vmlinux"),
    row("1.6", "5::mappings", "error: 0x5 is not in a mapping"),
    row(
        "1.6", "$m vmlinux", "            BASE            LIMIT             SIZE NAME",
        "ffffffff81000000 ffffffff82000000          1000000 vmlinux"),
    row("1.6", "0::context", "debugger context set to kernel"),
    row("1.6", "1::context", "error: this kernel offers no memory of processes"),
    row("1.8", "::msgbuf", "error: this kernel has no log"),
    row(
        "1.7", "::bp",
        "error: ::bp has no meaning here: it belongs to kmdb, which stops a running kernel; this is a dump"),
    row("1.7", ":c", "error: :c has no meaning here: there is no running program: a dump is dead"),
    row(
        "1.7", "0::switch",
        "error: ::switch has no meaning here: it belongs to kmdb, which stops a running kernel; this is a dump"),
    row(
        "1.8", "::load nfs",
        "error: ::load has no meaning here: commands are built in and types come with the kernel: nothing is loaded"),
    row(
        "1.8", "::findleaks",
        "error: ::findleaks has no meaning here: it tells of structures that only an illumos kernel has"),
    part(
        "1.8", "::dcmds", "$C                       - the stack with frame pointers",
        "print                    - print the contents of a data structure", "ps                       - processes"),
    part(
        "1.5", "::formats", "+ - dot += count", "B - hexadecimal (1 byte)", "X - hexadecimal (4 bytes)", "n - newline",
        "s - string, as it is (variable size)"),
    part("1.8", "::help print", "NAME", "  ::print - print the contents of a data structure", "SYNOPSIS"),
    part("1.8", "$?", "Each statement is [address][,count]command [| command ...] [! shell command]."),
    row("1.8", "::help nodes", "nodes - the nodes"), row("1.8", "::help frob", "error: unknown command: frob"),
    part("1.8", "::help ::ps", "ps - processes"),
    row("1.8", "::which print nodes", "print is a dcmd of mdb", "nodes is a walker"),
    row("1.8", "::whence ps", "ps is a command of this debugger"),
    row("1.8", "::version", "mdb's language, as Inquest speaks it; x86_64 instructions in AT&T notation"),
    row("1.8", "$V", "mdb's language, as Inquest speaks it; x86_64 instructions in AT&T notation"),
    row("1.8", "::log file", "error: sessions are not logged; write what a line says to a file: LINE ! cat > FILE"),
    row("1.8", "::quit", "error: ::quit ends a session that reads lines; this one ends by itself"),
    row("1.8", "$q; 1=D", "error: ::quit ends a session that reads lines; this one ends by itself"),
    row("1.3", "::cat /nonexistent/file", "error: /nonexistent/file: cannot open it: No such file or directory"),
    row("1.8", "$</nonexistent/file", "error: /nonexistent/file: cannot open it: No such file or directory"),
    row("1.8", "$<</nonexistent/file", "error: /nonexistent/file: cannot open it: No such file or directory"),
    part(
        "1.8", "::panicinfo", "             cpu                1", "          thread ffff888000100110",
        "         message     it is a test", "             rip ffffffff81000004"),
    row("1.8", "$W", "error: $W has no meaning here: target is not open for writing: a dump is only read"),
    row("1.8", "$y", "error: $y has no meaning here: a kernel's dump has no floating-point registers"),
    row("1.8", "::threadlist", "1 ffff888000100000 init", "2 ffff888000100110 kthreadd", "45 ffff888000100220 sh"),
]
