public import JSONText
public import Ledger

/// The name of a type of event; the most frequent stand first.
public enum EventKind: String, CaseIterable, Sendable {
    case spotifyHistoryRow = "export.spotify_history.row"
    case spotifyTrackObserved = "spotify.track.observed"
    case playlistEdited = "playlist.edited"
    case spotifyPlaylistPage = "spotify.playlist.page"
    case spotifyPlaylistFetched = "spotify.playlist.fetched"
    case spotifyLikesPage = "spotify.likes.page"
    case spotifyLikesFetched = "spotify.likes.fetched"
    case spotifyPlaylistObserved = "spotify.playlist.observed"
    case spotifyPlaylistsPage = "spotify.playlists.page"
    case spotifyPlaylistsFetched = "spotify.playlists.fetched"
    case spotifyRecentPage = "spotify.recent.page"
    case lastfmListensPage = "lastfm.listens.page"
    case lastfmListensFetched = "lastfm.listens.fetched"
    case lastfmLovesPage = "lastfm.loves.page"
    case lastfmLovesFetched = "lastfm.loves.fetched"
    case lastfmCountsPage = "lastfm.counts.page"
    case lastfmCountsFetched = "lastfm.counts.fetched"
    case lastfmTrackObserved = "lastfm.track.observed"
    case musicbrainzISRCObserved = "musicbrainz.isrc.observed"
    case musicbrainzSearchObserved = "musicbrainz.search.observed"
    case musicbrainzRecordingObserved = "musicbrainz.recording.observed"
    case listenbrainzListensPage = "listenbrainz.listens.page"
    case listenbrainzListensFetched = "listenbrainz.listens.fetched"
    case connectorLimited = "connector.limited"
    case matchAsserted = "match.asserted"
    case matchConfirmed = "match.confirmed"
    case matchRejected = "match.rejected"
    case matchRetracted = "match.retracted"
    case playlistCreated = "playlist.created"
    case playlistRenamed = "playlist.renamed"
    case playlistDescribed = "playlist.described"
    case playlistRestored = "playlist.restored"
    case playlistDeleted = "playlist.deleted"
    case playlistLinked = "playlist.linked"
    case playlistUnlinked = "playlist.unlinked"
    case playlistPulled = "playlist.pulled"
    case pushIntended = "push.intended"
    case pushCompleted = "push.completed"
    case pushFailed = "push.failed"
    case workflowStarted = "workflow.started"
    case transformApplied = "transform.applied"
    case workflowFinished = "workflow.finished"
    case workflowFailed = "workflow.failed"
    case importFinished = "import.finished"
    case clockBehind = "ledger.clock_behind"
    case tailDiscarded = "ledger.tail_discarded"

    private static let all = allCases.map { (name: Array($0.rawValue.utf8), kind: $0) }

    /// Finds a kind by its name's bytes.
    public init?(_ name: Bytes) {
        for entry in Self.all
        where entry.name.count == name.count && entry.name.withUnsafeBufferPointer(name.equals) {
            self = entry.kind
            return
        }
        return nil
    }
}

/// An event whose type this Narada does not know, or whose data is not what the type says.
public struct UnreadableEvent: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    /// Whether it was written by a newer Narada.
    public let isNewer: Bool
}

/// The steps from each older version of a type to the next; a type that is not here has one version.
private let evolution: [EventKind: [Upcaster]] = [.playlistEdited: [namedOnlyURIs]]

/// Version 1 of `playlist.edited` named new rows by their URIs alone: `uris` instead of `items`.
private let namedOnlyURIs: Upcaster = { (data: JSONValue) throws(EventFault) in
    let members = data.members.map { key, value -> (String, JSON) in
        let name = String(decoding: unescapedKey(key), as: UTF8.self)
        guard name == "uris" else { return (name, .raw(Array(value.bytes))) }
        return ("items", .array(value.elements.map { ["uri": .raw(Array($0.bytes))] }))
    }
    return JSON.object(members).bytes
}

/// Every type of event there is.
public enum Catalogue {
    /// The types in the order in which their examples can be appended to an empty home.
    public static let types: [EventType] =
        PackageResources.catalogue_json.withUnsafeBufferPointer { bytes in
            let catalogue = JSONValue(bytes)
            var shapes: [String: [Field]] = [:]
            for (name, fields) in catalogue["shapes"]?.members ?? [] {
                shapes[String(decoding: name, as: UTF8.self)] = Field.read(fields, shapes)
            }
            return (catalogue["types"]?.elements ?? []).map { EventType($0, shapes) }
        }

    private static let byKind = Dictionary(uniqueKeysWithValues: types.map { ($0.kind, $0) })

    private static let evolved = Array(evolution.keys)

    /// The type of a kind.
    public static func type(_ kind: EventKind) -> EventType {
        guard let type = byKind[kind] else {
            preconditionFailure("\(kind) is not in the catalogue")
        }
        return type
    }

