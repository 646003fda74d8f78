import Foundation
import TestSupport
import Testing

@Suite("Playlists in files")
struct PlaylistFileTests {
    private static let list = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"
    private static let names = [
        "Morning", "quotes \" and \\ and ' and #", "שלום עולם", "e\u{301}\u{323}a\u{308}", "🎵👩‍👩‍👧 x",
        "a , b - c : d", " spaces ",
    ]

    /// A playlist with duplicates, null rows and names of every kind.
    private func odd(_ home: TestHome, name: String) throws {
        func text(_ text: String) throws -> String { try canonical(text) }
        let rows = try Self.names.enumerated().map { index, title in
            let id = String(repeating: "0", count: 21) + "\(index)"
            return
                #"{"uri":"spotify:track:\#(id)","title":\#(try text(title)),"artists":[\#(try text(title)),"B"],"album":"C","duration_ms":61999,"added_at":"2026-01-0\#(index + 1)T00:00:00.000Z"}"#
        }
        let more = [
            #"{"uri":null}"#, #"{"uri":"\#(Tracks.d)"}"#, #"{"uri":null}"#, rows[0], rows[0],
            #"{"uri":"spotify:local:Artist:Album:Title:258"}"#,
            #"{"uri":"spotify:episode:2B8geqnq9YIym0ixYn83Pd"}"#,
        ]
        try home.append([
            #"{"type":"playlist.created","stream":"\#(Self.list)","data":{"name":\#(try text(name)),"description":"d","items":[\#((rows + more).joined(separator: ","))]}}"#
        ])
    }

    private func export(_ home: TestHome, _ format: String, _ playlist: String = list) throws
        -> String
    {
        let result = try home.run("narada", ["export", "playlist", playlist, "--format", format])
        try #require(result.status == 0, "\(result.error)")
        return result.text
    }

    @Test(
        "A JSON backup brings the same list to another home, and nothing to its own",
        arguments: names)
    func json(name: String) throws {
        let home = try TestHome()
        try odd(home, name: name)
        let path = try home.file("backup.json", try export(home, "json"))

        #expect(try home.cmd("import", "playlist", path)["first"] is NSNull)
        let other = try TestHome()
        let result = try other.cmd("import", "playlist", path)
        #expect((result["playlists"] as? [[String: Any]])?.first?["change"] as? String == "created")
        #expect(try other.cmd("import", "playlist", path)["first"] is NSNull)

        func view(_ home: TestHome) throws -> String {
            var view = try #require(try home.read("playlist", Self.list) as? [String: Any])
            view["as_of"] = nil
            return try canonical(view)
        }
        #expect(try view(other) == view(home))
        #expect(try home.uris(Self.list).count == Self.names.count + 7)
    }

    @Test(
        "M3U8 brings the same rows to another home; importing again appends nothing",
        arguments: names)
    func m3u8(name: String) throws {
        let home = try TestHome()
        try odd(home, name: name)
        let text = try export(home, "m3u8")
        #expect(text.hasPrefix("#EXTM3U\n#PLAYLIST:\(name)\n"))
        let path = try home.file("list.m3u8", text)

        let other = try TestHome()
        let result = try other.cmd("import", "playlist", path)
        let uri = try #require(
            (result["playlists"] as? [[String: Any]])?.first?["playlist"] as? String)
        #expect(try other.cmd("import", "playlist", path)["first"] is NSNull)

