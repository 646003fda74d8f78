import JSONText
import Ledger

let userMethods = [
    method("user.getRecentTracks") { world, given in
        try checkUser(given)
        if world["private_listening"].bool == true, given["sk"] == nil { throw failure(17) }
        let listens = world.lastfm.listens
        // From and to are seconds that belong to the range themselves.
        let start = given["from"].flatMap(Int.init).map { firstPlace(listens, at: $0) } ?? 0
        let end =
            given["to"].flatMap(Int.init).map { firstPlace(listens, at: $0 + 1) } ?? listens.count
        let isExtended = given["extended"] == "1"
        func row(_ place: Int32, _ uts: Int?) -> JSON {
            let song = world.lastfm.songs[place]
            let isLoved = world.lastfm.loves.contains { $0.song == place }
            let artist: JSON =
                isExtended
                ? artistJSON(song, [("image", images)]) : ["mbid": "", "#text": .text(song.artist)]
            return .sparse([
                ("artist", artist), ("streamable", "0"), ("image", images), ("mbid", ""),
                ("album", ["mbid": "", "#text": .text(song.album ?? "")]),
                ("name", .text(song.track)),
                ("url", .text(url(song))), ("loved", isExtended ? isLoved ? "1" : "0" : nil),
                ("date", uts.map(date)), ("@attr", uts == nil ? ["nowplaying": "true"] : nil),
            ])
        }
        let playing = world["now_playing"].bool == true ? world.lastfm.playing ?? 0 : nil
        return [
            "recenttracks": try paged(
                given, total: max(0, end - start), front: playing.map { [row($0, nil)] } ?? []
            ) { row(listens[end - 1 - $0].song, listens[end - 1 - $0].uts) }
        ]
    },
    method("user.getLovedTracks") { world, given in
        try checkUser(given)
        let loves = world.lastfm.loves.sorted { $0.uts > $1.uts }
        return [
            "lovedtracks": try paged(given, total: loves.count) { index in
                let song = world.lastfm.songs[loves[index].song]
                return [
                    "artist": artistJSON(song), "date": date(loves[index].uts), "mbid": "",
                    "url": .text(url(song)), "name": .text(song.track), "image": images,
                    "streamable": ["fulltrack": "0", "#text": "0"],
                ]
            }
        ]
    },
    method("user.getTopTracks") { world, given in
        try checkUser(given)
        let days = ["7day": 7, "1month": 30, "3month": 90, "6month": 180, "12month": 365]
        let since = days[given["period"] ?? ""].map { Int(world.now / 1000) - $0 * 86_400 } ?? 0
        var counts = [Int](repeating: 0, count: world.lastfm.songs.count)
        for listen in world.lastfm.listens[firstPlace(world.lastfm.listens, at: since)...] {
            counts[Int(listen.song)] += 1
        }
        if since == 0 {
            for (place, song) in world.lastfm.songs.all.enumerated() {
                counts[place] = song.userPlays ?? counts[place]
            }
        }
        let order = counts.indices.filter { counts[$0] > 0 }
            .sorted { (counts[$1], $0) < (counts[$0], $1) }
        return [
            "toptracks": try paged(given, total: order.count) { index in
                let song = world.lastfm.songs[Int32(order[index])]
                return [
                    "streamable": ["fulltrack": "0", "#text": "0"], "mbid": "",
                    "name": .text(song.track),
                    "image": images, "artist": artistJSON(song), "url": .text(url(song)),
                    "duration": text((song.durationMS ?? 0) / 1000),
                    "@attr": ["rank": text(index + 1)],
                    "playcount": text(counts[order[index]]),
                ]
            }
        ]
    },
    method("user.getInfo") { world, given in
        if given["sk"] == nil { try checkUser(given) }
        let artists = Set(world.lastfm.songs.all.map(\.artist)).count
        return [
            "user": [
                "name": .text(World.user), "age": "0", "subscriber": "0", "realname": "",
                "bootstrap": "0",
                "playcount": text(world.lastfm.listens.count), "artist_count": text(artists),
                "playlists": "0", "track_count": text(world.lastfm.songs.count), "album_count": "0",
                "image": images, "registered": ["unixtime": "1104537600", "#text": 1_104_537_600],
                "country": "None", "gender": "n", "url": "https://www.last.fm/user/sandbox",
                "type": "user",
            ]
        ]
    },
]

func checkUser(_ given: Parameters) throws {
    guard let user = given["user"] ?? given["username"] else {
        throw failure(6, "Invalid parameters - Your request is missing the [user] parameter")
    }
    guard user.lowercased() == World.user else { throw failure(6, "User not found", status: 404) }
}

/// The place of the first listen that is not before a second.
func firstPlace(_ listens: [Listen], at uts: Int) -> Int {
    var (low, high) = (0, listens.count)
    while low < high {
        let middle = (low + high) / 2
        if listens[middle].uts < uts { low = middle + 1 } else { high = middle }
    }
    return low
}

/// A page of a list with its `@attr`.
func paged(
    _ given: Parameters, total: Int, front: [JSON] = [], key: String = "track", row: (Int) -> JSON
) throws -> JSON {
    let limit = min(1000, max(1, given["limit"].flatMap(Int.init) ?? 50))
    let page = given["page"].flatMap(Int.init) ?? 1
    guard (1...1_000_000).contains(page) else {
        throw failure(6, "page param out of bounds (1-1000000)")
    }
    let start = min(total, (page - 1) * limit)
    return [
        "track": listed(front + (start..<min(total, start + limit)).map(row)),
        "@attr": [
            "user": .text(World.user), "totalPages": text((total + limit - 1) / limit),
            "page": text(page), "perPage": text(limit), "total": text(total),
        ],
    ]
}

/// A list as Last.fm's JSON has it: one element alone is no list.
func listed(_ rows: [JSON]) -> JSON { rows.count == 1 ? rows[0] : .array(rows) }

/// A number as Last.fm's JSON has it.
func text(_ number: Int) -> JSON { .text(String(number)) }

func url(_ song: Song, artistOnly: Bool = false) -> String {
    func part(_ text: String) -> String { encoded(text).replacing("%20", with: "+") }
    return "https://www.last.fm/music/" + part(song.artist)
        + (artistOnly ? "" : "/_/" + part(song.track))
}

func artistJSON(_ song: Song, _ more: [(String, JSON)] = []) -> JSON {
    .object(
        [
            ("url", .text(url(song, artistOnly: true))), ("name", .text(song.artist)), ("mbid", ""),
        ] + more)
}

func date(_ uts: Int) -> JSON {
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let iso = ISOTime.text(Int64(uts) * 1000)
    let month = months[(Int(iso.dropFirst(5).prefix(2)) ?? 1) - 1]
    let day = "\(iso.dropFirst(8).prefix(2)) \(month) \(iso.prefix(4))"
    return ["uts": text(uts), "#text": .text("\(day), \(iso.dropFirst(11).prefix(5))")]
}

/// The grey star, in four sizes.
let images: JSON = .array(
    [("small", "34s"), ("medium", "64s"), ("large", "174s"), ("extralarge", "300x300")].map {
        size, path in
        let star = "2a96cbd8b46e442fc41c2b86b821562f.png"
        return [
            "size": .text(size),
            "#text": .text("https://lastfm.freetls.fastly.net/i/u/\(path)/\(star)"),
        ]
    })
