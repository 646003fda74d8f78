/// One play as a streaming history tells it, before it is known whether it counts.
public struct Play: Hashable, Sendable {
    /// When the sound ended, in milliseconds since 1970; nil if the row names no possible time.
    public var endedAtMS: Int64?
    public var playedMS: Int64 = 0
    public var hasURI = false
    public var hasTitle = false
    public var isEpisode = false
    public var isAudiobook = false
    public var isIncognito = false
    public var isSkipped = false
    /// `reason_end` is `trackdone`.
    public var isDone = false
    /// `reason_end` names something that the person chose instead.
    public var isLeft = false
    /// `offline_timestamp` as it came; seconds in new files, milliseconds in old.
    public var offlineTimestamp: Int64?

    private static let longestMS: Int64 = 365 * 86_400_000

    /// An empty play.
    public init() {}

    /// Reasons for ending that are a skip. Source: `api/spotify-export.md` §4, rule 4.
    public static let skipReasons: [StaticString] = [
        "fwdbtn", "backbtn", "endplay", "clickrow", "clickside", "playbtn",
    ]

    /// Why a play is no listen; the raw values stand in the read model and in `--json`.
    public enum Reason: String, Sendable, CaseIterable {
        case badTime = "bad_time"
        case podcast
        case audiobook
        case noTrack = "no_track"
        case incognito
        case short
        case nearDuplicate = "near_duplicate"
        /// Another channel tells of the same listen.
        case joined
    }

    /// Why this play does not count, judged by itself; nil if it does.
    ///
    /// The duration is not known to a history, so it counts from 4 minutes, or from 30 seconds if it was
    /// not left. Source: `api/spotify-export.md` §4, rule 4.
    public var reason: Reason? {
        if endedAtMS == nil { return .badTime }
        if !hasURI && isEpisode { return .podcast }
        if !hasURI && isAudiobook { return .audiobook }
        if !hasURI || !hasTitle { return .noTrack }
        if isIncognito { return .incognito }
        if playedMS >= 240_000 { return nil }
        return playedMS >= 30_000 && (isDone || (!isSkipped && !isLeft)) ? nil : .short
    }

    /// When it began, in whole seconds: `offline_timestamp` where it fits, else the end less the sound.
    ///
    /// Source: `api/spotify-export.md` §2.
    public var startedAtMS: Int64? {
        guard let end = endedAtMS else { return nil }
        // A length that no play can have says nothing about its start.
        let computed = end - ((0...Self.longestMS).contains(playedMS) ? playedMS : 0)
        var start = computed
        if var offline = offlineTimestamp, offline > 0 {
            if offline > 100_000_000_000 { offline /= 1000 }
            if offline < 100_000_000_000, (0...86_400_000).contains(computed - offline * 1000) {
                start = offline * 1000
            }
        }
        let remainder = start % 1000
        return start - (remainder < 0 ? remainder + 1000 : remainder)
    }
}

/// Where a listen is known from; the raw value is its rank, the lowest the most trusted.
public enum Channel: Int64, Sendable {
    case spotifyHistory
    case lastfm
    case listenbrainz
    case spotifyRecent = 4

    /// What people and scripts read.
    public var name: String {
        switch self {
        case .spotifyHistory: "spotify-history"
        case .lastfm: "lastfm"
        case .listenbrainz: "listenbrainz"
        case .spotifyRecent: "spotify-recent"
        }
    }
}
