import JSONText
import Ledger

/// The one user that ListenBrainz knows here.
public enum ListenBrainzAccount {
    /// The user's token.
    public static let token = "5a4db0c5-115e-4b2a-a2a0-5a4db0c5115e"
}

/// What ListenBrainz keeps of the user.
struct ListenBrainzState: Codable, Sendable {
    struct Listen: Codable, Sendable {
        let uts: Int
        let insertedAt: Int
        /// As it is shown.
        let row: JSON
    }
    /// Oldest first.
    private(set) var listens: [Listen] = []
    /// Rows as they are shown, newest first.
    var feedback: [JSON] = []

    /// Takes in listens; what is there already, to the second and the name, is there once.
    mutating func add(_ new: [Listen]) {
        func key(_ listen: Listen) -> String {
            "\(listen.uts) \(listen.row["recording_msid"].string ?? "")"
        }
        var known = Set(listens.map(key))
        listens = (listens + new.filter { known.insert(key($0)).inserted }).sorted {
            $0.uts < $1.uts
        }
    }
}

extension World {
    /// Plays as another program sent them, but for some.
    mutating func submit(_ plays: [(track: Track, uts: Int)]) {
        let sent = plays.enumerated().filter { $0.offset % 5 != 4 }
        let listens = sent.map { index, play in
            let values: [String: JSON] = [
                "artist": .text(play.track.artists[0]), "track": .text(play.track.name),
                "album": .text(play.track.album), "id": .text(play.track.id),
                "duration_ms": JSON(play.track.durationMS), "isrc": JSON(play.track.isrc),
            ]
            let metadata = shape("lb_metadata", values, index % 3 == 0 ? [] : ["rich"])
            return heard(metadata, at: play.uts + index % 7 * 3)
        }
        listenbrainz.add(listens)
    }

    /// A listen as ListenBrainz takes it up.
    func heard(_ metadata: JSON, at uts: Int) -> ListenBrainzState.Listen {
        let names = ["artist_name", "track_name", "release_name"].map { metadata[$0].string ?? "" }
        let recording = musicbrainz.recordings.first {
            $0.title == names[1] && $0.artists[0] == names[0]
        }
        var values: [String: JSON] = [
            "uts": JSON(uts), "inserted_at": JSON(now / 1000), "artist": .text(names[0]),
            "msid": .text(uuid(names.joined(separator: "\u{1}"))),
            // It learns late of what MusicBrainz merges.
            "mbid": JSON(recording.map { $0.formerMBIDs.first ?? $0.mbid }),
            "title": JSON(recording?.title), "artist_mbid": .text(uuid("artist " + names[0])),
        ]
        let info = metadata["additional_info"].members
        let rest = metadata.members.filter { $0.0 != "additional_info" }
        let known = recording == nil ? [] : [("mbid_mapping", shape("lb_mapping", values))]
        let more = [
            ("additional_info", JSON.object(info + [("recording_msid", values["msid"] ?? nil)]))
        ]
        values["metadata"] = .object(rest + more + known)
        return .init(uts: uts, insertedAt: Int(now / 1000), row: shape("lb_listen", values))
    }

    fileprivate func checkToken(_ call: Call) throws {
        let token = try call.token.or(401, "You need to provide an Authorization header.")
        try need(isOwn(token), 401, "Invalid authorization token.")
    }

    fileprivate func isOwn(_ token: String) -> Bool {
        token == ListenBrainzAccount.token && self["consent"].string != "revoked"
    }

    /// The listens that have come through its queue, for those who ask for this user's.
    fileprivate func listens(_ call: Call) throws -> [ListenBrainzState.Listen] {
        try need(call.id.lowercased() == World.user, 404, "Cannot find user: \(call.id)")
        let last = Int(now / 1000) - (self["listen_delay"].integer ?? 0)
        return listenbrainz.listens.filter { $0.insertedAt <= last }
    }
}

extension Call {
    /// The second word of the header that says who calls.
    fileprivate var token: String? {
        headers["authorization"].map { String($0.split(separator: " ").dropFirst().first ?? "") }
    }

    fileprivate func number(_ name: String) -> Int? { query[name].flatMap { Int($0) } }

    /// How many rows are wanted: 25 if not said, 1000 at most.
    fileprivate var count: Int { min(1000, max(0, number("count") ?? 25)) }
}

