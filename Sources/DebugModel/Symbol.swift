// Symbols, source lines, and the questions asked of them.

package import Bytes

/// A named address: from an ELF symbol table or from kallsyms.
package struct Symbol: Sendable, Equatable {
    package enum Binding: Sendable, Equatable {
        case local
        case global
        case weak
    }
    package enum Kind: Sendable, Equatable {
        case function
        case object
        /// Neither: labels of assembly, linker script symbols.
        case unspecified
        /// An offset within the per-CPU area, not an address.
        case perCPU
        /// A number that is no address (`SHN_ABS`), for example a size made by the linker.
        case absolute
    }
    package let name: String
    /// Where it is in the running kernel (relocated).
    package let address: VirtualAddress
    /// Bytes; 0 when the table does not say.
    package let size: UInt64
    /// The table has no sizes: `size` is the room up to the next symbol, padding and what has no name included.
    package let isSizeBound: Bool
    package let kind: Kind
    package let binding: Binding
    /// The module that defines it; nil for the kernel proper.
    package let module: String?

    package init(
        name: String, address: VirtualAddress, size: UInt64, kind: Kind, binding: Binding = .global,
        module: String? = nil, isSizeBound: Bool = false
    ) {
        self.name = name
        self.address = address
        self.size = size
        self.kind = kind
        self.binding = binding
        self.module = module
        self.isSizeBound = isSizeBound
    }
}

/// A table of symbols: the kernel's or one module's.
package protocol SymbolSource: Sendable {
    /// The symbols with exactly this name (static functions of several files share one), in address order.
    func symbols(named name: String) -> [Symbol]
    /// The symbol that covers `address`: the nearest at or below it, if its size (where known) or the next symbol allows.
    func symbol(covering address: VirtualAddress) -> Symbol?
    /// Every symbol, in address order.
    func forEach(_ body: (Symbol) throws -> Void) rethrows
}

/// A place in the source text.
package struct SourceLine: Sendable, Equatable {
    /// The path as the compiler recorded it, made absolute with the unit's directory.
    package let file: String
    package let line: Int
    /// 0 where the table says none.
    package let column: Int

    package init(file: String, line: Int, column: Int = 0) {
        self.file = file
        self.line = line
        self.column = column
    }
}

/// One function at a code address: the one that was compiled there, or one that was inlined into it.
package struct FunctionScope: Sendable, Equatable {
    package let name: String
    package let isInlined: Bool
    /// Where this function was at that moment: for the innermost the line of the address, for the others the call site.
    package let location: SourceLine?

    package init(name: String, isInlined: Bool, location: SourceLine?) {
        self.name = name
        self.isInlined = isInlined
        self.location = location
    }
}

/// Debug information that can say what code is at an address.
package protocol CodeSource: Sendable {
    /// The functions at `address`, innermost (inlined) first, the compiled one last; empty when it has none there.
    /// The address is the one to look up: callers pass a return address minus one.
    func functions(at address: VirtualAddress) throws -> [FunctionScope]
    /// The line-table row that covers `address`.
    func line(at address: VirtualAddress) throws -> SourceLine?
    /// Where code begins that came from a line of the file whose path ends with `name`; of the next line that has code
    /// when that one has none. In address order.
    func places(inFile name: String, line: Int) throws -> [LinePlace]
}

extension CodeSource {
    package func places(inFile name: String, line: Int) throws -> [LinePlace] { [] }
}

/// Code that came from a source line.
package struct LinePlace: Sendable, Equatable {
    package let address: VirtualAddress
    package let line: SourceLine

    package init(address: VirtualAddress, line: SourceLine) {
        self.address = address
        self.line = line
    }
}

/// A variable with static storage, as debug information describes it.
package struct GlobalVariable: Sendable, Equatable {
    package let name: String
    package let type: TypeID
    /// Its address in the running kernel, when the source says one; else ask the symbol table.
    package let address: VirtualAddress?

    package init(name: String, type: TypeID, address: VirtualAddress?) {
        self.name = name
        self.type = type
        self.address = address
    }
}
