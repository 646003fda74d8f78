import JSONText
import Ledger

/// The way for a test to see and change the world; only for programs on this machine.
let control = Service(
    name: "control", base: "/_sandbox",
    render: { refusal, _ in
        .json(["error": JSON(refusal.message ?? "Not found")], status: refusal.status)
    },
    routes: [
        ("GET ", { world, _ in .json(world.summary) }),
        ("GET /settings", { world, _ in .json(world.settingsJSON) }),
        (
            "PUT /settings",
            { world, call in
                try world.set(call.json.members)
                return .json(world.settingsJSON)
            }
        ),
        ("GET /faults", { world, _ in .json(.array(world.faults.map(\.json))) }),
        (
            "PUT /faults",
            { world, call in
                world.faults = try rows(call).map { try Fault($0.string ?? $0.text) }
                return .json(.array(world.faults.map(\.json)))
            }
        ),
        (
            "GET /journal",
            { world, call in
                let from = call.query("from").flatMap(Int.init) ?? 0
                return .json(.array(world.journal.filter { $0["n"].integer ?? 0 >= from }))
            }
        ),
        (
            "DELETE /journal",
            { world, _ in
                world.emptyJournal()
                return Reply()
            }
        ),
        (
            "PUT /world",
            { world, call in
                var size = WorldSize()
                size.seed = UInt64(clamping: call.json["seed"].integer ?? 1)
                for (name, path) in WorldSize.counts {
                    size[keyPath: path] = max(0, call.json[name].integer ?? size[keyPath: path])
                }
                world.invent(size)
                return .json(world.summary)
            }
        ),
    ])

/// The elements of a body that must be an array.
func rows(_ call: Call) throws -> [JSON] {
    guard call.json.isArray else { throw Refusal(400, "The body must be a JSON array.") }
    return call.json.elements
}

extension WorldSize {
    static var counts: [(String, WritableKeyPath<WorldSize, Int>)] {
        [
            ("tracks", \.tracks), ("playlists", \.playlists), ("listens", \.listens),
            ("likes", \.likes),
        ]
    }
}

extension World {
    fileprivate var summary: JSON {
        [
            "user": .text(World.user), "now": .text(ISOTime.text(now)), "settings": settingsJSON,
            "faults": .array(faults.map(\.json)), "requests": JSON(journal.last?["n"].integer ?? 0),
            "tracks": JSON(catalogue.tracks.count), "listens": JSON(lastfm.listens.count),
            "loves": JSON(lastfm.loves.count), "likes": JSON(spotify.likes.count),
            "playlists": .array(
                spotify.playlists.map {
                    [
                        "id": .text($0.id), "name": .text($0.newest.name), "owner": .text($0.owner),
                        "items": JSON($0.newest.order.count), "listed": .bool($0.isFollowed),
                    ]
                }),
        ]
    }
}