        #expect(try other.uris(uri) == home.uris(Self.list))
        #expect(try other.list("playlists").first?["name"] as? String == name)
        #expect(try export(other, "m3u8", uri) == text)
        #expect(try other.run("narada-project", ["--check"]).status == 0)
    }

    @Test("A list as it was keeps the lengths of tracks that are gone from it")
    func lengthsOfThen() throws {
        let home = try TestHome()
        try home.cmd(
            "import", "playlist", home.file("Mix.m3u8", "#EXTM3U\n#EXTINF:61,A - B\n\(Tracks.a)\n"))
        let then = try export(home, "m3u8", "Mix")
        try home.cmd("playlist", "remove", "Mix", "--at", "1")

        let result = try home.run(
            "narada", ["export", "playlist", "Mix", "--format", "m3u8", "--as-of", "1"])

        #expect(then.contains("#EXTINF:61,A - B\n"))
        #expect(result.text == then)
    }

    @Test("Only differences are appended when a file changed")
    func differences() throws {
        let home = try TestHome()
        func text(_ uris: [String]) -> String {
            "#EXTM3U\n#PLAYLIST:Mix\n" + uris.map { "#EXTINF:61,A - \($0)\n\($0)\n" }.joined()
        }
        try home.cmd(
            "import", "playlist", home.file("a.m3u8", text([Tracks.a, Tracks.b, Tracks.c])))
        let before = try #require(try home.read("playlist", "Mix") as? [String: Any])

        let result = try home.cmd(
            "import", "playlist", home.file("b.m3u8", text([Tracks.c, Tracks.a, Tracks.b])))

        #expect(result["last"] as? Int == 2)
        let step = try #require(try home.list("history", "Mix").last)
        #expect(
            step["moved"] as? Int == 1 && step["added"] as? Int == 0 && step["removed"] as? Int == 0
        )
        let after = try #require(try home.read("playlist", "Mix") as? [String: Any])
        func keys(_ view: [String: Any]) -> [String: String] {
            Dictionary(
                uniqueKeysWithValues: (view["items"] as? [[String: Any]] ?? []).map {
                    ($0["uri"] as? String ?? "", $0["sort_key"] as? String ?? "")
                })
        }
        let same = keys(before).filter { keys(after)[$0.key] == $0.value }
        #expect(Set(same.keys) == [Tracks.a, Tracks.b])
    }

    @Test("M3U8 of other players: paths become names, lengths may be nonsense")
    func foreign() throws {
        let home = try TestHome()
        let path = try home.file(
            "Road trip.m3u8",
            "\u{FEFF}#EXTM3U\r\n#EXTINF:123,Massive Attack - Teardrop\r\nC:\\Music\\td.mp3\r\n\r\n/music/Portishead - Roads.flac\r\n"
                + "#EXTINF:-1,Solo\r\nhttp://example.org/stream\r\n#EXTINF:9223372036854775807,A - B\r\n\(Tracks.a)\r\n#EXTINF\r\n"
        )

        try home.cmd("import", "playlist", path)

        #expect(
            try home.uris("Road trip") == [
                "text:track:Massive%20Attack/Teardrop", "text:track:Portishead/Roads",
                "text:track:/Solo", Tracks.a,
            ])
    }

    @Test("An empty URI is a row that is not available")
    func emptyURI() throws {
        let home = try TestHome()
        let path = try home.file(
            "a.json", #"{"name":"A","items":[{"uri":""},{"uri":"\#(Tracks.a)"},{"title":"x"}]}"#)
        try home.cmd("import", "playlist", path)
        #expect(try home.uris("A") == [nil, Tracks.a, nil])
        #expect(try home.cmd("import", "playlist", path)["first"] is NSNull)
    }

    @Test("A line beyond 64 KB is refused")
    func longLine() throws {
        let home = try TestHome()
        let path = try home.file(
            "x.m3u8",
            "#EXTM3U\n#EXTINF:1,A - \(String(repeating: "x", count: 70_000))\n\(Tracks.a)\n")
        #expect(
            try Refusal(
                try home.run("narada-cmd", ["import", "playlist", path, "--quiet", "--json"])
            ).status == 65)
    }

    @Test("Spotify's Playlist1.json: order, kinds of rows and equal names are kept")
    func spotify() throws {
        let home = try TestHome()
        let path = try home.file(
            "Playlist1.json",
            #"""
            {"playlists":[{"name":"Mix","lastModifiedDate":"2026-01-02","collaborators":[],"items":[
              {"track":{"trackName":"Teardrop","artistName":"Massive Attack","albumName":"Mezzanine","trackUri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"},"episode":null,"audiobook":null,"localTrack":null,"addedDate":"2026-01-01"},
              {"track":null,"episode":{"episodeName":"E","showName":"S","episodeUri":"spotify:episode:3aJ2aJz5xL03hpaqdPS7Ah"},"localTrack":null},
              {"track":null,"episode":null,"localTrack":{"uri":"spotify:local:Artist:Album:Title:258"}},
              {"track":{"trackName":"No URI","artistName":"Somebody","albumName":null,"trackUri":null}},
              {"track":null,"episode":null,"localTrack":null}],
             "description":null,"numberOfFollowers":0},
             {"name":"Mix","items":[]}]}
            """#)

        let result = try home.cmd("import", "playlist", path)

        let lists = try #require(result["playlists"] as? [[String: Any]])
        #expect(lists.map { $0["count"] as? Int } == [5, 0])
        let uri = try #require(lists.first?["playlist"] as? String)
        #expect(
            try home.uris(uri) == [
                Tracks.a, "spotify:episode:3aJ2aJz5xL03hpaqdPS7Ah",
                "spotify:local:Artist:Album:Title:258",
                "text:track:Somebody/No%20URI", nil,
            ])
        let view = try #require(try home.read("playlist", uri) as? [String: Any])
        let items = try #require(view["items"] as? [[String: Any]])
        #expect(
            items[0]["title"] as? String == "Teardrop"
                && items[0]["added_at"] as? String == "2026-01-01T00:00:00.000Z")
        #expect(try home.cmd("import", "playlist", path)["first"] is NSNull)
    }

    @Test("A file that names its playlist is that playlist, whatever else has its name")
    func uriBeforeName() throws {
        let home = try TestHome()
        try home.cmd(
            "import", "playlist",
            home.file("a.json", #"{"name":"Mix","items":[{"uri":"\#(Tracks.c)"}]}"#))
        let other = try #require(try home.list("playlists").first?["playlist"] as? String)
        let made = try #require(
            try home.cmd("playlist", "create", "Mix", Tracks.a)["playlist"] as? String)
        let path = try home.file("b.json", try export(home, "json", made))

        #expect(try home.cmd("import", "playlist", path)["first"] is NSNull)
        #expect(try home.uris(other) == [Tracks.c])
    }
}
