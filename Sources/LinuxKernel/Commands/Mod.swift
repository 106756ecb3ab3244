// mod: the loaded modules.

package import Pipeline
internal import Bytes
internal import Target

package struct Mod: Stage {
    package static let manual = Manual(
        name: "mod", aliases: ["lsmod"], synopsis: "[NAME...]", summary: "loaded modules",
        text: "With names: where each section of these modules was loaded.", options: [],
        examples: [.init("mod", "all modules")], emits: [.subjects, .records])
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let table = try linux(context).modules
        for anomaly in table.anomalies { context.gaps.note(Gap("the module list", why: anomaly.description)) }
        if arguments.operands.isEmpty {
            for module in table.modules { try emit(.record(Self.record(module))) }
            return
        }
        for name in arguments.operands {
            guard let module = table.modules.first(where: { $0.name == name }) else {
                throw CommandError("no module \(name) is loaded")
            }
            for (section, address) in try module.sections().sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
                try emit(
                    .record(
                        Record(
                            "section",
                            [
                                Field("module", "MODULE", .text(name)),
                                Field("address", "ADDRESS", .address(address.rawValue)),
                                Field("section", "SECTION", .text(section)),
                            ])))
            }
        }
    }

    static func record(_ module: Module) -> Record {
        Record(
            "module",
            [
                Field("module", "MODULE", (try? module.value.address).map { .address($0.rawValue) } ?? .none),
                Field("name", "NAME", .text(module.name)),
                Field("base", "BASE", module.base.map { .address($0.rawValue) } ?? .none),
                Field("size", "SIZE", .unsigned(module.size)),
                Field("state", "STATE", .text(module.state)),
                Field("taints", "TAINTS", .text(module.taints)),
            ], subject: module.value)
    }
}
