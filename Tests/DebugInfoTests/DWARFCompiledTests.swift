// A program that says itself how its types are laid out, compiled in every way that we read.

import Bytes
import DebugInfo
import DebugModel
import ELF
import Testing

@Suite("Compiled DWARF")
struct DWARFCompiledTests {
    private static let source = """
        #include <stddef.h>
        #include <stdio.h>
        #include <string.h>
        typedef unsigned long word;
        enum colour { RED, GREEN = 200, BLUE = -5 };
        enum big { HUGE_ONE = 0x8000000000000000ul };
        struct inner { char c; short s; };
        union both { int i; double d; struct inner in[3]; };
        struct outer {
            char first; word w; struct inner nested; union both u; enum colour colour; struct outer *self;
            int (*call)(struct inner *, ...); const volatile char *text; int cube[2][3][4];
            struct { int deep; union { long a; char b[40]; }; }; _Bool yes; long double wide; char tail[];
        };
        struct bits {
            unsigned a : 3; int b : 7; unsigned long c : 33; unsigned char d : 1; unsigned : 0; unsigned e : 31;
            unsigned short f : 9; long g : 60;
        };
        struct __attribute__((packed)) tight { char c; long l; unsigned x : 5, y : 12; short s; };
        struct empty { };
        struct outer global; struct bits fields; struct tight packed; struct empty nothing; enum big big;
        static int hidden = 7;
        #define AT(s, m) printf(#s " " #m " %zu %zu\\n", offsetof(struct s, m), sizeof(((struct s *)0)->m))
        #define BIT(s, m) do { struct s v; memset(&v, 0, sizeof v); v.m = -1; unsigned char *p = (void *)&v; \\
            size_t i = 0, n = 0; while (!(p[i / 8] >> i % 8 & 1)) i++; \\
            while (i + n < 8 * sizeof v && p[(i + n) / 8] >> (i + n) % 8 & 1) n++; \\
            printf(#s " " #m " bit %zu %zu\\n", i, n); } while (0)
        int main(void) {
            AT(outer, first); AT(outer, w); AT(outer, nested); AT(outer, u); AT(outer, colour); AT(outer, self);
            AT(outer, call); AT(outer, text); AT(outer, cube); AT(outer, deep); AT(outer, a); AT(outer, b);
            AT(outer, yes); AT(outer, wide); AT(tight, c); AT(tight, l); AT(tight, s); AT(inner, s);
            BIT(bits, a); BIT(bits, b); BIT(bits, c); BIT(bits, d); BIT(bits, e); BIT(bits, f); BIT(bits, g);
            BIT(tight, x); BIT(tight, y);
            printf("sizes %zu %zu %zu %zu %zu\\n", sizeof(struct outer), sizeof(struct bits), sizeof(struct tight),
                   sizeof(union both), sizeof(struct inner));
            return hidden - 7 + (int)(global.first + fields.a + packed.c + (long)&nothing * 0 + (big != 0));
        }

        """

    /// The path of the program, and what it printed.
    private static func program(_ name: String, _ flags: String) -> (path: String, lines: [Substring])? {
        let script = """
            set -e
            d=${TMPDIR:-/tmp}/inquest-tests-$PPID; mkdir -p "$d"; cd "$d"
            cat > layout.\(name).c <<'END'
            \(source)END
            cc -w -g \(flags) -o layout.\(name) layout.\(name).c
            echo "$d/layout.\(name)"
            ./layout.\(name)
            """
        guard let lines = RealFiles.lines(["sh", "-c", script]), let path = lines.first else { return nil }
        return (String(path), Array(lines.dropFirst()))
    }

    @Test(
        "Offsets and sizes are those that the program itself prints", .enabled(if: Compiled.hasCompiler),
        arguments: [
            ("four", "-gdwarf-4"), ("five", "-gdwarf-5"), ("three", "-gdwarf-3 -gstrict-dwarf"),
            ("two", "-gdwarf-2 -gstrict-dwarf"),
            ("packed", "-gdwarf-5 -gz=zlib"), ("units4", "-gdwarf-4 -fdebug-types-section"),
            ("units5", "-gdwarf-5 -fdebug-types-section"), ("wide", "-gdwarf-5 -gdwarf64"),
        ] as [(String, String)])
    func layout(name: String, flags: String) throws {
        let (path, lines) = try #require(Self.program(name, flags), "the compiler refused \(flags)")
        let described = Described(DWARFFile(try ELFFile(try ByteSource.map(path))))
        for line in lines where !line.isEmpty && !line.hasPrefix("sizes") {
            let words = line.split(separator: " ")
            let id = try #require(try described.graph.lookup(.structure, String(words[0])))
            let member = try #require(try described.graph.member(String(words[1]), of: id), "\(line)")
            if words[2] == "bit" {
                #expect("\(member.bitOffset) \(member.bitSize ?? 0)" == "\(words[3]) \(words[4])", "\(line)")
            } else {
                let size = try described.graph.size(member.type) ?? 0
                #expect("\(member.bitOffset / 8) \(size)" == "\(words[2]) \(words[3])", "\(line)")
            }
        }
        let sizes = try ["outer", "bits", "tight"].map { try described.aggregate($0)?.size ?? 0 }
        let more = try [described.aggregate("both", .union)?.size ?? 0, described.aggregate("inner")?.size ?? 0]
        #expect(lines.contains("sizes " + (sizes + more).map { "\($0)" }.joined(separator: " ")))
        try check(described)
    }

    private func check(_ described: Described) throws {
        #expect(try described.enumeration("colour")?.enumerators.map(\.value) == [0, 200, -5])
        #expect(try described.enumeration("colour")?.isSigned == true)
        #expect(try described.enumeration("big")?.enumerators.map(\.value) == [.min])
        #expect(try described.enumeration("big")?.isSigned == false)
        #expect(try described.aggregate("empty")?.size == 0)
        #expect(try described.types.variables(named: "hidden").count == 1)
        #expect(try described.types.functions(named: "main").first?.address != nil)
        let outer = try described.members("outer")
        #expect(outer.contains { $0.hasPrefix("int (*call)(struct inner *, ...)") })
        #expect(outer.contains { $0.hasPrefix("int cube[2][3][4]") })
        #expect(outer.contains { $0.hasPrefix("char tail[]") }, "\(outer)")
        #expect(described.types.remarks.isEmpty)
    }
}
