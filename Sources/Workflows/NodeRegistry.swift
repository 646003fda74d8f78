public import JSONText
import Music

/// The one table of node kinds; validation, `narada-cmd nodes`, the JSON Schema and the docs come from it.
public enum NodeRegistry {
    /// Every kind, in the order of the categories.
    public static let kinds: [NodeKind] = [
        NodeKind(
            type: "source.playlist", meaning: "The rows of a playlist, as it is or as it was.",
            inputs: 0...0,
            fields: [
                .init("playlist*", .text, "its name, its URI, or the URI or URL of its link"),
                .init("as_of", .text, "RFC 3339, a date, a seq, or so long ago (3d, 2w, 6mo)"),
            ]
        ) { node in
            node.source = try node.world.playlist(
                node.text("playlist") ?? "", asOf: node.text("as_of"))
        },
        NodeKind(
            type: "enrich.lastfm_counts",
            meaning: "Fetches what Last.fm counts for the rows, which pass through.",
            fields: [.init("max_age", .age, default: "7d", "counts younger than this will do")]
        ) { node in
            try await node.world.fetchLastfmCounts(
                for: node.list.rows, maxAge: node.text("max_age") ?? "")
        },
        NodeKind(
            type: "filter.by_metric",
            meaning: "Keeps rows whose value lies between two limits, both included.",
            fields: [
                .init("metric*", .metric, "what is measured"),
                .init("min", .limit, "the least value; a date means its beginning"),
                .init("max", .limit, "the greatest value; a date means its end"),
                .init(
                    "include_missing", .flag, default: false,
                    "whether rows without a value stay; missing is never zero"),
            ]
        ) { node in
            let metric = node.metric("metric") ?? .plays
            node.selection = node.list.filtered(
                by: metric, try node.measure(metric),
                min: metric.limit(node.config["min"], isMost: false),
                max: metric.limit(node.config["max"], isMost: true),
                includeMissing: node.flag("include_missing"))
        },
        NodeKind(
            type: "filter.deduplicate",
            meaning:
                "Keeps one row of those that are the same, at its own place; rows that are not available are never the same.",
            fields: [
                .init(
                    "by", .word(TrackList.Sameness.allCases.map(\.rawValue)), default: "identity",
                    "what makes rows the same; title_artist: title and first-named artist"),
                .init(
                    "keep", .word(rankings.map(\.key)), default: "first",
                    "which one stays; of equals the first"),
            ]
        ) { node in
            let by = node.text("by").flatMap { TrackList.Sameness(rawValue: $0) } ?? .identity
            let keep = rankings.first { [name = node.text("keep")] in $0.key == name }
            let ranking = try keep?.value.map { try node.measure($0) }
            node.selection = node.list.deduplicated(
                by: by, identities: by == .identity ? try node.measure(.identity) : [],
                ranking: ranking.map { (keep?.key.replacing("_", with: " ") ?? "", $0) },
                descending: keep?.value != .addedAt)
        },
        NodeKind(
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
            ]
        ) { node in
            node.selection = node.list.sorted(
                by: try node.measure(node.metric("metric") ?? .plays),
                descending: node.flag("descending"), missingFirst: node.text("missing") == "first",
                thenBy: try node.metric("then_by").map { try node.measure($0) })
        },
        NodeKind(
            type: "select.first", meaning: "Keeps the first rows.",
            fields: [.init("count*", .integer(from: 0), "how many")]
        ) { node in
            guard case .integer(let count)? = node.config["count"] else { return }
            node.selection = node.list.first(Int(count))
        },
        NodeKind(
            type: "write.create_playlist",
            meaning: "Makes a playlist of the rows; those that are not available are left out.",
            fields: [
                .init("name*", .template, "its name"),
                .init("description", .template, "what it is for"),
                .init(
                    "link", .word(["none", "spotify"]), default: "none",
                    "the service that gets it too, at once"),
            ], dropsUnavailable: true
        ) { node in
            let uri = try node.world.createPlaylist(
                name: node.text("name") ?? "", description: node.text("description"),
                rows: node.out.rows)
            node.playlist = uri
            if let service = node.text("link"), service != "none" {
                try await node.world.push(uri, to: service)
            }
        },
        NodeKind(
            type: "write.push",
            meaning:
                "Makes a service's playlist what a playlist here is; with a playlist named, its rows are set to the list first. Every row stays, also one that is not available.",
            fields: [
                .init("playlist^", .text, "which one; else the one that the node before wrote"),
                .init("to", .word(["spotify"]), default: "spotify", "the service"),
            ]
        ) { node in
            if let named = node.text("playlist") {
                node.playlist = try node.world.setRows(of: named, to: node.list.rows)
            }
            try await node.world.push(node.playlist ?? "", to: node.text("to") ?? "")
        },
    ]

    /// What `filter.deduplicate` may keep; all but what was added last is greatest first.
    private static let rankings: KeyValuePairs<String, Metric?> = [
        "first": nil, "most_played": .plays, "oldest_added": .addedAt, "longest": .durationMS,
    ]

    static func kind(_ type: String) -> NodeKind? { kinds.first { $0.type == type } }

    /// The JSON Schema (2020-12) of a workflow's document.
    public static var schema: JSON {
        let members = ConfigKind.object(Workflow.fields).schema.members
        return .object(
            [("$schema", "https://json-schema.org/draft/2020-12/schema")] + members)
    }
}
