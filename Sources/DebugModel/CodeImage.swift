// The code of a symbol file as it was loaded, before the kernel patched it: what code in memory is held against.

package import Bytes

/// A section of code.
package struct CodeSection: Sendable {
    package let name: String
    /// Where it is in the running kernel.
    package let address: VirtualAddress
    /// As the file has it, relocated as far as the file itself tells.
    package let bytes: ByteSlice
    /// Fields whose values depend on symbols of other files: a module's calls into the kernel.
    package let references: [Reference]

    /// A field that holds symbol + addend, less its own address when it is relative.
    package struct Reference: Sendable {
        /// From the start of the section.
        package let offset: UInt64
        /// Bytes.
        package let width: Int
        package let symbol: String
        package let addend: Int64
        package let isRelative: Bool

        package init(offset: UInt64, width: Int, symbol: String, addend: Int64, isRelative: Bool) {
            self.offset = offset
            self.width = width
            self.symbol = symbol
            self.addend = addend
            self.isRelative = isRelative
        }
    }

    package init(name: String, address: VirtualAddress, bytes: ByteSlice, references: [Reference] = []) {
        self.name = name
        self.address = address
        self.bytes = bytes
        self.references = references
    }
}

/// One file's code and the tables that say where the kernel patches it.
package protocol CodeImage: Sendable {
    /// What was added to the file's addresses (KASLR); 0 for modules. Absolute addresses within the code are the file's
    /// and must be moved by as much.
    var offset: UInt64 { get }
    /// The sections of code that were loaded, in address order.
    func codeSections() throws -> [CodeSection]
    /// Any loaded section by name, as the file has it: where it is (or was) and what it holds; nil when there is none.
    func section(named name: String) throws -> CodeSection?
    /// Bytes of the file at an address of the running kernel; nil outside its sections.
    func bytes(at address: VirtualAddress, count: Int) -> ByteSlice?
}
