public import Events
public import JSONText
public import Ledger
public import Music

/// A row as an event or a page tells it, with what is known of the track there.
public struct ListedItem {
    public var item: PlaylistItem
    let facts: NodeFacts

    /// Reads `{uri, title?, artists?, album?, duration_ms?, added_at?}`.
    init(_ value: JSONValue) {
        let title = value["title"]
        item = PlaylistItem(
            uri: value["uri"]?.text,
            addedAtMS: value["added_at"]?.text.flatMap { ISOTime.parse($0) })
        facts = NodeFacts(
            title: title, artists: NodeFacts.names(value["artists"]?.elements ?? []),
            album: value["album"], durationMS: value["duration_ms"]?.integer,
            rank: title == nil ? 0 : 1)
    }

    /// Takes a row of which nothing else is known.
    init(_ item: PlaylistItem) {
        self.item = item
        facts = NodeFacts()
    }

    /// Reads a row of a page: the row itself, or what is under `item` or `track`, is a reference, an object,
    /// or null.
    init(pageRow row: JSONValue) {
        let track = row["uri"] != nil ? row : row["item"] ?? row["track"]
        item = PlaylistItem(
            uri: track?["uri"]?.text, addedAtMS: row["added_at"]?.text.flatMap { ISOTime.parse($0) }
        )
        let isReference = track?["$observed"] != nil
        facts = isReference ? NodeFacts() : track.map { NodeFacts(spotifyTrack: $0) } ?? NodeFacts()
    }
}

/// What an event says about a playlist: the converter of the `playlist.*` family.
public enum PlaylistFact {
    case created(name: String, description: String?, items: [ListedItem], source: [UInt8]?)
    case renamed(String)
    case described(String)
    case edited(PlaylistEdit, items: [ListedItem])
    case restored([ListedItem])
    case deleted
    case linked(String)
    case unlinked(String)
    case pulled
    case push(PushStep)

    /// Reads an event's data; nil for an event of another family.
    public init?(_ kind: EventKind, _ data: JSONValue) throws(EventFault) {
        let items = (data["items"]?.elements ?? []).map { ListedItem($0) }
        switch kind {
        case .playlistCreated:
            self = .created(
                name: data["name"]?.text ?? "", description: data["description"]?.text,
                items: items,
                source: data["source"].map { Array($0.bytes) })
        case .playlistRenamed: self = .renamed(data["name"]?.text ?? "")
        case .playlistDescribed: self = .described(data["description"]?.text ?? "")
        case .playlistRestored: self = .restored(items)
        case .playlistDeleted: self = .deleted
        case .playlistLinked: self = .linked(data["uri"]?.text ?? "")
        case .playlistUnlinked: self = .unlinked(data["uri"]?.text ?? "")
        case .playlistEdited: self = .edited(try Self.edit(data, items.map(\.item)), items: items)
        case .playlistPulled: self = .pulled
        case .pushIntended, .pushCompleted, .pushFailed:
            self = .push(
                PushStep(
                    status: String(kind.rawValue.dropFirst("push.".count)),
                    intended: data["intended"]?.integer, target: data["to"]?.text,
                    writes: data["writes"]?.integer, reason: data["reason"]?.text))
        default: return nil
        }
    }

    private static func edit(_ data: JSONValue, _ items: [PlaylistItem]) throws(EventFault)
        -> PlaylistEdit
    {
        func number(_ name: StaticString) throws(EventFault) -> Int {
            guard let value = data[name]?.integer else {
                throw EventFault(field: "\(name)", reason: "is missing for this operation")
            }
            return Int(value)
        }
        func list(_ name: StaticString) throws(EventFault) -> [JSONValue] {
            guard let value = data[name] else {
                throw EventFault(field: "\(name)", reason: "is missing for this operation")
            }
            return value.elements
        }
        switch data["op"]?.text {
        case "add":
            _ = try list("items")
            return .add(items, at: data["at"]?.integer.map(Int.init))
        case "remove": return .remove(try list("positions").compactMap { $0.integer.map(Int.init) })
        case "move":
            return .move(
                from: try number("from"), count: data["count"]?.integer.map(Int.init) ?? 1,
                to: try number("to"))
        default:
            _ = try list("items")
            return .set(items)
        }
    }

    /// Whether it says how the playlist stands to a service's, and nothing about the list.
    var isSync: Bool {
        switch self {
        case .pulled, .push: true
        default: false
        }
    }

    /// The rows it names.
    var items: [ListedItem] {
        switch self {
        case .created(_, _, let items, _), .edited(_, let items), .restored(let items): items
        default: []
        }
    }
}

/// A push of a playlist as it is meant, or as it ended.
public struct PushStep: Sendable {
    /// `intended`, `completed` or `failed`, as the read model spells it.
    public let status: String
    /// The seq of the intention that this settles.
    public let intended: Seq?
    public let target: String?
    public let writes: Int64?
    public let reason: String?
}

