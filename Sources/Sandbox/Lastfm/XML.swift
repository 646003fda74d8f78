import JSONText

/// An answer as Last.fm's XML: the same tree, attributes from `@attr`, text from `#text`.
func answerXML(_ answer: JSON) -> String {
    header + "<lfm status=\"ok\">\(answer.members.map(element).joined())</lfm>\n"
}

/// An error as Last.fm's XML.
func errorXML(_ code: Int, _ text: String) -> String {
    header + "<lfm status=\"failed\"><error code=\"\(code)\">\(plain(.text(text)))</error></lfm>\n"
}

private let header = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

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
