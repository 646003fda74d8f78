import JSONText

private let stream = "narada:playlist:<ulid>"
private let example = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"

/// Rows of a playlist.
let items = FieldKind.list(
    .object([
        Field("uri", .textOrNull, "what stands there; null for a row that is not available"),
        Field("title?", .text, "the track's title, where the source tells it"),
        Field("artists?", .list(.text), "the artists' names"),
        Field("album?", .text, "the album's title"),
        Field("duration_ms?", .integer(from: 0), "how long it is"),
        Field("added_at?", .time, "when it was added; else the event's own time"),
    ]))

/// Playlists that are kept here.
let playlistEvents = [
    EventType(
        .playlistCreated, stream: stream, "A playlist was made.",
        [
            Field("name", .text, "its name; need not be unique"),
            Field("description?", .text, "what it is for"),
            Field("items?", items, "its first list"),
            Field(
                "source?",
                .object([
                    Field("kind", .text, "the kind of file"),
                    Field("name", .text, "the name there"),
                    Field("number", .integer(from: 1), "which of that name"),
                ]), "the imported file's playlist that it stands for"),
        ],
        example: (
            example,
            #"{"name":"Morning","items":[{"uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"},{"uri":null}]}"#
        )),
    EventType(
        .playlistRenamed, stream: stream, "It got another name.",
        [Field("name", .text, "the new name")], example: (example, #"{"name":"Early morning"}"#)),
    EventType(
        .playlistDescribed, stream: stream, "It got another description.",
        [Field("description", .text, "the new description; empty for none")],
        example: (example, #"{"description":"Before coffee"}"#)),
    EventType(
        .playlistEdited, stream: stream,
        "Its rows were changed by one operation; positions start at 1.",
        [
            Field("op", .word(["add", "remove", "move", "set"]), "what was done"),
            Field("at?", .integer(from: 1), "add: the first new row's position; else at the end"),
            Field("items?", items, "add: the new rows; set: the whole list"),
            Field(
                "positions?", .list(.integer(from: 1)),
                "remove: positions in the list before, ascending"),
            Field("from?", .integer(from: 1), "move: the first row's position before"),
            Field("count?", .integer(from: 1), "move: how many rows; else one"),
            Field("to?", .integer(from: 1), "move: the first row's position after"),
        ],
        example: (
            example,
            #"{"op":"add","at":1,"items":[{"uri":"spotify:track:3aJ2aJz5xL03hpaqdPS7Ah"}]}"#
        ), upcasters: [namedOnlyURIs]),
    EventType(
        .playlistRestored, stream: stream, "It was made again what it was at a moment.",
        [
            Field("as_of", .integer(from: 1), "the seq of that moment"),
            Field("items", items, "the list at that moment"),
        ],
        example: (
            example,
            #"{"as_of":3,"items":[{"uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd","added_at":"2026-11-22T10:00:00.000Z"}]}"#
        )),
    EventType(
        .playlistLinked, stream: stream, "It stands for a playlist of a service from here on.",
        [Field("uri", .text, "the service's playlist")],
        example: (example, #"{"uri":"spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"}"#)),
    EventType(
        .playlistUnlinked, stream: stream, "It stands for that playlist no longer.",
        [Field("uri", .text, "the service's playlist")],
        example: (example, #"{"uri":"spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"}"#)),
    EventType(
        .playlistPulled, stream: stream,
        "Edits made here since the last fetch are given up: the list follows the next fetch again.",
        [], example: (example, "{}")),
    EventType(
        .pushIntended, stream: stream, "A push is about to change a service's playlist.",
        [
            Field("to", .text, "the service's playlist, or the service's name for one to be made"),
            Field("writes", .integer(from: 0), "how many calls it takes"),
            Field("snapshot_id?", .text, "the state that the calls are meant for"),
            Field("name?", .text, "the name of the playlist to be made"),
            Field("known?", .list(.text), "playlists of that name that were there before"),
        ], example: (example, #"{"to":"spotify","writes":2,"name":"Evening","known":[]}"#)),
    EventType(
        .pushCompleted, stream: stream,
        "A push came to its end: both lists agree but for rows the service cannot hold.",
        [
            Field("intended", .integer(from: 1), "the seq of the intention"),
            Field("to", .text, "the service's playlist"),
            Field("writes", .integer(from: 0), "how many calls it took"),
            Field("cannot", .list(.integer(from: 1)), "positions that the service cannot hold"),
        ],
        example: (
            example,
            #"{"intended":1,"to":"spotify:playlist:37i9dQZF1DXcBWIGoYBM5M","writes":2,"cannot":[]}"#
        )),
    EventType(
        .pushFailed, stream: stream,
        "A push ended before it was done; the next one goes on from there.",
        [
            Field("intended", .integer(from: 1), "the seq of the intention"),
            Field("reason", .text, "why, in words"),
        ], example: (example, #"{"intended":1,"reason":"Spotify asks to wait until 18:00"}"#)),
    EventType(
        .playlistDeleted, stream: stream, "It was deleted; its past stays.", [],
        example: (example, "{}")),
]

/// Version 1 of `playlist.edited` named new rows by their URIs alone: `uris` instead of `items`.
private let namedOnlyURIs: Upcaster = { (data: JSONValue) throws(EventFault) in
    var members: [(String, JSON)] = []
    data.members { key, value in
        let name = String(decoding: unescapedKey(key), as: UTF8.self)
        guard name == "uris" else {
            members.append((name, .raw(Array(value.bytes))))
            return true
        }
        let rows = value.elements.map { JSON.object([("uri", .raw(Array($0.bytes)))]) }
        members.append(("items", .array(rows)))
        return true
    }
    return JSON.object(members).bytes
}
