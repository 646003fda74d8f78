/// What a list's rows are measured by: the one table of metrics that every node draws on.
///
/// A metric without a value is missing, and missing is never zero.
public enum Metric: String, CaseIterable, Sendable {
    case plays
    case lastfmUserPlays = "lastfm_user_plays"
    case lastfmGlobalPlays = "lastfm_global_plays"
    case firstPlayed = "first_played"
    case lastPlayed = "last_played"
    case addedAt = "added_at"
    case likedAt = "liked_at"
    case releaseDate = "release_date"
    case durationMS = "duration_ms"
    case title, artist, album, identity

    /// What a metric's values are; times are milliseconds since 1970, dates are `YYYY[-MM[-DD]]`.
    public enum Kind: String, Sendable { case number, time, date, text }

    /// What it is, what it means, and where its values come from.
    public var about: (kind: Kind, meaning: String, origin: String) {
        switch self {
        case .plays: (.number, "listens that count; missing where none is known", "listens")
        case .lastfmUserPlays: (.number, "plays of the person", "Last.fm")
        case .lastfmGlobalPlays: (.number, "plays of everybody", "Last.fm")
        case .firstPlayed: (.time, "when the first listen began", "listens")
        case .lastPlayed: (.time, "when the last listen began", "listens")
        case .addedAt: (.time, "when the row was added to its playlist", "the row")
        case .likedAt: (.time, "when it was first liked, of the likes that stand", "likes")
        case .releaseDate: (.date, "when it was released, as exactly as is known", "the track")
        case .durationMS: (.number, "how long it is, in milliseconds", "the track")
        case .title: (.text, "its title", "the row")
        case .artist: (.text, "its artists' names, joined by commas", "the row")
        case .album: (.text, "its album's title", "the track")
        case .identity:
            (.text, "the track that it is, by the URI that it was first known by", "the track")
        }
    }

    /// What the row itself says.
    ///
    /// - Returns: A value or nil for each row; nil for a metric that rows do not carry.
    public func own(_ rows: [TrackRow]) -> [MetricValue?]? {
        switch self {
        case .addedAt: rows.map { $0.addedAtMS.map { .integer($0) } }
        case .title: rows.map { $0.title.map { .text($0) } }
        case .artist:
            rows.map { $0.artists.isEmpty ? nil : .text($0.artists.joined(separator: ", ")) }
        default: nil
        }
    }
}

/// One row's value of a metric: a whole number or a text.
public enum MetricValue: Hashable, Sendable {
    case integer(Int64)
    case text(String)

    /// The value as it is compared: a text lower-cased.
    ///
    /// Swift compares texts by the scalars of their canonical composition: the same everywhere, no locale.
    var folded: MetricValue {
        if case .text(let text) = self { .text(text.lowercased()) } else { self }
    }

    /// Whether a folded value stands before another; numbers stand before texts.
    func precedes(_ other: MetricValue) -> Bool {
        switch (self, other) {
        case (.integer(let left), .integer(let right)): left < right
        case (.text(let left), .text(let right)): left < right
        case (.integer, .text): true
        case (.text, .integer): false
        }
    }

    /// Whether a folded value goes past a folded limit; a text counts as far as the limit is long, so
    /// that `2020-05` does not go past `2020`.
    func exceeds(_ limit: MetricValue) -> Bool {
        guard case .text(let text) = self, case .text(let most) = limit else {
            return limit.precedes(self)
        }
        return most < String(text.prefix(most.count))
    }
}
