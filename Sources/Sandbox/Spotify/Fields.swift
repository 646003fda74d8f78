import JSONText

/// What the parameter `fields` leaves of an answer: `total,items(added_at,item(name)),owner.id,a(!b)`.
struct FieldTree {
    private var kept: [(name: String, tree: FieldTree?)] = []
    private var dropped: Set<String> = []

    init(_ text: String) {
        var rest = text[...]
        self.init(&rest)
    }

    private init(_ text: inout Substring) {
        while !text.isEmpty, text.first != ")" {
            let (name, tree) = FieldTree.field(&text)
            if name.hasPrefix("!") {
                dropped.insert(String(name.dropFirst()))
            } else {
                kept.append((name, tree))
            }
            if text.first == "," { text.removeFirst() }
        }
    }

    private static func field(_ text: inout Substring) -> (name: String, tree: FieldTree?) {
        let name = String(text.prefix { !",().".contains($0) })
        text.removeFirst(name.count)
        guard let sign = text.first, sign == "." || sign == "(" else { return (name, nil) }
        text.removeFirst()
        var tree = FieldTree("")
        if sign == "." {
            tree.kept = [field(&text)]
        } else {
            tree = FieldTree(&text)
            if text.first == ")" { text.removeFirst() }
        }
        return (name, tree)
    }

    /// The part of a value that was asked for.
    func part(of value: JSON) -> JSON {
        if value.isArray { return .array(value.elements.map(part)) }
        guard case .object(let members) = value else { return value }
        return .object(
            members.compactMap { name, member in
                guard dropped.isEmpty else { return dropped.contains(name) ? nil : (name, member) }
                return kept.first { $0.name == name }.map {
                    (name, $0.tree?.part(of: member) ?? member)
                }
            })
    }
}
