// Containers put together by hand, and what a walk says of them.

import Bytes
import Capabilities
import DebugModel
import FixtureKit
import Pipeline
import Target

@testable import LinuxKernel

/// What a walk gave: where each element is (or its number), its index, and what was told.
struct Walked: Equatable {
    var elements: [UInt64] = []
    var indices: [String] = []
    var types: Set<String> = []
    var anomalies: [Anomaly] = []

    var kinds: [Anomaly.Kind] { anomalies.map(\.kind) }
}

enum WalkFixture {
    /// Runs a walk to its end, at most 10 000 steps.
    static func run(
        _ walk: any NamedWalk.Type, _ root: Value?, _ words: [String] = [], _ target: Target
    ) throws -> Walked {
        let context = Context(
            kernel: BuiltKernel(target: target, capabilities: []), catalog: Catalog([], walks: LinuxWalks.all),
            gaps: Gaps(), journal: Journal())
        return try run(walk, root, words, context)
    }

    static func run(
        _ walk: any NamedWalk.Type, _ root: Value?, _ words: [String] = [], _ context: Context
    ) throws -> Walked {
        var walked = Walked()
        var steps = 0
        do {
            try walk.walk(root, words, context) { step in
                steps += 1
                guard steps < 100_000 else { throw EnoughSteps() }
                if case .anomaly(let anomaly) = step { walked.anomalies.append(anomaly) }
                if let index = step.index { walked.indices.append(index.description) }
                guard let value = step.value else { return }
                walked.types.insert(value.typeName)
                let address = try? value.address.rawValue
                walked.elements.append(try address ?? value.unsigned())
            }
        } catch is EnoughSteps {}
        return walked
    }

    /// A typed place.
    static func value(_ type: String, at address: VirtualAddress, _ target: Target) throws -> Value {
        try target.object(.structure, type, at: address)
    }

    /// The containers of Linux as x86-64 lays them out; `struct item` is in all of them.
    static func types() -> TypeBuilder {
        var types = TypeBuilder()
        lists(&types)
        trees(&types)
        numbers(&types)
        types.structure("inner") { $0.member("link", "struct list_head") }
        types.structure("item") {
            $0.member("value", "unsigned long")
            $0.member("list", "struct list_head")
            $0.member("hash", "struct hlist_node")
            $0.member("once", "struct llist_node")
            $0.member("rb", "struct rb_node")
            $0.member("last", "unsigned long")
            $0.member("maximum", "unsigned long")
            $0.member("by_priority", "struct plist_node")
            $0.member("known", "struct klist_node")
            $0.member("timer", "struct timerqueue_node")
            $0.member("inside", "struct inner")
        }
        return types
    }

    private static func lists(_ types: inout TypeBuilder) {
        types.structure("list_head") {
            $0.member("next", "struct list_head *")
            $0.member("prev", "struct list_head *")
        }
        for kind in ["hlist", "hlist_nulls", "hlist_bl"] {
            types.structure("\(kind)_head") { $0.member("first", "struct \(kind)_node *") }
            types.structure("\(kind)_node") {
                $0.member("next", "struct \(kind)_node *")
                $0.member("pprev", "struct \(kind)_node * *")
            }
        }
        types.structure("llist_head") { $0.member("first", "struct llist_node *") }
        types.structure("llist_node") { $0.member("next", "struct llist_node *") }
        types.structure("plist_head") { $0.member("node_list", "struct list_head") }
        types.structure("plist_node") {
            $0.member("prio", "int")
            $0.member("prio_list", "struct list_head")
            $0.member("node_list", "struct list_head")
        }
        types.structure("klist") {
            $0.member("k_lock", "int")
            $0.member("k_list", "struct list_head")
        }
        types.structure("klist_node") {
            $0.member("n_klist", "void *")
            $0.member("n_node", "struct list_head")
            $0.member("n_ref", "int")
        }
    }

    private static func trees(_ types: inout TypeBuilder) {
        types.redBlackTrees()
        types.structure("timerqueue_head") { $0.member("rb_root", "struct rb_root_cached") }
        types.structure("timerqueue_node") {
            $0.member("node", "struct rb_node")
            $0.member("expires", "long")
        }
        types.structure("xa_node") {
            $0.member("shift", "unsigned char")
            $0.member("offset", "unsigned char")
            $0.member("count", "unsigned char")
            $0.member("nr_values", "unsigned char")
            $0.member("parent", "struct xa_node *")
            $0.member("array", "struct xarray *")
            $0.member("slots", "void * [16]", at: 40)
            $0.member("marks", "unsigned long [3][1]")
        }
        types.structure("xarray") {
            $0.member("xa_lock", "int")
            $0.member("xa_flags", "unsigned int")
            $0.member("xa_head", "void *")
        }
        types.structure("idr") {
            $0.member("idr_rt", "struct xarray")
            $0.member("idr_base", "unsigned int")
        }
        types.structure("ida") { $0.member("xa", "struct xarray") }
        types.structure("maple_tree") {
            $0.member("ma_lock", "int")
            $0.member("ma_flags", "unsigned int")
            $0.member("ma_root", "void *")
        }
        types.structure("maple_range_64", size: 256) {
            $0.member("parent", "void *")
            $0.member("pivot", "unsigned long [15]")
            $0.member("slot", "void * [16]")
        }
        types.structure("maple_arange_64", size: 256) {
            $0.member("parent", "void *")
            $0.member("pivot", "unsigned long [9]")
            $0.member("slot", "void * [10]")
            $0.member("gap", "unsigned long [10]")
        }
    }

    private static func numbers(_ types: inout TypeBuilder) {
        types.structure("cpumask") { $0.member("bits", "unsigned long [2]") }
        types.typedef("cpumask_var_t", "struct cpumask [1]")
        types.structure("__kfifo") {
            $0.member("in", "unsigned int")
            $0.member("out", "unsigned int")
            $0.member("mask", "unsigned int")
            $0.member("esize", "unsigned int")
            $0.member("data", "void *")
        }
        types.structure("words_fifo") {
            $0.nested(.union) {
                $0.member("kfifo", "struct __kfifo")
                $0.member("type", "unsigned int *")
            }
        }
        types.structure("record_fifo") {
            $0.nested(.union) {
                $0.member("kfifo", "struct __kfifo")
                $0.member("type", "unsigned char *")
                $0.member("rectype", "char [1] *")
            }
        }
    }
}

extension TypeBuilder {
    /// The nodes and roots of red-black trees (include/linux/rbtree_types.h).
    mutating func redBlackTrees() {
        structure("rb_node") {
            $0.member("__rb_parent_color", "unsigned long")
            $0.member("rb_right", "struct rb_node *")
            $0.member("rb_left", "struct rb_node *")
        }
        structure("rb_root") { $0.member("rb_node", "struct rb_node *") }
        structure("rb_root_cached") {
            $0.member("rb_root", "struct rb_root")
            $0.member("rb_leftmost", "struct rb_node *")
        }
    }
}
