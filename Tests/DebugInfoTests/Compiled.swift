// Programs that the tests compile, for what the oracles can be asked about.

import Bytes
import DebugInfo
import ELF

enum Compiled {
    static let hasCompiler = Subprocess.run(["gcc", "--version"]) != nil && RealFiles.has("readelf")

    /// Two levels of inlining, a name from another file, a lexical block, a function cut in two (`.cold`).
    private static let source = """
        #include "hdr.h"
        int v(int a) {
            return twice(a) + 7;
        }
        #line 90000 "far away/gen.y"
        int w(int a) {
            for (int i = 0; i < a; i++) { int k = thrice(i); sink(&k); }
            if (__builtin_expect(a > 1000, 0)) { sink(0); __builtin_trap(); }
            return v(a);
        }
        int main(int c, char **x) { return w(c); }

        """

    private static let header = """
        void sink(int *p);
        static inline __attribute__((always_inline)) int twice(int x) { sink(&x); return x * 2 + 1; }
        static inline __attribute__((always_inline)) int thrice(int x) {
            return twice(x)
                + x;
        }

        """

    /// The path of the program, compiled with these flags; nil when the compiler refuses them.
    static func program(_ name: String, compiler: String = "gcc", _ flags: String) -> String? {
        let script = """
            set -e
            d=${TMPDIR:-/tmp}/inquest-tests-$PPID; mkdir -p "$d/include"; cd "$d"
            cat > include/hdr.h <<'END'
            \(header)END
            cat > a.\(name).c <<'END'
            \(source)END
            echo 'void sink(int *p) { (void)p; }' > sink.\(name).c
            \(compiler) -O2 \(flags) -Iinclude -o \(name) a.\(name).c sink.\(name).c
            echo "$d/\(name)"
            """
        guard let lines = RealFiles.lines(["sh", "-c", script]), let path = lines.first, !path.isEmpty else {
            return nil
        }
        return String(path)
    }
}
