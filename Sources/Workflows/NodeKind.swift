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
    /// What it does; all but transforms may touch the world.
    enum Body: Sendable {
        case source(
            @Sendable (NodeInput, any WorkflowWorld) async throws -> (
                name: String, seq: Seq, rows: [TrackRow]
            ))
        /// Its rows go out as they came in.
        case enrich(@Sendable (NodeInput, any WorkflowWorld) async throws -> Void)
        case transform(@Sendable (NodeInput) throws -> Selection)
        /// Gives the URI of the playlist that was written.
        case write(
            keepsUnavailable: Bool, @Sendable (NodeInput, any WorkflowWorld) async throws -> String)
    }

    /// Category and name, such as `sort.by_metric`.
    public let type: String
    /// What it does, in a sentence.
    public let meaning: String
    /// How many lists come in.
    public var inputs = 1...1
    /// Its configuration.
    public var fields: [ConfigField] = []
    let body: Body

    /// What stands before the dot.
    public var category: String { String(type.prefix { $0 != "." }) }
    /// Whether a node behind it may leave out which playlist it means.
    var writesPlaylist: Bool { category == "write" }

    /// The kind as programs read it.
    public var json: JSON {
        let config = fields.map { field -> JSON in
            [
                "name": .text(field.name), "kind": .text(field.kind.description),
                "required": .bool(field.isRequired), "default": field.value ?? .null,
                "meaning": .text(field.meaning),
            ]
        }
        return [
            "type": .text(type), "category": .text(category), "meaning": .text(meaning),
            "inputs": ["min": JSON(inputs.lowerBound), "max": JSON(inputs.upperBound)],
            "config": .array(config),
        ]
    }
}

/// What comes into a node.
struct NodeInput {
    let list: TrackList
    let config: NodeConfig
    /// The playlist that the node before wrote, with just these rows.
    let playlist: String?
    /// Measures the rows; what was seen is written down.
    let measure: (Metric) throws -> [MetricValue?]
}

/// A field of a node's configuration.
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

    /// Describes a field; one that is required ends in `*`, or in `^` if the node before may answer for it.
    init(_ name: String, _ kind: ConfigKind, default value: JSON? = nil, _ meaning: String) {
        isRequired = name.hasSuffix("*")
        isFromUpstream = name.hasSuffix("^")
        self.name = String(name.prefix { $0 != "*" && $0 != "^" })
        self.kind = kind
        self.value = value
        self.meaning = meaning
    }
}

/// A node's configuration, checked and filled in.
struct NodeConfig: Sendable {
    var values: [String: JSON] = [:]

    func text(_ name: String) -> String? {
        if case .text(let text)? = values[name] { text } else { nil }
    }
    func integer(_ name: String) -> Int {
        if case .integer(let number)? = values[name] { Int(number) } else { 0 }
    }
    func flag(_ name: String) -> Bool {
        if case .bool(true)? = values[name] { true } else { false }
    }
    func metric(_ name: String) -> Metric? { text(name).flatMap { Metric(rawValue: $0) } }
    func limit(_ name: String, of metric: Metric) -> MetricValue? {
        values[name].flatMap { metric.limit($0, isMost: name == "max") }
    }
}

extension Metric {
    /// A limit as a document gives it: a number, a text, a date, or a time, which may be a date too.
    fileprivate func limit(_ value: JSON, isMost: Bool) -> MetricValue? {
        switch (about.kind, value) {
        case (.number, .integer(let number)): return .integer(number)
        case (.number, .text(let text)): return Int64(text).map { .integer($0) }
        case (.text, .text(let text)): return .text(text)
        case (.date, .text(let text)) where text.allSatisfy { $0.isWholeNumber || $0 == "-" }:
            return .text(text)
        case (.time, .text(let text)):
            // A date means its beginning as the least time, its end as the last.
            let day = ISOTime.parseDate(text).map { $0 + (isMost ? 86_399_999 : 0) }
            return (day ?? ISOTime.parse(text)).map { .integer($0) }
        default: return nil
        }
    }
}

/// What a field of a configuration may hold.
public enum ConfigKind: Sendable {
    case text
    /// A text with the words of the run.
    case template
    case flag, metric, limit
    /// A span of time such as `7d`.
    case age
    case integer(from: Int64)
    case word([String])

    /// What it takes, in words and as JSON Schema, where a text with a parameter may stand for anything.
    private var about: (words: String, schema: JSON) {
        switch self {
        case .text: ("a text", ["type": "string"])
        case .template:
            ("a text; may hold {\(runWords.joined(separator: "} {"))}", ["type": "string"])
        case .flag: ("true or false", ["type": "boolean"])
        case .limit:
            (
                "a limit that fits the metric: a number, a text, a date or a time",
                ["type": ["integer", "string"]]
            )
        case .age:
            (
                "a span of time such as 12h, 7d, 2w, 6mo or 1y",
                ["type": "string", "pattern": "^[0-9]{1,5}(h|d|w|mo|y)$"]
            )
        case .integer(let least):
            (
                "a whole number from \(least) on",
                ["type": "integer", "minimum": .integer(least)]
            )
        case .metric: ("a metric", ["enum": .array(choices.map { .text($0) })])
        case .word:
            (choices.joined(separator: " or "), ["enum": .array(choices.map { .text($0) })])
        }
    }

    /// What it takes, in words.
    public var description: String { about.words }
    var schema: JSON { ["anyOf": [about.schema, ["type": "string", "pattern": "\\{"]]] }

    /// The words of which it takes one.
    var choices: [String] {
        switch self {
        case .metric: Metric.allCases.map(\.rawValue)
        case .word(let words): words
        default: []
        }
    }

    var isTemplate: Bool { if case .template = self { true } else { false } }

    /// Fills `{name}` in a value that is a text.
    ///
    /// - Throws: `OpenBrace` for a `{` that nothing closes.
    func filled(_ value: JSON, _ lookup: (String) -> String?) throws(OpenBrace) -> JSON {
        guard case .text(let text) = value else { return value }
        let filled = try fill(text, lookup)
        switch self {
        case _ where filled == text: return value
        case .integer: return Int64(filled).map { .integer($0) } ?? .text(filled)
        case .flag where filled == "true" || filled == "false": return .bool(filled == "true")
        default: return .text(filled)
        }
    }

    /// Whether it takes a value.
    ///
    /// - Parameter metric: The metric that the same node is given.
    func takes(_ value: JSON, metric: Metric?) -> Bool {
        switch (self, value) {
        case (.text, .text), (.template, .text), (.flag, .bool): true
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

/// A `{` that nothing closes.
struct OpenBrace: Error {}

/// Fills `{name}` in a text; `{{` and `}}` stand for braces, and so does a `}` by itself.
private func fill(_ text: String, _ lookup: (String) -> String?) throws(OpenBrace) -> String {
    var result = ""
    var rest = text[...]
    while let at = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
        let brace = rest[at]
        result += rest[..<at]
        rest = rest[rest.index(after: at)...]
        if brace == "}" || rest.first == brace {
            result.append(brace)
            if rest.first == brace { rest.removeFirst() }
        } else {
            guard let end = rest.firstIndex(of: "}") else { throw OpenBrace() }
            result += lookup(String(rest[..<end])) ?? ""
            rest = rest[rest.index(after: end)...]
        }
    }
    return result + rest
}
