// Every dump format, sorted by name.

/// The list to extend when a format is added: one file, one line. The signatures exclude each other.
package enum DumpFormats {
    package static let all: [any DumpFormat.Type] = [
        ELFCore.self,
        FlattenedKdump.self,
        Kdump.self,
        RawImage.self,
    ]
}
