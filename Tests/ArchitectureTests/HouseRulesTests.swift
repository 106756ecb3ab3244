import Testing

/// What holds for every file, whatever it is about.
@Suite struct HouseRulesTests {
    /// Whether a name stands in a line as a word of its own.
    private func has(_ word: String, in line: String) -> Bool {
        line.split { !($0.isLetter || $0.isNumber || $0 == "_") }.contains { $0 == word }
    }

    @Test func noFileIsLongerThan600Lines() {
        for file in Repository.sources + Repository.tests {
            #expect(file.lines.count <= 601, "\(file.path) has \(file.lines.count) lines: find the second thing in it")
        }
    }

    @Test func everySourceBeginsWithASentenceAboutItself() {
        for file in Repository.sources {
            #expect(file.lines.first?.hasPrefix("// ") == true, "\(file.path) does not say what it is")
        }
    }

    @Test func onlyRenderingAndTheProgramPrint() {
        for file in Repository.sources where !["Rendering", "inquest"].contains(file.target) {
            for (number, line) in file.code.enumerated() where has("print", in: line) && line.contains("print(") {
                #expect(line.contains(".print("), "\(file.path):\(number + 1) prints; commands emit, Rendering prints")
            }
        }
    }

    @Test func foundationStaysOut() {
        for file in Repository.sources {
            #expect(!file.imports.contains("Foundation"), "\(file.path) imports Foundation: 44 MB and 5 ms")
        }
    }

    @Test func theSystemsLibraryIsCalledWhereItIsWrapped() {
        for file in Repository.sources where file.imports.contains("Glibc") {
            #expect(
                ["Bytes", "DebugInfo", "inquest", "FixtureKit"].contains(file.target),
                "\(file.path) calls the system; ask \(file.target == "Dump" ? "Bytes" : "a lower target") to")
        }
    }

    @Test func unsafeCodeIsInBytesAndInWrappersOfCLibraries() {
        let libraries: Set<String> = ["Glibc", "CLineEdit", "CZlib", "CZstd", "CCapstone"]
        for file in Repository.sources where file.target != "Bytes" {
            guard file.code.contains(where: { has("unsafe", in: $0) }) else { continue }
            #expect(!libraries.isDisjoint(with: file.imports), "\(file.path) is unsafe and wraps no C library")
        }
    }

    @Test func nothingTrapsOnPurpose() {
        for file in Repository.sources where file.target != "FixtureKit" {
            for (number, line) in file.code.enumerated() {
                for word in ["try!", "as!", "fatalError(", "preconditionFailure("] where line.contains(word) {
                    Issue.record("\(file.path):\(number + 1): \(word) ends the debugger; throw")
                }
            }
        }
    }

    @Test func noFieldIsNamedAsTheKindOfItsRecord() {
        for file in Repository.sources {
            for (number, line) in file.lines.enumerated() where line.contains("Field(\"kind\"") {
                Issue.record(
                    "\(file.path):\(number + 1): in JSON `kind` is what the record is; name the field otherwise")
            }
        }
    }

    @Test func whatIsDeclaredUnfinishedIsNotThere() {
        for file in Repository.sources {
            for (number, line) in file.lines.enumerated() {
                for word in ["TODO", "FIXME"] where has(word, in: String(line)) {
                    Issue.record("\(file.path):\(number + 1): \(word)")
                }
            }
        }
    }
}
