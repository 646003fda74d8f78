import Events
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

/// Folds events into the tables of a database, one at a time: event in, rows out, nothing else.
public final class Fold {
    private let models: Set<ReadModel>
    private let nodes: Nodes
    private let playlists: PlaylistsFold?
    private let listens: ListensFold?
    private var firstSeq: Seq?

    /// Prepares to fold.
    ///
    /// - Parameters:
    ///   - models: The read models to keep; those that they stand on must be in the database.
    ///   - fresh: Whether the tables of `models` are empty and may lack their indexes.
    public init(_ database: OpaquePointer, models: Set<ReadModel> = Set(ReadModel.allCases), fresh: Bool) throws {
        self.models = models
        nodes = try Nodes(database, models: models, fresh: fresh)
        playlists =
            models.contains(.playlists) ? try PlaylistsFold(database, nodes: nodes, fresh: fresh) : nil
        listens = models.contains(.listens) ? try ListensFold(database) : nil
    }

    /// Folds one event.
    ///
    /// - Throws: `UnreadableEvent` for a type or version this Narada does not know, ``FoldError`` for data
    ///   that does not fit what came before, ``SQLiteFailure``.
    public func apply(_ line: EventLine) throws {
        if firstSeq == nil { firstSeq = line.seq }
        try Catalogue.read(line) { kind, data in
            do {
                try apply(kind, data, line)
            } catch let error as PlaylistEditError {
                throw FoldError(seq: line.seq, reason: error.description)
            } catch let fault as EventFault {
                throw FoldError(seq: line.seq, reason: fault.description)
            }
        }
    }

    private func apply(_ kind: EventKind, _ data: JSONValue, _ line: EventLine) throws {
        var ordinal: Int64 = 0
        switch kind {
        case .spotifyHistoryRow:
            guard let payload = data["payload"] else { return }
            let row = HistoryRow(payload)
            let node = try row.uri.map { uri in
                try uri.withText {
                    try nodes.node($0, row.facts, seq: line.seq, at: line.at, ordinal: &ordinal)
                }
            }
            try listens?.historyRow(row, node: node, seq: line.seq)
        case .spotifyTrackObserved:
            guard let payload = data["payload"] else { return }
            let facts = NodeFacts(spotifyTrack: payload)
            _ = try nodes.node(line.stream, facts, seq: line.seq, at: line.at, ordinal: &ordinal)
        case .spotifyPlaylistPage, .spotifyLikesPage:
            let rows = data["payload"]?["items"]?.elements ?? []
            let items = rows.map { ListedItem(pageRow: $0) }
            try ensure(items, line, &ordinal)
            playlists?.page(items, stream: line.streamName, seq: line.seq)
        case .spotifyPlaylistFetched, .spotifyLikesFetched:
            try playlists?.fetched(kind, data, stream: line.streamName, seq: line.seq, at: line.at)
        case .clockBehind, .tailDiscarded, .importFinished: break
        default:
            guard let fact = try PlaylistFact(kind, data) else { return }
            try ensure(fact.items, line, &ordinal)
            try playlists?.playlist(fact, stream: line.streamName, seq: line.seq, at: line.at)
        }
    }

    private func ensure(_ items: [ListedItem], _ line: EventLine, _ ordinal: inout Int64) throws {
        for item in items {
            guard var uri = item.item.uri else { continue }
            _ = try uri.withUTF8 {
                try nodes.node($0, item.facts, seq: line.seq, at: line.at, ordinal: &ordinal)
            }
        }
    }

    /// Brings in what depends on several events; called once before each checkpoint, with the indexes built.
    ///
    /// - Parameter all: Whether the listens are all new.
    public func finish(all: Bool) throws {
        try playlists?.flush()
        if let firstSeq { try listens?.markNearDuplicates(from: firstSeq, all: all) }
        firstSeq = nil
    }
}
