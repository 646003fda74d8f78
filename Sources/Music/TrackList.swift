/// A row of a list that flows through a workflow.
public struct TrackRow: Hashable, Sendable {
    /// What stands here; nil for a row whose content the service no longer names.
    public var uri: String?
    /// Its title; nil where that is not known.
    public var title: String?
    /// Its artists' names, the first-named first.
    public var artists: [String]
    /// When it was added to the playlist that it comes from, in milliseconds since 1970.
    public var addedAtMS: Int64?

    /// Describes a row.
    public init(
        uri: String?, title: String? = nil, artists: [String] = [], addedAtMS: Int64? = nil
    ) {
        self.uri = uri
        self.title = title
        self.artists = artists
        self.addedAtMS = addedAtMS
    }
}

/// Which rows of a list go out, in which order, and why the others do not.
///
/// Each row of the list stands once in it. Indexes start at 0, positions in reasons at 1.
public struct Selection: Sendable {
    /// The rows that go out, in their new order.
    public internal(set) var out: [Int] = []
    /// The others, in their old order.
    public internal(set) var dropped: [(index: Int, reason: String)] = []
}

/// A list of tracks, and the pure functions that workflows are made of.
public struct TrackList: Hashable, Sendable {
    /// The rows, in order.
    public let rows: [TrackRow]

    /// Takes rows in order.
    public init(_ rows: [TrackRow]) { self.rows = rows }

    /// The rows that a selection lets out.
    public func applying(_ selection: Selection) -> TrackList {
        TrackList(selection.out.map { rows[$0] })
    }

    /// Keeps rows in their order.
    ///
    /// - Parameter reason: Why a row is dropped; nil to keep it.
    public func keeping(_ reason: (Int) -> String?) -> Selection {
        var selection = Selection()
        for index in rows.indices {
            if let reason = reason(index) {
                selection.dropped.append((index, reason))
            } else {
                selection.out.append(index)
            }
        }
        return selection
    }

    /// Keeps every row.
    public func keepingAll() -> Selection { keeping { _ in nil } }

    /// Keeps the rows that name something.
    public func keepingAvailable() -> Selection {
        keeping { rows[$0].uri == nil ? "the row is not available" : nil }
    }

    /// Keeps the first rows.
    public func first(_ count: Int) -> Selection {
        keeping { $0 < count ? nil : "stands behind the first \(count)" }
    }

    /// Keeps rows whose value lies between two limits, both included.
    ///
    /// - Parameters:
    ///   - values: A value for each row.
    ///   - includeMissing: Whether rows without a value stay.
    public func filtered(
        by metric: Metric, _ values: [MetricValue?], min: MetricValue?, max: MetricValue?,
        includeMissing: Bool
    ) -> Selection {
        let (min, max) = (min?.folded, max?.folded)
        return keeping { index in
            guard let value = values[index]?.folded else {
                return includeMissing ? nil : "\(metric.rawValue) is not known"
            }
            if let min, value.precedes(min) { return "\(metric.rawValue) is less than min" }
            if let max, value.exceeds(max) { return "\(metric.rawValue) is more than max" }
            return nil
        }
    }

    /// What makes two rows the same.
    public enum Sameness: String, CaseIterable, Sendable {
        case uri
        /// The track that they are; a row whose track is not known is the same as those of its URI.
        case identity
        /// Title and first-named artist, but for upper and lower case.
        case titleArtist = "title_artist"
    }

    /// Keeps one row of those that are the same, at its own place. A row that is not available, or lacks
    /// what is asked, is the same as no other.
    ///
    /// - Parameters:
    ///   - identities: For sameness by identity each row's value of that metric.
    ///   - ranking: Of each row how much it is worth keeping, and what to call that; among equals, and
    ///     without it, the first row stays.
    ///   - descending: Whether more is better.
    public func deduplicated(
        by sameness: Sameness, identities: [MetricValue?] = [],
        ranking: (name: String, values: [MetricValue?])? = nil, descending: Bool = true
    ) -> Selection {
        let keys = rows.enumerated().map { index, row -> MetricValue? in
            guard let uri = row.uri else { return nil }
            switch sameness {
            case .uri: return .text(uri)
            case .identity: return identities[index] ?? .text(uri)
            case .titleArtist:
                guard let title = row.title, let artist = row.artists.first else { return nil }
                return .text(title.lowercased() + "\u{0}" + artist.lowercased())
            }
        }
        let best = ranking.map { sorted(by: $0.values, descending: descending).out }
        var stays: [MetricValue: Int] = [:]
        for index in best ?? Array(rows.indices) {
            if let key = keys[index], stays[key] == nil { stays[key] = index }
        }
        return keeping { index in
            guard let stay = keys[index].flatMap({ stays[$0] }), stay != index else { return nil }
            return "the same \(sameness.rawValue) as position \(stay + 1), which stays as the "
                + "\(ranking?.name ?? "first")"
        }
    }

    /// Sorts the rows; those that tie keep their order.
    ///
    /// - Parameters:
    ///   - values: A value for each row.
    ///   - missingFirst: Where rows without a value go, whatever the direction.
    ///   - thenBy: What orders rows that tie, ascending, those without a value behind.
    public func sorted(
        by values: [MetricValue?], descending: Bool, missingFirst: Bool = false,
        thenBy: [MetricValue?]? = nil
    ) -> Selection {
        let keys = values.map { $0?.folded }
        let ties = thenBy.map { sorted(by: $0, descending: false).out }
        var selection = Selection()
        // The standard library's sort is stable (SE-0372 keeps it so).
        selection.out = (ties ?? Array(rows.indices)).sorted { left, right in
            guard let one = keys[left], let other = keys[right] else {
                return (keys[left] == nil) != (keys[right] == nil)
                    && (keys[left] == nil) == missingFirst
            }
            return descending ? other.precedes(one) : one.precedes(other)
        }
        return selection
    }
}
