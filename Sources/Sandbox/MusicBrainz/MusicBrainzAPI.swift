import JSONText
import Ledger

let musicbrainz = Service(
    name: "musicbrainz", base: "/musicbrainz/ws/2",
    render: { refusal, _ in
        let usual = table("mb_errors")[String(refusal.status)].string
        let text = JSON.text(refusal.message ?? usual ?? "Internal server error")
        // Too many requests are a 503 here.
        let status = refusal.status == 429 ? 503 : refusal.status
        return .json(shape("mb_error", ["text": text], status == 503 ? [] : ["help"]), status)
    },
    routes: [
        on("GET /isrc/{isrc}") { world, call in
            let isForm = call.id.wholeMatch(of: /[A-Z]{2}[A-Z0-9]{3}[0-9]{7}/) != nil
            try need(isForm, 400, "Invalid isrc.")
            let marks = try marks(call)
            let found = world.musicbrainz.recordings.filter { $0.isrcs.contains(call.id) }
            try need(!found.isEmpty, 404)
            return [
                "isrc": .text(call.id), "recordings": .array(found.map { json($0, marks) }),
            ]
        },
        on("GET /recording/{mbid}") { world, call in
            try need(isMBID(call.id), 400, "Invalid mbid.")
            // A merged one is answered with what it was merged into, under that one's MBID.
            let place = try world.musicbrainz.places[call.id.lowercased()].or(404)
            return json(world.musicbrainz.recordings[place], try marks(call))
        },
        on("GET /recording", search),
    ])

/// A route for those who say who they are.
private func on(
    _ pattern: String, _ body: @escaping @Sendable (inout World, Call) throws -> JSON
) -> Service.Route {
    (
        pattern,
        { world, call in
            let agent = call.headers["user-agent"] ?? ""
            let generic = table("generic_agents").elements.compactMap(\.string)
            let isNamed = agent.contains("/") && !generic.contains(where: agent.hasPrefix)
            try need(isNamed, 403)
            let accepted = call.query["fmt"] ?? call.headers["accept"] ?? ""
            try need(accepted.hasSuffix("json"), 406, "This sandbox knows fmt=json alone.")
            return .json(try body(&world, call))
        }
    )
}

func isMBID(_ text: String) -> Bool {
    text.wholeMatch(of: /[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/) != nil
}

/// What is shown beside the recording itself.
private func marks(_ call: Call) throws -> Set<String> {
    let wanted = (call.query["inc"] ?? "").split { " +".contains($0) }.map(String.init)
    let known = table("mb_incs").elements.compactMap(\.string)
    let unknown = wanted.first { !known.contains($0) }
    let text = "\(unknown ?? "") is not a valid inc parameter for the recording resource."
    try need(unknown == nil, 400, text)
    return Set(wanted + ["lookup"])
}

private func search(_ world: inout World, _ call: Call) throws -> JSON {
    let query = try Query(call.query["query"] ?? "")
    let scores = world.musicbrainz.recordings.map { $0.isIndexed ? query.score($0) : 0 }
    let found = scores.indices.filter { scores[$0] > 0 }.sorted {
        (scores[$1], $0) < (scores[$0], $1)
    }
    // A limit that is out of range is no limit.
    let limit = Int(call.query["limit"] ?? "").flatMap { 1...100 ~= $0 ? $0 : nil } ?? 25
    let offset = max(0, Int(call.query["offset"] ?? "") ?? 0)
    let rows = found.dropFirst(offset).prefix(limit).map { place in
        let score = JSON(scores[place] * 100 / scores[found[0]])
        let marks: Set = ["search", "artist-credits", "isrcs", "releases"]
        return json(world.musicbrainz.recordings[place], marks, score)
    }
    return [
        "created": .text(ISOTime.text(world.now)), "count": JSON(found.count),
        "offset": JSON(offset), "recordings": .array(rows),
    ]
}

/// A recording as a look-up shows it, or a search, which leaves out what is empty.
private func json(_ recording: Recording, _ marks: Set<String>, _ score: JSON? = nil) -> JSON {
    func made(_ name: String, _ values: [String: JSON]) -> JSON {
        let isSearch = marks.contains("search")
        let there = values.filter { !isSearch || !["null", "\"\"", "[]"].contains($0.value.text) }
        return shape(name, there, marks)
    }
    let names = recording.artists
    let credit = names.indices.map { place in
        made(
            "mb_credit",
            [
                "name": .text(names[place]), "id": .text(uuid("artist " + names[place])),
                "join": .text(place == names.count - 1 ? "" : recording.join),
            ])
    }
    var values: [String: JSON] = [
        "id": .text(recording.mbid), "title": .text(recording.title),
        "length": JSON(recording.lengthMS), "isrcs": .array(recording.isrcs.map { .text($0) }),
        "disambiguation": .text(recording.disambiguation), "credit": .array(credit),
        "date": JSON(recording.releases.map(\.released).min()), "score": score ?? nil,
    ]
    let releases = recording.releases.prefix(25).map { track -> JSON in
        let name = track.artists[0] + " " + track.album
        var own: [String: JSON] = [
            "album": .text(track.album), "number": JSON(track.number),
            "offset": JSON(track.number - 1), "released": .text(track.released),
        ]
        for kind in ["release", "group", "medium", "track"] {
            own[kind] = .text(uuid("\(kind) \(name) \(kind == "track" ? track.id : "")"))
        }
        return made("mb_release", values.merging(own) { $1 })
    }
    values["releases"] = .array(releases)
    return made("mb_recording", values)
}
