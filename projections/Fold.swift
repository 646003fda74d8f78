public import Events
import GRDBSQLite
import JSONText
public import Ledger
import Music

/// An event that the read models cannot take in as they stand.
public struct FoldError: Error, CustomStringConvertible {
    public let seq: Seq
    public let reason: String

    /// Names the event and why.
    public init(seq: Seq, reason: String) {
        self.seq = seq
        self.reason = reason
    }

    public var description: String { "event \(seq) cannot be folded: \(reason)" }
}

/// An event in the newest version of its type, with what can be read from it alone.
///
/// Reading needs no tables, so it can run beside the folding of earlier events. The views stand as long as
/// the line's bytes do.
public struct ReadableEvent {
    let line: EventLine
    let kind: EventKind
    let row: HistoryRow?
    let titleKey: Int64?
    let upcast: [UInt8]?

    /// Reads a line.
    ///
    /// - Parameter titleKeys: What remembers titles between the events of one reader.
    /// - Throws: `UnreadableEvent` for a type or version that this Narada does not know.
    public init(_ line: EventLine, _ titleKeys: TitleKeys) throws(UnreadableEvent) {
        self.line = line
        (kind, upcast) = try Catalogue.resolve(line)
        let payload = kind == .spotifyHistoryRow ? line.data["payload"] : nil
        row = payload.map { HistoryRow($0) }
        // Only what counts can be joined.
        let title = row?.play.reason == nil ? row?.title : nil
        titleKey = title?.withText { titleKeys.key($0) }
    }
}

/// Folds events into the tables of a database, one at a time: event in, rows out, nothing else.
public final class Fold {
    private let nodes: Nodes
    private let groups: Groups
    private let playlists: PlaylistsFold?
    private let listens: ListensFold?
    private let scrobbled = Slots<String?>()
    private var firstSeq: Seq?

    /// Prepares to fold.
    ///
    /// - Parameters:
    ///   - models: The read models to keep; those that they stand on must be in the database.
    ///   - fresh: Whether the tables of `models` are empty and may lack their indexes.
    public init(
        _ database: OpaquePointer, models: Set<ReadModel> = Set(ReadModel.allCases), fresh: Bool
    ) throws {
        groups = Groups(database, models: models, fresh: fresh)
        nodes = try Nodes(database, models: models, fresh: fresh)
        playlists =
            models.contains(.playlists)
            ? try PlaylistsFold(database, nodes: nodes, fresh: fresh) : nil
        listens = models.contains(.listens) ? try ListensFold(database, fresh: fresh) : nil
    }

    /// Folds one event.
    ///
    /// - Throws: ``FoldError`` for data that does not fit what came before, ``SQLiteFailure``.
    public func apply(_ event: ReadableEvent) throws {
        if firstSeq == nil { firstSeq = event.line.seq }
        do {
            guard let upcast = event.upcast else { return try apply(event, event.line.data) }
            try upcast.withUnsafeBufferPointer { try apply(event, JSONValue($0)) }
        } catch let error as PlaylistEditError {
            throw FoldError(seq: event.line.seq, reason: error.description)
        } catch let fault as EventFault {
            throw FoldError(seq: event.line.seq, reason: fault.description)
        }
    }

