import JSONText
import Ledger

private func checkUser(_ given: [String: String]) throws {
    guard let user = given["user"] ?? given["username"] else {
        throw failure(6, "Invalid parameters - Your request is missing the [user] parameter")
    }
    if user.lowercased() != World.user { throw failure(6, "User not found", status: 404) }
}

/// The artist and the title of a call, in its own spelling.
func named(_ given: [String: String], _ index: String = "") throws -> Song {
    guard let artist = given["artist" + index], let track = given["track" + index] else {
        throw failure(6)
    }
    return Song(artist: artist, track: track, album: given["album" + index])
}

/// Rows as Last.fm's JSON has them: one alone is no list.
private func listed(_ rows: [JSON]) -> JSON { rows.count == 1 ? rows[0] : .array(rows) }

/// A page of a list with its `@attr`.
private func page(
    _ given: [String: String], _ total: Int, front: [JSON] = [], row: (Int) -> JSON
) throws -> JSON {
    let limit = min(1000, max(1, Int(given["limit"] ?? "") ?? 50))
    let page = Int(given["page"] ?? "") ?? 1
    guard (1...1_000_000).contains(page) else {
        throw failure(6, "page param out of bounds (1-1000000)")
    }
    let start = min(total, (page - 1) * limit)
    let rows = front + (start..<min(total, start + limit)).map(row)
    let values = [
        "rows": listed(rows), "pages": JSON((total + limit - 1) / limit), "page": JSON(page),
        "limit": JSON(limit), "total": JSON(total),
    ]
    return shape("page", values)
}

extension World {
    /// A song in one of the shapes of `shapes.json`.
    fileprivate func songJSON(
        _ name: String, _ place: Int, _ values: [String: JSON] = [:],
        _ marks: Set<String> = ["plain"]
    ) -> JSON {
        let song = lastfm.songs[place]
        let isLoved = lastfm.loves.contains { $0.song == place }
        let own: [String: JSON] = [
            "artist": .text(song.artist), "track": .text(song.track),
            "album": .text(song.album ?? ""), "milliseconds": JSON(song.durationMS ?? 0),
            "seconds": JSON((song.durationMS ?? 0) / 1000), "listeners": JSON(song.listeners ?? 1),
            "loved": isLoved ? "1" : "0",
        ]
        return shape(name, own.merging(values) { $1 }, marks)
    }

    /// A listen or a love, with its date.
    fileprivate func listenJSON(
        _ name: String, _ listen: Listen, _ marks: Set<String> = ["plain"]
    ) -> JSON {
        let iso = ISOTime.text(Int64(listen.uts) * 1000).split { "-T".contains($0) }
        let month = table("months").elements[(Int(iso[1]) ?? 1) - 1].string ?? ""
        let text = "\(iso[2]) \(month) \(iso[0]), \(iso[3].prefix(5))"
        let date: JSON = ["uts": .text("\(listen.uts)"), "#text": .text(text)]
        return songJSON(name, listen.song, ["date": date], marks)
    }
}

// MARK: The user

func recentTracks(_ world: inout World, _ given: [String: String]) throws -> JSON {
    try checkUser(given)
    if world["private_listening"].bool == true, given["sk"] == nil { throw failure(17) }
    let state = world.lastfm
    // From and to are seconds that belong to the range themselves.
    let start = state.place(at: Int(given["from"] ?? "") ?? 0)
    let end = state.place(at: min(Int(given["to"] ?? "") ?? .max, .max - 1) + 1)
    let marks: Set = [given["extended"] == "1" ? "extended" : "plain"]
    var front: [JSON] = []
    if world["now_playing"].bool == true {
        front = [world.songJSON("recent", state.playing ?? 0, [:], marks.union(["playing"]))]
    }
    let rows = try page(given, max(0, end - start), front: front) {
        world.listenJSON("recent", state.listens[end - 1 - $0], marks)
    }
    return ["recenttracks": rows]
}

func lovedTracks(_ world: inout World, _ given: [String: String]) throws -> JSON {
    try checkUser(given)
    let loves = world.lastfm.loves.sorted { $0.uts > $1.uts }
    return ["lovedtracks": try page(given, loves.count) { world.listenJSON("loved", loves[$0]) }]
}

func topTracks(_ world: inout World, _ given: [String: String]) throws -> JSON {
    try checkUser(given)
    let days = ["7day": 7, "1month": 30, "3month": 90, "6month": 180, "12month": 365]
    let since = days[given["period"] ?? ""].map { Int(world.now / 1000) - $0 * 86_400 } ?? 0
    let counts = world.lastfm.counts(since: since)
    let order = counts.indices.filter { counts[$0] > 0 }.sorted {
        (counts[$1], $0) < (counts[$0], $1)
    }
    let rows = try page(given, order.count) {
        let values = ["rank": JSON($0 + 1), "plays": JSON(counts[order[$0]])]
        return world.songJSON("top", order[$0], values)
    }
    return ["toptracks": rows]
}

func account(_ world: inout World, _ given: [String: String]) throws -> JSON {
    if given["sk"] == nil { try checkUser(given) }
    let songs = world.lastfm.songs
    let (plays, artists) = (world.lastfm.listens.count, Set(songs.map(\.artist)).count)
    return shape(
        "account", ["plays": JSON(plays), "tracks": JSON(songs.count), "artists": JSON(artists)])
}

// MARK: Tracks

