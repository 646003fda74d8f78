import Foundation

/// A search in Lucene's syntax, as far as clients ask for recordings with it: `field:word`,
/// `field:"a phrase"` and `field:(some OR words)`, all of them wanted where there is an AND, else any.
struct Query {
    private var clauses: [(field: String, parts: [String])] = []
    private let isStrict: Bool

    /// Reads a query.
    init(_ text: String) throws {
        let clause = /([a-z]+):(?:\(((?:\\.|[^)\\])*)\)|"((?:\\.|[^"\\])*)"|((?:\\.|[^\s()"\\])+))/
        isStrict = text.contains(" AND ")
        for match in text.matches(of: clause) {
            let words = match.2?.split(separator: " ").filter { $0 != "OR" }
            let parts = words ?? [match.3 ?? match.4 ?? ""]
            clauses.append((String(match.1), parts.map { String($0.replacing(/\\(.)/) { $0.1 }) }))
        }
        let rest = text.replacing(clause, with: "").replacing(/AND|OR|\s/, with: "")
        try need(rest.isEmpty && !clauses.isEmpty, 400, "The query cannot be read.")
    }

    /// How many of its parts a recording has; 0 if it is none of the results.
    func score(_ recording: Recording) -> Int {
        let scores = clauses.map { field, parts in
            if field == "isrc" { return parts.count(where: recording.isrcs.contains) }
            let known = [
                "recording": recording.title, "comment": recording.disambiguation,
                "artist": recording.artists.joined(separator: recording.join),
                "release": recording.releases.map(\.album).joined(separator: " / "),
            ]
            let words = folded(known[field] ?? "")
            return parts.count { !words.ranges(of: folded($0)).isEmpty }
        }
        return isStrict && scores.contains(0) ? 0 : scores.reduce(0, +)
    }
}

/// Words as the index has them: without case, diacritics and punctuation.
private func folded(_ text: String) -> [String] {
    text.folding(options: [.caseInsensitive, .diacriticInsensitive], locale: nil)
        .split { !$0.isLetter && !$0.isNumber }.map(String.init)
}
