// Wait queues, and bits and folios, which share hashed wait queues (include/linux/wait.h, wait_bit.h, swait.h, mm/filemap.c).

internal import Bytes
internal import DebugModel
internal import Recovery
internal import Target

extension LockClass {
    /// A word of which a bit is waited for.
    package static let bit = LockClass(
        "bit wait", .event,
        calls: LockCalls(
            takes: ["out_of_line_wait_on_bit_lock"], signals: ["wake_up_bit", "wake_up_var"],
            inline: [LockInline(effect: .setsBit, action: .takes)]),
        machinery: ["bit_wait", "out_of_line_wait_on_bit", "__wait_on_bit"],
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
        "folio", type: "page", .event,
        calls: LockCalls(
            takes: ["__folio_lock", "__lock_page"], tries: ["__folio_lock_killable", "__lock_page_killable"],
            signals: ["folio_unlock", "unlock_page", "folio_end_writeback", "end_page_writeback"],
            inline: [LockInline(effect: .setsBit, action: .takes)]),
        machinery: ["folio_wait", "__folio_lock", "__lock_page", "wait_on_page"],
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
        calls: LockCalls(signals: [
            "__wake_up", "__wake_up_sync", "__wake_up_sync_key", "__wake_up_locked", "__wake_up_locked_key",
            "__wake_up_on_current_cpu", "__wake_up_locked_sync_key",
        ]),
        recognise: { site in
            guard site.shape.type == "wait_queue_entry", let queue = site.container("wait_queue_head", "head") else {
                return nil
            }
            return WaitedFor(queue, .wait)
        })

    package static let swaitQueue = LockClass(
        "swait queue", type: "swait_queue_head", .event,
        calls: LockCalls(signals: ["swake_up_one", "swake_up_all", "swake_up_locked"]),
        recognise: { site in
            guard site.shape.type == "swait_queue", let queue = site.container("swait_queue_head", "task_list") else {
                return nil
            }
            return WaitedFor(queue, .wait)
        })
}
