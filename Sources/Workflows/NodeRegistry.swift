public import JSONText
import Music

/// The one table of node kinds; validation, `narada-cmd nodes`, the JSON Schema and the docs come from it.
public enum NodeRegistry {
    public static let kinds = [
        NodeKind(
            "source.playlist", "The rows of a playlist, as it is or as it was.", inputs: 0...0,
            [
                ConfigField("playlist*", .text, "its name, its URI, or the URI or URL of its link"),
                ConfigField(
                    "as_of", .text, "RFC 3339, a date, a seq, or so long ago (3d, 2w, 6mo)"),
            ],
            .source { input, world in
                try world.playlist(
                    input.config.text("playlist") ?? "", asOf: input.config.text("as_of"))
            }),
        NodeKind(
            "enrich.lastfm_counts", "Fetches what Last.fm counts for the rows, which pass through.",
            [ConfigField("max_age", .age, default: "7d", "counts younger than this will do")],
            .enrich { input, world in
                try await world.fetchLastfmCounts(
                    for: input.list.rows, maxAge: input.config.text("max_age") ?? "")
            }),
        NodeKind(
            "filter.by_metric", "Keeps rows whose value lies between two limits, both included.",
            [
                ConfigField("metric*", .metric, "what is measured"),
                ConfigField("min", .limit, "the least value; a date means its beginning"),
                ConfigField("max", .limit, "the greatest value; a date means its end"),
                ConfigField(
                    "include_missing", .flag, default: false,
                    "whether rows without a value stay; missing is never zero"),
            ],
            .transform { input in
                let metric = input.config.metric("metric") ?? .plays
                return input.list.filtered(
                    by: metric, try input.measure(metric),
                    min: input.config.limit("min", of: metric),
                    max: input.config.limit("max", of: metric),
                    includeMissing: input.config.flag("include_missing"))
            }),
        NodeKind(
            "filter.deduplicate",
            "Keeps one row of those that are the same, at its own place; rows that are not available are never the same.",
            [
                ConfigField(
                    "by", .word(TrackList.Sameness.allCases.map(\.rawValue)), default: "identity",
                    "what makes rows the same; title_artist: title and first-named artist"),
                ConfigField(
                    "keep", .word(["first", "most_played", "oldest_added", "longest"]),
                    default: "first", "which one stays; of equals the first"),
            ],
            .transform { input in
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
        NodeKind(
            "sort.by_metric", "Sorts the rows; those that tie keep their order.",
            [
                ConfigField("metric*", .metric, "what is measured"),
                ConfigField(
                    "descending", .flag, default: false,
                    "greatest first; otherwise least first, for every metric"),
                ConfigField(
                    "missing", .word(["first", "last"]), default: "last",
                    "where rows without a value go, in either direction"),
                ConfigField("then_by", .metric, "what orders rows that tie, always ascending"),
            ],
            .transform { input in
                input.list.sorted(
                    by: try input.measure(input.config.metric("metric") ?? .plays),
                    descending: input.config.flag("descending"),
                    missingFirst: input.config.text("missing") == "first",
                    thenBy: try input.config.metric("then_by").map { try input.measure($0) })
            }),
        NodeKind(
            "select.first", "Keeps the first rows.",
            [ConfigField("count*", .integer(from: 0), "how many")],
            .transform { $0.list.first($0.config.integer("count")) }),
        NodeKind(
            "write.create_playlist",
            "Makes a playlist of the rows; those that are not available are left out.",
            [
                ConfigField("name*", .template, "its name"),
                ConfigField("description", .template, "what it is for"),
                ConfigField(
                    "link", .word(["none", "spotify"]), default: "none",
                    "the service that gets it too, at once"),
            ],
            .write(keepsUnavailable: false) { input, world in
                let uri = try world.createPlaylist(
                    name: input.config.text("name") ?? "",
                    description: input.config.text("description"), rows: input.list.rows)
                if let service = input.config.text("link"), service != "none" {
                    try await world.push(uri, to: service)
                }
                return uri
            }),
        NodeKind(
            "write.push",
            "Makes a service's playlist what a playlist here is; with a playlist named, its rows are set to the list first. Every row stays, also one that is not available.",
            [
                ConfigField(
                    "playlist^", .text, "which one; else the one that the node before wrote"),
                ConfigField("to", .word(["spotify"]), default: "spotify", "the service"),
            ],
            .write(keepsUnavailable: true) { input, world in
                let named = input.config.text("playlist")
                let set = try named.map { try world.setRows(of: $0, to: input.list.rows) }
                let uri = set ?? input.playlist ?? ""
                try await world.push(uri, to: input.config.text("to") ?? "")
                return uri
            }),
    ]

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
