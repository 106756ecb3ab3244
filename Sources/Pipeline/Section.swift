// The chapters in which commands are listed.

/// What a command is about, in the order in which a newcomer needs it.
package enum Section: Int, Sendable, CaseIterable {
    case machine
    case tasks
    case memory
    case types
    case containers
    case pipelines
    case session

    package var title: String {
        switch self {
        case .machine: "The machine and its kernel"
        case .tasks: "Tasks and stacks"
        case .memory: "Memory"
        case .types: "Symbols, types, values and code"
        case .containers: "Lists, trees and tables"
        case .pipelines: "Pipelines"
        case .session: "The session"
        }
    }

    /// Of a command that does not say: what most of its folder is about. `file` is a `#fileID`.
    package init(file: String) {
        switch file.split(separator: "/").first {
        case "Commands": self = .types
        case "Pipeline": self = .pipelines
        default: self = .machine
        }
    }
}
