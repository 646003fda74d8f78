import JSONText

/// What the parameter `fields` leaves of a value: `total,items(added_at,item(name)),owner.id,a(!b)`.
func part(of value: JSON, _ fields: Substring) -> JSON {
    if value.isArray { return .array(value.elements.map { part(of: $0, fields) }) }
    var depth = 0
    let wanted = fields.split { letter in
        depth += letter == "(" ? 1 : letter == ")" ? -1 : 0
        return letter == "," && depth == 0
    }
    guard case .object(let members) = value, !wanted.isEmpty else { return value }
    let hides = wanted.contains { $0.hasPrefix("!") }
    return .object(
        members.compactMap { name, member in
            let field = wanted.first { $0.split { "!(.".contains($0) }.first ?? "" == name }
            guard let rest = field?.dropFirst(name.count), !hides else {
                return hides && field == nil ? (name, member) : nil
            }
            let inner = rest.hasPrefix("(") ? rest.dropFirst().dropLast() : rest.dropFirst()
            return (name, part(of: member, inner))
        })
}
