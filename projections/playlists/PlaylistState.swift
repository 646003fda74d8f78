public import Events
public import JSONText
public import Ledger
public import Music

/// A row as an event or a page tells it, with what is known of the track there.
struct ListedItem {
    let item: PlaylistItem
    var facts = NodeFacts()
}

extension ListedItem {
    /// Reads `{uri, title?, artists?, album?, duration_ms?, added_at?}`, or a row of a page: the row itself,
    /// or what is under `item` or `track`, is a reference, an object, or null.
    init(_ row: JSONValue, ofPage: Bool = false) {
        let track = !ofPage || row["uri"] != nil ? row : row["item"] ?? row["track"]
        item = PlaylistItem(
            uri: track?["uri"]?.text,
            addedAtMS: row["added_at"]?.text.flatMap { ISOTime.parse($0) })
        guard let track else { return }
        if !ofPage {
            guard let title = track["title"], title.isText else { return }
            facts = NodeFacts(
                title: title, artists: NodeFacts.names(track["artists"]?.elements ?? []),
                album: track["album"], durationMS: track["duration_ms"]?.integer, rank: 1)
        } else if track["$observed"] == nil {
            facts = NodeFacts(spotifyTrack: track)
        }
    }

    /// The rows of the data of a page of Spotify.
    static func rows(ofPage data: JSONValue) -> [ListedItem] {
        (data["payload"]?["items"]?.elements ?? []).map { ListedItem($0, ofPage: true) }
    }
}

/// The rows of a page event, for who folds a playlist's past without tables.
public func listedItems(ofPage data: JSONValue) -> [PlaylistItem] {
    ListedItem.rows(ofPage: data).map(\.item)
}

extension PlaylistEdit {
    /// Reads the data of `playlist.edited`.
    init(_ data: JSONValue, _ items: [PlaylistItem]) throws(EventFault) {
        func needed(_ name: StaticString) throws(EventFault) -> JSONValue {
            guard let value = data[name] else {
                throw EventFault(field: "\(name)", reason: "is missing for this operation")
            }
            return value
        }
        func number(_ value: JSONValue) -> Int { value.integer.map(Int.init) ?? 0 }
        switch data["op"]?.text {
        case "add":
            _ = try needed("items")
            self = .add(items, at: data["at"].map(number))
        case "remove": self = .remove(try needed("positions").elements.map(number))
        case "move":
            let from = number(try needed("from"))
            let to = number(try needed("to"))
            self = .move(from: from, count: data["count"].map(number) ?? 1, to: to)
        default:
            _ = try needed("items")
            self = .set(items)
        }
    }
}

/// One playlist at one moment: what the read model keeps and what a look into the past folds.
public struct PlaylistState {
    public let uri: String
    public let createdSeq: Seq
    public internal(set) var name = ""
    public internal(set) var description: String?
    public internal(set) var updatedAtMS: Milliseconds = 0
    public internal(set) var isDeleted = false
    public internal(set) var rows = PlaylistRows()
    /// The connector playlists it stands for.
    public internal(set) var links: Set<String> = []
    var editedSeq: Seq = 0
    var syncedSeq: Seq = 0

    /// Begins with the seq of the event that made the playlist, which is to be applied first.
    public init(uri: String, createdSeq: Seq) {
        self.uri = uri
        self.createdSeq = createdSeq
    }

    /// Applies an event on this playlist's own stream, the creating one included.
    ///
    /// - Parameter items: The rows it names, if they were read before.
    /// - Throws: ``PlaylistEditError`` or `EventFault` if it cannot be made on the state as it is.
    public mutating func apply(
        _ kind: EventKind, _ data: JSONValue, items: [PlaylistItem]? = nil, seq: Seq,
        at: Milliseconds
    ) throws -> RowChanges {
        // These leave the list as it is; a push that was begun before a deletion can still be settled.
        if [.playlistPulled, .pushIntended, .pushCompleted, .pushFailed].contains(kind) {
            let agrees = kind == .pushCompleted || kind == .playlistPulled && !links.isEmpty
            if agrees { syncedSeq = seq }
            // A list that is pushed for the first time stands for itself: it agreed with nothing before.
            if kind == .pushIntended, syncedSeq == 0 { (editedSeq, syncedSeq) = (seq, createdSeq) }
            return RowChanges()
        }
        if isDeleted { throw PlaylistEditError(description: "the playlist was deleted") }
        updatedAtMS = at
        let items = items ?? (data["items"]?.elements ?? []).map { ListedItem($0).item }
        switch kind {
        case .playlistCreated:
            guard seq == createdSeq else {
                throw PlaylistEditError(description: "the playlist exists already")
            }
            name = data["name"]?.text ?? ""
            description = data["description"]?.text
            return try rows.apply(.add(items, at: nil), seq: seq, atMS: at)
        case .playlistRenamed, .playlistDescribed:
            take(data)
            if !links.isEmpty { editedSeq = seq }
        case .playlistEdited, .playlistRestored:
            let edit = kind == .playlistEdited ? try PlaylistEdit(data, items) : .set(items)
            editedSeq = seq
            return try rows.apply(edit, seq: seq, atMS: at)
        case .playlistDeleted: isDeleted = true
        case .playlistLinked: links.insert(data["uri"]?.text ?? "")
        case .playlistUnlinked:
            let uri = data["uri"]?.text ?? ""
            guard links.remove(uri) != nil else {
                throw PlaylistEditError(description: "the playlist is not linked to \(uri)")
            }
        default: break
        }
        return RowChanges()
    }

    /// Takes over a name and a description where an event tells them; an empty description is none.
    private mutating func take(_ data: JSONValue) {
        if let new = data["name"]?.text { name = new }
        if let new = data["description"]?.text { description = new.isEmpty ? nil : new }
    }

    /// Applies a complete fetch of a linked connector playlist: its rows, and its name and description
    /// where the fetch tells them.
    ///
    /// The list follows unless a local edit is newer than the last fetch or push; nil then.
    public mutating func follow(
        _ items: [PlaylistItem], _ fetch: JSONValue, seq: Seq, at: Milliseconds
    ) throws(PlaylistEditError) -> RowChanges? {
        let isDiverged = !links.isEmpty && editedSeq > syncedSeq && syncedSeq > 0
        guard !isDeleted, !isDiverged else { return nil }
        syncedSeq = seq
        let changes = try rows.apply(.set(items), seq: seq, atMS: at)
        let before = (name, description)
        take(fetch)
        let isSame = changes.inserted.isEmpty && changes.removed.isEmpty && changes.updated.isEmpty
        if !isSame || before != (name, description) { updatedAtMS = at }
        return changes
    }
}
