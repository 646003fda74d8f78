import JSONText

/// A tree as Last.fm's XML: attributes from `@attr`, text from `#text`.
func xml(_ status: String, _ inside: [(String, JSON)]) -> String {
    let all = JSON.object([("@attr", ["status": .text(status)])] + inside)
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + element("lfm", all) + "\n"
}

private func plain(_ value: JSON) -> String {
    if value.isNull { return "" }
    return (value.string ?? value.text).replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
}

private func element(_ name: String, _ value: JSON) -> String {
    if value.isArray { return value.elements.map { element(name, $0) }.joined() }
    guard case .object(let members) = value else { return "<\(name)>\(plain(value))</\(name)>" }
    // Beside a text, XML has no room for elements: `<artist mbid="…">Name</artist>`.
    let isText = members.contains { ["#text", "corrected"].contains($0.0) }
    var attributes = value["@attr"].members
    if isText { attributes += members.filter { $0.0 != "#text" } }
    let inside = members.filter { $0.0 != "@attr" && !isText }
    let opening = name + attributes.map { " \($0.0)=\"\(plain($0.1))\"" }.joined()
    return "<\(opening)>\(plain(value["#text"]))\(inside.map(element).joined())</\(name)>"
}