/// One playlist at one moment: what the read model keeps and what a look into the past folds.
public struct PlaylistState {
    public let uri: String
    public let createdSeq: Seq
    public let createdAtMS: Milliseconds
    public private(set) var name: String
    public private(set) var description: String?
    public private(set) var updatedAtMS: Milliseconds
    public private(set) var isDeleted = false
    public private(set) var rows = PlaylistRows()
    /// The connector playlists it stands for.
    public private(set) var links: Set<String> = []
    public private(set) var editedSeq: Seq = 0
    public private(set) var syncedSeq: Seq = 0

    /// Takes the state that a database holds.
    init(
        uri: String, createdSeq: Seq, createdAtMS: Milliseconds, name: String, description: String?,
        updatedAtMS: Milliseconds, isDeleted: Bool, rows: [PlaylistRow], links: Set<String>,
        editedSeq: Seq, syncedSeq: Seq
    ) {
        self.uri = uri
        self.createdSeq = createdSeq
        self.createdAtMS = createdAtMS
        self.name = name
        self.description = description
        self.updatedAtMS = updatedAtMS
        self.isDeleted = isDeleted
        self.rows = PlaylistRows(rows)
        self.links = links
        self.editedSeq = editedSeq
        self.syncedSeq = syncedSeq
    }

    /// Begins with the event that made the playlist; nil for any other.
    public init?(uri: String, _ fact: PlaylistFact, seq: Seq, at: Milliseconds) {
        guard case .created(let name, let description, _, _) = fact else { return nil }
        self.uri = uri
        createdSeq = seq
        createdAtMS = at
        updatedAtMS = at
        self.name = name
        self.description = description
    }

    /// Applies an event on this playlist's own stream, the creating one included.
    ///
    /// - Throws: ``PlaylistEditError`` if it cannot be made on the state as it is.
    public mutating func apply(
        _ fact: PlaylistFact, seq: Seq, at: Milliseconds
    ) throws(PlaylistEditError) -> RowChanges {
        // These leave the list as it is; a push that was begun before a deletion can still be settled.
        switch fact {
        case .pulled where !links.isEmpty: syncedSeq = seq
        case .push(let step) where step.status == "completed": syncedSeq = seq
        // A list that is pushed for the first time stands for itself: it agreed with nothing before.
        case .push(let step) where step.intended == nil && syncedSeq == 0:
            (editedSeq, syncedSeq) = (seq, createdSeq)
        default: break
        }
        if fact.isSync { return RowChanges() }
        if isDeleted { throw PlaylistEditError(description: "the playlist was deleted") }
        updatedAtMS = at
        switch fact {
        case .created(_, _, let items, _):
            guard seq == createdSeq else {
                throw PlaylistEditError(description: "the playlist exists already")
            }
            return try rows.apply(.add(items.map(\.item), at: nil), seq: seq, atMS: at)
        case .renamed(let new):
            name = new
            if !links.isEmpty { editedSeq = seq }
        case .described(let new):
            description = new.isEmpty ? nil : new
            if !links.isEmpty { editedSeq = seq }
        case .edited(let edit, _):
            editedSeq = seq
            return try rows.apply(edit, seq: seq, atMS: at)
        case .restored(let items):
            editedSeq = seq
            return try rows.apply(.set(items.map(\.item)), seq: seq, atMS: at)
        case .deleted: isDeleted = true
        case .pulled, .push: break
        case .linked(let uri): links.insert(uri)
        case .unlinked(let uri):
            guard links.remove(uri) != nil else {
                throw PlaylistEditError(description: "the playlist is not linked to \(uri)")
            }
        }
        return RowChanges()
    }

    /// Applies a complete fetch of a linked connector playlist: its rows, and its name and description
    /// where the fetch tells them.
    ///
    /// The list follows unless a local edit is newer than the last fetch or push; nil then.
    public mutating func follow(
        _ items: [PlaylistItem], _ fetch: JSONValue, seq: Seq, at: Milliseconds
    ) throws(PlaylistEditError) -> RowChanges? {
        guard !isDeleted, !isDiverged else { return nil }
        syncedSeq = seq
        let changes = try rows.apply(.set(items), seq: seq, atMS: at)
        let before = (name, description)
        if let new = fetch["name"]?.text { name = new }
        if let new = fetch["description"]?.text { description = new.isEmpty ? nil : new }
        if before != (name, description)
            || !(changes.inserted.isEmpty && changes.removed.isEmpty && changes.updated.isEmpty)
        {
            updatedAtMS = at
        }
        return changes
    }

    /// Whether a linked list was edited here since it last agreed with the service.
    public var isDiverged: Bool { !links.isEmpty && editedSeq > syncedSeq && syncedSeq > 0 }
}

/// The rows of a page event, for who folds a playlist's past without tables.
public func listedItems(ofPage data: JSONValue) -> [PlaylistItem] {
    (data["payload"]?["items"]?.elements ?? []).map { ListedItem(pageRow: $0).item }
}
