import Connectors
import Foundation
import JSONText
import Music
import Projections
import TestSupport
import Testing

@Suite("Rows of a history file")
struct HistoryRowsTests {
    private static let three = (1...3).map { Sample.row($0) }

    @Test(
        "A list is read in any layout",
        arguments: [
            Sample.list(three), three.joined(separator: " ,\n ").wrapped("[\r\n\t", "\n]\n"),
            "\u{FEFF}" + Sample.list(three), "\u{FEFF} \n" + Sample.list(three) + "  \n\n",
        ])
    func layouts(text: String) throws {
        #expect(try Sample.read(text) == Self.three)
    }

    @Test("An indented row is the same row")
    func indented() throws {
        let row = "{\n  \"ts\" : \"2025-04-28T21:16:01Z\",\n  \"ms_played\" : 5\n}"
        #expect(try Sample.read("[\n\(row)\n]") == [row])
    }

    @Test("An empty list has no rows", arguments: ["[]", " [ ] ", "\u{FEFF}[\n]\n"])
    func empty(text: String) throws {
        #expect(try Sample.read(text) == [])
    }

    /// A row of just so many bytes, its texts within their bound.
    private func row(ofSize size: Int) -> String {
        var row = #"{"ts":"2025-04-28T21:16:38Z","ms_played":1"#
        var number = 0
        while row.utf8.count < size - 60_100 {
            number += 1
            row += ",\"f\(number)\":\"" + String(repeating: "x", count: 60_000) + "\""
        }
        row += ",\"last\":\""
        return row + String(repeating: "y", count: size - row.utf8.count - 2) + "\"}"
    }

    @Test("A row may begin and end anywhere in the window it is read through")
    func windows() throws {
        let window = 256 << 10
        for shift in -120...120 {
            let first = row(ofSize: window + shift)
            let rows = [first] + Self.three + [#"{"text":"a\"b]}\\","list":[{"x":"é"}]}"#]

            #expect(try Sample.read(Sample.list(rows)) == rows, "shift \(shift)")
        }
    }

    @Test("Many windows are read on and on")
    func manyWindows() throws {
        let rows = (0..<20_000).map { Sample.row($0, ms: $0) }
        #expect(try Sample.read(rows.joined(separator: ",\n").wrapped("[\n", "\n]")) == rows)
    }

    @Test("A row of 1 MB is taken, a larger one refused by its number")
    func largeRows() throws {
        #expect(try Sample.read(Sample.list([row(ofSize: 1 << 20)])).count == 1)

        let message = try Sample.refusal(Sample.list([Sample.row(1), row(ofSize: (1 << 20) + 1)]))
        #expect(message?.contains("row 2") == true)
        let far = try Sample.refusal("[" + String(repeating: "1", count: 3 << 20) + "]")
        #expect(far?.contains("row 1") == true)
    }

    @Test("A title of 60,000 bytes is taken, one of 100,000 characters refused")
    func longTitles() throws {
        func list(_ title: String) -> String {
            #"[{"ts":"x","master_metadata_track_name":"\#(title)"}]"#
        }

        #expect(try Sample.read(list(String(repeating: "é", count: 30_000))).count == 1)
        #expect(
            try Sample.refusal(list(String(repeating: "t", count: 100_000)))?.contains("row 1")
                == true)
    }

    @Test("Nesting is taken to 64 levels")
    func nesting() throws {
        func list(_ depth: Int) -> String {
            "[{\"ts\":\"x\",\"deep\":" + String(repeating: "[", count: depth - 1)
                + String(repeating: "]", count: depth - 1) + "}]"
        }

        #expect(try Sample.read(list(64)).count == 1)
        #expect(try Sample.refusal(list(65))?.contains("deeper than 64") == true)
        #expect(try Sample.refusal(list(200_000)) != nil)
    }

    @Test(
        "What is not a list of objects is refused",
        arguments: [
            "", " ", "{}", "null", "\"[]\"", "[", "[{}", "[{},", "[{},]", "[,{}]", "[{}}]", "[{]}",
            "[{} {}]", "[{};{}]",
            "[1]", "[null]", "[[]]", "[\"a\"]", "[{}]]", "[{}] x", "[{}][]", "[]]", "[{'ts':1}]",
            "[{\"a\"}]", "[{\"a\":}]",
            "[{\"a\":01}]", "[{\"a\":+1}]", "[{\"a\":NaN}]", "[{\"a\":tru}]", "[{\"a\":\"\n\"}]",
            "[{\"a\":\"\\x\"}]",
            "[{\"a\":\"\\u12\"}]", "[{\"a\":1,}]", "[{,}]", "// x\n[]", "\u{FEFF}\u{FEFF}[]",
            "[{\"a\":\"]}",
        ])
    func refused(text: String) throws {
        #expect(try Sample.refusal(text) != nil)
    }

