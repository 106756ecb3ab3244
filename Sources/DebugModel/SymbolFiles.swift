// The seam between a kernel and the files that describe it.

package import Bytes

/// Finds variables with static storage.
package protocol VariableSource: Sendable {
    /// Every variable of that name: static ones of several files share one. Types are given as references of the
    /// file's `TypeSource`.
    func variables(named name: String) throws -> [VariableReference]
}

/// A variable as its source names it.
package struct VariableReference: Sendable, Equatable {
    package let name: String
    package let type: TypeReference
    /// Its address in the running kernel; nil when the symbol table must be asked. For a per-CPU variable the
    /// offset within the per-CPU area.
    package let address: VirtualAddress?

    package init(name: String, type: TypeReference, address: VirtualAddress?) {
        self.name = name
        self.type = type
        self.address = address
    }
}

/// What one symbol file says of code and data that are loaded at known addresses. Nil: it says nothing of the kind.
package struct DebugSources: Sendable {
    /// The file's name, for the journal.
    package var name: String
    package var types: (any TypeSource)?
    package var variables: (any VariableSource)?
    package var code: (any CodeSource)?
    package var symbols: (any SymbolSource)?
    /// In the order in which they are to be asked.
    package var unwind: [any UnwindSource]
    /// Variables of running functions. Their types are references of `types`.
    package var frames: (any FrameSource)?
    /// Its code, to be held against memory.
    package var image: (any CodeImage)?

    package init(
        name: String, types: (any TypeSource)? = nil, variables: (any VariableSource)? = nil,
        code: (any CodeSource)? = nil, symbols: (any SymbolSource)? = nil, unwind: [any UnwindSource] = [],
        frames: (any FrameSource)? = nil, image: (any CodeImage)? = nil
    ) {
        self.image = image
        self.name = name
        self.types = types
        self.variables = variables
        self.code = code
        self.symbols = symbols
        self.unwind = unwind
        self.frames = frames
    }
}

/// The types of a kernel as BTF, in a file of their own or as a part of one.
package struct TypeFile: Sendable {
    /// The file's name, for the journal.
    package let path: String
    package let bytes: ByteSlice
    /// Whether it is to be taken although it is not the kernel's.
    package let isForced: Bool

    package init(path: String, bytes: ByteSlice, isForced: Bool) {
        self.path = path
        self.bytes = bytes
        self.isForced = isForced
    }
}

/// A kernel image that was found, before anyone knows where it is loaded.
package protocol KernelImage: Sendable {
    var path: String { get }
    /// Empty when the file has none.
    var buildID: [UInt8] { get }
    /// The BTF that it carries; nil without.
    var types: TypeFile? { get }
    /// The link-time address of a symbol.
    func address(of symbol: String) -> VirtualAddress?
    /// Bytes of the image at a link-time address, as the file holds them; nil outside its sections.
    func bytes(at address: VirtualAddress, count: Int) -> ByteSlice?
    /// Everything it says, for an image loaded `offset` bytes above its link-time addresses (the KASLR offset).
    func load(offset: UInt64) throws -> DebugSources
}

/// What identifies a module, as the kernel's memory says.
package struct ModuleIdentity: Sendable {
    package let name: String
    /// Empty when the kernel does not keep it.
    package let buildID: [UInt8]
    /// The run-time address of each section, by name.
    package let sections: [String: VirtualAddress]

    package init(name: String, buildID: [UInt8], sections: [String: VirtualAddress]) {
        self.name = name
        self.buildID = buildID
        self.sections = sections
    }
}

/// Where symbol files come from: given on the command line, beside the dump, in the standard directories.
package protocol SymbolFiles: Sendable {
    /// The kernel image with that build-id; without one (`nil`), the one that was given explicitly, if any.
    /// `release` names directories to look in.
    func kernel(buildID: [UInt8]?, release: String?) throws -> (any KernelImage)?
    /// What a module's file says; nil when there is none.
    func module(_ identity: ModuleIdentity, release: String?) throws -> DebugSources?
    /// The kernel's types in a file without anything else, whose build it does not tell; nil when none was given.
    func types() -> TypeFile?
}

extension KernelImage {
    package var types: TypeFile? { nil }
}

extension SymbolFiles {
    package func types() -> TypeFile? { nil }
}
