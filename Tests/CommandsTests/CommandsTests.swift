import Bytes
import Commands
import DebugModel
import FixtureKit
import Pipeline
import Target
import Testing

@Suite struct CommandsTests {
    let session = Session()

    @Test func theListIsSortedAndEveryManualHasExamplesThatParse() throws {
        let names = Commands.all.map { $0.manual.name }
        #expect(names == names.sorted())
        for stage in Commands.all {
            #expect(!stage.manual.examples.isEmpty, "\(stage.manual.name)")
            for example in stage.manual.examples {
                // One that begins with a command of some kernel is tried where there is one.
                let name = example.line.split(separator: " ").first.map(String.init) ?? ""
                guard session.context.catalog[name] != nil else { continue }
                _ = try Engine.parse(example.line, catalog: session.context.catalog)
            }
        }
    }

    @Test func printShowsTypeAndValue() {
        #expect(session.run("print init_task.pid + 1") == ["(int) 1"])
        #expect(session.run("p &init_task") == ["(struct task_struct *) \(session.initTask) <init_task>"])
        #expect(session.run("print -x 255") == ["(int) 0xff"])
        #expect(session.run("print per_cpu(runqueues, 1).curr->pid") == ["(int) 45"])
        #expect(session.run("print *per_cpu(runqueues, 1).curr").first == "(struct task_struct) {")
        #expect(session.run("print -5") == ["(int) -5"])
        #expect(session.run("print nothing") == ["failed: column 1: no symbol, enumerator or type is named nothing"])
    }