    /// Reads an event's data in the newest version of its type.
    ///
    /// - Throws: ``UnreadableEvent`` for an unknown type or version.
    public static func read<R>(_ line: EventLine, _ body: (EventKind, JSONValue) throws -> R) throws
        -> R
    {
        let (kind, upcast) = try resolve(line)
        guard let upcast else { return try body(kind, line.data) }
        return try upcast.withUnsafeBufferPointer { try body(kind, JSONValue($0)) }
    }

    /// Finds an event's kind, and its data in the newest version where it was written in an older one.
    ///
    /// - Throws: ``UnreadableEvent`` for an unknown type or version.
    public static func resolve(_ line: EventLine) throws(UnreadableEvent) -> (
        kind: EventKind, upcast: [UInt8]?
    ) {
        func unreadable(_ why: String, isNewer: Bool) -> UnreadableEvent {
            .init(description: "event \(line.seq)\(why)", isNewer: isNewer)
        }
        guard let kind = EventKind(line.type) else {
            throw unreadable(" is of the unknown type '\(line.typeName)'", isNewer: true)
        }
        // Most types have one version; their data is as it should be without a look at the type.
        if line.version == 1, !evolved.contains(kind) { return (kind, nil) }
        let type = type(kind)
        if line.version == type.version { return (kind, nil) }
        guard (1..<type.version).contains(line.version) else {
            throw unreadable(
                " is \(kind.rawValue) version \(line.version); this Narada knows \(type.version)",
                isNewer: true)
        }
        do throws(EventFault) {
            return (kind, try upcast(line.data, through: type.upcasters[(line.version - 1)...]))
        } catch {
            throw unreadable(", \(kind.rawValue): \(error)", isNewer: false)
        }
    }

    /// Leads data through a chain of upcasters.
    public static func upcast(
        _ data: JSONValue, through upcasters: some Sequence<Upcaster>
    ) throws(EventFault) -> [UInt8] {
        var bytes = Array(data.bytes)
        for upcaster in upcasters {
            bytes = try bytes.withUnsafeBufferPointer { old throws(EventFault) in
                try upcaster(JSONValue(old))
            }
        }
        return bytes
    }

    /// Reads one event as `narada-cmd append` takes it and checks it against its type.
    ///
    /// - Parameter object: `{type,stream,data[,v,cause]}`.
    /// - Throws: ``EventFault`` naming the field.
    public static func newEvent(_ object: JSONValue) throws(EventFault) -> NewEvent {
        let names = object.members.map { String(decoding: unescapedKey($0.key), as: UTF8.self) }
        for name in names where !["type", "stream", "data", "v", "cause"].contains(name) {
            throw EventFault(
                field: name,
                reason: ["seq", "at", "run"].contains(name)
                    ? "is the writer's to give; leave it out"
                    : "is not one of type, stream, data, v, cause")
        }
        let name = try (object["type"]?.text).or("type", "is missing")
        let kind = try EventKind(rawValue: name).or(
            "type", "'\(name)' is not in the catalogue; `narada-cmd events` lists it")
        let stream = try (object["stream"]?.text).flatMap { StreamName($0) }.or(
            "stream", "is missing or not printable ASCII without spaces")
        let data = try object["data"].or("data", "is missing")
        let type = type(kind)
        if let version = object["v"], version.integer != Int64(type.version) {
            throw EventFault(field: "v", reason: "must be \(type.version), the newest of \(name)")
        }
        let cause = object["cause"]
        if let cause, (cause.integer ?? 0) < 1 {
            throw EventFault(field: "cause", reason: "must be the seq of an event")
        }
        try type.validate(stream: stream, data)
        return NewEvent(
            type: name, version: type.version, stream: stream, cause: cause?.integer,
            data: data.compact)
    }
}

extension Optional {
    /// The value, or a fault of a field.
    fileprivate func or(
        _ field: String, _ reason: @autoclosure () -> String
    ) throws(EventFault) -> Wrapped {
        guard let self else { throw EventFault(field: field, reason: reason()) }
        return self
    }
}

extension NewEvent {
    /// An event of a kind, in its newest version.
    public init(_ kind: EventKind, on stream: StreamName, cause: Seq? = nil, _ data: JSON) {
        self.init(
            type: kind.rawValue, version: Catalogue.type(kind).version, stream: stream,
            cause: cause,
            data: data.bytes)
    }
}

extension EventType {
    /// Reads a type as `catalogue.json` describes it.
    ///
    /// - Parameter shapes: The fields that several types share, by name.
    fileprivate init(_ value: JSONValue, _ shapes: [String: [Field]]) {
        let name = value["type"]?.text ?? ""
        guard let kind = EventKind(rawValue: name), let fields = value["fields"],
            let stream = value["stream"]?.text, let meaning = value["meaning"]?.text,
            let example = value["example"]?.elements, example.count == 2
        else { preconditionFailure("'\(name)' in the catalogue is no type of event") }
        self.init(
            kind: kind, stream: stream, meaning: meaning,
            fields: fields.text.flatMap { shapes[$0] } ?? Field.read(fields, shapes),
            example: (example[0].text ?? "", String(decoding: example[1].compact, as: UTF8.self)),
            upcasters: evolution[kind] ?? [])
    }
}
