/// Tells whether two tracks are one recording.
///
/// Tiers, not one sum: an identifier decides unless the rest contradicts it; another title, another artist or
/// a version on one side only is a veto that nothing outvotes; only then the evidence is added up.
/// `docs/matching.md` says it in words, with figures.
public enum Matcher {
    /// Counts up whenever a judgement may come out otherwise; stands in every decision.
    public static let version = 2

    /// What evidence is worth, in tenths of a bit; `tools/bench-matching --train --fit` prints the training half's.
    enum Weight {
        // A code names a recording or, by mistake, a few. Two codes for one recording are common; Last.fm's
        // MBIDs are often those of tracks.
        static let isrc = 100, otherISRC = -6, mbid = 90, otherMBID = -12
        // By `Likeness`: different, unknown, loose, part, mistyped, same.
        static let title = [nil, nil, 30, 40, 45, 80], artist = [nil, nil, 40, 40, 60, 80]
        static let otherMarks = -4, guests = -10
        // Songs are on many albums, so another album says little; the same one much.
        static let album = 38, otherAlbum = -4, trackNumber = 8, otherNumber = -6, year = 5,
            otherYear = -4
        static let version = 10, partialVersion = -15
        /// By how many milliseconds lengths differ at most; above the last it is another recording.
        static let durations: [(upTo: Int64, worth: Int)] = [
            (1500, 30), (3500, 24), (6000, 8), (10_000, -8), (16_000, -18), (25_000, -100),
        ]
        /// What each doubling of the artists that have a song of this title takes away, and at most.
        static let commonness = 4, mostCommonness = 20
        /// What must come together to accept without an identifier.
        static let accept = 118
        /// How much better than the next one the best has to be.
        static let margin = 15
    }

    /// Judges two tracks; it does not matter which is the subject.
    ///
    /// - Parameter commonness: How many artists are known to have a song of this title; 0 if that is not known.
    public static func judge(
        _ one: TrackReading, _ other: TrackReading, commonness: Int = 0
    ) -> Judgement {
        var result = Judgement()
        let (isrc, mbid) = (equal(one.isrc, other.isrc), equal(one.mbid, other.mbid))
        let identifier: Judgement.Method? = isrc == true ? .isrc : mbid == true ? .mbid : nil
        let goesOn = { (result: Judgement) in identifier != nil || result.vetoes.isEmpty }
        let title = compareTitles(one, other)
        if title == .different { result.vetoes.append(.title) }
        guard goesOn(result) else { return result }
        let artists = compareArtists(one.artists, other.artists)
        if artists == .different { result.vetoes.append(.artist) }
        guard goesOn(result) else { return result }
        let marks = title == .same && one.title.marks != other.title.marks ? Weight.otherMarks : 0
        result[.title] = Weight.title[title.rawValue].map { $0 + marks }
        let cut = artists == .same && one.artists.setKey != other.artists.setKey ? Weight.guests : 0
        result[.artists] = Weight.artist[artists.rawValue].map { $0 + cut }
        compareVersions(one, other, &result)
        if let first = one.facts.durationMS, let second = other.facts.durationMS, first > 0,
            second > 0
        {
            let apart = (first - second).magnitude
            result[.duration] = Weight.durations.first { apart <= $0.upTo }?.worth
            if result[.duration] == nil { result.vetoes.append(.duration) }
        }
        guard goesOn(result) else { return result }
        result[.isrc] = isrc.map { $0 ? Weight.isrc : Weight.otherISRC }
        result[.mbid] = mbid.map { $0 ? Weight.mbid : Weight.otherMBID }
        compareReleases(one, other, &result)
        if commonness > 1 {
            let doublings = Int.bitWidth - commonness.leadingZeroBitCount - 1
            result[.commonness] = -min(Weight.mostCommonness, doublings * Weight.commonness)
        }
        let size = min(one.title.letters.count, other.title.letters.count)
        conclude(&result, title, artists, identifier, isDistinct: commonness == 1 || size >= 10)
        return result
    }

