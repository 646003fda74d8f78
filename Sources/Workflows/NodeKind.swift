public import JSONText
public import Ledger
public import Music

/// What sources, enrichers and writers need of the world; all else in a workflow is pure.
public protocol WorkflowWorld: AnyObject {
    /// The seq that the read models stand at.
    var readSeq: Seq { get throws }
    /// Brings the read models up to date and gives the seq that they stand at.
    func refresh() throws -> Seq
    /// Reads a playlist, now or at a moment in the past, and gives the seq that it is read at.
    func playlist(_ reference: String, asOf: String?) throws -> (
        name: String, seq: Seq, rows: [TrackRow]
    )
    /// Fetches what Last.fm counts for rows; counts younger than `maxAge` (such as `7d`) will do.
    func fetchLastfmCounts(for rows: [TrackRow], maxAge: String) async throws
    /// Measures rows, on the read models as they stand.
    func values(of metric: Metric, for rows: [TrackRow]) throws -> [MetricValue?]
    /// Makes a playlist and gives its URI.
    func createPlaylist(name: String, description: String?, rows: [TrackRow]) throws -> String
    /// Makes rows the whole list of a playlist that is here, and gives its URI.
    ///
    /// It must refuse if somebody else changed the playlist since the run began: their rows would go lost.
    func setRows(of playlist: String, to rows: [TrackRow]) throws -> String
    /// Makes a service's playlist what the local one is.
    func push(_ playlist: String, to service: String) async throws
    func append(_ events: [NewEvent]) throws
    /// An error in words that may stand in the log.
    func words(for error: any Error) -> String
}

/// A kind of node: one row of the registry.
public struct NodeKind: Sendable {
    /// Category and name, such as `sort.by_metric`.
    public let type: String
    /// What it does, in a sentence.
    public let meaning: String
    /// How many lists come in.
    public var inputs = 1...1
    /// Its configuration.
    public let fields: [ConfigField]
    /// Whether rows that are not available stay behind.
    var dropsUnavailable = false
    /// Does it; only what a source, an enricher or a writer does touches the world.
    let apply: @Sendable (inout NodeWork) async throws -> Void

    /// What stands before the dot.
    public var category: String { String(type.prefix { $0 != "." }) }
    /// Whether a node behind it may leave out which playlist it means.
    var writesPlaylist: Bool { category == "write" }

    /// The kind as programs read it.
    public var json: JSON {
        [
            "type": .text(type), "category": .text(category), "meaning": .text(meaning),
            "inputs": ["min": JSON(inputs.lowerBound), "max": JSON(inputs.upperBound)],
            "config": .array(fields.map(\.json)),
        ]
    }

    /// A task of this kind.
    var task: ConfigKind {
        let config = fields.contains(where: \.isRequired) ? "config*" : "config"
        let upstream = inputs.lowerBound > 0 ? "upstream*" : "upstream"
        return .object([
            ConfigField("id*", .text), ConfigField("type*", .constant(type)),
            ConfigField(config, .object(fields), default: [:]),
            ConfigField(upstream, .list(.text, inputs), default: []),
        ])
    }
}

/// What a node works on, and what it makes of it.
struct NodeWork {
    let world: any WorkflowWorld
    /// The rows that come in.
    let list: TrackList
    /// Its configuration, checked and filled in.
    let config: JSON
    /// The rows that go out; of a source those that it read.
    var selection: Selection
    var source: (name: String, seq: Seq, rows: [TrackRow])?
    /// The playlist that the node before wrote, or the node itself, with just these rows.
    var playlist: String?
    /// What was measured, to be written down.
    var measured: [(metric: Metric, values: [MetricValue?])] = []

    /// The list that goes out.
    var out: TrackList { source.map { TrackList($0.rows) } ?? list.applying(selection) }

    mutating func measure(_ metric: Metric) throws -> [MetricValue?] {
        if let known = measured.first(where: { $0.metric == metric }) { return known.values }
        let values = try metric.own(list.rows) ?? world.values(of: metric, for: list.rows)
        measured.append((metric, values))
        return values
    }

    func text(_ name: String) -> String? { config[name]?.string }
    func metric(_ name: String) -> Metric? { text(name).flatMap { Metric(rawValue: $0) } }
    func flag(_ name: String) -> Bool {
        if case .bool(true)? = config[name] { true } else { false }
    }
}

/// A field of an object: of a node's configuration, or of the document.
public struct ConfigField: Sendable {
    /// Its key.
    public let name: String
    /// What it may hold.
    public let kind: ConfigKind
    /// Whether it must be given.
    public let isRequired: Bool
    /// Whether it is required unless the node before wrote a playlist.
    let isFromUpstream: Bool
    /// What holds where it is left out.
    public let value: JSON?
    /// What it is for.
    public let meaning: String

    var json: JSON {
        [
            "name": .text(name), "kind": .text(kind.description), "required": .bool(isRequired),
            "default": value ?? .null, "meaning": .text(meaning),
        ]
    }

    /// Describes a field; one that is required ends in `*`, or in `^` if the node before may answer for it.
    init(_ name: String, _ kind: ConfigKind, default value: JSON? = nil, _ meaning: String = "") {
        isRequired = name.hasSuffix("*")
        isFromUpstream = name.hasSuffix("^")
        self.name = String(name.prefix { $0 != "*" && $0 != "^" })
        self.kind = kind
        self.value = value
        self.meaning = meaning
    }
}

