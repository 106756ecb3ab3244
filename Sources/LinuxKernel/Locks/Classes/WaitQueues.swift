// Wait queues, and bits and folios, which share hashed wait queues (include/linux/wait.h, wait_bit.h, swait.h, mm/filemap.c).

internal import Bytes
internal import DebugModel
internal import Target

extension LockClass {
    /// A word of which a bit is waited for.
    package static let bit = LockClass(
        "bit wait", .event, machinery: ["bit_wait", "out_of_line_wait_on_bit", "__wait_on_bit"],
        recognise: { site in
            guard ["wake_bit_function", "var_wake_function"].contains(site.wakeFunction),
                let outer = site.enclosing("wait_bit_queue_entry", "wq_entry"),
                let word = try? site.scene.kernel.model.object(.structure, "wait_bit_queue_entry", at: outer)
                    .path("key", "flags").pointer()
            else { return nil }
            return WaitedFor(word, .wait)
        })

    /// A folio, or a page where there are none: locked, or under writeback.
    package static let folio = LockClass(
        "folio", type: "page", .event, machinery: ["folio_wait", "__folio_lock", "__lock_page", "wait_on_page"],
        recognise: { site in
            guard site.wakeFunction == "wake_page_function",
                let outer = site.enclosing("wait_page_queue", "wait"),
                let value = try? site.scene.kernel.model.object(.structure, "wait_page_queue", at: outer),
                let page = try? value[value.has("folio") ? "folio" : "page"].pointer()
            else { return nil }
            return WaitedFor(page, .wait)
        })

    package static let waitQueue = LockClass(
        "wait queue", type: "wait_queue_head", .event,
        recognise: { site in
            guard site.shape.type == "wait_queue_entry", let queue = site.container("wait_queue_head", "head") else {
                return nil
            }
            return WaitedFor(queue, .wait)
        })

    package static let swaitQueue = LockClass(
        "swait queue", type: "swait_queue_head", .event,
        recognise: { site in
            guard site.shape.type == "swait_queue", let queue = site.container("swait_queue_head", "task_list") else {
                return nil
            }
            return WaitedFor(queue, .wait)
        })
}
