// The commands that every kernel has, by name.

package import Pipeline

package enum Commands {
    package static let all: [any Stage.Type] = [
        Analyze.self,
        Ascii.self,
        Btop.self,
        Dis.self,
        Eval.self,
        Lines.self,
        List.self,
        Pd.self,
        Print.self,
        Pte.self,
        Ptob.self,
        Ptov.self,
        Px.self,
        Rd.self,
        Search.self,
        Struct.self,
        Sym.self,
        Verify.self,
        Vtop.self,
        Walk.self,
        Whatis.self,
    ]
}
