// What debug information says of the variables of running functions, and of the calls that they make.

package import Bytes

/// Where a variable is at one place of the code.
package enum VariableLocation: Sendable {
    /// Nowhere: the compiler kept no trace of it.
    case none
    /// Elsewhere in the function it has a place, here it has none.
    case notHere
    case expression([LocationOperation])
    /// It is this constant; the bits of the number, sign-extended where the source had a sign.
    case constant(UInt64)
    /// It is these bytes.
    case bytes(ByteSlice)
    /// What describes it cannot be read; the text says why.
    case broken(String)
}

/// A parameter or local variable of a function, at the place of the code that was asked for.
package struct LocatedVariable: Sendable {
    package let name: String
    /// As the file's `TypeSource` names it; nil when it has none.
    package let type: TypeReference?
    package let isParameter: Bool
    package let location: VariableLocation
    /// Where a parameter was when its function was entered: nil for locals and for inlined functions.
    package let locationAtEntry: VariableLocation?

    package init(
        name: String, type: TypeReference?, isParameter: Bool, location: VariableLocation,
        locationAtEntry: VariableLocation?
    ) {
        self.name = name
        self.type = type
        self.isParameter = isParameter
        self.location = location
        self.locationAtEntry = locationAtEntry
    }
}

/// One function at a code address with its variables, those of the blocks around the address too.
package struct VariableScope: Sendable {
    package let name: String
    package let isInlined: Bool
    /// Where the compiled function begins; nil for inlined ones.
    package let entry: VirtualAddress?
    package let frameBase: [LocationOperation]?
    /// In the order of their declarations, parameters first.
    package let variables: [LocatedVariable]

    package init(
        name: String, isInlined: Bool, entry: VirtualAddress?, frameBase: [LocationOperation]?,
        variables: [LocatedVariable]
    ) {
        self.name = name
        self.isInlined = isInlined
        self.entry = entry
        self.frameBase = frameBase
        self.variables = variables
    }
}

/// What a call site says that an argument is (DWARF 5, section 3.4.2).
package struct CallSiteParameter: Sendable {
    /// Where the callee finds it: a register, as a rule.
    package let location: [LocationOperation]
    /// What it is, in the caller's frame; nil when only what it points to is known.
    package let value: [LocationOperation]?

    package init(location: [LocationOperation], value: [LocationOperation]?) {
        self.location = location
        self.value = value
    }
}

/// A call as debug information describes it.
package struct CallSite: Sendable {
    /// Where the call returns to; for a jump that replaces a call, what follows the jump.
    package let returnAddress: VirtualAddress
    /// The caller's frame is gone when the callee runs.
    package let isTailCall: Bool
    /// The function called, by name and, where the file has its code, by address; nil for an indirect call.
    package let target: Target?
    /// An indirect call's target, in the caller's frame.
    package let targetExpression: [LocationOperation]?
    package let parameters: [CallSiteParameter]

    package struct Target: Sendable, Equatable {
        package let name: String
        package let entry: VirtualAddress?

        package init(name: String, entry: VirtualAddress?) {
            self.name = name
            self.entry = entry
        }
    }

    package init(
        returnAddress: VirtualAddress, isTailCall: Bool, target: Target?, targetExpression: [LocationOperation]?,
        parameters: [CallSiteParameter]
    ) {
        self.returnAddress = returnAddress
        self.isTailCall = isTailCall
        self.target = target
        self.targetExpression = targetExpression
        self.parameters = parameters
    }
}

/// Debug information that knows the variables of running functions.
package protocol FrameSource: Sendable {
    /// The functions at `address` with their variables, innermost (inlined) first, the compiled one last; empty when
    /// it has none there. The address is the one to look up: callers pass a return address minus one.
    func variables(at address: VirtualAddress) throws -> [VariableScope]
    /// The call that returns to `address`; nil when none is described.
    func call(returningTo address: VirtualAddress) throws -> CallSite?
    /// The jumps that replace calls at the ends of the function whose code is at `address`.
    func tailCalls(ofFunctionAt address: VirtualAddress) throws -> [CallSite]
}
