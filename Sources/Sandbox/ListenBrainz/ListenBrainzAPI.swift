import JSONText

/// The one user that ListenBrainz knows here.
public enum ListenBrainzAccount {
    /// The user's token.
    public static let token = "5a4db0c5-115e-4b2a-a2a0-5a4db0c5115e"
}

/// What ListenBrainz keeps of the user.
struct ListenBrainzState: Codable, Sendable {
    /// As they are shown, oldest first.
    private(set) var listens: [JSON] = []
    /// As it is shown, newest first.
    var feedback: [JSON] = []

    /// Takes in listens; what is there already, to the second and the name, is there once.
    mutating func add(_ new: [JSON]) {
        func key(_ row: JSON) -> String { row["listened_at"].text + row["recording_msid"].text }
        var known = Set(listens.map(key))
        listens += new.filter { known.insert(key($0)).inserted }
        listens.sort { $0.uts < $1.uts }
    }
}

extension JSON {
    fileprivate var uts: Int { self["listened_at"].integer ?? 0 }
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

    /// A listen as ListenBrainz shows it, with the recording that it takes it for.
    func heard(_ metadata: JSON, at uts: Int) -> JSON {
        let names = ["artist_name", "track_name", "release_name"].map { metadata[$0].string ?? "" }
        let recording = musicbrainz.recordings.first {
            $0.title == names[1] && $0.artists[0] == names[0]
        }
        var values: [String: JSON] = [
            "uts": JSON(uts), "inserted_at": JSON(now / 1000), "artist": .text(names[0]),
            "msid": .text(uuid(names.joined(separator: "\u{1}"))), "title": .text(names[1]),
            // It learns late of what MusicBrainz merges.
            "mbid": JSON(recording.map { $0.formerMBIDs.first ?? $0.mbid }),
        ]
        let info = metadata["additional_info"].members + [("recording_msid", values["msid"] ?? nil)]
        let rest = metadata.members.filter { $0.0 != "additional_info" }
        let known = recording == nil ? [] : [("mbid_mapping", shape("lb_mapping", values))]
        values["metadata"] = .object(rest + [("additional_info", .object(info))] + known)
        return shape("lb_listen", values)
    }

    fileprivate func isOwn(_ token: String?) -> Bool {
        token == ListenBrainzAccount.token && self["consent"].string != "revoked"
    }

    fileprivate func checkToken(_ call: Call) throws {
        try need(call.token != nil, 401, "You need to provide an Authorization header.")
        try need(isOwn(call.token), 401, "Invalid authorization token.")
    }

    /// The listens that have come through its queue, for those who ask for this user's.
    fileprivate func listens(_ call: Call) throws -> [JSON] {
        try need(call.id.lowercased() == World.user, 404, "Cannot find user: \(call.id)")
        let last = Int(now / 1000) - (self["listen_delay"].integer ?? 0)
        return listenbrainz.listens.filter { $0["inserted_at"].integer ?? 0 <= last }
    }
}

extension Call {
    /// The second word of the header that says who calls.
    fileprivate var token: String? {
        headers["authorization"].map { String($0.split(separator: " ").dropFirst().first ?? "") }
    }

    /// How many rows are wanted: 25 if not said, 1000 at most.
    fileprivate var count: Int { min(1000, max(0, number("count") ?? 25)) }
}