extension Metric {
    /// A limit as a document gives it: a number, a text, a date, or a time, which may be a date too.
    func limit(_ value: JSON?, isMost: Bool) -> MetricValue? {
        if case .integer(let number)? = value {
            return about.kind == .number ? .integer(number) : nil
        }
        guard let text = value?.string else { return nil }
        switch about.kind {
        case .number: return Int64(text).map { .integer($0) }
        case .text: return .text(text)
        case .date: return text.allSatisfy { $0.isWholeNumber || $0 == "-" } ? .text(text) : nil
        case .time:
            // A date means its beginning as the least time, its end as the last.
            let day = ISOTime.parseDate(text).map { $0 + (isMost ? 86_399_999 : 0) }
            return (day ?? ISOTime.parse(text)).map { .integer($0) }
        }
    }
}

/// What a field may hold.
public indirect enum ConfigKind: Sendable {
    case text
    /// A text with the words of the run.
    case template
    case flag, metric, limit
    /// A span of time such as `7d`.
    case age
    case integer(from: Int64)
    case word([String])
    /// One word, which stands for itself.
    case constant(String)
    case list(ConfigKind, ClosedRange<Int>)
    case object([ConfigField])
    /// An object with keys of the document's own.
    case map(ConfigKind)
    case any
    /// A task of any kind; it is looked at apart.
    case task

    /// What it takes, in words.
    public var description: String {
        switch self {
        case .text: "a text"
        case .template: "a text; may hold {\(runWords.joined(separator: "} {"))}"
        case .flag: "true or false"
        case .limit: "a limit that fits the metric: a number, a text, a date or a time"
        case .age: "a span of time such as 12h, 7d, 2w, 6mo or 1y"
        case .integer(let least): "a whole number from \(least) on"
        case .metric: "a metric"
        case .word, .constant: choices.joined(separator: " or ")
        case .list: "a list"
        case .object, .map, .any, .task: "an object"
        }
    }

    /// What it takes, as JSON Schema, where a text with a parameter may stand for much.
    var schema: JSON {
        let own: JSON
        switch self {
        case .text, .template: return ["type": "string"]
        case .flag: own = ["type": "boolean"]
        case .limit: own = ["type": ["integer", "string"]]
        case .age: own = ["type": "string", "pattern": "^[0-9]{1,5}(h|d|w|mo|y)$"]
        case .integer(let least): own = ["type": "integer", "minimum": .integer(least)]
        case .metric, .word: own = ["enum": .array(choices.map { .text($0) })]
        case .constant(let word): return ["const": .text(word)]
        case .list(let kind, let counts):
            return [
                "type": "array", "items": kind.schema, "minItems": JSON(counts.lowerBound),
                "maxItems": JSON(counts.upperBound),
            ]
        case .object(let fields):
            return [
                "type": "object", "properties": .object(fields.map { ($0.name, $0.kind.schema) }),
                "required": .array(fields.filter(\.isRequired).map { .text($0.name) }),
                "additionalProperties": false,
            ]
        case .map(let kind): return ["type": "object", "additionalProperties": kind.schema]
        case .any: return [:]
        case .task: return ["anyOf": .array(NodeRegistry.kinds.map(\.task.schema))]
        }
        return ["anyOf": [own, ["type": "string", "pattern": "\\{"]]]
    }

    /// The words of which it takes one.
    var choices: [String] {
        switch self {
        case .metric: Metric.allCases.map(\.rawValue)
        case .word(let words): words
        case .constant(let word): [word]
        default: []
        }
    }

    var isTemplate: Bool { if case .template = self { true } else { false } }

    /// Fills `{name}` in a value that is a text; nil for a `{` that nothing closes.
    func filled(_ value: JSON, _ lookup: (String) -> String?) -> JSON? {
        guard let text = value.string else { return value }
        guard let filled = fill(text, lookup) else { return nil }
        switch self {
        case _ where filled == text: return value
        case .integer: return Int64(filled).map { .integer($0) } ?? .text(filled)
        case .flag: return Bool(filled).map { .bool($0) } ?? .text(filled)
        default: return .text(filled)
        }
    }

    /// Whether it takes a value.
    ///
    /// - Parameter metric: The metric that the same node is given.
    func takes(_ value: JSON, metric: Metric?) -> Bool {
        switch (self, value) {
        case (.text, .text), (.template, .text), (.flag, .bool), (.any, _): true
        case (.integer(let least), .integer(let number)): (least..<1 << 53).contains(number)
        case (.limit, _): metric == nil || metric?.limit(value, isMost: false) != nil
        case (.age, .text(let text)): text.wholeMatch(of: /[0-9]{1,5}(h|d|w|mo|y)/) != nil
        case (_, .text(let text)): choices.contains(text)
        default: false
        }
    }
}

/// What every run fills into templates.
let runWords = ["date", "time", "count", "workflow", "source"]

/// Fills `{name}` in a text, nil if a `{` stays open; `{{` and `}}` stand for braces, and so does a `}` by itself.
private func fill(_ text: String, _ lookup: (String) -> String?) -> String? {
    var isOpen = false
    let filled = text.replacing(/\{\{|\}\}|\{([^}]*)\}|[{}]/) { match in
        if let name = match.1 { return lookup(String(name)) ?? "" }
        isOpen = isOpen || match.0 == "{"
        return String(match.0.prefix(1))
    }
    return isOpen ? nil : filled
}
