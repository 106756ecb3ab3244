// The commands that every kernel has, by name.

package import Pipeline

package enum Commands {
    package static let all: [any Stage.Type] = [
        Dis.self,
        Print.self,
        Ptov.self,
        Rd.self,
        Search.self,
        Struct.self,
        Sym.self,
        Vtop.self,
        Whatis.self,
    ]
}