func trackInfo(_ world: inout World, _ given: [String: String]) throws -> JSON {
    let mbid = given["track"] == nil ? given["mbid"] : nil
    if mbid == nil { _ = try named(given) }
    let found =
        mbid.map { mbid in world.lastfm.songs.firstIndex { $0.mbid == mbid } }
        ?? world.lastfm.song(given["artist"] ?? "", given["track"] ?? "")
    guard var place = found else {
        throw failure(6, "Track not found", status: 200)
    }
    if given["autocorrect"] == "1" { place = world.lastfm.songs[place].redirect ?? place }
    let song = world.lastfm.songs[place]
    if given["username"] != nil { try checkUser(["user": given["username"] ?? ""]) }
    let plays = world.lastfm.counts()[place]
    let values = ["user_plays": JSON(plays), "plays": JSON(song.plays ?? plays * 9)]
    let marks: Set = [song.album == nil ? "" : "album", given["username"] == nil ? "" : "user"]
    return ["track": world.songJSON("info", place, values, marks)]
}

func correction(_ world: inout World, _ given: [String: String]) throws -> JSON {
    let sent = try named(given)
    guard let place = world.lastfm.song(sent.artist, sent.track) else {
        return ["corrections": ""]
    }
    let right = world.lastfm.songs[place].redirect ?? place
    let song = world.lastfm.songs[right]
    let values: [String: JSON] = [
        "artist_corrected": song.artist == sent.artist ? "0" : "1",
        "track_corrected": song.track == sent.track ? "0" : "1",
    ]
    return world.songJSON("correction", right, values)
}

func trackSearch(_ world: inout World, _ given: [String: String]) throws -> JSON {
    guard let track = given["track"]?.lowercased() else { throw failure(6) }
    let artist = given["artist"]?.lowercased() ?? ""
    let songs = world.lastfm.songs
    let found = songs.indices.filter {
        songs[$0].track.lowercased().contains(track)
            && (artist.isEmpty || songs[$0].artist.lowercased().contains(artist))
    }
    let rows = try page(given, found.count) { world.songJSON("found", found[$0]) }
    return shape("search", ["total": JSON(found.count), "rows": rows["track"]])
}

func love(_ world: inout World, _ given: [String: String]) throws -> JSON {
    let song = world.lastfm.add(try named(given))
    world.lastfm.loves.removeAll { $0.song == song }
    if given["method"] == "track.love" {
        world.lastfm.loves.append(Listen(song: song, uts: Int(world.now / 1000)))
    }
    return [:]
}

func updateNowPlaying(_ world: inout World, _ given: [String: String]) throws -> JSON {
    let song = try named(given)
    world.lastfm.playing = world.lastfm.add(song)
    return ["nowplaying": scrobbled(given.filter { $0.key != "timestamp" }, "", song, 0)]
}

/// A row of the answer to a scrobble: what was sent, and what became of it.
private func scrobbled(
    _ given: [String: String], _ index: String, _ song: Song, _ code: Int
) -> JSON {
    func name(_ key: String, _ now: String?) -> JSON {
        let sent = given[key + index] ?? ""
        let text = now ?? sent
        let isCorrected: JSON = text == sent ? "0" : "1"
        // The text of an empty name is left out.
        let all: [(String, JSON)] = [("corrected", isCorrected), ("#text", .text(text))]
        return .object(Array(all.prefix(text.isEmpty ? 1 : 2)))
    }
    var values = [
        "sent_artist": name("artist", song.artist), "sent_track": name("track", song.track),
        "sent_album": name("album", nil), "sent_album_artist": name("albumArtist", nil),
        "code": JSON(code),
    ]
    values["timestamp"] = given["timestamp" + index].map { .text($0) }
    return shape("scrobble", values)
}

func scrobble(_ world: inout World, _ given: [String: String]) throws -> JSON {
    let indices =
        given["artist"] != nil
        ? [""] : (0..<51).map { "[\($0)]" }.filter { given["artist" + $0] != nil }
    guard (1...50).contains(indices.count) else { throw failure(6) }
    let now = Int(world.now / 1000)
    let (day, cap) = (now / 86_400, world["daily_cap"].integer ?? 0)
    let isOver = world.lastfm.taken[day, default: 0] + indices.count > cap
    if isOver, world["cap_as"].string == "error29" { throw failure(29) }
    var rows: [JSON] = []
    var accepted = 0
    for index in indices {
        var song = try named(given, index)
        guard let uts = given["timestamp" + index].flatMap({ Int($0) }) else { throw failure(6) }
        let reasons = [
            ["", "[unknown]", "unknown artist"].contains(song.artist.lowercased()),
            ["", "[unknown]", "unknown track"].contains(song.track.lowercased()),
            uts < now - 14 * 86_400, uts > now + 900, world.lastfm.taken[day, default: 0] >= cap,
        ]
        let code = (reasons.firstIndex(of: true) ?? -1) + 1
        if code == 0 {
            var place = world.lastfm.add(song)
            place = world.lastfm.songs[place].redirect ?? place
            song = world.lastfm.songs[place]
            let listen = Listen(song: place, uts: uts)
            let at = world.lastfm.place(at: uts + 1)
            // What is there already is dropped in silence and counts as taken.
            if !world.lastfm.listens[world.lastfm.place(at: uts)..<at].contains(listen) {
                world.lastfm.listens.insert(listen, at: at)
                world.lastfm.taken[day, default: 0] += 1
            }
            accepted += 1
        }
        rows.append(scrobbled(given, index, song, code))
    }
    let counts: JSON = ["accepted": JSON(accepted), "ignored": JSON(rows.count - accepted)]
    return ["scrobbles": ["scrobble": listed(rows), "@attr": counts]]
}
