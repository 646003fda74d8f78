/// The words of `terms.txt`, by the hashes of their folded letters.
enum Terms {
    /// The lines of `terms.txt`.
    private static let lines: [(name: String, text: String)] =
        String(decoding: PackageResources.terms_txt, as: UTF8.self).split(separator: "\n")
        .compactMap { line in
            let cut = line.hasPrefix("#") ? nil : line.firstIndex(of: ":")
            return cut.map { (String(line[..<$0]), String(line[$0...].dropFirst())) }
        }

    static func all(_ name: String) -> [String] { lines.filter { $0.name == name }.map(\.text) }
    static func words(_ text: some StringProtocol) -> [[UInt32]] { Folding(String(text)).words }
    private static func pairs(_ name: String) -> [(key: Substring, value: Substring)] {
        all(name).flatMap { $0.split(separator: " ") }
            .map { ($0.prefix { $0 != "=" }, $0.drop { $0 != "=" }.dropFirst()) }
    }

    /// Roles of words that name no kind of version.
    static let quiet: Set = ["generic", "neutral", "noise", "guests", "featuring", "tongue"]
    /// What a word of a tail may say: a kind of version, or one of `quiet`.
    static let roles = Dictionary(
        lines.filter { $0.name.hasPrefix("role ") }.flatMap { name, text in
            words(text).map { ($0.key, String(name.dropFirst(5))) }
        }
    ) { $1 }
    /// Words of titles and names that have more than one spelling; an empty one does not count.
    ///
    /// `when`: 0 for everywhere, 1 for either end of a text, 2 for behind a word of `countable`.
    static let spellings = Dictionary(
        ["always", "at_end", "counted"].enumerated().flatMap { when, name in
            pairs(name).map {
                (words($0.key)[0].key, (word: words($0.value).first ?? [], when: when))
            }
        }
    ) { $1 }
    static let countable = Set(words(all("countable").joined()).map(\.key))
    static let strokes = Dictionary(
        pairs("strokes").map { ($0.key.unicodeScalars.first?.value ?? 0, String($0.value)) }
    ) { $1 }
    static let fullKana = all("kana").joined().unicodeScalars.map(\.value).filter { $0 > 0x20 }
    /// Cyrillic, Greek and the parts of Korean syllables in Latin letters.
    static let romanized: [UInt32: String] = {
        var table: [UInt32: String] = [:]
        for (name, text) in lines where name.hasPrefix("from ") {
            for (index, latin) in text.split(separator: " ").enumerated() {
                table[(name.unicodeScalars.last?.value ?? 0) + UInt32(index)] =
                    latin == "-" ? "" : String(latin)
            }
        }
        return table
    }()

    /// Words that say something only together, by the first of them.
    static let phrases = Dictionary(
        grouping: lines.filter { $0.name.hasPrefix("phrase ") }.flatMap { name, text in
            text.split(separator: ",").map {
                (words: words($0).map(\.key), kind: String(name.dropFirst(7)))
            }
        }, by: { $0.words[0] })
    /// Words of a script without spaces: they stand inside others.
    static let inside = words("カラオケ ライブ リミックス")
    static let strong = Set(all("strong").joined().split(separator: " ").map(String.init))
    static let weak = Set(all("weak").joined().split(separator: " ").map(String.init))
    static let nobody = Set(
        all("nobody").joined().split(separator: ",").map { FoldedText(String($0)).key })
}
