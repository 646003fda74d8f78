import Foundation

/// A search in Lucene's syntax, as far as clients ask for recordings with it.
indirect enum Query {
    case all([Query])
    case any([Query])
    case term(field: String, String)
    case range(field: String, ClosedRange<Int>)

    /// Reads a query; what names no field is looked for in titles.
    init(_ text: String) throws {
        var rest = text[...]
        self = try Query(&rest, "recording")
        try need(rest.isEmpty, 400, "The query cannot be read.")
    }

    /// Reads parts of which one is enough, each of some that must all be there.
    private init(_ rest: inout Substring, _ field: String) throws {
        var groups: [Query] = []
        repeat {
            var parts = [try Query(part: &rest, field)]
            while take(&rest, "AND ") { parts.append(try Query(part: &rest, field)) }
            groups.append(.all(parts))
        } while take(&rest, "OR ") || ![nil, ")"].contains(rest.first)
        self = .any(groups)
    }

    private init(part rest: inout Substring, _ field: String) throws {
        if take(&rest, "(") {
            self = try Query(&rest, field)
            try need(take(&rest, ")"), 400, "The query has no end.")
        } else if take(&rest, "[") {
            let bounds = read(&rest, until: "]").split(separator: " TO ").map { Int($0) ?? 0 }
            try need(bounds.count == 2 && take(&rest, "]"), 400, "The query's range has no end.")
            self = .range(field: field, bounds[0]...max(bounds[0], bounds[1]))
        } else if take(&rest, "\"") {
            self = .term(field: field, read(&rest, until: "\""))
            try need(take(&rest, "\""), 400, "The query's phrase has no end.")
        } else {
            let word = read(&rest, until: " ():\"[]")
            try need(!word.isEmpty, 400, "The query cannot be read.")
            guard rest.first == ":" else {
                self = .term(field: field, word)
                return
            }
            rest.removeFirst()
            self = try Query(part: &rest, word)
        }
    }

    /// How many of its words a recording has; 0 if it is none of the results.
    func score(_ recording: Recording) -> Int {
        switch self {
        case .all(let parts):
            let scores = parts.map { $0.score(recording) }
            return scores.contains(0) ? 0 : scores.reduce(0, +)
        case .any(let parts): return parts.reduce(0) { $0 + $1.score(recording) }
        case .range(let field, let range):
            let length = recording.lengthMS.map { field == "qdur" ? $0 / 2000 : $0 }
            return length.map(range.contains) == true ? 1 : 0
        case .term("isrc", let text): return recording.isrcs.contains(text) ? 1 : 0
        case .term("rid", let text): return recording.mbid == text ? 1 : 0
        case .term(let field, let text):
            let known = [
                "recording": recording.title, "comment": recording.disambiguation,
                "artist": recording.artists.joined(separator: recording.join),
                "release": recording.releases.map(\.album).joined(separator: " / "),
            ]
            let words = folded(text)
            return folded(known[field] ?? "").ranges(of: words).isEmpty ? 0 : words.count
        }
    }
}

/// Words as the index has them: without case, diacritics and punctuation.
private func folded(_ text: String) -> [String] {
    text.folding(options: [.caseInsensitive, .diacriticInsensitive], locale: nil)
        .split { !$0.isLetter && !$0.isNumber }.map(String.init)
}

/// Takes a text that stands next, behind spaces.
private func take(_ rest: inout Substring, _ text: String) -> Bool {
    rest = rest.drop { $0 == " " }
    guard rest.hasPrefix(text) else { return false }
    rest = rest.dropFirst(text.count)
    return true
}

/// The characters up to one of these; one behind a backslash stands for itself.
private func read(_ rest: inout Substring, until ends: String) -> String {
    var text = ""
    while let next = rest.first, !ends.contains(next) {
        if next == "\\" { rest.removeFirst() }
        if let plain = rest.popFirst() { text.append(plain) }
    }
    return text
}
