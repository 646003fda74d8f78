import Foundation
import Testing

@Suite("Spotify's side of the sandbox")
struct SpotifyTests {
    @Test("A code is good once, for its redirect, its verifier and ten minutes")
    func logIn() async throws {
        let client = try await Client()
        func refusal(_ answer: Answer) -> String? {
            answer.status == 400 ? answer.json["error_description"].string : nil
        }
        let location = try await client.authorize().headers["location"] ?? ""
        #expect(location.contains("state=a%20b%26c"))
        for uri in [
            "http://localhost:9/callback", "http://127.0.0.1.evil.example/", "http://example.org/",
        ] {
            #expect(try await client.authorize(["redirect_uri": uri]).status == 400, "\(uri)")
        }
        let code = try await client.code()
        #expect(try await client.tokens(code).status == 200)
        #expect(refusal(try await client.tokens(code)) == "Invalid authorization code")
        let wrong = try await client.tokens(try await client.code(), ["code_verifier": "x"])
        #expect(refusal(wrong) == "code_verifier was incorrect")
        let elsewhere = try await client.tokens(
            try await client.code(), ["redirect_uri": "http://127.0.0.1:8/callback"])
        #expect(refusal(elsewhere) == "Invalid redirect URI")
        try await client.set(["now": "2026-01-01T00:00:00Z"])
        let late = try await client.code()
        try await client.set(["now": "2026-01-01T00:10:00Z"])
        #expect(refusal(try await client.tokens(late)) == "Authorization code expired")
        try await client.set(["login": "deny"])
        #expect(
            try await client.authorize().headers["location"]?.contains("error=access_denied")
                == true)
        try await client.stop()
    }

    @Test("A refresh token lives half a year from the consent, and rotates if it is set so")
    func refresh() async throws {
        let client = try await Client()
        try await client.set(["now": "2026-01-01T00:00:00Z"])
        let first =
            try await client.tokens(try await client.code()).json["refresh_token"].string ?? ""
        func refresh(_ token: String) async throws -> Answer {
            try await client.tokens("", ["grant_type": "refresh_token", "refresh_token": token])
        }
        let plain = try await refresh(first)
        #expect(plain.status == 200 && !plain.json.keys.contains("refresh_token"))
        try await client.set(["rotate_refresh": true])
        let second = try await refresh(first).json["refresh_token"].string ?? ""
        #expect(try await refresh(first).json["error"].string == "invalid_grant")
        try await client.set(["now": "2026-07-02T00:00:00Z"])
        let third = try await refresh(second).json["refresh_token"].string ?? ""
        try await client.set(["now": "2026-07-04T00:00:00Z"])
        let late = try await refresh(third)
        #expect(late.json["error_description"].string == "Refresh token expired")
        try await client.stop()
    }

    @Test("Tokens end and scopes are asked for")
    func tokens() async throws {
        let client = try await Client()
        try await client.set(["expire_tokens": true])
        let expired = try await client.spotify("GET", "/me")
        #expect(expired.status == 401)
        #expect(expired.json["error"]["message"].string == "The access token expired")
        let url = (client.bases["spotify_api"].string ?? "") + "/me/tracks"
        #expect(
            try await client.send("GET", url).json["error"]["message"].string == "No token provided"
        )
        let narrow =
            try await client.authorize(["scope": "user-top-read"]).headers["location"] ?? ""
        let code =
            URLComponents(string: narrow)?.queryItems?.first { $0.name == "code" }?.value ?? ""
        let token = try await client.tokens(code).json["access_token"].string ?? ""
        let refused = try await client.send(
            "GET", url, headers: ["Authorization": "Bearer " + token])
        #expect(
            refused.status == 403
                && refused.headers["www-authenticate"]?.contains("insufficient_scope") == true)
        try await client.stop()
    }

    @Test(
        "Each mode has its own keys and its own calls",
        arguments: [
            (mode: "dev2026", row: ["item"], list: ["items"], old: 403, new: 200, other: 403),
            (
                mode: "full2026", row: ["item", "track"], list: ["items", "tracks"], old: 200,
                new: 200, other: 200
            ),
            (mode: "legacy", row: ["track"], list: ["tracks"], old: 200, new: 404, other: 200),
        ])
    func modes(mode: String, row: [String], list: [String], old: Int, new: Int, other: Int)
        async throws
    {
        let client = try await Client(mode: mode)
        let lists = try await client.spotify("GET", "/me/playlists").json["items"]
        #expect(lists[0].keys.intersection(["items", "tracks"]) == Set(list))
        let id = lists[1]["id"].string ?? ""
        let whole = try await client.spotify("GET", "/playlists/\(id)").json
        #expect(whole.keys.intersection(["items", "tracks"]) == Set(list))
        #expect(whole[list[0]]["items"][0].keys.intersection(["item", "track"]) == Set(row))
        let friend = lists.rows.first { $0["owner"]["id"].string == "friend" } ?? Tree(nil)
        let theirs = try await client.spotify("GET", "/playlists/\(friend["id"].string ?? "")").json
        #expect(theirs.keys.contains(list[0]) == (mode != "dev2026"))

        #expect(try await client.spotify("GET", "/playlists/\(id)/items").status == new)
        #expect(try await client.spotify("GET", "/playlists/\(id)/tracks").status == old)
        let path = mode == "legacy" ? "tracks" : "items"
        #expect(
            try await client.spotify("GET", "/playlists/\(friend["id"].string ?? "")/\(path)")
                .status == other)
        #expect(try await client.spotify("GET", "/tracks?ids=x").status == old)
        #expect(try await client.spotify("GET", "/me/library/contains?uris=x").status == new)
        let liked = try await client.spotify("GET", "/me/tracks").json["items"][0]["track"]
        #expect(liked.keys.contains("popularity") == (mode != "dev2026"))
        #expect(liked["external_ids"]["isrc"].string?.count == 12)
        try await client.stop()
    }

    @Test("Limits are refused with the service's words")
    func limits() async throws {
        let client = try await Client()
        let lists = try await client.spotify("GET", "/me/playlists").json["items"]
        let id = lists[0]["id"].string ?? ""
        for path in [
            "/playlists/\(id)/items?limit=51", "/me/tracks?limit=0",
            "/search?q=a&type=track&limit=11",
        ] {
            let answer = try await client.spotify("GET", path)
            #expect(
                answer.status == 400 && answer.json["error"]["message"].string == "Invalid limit",
                "\(path)")
        }
        let many = (0...40).map(uri).joined(separator: ",")
        #expect(try await client.spotify("PUT", "/me/library?uris=\(many)").status == 400)
        let bare = try await client.spotify("PUT", "/me/library", ["uris": [uri(1)]])
        #expect(bare.json["error"]["message"].string == "Missing required field: uris")
        #expect(
            try await client.spotify("GET", "/tracks/short").json["error"]["message"].string
                == "Invalid base62 id")
        #expect(try await client.spotify("GET", "/nothing/here").status == 404)
        try await client.stop()
    }

    @Test("Pages join up to the whole, and fields leave only what was named")
    func pages() async throws {
        let client = try await Client()
        let id =
            try await client.spotify("GET", "/me/playlists").json["items"][1]["id"].string ?? ""
        var next: String? =
            "\(client.bases["spotify_api"].string ?? "")/playlists/\(id)/items?limit=7&additional_types=track,episode"
        var got: [String?] = []
        while let url = next {
            let page = try await client.send(
                "GET", url, headers: ["Authorization": "Bearer " + client.token]
            ).json
            got += page["items"].rows.map { $0["item"]["uri"].string }
            next = page["next"].string
        }
        #expect(got == (try await client.uris(id)))
        #expect(got.contains(nil) && got.contains { $0?.hasPrefix("spotify:local:") == true })

        let fields = "name,owner.id,items(total,items(added_at,item(!album)))"
        let part = try await client.spotify("GET", "/playlists/\(id)?fields=\(fields)").json
        #expect(part.keys == ["name", "owner", "items"] && part["owner"].keys == ["id"])
        #expect(part["items"].keys == ["total", "items"])
        let item = part["items"]["items"][0]["item"]
        #expect(item.keys.contains("name") && !item.keys.contains("album"))
        try await client.stop()
    }

    @Test("Old calls save with past dates, and no number is too large to be refused")
    func oldLibraryCalls() async throws {
        let client = try await Client(mode: "full2026")
        let old = ["id": String(uri(1).dropFirst(14)), "added_at": "2001-02-03T04:05:06Z"]
        #expect(
            try await client.spotify("PUT", "/me/tracks", ["timestamped_ids": [old]]).status == 200)
        #expect(
            try await client.spotify("PUT", "/me/tracks", ["ids": [String(uri(2).dropFirst(14))]])
                .status == 200)
        let rows = try await client.spotify("GET", "/me/tracks").json["items"].rows
        #expect(rows.first?["track"]["uri"].string == uri(2))
        #expect(rows.last?["added_at"].string == "2001-02-03T04:05:06Z")

        let huge = String(Int.max)
        for path in [
            "/search?q=a&type=track&offset=\(huge)&limit=\(huge)", "/me/tracks?offset=\(huge)",
        ] {
            #expect(try await client.spotify("GET", path).status == 400)
        }
        let recent = try await client.lastfm(
            "GET", "user.getRecentTracks", ["user": "sandbox", "from": "-1", "to": huge])
        #expect(recent.json["recenttracks"]["@attr"]["total"].string == "500")
        try await client.stop()
    }

    @Test("Likes are newest first, and recently played goes back with its cursor")
    func libraryAndPlays() async throws {
        let client = try await Client()
        _ = try await client.spotify("PUT", "/me/library?uris=\(uri(1)),\(uri(2))")
        let liked = try await client.spotify("GET", "/me/tracks").json
        #expect(liked["total"].int == 14)
        let contains = try await client.spotify(
            "GET", "/me/library/contains?uris=\(uri(2)),\(uri(3))"
        ).data
        #expect(String(decoding: contains, as: UTF8.self) == "[true,false]")
        _ = try await client.spotify("DELETE", "/me/library?uris=\(uri(1)),\(uri(2))")
        #expect(try await client.spotify("GET", "/me/tracks").json["total"].int == 12)

        let page = try await client.spotify("GET", "/me/player/recently-played?limit=30").json
        let times = page["items"].rows.compactMap { $0["played_at"].string }
        #expect(times.count == 30 && times == times.sorted(by: >))
        let before = page["cursors"]["before"].string ?? ""
        let rest = try await client.spotify(
            "GET", "/me/player/recently-played?limit=50&before=\(before)"
        ).json
        #expect(rest["items"].rows.count == 20 && rest["next"].isNull)
        try await client.stop()
    }
}
