// The numbers of DWARF that are named here: tags, attributes, forms, operations (DWARF 5, section 7; GNU extensions).

/// `DW_TAG_*`. Open: a producer may write any number.
package struct DWTag: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }
    private init(_ value: UInt16) { rawValue = value }

    package static let arrayType = Self(0x01)
    package static let classType = Self(0x02)
    package static let enumerationType = Self(0x04)
    package static let formalParameter = Self(0x05)
    package static let lexicalBlock = Self(0x0b)
    package static let member = Self(0x0d)
    package static let pointerType = Self(0x0f)
    package static let referenceType = Self(0x10)
    package static let compileUnit = Self(0x11)
    package static let structureType = Self(0x13)
    package static let subroutineType = Self(0x15)
    package static let typedef = Self(0x16)
    package static let unionType = Self(0x17)
    package static let unspecifiedParameters = Self(0x18)
    package static let inheritance = Self(0x1c)
    package static let inlinedSubroutine = Self(0x1d)
    package static let subrangeType = Self(0x21)
    package static let baseType = Self(0x24)
    package static let constType = Self(0x26)
    package static let enumerator = Self(0x28)
    package static let subprogram = Self(0x2e)
    package static let variable = Self(0x34)
    package static let volatileType = Self(0x35)
    package static let restrictType = Self(0x37)
    package static let namespace = Self(0x39)
    package static let unspecifiedType = Self(0x3b)
    package static let partialUnit = Self(0x3c)
    package static let typeUnit = Self(0x41)
    package static let rvalueReferenceType = Self(0x42)
    package static let atomicType = Self(0x47)
    package static let callSite = Self(0x48)
    package static let callSiteParameter = Self(0x49)
    package static let skeletonUnit = Self(0x4a)
    package static let gnuCallSite = Self(0x4109)
    package static let gnuCallSiteParameter = Self(0x410a)
}

/// `DW_AT_*`.
package struct DWAttribute: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }
    private init(_ value: UInt16) { rawValue = value }

    package static let sibling = Self(0x01)
    package static let location = Self(0x02)
    package static let name = Self(0x03)
    package static let byteSize = Self(0x0b)
    package static let bitOffset = Self(0x0c)
    package static let bitSize = Self(0x0d)
    package static let statementList = Self(0x10)
    package static let lowPC = Self(0x11)
    package static let highPC = Self(0x12)
    package static let language = Self(0x13)
    package static let compilationDirectory = Self(0x1b)
    package static let constantValue = Self(0x1c)
    package static let inline = Self(0x20)
    package static let lowerBound = Self(0x22)
    package static let producer = Self(0x25)
    package static let prototyped = Self(0x27)
    package static let upperBound = Self(0x2f)
    package static let abstractOrigin = Self(0x31)
    package static let artificial = Self(0x34)
    package static let count = Self(0x37)
    package static let dataMemberLocation = Self(0x38)
    package static let declarationFile = Self(0x3a)
    package static let declarationLine = Self(0x3b)
    package static let declaration = Self(0x3c)
    package static let encoding = Self(0x3e)
    package static let external = Self(0x3f)
    package static let frameBase = Self(0x40)
    package static let specification = Self(0x47)
    package static let type = Self(0x49)
    package static let ranges = Self(0x55)
    package static let callColumn = Self(0x57)
    package static let callFile = Self(0x58)
    package static let callLine = Self(0x59)
    package static let signature = Self(0x69)
    package static let dataBitOffset = Self(0x6b)
    package static let linkageName = Self(0x6e)
    package static let stringOffsetsBase = Self(0x72)
    package static let addressBase = Self(0x73)
    package static let rangeListsBase = Self(0x74)
    package static let callReturnPC = Self(0x7d)
    package static let callValue = Self(0x7e)
    package static let callOrigin = Self(0x7f)
    package static let callTailCall = Self(0x82)
    package static let callTarget = Self(0x83)
    package static let alignment = Self(0x88)
    package static let locationListsBase = Self(0x8c)
    package static let gnuCallSiteValue = Self(0x2111)
    package static let gnuCallSiteTarget = Self(0x2113)
    package static let gnuTailCall = Self(0x2115)
    package static let gnuRangesBase = Self(0x2132)
    package static let gnuAddressBase = Self(0x2133)
}

/// `DW_FORM_*`.
package struct DWForm: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }
    private init(_ value: UInt16) { rawValue = value }

    package static let addr = Self(0x01)
    package static let block2 = Self(0x03)
    package static let block4 = Self(0x04)
    package static let data2 = Self(0x05)
    package static let data4 = Self(0x06)
    package static let data8 = Self(0x07)
    package static let string = Self(0x08)
    package static let block = Self(0x09)
    package static let block1 = Self(0x0a)
    package static let data1 = Self(0x0b)
    package static let flag = Self(0x0c)
    package static let sdata = Self(0x0d)
    package static let strp = Self(0x0e)
    package static let udata = Self(0x0f)
    package static let refAddr = Self(0x10)
    package static let ref1 = Self(0x11)
    package static let ref2 = Self(0x12)
    package static let ref4 = Self(0x13)
    package static let ref8 = Self(0x14)
    package static let refUdata = Self(0x15)
    package static let indirect = Self(0x16)
    package static let secOffset = Self(0x17)
    package static let exprloc = Self(0x18)
    package static let flagPresent = Self(0x19)
    package static let strx = Self(0x1a)
    package static let addrx = Self(0x1b)
    package static let refSup4 = Self(0x1c)
    package static let strpSup = Self(0x1d)
    package static let data16 = Self(0x1e)
    package static let lineStrp = Self(0x1f)
    package static let refSig8 = Self(0x20)
    package static let implicitConst = Self(0x21)
    package static let loclistx = Self(0x22)
    package static let rnglistx = Self(0x23)
    package static let refSup8 = Self(0x24)
    package static let strx1 = Self(0x25)
    package static let strx2 = Self(0x26)
    package static let strx3 = Self(0x27)
    package static let strx4 = Self(0x28)
    package static let addrx1 = Self(0x29)
    package static let addrx2 = Self(0x2a)
    package static let addrx3 = Self(0x2b)
    package static let addrx4 = Self(0x2c)
    package static let gnuAddrIndex = Self(0x1f01)
    package static let gnuStrIndex = Self(0x1f02)
    package static let gnuRefAlt = Self(0x1f20)
    package static let gnuStrpAlt = Self(0x1f21)
}

/// `DW_UT_*`.
package struct DWUnitType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }
    private init(_ value: UInt8) { rawValue = value }

    package static let compile = Self(1)
    package static let type = Self(2)
    package static let partial = Self(3)
    package static let skeleton = Self(4)
    package static let splitCompile = Self(5)
    package static let splitType = Self(6)
}
