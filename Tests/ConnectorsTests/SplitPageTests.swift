import Connectors
import Foundation
import JSONText
import Testing

private let fixtures =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("shared/fixtures/spotify").path
private let haveFixtures = FileManager.default.fileExists(atPath: fixtures)

@Suite("A page taken apart")
struct SplitPageTests {
    private static func split(_ text: String) -> SplitPage {
        Array(text.utf8).withUnsafeBufferPointer { SplitPage(JSONValue($0)) }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("A track's place holds a reference; null rows and what has no URI stay")
    func references() {
        let page = Self.split(
            """
            { "items": [ {"added_at": null, "item": {"name": "Ä \\u00e4", "uri": "spotify:track:1"}},
              {"item": null}, null, {"track": {"name": "no uri"}} ], "total": 4 }
            """)

        #expect(page.entities.map(\.uri) == ["spotify:track:1"])
        #expect(Self.text(page.entities[0].payload) == #"{"name":"Ä \u00e4","uri":"spotify:track:1"}"#)
        #expect(page.entities[0].digest.count == 32)
        #expect(
            Self.text(page.payload)
                == #"{"items":[{"added_at":null,"item":{"$observed":"\#(page.entities[0].digest)","uri":"spotify:track:1"}},{"item":null},null,{"track":{"name":"no uri"}}],"total":4}"#
        )
    }

    @Test("Both shapes at once, playlists in a list, and the same track twice")
    func shapes() {
        let both = Self.split(
            #"{"items":[{"item":{"uri":"spotify:track:1"},"track":{"uri":"spotify:track:1"}}]}"#)
        let lists = Self.split(
            #"{"items":[{"uri":"spotify:playlist:1","items":{"total":3}},null]}"#)

        #expect(both.entities.map(\.uri) == ["spotify:track:1", "spotify:track:1"])
        #expect(!Self.text(both.payload).contains(#"{"uri""#))
        #expect(lists.entities.map(\.uri) == ["spotify:playlist:1"])
    }

    @Test("A page that does not join to the same bytes is kept whole")
    func doubtful() {
        let text = #"{"items":[],"items":[{"track":{"uri":"spotify:track:1"}}]}"#
        let forged = #"{"items":[{"track":{"$observed":"x","uri":"a b"}}]}"#

        #expect(Self.text(Self.split(text).payload) == text)
        #expect(Self.text(Self.split(forged).payload) == forged)
        #expect(Self.split(forged).entities.isEmpty)
    }

    @Test(
        "Every recorded page joins to its own bytes and loses no row",
        .enabled(if: haveFixtures, "../shared/fixtures is not here"))
    func recorded() throws {
        var split = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: fixtures).sorted() {
            let bytes = [UInt8](
                try #require(FileManager.default.contents(atPath: fixtures + "/" + name)))
            try bytes.withUnsafeBufferPointer { buffer in
                try JSONValidator.check(buffer)
                let value = JSONValue(buffer)
                let page = SplitPage(value)
                let rows = page.payload.withUnsafeBufferPointer {
                    JSONValue($0)["items"]?.elements.count
                }
                #expect(rows == value["items"]?.elements.count, "\(name)")
                split += page.entities.isEmpty ? 0 : 1
            }
        }
        #expect(split >= 12)
    }
}
