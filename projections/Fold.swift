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
    private let models: Set<ReadModel>
    private let nodes: Nodes
    private let groups: Groups
    private let playlists: PlaylistsFold?
    private let listens: ListensFold?
    private var firstSeq: Seq?

    /// Prepares to fold.
    ///
    /// - Parameters:
    ///   - models: The read models to keep; those that they stand on must be in the database.
    ///   - fresh: Whether the tables of `models` are empty and may lack their indexes.
    public init(
        _ database: OpaquePointer, models: Set<ReadModel> = Set(ReadModel.allCases), fresh: Bool
    ) throws {
        self.models = models
        let groups = Groups(database, models: models)
        self.groups = groups
        nodes = try Nodes(
            database, models: models, fresh: fresh, touched: { groups.touch(facts: $0) })
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
        var ordinal: Int64 = 0
        switch event.kind {
        case .spotifyHistoryRow:
            guard let row = event.row else { return }
            let node = try row.uri.map { uri in
                try uri.withText {
                    try nodes.node($0, rank: 2, in: line, ordinal: &ordinal) { row.facts }
                }
            }
            try listens?.historyRow(row, event.titleKey, node: node, seq: line.seq)
        case .spotifyTrackObserved:
            guard let payload = data["payload"] else { return }
            let node = try nodes.node(line.stream, rank: 3, in: line, ordinal: &ordinal) {
                NodeFacts(spotifyTrack: payload)
            }
            try nodes.observed(node, digest: data["digest"])
        case .spotifyPlaylistPage, .spotifyLikesPage:
            let rows = data["payload"]?["items"]?.elements ?? []
            let items = rows.map { ListedItem(pageRow: $0) }
            try ensure(items, line, &ordinal)
            playlists?.page(items.map(\.item), stream: line.streamName, seq: line.seq)
        case .spotifyPlaylistsPage:
            let rows = data["payload"]?["items"]?.elements ?? []
            playlists?.page(
                rows.map { PlaylistItem(uri: $0["uri"]?.text) }, stream: line.streamName,
                seq: line.seq)
        case .spotifyRecentPage:
            let rows = data["payload"]?["items"]?.elements ?? []
            let items = rows.map { ListedItem(pageRow: $0) }
            try ensure(items, line, &ordinal)
            for (index, row) in rows.enumerated() {
                try listens?.recentPlay(
                    line.seq << 16 | Int64(index),
                    try items[index].item.uri.flatMap { try nodes.existing($0) },
                    endedAt: row["played_at"]?.text.flatMap { ISOTime.parse($0) })
            }
        case .lastfmListensPage:
            for (index, row) in try bounded(LastfmRow.rows(of: data["payload"]?["recenttracks"]))
                .enumerated()
            {
                guard !row.isPlaying, let time = row.timeMS else { continue }
                try listens?.scrobble(
                    line.seq << 16 | Int64(index), try lastfm(row, line, &ordinal), at: time,
                    title: row.title)
            }
            try listens?.walked(line, from: data["from"], to: data["to"], page: data["page"])
        case .matchAsserted:
            let pair = data["uris"]?.elements.compactMap(\.text) ?? []
            try ensure(
                pair.map { ListedItem(PlaylistItem(uri: $0)) }, line, &ordinal)
            try groups.asserted(pair, data, line)
        case .lastfmLovesPage:
            let items = LastfmRow.rows(of: data["payload"]?["lovedtracks"]).map(\.item)
            try ensure(items.map { ListedItem($0) }, line, &ordinal)
            playlists?.page(items, stream: line.streamName, seq: line.seq)
        case .lastfmCountsPage:
            let user = String(line.streamName.dropFirst("lastfm:counts:".count))
            for (index, row) in try bounded(LastfmRow.rows(of: data["payload"]?["toptracks"]))
                .enumerated()
            {
                guard let node = try lastfm(row, line, &ordinal) else { continue }
                try groups.count(
                    node, user: user, plays: nil, userPlays: row.plays ?? 0,
                    id: line.seq << 16 | Int64(index), at: line.at)
            }
        case .lastfmTrackObserved:
            let row = data["payload"]?["track"].map { LastfmRow($0) }
            let node = try row.flatMap { try lastfm($0, line, &ordinal) }
            let user = data["user"]?.text
            if let row, let node {
                try groups.count(
                    node, user: user, plays: row.plays,
                    userPlays: row.userPlays ?? 0, id: line.seq << 16,
                    at: line.at)
            }
            try groups.asked(line, user: user, node: node)
        case .spotifyPlaylistFetched, .spotifyLikesFetched, .spotifyPlaylistsFetched,
            .lastfmLovesFetched:
            try playlists?.fetched(
                event.kind, data, line)
        case .spotifyPlaylistObserved:
            try playlists?.observed(data, stream: line.streamName, seq: line.seq, at: line.at)
        case .lastfmListensFetched, .lastfmCountsFetched:
            try playlists?.fetched(data["count"]?.integer ?? 0, line)
            if event.kind == .lastfmListensFetched {
                try listens?.walked(line, through: data["to"])
            }
        case .connectorLimited, .workflowStarted, .workflowFinished, .workflowFailed,
            .transformApplied:
            try playlists?.record(event.kind, data, line)
        case .clockBehind, .tailDiscarded, .importFinished: break
        default:
            guard let fact = try PlaylistFact(event.kind, data) else { return }
            try ensure(fact.items, line, &ordinal)
            try playlists?.playlist(fact, stream: line.streamName, seq: line.seq, at: line.at)
        }
    }

    /// The node of what a row of Last.fm names; an entity's own facts are only what its URI says.
    private func lastfm(_ row: LastfmRow, _ line: EventLine, _ ordinal: inout Int64) throws -> Node?
    {
        guard var uri = row.uri else { return nil }
        return try uri.withUTF8 {
            try nodes.node($0, rank: 0, in: line, ordinal: &ordinal) { NodeFacts() }
        }
    }

    private func bounded<R>(_ rows: [R]) throws -> [R] {
        // An id has 16 bits for the rows of one event.
        guard rows.count <= 65_536 else {
            throw PlaylistEditError(description: "an event brings in at most 65,536 rows")
        }
        return rows
    }

    private func ensure(_ items: [ListedItem], _ line: EventLine, _ ordinal: inout Int64) throws {
        for item in try bounded(items) {
            guard var uri = item.item.uri else { continue }
            // What another list calls an entity of Last.fm is not Last.fm's word.
            let facts = uri.hasPrefix("lastfm:") ? NodeFacts() : item.facts
            _ = try uri.withUTF8 {
                try nodes.node($0, rank: facts.rank, in: line, ordinal: &ordinal) { facts }
            }
        }
    }

    /// Brings in what depends on several events; called once before each checkpoint, with the indexes built.
    ///
    /// - Parameter all: Whether the listens are all new.
    public func finish(all: Bool) throws {
        try playlists?.flush()
        try groups.settle()
        if let firstSeq {
            try listens?.settle(from: firstSeq, all: all, described: groups.described)
        }
        firstSeq = nil
    }
}