    @Test("What is not UTF-8 is refused, inside a text and outside")
    func encoding() throws {
        for bytes: [UInt8] in [
            [0xFF], [0xC0, 0x80], [0xC3], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80],
            [0xE2, 0x82], [0xF0, 0x82, 0x82, 0xAC],
        ] {
            let inside = Array("[{\"ts\":\"".utf8) + bytes + Array("\"}]".utf8)
            #expect(try Sample.refusal(inside) != nil, "\(bytes)")
            #expect(
                try Sample.refusal(Array("[{}".utf8) + bytes + Array("]".utf8)) != nil, "\(bytes)")
        }
        let utf16 = "[{\"ts\":\"x\"}]".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        #expect(try Sample.refusal(utf16) != nil)
        #expect(try Sample.refusal([0xFF, 0xFE] + utf16) != nil)
    }

    @Test("A file that is cut anywhere is refused")
    func cutAnywhere() throws {
        let rows = [Sample.row(1), Sample.row(2, more: #","x":["a\\",{"y":"\u00e9 é 🎵"}]"#)]
        let whole = Array(("\u{FEFF}" + rows.joined(separator: ",\n").wrapped("[ ", " ]\n")).utf8)
        for count in 0..<whole.count {
            let cut = whole[..<count]
            if cut.last == UInt8(ascii: "]"), count >= whole.count - 1 {
                #expect(try Sample.read(cut) == rows)
            } else {
                #expect(try Sample.refusal(cut) != nil, "cut at \(count)")
            }
        }
        #expect(try Sample.read(whole) == rows)
    }

    @Test(
        "A field of another type is named with its row",
        arguments: [
            ("ts", "1"), ("ts", "[]"), ("master_metadata_track_name", "{}"),
            ("master_metadata_album_artist_name", "7"),
            ("master_metadata_album_album_name", "false"),
            ("spotify_track_uri", "0"), ("spotify_episode_uri", "[]"), ("reason_end", "true"),
            ("ms_played", "\"5\""),
            ("ms_played", "true"), ("ms_played", "1e400"), ("offline_timestamp", "\"\""),
            ("offline_timestamp", "{}"),
            ("skipped", "\"no\""), ("skipped", "0"), ("incognito_mode", "1"),
            ("audiobook_uri", "3"),
        ])
    func wrongTypes(field: String, value: String) throws {
        let message = try Sample.refusal("[\(Sample.row(1)),{\"\(field)\":\(value)}]")

        #expect(message?.contains("row 2") == true)
        #expect(message?.contains("'\(field)'") == true)
        #expect(message?.contains("endsong_0.json") == true)
    }

    @Test("A row may lack every key, and hold null in any")
    func lacking() throws {
        let fields = [
            "ts", "ms_played", "spotify_track_uri", "reason_end", "skipped", "offline_timestamp",
            "incognito_mode",
        ]
        let nulls = "{" + fields.map { "\"\($0)\":null" }.joined(separator: ",") + "}"
        let whole = Sample.row(
            1, more: #","reason_end":"trackdone","skipped":false,"unknown":{"a":[1]}"#)
        #expect(try Sample.read("[{},\(nulls),\(whole)]").count == 3)
    }

    @Test("A key with escapes is refused: it would be overlooked")
    func escapedKeys() throws {
        let message = try Sample.refusal(#"[{"ts":"x","usern\u0061me":"somebody"}]"#)
        #expect(message?.contains("without escapes") == true)
    }

    @Test("NUL and lone surrogates in a text become U+FFFD where it is read")
    func oddEscapes() throws {
        let rows = try Sample.read(
            #"[{"ts":"2025-04-28T21:16:38Z","spotify_track_uri":"u","master_metadata_track_name":"a\u0000b\ud800c\udc00d\ud83c\udfb5"}]"#
        )
        Array(try #require(rows.first).utf8).withUnsafeBufferPointer { bytes in
            let row = HistoryRow(JSONValue(bytes))
            #expect(row.title?.text == "a\u{FFFD}b\u{FFFD}c\u{FFFD}d🎵")
            #expect(row.play.hasTitle && row.play.hasURI)
        }
    }

    @Test(
        "What ended a play tells whether it was left",
        arguments: [
            ("trackdone", done: true, left: false), ("fwdbtn", done: false, left: true),
            ("backbtn", done: false, left: true), ("endplay", done: false, left: true),
            ("clickrow", done: false, left: true), ("clickside", done: false, left: true),
            ("playbtn", done: false, left: true), ("remote", done: false, left: false),
            ("logout", done: false, left: false), ("unexpected-exit", done: false, left: false),
            ("unknown", done: false, left: false), ("", done: false, left: false),
        ])
    func endings(reason: String, done: Bool, left: Bool) {
        let text =
            #"{"reason_end":"\#(reason)","skipped":true,"ts":"2025-04-28T21:16:38Z","ms_played":5}"#
        Array(text.utf8).withUnsafeBufferPointer { bytes in
            let play = HistoryRow(JSONValue(bytes)).play
            #expect(play.isDone == done && play.isLeft == left && play.isSkipped)
            #expect(play.endedAtMS == 1_745_874_998_000 && play.playedMS == 5)
            #expect(!play.hasURI && !play.hasTitle && !play.isEpisode && !play.isAudiobook)
        }
    }
}

extension String {
    fileprivate func wrapped(_ before: String, _ after: String) -> String { before + self + after }
}
