// The composition root.

@main
struct Inquest {
    static func main() {}
}
