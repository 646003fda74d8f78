import Foundation
import TestSupport
import Testing

@Suite("Appending events by hand")
struct AppendTests {
    private static let list = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"

    private static func event(
        _ type: String, _ data: String, on stream: String = list, more: String = ""
    ) -> String {
        #"{"type":"\#(type)","stream":"\#(stream)","data":\#(data)\#(more)}"#
    }

    @Test("The examples of the catalogue, appended in its order to an empty home, are accepted")
    func examples() throws {
        let home = try TestHome()
        let catalogue = try Program("narada-cmd").run(["events", "--json"])
        let types = try #require(
            try JSONSerialization.jsonObject(with: Data(catalogue.output)) as? [[String: Any]])
        #expect(
            types.allSatisfy {
                Set($0.keys) == ["type", "v", "stream", "meaning", "schema", "example"]
            })

        // A push is settled once, so each way in which it can end has an intention of its own.
        let names = types.compactMap { $0["type"] as? String }
        let intended = try #require(names.firstIndex(of: "push.intended"))
        let failed = try #require(names.firstIndex(of: "push.failed"))
        var examples = try types.map { try canonical(try #require($0["example"])) }
        for (index, seq) in [(intended + 1, intended + 1), (failed, failed + 1)] {
            examples[index] = examples[index].replacing(
                #""intended":1"#, with: #""intended":\#(seq)"#)
        }
        examples.insert(examples[intended], at: failed)
        for example in examples {
            let result = try home.cmd("append", "--file", "-", input: example)
            #expect(
                result["count"] as? Int == 1 && result["first"] is Int && result["run"] is String)
        }
        #expect(try home.run("narada-project", ["--check"]).status == 0)
        // And as one commit.
        let other = try TestHome()
        try other.append(examples)
        #expect(try other.seq() == examples.count)
    }

    @Test(
        "A bad line is 65, named with its field, and nothing is appended",
        arguments: [
            (event("playlist.renamed", #"{"name":"B"}"#, more: #","seq":3"#), "seq"),
            (
                event("playlist.renamed", #"{"name":"B"}"#, more: #","at":"2026-11-22T10:00:00Z""#),
                "at"
            ),
            (event("playlist.renamed", #"{"name":"B"}"#, more: #","run":"x""#), "run"),
            (event("playlist.renamed", #"{"name":"B"}"#, more: #","v":2"#), "v"),
            (event("playlist.renamed", #"{"name":"B"}"#, more: #","cause":"x""#), "cause"),
            (event("playlist.sung", "{}"), "type"), (event("playlist.renamed", "{}"), "name"),
            (event("playlist.renamed", #"{"name":7}"#), "name"),
            (event("playlist.renamed", #"{"name":"B","x":1}"#), "x"),
            (
                event("playlist.edited", #"{"op":"add","items":[{"uri":null},{"uri":1}]}"#),
                "items[1].uri"
            ),
            (event("playlist.renamed", #"{"name":"B"}"#, on: "spotify:likes"), "stream"),
            (event("playlist.renamed", #"{"name":"B"}"#, on: "narada:playlist:a b"), "stream"),
            // What no fold takes.
            (
                event("playlist.renamed", #"{"name":"B"}"#, on: "narada:playlist:nobody"),
                "narada:playlist:nobody"
            ),
            (event("playlist.created", #"{"name":"B"}"#), "exists"),
            (event("playlist.edited", #"{"op":"add","at":3,"items":[{"uri":"x"}]}"#), "position 3"),
            (event("playlist.edited", #"{"op":"remove","positions":[2]}"#), "position 2"),
            (event("playlist.edited", #"{"op":"move","from":1,"to":2}"#), "position 2"),
            (event("playlist.edited", #"{"op":"move","from":1}"#), "to"),
            (event("playlist.edited", #"{"op":"add"}"#), "items"),
            (event("playlist.unlinked", #"{"uri":"spotify:playlist:a"}"#), "not linked"),
            (event("playlist.linked", #"{"uri":"tidal:playlist:a"}"#), "tidal"),
            (
                event(
                    "spotify.playlist.fetched", #"{"count":1,"pages":[1]}"#,
                    on: "spotify:playlist:a"), "page 1"
            ),
            (
                event(
                    "spotify.playlist.fetched", #"{"count":1,"pages":[]}"#, on: "spotify:playlist:a"
                ), "0 rows"
            ),
            ("not json", "not JSON"), (#"{"type":"playlist.deleted""#, "not JSON"), ("[]", "type"),
            ("7", "type"),
        ])
    func badLine(line: String, words: String) throws {
        let home = try TestHome()
        try home.append([
            Self.event("playlist.created", #"{"name":"A","items":[{"uri":"\#(Tracks.a)"}]}"#)
        ])
        let good = Self.event("playlist.described", #"{"description":"x"}"#)

        let result = try home.run(
            "narada-cmd", ["append", "--file", "-", "--json"],
            input: "\(good)\n\n\(line)\n\(good)\n")

        let refusal = try Refusal(result)
        #expect(refusal.status == 65 && refusal.code == "bad-input", "\(refusal)")
        #expect(
            refusal.message.hasPrefix("line 3: ") && refusal.message.contains(words), "\(refusal)")
        #expect(try home.seq() == 1)
        #expect(try home.uris("A") == [Tracks.a])
    }

    @Test("After a playlist was deleted nothing can be done to it")
    func deleted() throws {
        let home = try TestHome()
        try home.append([
            Self.event("playlist.created", #"{"name":"A"}"#), Self.event("playlist.deleted", "{}"),
        ])
        let refusal = try Refusal(
            try home.run(
                "narada-cmd", ["append", "--file", "-", "--json"],
                input: Self.event("playlist.renamed", #"{"name":"B"}"#)))
        #expect(refusal.status == 65 && refusal.message.contains("deleted"))
    }

    @Test("One event brings in at most 65,536 rows: what is more would take the next event's ids")
    func tooManyRows() throws {
        let home = try TestHome()
        try home.cmd("init")
        for row in [#"{"uri":null}"#, "distinct"] {
            let items = (0...65_536).map { row == "distinct" ? #"{"uri":"x:\#($0)"}"# : row }
                .joined(separator: ",")
            let event = Self.event("playlist.created", #"{"name":"A","items":[\#(items)]}"#)
            let refusal = try Refusal(
                try home.run("narada-cmd", ["append", "--file", "-", "--json"], input: event))
            #expect(refusal.status == 65 && refusal.message.contains("65,536"), "\(refusal)")

            let path = try home.file("big.json", #"{"name":"A","items":[\#(items)]}"#)
            #expect(
                try Refusal(try home.run("narada-cmd", ["import", "playlist", path, "--json"]))
                    .status == 65)
        }
        #expect(try home.seq() == 0)
    }

    @Test("Data is kept token by token; a dry run keeps nothing")
    func tokens() throws {
        let home = try TestHome()
        let data = #"{"offset":0,"payload":{"x":[1.50,1E2,"\u00e9\/é"],"items":[]}}"#
        let spaced = data.replacing("\":", with: "\" : ").replacing(",\"", with: " ,\n\"")
            .replacing("\n", with: " ")
        let event = Self.event("spotify.playlist.page", spaced, on: "spotify:playlist:a")

        let dry = try home.run(
            "narada-cmd", ["append", "--file", "-", "--dry-run", "--json"], input: event)
        #expect(dry.status == 0)
        #expect(try home.seq() == 0)
        try home.append([event])

        let line = try home.run("narada", ["log", "cat"]).text
        #expect(line.hasSuffix("\"data\":\(data)}\n"), "\(line)")
    }

    @Test("A single event is named by options")
    func single() throws {
        let home = try TestHome()
        try home.cmd(
            "append", "--type", "playlist.created", "--stream", Self.list, "--data",
            #"{"name":"A"}"#)
        for data in ["{", "[]", #"{"name":1}"#, ""] {
            let result = try home.run(
                "narada-cmd",
                [
                    "append", "--type", "playlist.renamed", "--stream", Self.list, "--data", data,
                    "--json",
                ])
            #expect(try Refusal(result).status == 65, "\(data)")
        }
        #expect(try home.seq() == 1)
    }

    @Test("A clock that went back is noted before what follows")
    func clockBehind() throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "A")
        home.now = "2026-11-22T09:00:00Z"
        try home.cmd("playlist", "rename", "A", "B")

        let lines = try home.run("narada", ["log", "cat"]).text.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(
            lines[1].contains(#""type":"ledger.clock_behind""#)
                && lines[1].contains(#""clock":"2026-11-22T09:00:00.000Z""#))
        #expect(lines.allSatisfy { $0.contains(#""at":"2026-11-22T10:00:00.000Z""#) })
    }
}
