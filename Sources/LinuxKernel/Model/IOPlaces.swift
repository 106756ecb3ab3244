// What of a disk or file system something in memory is: a page of a file, a buffer, a bio, an inode.

package import Bytes
internal import DebugModel
internal import Memory
internal import Target

/// Where I/O goes.
package struct IOPlace: Sendable {
    /// Nil for a file system without one, as NFS.
    package let disk: Disk?
    /// The file system's type, nil for the disk's own blocks.
    package let fileSystem: String?
    /// In words: "page 3 of /var/log/syslog", "block 1234".
    package let object: String
    /// What a request can be recognised by: the `struct bio`, the first `struct page`.
    package let bio: VirtualAddress?
    package let page: VirtualAddress?
}

/// Recognises the structures that I/O is done on. What does not hold together is nothing: a file's inode is of a super
/// block on the kernel's list, and a device is of a disk of the class.
struct IOPlaces {
    private let model: Target
    let disks: DiskTable
    private let superBlocks: Set<VirtualAddress>
    private let deviceBlocks: VirtualAddress?

    init(_ kernel: LinuxKernel, _ disks: DiskTable) {
        model = kernel.model
        self.disks = disks
        var blocks: Set<VirtualAddress> = []
        if let head = try? Globals.structure(model, "super_blocks", "list_head") {
            try? ListWalk.entries(head, "super_block", "s_list", anomaly: { _ in }) { blocks.insert(try $0.address) }
        }
        superBlocks = blocks
        deviceBlocks = (try? Globals.word(model, "blockdev_superblock")).map { VirtualAddress($0) }
    }

    /// What a `struct` of that name at an address is of; nil when it is none of those that are known or does not hold
    /// together.
    func place(_ structure: String, _ address: VirtualAddress) -> IOPlace? {
        guard !address.isNull, let value = try? model.object(.structure, structure, at: address) else { return nil }
        switch structure {
        case "bio": return bio(value, address)
        case "buffer_head": return buffer(value)
        case "folio", "page": return page(value, address)
        case "address_space": return (try? value["host"].pointee()).flatMap { inode($0) }
        case "inode": return inode(value)
        case "kiocb": return (try? value["ki_filp"].pointee()).flatMap(file)
        case "file": return file(value)
        case "dentry": return (try? value["d_sb"].pointee()).flatMap { superBlock($0, path(value)) }
        case "super_block": return superBlock(value, "its super block")
        case "block_device": return device(value).map { made($0, "the device") }
        case "journal_s": return (try? value["j_dev"].pointee()).flatMap(device).map { made($0, "the journal") }
        case "request":
            return (try? value["q"].pointer()).flatMap { disks.disk(queue: $0) }.map { made($0, "a request") }
        case "request_queue": return disks.disk(queue: address).map { made($0, "the queue") }
        case "gendisk": return disks.disk(at: address).map { made($0, "the disk") }
        default: return nil
        }
    }

    private func made(_ disk: Disk?, _ object: String, fileSystem: String? = nil) -> IOPlace {
        IOPlace(disk: disk, fileSystem: fileSystem, object: object, bio: nil, page: nil)
    }

    /// `bi_bdev` since 5.12, `bi_disk` before.
    private func bio(_ value: Value, _ address: VirtualAddress) -> IOPlace? {
        let disk =
            value.has("bi_bdev")
            ? (try? value["bi_bdev"].pointee()).flatMap(device)
            : (try? value["bi_disk"].pointer()).flatMap { disks.disk(at: $0) }
        guard let disk else { return nil }
        return IOPlace(disk: disk, fileSystem: nil, object: "bio \(address)", bio: address, page: nil)
    }

    private func buffer(_ value: Value) -> IOPlace? {
        guard let device = try? value["b_bdev"].pointee(), let disk = self.device(device),
            let block = try? value["b_blocknr"].unsigned(), let size = try? value["b_size"].unsigned()
        else { return nil }
        let page = try? value[value.has("b_page") ? "b_page" : "b_folio"].pointer()
        return IOPlace(
            disk: disk, fileSystem: nil, object: "block \(block) (of \(size) bytes)", bio: nil, page: page)
    }

    /// A page of a file: the low bits of `mapping` tell other kinds apart (include/linux/page-flags.h).
    private func page(_ value: Value, _ address: VirtualAddress) -> IOPlace? {
        guard let mapping = try? value["mapping"].unsigned(), mapping & 3 == 0, mapping != 0,
            let space = try? model.object(.structure, "address_space", at: VirtualAddress(mapping)),
            let host = try? space["host"].pointee(), let file = inode(host)
        else { return nil }
        let index = try? value[value.has("index") ? "index" : "__folio_index"].unsigned()
        return IOPlace(
            disk: file.disk, fileSystem: file.fileSystem,
            object: "page \(index.map { "\($0)" } ?? "?") of \(file.object)", bio: nil, page: address)
    }

    private func file(_ value: Value) -> IOPlace? {
        guard let host = (try? value.path("f_mapping", "host").target()).flatMap({ $0 }),
            let place = inode(host)
        else { return nil }
        let name = (try? FilePath.text(value["f_path"])) ?? place.object
        return IOPlace(disk: place.disk, fileSystem: place.fileSystem, object: name, bio: nil, page: nil)
    }

    private func inode(_ value: Value) -> IOPlace? {
        guard let block = try? value["i_sb"].pointee(), let address = try? block.address,
            superBlocks.contains(address)
        else { return nil }
        if address == deviceBlocks {
            // `struct bdev_inode` has both.
            guard let own = try? value.container("bdev_inode", "vfs_inode")["bdev"], let disk = device(own) else {
                return nil
            }
            return made(disk, disk.name)
        }
        let number = (try? value["i_ino"].unsigned()).map { "\($0)" } ?? "?"
        let name = (try? FilePath.text(inode: value)).flatMap { $0 } ?? "inode \(number)"
        return superBlock(block, name)
    }

    private func path(_ dentry: Value) -> String {
        (try? FilePath.text(dentry: dentry, mount: VirtualAddress(0))) ?? "a file"
    }

    private func superBlock(_ value: Value, _ object: String) -> IOPlace? {
        guard let address = try? value.address, superBlocks.contains(address) else { return nil }
        let type = (try? value.path("s_type", "name").text(limit: 64)) ?? "?"
        let disk = (try? value["s_bdev"].target()).flatMap { $0 }.flatMap(device)
        return made(disk, object, fileSystem: type)
    }

    /// The disk of a `struct block_device`, whole or a partition.
    private func device(_ value: Value) -> Disk? {
        (try? value["bd_disk"].pointer()).flatMap { disks.disk(at: $0) }
    }
}
