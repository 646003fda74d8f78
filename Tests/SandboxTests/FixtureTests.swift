import Foundation
import Sandbox
import Testing

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../../shared/fixtures").standardizedFileURL.path

/// The names of all members, at any depth, as `items.item.name`.
private func names(_ tree: Tree, _ path: String = "") -> Set<String> {
    var found = Set(tree.rows.flatMap { names($0, path) })
    for key in tree.keys {
        found.insert(path + key)
        found.formUnion(names(tree[key], path + key + "."))
    }
    return found
}

@Suite(
    "The sandbox's JSON has the members of recorded answers",
    .enabled(if: FileManager.default.fileExists(atPath: fixtures)))
struct SandboxFixtureTests {
    /// Compares all members but those that the sandbox knows nothing of.
    private func compare(_ answer: Answer, _ file: String, without: [String] = []) throws {
        let data = try #require(FileManager.default.contents(atPath: fixtures + "/" + file))
        let text = String(decoding: data, as: UTF8.self).replacing("\u{FEFF}", with: "")
        let recorded = names(Tree(parsing: Data(text.utf8)))
        #expect(!recorded.isEmpty || file.contains("love_ok"), "\(file)")
        func known(_ all: Set<String>) -> [String] {
            all.filter { name in !without.contains { name.contains($0) } }.sorted()
        }
        #expect(known(names(answer.json)) == known(recorded), "\(file)")
    }

    @Test func spotify() async throws {
        let client = try await Client()
        let ids = try await client.spotify("GET", "/me/playlists").json["items"].rows.map {
            "/playlists/\($0["id"].string ?? "")"
        }
        let all = "/items?limit=50&additional_types=track,episode"
        let token = try await client.tokens(try await client.code())
        try compare(token, "spotify/token_response.json")
        for (path, file, without) in [
            ("/me/playlists", "devmode_my_playlists", []),
            (ids[0] + "/items", "devmode_playlist_items_40_tracks", []),
            (ids[1] + all, "devmode_mixed_playlist_items", ["resume_point"]),
            (ids[1], "devmode_playlist_with_local_file", []),
            (ids[3], "devmode_playlist_not_owned_metadata_only", []),
            ("/me/tracks", "devmode_liked_tracks_page", ["is_playable"]),
        ] {
            try compare(
                try await client.spotify("GET", path), "spotify/\(file).json", without: without)
        }
        try await client.set(["mode": "full2026"])
        try compare(try await client.spotify("GET", ids[0]), "spotify/playlist_both_shapes.json")
        try compare(
            try await client.spotify("GET", ids[0] + "/items"),
            "spotify/playlist_items_both_keys.json")
        let found = try await client.spotify("GET", "/search?q=e&type=track")
        try compare(found, "spotify/search_track_3_hits.json")
        try await client.set(["mode": "legacy"])
        try compare(try await client.spotify("GET", ids[0]), "spotify/playlist_legacy.json")
        try compare(
            try await client.spotify("GET", ids[1] + "/tracks?additional_types=episode"),
            "spotify/playlist_items_episodes_and_tracks_legacy.json", without: ["resume_point"])
        try await client.stop()
    }

    @Test func lastfm() async throws {
        let client = try await Client()
        try await client.logInToLastfm()
        let user = ["user": "sandbox"]
        for (method, file, fields, without) in [
            ("user.getRecentTracks", "user.getRecentTracks_20", user, []),
            (
                "user.getRecentTracks", "user.getRecentTracks_extended_single_object",
                ["extended": "1", "limit": "1"].merging(user) { $1 }, ["recenttracks.@attr"]
            ),
            ("user.getLovedTracks", "user.getLovedTracks_page1", user, []),
            ("user.getTopTracks", "user.getTopTracks", user, []),
            ("user.getInfo", "user.getInfo", user, []),
            ("track.getInfo", "error_6_track_not_found", ["artist": "-", "track": "-"], []),
        ] as [(String, String, [String: String], [String])] {
            let answer = try await client.lastfm("GET", method, fields)
            try compare(answer, "lastfm/\(file).json", without: without)
        }
        let play = [
            "artist": "A", "track": "B", "album": "C", "albumArtist": "A", "timestamp": "1",
        ]
        for (method, file) in [
            ("auth.getToken", "auth.getToken"), ("track.love", "track.love_ok"),
            ("track.scrobble", "track.scrobble_one"),
            ("track.updateNowPlaying", "track.updateNowPlaying"),
        ] {
            try compare(try await client.lastfm("POST", method, play), "lastfm/\(file).json")
        }
        let known = try await client.lastfm("GET", "user.getRecentTracks", user).json[
            "recenttracks"]["track"][0]
        let song = [
            "artist": known["artist"]["#text"].string ?? "", "track": known["name"].string ?? "",
        ]
        let info = try await client.lastfm(
            "GET", "track.getInfo", song.merging(["username": "sandbox"]) { $1 })
        try compare(info, "lastfm/track.getInfo_user_no_mbid.json", without: ["mbid"])
        try compare(
            try await client.lastfm("GET", "track.getCorrection", song),
            "lastfm/track.getCorrection.json")
        try await client.stop()
    }

