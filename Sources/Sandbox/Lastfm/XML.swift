import JSONText

/// An answer as Last.fm's XML: the same tree, attributes from `@attr`, text from `#text`.
func answerXML(_ answer: JSON) -> String {
    let body = answer.members.map { element($0.0, $0.1) }.joined()
    return header + "<lfm status=\"ok\">\(body)</lfm>\n"
}

/// An error as Last.fm's XML.
func errorXML(_ code: Int, _ text: String) -> String {
    header + "<lfm status=\"failed\"><error code=\"\(code)\">\(escaped(text))</error></lfm>\n"
}

private let header = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

private func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        .replacing("\"", with: "&quot;")
}

private func plain(_ value: JSON) -> String {
    escaped(value.string ?? (value.isNull ? "" : value.text))
}

private func element(_ name: String, _ value: JSON) -> String {
    if value.isArray { return value.elements.map { element(name, $0) }.joined() }
    var attributes = value["@attr"].members
    var inside = value.members.filter { $0.0 != "@attr" }
    // Beside a text, XML has no room for elements: `<artist mbid="…">Name</artist>`.
    if inside.contains(where: { ["#text", "corrected"].contains($0.0) }) {
        attributes += inside.filter { $0.0 != "#text" }
        inside = inside.filter { $0.0 == "#text" }
    }
    let opening = name + attributes.map { " \($0.0)=\"\(plain($0.1))\"" }.joined()
    let body = inside.map { $0.0 == "#text" ? plain($0.1) : element($0.0, $0.1) }.joined()
    return "<\(opening)>\(value.members.isEmpty ? plainLeaf(value) : body)</\(name)>"
}

private func plainLeaf(_ value: JSON) -> String {
    if case .object = value { "" } else { plain(value) }
}
