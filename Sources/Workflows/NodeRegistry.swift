public import JSONText
import Music

/// The one table of node kinds; validation, `narada-cmd nodes`, the JSON Schema and the docs come from it.
public enum NodeRegistry {
    /// Every kind, in the order of the categories.
    public static let kinds: [NodeKind] = [
        .init(
            type: "source.playlist", meaning: "The rows of a playlist, as it is or as it was.",
            inputs: 0...0,
            fields: [
                .init("playlist*", .text, "its name, its URI, or the URI or URL of its link"),
                .init("as_of", .text, "RFC 3339, a date, a seq, or so long ago (3d, 2w, 6mo)"),
            ],
            body: .source { input, world in
                try world.playlist(
                    input.config.text("playlist") ?? "", asOf: input.config.text("as_of"))
            }),
        .init(
            type: "enrich.lastfm_counts",
            meaning: "Fetches what Last.fm counts for the rows, which pass through.",
            fields: [
                .init("max_age", .age, default: "7d", "counts younger than this will do")
            ],
            body: .enrich { input, world in
                try await world.fetchLastfmCounts(
                    for: input.list.rows, maxAge: input.config.text("max_age") ?? "")
            }),
        .init(
            type: "filter.by_metric",
            meaning: "Keeps rows whose value lies between two limits, both included.",
            fields: [
                .init("metric*", .metric, "what is measured"),
                .init("min", .limit, "the least value; a date means its beginning"),
                .init("max", .limit, "the greatest value; a date means its end"),
                .init(
                    "include_missing", .flag, default: false,
                    "whether rows without a value stay; missing is never zero"),
            ],
            body: .transform { input in
                let metric = input.config.metric("metric") ?? .plays
                return input.list.filtered(
                    by: metric, try input.measure(metric),
                    min: input.config.limit("min", of: metric),
                    max: input.config.limit("max", of: metric),
                    includeMissing: input.config.flag("include_missing"))
            }),
        .init(
            type: "filter.deduplicate",
            meaning:
                "Keeps one row of those that are the same, at its own place; rows that are not available are never the same.",
            fields: [
                .init(
                    "by", .word(TrackList.Sameness.allCases.map(\.rawValue)), default: "identity",
                    "what makes rows the same; title_artist: title and first-named artist"),
                .init(
                    "keep", .word(["first", "most_played", "oldest_added", "longest"]),
                    default: "first", "which one stays; of equals the first"),
            ],
            body: .transform { input in
                let keep: (name: String, metric: Metric)? =
                    switch input.config.text("keep") {
                    case "most_played": ("most played", .plays)
                    case "oldest_added": ("oldest added", .addedAt)
                    case "longest": ("longest", .durationMS)
                    default: nil
                    }
                let by = TrackList.Sameness(rawValue: input.config.text("by") ?? "") ?? .identity
                return input.list.deduplicated(
                    by: by, identities: by == .identity ? try input.measure(.identity) : [],
                    ranking: try keep.map { ($0.name, try input.measure($0.metric)) },
                    descending: keep?.metric != .addedAt)
            }),
        .init(
            type: "sort.by_metric", meaning: "Sorts the rows; those that tie keep their order.",
            fields: [
                .init("metric*", .metric, "what is measured"),
                .init(
                    "descending", .flag, default: false,
                    "greatest first; otherwise least first, for every metric"),
                .init(
                    "missing", .word(["first", "last"]), default: "last",
                    "where rows without a value go, in either direction"),
                .init("then_by", .metric, "what orders rows that tie, always ascending"),
            ],
            body: .transform { input in
                input.list.sorted(
                    by: try input.measure(input.config.metric("metric") ?? .plays),
                    descending: input.config.flag("descending"),
                    missingFirst: input.config.text("missing") == "first",
                    thenBy: try input.config.metric("then_by").map { try input.measure($0) })
            }),
        .init(
            type: "select.first", meaning: "Keeps the first rows.",
            fields: [.init("count*", .integer(from: 0), "how many")],
            body: .transform { $0.list.first($0.config.integer("count")) }),
        .init(
            type: "write.create_playlist",
            meaning: "Makes a playlist of the rows; those that are not available are left out.",
            fields: [
                .init("name*", .template, "its name"),
                .init("description", .template, "what it is for"),
                .init(
                    "link", .word(["none", "spotify"]), default: "none",
                    "the service that gets it too, at once"),
            ],
            body: .write(keepsUnavailable: false) { input, world in
                let uri = try world.createPlaylist(
                    name: input.config.text("name") ?? "",
                    description: input.config.text("description"), rows: input.list.rows)
                if let service = input.config.text("link"), service != "none" {
                    try await world.push(uri, to: service)
                }
                return uri
            }),
        .init(
            type: "write.push",
            meaning:
                "Makes a service's playlist what a playlist here is; with a playlist named, its rows are set to the list first. Every row stays, also one that is not available.",
            fields: [
                .init("playlist^", .text, "which one; else the one that the node before wrote"),
                .init("to", .word(["spotify"]), default: "spotify", "the service"),
            ],
            body: .write(keepsUnavailable: true) { input, world in
                let named = input.config.text("playlist")
                let set = try named.map { try world.setRows(of: $0, to: input.list.rows) }
                let uri = set ?? input.playlist ?? ""
                try await world.push(uri, to: input.config.text("to") ?? "")
                return uri
            }),
    ]

    static func kind(_ type: String) -> NodeKind? { kinds.first { $0.type == type } }

    /// The JSON Schema (2020-12) of a workflow's document.
    public static var schema: JSON {
        let text: JSON = ["type": "string"]
        let parameter = object([("meaning", text), ("default", text)], required: ["meaning"])
        let tasks: JSON = [
            "type": "array", "minItems": 1, "maxItems": 1000,
            "items": ["anyOf": .array(kinds.map(schema))],
        ]
        guard
            case .object(let members) = object(
                [
                    ("id", text), ("name", text), ("description", text),
                    ("parameters", ["type": "object", "additionalProperties": parameter]),
                    ("tasks", tasks),
                ], required: ["id", "name", "tasks"])
        else { return [:] }
        return .object([("$schema", "https://json-schema.org/draft/2020-12/schema")] + members)
    }

    private static func schema(_ kind: NodeKind) -> JSON {
        let config = object(
            kind.fields.map { ($0.name, $0.kind.schema) },
            required: kind.fields.filter(\.isRequired).map(\.name))
        let upstream: JSON = [
            "type": "array", "items": ["type": "string"],
            "minItems": JSON(kind.inputs.lowerBound), "maxItems": JSON(kind.inputs.upperBound),
        ]
        return object(
            [
                ("id", ["type": "string"]), ("type", ["const": .text(kind.type)]),
                ("config", config), ("upstream", upstream),
            ],
            required: ["id", "type"] + (kind.fields.contains(where: \.isRequired) ? ["config"] : [])
                + (kind.inputs.lowerBound > 0 ? ["upstream"] : []))
    }

    private static func object(_ properties: [(String, JSON)], required: [String]) -> JSON {
        [
            "type": "object", "properties": .object(properties),
            "required": .array(required.map { .text($0) }), "additionalProperties": false,
        ]
    }
}
