/// What one service says about one track: all that a judgement rests on.
///
/// What is not known is nil or empty; it never stands for "none".
public struct TrackFacts: Hashable, Sendable {
    /// As received, with all that services put behind it in brackets and after dashes.
    public var title: String
    /// As received: a name each, or several names and a featuring credit in one text.
    public var artists: [String]
    public var album: String?
    public var durationMS: Int64?
    /// Compact or with hyphens, in either case.
    public var isrc: String?
    /// The MBID of a recording. Last.fm's are hints: many name a track or another recording.
    public var mbid: String?
    public var trackNumber: Int?
    public var releaseYear: Int?
    /// What MusicBrainz writes beside a title to tell recordings apart, such as `live, 2009-03-01: London`.
    public var disambiguation: String?

    /// Describes a track by what every service gives.
    public init(title: String, artists: [String]) { (self.title, self.artists) = (title, artists) }
}
