// The tables of kallsyms, cut out of memory by whoever found them.

package import Bytes

/// What kernel/kallsyms.c reads, as scripts/kallsyms.c writes it.
package struct KallsymsTables: Sendable {
    /// `kallsyms_num_syms`.
    package var count: Int
    /// From `kallsyms_names` to at least the end of the markers behind them; best to `kallsyms_token_table`.
    package var names: ByteSlice
    /// `kallsyms_token_table`: at least its 256 strings.
    package var tokens: ByteSlice
    /// `kallsyms_token_index`: 256 half-words.
    package var tokenIndex: ByteSlice
    /// `kallsyms_offsets`: one signed word a symbol; or, when `isAbsolute`, one address a symbol.
    package var offsets: ByteSlice
    package var isAbsolute = false
    /// The address of `offsets` where each of them counts from its own place (since 7.0, a081b5789255, without a base).
    package var offsetsAddress: VirtualAddress?
    /// `kallsyms_relative_base`, as it is at run time.
    package var relativeBase: UInt64
    /// What could not be read of `names`, `tokens` and `offsets`. An index that could not be is empty.
    package var nameHoles = Holes()
    package var tokenHoles = Holes()
    package var offsetHoles = Holes()

    package init(
        count: Int, names: ByteSlice, tokens: ByteSlice, tokenIndex: ByteSlice, offsets: ByteSlice, relativeBase: UInt64
    ) {
        self.count = count
        self.names = names
        self.tokens = tokens
        self.tokenIndex = tokenIndex
        self.offsets = offsets
        self.relativeBase = relativeBase
    }
}
