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
            let marks = try marks(call)
            let isISRC = call.id.wholeMatch(of: /[A-Z]{2}[A-Z0-9]{3}[0-9]{7}/) != nil
            try need(isISRC, 400, "Invalid isrc.")
            let found = world.musicbrainz.recordings.filter { $0.isrcs.contains(call.id) }
            try need(!found.isEmpty, 404)
            let rows = JSON.array(found.map { json($0, marks) })
            return ["isrc": .text(call.id), "recordings": rows] as JSON
        },
        on("GET /recording/{mbid}") { world, call in
            let marks = try marks(call)
            try need(isMBID(call.id), 400, "Invalid mbid.")
            // A merged one is answered with what it was merged into, under that one's MBID.
            let place = try world.musicbrainz.places[call.id.lowercased()].or(404)
            return json(world.musicbrainz.recordings[place], marks)
        },
        on("GET /recording", search),
    ])

func isMBID(_ text: String) -> Bool {
    text.wholeMatch(of: /[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/) != nil
}

/// Refuses those who do not say who they are; gives what is shown beside the recording itself.
private func marks(_ call: Call) throws -> Set<String> {
    func texts(_ name: String) -> [String] { table(name).elements.compactMap(\.string) }
    let agent = call.headers["user-agent"] ?? ""
    try need(agent.contains("/") && !texts("generic_agents").contains(where: agent.hasPrefix), 403)
    let format = call.query["fmt"] ?? call.headers["accept"] ?? ""
    try need(format.hasSuffix("json"), 406, "This sandbox knows fmt=json alone.")
    let wanted = (call.query["inc"] ?? "").split { " +".contains($0) }.map(String.init)
    for name in wanted where !texts("mb_incs").contains(name) {
        throw Refusal(400, "\(name) is not a valid inc parameter for the recording resource.")
    }
    return Set(wanted + ["lookup"])
}

private func search(_ world: inout World, _ call: Call) throws -> JSON {
    _ = try marks(call)
    let (query, recordings) = (try Query(call.query["query"] ?? ""), world.musicbrainz.recordings)
    let scores = recordings.map { $0.isIndexed ? query.score($0) : 0 }
    let found = scores.indices.filter { scores[$0] > 0 }.sorted {
        (scores[$1], $0) < (scores[$0], $1)
    }
    // A limit that is out of range is no limit.
    let limit = call.number("limit").flatMap { 1...100 ~= $0 ? $0 : nil } ?? 25
    let offset = max(0, call.number("offset") ?? 0)
    let rows = found.dropFirst(offset).prefix(limit).map {
        json(
            recordings[$0], ["search", "artist-credits", "isrcs", "releases"],
            scores[$0] * 100 / scores[found[0]])
    }
    return [
        "created": .text(ISOTime.text(world.now)), "count": JSON(found.count),
        "offset": JSON(offset), "recordings": .array(rows),
    ]
}

/// A recording as a look-up shows it, or a search, which leaves out what is empty.
private func json(_ recording: Recording, _ marks: Set<String>, _ score: Int? = nil) -> JSON {
    func made(_ name: String, _ values: [String: JSON]) -> JSON {
        let empty = score == nil ? [] : ["null", "\"\"", "[]"]
        return shape(name, values.filter { !empty.contains($0.value.text) }, marks)
    }
    let names = recording.artists
    let credit = names.indices.map { place in
        let join = place == names.count - 1 ? "" : recording.join
        return made("mb_credit", ["name": .text(names[place]), "join": .text(join)])
    }
    var values: [String: JSON] = [
        "id": .text(recording.mbid), "title": .text(recording.title), "score": JSON(score),
        "length": JSON(recording.lengthMS), "isrcs": .array(recording.isrcs.map { .text($0) }),
        "disambiguation": .text(recording.disambiguation), "credit": .array(credit),
        "artist": .text(names[0]), "date": JSON(recording.releases.map(\.released).min()),
    ]
    let releases = recording.releases.prefix(25).map { track in
        values["number"] = JSON(track.number)
        values["offset"] = JSON(track.number - 1)
        (values["album"], values["released"]) = (.text(track.album), .text(track.released))
        return made("mb_release", values)
    }
    values["releases"] = .array(releases)
    return made("mb_recording", values)
}