let listenbrainz = Service(
    name: "listenbrainz", base: "/listenbrainz", waitHeader: "X-RateLimit-Reset-In",
    render: { refusal, _ in
        let usual = table("lb_errors")[String(refusal.status)].string
        let text = JSON.text(refusal.message ?? usual ?? "Internal server error")
        return .json(["code": JSON(refusal.status), "error": text], refusal.status)
    },
    routes: [
        on("GET /1/validate-token") { world, call in
            let token = try call.token.or(400, "You need to provide an Authorization token.")
            return shape("lb_token", [:], [world.isOwn(token) ? "valid" : "invalid"])
        },
        on("POST /1/submit-listens", submit),
        on("GET /1/user/{user}/listens") { world, call in
            let all = try world.listens(call)
            let (before, after) = (call.number("max_ts"), call.number("min_ts"))
            let isRange = after ?? 0 < before ?? .max
            try need(isRange, 400, "max_ts should be greater than min_ts")
            // Both bounds are outside of the range.
            let found = all.filter { $0.uts < before ?? .max && $0.uts > after ?? -1 }
            let isFromEnd = before != nil || after == nil
            let rows = isFromEnd ? found.suffix(call.count) : found.prefix(call.count)
            return shape(
                "lb_page",
                [
                    "count": JSON(rows.count), "oldest": JSON(all.first?.uts ?? 0),
                    "latest": JSON(all.last?.uts ?? 0), "rows": .array(rows.reversed().map(\.row)),
                ])
        },
        on("GET /1/user/{user}/listen-count") { world, call in
            ["payload": ["count": JSON(try world.listens(call).count)]]
        },
        on("POST /1/feedback/recording-feedback") { world, call in
            try world.checkToken(call)
            let ids = ["recording_mbid", "recording_msid"].map { call.body[$0] }
            let score = call.body["score"]
            let isForm = call.body.members.count == 2 && [-1, 0, 1].contains(score.integer)
            try need(isForm, 400, "feedback takes one recording and a score of -1, 0 or 1")
            world.listenbrainz.feedback.removeAll { row in
                ids.map(\.text) == ["recording_mbid", "recording_msid"].map { row[$0].text }
            }
            let values = [
                "mbid": ids[0], "msid": ids[1], "score": score, "uts": JSON(world.now / 1000),
            ]
            if score.integer != 0 {
                world.listenbrainz.feedback.insert(shape("lb_feedback", values), at: 0)
            }
            return ["status": "ok"]
        },
        on("GET /1/feedback/user/{user}/get-feedback") { world, call in
            _ = try world.listens(call)
            let score = call.number("score")
            let all = world.listenbrainz.feedback.filter {
                score == nil || $0["score"].integer == score
            }
            let offset = max(0, call.number("offset") ?? 0)
            let rows = Array(all.dropFirst(offset).prefix(call.count))
            return [
                "feedback": .array(rows), "count": JSON(rows.count), "total_count": JSON(all.count),
                "offset": JSON(offset),
            ]
        },
    ])

/// A route whose answer carries the state of the rate limit.
private func on(
    _ pattern: String, _ body: @escaping @Sendable (inout World, Call) throws -> JSON
) -> Service.Route {
    (
        pattern,
        { world, call in
            var reply = Reply.json(try body(&world, call))
            for (name, value) in table("lb_rate").members { reply.headers[name] = value.string }
            return reply
        }
    )
}

private func submit(_ world: inout World, _ call: Call) throws -> JSON {
    try world.checkToken(call)
    let (type, rows) = (call.body["listen_type"].string ?? "", call.body["payload"].elements)
    let isKnown = ["single", "import", "playing_now"].contains(type)
    try refuse([
        ("json", call.body.isNull), ("type", !isKnown), ("none", rows.isEmpty),
        ("many", rows.count > 1000), ("single", type != "import" && rows.count > 1),
    ])
    func time(_ row: JSON) -> Int? {
        row["listened_at"].integer ?? row["listened_at"].string.flatMap { Int($0) }
    }
    // One that is refused refuses them all.
    for row in rows {
        let (keys, metadata) = (row.members.map(\.0), row["track_metadata"])
        let (hasTime, uts) = (keys.contains("listened_at"), time(row) ?? -1)
        let info = metadata["additional_info"]
        func isEmpty(_ key: String) -> Bool {
            metadata[key].string?.allSatisfy(\.isWhitespace) ?? true
        }
        let mbids = info.members.filter { $0.0.hasSuffix("_mbid") }.compactMap(\.1.string)
        let isPlaying = type == "playing_now"
        try refuse([
            ("size", row.text.utf8.count > 10_240), ("playing", isPlaying && hasTime),
            ("no_time", !isPlaying && !hasTime), ("time", hasTime && uts < 0),
            ("low", hasTime && uts < 1_033_430_400),
            ("high", hasTime && uts > Int(world.now / 1000) + 3600),
            ("keys", !Set(keys).isSubset(of: ["listened_at", "track_metadata"])),
            ("no_artist", metadata["artist_name"].isNull), ("artist", isEmpty("artist_name")),
            ("no_track", metadata["track_name"].isNull), ("track", isEmpty("track_name")),
            ("release", metadata.members.contains { $0.0 == "release_name" && $0.1.string == nil }),
            ("durations", !info["duration"].isNull && !info["duration_ms"].isNull),
            ("tags", info["tags"].elements.contains { $0.text.count > 66 }),
            ("many_tags", info["tags"].elements.count > 50),
            ("mbid", mbids.contains { !$0.isEmpty && !isMBID($0) }),
        ])
    }
    if type != "playing_now" {
        world.listenbrainz.add(rows.map { world.heard($0["track_metadata"], at: time($0) ?? 0) })
    }
    return ["status": "ok"]
}

/// Refuses with the first of these that is so.
private func refuse(_ faults: [(name: String, isSo: Bool)]) throws {
    let fault = faults.first(where: \.isSo)
    try need(fault == nil, 400, table("lb_refusals")[fault?.name ?? ""].string)
}
