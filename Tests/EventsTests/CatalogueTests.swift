import Events
import Foundation
import JSONText
import Ledger
import Testing

@Suite("The catalogue of events")
struct CatalogueTests {
    /// Checks data against a type as `append` does.
    static func fault(_ kind: EventKind, _ data: String, on stream: String? = nil) -> EventFault? {
        let type = Catalogue.type(kind)
        guard let name = StreamName(stream ?? type.example.stream) else { return nil }
        let text = Array(data.utf8)
        return text.withUnsafeBufferPointer { (bytes: UnsafeBufferPointer<UInt8>) -> EventFault? in
            do throws(EventFault) {
                try type.validate(stream: name, JSONValue(bytes))
                return nil
            } catch {
                return error
            }
        }
    }

    @Test("Every kind has one type, and every name stands once")
    func complete() {
        #expect(Set(Catalogue.types.map(\.kind)) == Set(EventKind.allCases))
        #expect(Set(Catalogue.types.map { $0.kind.rawValue }).count == Catalogue.types.count)
        for kind in EventKind.allCases {
            #expect(Catalogue.type(kind).kind == kind)
            #expect(Array(kind.rawValue.utf8).withUnsafeBufferPointer { EventKind($0) } == kind)
        }
    }

    @Test(
        "A name that is no kind's is none",
        arguments: ["", "playlist", "playlist.Edited", "playlist.edited "])
    func noKind(name: String) {
        #expect(Array(name.utf8).withUnsafeBufferPointer { EventKind($0) } == nil)
    }

    @Test("Every example is what its type says", arguments: EventKind.allCases)
    func example(kind: EventKind) throws {
        let type = Catalogue.type(kind)

        #expect(Self.fault(kind, type.example.data) == nil)
        #expect(!type.meaning.isEmpty && !type.stream.isEmpty)
        let object: JSON = [
            "type": .text(kind.rawValue), "stream": .text(type.example.stream),
            "data": .raw(Array(type.example.data.utf8)),
        ]
        try object.bytes.withUnsafeBufferPointer { bytes in
            let event = try Catalogue.newEvent(JSONValue(bytes))
            #expect(event.type == kind.rawValue && event.version == type.version)
            #expect(String(decoding: event.data, as: UTF8.self) == type.example.data)
        }
    }

    @Test(
        "Every schema is JSON and closed, down to the rows of a list", arguments: EventKind.allCases
    )
    func schema(kind: EventKind) throws {
        let type = Catalogue.type(kind)

        let schema = try #require(
            try JSONSerialization.jsonObject(with: Data(type.schema.bytes)) as? [String: Any])

