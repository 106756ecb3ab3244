// What walks over all that a kernel has of something share.

internal import Bytes
internal import DebugModel
internal import Memory
internal import Pipeline
internal import Target

/// Lists of structures that hang on a variable or in a structure.
enum KernelList {
    /// The structures of the list at the global `variable`, which nothing but a symbol may describe.
    static func walk(
        global variable: String, _ type: String, _ member: String, _ context: Context,
        _ emit: (Step) throws -> Void
    ) throws {
        let model = try linux(context).model
        try walk(try Globals.structure(model, variable, "list_head"), type, member, emit)
    }

    /// The structures of the list at `head`: a `list_head` or an `hlist_head`.
    static func walk(_ head: Value, _ type: String, _ member: String, _ emit: (Step) throws -> Void) throws {
        let element = try ElementType(type, member, head.target)
        guard head.has("first") else {
            return try ListWalk.walk(head, anomaly: { try emit(.anomaly($0)) }) {
                try emit(.element(element.value(at: $0)))
            }
        }
        var chain = ChainWalk(backOffset: 8)
        chain.poisons = LinuxPoison.links
        try chain.walk(
            from: try head.member("first").address, in: head.target.space, anomaly: { try emit(.anomaly($0)) }
        ) { try emit(.element(element.value(at: $0))) }
    }
}

extension Value {
    /// The first of several members that the structure has: the newest first.
    func member(anyOf names: String...) throws -> Value {
        for name in names where has(name) { return try member(name) }
        throw ValueError.noMember(names.joined(separator: " or "), of: typeName)
    }

    /// Through a pointer; nil for NULL.
    func target() throws -> Value? { try pointer().isNull ? nil : try pointee() }
}

extension Anomaly {
    /// What could not be read in the midst of a walk that goes on.
    static func unreadable(_ what: String, _ error: any Error, at address: VirtualAddress) -> Anomaly {
        Anomaly(.unreadable, "\(what) cannot be read: \(error)", at: address)
    }
}