let listenbrainz = Service(
    name: "listenbrainz", base: "/listenbrainz", waitHeader: "X-RateLimit-Reset-In",
    headers: table("lb_rate"),
    render: { refusal, _ in
        let usual = table("lb_errors")[String(refusal.status)].string
        let text = JSON.text(refusal.message ?? usual ?? "Internal server error")
        return .json(["code": JSON(refusal.status), "error": text], refusal.status)
    },
    routes: [
        on("GET /1/validate-token") { world, call in
            try need(call.token != nil, 400, "You need to provide an Authorization token.")
            return shape("lb_token", [:], [world.isOwn(call.token) ? "valid" : "invalid"])
        },
        on("POST /1/submit-listens", submit),
        on("GET /1/user/{user}/listens") { world, call in
            let all = try world.listens(call)
            let (before, after) = (call.number("max_ts") ?? .max, call.number("min_ts") ?? -1)
            try need(after < before, 400, "max_ts should be greater than min_ts")
            // Both bounds are outside of the range.
            let found = all.filter { $0.uts < before && $0.uts > after }
            let isUpwards = before == .max && after >= 0
            let rows = isUpwards ? found.prefix(call.count) : found.suffix(call.count)
            let values = [
                "count": JSON(rows.count), "oldest": JSON(all.first?.uts ?? 0),
                "latest": JSON(all.last?.uts ?? 0), "rows": .array(rows.reversed()),
            ]
            return shape("lb_page", values)
        },
        on("GET /1/user/{user}/listen-count") { world, call in
            ["payload": ["count": JSON(try world.listens(call).count)]] as JSON
        },
        on("POST /1/feedback/recording-feedback") { world, call in
            try world.checkToken(call)
            let (mbid, msid) = (call.body["recording_mbid"], call.body["recording_msid"])
            let (score, uts) = (call.body["score"], JSON(world.now / 1000))
            try need([-1, 0, 1].contains(score.integer), 400, "score must be -1, 0 or 1")
            try need(mbid.isNull != msid.isNull, 400, "one recording must be given")
            let row = shape(
                "lb_feedback", ["mbid": mbid, "msid": msid, "score": score, "uts": uts])
            world.listenbrainz.feedback.removeAll {
                $0["recording_mbid"].text == mbid.text && $0["recording_msid"].text == msid.text
            }
            world.listenbrainz.feedback.insert(contentsOf: score.integer == 0 ? [] : [row], at: 0)
            return ["status": "ok"] as JSON
        },
        on("GET /1/feedback/user/{user}/get-feedback") { world, call in
            _ = try world.listens(call)
            let (score, offset) = (call.number("score"), max(0, call.number("offset") ?? 0))
            var all = world.listenbrainz.feedback
            if let score { all.removeAll { $0["score"].integer != score } }
            let rows = Array(all.dropFirst(offset).prefix(call.count))
            return [
                "feedback": .array(rows), "count": JSON(rows.count),
                "total_count": JSON(all.count), "offset": JSON(offset),
            ] as JSON
        },
    ])

private func submit(_ world: inout World, _ call: Call) throws -> JSON {
    try world.checkToken(call)
    let (type, rows) = (call.body["listen_type"].string ?? "", call.body["payload"].elements)
    let isKnown = ["single", "import", "playing_now"].contains(type)
    try refuse([
        ("json", call.body.isNull), ("type", !isKnown), ("none", rows.isEmpty),
        ("many", rows.count > 1000), ("single", type != "import" && rows.count > 1),
    ])
    var heard: [JSON] = []
    // One that is refused refuses them all.
    for row in rows {
        let (keys, metadata) = (row.members.map(\.0), row["track_metadata"])
        let isTimed = keys.contains("listened_at")
        let uts = row["listened_at"].integer ?? row["listened_at"].string.flatMap { Int($0) } ?? -1
        let info = metadata["additional_info"]
        let mbids = info.members.filter { $0.0.hasSuffix("_mbid") }.compactMap(\.1.string)
        func isBlank(_ key: String) -> Bool {
            metadata[key].string?.allSatisfy(\.isWhitespace) ?? true
        }
        try refuse([
            ("size", row.text.utf8.count > 10_240), ("playing", isTimed && type == "playing_now"),
            ("no_time", !isTimed && type != "playing_now"), ("time", isTimed && uts < 0),
            ("low", isTimed && uts < 1_033_430_400),
            ("high", uts > Int(world.now / 1000) + 3600),
            ("keys", !Set(keys).isSubset(of: ["listened_at", "track_metadata"])),
            ("no_artist", metadata["artist_name"].isNull), ("artist", isBlank("artist_name")),
            ("no_track", metadata["track_name"].isNull), ("track", isBlank("track_name")),
            ("release", metadata.members.contains { $0.0 == "release_name" && $0.1.string == nil }),
            ("durations", !info["duration"].isNull && !info["duration_ms"].isNull),
            ("tags", info["tags"].elements.contains { $0.text.count > 66 }),
            ("many_tags", info["tags"].elements.count > 50),
            ("mbid", mbids.contains { !$0.isEmpty && !isMBID($0) }),
        ])
        if isTimed { heard.append(world.heard(metadata, at: uts)) }
    }
    world.listenbrainz.add(heard)
    return ["status": "ok"]
}

/// Refuses with the first of these that is so.
private func refuse(_ faults: [(name: String, isSo: Bool)]) throws {
    let fault = faults.first(where: \.isSo)
    try need(fault == nil, 400, table("lb_refusals")[fault?.name ?? ""].string)
}