    private func apply(_ event: ReadableEvent, _ data: JSONValue) throws {
        let line = event.line
        func lastfmRows(_ list: StaticString) -> [LastfmRow] {
            LastfmRow.rows(of: data.opened("payload")?.opened(list))
        }
        switch event.kind {
        case .spotifyHistoryRow:
            guard let row = event.row else { return }
            let node = try row.uri.map { uri in
                try uri.withText { try nodes.node($0, rank: row.rank, in: line) { row.facts } }
            }
            try listens?.historyRow(row, event.titleKey, node: node, seq: line.seq)
        case .spotifyTrackObserved:
            guard let payload = data["payload"] else { return }
            let facts = NodeFacts(spotifyTrack: payload)
            let node = try nodes.node(line.stream, rank: facts.rank, in: line) { facts }
            try nodes.observed(node, digest: data["digest"])
        case .spotifyPlaylistPage, .spotifyLikesPage, .spotifyPlaylistsPage, .lastfmLovesPage:
            let items =
                event.kind == .lastfmLovesPage
                ? lastfmRows("lovedtracks").map { ListedItem(item: $0.item) }
                : ListedItem.rows(ofPage: data)
            if event.kind != .spotifyPlaylistsPage { try ensure(items, line) }
            playlists?.page(items.map(\.item), line)
        case .spotifyRecentPage:
            let rows = data["payload"]?["items"]?.elements ?? []
            for (index, row) in try bounded(rows).enumerated() {
                try listens?.recentPlay(
                    line.seq << 16 | Int64(index), try entity(ListedItem(row, ofPage: true), line),
                    endedAt: row["played_at"]?.text.flatMap { ISOTime.parse($0) })
            }
        case .listenbrainzListensPage:
            let rows = ListenBrainzRow.rows(of: data["payload"])
            for (index, row) in try bounded(rows).enumerated() {
                try listens?.scrobble(
                    line.seq << 16 | Int64(index), try entity(row.item, line), at: row.timeMS,
                    title: row.title, .listenbrainz)
            }
            let next = rows.map(\.timeMS).min().map { $0 / 1000 + 1 }
            try listens?.walked(line, from: data["from"], to: data["to"], page: next)
        case .musicbrainzISRCObserved, .musicbrainzSearchObserved, .musicbrainzRecordingObserved:
            try musicbrainz(data["payload"], line)
        case .lastfmListensPage:
            for (index, row) in try bounded(lastfmRows("recenttracks")).enumerated() {
                guard !row.isPlaying, let time = row.timeMS else { continue }
                let uri = row.names.withUnsafeBufferPointer { scrobbled.value(of: $0) { row.uri } }
                try listens?.scrobble(
                    line.seq << 16 | Int64(index),
                    try entity(ListedItem(item: PlaylistItem(uri: uri)), line),
                    at: time, title: row.title, .lastfm)
            }
            try listens?.walked(
                line, from: data["from"], to: data["to"], page: data["page"]?.integer)
        case .matchAsserted, .matchConfirmed, .matchRejected, .matchRetracted:
            try groups.decided(event.kind, data, line)
        case .lastfmCountsPage:
            let user = String(line.streamName.dropFirst("lastfm:counts:".count))
            for (index, row) in try bounded(lastfmRows("toptracks")).enumerated() {
                guard let node = try entity(ListedItem(item: row.item), line) else { continue }
                try groups.count(
                    node, user: user, plays: nil, userPlays: row.plays,
                    id: line.seq << 16 | Int64(index), at: line.at)
            }
        case .lastfmTrackObserved:
            let row = data["payload"]?["track"].map { LastfmRow($0) }
            let node = try row.flatMap { try entity(ListedItem(item: $0.item), line) }
            let user = data["user"]?.text
            if let row, let node {
                try groups.count(
                    node, user: user, plays: row.plays,
                    userPlays: row.userPlays, id: line.seq << 16, at: line.at)
            }
            try groups.asked(line, user: user, node: node)
        case .spotifyPlaylistFetched, .spotifyLikesFetched, .spotifyPlaylistsFetched,
            .lastfmLovesFetched:
            try playlists?.fetched(event.kind, data, line)
        case .spotifyPlaylistObserved: try playlists?.observed(data, line)
        case .lastfmListensFetched, .lastfmCountsFetched, .listenbrainzListensFetched:
            try playlists?.fetched(data["count"]?.integer ?? 0, line)
            if event.kind != .lastfmCountsFetched {
                try listens?.walked(line, through: data["to"])
            }
        case .connectorLimited, .workflowStarted, .workflowFinished, .workflowFailed,
            .transformApplied:
            try playlists?.record(event.kind, data, line)
        case .clockBehind, .tailDiscarded, .importFinished: break
        default:
            let items = (data["items"]?.elements ?? []).map { ListedItem($0) }
            try ensure(items, line)
            try playlists?.playlist(event.kind, data, items.map(\.item), line)
        }
    }

    /// Takes in an answer of MusicBrainz's: recordings, or one; the one may be of another MBID than was asked for.
    private func musicbrainz(_ payload: JSONValue?, _ line: EventLine) throws {
        var found: [String] = []
        for row in try bounded(payload?["recordings"]?.elements ?? [payload].compactMap(\.self)) {
            guard let mbid = row["id"]?.text else { continue }
            let uri = "mb:recording:" + mbid.lowercased()
            found.append(uri)
            let isMerged = line.streamName.hasPrefix("mb:recording:") && line.streamName != uri
            for name in isMerged ? [uri, line.streamName] : [uri] {
                let facts = name == uri ? NodeFacts(recording: row) : NodeFacts()
                let item = ListedItem(item: PlaylistItem(uri: name), facts: facts)
                guard let node = try entity(item, line) else { continue }
                try groups.recording(node, row, mergedInto: name == uri ? nil : uri, line)
            }
        }
        try groups.answered(found, line)
    }

    private func bounded<R>(_ rows: [R]) throws -> [R] {
        // An id has 16 bits for the rows of one event.
        guard rows.count <= 65_536 else {
            throw PlaylistEditError(description: "an event brings in at most 65,536 rows")
        }
        return rows
    }

    private func ensure(_ items: [ListedItem], _ line: EventLine) throws {
        for item in try bounded(items) { _ = try entity(item, line) }
    }

    /// The node of the entity that a row names.
    private func entity(_ row: ListedItem, _ line: EventLine) throws -> Node? {
        guard var uri = row.item.uri else { return nil }
        // An entity of Last.fm is what its URI says; what another list calls it is not Last.fm's word.
        let facts = uri.hasPrefix("lastfm:") ? NodeFacts() : row.facts
        return try uri.withUTF8 { try nodes.node($0, rank: facts.rank, in: line) { facts } }
    }

    /// Brings in what depends on several events; called once before each checkpoint, with the indexes built.
    ///
    /// - Parameter all: Whether the listens are all new.
    public func finish(all: Bool) throws {
        try playlists?.flush()
        try groups.settle(nodes)
        if let firstSeq {
            try listens?.settle(from: firstSeq, all: all, described: nodes.described)
        }
        firstSeq = nil
    }
}
