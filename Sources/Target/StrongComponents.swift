// Which nodes of a directed graph can reach each other.

/// The strongly connected components of a graph (Tarjan 1972), without recursion: chains of waits can be long.
package enum StrongComponents {
    /// `successors`: of each node the numbers of those that it leads to, all below the count of nodes. Components come with
    /// those that they lead to before them; within one the nodes in the order in which they were met. O(nodes + edges).
    package static func find(_ successors: [[Int]]) -> [[Int]] {
        var index = [Int?](repeating: nil, count: successors.count)
        var low = [Int](repeating: 0, count: successors.count)
        var isOnStack = [Bool](repeating: false, count: successors.count)
        var stack: [Int] = []
        var found: [[Int]] = []
        var count = 0
        for root in successors.indices where index[root] == nil {
            var path: [(node: Int, edge: Int)] = [(root, 0)]
            while let (node, edge) = path.last {
                if index[node] == nil {
                    index[node] = count
                    low[node] = count
                    count += 1
                    stack.append(node)
                    isOnStack[node] = true
                }
                if edge < successors[node].count {
                    path[path.count - 1].edge += 1
                    let to = successors[node][edge]
                    if index[to] == nil {
                        path.append((to, 0))
                    } else if isOnStack[to], let known = index[to] {
                        low[node] = min(low[node], known)
                    }
                    continue
                }
                path.removeLast()
                if let parent = path.last?.node { low[parent] = min(low[parent], low[node]) }
                guard low[node] == index[node] else { continue }
                var part: [Int] = []
                while let member = stack.popLast() {
                    isOnStack[member] = false
                    part.append(member)
                    if member == node { break }
                }
                found.append(part.reversed())
            }
        }
        return found
    }
}
