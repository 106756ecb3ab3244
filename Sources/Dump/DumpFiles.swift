// The files of one dump, mapped.

package import Bytes

/// One file, mapped.
package struct DumpFile: Sendable {
    package let path: String
    package let bytes: ByteSlice
    /// For a raw image: the physical address of its first byte, which only the user can say.
    package let base: PhysicalAddress?

    package init(path: String, bytes: ByteSlice, base: PhysicalAddress? = nil) {
        self.path = path
        self.bytes = bytes
        self.base = base
    }

    /// Maps the file at `path`, or for `PATH@0xADDRESS` the raw image at PATH. A file of exactly that name wins.
    package init(mapping path: String) throws(DumpError) {
        do throws(FileError) {
            self.init(path: path, bytes: try ByteSource.map(path))
        } catch {
            guard let (image, base) = Self.rawImage(path) else { throw DumpError(error) }
            do throws(FileError) {
                self.init(path: image, bytes: try ByteSource.map(image), base: base)
            } catch {
                throw DumpError(error)
            }
        }
    }

    /// `PATH@0xADDRESS` taken apart; nil when the text after the last @ is not a hexadecimal address.
    private static func rawImage(_ text: String) -> (path: String, base: PhysicalAddress)? {
        guard let mark = text.lastIndex(of: "@") else { return nil }
        let address = text[text.index(after: mark)...]
        // Digits alone: UInt64(_:radix:) would accept a sign.
        guard address.hasPrefix("0x"), address.dropFirst(2).first?.isHexDigit ?? false,
            let base = UInt64(address.dropFirst(2), radix: 16)
        else { return nil }
        return (String(text[..<mark]), PhysicalAddress(base))
    }
}

/// The files that were named, at least one, in the order of the command line.
package struct DumpFiles: Sendable {
    package let first: DumpFile
    package let others: [DumpFile]

    package init(_ first: DumpFile, _ others: [DumpFile] = []) {
        self.first = first
        self.others = others
    }

    package var all: [DumpFile] { [first] + others }

    /// The one file of a format that has no parts.
    func only(_ format: String) throws(DumpError) -> DumpFile {
        guard others.isEmpty else {
            throw DumpError(first.path, "\(format) is one file, and \(others.count + 1) were given")
        }
        return first
    }

    /// What stands beside the first file under its name with another number: for `vmcore.2.kdump`, `vmcore.1.kdump`
    /// and `vmcore.3.kdump` and so on, up to the first number that is not there. Mapped, not otherwise examined.
    func neighbours() -> [DumpFile] {
        let name = ByteSource.lastComponent(first.path)
        guard let end = name.lastIndex(where: { $0.isASCII && $0.isNumber }) else { return [] }
        var begin = end
        while begin > name.startIndex, name[name.index(before: begin)].isASCII,
            name[name.index(before: begin)].isNumber
        {
            begin = name.index(before: begin)
        }
        guard let own = Int(name[begin...end]), own < 10_000 else { return [] }
        let folder = first.path.dropLast(name.count)
        let file = { (number: Int) -> DumpFile? in
            let path = "\(folder)\(name[..<begin])\(number)\(name[name.index(after: end)...])"
            return (try? ByteSource.map(path)).map { DumpFile(path: path, bytes: $0) }
        }
        var found: [DumpFile] = []
        var number = own - 1
        while number >= 0, let part = file(number) {
            found.insert(part, at: 0)
            number -= 1
        }
        number = own + 1
        while let part = file(number) {
            found.append(part)
            number += 1
        }
        return found
    }
}
