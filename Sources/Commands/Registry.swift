// The commands that every kernel has, by name.

package import Pipeline

package enum Commands {
    package static let all: [any Stage.Type] = [
        Dis.self,
        Lines.self,
        List.self,
        Print.self,
        Ptov.self,
        Rd.self,
        Search.self,
        Struct.self,
        Sym.self,
        Vtop.self,
        Walk.self,
        Whatis.self,
    ]
}
