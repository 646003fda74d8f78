/// The artists of a track, taken apart from whatever way a service joined them.
struct ArtistReading: Sendable {
    /// The first text up to a featuring credit, whole: `Simon & Garfunkel` may be one artist.
    private(set) var lead: FoldedText?
    /// Every name by itself, the first first; also the guests that a title names.
    private(set) var names: [FoldedText] = []
    /// A hash of the names in any order.
    private(set) var setKey: UInt64 = 0
    /// A bit for each name: of disjoint credits they seldom meet.
    private(set) var nameBits: UInt64 = 0

    init(_ artists: [String], guests: [TitleParts.Text], _ versions: inout Set<String>) {
        for artist in artists {
            let scalars = Array(artist.unicodeScalars)
            add(scalars[...], isGuest: false)
            // "Karaoke Stars" sing another recording; a band may be called The Covers.
            versions.formUnion(
                TitleParts.kinds(of: Folding(scalars).words).intersection(["karaoke"]))
        }
        for guest in guests { add(guest, isGuest: true) }
        for name in names {
            setKey &+= Hash.spread(name.unorderedKey)
            nameBits |= 1 << (Hash.spread(name.unorderedKey) >> 58)
        }
    }

    private mutating func add(_ text: TitleParts.Text, isGuest: Bool) {
        for credit in Self.parts(of: text, joins: Terms.strong, comma: ";") {
            let whole = FoldedText(Folding(credit))
            if whole.letters.isEmpty || Terms.nobody.contains(whole.key) { continue }
            if !isGuest { lead = lead ?? whole }
            let parts = Self.parts(of: credit, joins: Terms.weak, comma: ",")
            for part in parts {
                let name = parts.count == 1 ? whole : FoldedText(Folding(part))
                if !names.contains(where: { $0.key == name.key }) { names.append(name) }
            }
        }
    }

    /// Cuts a credit at words that join artists, and at commas.
    private static func parts(
        of text: TitleParts.Text, joins: Set<String>, comma: Unicode.Scalar
    ) -> [TitleParts.Text] {
        let parts = text.split(separator: comma).flatMap { piece in
            piece.split(whereSeparator: \.properties.isWhitespace)
                .split { joins.contains(String(String.UnicodeScalarView($0)).lowercased()) }
                .map { text[($0.first ?? []).startIndex..<($0.last ?? []).endIndex] }
        }
        return parts.isEmpty ? [text] : parts
    }
}
