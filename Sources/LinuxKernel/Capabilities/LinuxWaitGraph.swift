// The wait-for graph of Linux as nodes and edges.

internal import Bytes
internal import Capabilities
internal import Target

struct LinuxWaitGraph: WaitGraphSource {
    let kernel: LinuxKernel

    func waitGraph() throws -> Graph { Self.graph(WaitCycles(try LockModel(kernel))) }

    /// Tasks that wait for locks or hold what others wait for. What is on a circle is guilty.
    static func graph(_ cycles: WaitCycles, only tasks: Set<VirtualAddress>? = nil) -> Graph {
        let model = cycles.model
        var guilty: Set<String> = []
        for step in cycles.cycles.flatMap({ $0 }) {
            guilty.insert(task(step.wait.task.address, model))
            guilty.insert(lock(step.wait))
        }
        var graph = Graph(title: "who waits for whom")
        var known: Set<String> = []
        func add(_ id: String, _ kind: String, _ label: [String]) {
            guard known.insert(id).inserted else { return }
            graph.nodes.append(Graph.Node(id: id, kind: kind, label: label, isGuilty: guilty.contains(id)))
        }
        func isGuilty(_ from: String, _ to: String) -> Bool { guilty.contains(from) && guilty.contains(to) }
        func addTask(_ address: VirtualAddress) {
            add(task(address, model), "task", [model.title(address)])
        }
        var held: Set<VirtualAddress> = []
        for wait in model.waits {
            guard tasks?.contains(wait.task.address) ?? true,
                ![.event, .user].contains(wait.lockClass.nature) || !cycles.holders(of: wait.task.address).isEmpty
            else { continue }
            addTask(wait.task.address)
            let (from, to) = (task(wait.task.address, model), lock(wait))
            add(
                to, wait.lockClass.name,
                ["\(wait.lockClass.name) \(wait.lock)"] + [model.container(wait.lockClass, wait.lock)].compactMap { $0 }
            )
            graph.edges.append(
                Graph.Edge(
                    from: from, to: to, label: "waits for", place: model.place(of: wait).map(short) ?? "",
                    grade: .exact,
                    isGuilty: isGuilty(from, to)))
            guard held.insert(wait.lock).inserted else { continue }
            for holder in model.holders(wait.lockClass, wait.lock) {
                addTask(holder.task)
                let owner = task(holder.task, model)
                graph.edges.append(
                    Graph.Edge(
                        from: to, to: owner, label: holder.relation.rawValue,
                        place: holder.acquisition?.place ?? "",
                        grade: holder.grade, isGuilty: isGuilty(to, owner)))
            }
        }
        return graph
    }

    /// Without the function that jumped on and has no frame.
    private static func short(_ place: String) -> String {
        place.firstRange(of: " through ").map { String(place[..<$0.lowerBound]) } ?? place
    }

    private static func task(_ address: VirtualAddress, _ model: LockModel) -> String {
        guard let known = model.task(address), let pid = try? known.pid else { return "task \(address)" }
        return pid == 0 ? "task \(address)" : "task \(pid)"
    }

    private static func lock(_ wait: Wait) -> String { "\(wait.lockClass.name) \(wait.lock)" }
}
