import Events
import JSONText
import Ledger
import Testing

// At file scope: inside a function Swift 6.3.1 crashes on a closure with these types.
private func step(_ name: String, _ data: JSONValue) throws(EventFault) -> [UInt8] {
    guard let path = data["path"]?.text else {
        throw EventFault(field: "path", reason: "is missing")
    }
    return JSON.object([("path", .text(path + "." + name))]).bytes
}
private let one: Upcaster = { (data: JSONValue) throws(EventFault) in try step("one", data) }
private let two: Upcaster = { (data: JSONValue) throws(EventFault) in try step("two", data) }
private let three: Upcaster = { (data: JSONValue) throws(EventFault) in try step("three", data) }

@Suite("Events of older versions")
struct UpcasterTests {
    private func upcast(_ data: String, through upcasters: [Upcaster]) throws -> String {
        try Array(data.utf8).withUnsafeBufferPointer {
            String(decoding: try Catalogue.upcast(JSONValue($0), through: upcasters), as: UTF8.self)
        }
    }

    @Test("Version 1 of playlist.edited names new rows by their URIs alone")
    func edited() throws {
        let type = Catalogue.type(.playlistEdited)
        #expect(type.version == 2)

        let data = try upcast(
            #"{"op":"add","at":3,"uris":["spotify:track:a","x\"y",null]}"#, through: type.upcasters)

        #expect(
            data
                == #"{"op":"add","at":3,"items":[{"uri":"spotify:track:a"},{"uri":"x\"y"},{"uri":null}]}"#
        )
        #expect(CatalogueTests.fault(.playlistEdited, data) == nil)
    }

    @Test(
        "What names no new rows stays as it is",
        arguments: [
            #"{"op":"remove","positions":[1,3]}"#, #"{"op":"move","from":1,"count":2,"to":3}"#,
        ])
    func untouched(data: String) throws {
        #expect(try upcast(data, through: Catalogue.type(.playlistEdited).upcasters) == data)
    }

    @Test("A chain leads through every version in order")
    func chain() throws {
        let steps: [Upcaster] = [one, two, three]

        #expect(
            try upcast(#"{"path":"zero"}"#, through: steps) == #"{"path":"zero.one.two.three"}"#)
        #expect(
            try upcast(#"{"path":"one"}"#, through: Array(steps[1...]))
                == #"{"path":"one.two.three"}"#)
        #expect(try upcast(#"{"path":"three"}"#, through: []) == #"{"path":"three"}"#)
    }

    @Test("A step that cannot go on says which field")
    func broken() {
        let error = #expect(throws: EventFault.self) {
            try upcast("{}", through: [one])
        }
        #expect(error?.field == "path")
    }

    private func read(_ type: String, version: Int, _ data: String) throws -> (EventKind, String) {
        let stream = try #require(StreamName("narada:playlist:x"))
        let event = NewEvent(type: type, version: version, stream: stream, data: Array(data.utf8))
        return try event.line(seq: 7, at: 0, run: "r").withUnsafeBufferPointer { bytes in
            let line = try #require(EventLine(bytes))
            return try Catalogue.read(line) { ($0, String(decoding: $1.bytes, as: UTF8.self)) }
        }
    }

    @Test("Every version is read in the newest one")
    func readNewest() throws {
        let old = try read("playlist.edited", version: 1, #"{"op":"set","uris":["a"]}"#)
        let new = try read("playlist.edited", version: 2, #"{"op":"set","items":[{"uri":"a"}]}"#)

        #expect(old == new)
        #expect(old.0 == .playlistEdited)
    }

    @Test(
        "An unknown type and a higher version come from a newer Narada",
        arguments: [
            ("playlist.sung", 1), ("playlist.edited", 3), ("playlist.deleted", 2),
            ("playlist.deleted", 0),
        ])
    func newer(type: String, version: Int) throws {
        let error = #expect(throws: UnreadableEvent.self) { try read(type, version: version, "{}") }

        #expect(error?.description.hasPrefix("event 7") == true)
        #expect(error?.isNewer == true)
        #expect(error?.description.contains(type) == true)
    }
}