    @Test func brainz() async throws {
        let client = try await Client()
        let row: [String: Any] = [
            "id": "162630d9-36d2-4a8d-ade1-1c77440b34e7", "title": "T", "artists": ["A", "B"],
            "isrcs": ["GBAAA9900303"], "length": 289946,
        ]
        try await client.control("PUT", "/musicbrainz/recordings", [row])
        let id = row["id"] as? String ?? ""
        for (path, file, without) in [
            ("/isrc/GBAAA9900303?fmt=json", "isrc_lookup_basic", []),
            (
                "/recording/\(id)?fmt=json&inc=artist-credits",
                "mbserver_lookup_recording_two_artists", []
            ),
            ("/recording/\(id)?fmt=json&inc=releases", "mbserver_lookup_recording_releases", []),
            ("/recording/\(id)?fmt=json&inc=releases+media", "mbserver_lookup_recording_media", []),
            (
                "/recording?fmt=json&query=isrc:GBAAA9900303", "search_recording_solr_writer",
                [
                    "aliases", "artist-credit-id", "secondary-type", "joinphrase",
                    "artist-credit.name",
                    "releases.artist-credit", "releases.count", "release-group.t",
                ]
            ),
        ] as [(String, String, [String])] {
            let answer = try await client.send(
                "GET", (client.bases["musicbrainz"].string ?? "") + path,
                headers: ["User-Agent": "Tests/1 ( x@example.org )"])
            try compare(answer, "musicbrainz/\(file).json", without: without)
        }
        let base = client.bases["listenbrainz"].string ?? ""
        let token = ["Authorization": "Token \(ListenBrainzAccount.token)"]
        func send(_ method: String, _ path: String, _ body: Any? = nil) async throws -> Answer {
            try await client.send(method, base + path, body: body, headers: token)
        }
        try compare(
            try await send("GET", "/1/validate-token"), "listenbrainz/validate_token_ok.json")
        let feedback = ["recording_mbid": id, "score": 1] as [String: Any]
        try compare(
            try await send("POST", "/1/feedback/recording-feedback", feedback),
            "listenbrainz/submit_ok.json")
        try compare(
            try await send("GET", "/1/feedback/user/sandbox/get-feedback"),
            "listenbrainz/feedback_page.json", without: ["track_metadata."])
        try compare(
            try await send("GET", "/1/user/sandbox/listens?count=3"),
            "listenbrainz/listens_page_three.json",
            without: [
                "additional_info", "release_mbid", "oldest_listen_ts", "recording_name",
                "artist_names",
            ])
        // What the service takes and what it refuses, as it was sent.
        for (file, status) in [
            ("submit_valid_single", 200), ("submit_valid_import", 200),
            ("submit_valid_playing_now", 200), ("submit_additional_info", 200),
            ("submit_same_batch_duplicates", 200),
            ("submit_invalid_listen_null_listened_at", 400),
            ("submit_invalid_recording_mbid", 400), ("submit_multi_duration", 400),
            ("submit_single_more_than_one_listen", 400), ("submit_timestamp_in_ns", 400),
            ("submit_too_long_tag", 400),
        ] {
            let data = try #require(
                FileManager.default.contents(atPath: "\(fixtures)/listenbrainz/\(file).json"))
            let body = try JSONSerialization.jsonObject(with: data)
            let answer = try await send("POST", "/1/submit-listens", body)
            #expect(answer.status == status, "\(file): \(answer.json)")
        }
        try await client.stop()
    }
}
