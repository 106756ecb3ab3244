// Lines of crash's list and tree, and what crash 8.0.2 answered to them on the same dump with its vmlinux. Here they are
// run on the dump alone.

import FixtureKit
import Pipeline
import Target
import Testing

@testable import inquest

@Suite(
    .enabled(
        if: ["abba.kdump", "readers.kdump"].allSatisfy(RealDumps.names.contains), Comment(rawValue: RealDumps.comment)))
struct CrashListTests {
    @Test(arguments: ["abba.kdump", "readers.kdump"]) func theValuesAreThoseOfCrash(dump: String) throws {
        let kernel = try Opening.open([RealDumps.path(dump)], options: OpeningOptions(), journal: Journal())
        let context = Context(kernel: kernel, catalog: Opening.catalog, gaps: Gaps(), journal: Journal())
        for row in Self.rows where row.dump == dump {
            var lines: [String] = []
            let outcome = Engine.run(line: row.line, context: context) { datum in
                if case .record(let record) = datum, case .block(let block) = record.presentation { lines += block }
            }
            #expect(outcome == .answered, "\(row.line)")
            #expect(
                Self.values(lines) == Self.values(row.answer.split(separator: "\n").map(String.init)), "\(row.line)")
        }
        #expect(context.gaps.count == 0)
    }

    struct Row: Sendable {
        let dump: String
        let line: String
        let answer: String

        init(_ dump: String, _ line: String, _ answer: String) {
            (self.dump, self.line, self.answer) = (dump, line, answer)
        }
    }

    /// The lines without what is only another way to write the same: commas at the end, the NULs of a string, the
    /// number base of an offset from a symbol, the module that it is of.
    private static func values(_ lines: [String]) -> [String] {
        lines.map { line in
            var line = line.drop { $0 == " " }
            while line.hasSuffix(",") { line = line.dropLast() }
            var text = line.split(separator: "\\000").joined().split(separator: " [hangs]").joined()
            if let plus = text.lastIndex(of: "+"), text.hasSuffix(">"),
                let offset = UInt64(text[text.index(after: plus)...].dropLast())
            {
                text = text[...plus] + "0x" + String(offset, radix: 16) + ">"
            }
            return text
        }
    }

    private static let rows: [Row] = [
        Row(
            "readers.kdump", "list -s rwsem_waiter.task,type -H ffffa39200229d10",
            #"""
            ffffb5c9c030bda0
              task = 0xffffa39200d3c080,
              type = RWSEM_WAITING_FOR_WRITE,
            """#),
        Row(
            "readers.kdump", "list -s rwsem_waiter.task,type -H ffffffffc022b0b8",
            #"""
            ffffb5c9c0303da0
              task = 0xffffa39200d39580,
              type = RWSEM_WAITING_FOR_WRITE,
            ffffb5c9c0313d90
              task = 0xffffa39200d38000,
              type = RWSEM_WAITING_FOR_READ,
            """#),
        Row(
            "readers.kdump", "list -s rwsem_waiter.task,type -x -H 0xffffffffc022b0b8",
            #"""
            ffffb5c9c0303da0
              task = 0xffffa39200d39580,
              type = RWSEM_WAITING_FOR_WRITE,
            ffffb5c9c0313d90
              task = 0xffffa39200d38000,
              type = RWSEM_WAITING_FOR_READ,
            """#),
        Row(
            "readers.kdump", "list rwsem_waiter.list -s rwsem_waiter.type -H ffffffffc022b0b8",
            #"""
            ffffb5c9c0303da0
              type = RWSEM_WAITING_FOR_WRITE,
            ffffb5c9c0313d90
              type = RWSEM_WAITING_FOR_READ,
            """#),
        Row(
            "readers.kdump", "list -r -s rwsem_waiter.task -H ffffffffc022b0b8",
            #"""
            ffffb5c9c0313d90
              task = 0xffffa39200d38000,
            ffffb5c9c0303da0
              task = 0xffffa39200d39580,
            """#),
        Row(
            "readers.kdump", "list -h ffffffffc022b0b8",
            #"""
            ffffffffc022b0b8
            ffffb5c9c0303da0
            ffffb5c9c0313d90
            """#),
        Row(
            "readers.kdump", "list -h ffffb5c9c0303da0",
            #"""
            ffffb5c9c0303da0
            ffffb5c9c0313d90
            ffffffffc022b0b8
            """#),
        Row(
            "readers.kdump", "list -s list_head ffffb5c9c0303da0",
            #"""
            ffffb5c9c0303da0
            struct list_head {
              next = 0xffffb5c9c0313d90,
              prev = 0xffffffffc022b0b8 <catalogue_sem+24>
            }
            ffffb5c9c0313d90
            struct list_head {
              next = 0xffffffffc022b0b8 <catalogue_sem+24>,
              prev = 0xffffb5c9c0303da0
            }
            ffffffffc022b0b8
            struct list_head {
              next = 0xffffb5c9c0303da0,
              prev = 0xffffb5c9c0313d90
            }
            """#),
        Row(
            "abba.kdump", "list task_struct.parent ffff8880001b2b00",
            #"""
            ffff8880001b2b00
            ffff888000182b00
            ffffffff81c0f600
            """#),
        Row(
            "abba.kdump", "list task_struct.parent -s task_struct.pid,comm ffff8880001b2b00",
            #"""
            ffff8880001b2b00
              pid = 6,
              comm = "netns\000\000\000\000\000\000\000\000\000\000",
            ffff888000182b00
              pid = 2,
              comm = "kthreadd\000\000\000\000\000\000\000",
            ffffffff81c0f600
              pid = 0,
              comm = "swapper/0\000\000\000\000\000\000",
            """#),
        Row(
            "abba.kdump", "list -o task_struct.sibling -O task_struct.children -h ffffffff81c0f600 -s task_struct.pid",
            #"""
            ffff888000185600
              pid = 1,
            ffff888000182b00
              pid = 2,
            """#),
        Row(
            "abba.kdump", "list -e ffff888000184480 -o task_struct.tasks -h ffff888000185600",
            #"""
            ffff888000185600
            ffff888000182b00
            ffff888000180000
            """#),
        Row(
            "abba.kdump", "list -e ffff888000184480 -H 0xffffffff81c0fa00",
            #"""
            ffff888000185a00
            ffff888000182f00
            ffff888000180400
            """#),
        Row(
            "abba.kdump",
            "list -e ffff888000184480 -s task_struct.pid,se.exec_start -l task_struct.tasks 0xffffffff81c0fa00",
            #"""
            ffffffff81c0fa00
              pid = 0,
              se.exec_start = 31794707,
            ffff888000185a00
              pid = 1,
              se.exec_start = 6010803985,
            ffff888000182f00
              pid = 2,
              se.exec_start = 641972333,
            ffff888000180400
              pid = 3,
              se.exec_start = 304758045,
            """#),
        Row(
            "abba.kdump", "list file_system_type.next -s file_system_type.fs_flags 0xffffffff81c97240",
            #"""
            ffffffff81c97240
              fs_flags = 8,
            ffffffff81c94cc0
              fs_flags = 8,
            ffffffff81c96e00
              fs_flags = 24,
            ffffffff81c9ac40
              fs_flags = 0,
            ffffffff81c9bb00
              fs_flags = 0,
            ffffffff81c936e0
              fs_flags = 0,
            ffffffff81c95fc0
              fs_flags = 0,
            ffffffff81c97520
              fs_flags = 8,
            ffffffff81c972a0
              fs_flags = 8,
            ffffffffc0002000
              fs_flags = 0,
            """#),
        Row(
            "abba.kdump", "list module.list -s module.state,num_syms -H modules",
            #"""
            ffffffffc0002080
              state = MODULE_STATE_LIVE,
              num_syms = 0,
            """#),
        Row(
            "abba.kdump", "list -o module.list -x -s module.state,list -H modules",
            #"""
            ffffffffc0002080
              state = MODULE_STATE_LIVE,
              list = {
                next = 0xffffffff81c91b20 <modules>,
                prev = 0xffffffff81c91b20 <modules>
              },
            """#),
        Row(
            "abba.kdump", "list -H 0xffff8880008a3010",
            #"""
            ffff8880008a1a90
            ffff8880008a5b10
            ffff88800033c590
            ffff888000339a90
            ffff888000185b00
            """#),
        Row(
            "abba.kdump", "list -o task_struct.children -h ffff8880008a2b00",
            #"""
            ffff8880008a2b00
            """#),
        Row(
            "abba.kdump", "list -S task_struct.prio,static_prio -o 1024 -e ffff888000184480 -H 0xffffffff81c0fa00",
            #"""
            ffff888000185600
              prio = 120
              static_prio = 120
            ffff888000182b00
              prio = 120
              static_prio = 120
            ffff888000180000
              prio = 100
              static_prio = 100
            """#),
        Row(
            "abba.kdump", "list -e ffff888000184480 -B -s task_struct.pid -o 1024 -H 0xffffffff81c0fa00",
            #"""
            ffff888000185600
              pid = 1,
            ffff888000182b00
              pid = 2,
            ffff888000180000
              pid = 3,
            """#),
        Row(
            "abba.kdump", "tree -t rbtree -o vmap_area.rb_node vmap_area_root",
            #"""
            ffff888000158d40
            ffff888000158600
            ffff888000158a80
            ffff8880001581c0
            ffff888000158a00
            ffff8880001587c0
            ffff8880001588c0
            ffff8880001580c0
            ffff888000158ac0
            ffff888000158500
            ffff888000158fc0
            ffff888000158080
            ffff888000158740
            ffff888000158b40
            ffff888000158400
            ffff888000158680
            ffff8880001585c0
            ffff888000158200
            ffff888000158800
            ffff888000158280
            ffff888000158480
            ffff888000158f00
            ffff888000158580
            ffff888000158dc0
            ffff888000158100
            ffff8880001589c0
            ffff888000158000
            ffff888000158a40
            ffff888000158e00
            ffff888000158640
            ffff888000158240
            ffff888000158700
            ffff888000303dc0
            ffff888000303b40
            ffff888000303400
            ffff888000303980
            ffff8880003037c0
            ffff888000303900
            ffff888000303000
            ffff888000303cc0
            ffff888000a33640
            ffff888000303380
            ffff888000223b00
            """#),
        Row(
            "abba.kdump", "tree -l -o vmap_area.rb_node vmap_area_root",
            #"""
            ffff888000158a00
            ffff8880001581c0
            ffff8880001587c0
            ffff888000158a80
            ffff8880001580c0
            ffff8880001588c0
            ffff888000158ac0
            ffff888000158600
            ffff888000158080
            ffff888000158fc0
            ffff888000158740
            ffff888000158500
            ffff888000158400
            ffff888000158b40
            ffff888000158680
            ffff888000158d40
            ffff888000158280
            ffff888000158800
            ffff888000158480
            ffff888000158200
            ffff888000158580
            ffff888000158f00
            ffff888000158dc0
            ffff8880001585c0
            ffff888000158a40
            ffff888000158000
            ffff888000158e00
            ffff8880001589c0
            ffff888000158240
            ffff888000158640
            ffff888000158700
            ffff888000158100
            ffff888000303400
            ffff888000303b40
            ffff888000303980
            ffff888000303dc0
            ffff888000303000
            ffff888000303900
            ffff888000303cc0
            ffff8880003037c0
            ffff888000303380
            ffff888000a33640
            ffff888000223b00
            """#),
        Row(
            "abba.kdump", "tree -t rb -l -p -o 16 -N ffff888000158a90 -s vmap_area.va_start -x",
            #"""
            ffff888000158a00
              position: root/l/l
              va_start = 0xffffc90000000000,
            ffff8880001581c0
              position: root/l
              va_start = 0xffffc90000008000,
            ffff8880001587c0
              position: root/l/r
              va_start = 0xffffc90000010000,
            ffff888000158a80
              position: root
              va_start = 0xffffc90000018000,
            ffff8880001580c0
              position: root/r/l
              va_start = 0xffffc90000020000,
            ffff8880001588c0
              position: root/r
              va_start = 0xffffc90000028000,
            ffff888000158ac0
              position: root/r/r
              va_start = 0xffffc90000030000,
            """#),
        Row(
            "abba.kdump", "tree -N ffff888000158610 -o vmap_area.rb_node -p",
            #"""
            ffff888000158600
              position: root
            ffff888000158a80
              position: root/l
            ffff8880001581c0
              position: root/l/l
            ffff888000158a00
              position: root/l/l/l
            ffff8880001587c0
              position: root/l/l/r
            ffff8880001588c0
              position: root/l/r
            ffff8880001580c0
              position: root/l/r/l
            ffff888000158ac0
              position: root/l/r/r
            ffff888000158500
              position: root/r
            ffff888000158fc0
              position: root/r/l
            ffff888000158080
              position: root/r/l/l
            ffff888000158740
              position: root/r/l/r
            ffff888000158b40
              position: root/r/r
            ffff888000158400
              position: root/r/r/l
            ffff888000158680
              position: root/r/r/r
            """#),
        Row(
            "abba.kdump", "tree -t x -r pid_namespace.idr init_pid_ns -p",
            #"""
            ffff88800016c780
              index: 1  position: root/0/1
            ffff88800016c180
              index: 2  position: root/0/2
            ffff88800016c200
              index: 3  position: root/0/3
            ffff88800016c480
              index: 4  position: root/0/4
            ffff88800016c980
              index: 5  position: root/0/5
            ffff88800016c080
              index: 6  position: root/0/6
            ffff88800016cd00
              index: 7  position: root/0/7
            ffff88800016c300
              index: 8  position: root/0/8
            ffff88800016cf00
              index: 9  position: root/0/9
            ffff88800016cb80
              index: 10  position: root/0/10
            ffff88800016c400
              index: 11  position: root/0/11
            ffff88800016c800
              index: 12  position: root/0/12
            ffff88800016ce80
              index: 13  position: root/0/13
            ffff88800016c580
              index: 14  position: root/0/14
            ffff88800016c100
              index: 15  position: root/0/15
            ffff88800016cd80
              index: 16  position: root/1/0
            ffff88800016c280
              index: 17  position: root/1/1
            ffff88800016cc80
              index: 18  position: root/1/2
            ffff88800016c600
              index: 19  position: root/1/3
            ffff88800016c900
              index: 20  position: root/1/4
            ffff88800016c680
              index: 21  position: root/1/5
            ffff88800016c500
              index: 22  position: root/1/6
            ffff888000235180
              index: 23  position: root/1/7
            ffff888000260c80
              index: 24  position: root/1/8
            ffff888000260680
              index: 25  position: root/1/9
            ffff888000260500
              index: 26  position: root/1/10
            ffff8880002a8580
              index: 27  position: root/1/11
            ffff8880002a8100
              index: 28  position: root/1/12
            ffff88800030c900
              index: 29  position: root/1/13
            ffff88800089fa80
              index: 30  position: root/1/14
            ffff888000966800
              index: 42  position: root/2/10
            ffff888000966200
              index: 45  position: root/2/13
            ffff888000966b80
              index: 47  position: root/2/15
            ffff888000966a00
              index: 49  position: root/3/1
            ffff888000966680
              index: 50  position: root/3/2
            ffff888000a32400
              index: 57  position: root/3/9
            """#),
        Row(
            "abba.kdump", "tree -t xarray -r address_space.i_pages ffff888000382b10 -p -x -s page.index,flags",
            #"""
            ffffea00000ae800
              index: 0  position: root/0
                  index = 0x0,
              flags = 0x8003e,
            ffffea00000ae840
              index: 1  position: root/1
                  index = 0x1,
              flags = 0x8003c,
            """#),
    ]
}
