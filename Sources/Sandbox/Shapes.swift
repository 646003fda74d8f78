import JSONText

/// The objects of all services as `shapes.json` has them, and the words that worlds are made of.
private let shapes = Dictionary(
    uniqueKeysWithValues: ((try? JSON(parsing: PackageResources.shapes_json)) ?? .null).members)

/// A table out of `shapes.json`, as it stands there.
func table(_ name: String) -> JSON { shapes[name] ?? .null }

/// An object made after its pattern in `shapes.json`.
///
/// In a pattern `"$x"` is the value x, or else the pattern x; a member that comes to nothing falls away.
/// `"a{x}b"` is a text with x in it, `"a{+x}b"` with x as addresses have it, `"#a{x}b"` the UUID that stands for it. A member
/// `key?mark` is there only if the marks are.
func shape(_ name: String, _ values: [String: JSON], _ marks: Set<String> = []) -> JSON {
    filled(shapes[name] ?? .null, values, marks) ?? .null
}

private func filled(_ pattern: JSON, _ values: [String: JSON], _ marks: Set<String>) -> JSON? {
    switch pattern {
    case .text(let text) where text.hasPrefix("#"):
        let named = filled(.text(String(text.dropFirst())), values, marks)
        return .text(uuid(named?.string ?? ""))
    case .text(let text) where text.hasPrefix("$"):
        let name = String(text.dropFirst())
        return values[name] ?? shapes[name].flatMap { filled($0, values, marks) }
    case .text(let text):
        var pieces = text.split(separator: "{", omittingEmptySubsequences: false)[...]
        var result = String(pieces.removeFirst())
        for piece in pieces {
            let name = piece.prefix { $0 != "}" }
            let value = values[String(name.drop { $0 == "+" })]
            let text = value?.string ?? value?.text ?? ""
            result += name.hasPrefix("+") ? encoded(text).replacing("%20", with: "+") : text
            result += piece.dropFirst(name.count + 1)
        }
        return .text(result)
    case .array(let elements): return .array(elements.compactMap { filled($0, values, marks) })
    case .object(let members):
        return .object(
            members.compactMap { key, member in
                let parts = key.split(separator: "?").map(String.init)
                guard parts.dropFirst().allSatisfy(marks.contains) else { return nil }
                return filled(member, values, marks).map { (parts[0], $0) }
            })
    default: return pattern
    }
}
