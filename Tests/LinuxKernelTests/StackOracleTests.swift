// Tasks and stacks of the real dumps against another debugger's answers, field by field and frame by frame.

import Bytes
import DebugInfo
import DebugModel
import Dump
import FixtureKit
import Foundation
import Memory
import Target
import Testing
import Unwind

@testable import LinuxKernel

/// One answer of the oracle (`drgn/NAME.json` beside the dumps).
private struct Oracle: Decodable {
    struct Frame: Decodable {
        let f: String
        let pc: String
        let inline: Bool
        let at: String?
    }
    struct Task: Decodable {
        let pid: Int
        let ppid: Int
        let task: String
        let comm: String
        let state: String
        let cpu: Int
        let kthread: Bool
        let frames: [Frame]?
    }
    let release: String
    let tasks: [Task]
    let modules: [String]

    init?(_ dump: String) throws {
        guard let text = try RealKernels.oracle(dump) else { return nil }
        self = try JSONDecoder().decode(Oracle.self, from: Data(text.utf8))
    }
}

/// What is compared of a frame.
private struct Place: Equatable, CustomStringConvertible {
    let function: String
    let address: UInt64
    let isInlined: Bool
    let line: String?

    var description: String {
        "\(function) at \(String(address, radix: 16))\(isInlined ? " inlined" : "") \(line ?? "-")"
    }
}

@Suite(.enabled(if: RealDumps.hasSymbols, Comment(rawValue: RealDumps.symbolsComment)))
struct StackOracleTests {
    private func open(_ name: String) throws -> LinuxKernel {
        var options = SymbolFileLocator.Options()
        options.given = ["\(RealDumps.symbols)/vmlinux", "\(RealDumps.symbols)/modules"]
        let specimen = try RealKernels.specimen(name)
        return try LinuxKernel(
            opening: Specimen(
                memory: specimen.memory, facts: specimen.facts, files: LocatedFiles(SymbolFileLocator(options) { _ in })
            ),
            journal: Journal())
    }

    /// The addresses of user space, where the oracle walks on into the process's registers.
    private func isUser(_ frame: Oracle.Frame) -> Bool {
        (UInt64(frame.pc.dropFirst(2), radix: 16) ?? 0) < 1 << 63
    }

    @Test("tasks and every frame of every stack equal the oracle's", arguments: RealDumps.names)
    func frames(name: String) throws {
        // Two of the dumps have no oracle: it refuses them. Their tasks are held against the guest's own list.
        guard let oracle = try Oracle(name) else { return }
        let kernel = try open(name)
        #expect(kernel.release == oracle.release)
        let tasks = try kernel.tasks().tasks
        #expect(try tasks.map { try $0.pid } == oracle.tasks.map(\.pid).sorted())
        #expect(Set(kernel.modules.modules.map(\.name)) == Set(oracle.modules))
        let reader = StackReader(kernel)
        for expected in oracle.tasks {
            let task = try #require(tasks.first { (try? $0.pid) == expected.pid })
            #expect(task.address == VirtualAddress(UInt64(expected.task.dropFirst(2), radix: 16) ?? 0))
            #expect(try task.parentPID == expected.ppid)
            #expect(try task.comm == expected.comm)
            #expect(try task.state.letter == expected.state)
            #expect(try task.cpu == expected.cpu)
            #expect(try task.isKernelThread == expected.kthread)
            let stack = try reader.stack(of: task)
            // Of a zombie, whose stack is freed, the oracle says nothing.
            guard let frames = expected.frames else {
                #expect(expected.state == "Z" && stack.stack.frames.isEmpty)
                continue
            }
            let theirs = frames.prefix { !isUser($0) }.map { frame in
                Place(
                    function: frame.f, address: UInt64(frame.pc.dropFirst(2), radix: 16) ?? 0,
                    isInlined: frame.inline, line: frame.at)
            }
            let ours = StackListing(stack, kernel.target).frames.map { frame in
                Place(
                    function: frame.function ?? "", address: frame.programCounter.rawValue,
                    isInlined: frame.isInlined, line: frame.location.map { "\($0.file):\($0.line)" })
            }
            #expect(ours == theirs, "pid \(expected.pid) of \(name)")
            #expect(stack.stack.end.whyStopped == nil, "pid \(expected.pid) of \(name)")
        }
    }

    @Test(
        "a dump that the oracle refuses lists the tasks that the guest itself listed",
        arguments: ["refleak.kdump", "plain-novmcoreinfo.elf"].filter { RealDumps.names.contains($0) })
    func guestsOwnList(name: String) throws {
        let kernel = try open(name)
        var comms: [Int: String] = [:]
        for task in try kernel.tasks().tasks { comms[try task.pid] = try task.comm }
        // busybox: PID STAT COMMAND. Workers come and go, and the shell's own children have ended since.
        var listed: [(pid: Int, command: String)] = []
        let rows = try RealKernels.console(name).drop { !$0.hasPrefix("PID   STAT COMMAND") }.dropFirst()
        for row in rows {
            let words = row.split(separator: " ")
            guard words.count >= 3, let pid = Int(words[0]), "RSDTZIX".contains(words[1].prefix(1)) else { break }
            listed.append((pid, String(words[2])))
        }
        try #require(listed.count > 20)
        for (pid, command) in listed where !command.hasPrefix("kworker") && command != "ps" {
            let comm = comms[pid]
            #expect(comm != nil, "pid \(pid) (\(command))")
            if command.hasPrefix("/") || command.hasPrefix("{") || command.hasPrefix("[") { continue }
            #expect(comm.map { command.hasPrefix($0) || $0.hasPrefix(command) } == true, "pid \(pid): \(command)")
        }
    }
}