    @Test func aSymbolWithoutATypeShowsItsBytesAndNoGuess() throws {
        let session = Session { builder, task in
            builder.write(Array("a text".utf8), at: builder.address(of: "mystery"))
            builder.symbol("list", size: 16)
            builder.write(word: task.rawValue, at: builder.address(of: "list"))
            builder.symbol("table", size: 4096)
        }
        let place = try #require(session.context.target.symbols.symbol(named: "mystery")).address
        let digits = hex(place.rawValue, width: 16)
        #expect(
            session.run("print mystery") == [
                "mystery at \(place), 8 bytes: type unknown; print (TYPE)mystery",
                "\(digits):  61 20 74 65 78 74 00 00" + String(repeating: " ", count: 24) + "   a text..",
            ])
        let record = try #require(session.records("print mystery").first)
        func field(_ name: String) -> String {
            record.fields.first { $0.name == name }.map { Session.text($0.value) } ?? ""
        }
        #expect(field("type") == "-" && field("address") == digits && field("size") == "8")
        #expect(field("bytes") == "[97 32 116 101 120 116 0 0]" && field("size_at_most") == "-")
        #expect(field("note") == "type unknown; print (TYPE)mystery")
        // The type that the user says it has, in every way to say it.
        #expect(session.run("print (char [7])mystery") == ["(char [7]) \"a text\""])
        #expect(session.run("print &mystery") == ["(void *) \(place) <mystery>"])
        #expect(
            session.run("print ((struct list_head)list).next") == session.run("print ((struct list_head *)&list)->next")
        )
        #expect(session.run("print ((struct task_struct *)list)->pid") == ["(int) 45"])
        #expect(session.run("struct list_head list").first == "struct list_head {")
        #expect(session.run("struct task_struct.pid (struct task_struct *)list") == ["  pid = 45"])
        #expect(session.run("rd mystery").first?.contains("a text..") == true)
        #expect(session.run("sym mystery").first?.contains("object mystery 8") == true)
        let shown = session.run("print table")
        #expect(shown.count == 6 && shown.last == "... 4032 more")
        #expect(session.run("print mystery + 1").first?.contains("say which it is: (TYPE)mystery") == true)
    }

    @Test func theBytesOfASymbolWithoutATypeMayBeMissing() throws {
        let session = Session { builder, _ in
            builder.symbol("first", size: 4000)
            builder.drop(pageOf: builder.address(of: "mystery"))
        }
        let lines = session.run("print mystery")
        #expect(lines.count == 2 && lines.last?.contains("<unreadable: ") == true)
        #expect(session.context.gaps.count == 1)
        let record = try #require(session.records("print mystery").first)
        let bytes = try #require(record.fields.first { $0.name == "bytes" })
        #expect(Session.text(bytes.value).hasPrefix("?"))
    }

    @Test func structShowsDefinitionLayoutAndContents() {
        let definition = [
            "struct list_head {", "    struct list_head *next;", "    struct list_head *prev;", "};", "SIZE: 16",
        ]
        #expect(session.run("struct list_head") == definition)
        #expect(session.run("struct list_head -o")[1].hasSuffix("/*      0     8 */"))
        #expect(session.run("struct task_struct.pid,comm &init_task") == ["  pid = 0", "  comm = \"swapper/0\""])
        #expect(session.run("struct task_t.pid \(hex(session.task.rawValue))") == ["  pid = 45"])
        #expect(session.run("struct task_struct.comm[0] init_task") == ["  comm[0] = 115 's'"])
        #expect(session.run("struct task_struct.tasks.prev -o")[1] == "    struct list_head *tasks.prev;  /* 32 8 */")
        #expect(session.run("union either")[0] == "union either {")
        #expect(session.run("struct list_head init_task.tasks 2").count == 10)
        #expect(session.run("struct absent") == ["failed: there is no struct, union or typedef of one named absent"])
        #expect(session.run("struct task_struct.absent &init_task").last?.contains("no member absent") == true)
        #expect(session.run("struct rq runqueues").last?.contains("per_cpu(runqueues, 0)") == true)
    }

    @Test func aMemberOnAMissingPageIsAGapAndAFootnote() {
        let session = Session { builder, task in builder.drop(pageOf: task) }
        let lines = session.run("print init_task.pid")
        #expect(lines == ["(int) 0"])
        #expect(session.run("print *(struct task_struct *)\(session.task)").last?.hasPrefix("failed:") == true)
        #expect(session.run("print ((struct task_struct *)\(session.task))->pid").last?.hasPrefix("failed:") == true)
        #expect(session.run("struct task_struct \(session.task)").last?.contains("left out of the dump") == true)
    }

    @Test func theFieldsOfAStructureAreJSONReady() throws {
        let record = try #require(session.records("struct task_struct \(session.task)").first)
        #expect(record.kind == "struct")
        #expect(Session.text(record["address"] ?? .none) == hex(session.task.rawValue))
        let value = Session.text(record["value"] ?? .none)
        #expect(value.hasPrefix("{pid=45 comm=ru\nby tasks={next=0 prev=0} parent={address="))
        #expect(value.hasSuffix("symbol=init_task}}"))
    }

    @Test func rdShowsWordsAndASCIIAndWhatIsMissing() {
        let comm = hex(session.initTask.rawValue + 8)
        #expect(
            session.run("rd init_task.comm 2") == ["\(comm):  2f72657070617773 0000000000000030   swapper/0......."])
        #expect(
            session.run("rd -8 init_task.comm 3") == ["\(comm):  73 77 61" + String(repeating: " ", count: 42) + "swa"])
        #expect(session.run("rd -a init_task.comm") == ["\(comm):  swapper/0"])
        #expect(
            session.run("rd -s 0x\(hex(session.task.rawValue + 40))") == [
                "\(hex(session.task.rawValue + 40)):  init_task"
            ])
        let missing = Session { builder, task in
            builder.write([1], at: task.advanced(by: UInt64(4096)))
            builder.drop(pageOf: task.advanced(by: UInt64(4096)))
        }
        let page = missing.task.rawValue & ~4095
        let lines = missing.run("rd 0x\(hex(page + 4088)) 4")
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("\(hex(page + 4088)):  0000000000000000 ") == true)
        #expect(lines.last?.contains("<unreadable: ") == true)
        #expect(missing.context.gaps.count == 1)
        #expect(
            session.run("rd -p 0x\(hex(session.task.rawValue - LinearMap.direct))").first?.contains("000000000000002d")
                == true)
    }

    @Test func vtopAndPtovGoBothWays() {
        let physical = session.task.rawValue - LinearMap.direct
        let lines = session.run("vtop \(session.task)")
        #expect(lines.first == "virtual   \(hex(session.task.rawValue))")
        #expect(lines.last == "physical  \(hex(physical, width: 16))  page frame \(hex(physical >> 12))")
        #expect(session.run("ptov \(physical)") == ["\(hex(physical)) \(hex(session.task.rawValue)) -"])
        #expect(session.run("vtop 0x1000").last?.contains("not mapped") == true)
        #expect(session.run("vtop -u 0x1000").last?.contains("-u needs -c PID") == true)
    }

    @Test func searchFindsPointersAndText() {
        let found = session.run("search &init_task")
        // Two run queues and one parent.
        let parent = hex(session.task.rawValue + 40)
        #expect(found.contains { $0.hasPrefix("\(parent): \(hex(session.initTask.rawValue))") })
        #expect(found.count == 2)
        #expect(session.run("search -c swapper").first?.contains("init_task+0x8") == true)
        #expect(session.run("search 0x1234567812345678").first?.hasPrefix("not found in ") == true)
        #expect(session.run("search -v &init_task").contains("    a page of the direct map"))
        #expect(session.run("search -l 1 &init_task").last?.contains("-l LIMIT") == true)
        #expect(session.run("search -w 0x123456789").last?.contains("more than 32 bits") == true)
    }

    @Test func symKnowsNamesAndAddresses() {
        let schedule = session.run("sym schedule")
        #expect(schedule.count == 2)
        #expect(schedule.first?.hasPrefix("ffffffff81000000 function schedule 64") == true)
        let inner = session.run("sym \(hex(session.initTask.rawValue + 8))").first
        #expect(inner?.contains("init_task+0x8") == true)
        #expect(inner?.hasSuffix("struct task_struct") == true)
        #expect(session.run("sym -q iff").first?.contains("jiffies") == true)
        #expect(session.run("sym runqueues").first?.contains("per-CPU") == true)
        #expect(session.run("sym 0x10").last?.contains("no symbol covers") == true)
    }

    @Test func whatisKnowsAddressesNamesAndTypes() {
        #expect(session.run("whatis init_task") == ["struct task_struct init_task;"])
        #expect(session.run("whatis init_task.comm") == ["char init_task.comm[16];"])
        #expect(session.run("whatis struct list_head").first == "struct list_head {")
        #expect(session.run("whatis task_t") == ["typedef struct task_struct task_t;", "SIZE: 48"])
        #expect(session.run("whatis &init_task").first?.hasSuffix(": symbol init_task, struct task_struct") == true)
        #expect(session.run("whatis \(session.task)").first?.hasSuffix("a page of the direct map") == true)
        #expect(session.run("whatis schedule").first?.contains("symbol schedule") == true)
        #expect(session.run("whatis mystery").first?.contains("symbol mystery, ") == false)
        #expect(session.run("whatis mystery").first?.contains("symbol mystery") == true)
        #expect(session.run("whatis 0x10").first?.contains("not mapped") == true)
    }
}
