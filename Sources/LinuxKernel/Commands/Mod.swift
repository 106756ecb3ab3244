// mod: the loaded modules.

package import Pipeline
internal import Bytes
internal import Target

package struct Mod: Stage {
    package static let manual = Manual(
        name: "mod", aliases: ["lsmod"], synopsis: "[-t] [-s | -S | -o | -r | -R | -g] [NAME...]",
        summary: "loaded modules",
        text: """
            With names: where each section of these modules was loaded. There is nothing to load: the symbols of all \
            modules are in the dump, and their symbol files are found where -s of the command line says when they are \
            asked for. crash's options for that (-s -S -d -D -r -R -o -g) show the list.
            """,
        options: [
            .init("-t", "Only modules that taint the kernel"), .init("-s", "The list; symbols are there already"),
            .init("-S", "The same"), .init("-d", "The same"), .init("-D", "The same"), .init("-r", "The same"),
            .init("-R", "The same"), .init("-o", "The same"), .init("-g", "The same"),
        ],
        examples: [.init("mod", "all modules"), .init("mod -t", "those that taint the kernel")],
        emits: [.subjects, .records])
    private let arguments: Arguments

    package init(_ arguments: Arguments) throws { self.arguments = arguments }

    package func finish(_ context: Context, _ emit: Emit) throws {
        let table = try linux(context).modules
        if let failure = table.failure { throw CommandError("the modules cannot be listed: \(failure)") }
        for anomaly in table.anomalies { context.gaps.note(Gap("the module list", why: anomaly.description)) }
        // crash's `mod -S DIRECTORY` and `mod -s NAME FILE` name files.
        let loads = ["-s", "-S", "-d", "-D", "-r", "-R", "-o", "-g"].contains { arguments.has($0) }
        if arguments.operands.isEmpty || loads {
            for module in table.modules where !arguments.has("-t") || !module.taints.isEmpty {
                try emit(.record(Self.record(module)))
            }
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
