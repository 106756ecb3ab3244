// The report's tasks in uninterruptible sleep, grouped by identical stack, and what the report could not read.

internal import Bytes
internal import Memory
internal import Pipeline
internal import Target
internal import Unwind

extension ReportPage {
    /// Tasks that wait in the same place.
    private struct Group {
        var listing: StackListing?
        /// Why there is no stack; the same for all of the group.
        var failure: String?
        var members: [(task: Task, waited: UInt64?)] = []

        var longest: UInt64 { members.compactMap(\.waited).max() ?? 0 }
        var first: VirtualAddress { members.map(\.task.address).min() ?? VirtualAddress(0) }
    }

    func blocked() throws {
        let table: TaskTable
        do { table = try kernel.tasks() } catch {
            try part("UNINTERRUPTIBLE TASKS") { throw error }
            return
        }
        let blocked = table.tasks.filter { (try? $0.state.isUninterruptible) == true }
        try part("UNINTERRUPTIBLE TASKS (\(blocked.count) of \(table.tasks.count))") {
            for group in groups(blocked) { try show(group) }
            if blocked.isEmpty { try text(["  none"]) }
        }
        try Ps.disagreements(table, emit)
    }

    /// A first look is for reading: of a group with more tasks the longest waiting ones are listed.
    private static let mostListed = 16

    /// The longest waiting group first, and within a group the longest waiting task.
    private func groups(_ tasks: [Task]) -> [Group] {
        let clock = SchedulerClock(kernel.cpus)
        let reader = StackReader(kernel)
        var groups: [[UInt64]: Group] = [:]
        for task in tasks {
            var key: [UInt64]
            var listing: StackListing?
            var failure: String?
            do {
                let made = StackListing(try reader.stack(of: task), kernel.model)
                if let why = made.stack.stack.end.whyStopped {
                    context.gaps.note(Gap("the rest of the stack of task \(StackOutput.name(task))", why: why))
                }
                key = made.signature
                listing = made
            } catch {
                context.gaps.note(Gap("the stack of task \(StackOutput.name(task))", why: "\(error)"))
                failure = "\(error)"
                // Each unreadable stack stands alone: nobody knows that they are the same.
                key = [task.address.rawValue]
            }
            var group = groups[key] ?? Group(listing: listing, failure: failure)
            group.members.append((task, clock.sinceLastRun(task)))
            groups[key] = group
        }
        return groups.values.map { group in
            var sorted = group
            sorted.members.sort { ($1.waited ?? 0, $0.task.address) < ($0.waited ?? 0, $1.task.address) }
            return sorted
        }.sorted { ($1.longest, $0.first) < ($0.longest, $1.first) }
    }

    private func show(_ group: Group) throws {
        var lines: [String] = []
        var members: [FieldValue] = []
        for (number, (task, waited)) in group.members.enumerated() {
            if number < Self.mostListed {
                lines.append("  waiting \(waited.map(elapsed) ?? "unknown")  \(StackOutput.heading(task))")
            }
            members.append(
                .record(
                    Record(
                        "task",
                        StackOutput.identity(task) + [
                            Field("waiting_ns", nil, waited.map { .unsigned($0) } ?? .none)
                        ])))
        }
        if group.members.count > Self.mostListed {
            let last = group.members.last?.waited.map { ", the last for \(elapsed($0))" } ?? ""
            lines.append("  and \(group.members.count - Self.mostListed) more with the same stack\(last): see ps UN")
        }
        var fields = [Field("count", nil, .signed(Int64(group.members.count))), Field("tasks", nil, .list(members))]
        if let listing = group.listing {
            fields += listing.fields
            lines += listing.lines()
        } else {
            fields.append(Field("error", nil, .gap(group.failure ?? "unknown")))
            lines.append("    (no stack: \(group.failure ?? "unknown"))")
        }
        try emit(.record(Record("blocked", fields, presentation: .block(lines + [""]))))
    }

    func completeness() throws {
        let gaps = context.gaps.all
        let remarks = kernel.remarks
        let count = context.gaps.count
        try part("COMPLETENESS") {
            var lines = remarks.map { "  \($0)" }
            if let level = kernel.facts.dumpLevel, !filteredKinds(level).isEmpty {
                lines.append("  left out by the dump tool: \(filteredKinds(level).joined(separator: ", ")) pages")
            }
            lines += gaps.map { "  unreadable: \($0.what): \($0.why)" }
            if count > gaps.count { lines.append("  and \(count - gaps.count) more") }
            if gaps.isEmpty, remarks.isEmpty { lines.append("  everything that this report needs was read") }
            let listed = gaps.map { gap in
                FieldValue.record(
                    Record("gap", [Field("what", nil, .text(gap.what)), Field("why", nil, .text(gap.why))]))
            }
            try emit(
                .record(
                    Record(
                        "completeness",
                        [
                            Field("complete", nil, .boolean(gaps.isEmpty && remarks.isEmpty)),
                            Field("remarks", nil, .list(remarks.map { .text($0) })),
                            Field("gaps", nil, .list(listed)),
                        ], presentation: .block(lines))))
        }
    }
}