        #expect(schema["type"] as? String == "object")
        #expect(schema["additionalProperties"] as? Bool == false)
        let properties = try #require(schema["properties"] as? [String: [String: Any]])
        #expect(Set(properties.keys) == Set(type.fields.map(\.name)))
        #expect(
            Set(schema["required"] as? [String] ?? [])
                == Set(type.fields.filter(\.isRequired).map(\.name)))
        #expect(properties.values.allSatisfy { $0["description"] is String })
        if let items = properties["items"] {
            let rows = try #require(items["items"] as? [String: Any])
            #expect(rows["additionalProperties"] as? Bool == false)
            #expect(rows["required"] as? [String] == ["uri"])
        }
    }

    @Test(
        "A fault names its field",
        arguments: [
            (.playlistCreated, "{}", "name"),
            (.playlistCreated, #"{"name":1}"#, "name"),
            (.playlistCreated, #"{"name":null}"#, "name"),
            (.playlistCreated, #"{"name":"A","colour":"red"}"#, "colour"),
            (.playlistCreated, #"{"name":"A","name":"B"}"#, "name"),
            (.playlistCreated, #"{"name":"A","description":[]}"#, "description"),
            (.playlistCreated, #"{"name":"A","items":{}}"#, "items"),
            (
                .playlistCreated, #"{"name":"A","items":[{"uri":"a"},{"uri":null},{"uri":3}]}"#,
                "items[2].uri"
            ),
            (.playlistCreated, #"{"name":"A","items":[{"uri":"a"},7]}"#, "items[1]"),
            (.playlistCreated, #"{"name":"A","items":[{}]}"#, "items[0].uri"),
            (.playlistCreated, #"{"name":"A","items":[{"uri":"a","key":"x"}]}"#, "items[0].key"),
            (
                .playlistCreated, #"{"name":"A","items":[{"uri":"a","artists":["x",null]}]}"#,
                "items[0].artists[1]"
            ),
            (
                .playlistCreated, #"{"name":"A","items":[{"uri":"a","duration_ms":-1}]}"#,
                "items[0].duration_ms"
            ),
            (
                .playlistCreated,
                #"{"name":"A","items":[{"uri":"a","duration_ms":9007199254740992}]}"#,
                "items[0].duration_ms"
            ),
            (
                .playlistCreated, #"{"name":"A","items":[{"uri":"a","added_at":"yesterday"}]}"#,
                "items[0].added_at"
            ),
            (
                .playlistCreated, #"{"name":"A","source":{"kind":"json","name":"A"}}"#,
                "source.number"
            ),
            (
                .playlistCreated, #"{"name":"A","source":{"kind":"json","name":"A","number":0}}"#,
                "source.number"
            ),
            (.playlistEdited, #"{"op":"sing"}"#, "op"),
            (.playlistEdited, #"{"op":"remove","positions":[1,0]}"#, "positions[1]"),
            (.playlistEdited, #"{"op":"add","uris":["a"]}"#, "uris"),
            (.playlistRestored, #"{"as_of":0,"items":[]}"#, "as_of"),
            (.playlistDeleted, #"{"why":"old"}"#, "why"),
            (.clockBehind, #"{"clock":"10:00","last_at":"2026-11-22T10:00:00Z"}"#, "clock"),
            (.spotifyTrackObserved, #"{"digest":"0f","payload":[]}"#, "payload"),
            (.playlistRenamed, "[]", "data"),
            // A fold looks for keys as they are written, so a key in another spelling would be lost.
            (.playlistRenamed, #"{"n\u0061me":"Evening"}"#, "name"),
        ] as [(EventKind, String, String)])
    func fault(kind: EventKind, data: String, field: String) throws {
        let fault = try #require(Self.fault(kind, data))

        #expect(fault.field == field)
        #expect(fault.description.contains("'\(field)'") && !fault.reason.isEmpty)
    }

    @Test(
        "An optional field may be absent or null",
        arguments: [
            (.playlistCreated, #"{"name":"A","description":null,"items":null}"#),
            (.playlistEdited, #"{"op":"add","items":[{"uri":null,"title":null}],"at":null}"#),
        ] as [(EventKind, String)])
    func optional(kind: EventKind, data: String) {
        #expect(Self.fault(kind, data) == nil)
    }

    @Test(
        "A type stands on its own streams",
        arguments: [
            (.playlistRenamed, "spotify:playlist:37i9dQZF1DXcBWIGoYBM5M", #"{"name":"A"}"#),
            (.playlistRenamed, "narada:playlist:", #"{"name":"A"}"#),
            (
                .clockBehind, "ledger2",
                #"{"clock":"2026-11-22T09:00:00Z","last_at":"2026-11-22T10:00:00Z"}"#
            ),
            (.spotifyLikesFetched, "spotify:likes:mine", #"{"count":0,"pages":[]}"#),
        ] as [(EventKind, String, String)])
    func stream(kind: EventKind, stream: String, data: String) {
        #expect(Self.fault(kind, data, on: stream)?.field == "stream")
    }

    @Test(
        "What is the writer's to give, or nobody's, is refused by name",
        arguments: [
            (#"{"type":"playlist.deleted","stream":"narada:playlist:x","data":{},"seq":1}"#, "seq"),
            (
                #"{"type":"playlist.deleted","stream":"narada:playlist:x","data":{},"at":"2026-11-22T10:00:00Z"}"#,
                "at"
            ),
            (
                #"{"type":"playlist.deleted","stream":"narada:playlist:x","data":{},"run":"01"}"#,
                "run"
            ),
            (
                #"{"type":"playlist.deleted","stream":"narada:playlist:x","data":{},"mood":1}"#,
                "mood"
            ),
            (#"{"stream":"narada:playlist:x","data":{}}"#, "type"),
            (#"{"type":"playlist.sung","stream":"narada:playlist:x","data":{}}"#, "type"),
            (#"{"type":"playlist.deleted","data":{}}"#, "stream"),
            (#"{"type":"playlist.deleted","stream":"a b","data":{}}"#, "stream"),
            (#"{"type":"playlist.deleted","stream":"narada:playlist:x"}"#, "data"),
            (#"{"type":"playlist.deleted","stream":"narada:playlist:x","data":{},"v":2}"#, "v"),
            (
                #"{"type":"playlist.edited","stream":"narada:playlist:x","data":{"op":"add","items":[]},"v":1}"#,
                "v"
            ),
            (
                #"{"type":"playlist.deleted","stream":"narada:playlist:x","data":{},"cause":0}"#,
                "cause"
            ),
        ])
    func newEvent(object: String, field: String) {
        Array(object.utf8).withUnsafeBufferPointer { bytes in
            let error = #expect(throws: EventFault.self) {
                _ = try Catalogue.newEvent(JSONValue(bytes))
            }
            #expect(error?.field == field)
        }
    }

    @Test("Data is kept as it is written, but for white space between its tokens")
    func tokenExact() throws {
        let object =
            #"{"type":"spotify.playlist.page","stream":"spotify:playlist:a","data":{ "offset" : 0, "payload" : {"a\u00e9" : [1.50, 1E2 , "\/ x  y"] } }}"#
        try Array(object.utf8).withUnsafeBufferPointer { bytes in
            let event = try Catalogue.newEvent(JSONValue(bytes))
            #expect(
                String(decoding: event.data, as: UTF8.self)
                    == #"{"offset":0,"payload":{"a\u00e9":[1.50,1E2,"\/ x  y"]}}"#)
        }
    }
}