    private static func conclude(
        _ result: inout Judgement, _ title: Likeness, _ artists: Likeness,
        _ identifier: Judgement.Method?, isDistinct: Bool
    ) {
        let (isTimed, isOnAlbum) = (result.speaks(.duration), result.speaks(.album))
        if let identifier {
            // A code that nothing else speaks for is a claim, not a proof.
            let isSupported = max(title, artists) > .unknown || isTimed
            let support = min(5, max(0, (result.score - 200) / 20))
            return result.vetoes.isEmpty && isSupported
                ? result.set(.accept, identifier, (identifier == .isrc ? 90 : 80) + support)
                : result.set(.candidate, .fuzzy, 50)
        }
        let isEnough =
            switch (title, artists) {
            case (.mistyped..., .mistyped...) where title == .same || artists == .same:
                title == .same || isTimed || isOnAlbum || isDistinct
            case (.same, .part), (.same, .loose), (.part, .mistyped...): isTimed || isOnAlbum
            case (.mistyped, .mistyped), (.loose, .mistyped...): isTimed || result.speaks(.position)
            case (.loose, .loose): isTimed && isOnAlbum
            case (.same, .unknown): isOnAlbum && (isTimed || isDistinct || result.speaks(.position))
            case (.unknown, .mistyped...): result.speaks(.position)
            default: false
            }
        if isEnough, result.score >= Weight.accept {
            result.set(.accept, .artistTitle, 60 + min(15, (result.score - Weight.accept) / 6))
        } else if title > .unknown || artists > .unknown && isTimed {
            result.set(.candidate, .fuzzy, min(50, max(30, 30 + (result.score - 80) / 3)))
        }
    }

    // MARK: Parts

    private static func equal(_ one: UInt64?, _ other: UInt64?) -> Bool? {
        one == nil || other == nil ? nil : one == other
    }

    private static func compareTitles(_ one: TrackReading, _ other: TrackReading) -> Likeness {
        if one.whole == other.whole { return .same }
        if one.title.key == other.title.key {
            guard let first = one.subtitle, let second = other.subtitle else {
                return one.subtitle == nil && other.subtitle == nil ? .same : .part
            }
            return first.key == second.key ? .same : min(.mistyped, Likeness.between(first, second))
        }
        guard one.subtitle?.key == other.subtitle?.key else { return .different }
        return Likeness.between(one.title, other.title)
    }

    private static func compareArtists(_ one: ArtistReading, _ other: ArtistReading) -> Likeness {
        if one.names.isEmpty || other.names.isEmpty { return .unknown }
        if let key = one.lead?.unorderedKey, let others = other.lead?.unorderedKey,
            key == others || one.setKey == other.setKey
        {
            return .same
        }
        // All names of one side among the other's: a credit that was cut short or joined otherwise.
        let (few, many) = one.names.count < other.names.count ? (one, other) : (other, one)
        let isPart =
            few.nameBits & many.nameBits == few.nameBits
            && few.names.allSatisfy { name in
                many.names.contains { $0.unorderedKey == name.unorderedKey }
            }
        guard !isPart, let first = one.lead, let second = other.lead else {
            return isPart ? .part : .unknown
        }
        // A name in one word or in two is one name.
        return first.key == second.key ? .same : Likeness.between(first, second)
    }

    private static func compareVersions(
        _ one: TrackReading, _ other: TrackReading, _ result: inout Judgement
    ) {
        if one.versions.isEmpty, other.versions.isEmpty { return }
        guard one.versions == other.versions else { return result.vetoes.append(.version) }
        let common = one.qualifier.intersection(other.qualifier).count
        let (own, others) = (one.qualifier.count, other.qualifier.count)
        guard common == min(own, others) else { return result.vetoes.append(.version) }
        result[.version] = own == others ? Weight.version : Weight.partialVersion
    }

    private static func compareReleases(
        _ one: TrackReading, _ other: TrackReading, _ result: inout Judgement
    ) {
        if let first = one.album, let second = other.album {
            let isSame = first.key == second.key || Likeness.between(first, second) == .mistyped
            result[.album] = isSame ? Weight.album : Weight.otherAlbum
            if isSame, let own = one.facts.trackNumber, let others = other.facts.trackNumber {
                result[.position] = own == others ? Weight.trackNumber : Weight.otherNumber
            }
        }
        if let first = one.facts.releaseYear, let second = other.facts.releaseYear {
            result[.year] = abs(first - second) <= 1 ? Weight.year : Weight.otherYear
        }
    }
}
