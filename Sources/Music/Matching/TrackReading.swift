/// A track's facts taken apart once, ready to be compared with many.
public final class TrackReading: Sendable {
    /// The facts as they came.
    public let facts: TrackFacts
    /// What makes it another recording than the song's first.
    public let versions: Set<String>
    /// The words that tell one version of a kind from another: who mixed it, where it was played.
    let qualifier: Set<UInt64>
    let title: FoldedText
    /// Words in brackets or after a dash that only some services make part of the title.
    let subtitle: FoldedText?
    /// The key of title, subtitle and version words together.
    let whole: UInt64
    let artists: ArtistReading
    let album: FoldedText?
    let isrc: UInt64?
    let mbid: UInt64?

    /// Takes the facts apart.
    public init(_ facts: TrackFacts) {
        self.facts = facts
        var parts = TitleParts(facts.title)
        if let note = facts.disambiguation {
            parts.addVersion(Folding(note).words, [])
        }
        artists = ArtistReading(facts.artists, guests: parts.guests, &parts.versions)
        (versions, qualifier) = (parts.versions, parts.qualifier)
        title = FoldedText(Folding(parts.core))
        subtitle = parts.subtitle.isEmpty ? nil : FoldedText(Folding(parts.subtitle))
        let tails = parts.subtitle + parts.tails
        whole = tails.isEmpty ? title.key : FoldedText(Folding(parts.core + tails)).key
        album = facts.album.map { FoldedText(Folding(TitleParts($0).core)) }
        (isrc, mbid) = (Self.code(facts.isrc), Self.code(facts.mbid))
    }

    /// A code's hash without hyphens, in lower case; nil for none.
    private static func code(_ text: String?) -> UInt64? {
        guard let text, !text.isEmpty else { return nil }
        return text.utf8.reduce(Hash.start) { $1 == 0x2D ? $0 : Hash.mixed($0, UInt32($1 | 0x20)) }
    }
}

/// A title's core and what its tails say.
struct TitleParts {
    typealias Text = ArraySlice<Unicode.Scalar>

    private(set) var core: [Unicode.Scalar] = []
    private(set) var subtitle: [Unicode.Scalar] = []
    private(set) var guests: [Text] = []
    var versions: Set<String> = []
    private(set) var qualifier: Set<UInt64> = []
    /// The words of all tails that name a version.
    private(set) var tails: [Unicode.Scalar] = []

    /// Parts a title at its brackets and at its dashes with spaces around them.
    init(_ title: String) {
        let scalars = Array(title.unicodeScalars)
        var (rest, isBehindDash) = (scalars[...], false)
        while let cut = rest.indices.first(where: { rest[$0].opens || Self.isDash(rest, $0) }) {
            add(rest[..<cut], isBehindDash)
            let after = rest[(cut + 1)...]
            if rest[cut].opens {
                let end = after.firstIndex(where: \.closes) ?? after.endIndex
                rest = after[min(end + 1, after.endIndex)...]
                sort(after[..<end])
            } else {
                (rest, isBehindDash) = (after, true)
            }
        }
        add(rest, isBehindDash)
        if core.isEmpty { (core, subtitle) = (scalars, []) }
    }

    private mutating func add(_ text: Text, _ isBehindDash: Bool) {
        let words = text.split(whereSeparator: \.properties.isWhitespace)
        let first = isBehindDash || !core.isEmpty ? 0 : 1
        if let at = words.indices.dropFirst(first).first(where: { Self.isFeaturing(words[$0]) }),
            at + 1 < words.count
        {
            guests.append(text[words[at + 1].startIndex...])
            add(text[..<words[at].startIndex], isBehindDash)
        } else if isBehindDash {
            sort(text)
        } else if !words.isEmpty {
            core += [" "] + text
        }
    }

    private static func isFeaturing(_ word: Text) -> Bool {
        guard word.first == "f" || word.first == "F", word.count <= 10 else { return false }
        return Terms.roles[Folding(word).words[0].key] == "featuring"
    }

    /// Puts a tail where it belongs.
    private mutating func sort(_ tail: Text) {
        let words = Folding(tail).words
        if words.count > 1, ["guests", "featuring"].contains(Terms.roles[words[0].key]) {
            let names = tail.drop(while: \.properties.isWhitespace)
            guests.append(names.drop { !$0.properties.isWhitespace })
        } else if !words.isEmpty, !addVersion(words, tail), !Self.isNeutral(words) {
            // "(I Can't Get No) Satisfaction"
            if core.isEmpty { core += tail } else { subtitle += [" "] + tail }
        }
    }

    /// Takes in what some words say of a version; false if they say nothing.
    @discardableResult
    mutating func addVersion(_ words: [[UInt32]], _ tail: Text) -> Bool {
        let kinds = Self.kinds(of: words)
        guard !kinds.isEmpty else { return false }
        versions.formUnion(kinds)
        tails += [" "] + tail
        qualifier.formUnion(words.map(\.key).filter { Terms.roles[$0] ?? "tongue" == "tongue" })
        return true
    }

    /// Which kinds of other recordings some words name.
    static func kinds(of words: [[UInt32]]) -> Set<String> {
        let keys = words.map(\.key)
        var roles = Set(keys.compactMap { Terms.roles[$0] })
        for (index, key) in keys.enumerated() {
            for phrase in Terms.phrases[key] ?? [] where keys[index...].starts(with: phrase.words) {
                roles.insert(phrase.kind)
            }
            guard words[index].last ?? 0 >= 0x3000 else { continue }
            let parts = Terms.inside.filter { words[index].contains($0) }
            roles.formUnion(parts.compactMap { Terms.roles[$0.key] })
        }
        let isVersion = roles.contains("generic")
        if roles.contains("tongue"), isVersion || words.count == 1 { roles.insert("language") }
        roles.subtract(Terms.quiet)
        return roles.isEmpty && isVersion && !isNeutral(words) ? ["other"] : roles
    }

    /// Whether words behind a title name no other recording: a remaster, a year, a film.
    private static func isNeutral(_ words: [[UInt32]]) -> Bool {
        let roles = words.filter { !$0.hasDigit }.map { Terms.roles[$0.key] ?? "" }
        if roles.isEmpty { return words.allSatisfy { $0.count == 4 } }
        return words[0].elementsEqual("from".unicodeScalars.map(\.value))
            || roles.contains("neutral")
                && roles.allSatisfy { ["neutral", "generic", "noise"].contains($0) }
    }

    private static func isDash(_ text: Text, _ index: Int) -> Bool {
        (text[index] == "-" || (0x2010...0x2015).contains(text[index].value))
            && index > text.startIndex && index + 1 < text.endIndex
            && text[index - 1].properties.isWhitespace && text[index + 1].properties.isWhitespace
    }
}

extension Unicode.Scalar {
    fileprivate var opens: Bool { [0x28, 0x5B, 0x7B, 0xFF08, 0x3010].contains(value) }
    fileprivate var closes: Bool { [0x29, 0x5D, 0x7D, 0xFF09, 0x3011].contains(value) }
}
